//! The cells: a row for each variant, a column for each level.

use super::Index;
use crate::isolation::Isolation;
use crate::report::cell::{Cell, Match};
use crate::report::picture::markup::escape;
use crate::report::text::thousands;

/// The table, and the claims that it names by letters.
pub(super) fn table(index: &Index<'_>) -> String {
    let cells = index.cells;
    let levels: Vec<_> = Isolation::ALL.into_iter().filter(|level| has(cells, *level)).collect();
    let head: String = levels
        .iter()
        .map(|level| format!("<th scope=\"col\">{}</th>", level.name().replace('-', " ")))
        .collect();
    let claims = claims(cells);
    let mut rows = String::new();
    for variant in cells.chunk_by(|one, next| one.variant == next.variant) {
        rows.push_str(&format!("<tr><th scope=\"row\">{}</th>", escape(&variant[0].variant)));
        for level in &levels {
            let cell =
                cells.iter().position(|cell| cell.variant == variant[0].variant && cell.isolation == *level);
            match cell {
                Some(place) => rows.push_str(&one(index, place, &claims)),
                None => rows.push_str("<td class=\"none\">not run</td>"),
            }
        }
        rows.push_str("</tr>\n");
    }
    let legend: String = claims
        .iter()
        .enumerate()
        .map(|(place, claim)| format!("<dt>{}</dt><dd>{}</dd>\n", letter(place), escape(claim)))
        .collect();
    let legend = if legend.is_empty() { legend } else { format!("<dl class=\"claims\">\n{legend}</dl>\n") };
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Cells by variant and level\">\n\
         <table class=\"cells\">\n<caption class=\"unseen\">Verdict of each variant at each level</caption>\n\
         <thead><tr><th scope=\"col\">variant</th>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n\
         <p class=\"keys\">Below each verdict: cases that were run, and the share of them in which sessions met on the same \
         tables.</p>\n{legend}"
    )
}

fn has(cells: &[Cell], level: Isolation) -> bool {
    cells.iter().any(|cell| cell.isolation == level)
}

fn one(index: &Index<'_>, place: usize, claims: &[&str]) -> String {
    let cell = &index.cells[place];
    let letter = cell.violated_claim().map_or(String::new(), |claim| {
        let at = claims.iter().position(|known| *known == claim).unwrap_or(0);
        format!(" <span class=\"letter\">{}</span>", letter(at))
    });
    let (class, sign, word) = match cell.compare() {
        Match::AsExpected if cell.violated_claim().is_some() => ("violated", "✗", "violated"),
        Match::AsExpected => ("holds", "✓", "holds"),
        Match::Missed => ("departs", "✗", "missed"),
        Match::Unexpected => ("departs", "✗", "unexpected"),
        Match::Untold => ("untold", "?", "unknown"),
    };
    let said = format!("<span aria-hidden=\"true\">{sign} </span>{word}{letter}");
    let case = index.found.iter().position(|found| found.cell == place);
    let said = case.map_or(said.clone(), |case| format!("<a href=\"#case-{}\">{said}</a>", case + 1));
    let share = (cell.contention.met.min(cell.cases) * 100).checked_div(cell.cases).unwrap_or(0);
    let weight = format!("{} · {share} %", thousands(cell.cases));
    format!("<td class=\"{class}\">{said}<span class=\"weight\">{weight}</span></td>")
}

/// The claims that are violated, in the order in which they come first.
fn claims(cells: &[Cell]) -> Vec<&str> {
    let mut claims = Vec::new();
    for claim in cells.iter().filter_map(Cell::violated_claim) {
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    claims
}

/// `a` to `z`, then `aa`.
fn letter(place: usize) -> String {
    char::from(b'a' + (place % 26) as u8).to_string().repeat(place / 26 + 1)
}
