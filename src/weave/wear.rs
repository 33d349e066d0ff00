//! How worn the pages of a lane's tables are, so that they are renewed before that could show.
//!
//! Rows that a query does not order come as they lie on their pages, and so do those that an index holds equal. In a new
//! file a later row lies behind an earlier one. On a page that is nearly full the server makes room in between, and
//! what lies where then depends on the cases before. So it is counted how many row versions have come to lie there,
//! and the tables get new files while there is room for a case to come. (A VACUUM takes less, but it tells the planner
//! of what it saw, and plans decide the order of rows as well.)
//!
//! Row versions are counted from the answers to statements; those that triggers and functions write show in none, which
//! is why the bound is well below what fits.

use crate::history::Statement;

/// About half of a page of eight kilobytes; the server makes room on one when nine tenths are taken.
const BYTES_MAX: usize = 4_000;
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
    /// The most that one case has written.
    largest: usize,
}

impl Wear {
    /// Of tables whose rows have up to so many bytes, with their heads.
    pub(super) fn of_rows(bytes: usize) -> Self {
        Self { versions_max: BYTES_MAX / (bytes + POINTER_BYTES), versions: 0, largest: 0 }
    }

    /// The pages are new.
    pub(super) fn renewed(&mut self) {
        self.versions = 0;
    }

    /// The first state was put there, so many rows.
    pub(super) fn filled(&mut self, rows: usize) {
        self.versions += rows;
    }

    /// A case has written this many versions.
    pub(super) fn wrote(&mut self, versions: usize) {
        self.versions += versions;
        self.largest = self.largest.max(versions);
    }

    /// Whether `rows` and then a case might not find room any more.
    pub(super) fn is_worn(&self, rows: usize) -> bool {
        self.versions > 0 && self.versions + rows + self.largest > self.versions_max
    }
}

/// How many row versions a statement has written, as far as its answer tells.
pub(super) fn versions(statement: &Statement) -> usize {
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
        let mut wear = Wear::of_rows(96);
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
        let mut wear = Wear::of_rows(96);
        assert!(!wear.is_worn(4));
        wear.wrote(100);
        assert!(wear.is_worn(4));
        wear.renewed();
        assert!(!wear.is_worn(4), "they are new already");
    }

    #[test]
    fn versions_are_read_from_the_answer() {
        let of = |tag: &str| versions(&Statement { tag: Some(tag.to_owned()), ..Statement::default() });
        assert_eq!([of("INSERT 0 3"), of("UPDATE 2"), of("DELETE 5"), of("SELECT 7")], [3, 2, 0, 0]);
    }
}
