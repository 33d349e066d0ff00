//! Lays blocks out in columns, one a session. Where there are so many sessions that a column would be too narrow to
//! read, the sessions share one column and their letters stand beside the step numbers.

use super::super::paint::Style;
use super::super::text::{pad, width, wrap};
use super::super::{Page, Paint};
use super::Line;
use super::blocks::Block;
use crate::schedule::SessionId;

/// A column narrower than this is not worth having.
const COLUMN_MIN: usize = 16;
/// What stands between two columns.
const RULE: &str = " │ ";
/// What marks a step that the evidence names.
const MARK: &str = " ◀";

/// What stands left of the columns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gutter {
    /// The numbers of the steps.
    Numbers,
    /// The numbers and the letters of the sessions, which share one column.
    NumbersAndLetters,
}

struct Grid {
    page: Page,
    gutter: Gutter,
    /// Digits of the largest step number.
    digits: usize,
    /// Number of columns.
    columns: usize,
    /// Width of each.
    share: usize,
}

pub(super) fn draw(out: &mut String, sessions: usize, blocks: &[Block], page: Page) {
    let steps = blocks.iter().filter_map(|block| block.step).max().map_or(0, |step| step + 1);
    let grid = Grid::new(sessions.max(1), steps, page);
    grid.head(out);
    let mut above = None;
    for block in blocks {
        if above.is_some_and(|session| session != block.session) {
            grid.row(out, "", 0, &[]);
        }
        above = Some(block.session);
        grid.block(out, block);
    }
}

impl Grid {
    fn new(sessions: usize, steps: usize, page: Page) -> Self {
        let digits = steps.to_string().len().max(2);
        let mut grid = Self { page, gutter: Gutter::Numbers, digits, columns: sessions, share: 0 };
        let rules = (sessions - 1) * width(RULE);
        grid.share = page.width.saturating_sub(grid.margin() + rules) / sessions;
        if sessions > 1 && grid.share < COLUMN_MIN {
            grid.gutter = Gutter::NumbersAndLetters;
            grid.columns = 1;
            grid.share = page.width.saturating_sub(grid.margin());
        }
        grid
    }

    /// Width of the gutter, with the blanks behind it.
    fn margin(&self) -> usize {
        let letter = if self.gutter == Gutter::Numbers { 0 } else { " A".len() };
        self.digits + letter + 2
    }

    fn head(&self, out: &mut String) {
        if self.gutter == Gutter::NumbersAndLetters {
            return;
        }
        let margin = " ".repeat(self.margin());
        let names: Vec<_> =
            SessionId::first(self.columns).map(|session| pad(&session.to_string(), self.share)).collect();
        self.push(out, format!("{margin}{}", names.join(RULE).trim_end()));
        let rule = vec!["─".repeat(self.share); self.columns].join("─┼─");
        self.push(out, format!("{margin}{}", self.page.paint.apply(Style::Dim, &rule)));
    }

    fn block(&self, out: &mut String, block: &Block) {
        let number = block.step.map(|step| (step + 1).to_string()).unwrap_or_default();
        let number = format!("{number:>digits$}", digits = self.digits);
        let (label, column) = match self.gutter {
            Gutter::Numbers => (number, block.session.index()),
            Gutter::NumbersAndLetters => (format!("{number} {}", block.session), 0),
        };
        // The number stands beside the step itself, below the heading of an operation.
        let first = block.lines.iter().position(|line| line.style != Style::Bold).unwrap_or(0);
        for (index, line) in block.lines.iter().enumerate() {
            let label = if index == first { label.as_str() } else { "" };
            self.line(out, label, column, line);
        }
    }

    fn line(&self, out: &mut String, label: &str, column: usize, line: &Line) {
        let room = if line.marked { self.share.saturating_sub(width(MARK)) } else { self.share };
        for (index, part) in wrap(&line.text, room).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            if line.marked && index == 0 {
                let marked = [(pad(&part, room), line.style), (MARK.to_owned(), Style::Red)];
                self.row(out, label, column, &marked);
            } else {
                self.row(out, label, column, &[(part, line.style)]);
            }
        }
    }

    /// One line of the grid, with `cell` in its column and the others empty.
    fn row(&self, out: &mut String, label: &str, column: usize, cell: &[(String, Style)]) {
        let paint = self.page.paint;
        let mut row = paint.apply(Style::Dim, &pad(label, self.margin()));
        // Rules are drawn as far as the last column, so that the eye can follow a session that does nothing.
        for at in 0..self.columns {
            let mut taken = 0;
            if at == column {
                for (text, style) in cell {
                    taken += width(text);
                    row.push_str(&paint.apply(*style, text));
                }
            }
            if at + 1 < self.columns {
                row.push_str(&" ".repeat(self.share.saturating_sub(taken)));
                row.push_str(&paint.apply(Style::Dim, RULE));
            }
        }
        self.push(out, row);
    }

    fn push(&self, out: &mut String, row: String) {
        match self.page.paint {
            Paint::Plain => out.push_str(row.trim_end()),
            Paint::Ansi => out.push_str(&row),
        }
        out.push('\n');
    }
}
