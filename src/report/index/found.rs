//! The cases that were found, each with its listing and the way to its page.

use super::Index;
use crate::report::picture::markup::escape;

/// A closed block for each case.
pub(super) fn list(index: &Index<'_>) -> String {
    index.found.iter().enumerate().map(|(place, found)| {
        let number = place + 1;
        let cell = index.cells.get(found.cell);
        let name = cell.map_or(String::new(), |cell| format!("{} at {}", cell.variant, cell.isolation));
        let claim = cell.and_then(|cell| cell.violated_claim()).unwrap_or("a claim");
        let anomaly = found.anomaly.as_deref().map_or(String::new(), |anomaly| format!("<p>anomaly: {}</p>\n", escape(anomaly)));
        let (name, claim) = (escape(&name), escape(claim));
        format!(
            "<details class=\"case\" id=\"case-{number}\">\n<summary><b>{name}</b><span class=\"what\">{claim}</span></summary>\n\
             <div class=\"body\">\n{anomaly}<p class=\"open\" hidden><a data-page=\"{place}\">Walk through {name}</a></p>\n\
             <p class=\"command\"><code>{}</code></p>\n\
             <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Listing of {name}\"><pre>{}</pre></div>\n</div>\n</details>\n",
            escape(&found.command),
            lines(&found.listing),
        )
    }).collect()
}

/// A listing as it stands: its line ends are its own.
fn lines(listing: &str) -> String {
    listing.lines().map(|line| format!("{}\n", escape(line))).collect()
}
