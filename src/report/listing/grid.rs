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

struct Grid {
    page: Page,
    /// Columns of the step numbers, with the blanks behind them.
    gutter: usize,
    /// Number of columns and the width of each.
    columns: usize,
    share: usize,
}

pub(super) fn draw(out: &mut String, sessions: usize, blocks: &[Block], page: Page) {
    let steps = blocks.iter().filter_map(|block| block.step).max().map_or(0, |step| step + 1);
    let grid = Grid::new(sessions.max(1), steps, page);
    grid.head(out, sessions);
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
        let gutter = digits + 2;
        let room = page.width.saturating_sub(gutter);
        let rules = (sessions - 1) * width(RULE);
        let share = room.saturating_sub(rules) / sessions;
        if sessions == 1 || share >= COLUMN_MIN {
            return Self { page, gutter, columns: sessions, share };
        }
        let gutter = digits + 4;
        Self { page, gutter, columns: 1, share: page.width.saturating_sub(gutter) }
    }

    fn stacked(&self, sessions: usize) -> bool {
        self.columns != sessions.max(1)
    }

    fn head(&self, out: &mut String, sessions: usize) {
        if self.stacked(sessions) {
            return;
        }
        let paint = self.page.paint;
        let names: Vec<_> = SessionId::first(sessions).map(|session| session.to_string()).collect();
        let names: Vec<_> = names.iter().map(|name| pad(name, self.share)).collect();
        let line = names.join(RULE);
        self.push(out, format!("{}{}", " ".repeat(self.gutter), line.trim_end()));
        let rule = vec!["─".repeat(self.share); self.columns].join("─┼─");
        self.push(out, format!("{}{}", " ".repeat(self.gutter), paint.apply(Style::Dim, &rule)));
    }

    fn block(&self, out: &mut String, block: &Block) {
        let number = block.step.map(|step| (step + 1).to_string()).unwrap_or_default();
        let digits = self.gutter - if self.columns == 1 && self.gutter > 4 { 4 } else { 2 };
        let mut label = format!("{number:>digits$}");
        let column = if block.session.index() < self.columns && self.columns > 1 {
            block.session.index()
        } else {
            label = if self.gutter - digits == 4 { format!("{label} {}", block.session) } else { label };
            0
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
            let mut cell = vec![(part.clone(), line.style)];
            if line.marked && index == 0 {
                cell = vec![(pad(&part, room), line.style), (MARK.to_owned(), Style::Red)];
            }
            self.row(out, label, column, &cell);
        }
    }

    /// One line of the grid, with `cell` in its column and the others empty.
    fn row(&self, out: &mut String, label: &str, column: usize, cell: &[(String, Style)]) {
        let paint = self.page.paint;
        let mut row = paint.apply(Style::Dim, &pad(label, self.gutter));
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
