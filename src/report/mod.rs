//! What a run says to its user: listing, table, JSON lines, progress, annotations.
//!
//! Each output is a pure function from what was found to text, and one file. Nothing here computes a verdict, reads the
//! environment, a clock or a terminal: width, colour and elapsed time come in as values, and the caller writes the text
//! where it belongs (the result to stdout, the talk to stderr).

mod cell;
pub mod checked;
pub mod cycle;
mod explanation;
pub mod github;
pub mod index;
pub mod json;
pub mod listing;
pub mod matrix;
mod paint;
pub mod picture;
pub mod progress;
#[cfg(not(loom))]
pub mod remedy;
pub mod table;
mod text;

#[cfg(test)]
pub(crate) mod fixtures;

pub use cell::{Cell, Expected, Match, Total, Verdict};
pub use explanation::{Became, Chain, Explanation, Link, Tale, edges, explanation, unfollowed};
pub use listing::{Finding, Saved, listing};
pub use paint::Paint;
pub use table::{one_cell, table};
pub use text::{words, words_of_sessions};

/// How wide a report may be, in columns of a terminal, and whether it may use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Columns.
    pub width: usize,
    /// Colour or none.
    pub paint: Paint,
}

impl Page {
    /// The width that every report is made for.
    pub const WIDTH: usize = 100;

    /// 100 columns without colour: what goes into files and logs.
    pub const PLAIN: Page = Page { width: Self::WIDTH, paint: Paint::Plain };
}
