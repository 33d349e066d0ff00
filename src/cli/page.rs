//! The page of a campaign, as `verify` and `fuzz` write it: all cells, and each case that was found with its own page.

use std::path::Path;
use std::time::Duration;

use super::drawn::write;
use crate::campaign::Report;
use crate::registry::Op;
use crate::report::index::{self, Found, Index};
use crate::report::{Cell, Page, Saved, Total};

/// What a report found, for the page: in which cell, by its place among the cells, and the command that shows it again.
pub(super) fn found(
    report: &Report<Op>,
    cell: usize,
    saved: Option<Saved<'_>>,
    command: String,
) -> Option<Found> {
    let tales = report.explanation().map(|explanation| explanation.tales).unwrap_or_default();
    Some(Found {
        cell,
        anomaly: tales.into_iter().next().map(|tale| tale.name),
        listing: report.listing(saved, Page::PLAIN)?,
        page: report.page(saved)?,
        command,
    })
}

/// Writes the page to `file`, and says so.
pub(super) fn write_page(
    file: &Path,
    cells: &[Cell],
    found: Vec<Found>,
    elapsed: Duration,
) -> anyhow::Result<()> {
    let total = Total::of(cells, elapsed);
    write(file, &index::html(&Index { subject: "registry", cells, total: &total, found }))
}
