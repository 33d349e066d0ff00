//! The listing and the final state as tables, which a screen reader can read cell by cell.
//!
//! What stands in the listing is decided where the picture is made.

use super::super::super::listing::Line;
use super::super::super::paint::Style;
use super::super::super::text::clip;
use super::super::markup::{class, escape};
use super::super::{Cell, Listing, ListingRow, words};
use crate::history::State;

/// More rows of one table than this are counted and not shown.
const ROWS_MAX: usize = 50;
/// More of a value than this many columns is cut.
const VALUE_COLUMNS: usize = 80;

pub(super) fn listing(listing: &Listing) -> String {
    let head = |head: &String| format!("<th scope=\"col\">{}</th>", escape(head));
    let heads: String = listing.heads.iter().map(head).collect();
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Listing\">\n<table class=\"listing\">\n\
         <thead><tr><th scope=\"col\">Step</th>{heads}</tr></thead>\n<tbody>\n"
    );
    listing.rows.iter().for_each(|row| out.push_str(&self::row(row)));
    out.push_str("</tbody>\n</table>\n</div>\n");
    out
}

fn row(row: &ListingRow) -> String {
    let mut out = match row.step.map(|step| step + 1) {
        Some(number) => {
            format!("<tr id=\"row-{number}\"><th scope=\"row\"><a href=\"#step={number}\">{number}</a></th>")
        }
        None => "<tr><th scope=\"row\"></th>".to_owned(),
    };
    for cell in &row.cells {
        match cell {
            Cell::Empty => out.push_str("<td></td>"),
            Cell::Lines(lines) => out.push_str(&self::cell(lines)),
            Cell::Waits(whom) => out.push_str(&format!(
                "<td class=\"waits\"><span class=\"unseen\">still waits for {}</span></td>",
                escape(whom)
            )),
        }
    }
    out + "</tr>\n"
}

fn cell(lines: &[Line]) -> String {
    let mut out = String::from("<td>");
    for line in lines {
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
