//! The rows of a case's listing: the same blocks in the same words as on a terminal, one column a session. What completes
//! in another's step stands in that step's row.

use super::super::super::listing::blocks;
use super::super::timeline::{Change, Doing, at};
use super::super::{Cell, ListingRow, words};
use crate::report::Finding;

pub(super) fn rows(finding: &Finding<'_>, lines: &[Vec<Change>]) -> Vec<ListingRow> {
    let mut rows: Vec<ListingRow> = Vec::new();
    for block in blocks::blocks(finding) {
        let column = block.session.index();
        let fits = |row: &&mut ListingRow| {
            block.step.is_none() && matches!(row.cells.get(column), Some(Cell::Empty))
        };
        match rows.last_mut().filter(fits) {
            Some(row) => row.cells[column] = Cell::Lines(block.lines),
            None => {
                let mut cells = vec![Cell::Empty; lines.len()];
                cells[column] = Cell::Lines(block.lines);
                rows.push(ListingRow { step: block.step, cells });
            }
        }
    }
    let mut last = 0;
    for row in &mut rows {
        last = row.step.unwrap_or(last);
        for (cell, line) in row.cells.iter_mut().zip(lines) {
            if let (Cell::Empty, Doing::Waits(whom)) = (&cell, &at(line, last + 1).doing) {
                *cell = Cell::Waits(words::names(whom));
            }
        }
    }
    rows
}
