//! The unified difference of two texts, line by line, as `diff -u` shows it.
//!
//! Source: E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1 (1986), the greedy form. Beyond
//! [`EDITS_MAX`] edits the rest counts as replaced: nobody reads that far.

/// Lines of context around a change.
const CONTEXT_LINES: usize = 3;
/// Edits that are looked for.
const EDITS_MAX: usize = 1_000;

/// One line of an edit script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit<'a> {
    Keep(&'a str),
    Remove(&'a str),
    Add(&'a str),
}

/// The difference with its header; empty when the texts are equal.
pub fn unified(old_name: &str, new_name: &str, old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let edits = edits(&old, &new);
    if edits.iter().all(|edit| matches!(edit, Edit::Keep(_))) {
        return String::new();
    }
    let mut text = format!("--- {old_name}\n+++ {new_name}\n");
    for hunk in hunks(&edits) {
        write_hunk(&mut text, &edits, hunk);
    }
    text
}

fn write_hunk(text: &mut String, edits: &[Edit<'_>], hunk: std::ops::Range<usize>) {
    let count = |range: &[Edit<'_>]| {
        let old = range.iter().filter(|edit| !matches!(edit, Edit::Add(_))).count();
        let new = range.iter().filter(|edit| !matches!(edit, Edit::Remove(_))).count();
        (old, new)
    };
    let (old_before, new_before) = count(&edits[..hunk.start]);
    let (old, new) = count(&edits[hunk.clone()]);
    let first = |before: usize, count: usize| if count == 0 { before } else { before + 1 };
    text.push_str(&format!("@@ -{},{old} +{},{new} @@\n", first(old_before, old), first(new_before, new)));
    for edit in &edits[hunk] {
        let (mark, line) = match edit {
            Edit::Keep(line) => (' ', line),
            Edit::Remove(line) => ('-', line),
            Edit::Add(line) => ('+', line),
        };
        text.push(mark);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// Ranges of edits that hold the changes with their context.
fn hunks(edits: &[Edit<'_>]) -> Vec<std::ops::Range<usize>> {
    let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
    for (index, _) in edits.iter().enumerate().filter(|(_, edit)| !matches!(edit, Edit::Keep(_))) {
        let range = index.saturating_sub(CONTEXT_LINES)..(index + 1 + CONTEXT_LINES).min(edits.len());
        match hunks.last_mut() {
            Some(last) if range.start <= last.end => last.end = range.end,
            _ => hunks.push(range),
        }
    }
    hunks
}

fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    let same = |(a, b): &(&&str, &&str)| a == b;
    let prefix = old.iter().zip(new).take_while(same).count();
    let (old_rest, new_rest) = (&old[prefix..], &new[prefix..]);
    let suffix = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (old_middle, new_middle) =
        (&old_rest[..old_rest.len() - suffix], &new_rest[..new_rest.len() - suffix]);
    let mut edits: Vec<_> = old[..prefix].iter().map(|line| Edit::Keep(line)).collect();
    edits.extend(middle(old_middle, new_middle));
    edits.extend(old_rest[old_middle.len()..].iter().map(|line| Edit::Keep(line)));
    edits
}

/// The greedy algorithm: how far each diagonal reaches with one edit after another, and then the way back.
fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    let edits_max = (old.len() + new.len()).min(EDITS_MAX);
    let offset = edits_max + 1;
    let mut reach = vec![0_usize; 2 * offset + 1];
    let mut history = Vec::new();
    for edit in 0..=edits_max {
        history.push(reach.clone());
        for k in (0..=edit).map(|i| offset + 2 * i - edit) {
            let down = k == offset - edit || (k != offset + edit && reach[k - 1] < reach[k + 1]);
            let mut x = if down { reach[k + 1] } else { reach[k - 1] + 1 };
            // Off the grid: this diagonal cannot be reached so.
            if x > old.len() || x + offset < k || x + offset - k > new.len() {
                reach[k] = x.min(old.len());
                continue;
            }
            while x < old.len() && x + offset - k < new.len() && old[x] == new[x + offset - k] {
                x += 1;
            }
            reach[k] = x;
            if x == old.len() && x + offset - k == new.len() {
                return way_back(old, new, &history, offset);
            }
        }
    }
    let removed = old.iter().map(|line| Edit::Remove(line));
    removed.chain(new.iter().map(|line| Edit::Add(line))).collect()
}

fn way_back<'a>(old: &[&'a str], new: &[&'a str], history: &[Vec<usize>], offset: usize) -> Vec<Edit<'a>> {
    let (mut x, mut y) = (old.len(), new.len());
    let mut edits = Vec::new();
    for (edit, reach) in history.iter().enumerate().rev() {
        let k = x + offset - y;
        let down = k == offset - edit || (k != offset + edit && reach[k - 1] < reach[k + 1]);
        let (from_x, from_y) = match (edit, down) {
            (0, _) => (0, 0),
            (_, true) => (reach[k + 1], reach[k + 1] + offset - (k + 1)),
            (_, false) => (reach[k - 1], reach[k - 1] + offset - (k - 1)),
        };
        while x > from_x && y > from_y {
            x -= 1;
            y -= 1;
            edits.push(Edit::Keep(old[x]));
        }
        if edit > 0 {
            edits.push(if down { Edit::Add(new[from_y]) } else { Edit::Remove(old[from_x]) });
            (x, y) = (from_x, from_y);
        }
    }
    edits.reverse();
    edits
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_difference_reads_as_usual() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n";
        let new = "a\nB\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl";
        expect![[r#"
            --- old
            +++ new
            @@ -1,5 +1,5 @@
             a
            -b
            +B
             c
             d
             e
            @@ -9,3 +9,4 @@
             i
             j
             k
            +l
            \ No newline at end of file
        "#]]
        .assert_eq(&unified("old", "new", old, new));
        assert_eq!(unified("old", "new", old, old), "");
    }

    proptest! {
        #[test]
        fn an_edit_script_leads_from_one_text_to_the_other(
            old in proptest::collection::vec("[abc]", 0..12),
            new in proptest::collection::vec("[abc]", 0..12),
        ) {
            let (old, new): (Vec<&str>, Vec<&str>) =
                (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
            let edits = edits(&old, &new);
            let kept = |keep: fn(&Edit<'_>) -> bool| -> Vec<&str> {
                edits.iter().filter(|edit| keep(edit)).map(|edit| match edit {
                    Edit::Keep(line) | Edit::Remove(line) | Edit::Add(line) => *line,
                }).collect()
            };
            prop_assert_eq!(kept(|edit| !matches!(edit, Edit::Add(_))), old);
            prop_assert_eq!(kept(|edit| !matches!(edit, Edit::Remove(_))), new);
        }
    }
}
