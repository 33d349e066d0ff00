//! How much of what could happen was run, cell by cell.

use crate::check::coverage::Met;
use crate::report::cell::Cell;
use crate::report::picture::markup::escape;
use crate::report::text::thousands;

/// The table: classes of schedules, the estimate of a new one, and the statement pairs that met in each way.
pub(super) fn table(cells: &[Cell]) -> String {
    let mut rows = String::new();
    for variant in cells.chunk_by(|one, next| one.variant == next.variant) {
        for (place, cell) in variant.iter().enumerate() {
            let name = format!(
                "<th scope=\"rowgroup\" rowspan=\"{}\">{}</th>",
                variant.len(),
                escape(&cell.variant)
            );
            let name = if place == 0 { name } else { String::new() };
            let class = if place == 0 { " class=\"first\"" } else { "" };
            rows.push_str(&format!("<tr{class}>{name}{}</tr>\n", row(cell)));
        }
    }
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Coverage of each cell\">\n<table class=\"covered\">\n\
         <caption class=\"unseen\">What was covered in each cell</caption>\n<thead><tr>\
         <th scope=\"col\">variant</th><th scope=\"col\">level</th><th scope=\"col\" class=\"number\">cases</th>\
         <th scope=\"col\" class=\"number\">classes run</th><th scope=\"col\" class=\"number\">new in the next</th>\
         <th scope=\"col\">write–read</th><th scope=\"col\">read–write</th><th scope=\"col\">write–write</th>\
         </tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n\
         <p class=\"keys\">Two schedules are of one class when they differ only in the order of steps that do not depend on \
         each other. <em>New in the next</em> is the estimated probability that one more random case shows a new class (Good \
         and Turing). The last three count pairs of statements that met, of those that could.</p>\n"
    )
}

fn row(cell: &Cell) -> String {
    let covered = &cell.coverage;
    let new = covered.new_class().map_or("–".to_owned(), |new| format!("{:.1} %", new * 100.0));
    let new = if covered.ended_below.is_some() { format!("{new}, enough") } else { new };
    let classes = match &covered.exhausted {
        Some(all) if all.complete == all.programs => format!("all {}", thousands(all.classes)),
        _ if covered.waiting > 0 => {
            format!("{} of {}", thousands(covered.classes), thousands(covered.known_classes()))
        }
        _ => thousands(covered.classes),
    };
    let met: String = [covered.write_read, covered.read_write, covered.write_write].iter().map(met).collect();
    format!(
        "<th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"number\">{classes}</td><td class=\"number\">{new}</td>{met}",
        cell.isolation.name().replace('-', " "),
        thousands(cell.cases),
    )
}

/// A bar and the numbers that it shows.
fn met(pairs: &Met) -> String {
    if pairs.known == 0 {
        return "<td class=\"none\">none known</td>".to_owned();
    }
    let share = pairs.met.min(pairs.known) * 100 / pairs.known;
    format!(
        "<td><span class=\"bar\" aria-hidden=\"true\"><span style=\"width:{share}%\"></span></span>{} of {}</td>",
        thousands(pairs.met),
        thousands(pairs.known)
    )
}
