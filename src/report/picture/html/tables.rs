//! The listing and the final state as tables, which a screen reader can read cell by cell.
//!
//! The listing has the same blocks in the same words as the one on a terminal. What completes in another's step stands
//! in that step's row.

use super::super::super::paint::Style;
use super::super::super::text::clip;
use super::super::markup::{class, escape};
use super::super::timeline::{Change, Doing, at, timelines};
use super::super::{Picture, blocks, words};
use crate::history::State;
use crate::report::listing::blocks::Block;
use crate::schedule::SessionId;

/// More rows of one table than this are counted and not shown.
const ROWS_MAX: usize = 50;
/// More of a value than this many columns is cut.
const VALUE_COLUMNS: usize = 80;

/// One row of the listing.
struct Row {
    step: Option<usize>,
    /// What stands in each session's column.
    cells: Vec<Option<Block>>,
}

pub(super) fn listing(picture: &Picture<'_>) -> String {
    let sessions = picture.sessions();
    let heads: String =
        SessionId::first(sessions).map(|session| format!("<th scope=\"col\">{session}</th>")).collect();
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Listing\">\n<table class=\"listing\">\n\
         <thead><tr><th scope=\"col\">Step</th>{heads}</tr></thead>\n<tbody>\n"
    );
    let lines = timelines(picture);
    let mut last = 0;
    for row in rows(picture, sessions) {
        last = row.step.unwrap_or(last);
        self::row(&mut out, &row, last, &lines);
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    out
}

fn rows(picture: &Picture<'_>, sessions: usize) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for block in blocks::blocks(picture.finding) {
        let column = block.session.index();
        let fits = |row: &&mut Row| block.step.is_none() && row.cells[column].is_none();
        match rows.last_mut().filter(fits) {
            Some(row) => row.cells[column] = Some(block),
            None => {
                let mut cells: Vec<_> = std::iter::repeat_with(|| None).take(sessions).collect();
                let step = block.step;
                cells[column] = Some(block);
                rows.push(Row { step, cells });
            }
        }
    }
    rows
}

fn row(out: &mut String, row: &Row, last: usize, lines: &[Vec<Change>]) {
    match row.step {
        Some(step) => {
            let number = step + 1;
            out.push_str(&format!(
                "<tr id=\"row-{number}\"><th scope=\"row\"><a href=\"#step={number}\">{number}</a></th>"
            ));
        }
        None => out.push_str("<tr><th scope=\"row\"></th>"),
    }
    for (cell, line) in row.cells.iter().zip(lines) {
        match cell {
            Some(block) => out.push_str(&self::cell(block)),
            None => match &at(line, last + 1).doing {
                Doing::Waits(whom) => out.push_str(&format!(
                    "<td class=\"waits\"><span class=\"unseen\">still waits for {}</span></td>",
                    words::names(whom)
                )),
                _ => out.push_str("<td></td>"),
            },
        }
    }
    out.push_str("</tr>\n");
}

fn cell(block: &Block) -> String {
    let mut out = String::from("<td>");
    for line in &block.lines {
        let style = match line.style {
            Style::Plain => "",
            Style::Dim => "dim",
            Style::Bold => "operation",
            Style::Red => "error",
            Style::Green => "done",
            Style::Yellow => "wait",
        };
        let marked = if line.marked { "marked" } else { "" };
        out.push_str(&format!("<div{}>{}", class(&[style, marked]), escape(bare(&line.text))));
        if line.marked {
            out.push_str(
                " <span class=\"flag\">◀<span class=\"unseen\"> named by the evidence</span></span>",
            );
        }
        out.push_str("</div>");
    }
    out.push_str("</td>");
    out
}

/// A line without the sign at its start that few fonts have; the page shows a wait by its style.
fn bare(text: &str) -> &str {
    ["⏳ ", "💤 "].iter().find_map(|sign| text.strip_prefix(sign)).unwrap_or(text)
}

/// Tables with rows, each behind a summary with its name.
pub(super) fn state(state: &State) -> String {
    let mut out = String::new();
    for (name, table) in state.0.iter().filter(|(_, table)| !table.rows.is_empty()) {
        let count = super::counted(table.rows.len() as u64, "row");
        let heads: String = table
            .columns
            .iter()
            .map(|column| format!("<th scope=\"col\">{}</th>", escape(&column.name)))
            .collect();
        let name = escape(name);
        out.push_str(&format!(
            "<details><summary>{name} <span class=\"count\">{count}</span></summary>\n<div class=\"scroll\" \
             tabindex=\"0\" role=\"region\" aria-label=\"{name}\"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"
        ));
        for row in table.rows.iter().take(ROWS_MAX) {
            let cells: String = row
                .iter()
                .map(|datum| format!("<td>{}</td>", escape(&clip(&words::value(datum), VALUE_COLUMNS))))
                .collect();
            out.push_str(&format!("<tr>{cells}</tr>\n"));
        }
        out.push_str("</tbody>\n</table></div>\n");
        if let Some(more) = table.rows.len().checked_sub(ROWS_MAX).filter(|&more| more > 0) {
            out.push_str(&format!("<p>and {}</p>\n", super::counted(more as u64, "more row")));
        }
        out.push_str("</details>\n");
    }
    out
}
