//! How worn the pages of a table are, so that they are renewed before that could show.
//!
//! Rows that a query does not order come as they lie on their pages, and so do those that an index holds equal. In a new
//! file a later row lies behind an earlier one. On a page that is nearly full the server makes room in between, and
//! what lies where then depends on the cases before. So it is counted how many row versions have come to lie there,
//! and the table gets a new file while there is room for a case to come. (A VACUUM takes less, but it tells the planner
//! of what it saw, and plans decide the order of rows as well.)
//!
//! Row versions are counted from the answers to statements. Those that a statement wrote before it failed show in none, and
//! neither do those that foreign keys write; rows may grow, too. That is why the bounds are below what fits. Where code
//! may have written that no statement shows, no count is believed.

use crate::history::Statement;

/// How well what is written to a table can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// All rows are equally long, and none are written unasked.
    Well,
    /// Rows may be longer than those that were seen, or come by themselves.
    Roughly,
}

impl Counted {
    /// So much of a page of eight kilobytes may be taken. The server makes room on one when nine tenths are.
    const fn bytes_max(self) -> usize {
        match self {
            Self::Well => 6_000,
            Self::Roughly => 4_000,
        }
    }
}

/// Every so many times that it is filled a table gets a new file, however little is known to have been written.
const FILLS_MAX: usize = 64;
/// What a row version takes besides its bytes.
const POINTER_BYTES: usize = 4;
/// What a row is taken to take of which none is there to be measured.
pub(super) const UNKNOWN_ROW_BYTES: usize = 100;

/// What has come to lie on the pages since they were new.
#[derive(Debug, Default)]
pub(super) struct Wear {
    /// So many may.
    versions_max: usize,
    versions: usize,
    fills: usize,
    /// What the case of this moment has written.
    current: usize,
    /// The most that one case has written.
    largest: usize,
    /// Whether more may have been written than was counted.
    is_uncounted: bool,
}

impl Wear {
    /// Of a table whose rows have up to so many bytes, with their heads.
    pub(super) fn of_rows(bytes: usize, counted: Counted) -> Self {
        let versions_max = counted.bytes_max() / (bytes + POINTER_BYTES);
        Self { versions_max, ..Self::default() }
    }

    /// Whether so many rows may lie on one page.
    pub(super) fn has_room_for(&self, rows: usize) -> bool {
        rows <= self.versions_max
    }

    /// The pages are new.
    pub(super) fn renewed(&mut self) {
        (self.versions, self.fills, self.is_uncounted) = (0, 0, false);
    }

    /// The first state was put there, so many rows.
    pub(super) fn filled(&mut self, rows: usize) {
        self.versions += rows;
        self.fills += 1;
        self.current = 0;
    }

    /// A case has written this many versions, beside those that it had written.
    pub(super) fn wrote(&mut self, versions: usize) {
        self.versions += versions;
        self.current += versions;
        self.largest = self.largest.max(self.current);
    }

    /// A case may have written any number of versions.
    pub(super) fn wrote_unseen(&mut self) {
        self.is_uncounted = true;
    }

    /// Whether `rows` and then a case might not find room any more.
    pub(super) fn is_worn(&self, rows: usize) -> bool {
        let is_full = self.versions + rows + self.largest > self.versions_max;
        self.is_uncounted || self.versions > 0 && (is_full || self.fills >= FILLS_MAX)
    }
}

/// How many row versions a statement has written, as far as its answer tells.
pub(crate) fn versions(statement: &Statement) -> usize {
    let Some(tag) = &statement.tag else {
        // What it wrote before it failed lies there all the same.
        return usize::from(statement.error.is_some());
    };
    let mut words = tag.split(' ');
    match words.next() {
        Some("INSERT" | "UPDATE" | "COPY" | "MERGE") => {
            words.next_back().and_then(|count| count.parse().ok()).unwrap_or(1)
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_renewed_while_there_is_room_for_the_largest_case() {
        let mut wear = Wear::of_rows(96, Counted::Roughly);
        let mut renewed = Vec::new();
        for case in 0..12 {
            if wear.is_worn(4) {
                wear.renewed();
                renewed.push(case);
            }
            wear.filled(4);
            wear.wrote(6);
            assert!(wear.versions <= wear.versions_max);
        }
        assert_eq!(renewed, [4, 8]);
    }

    #[test]
    fn a_case_that_does_not_fit_begins_on_new_pages() {
        let mut wear = Wear::of_rows(96, Counted::Roughly);
        assert!(!wear.is_worn(4));
        wear.wrote(100);
        assert!(wear.is_worn(4));
        wear.renewed();
        assert!(!wear.is_worn(4), "they are new already");
    }

    #[test]
    fn where_nobody_counted_pages_are_renewed_at_once() {
        let mut wear = Wear::of_rows(96, Counted::Well);
        wear.filled(1);
        assert!(!wear.is_worn(1));
        wear.wrote_unseen();
        assert!(wear.is_worn(1));
        wear.renewed();
        assert!(!wear.is_worn(1));
    }

    #[test]
    fn versions_are_read_from_the_answer() {
        let of = |tag: &str| versions(&Statement { tag: Some(tag.to_owned()), ..Statement::default() });
        assert_eq!([of("INSERT 0 3"), of("UPDATE 2"), of("DELETE 5"), of("SELECT 7")], [3, 2, 0, 0]);
    }
}
