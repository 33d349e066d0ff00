//! A version of a row in words: what its writer did to the one before, in the columns that differ. Long values and many
//! columns are cut, so that a sentence stays one.

use serde_json::Value;

use super::super::text::clip;
use super::teller::Teller;
use crate::rows::{Image, VersionId, shown};

/// More columns of a row than this are left out of a sentence.
const COLUMNS_MAX: usize = 4;
/// More of a value than this many columns is cut.
const VALUE_COLUMNS: usize = 40;

impl Teller<'_> {
    /// `inserted mv (1, 2) (stage staging)`, `changed v of md #1 from 0 to 1`, `deleted kv #1`.
    pub(super) fn wrote(&self, version: Option<VersionId>) -> String {
        let Some(version) = version else { return "wrote".to_owned() };
        let followed = &self.rows.followed;
        let row = followed.row_name(followed.versions[version].row);
        let before = self.before(version).and_then(|before| self.image(Some(before)));
        match (before, self.image(Some(version))) {
            (_, None) => format!("deleted {row}"),
            (None, Some(image)) => format!("inserted {row} ({})", pairs(image, |_| true)),
            (Some(before), Some(after)) => match changed(before, after).as_slice() {
                [] => format!("wrote {row} again as it was"),
                columns => {
                    let change = |column: &&String| {
                        format!("{column} of {row} from {} to {}", held(before, column), held(after, column))
                    };
                    let changes: Vec<String> = columns.iter().take(COLUMNS_MAX).map(change).collect();
                    format!("changed {}", changes.join(" and "))
                }
            },
        }
    }

    /// What the second of two writers of a row did.
    pub(super) fn over(&self, version: Option<VersionId>) -> String {
        match (
            version.and_then(|version| self.before(version)).and_then(|before| self.image(Some(before))),
            self.image(version),
        ) {
            (_, None) => "deleted it".to_owned(),
            (Some(before), Some(after)) => match changed(before, after).as_slice() {
                [] => "wrote over it, with the same values".to_owned(),
                columns => format!("wrote over it, {}", pairs(after, |column| columns.contains(&column))),
            },
            (None, Some(after)) => format!("wrote over it, {}", pairs(after, |_| true)),
        }
    }

    /// What was read, in the columns that the next writer changed: `v 0 of `.
    pub(super) fn read(&self, version: Option<VersionId>, next: Option<VersionId>) -> String {
        let Some(image) = self.image(version) else { return String::new() };
        let columns = self.image(next).map(|next| changed(image, next)).unwrap_or_default();
        match columns.is_empty() {
            true => String::new(),
            false => format!("{} of ", pairs(image, |column| columns.contains(&column))),
        }
    }

    pub(super) fn replaced(&self, next: Option<VersionId>) -> String {
        let Some(version) = next else { return "replaced it".to_owned() };
        let before = self.before(version).and_then(|before| self.image(Some(before)));
        match (before, self.image(Some(version))) {
            (_, None) => "deleted it".to_owned(),
            (Some(before), Some(after)) => match changed(before, after).as_slice() {
                [] => "replaced it by the same values".to_owned(),
                [one] => format!("replaced it by {}", held(after, one)),
                columns => format!("replaced it by {}", pairs(after, |column| columns.contains(&column))),
            },
            (None, Some(after)) => format!("replaced it by {}", pairs(after, |_| true)),
        }
    }

    fn image(&self, version: Option<VersionId>) -> Option<&Image> {
        self.rows.followed.versions[version?].image.as_ref()
    }

    /// The version before one of the same row that stayed.
    fn before(&self, version: VersionId) -> Option<VersionId> {
        let followed = &self.rows.followed;
        let writer = followed.versions[version].writer;
        let versions = &followed.rows[followed.versions[version].row].versions;
        let at = versions.iter().position(|other| *other == version)?;
        let own = |other: &VersionId| {
            followed.versions[*other].writer == writer && followed.versions[*other].undone.is_none()
        };
        versions[..at].iter().rev().copied().find(|other| followed.is_committed(*other) || own(other))
    }
}

/// The columns in which two images of a row differ.
fn changed<'a>(before: &'a Image, after: &Image) -> Vec<&'a String> {
    before.keys().filter(|column| before.get(*column) != after.get(*column)).collect()
}

/// `v 1, version_lock 2`.
pub(super) fn pairs(image: &Image, wanted: impl Fn(&String) -> bool) -> String {
    let pair = |(column, held): (&String, &Value)| format!("{column} {}", value(held));
    let mut pairs: Vec<String> = image.iter().filter(|(column, _)| wanted(column)).map(pair).collect();
    if pairs.len() > COLUMNS_MAX {
        pairs.truncate(COLUMNS_MAX);
        pairs.push("…".to_owned());
    }
    pairs.join(", ")
}

fn held(image: &Image, column: &str) -> String {
    value(image.get(column).unwrap_or(&Value::Null))
}

fn value(value: &Value) -> String {
    clip(&shown(value), VALUE_COLUMNS).into_owned()
}
