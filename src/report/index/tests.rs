use std::time::Duration;

use super::*;
use crate::report::fixtures::cells;

fn page() -> String {
    let cells = cells();
    let total = Total::of(&cells, Duration::from_secs(3));
    let found = cells.iter().enumerate().filter(|(_, cell)| cell.violated_claim().is_some());
    let found = found.map(|(cell, _)| Found {
        cell,
        anomaly: Some("lost update".to_owned()),
        listing: "A │ B <wait>\n".to_owned(),
        page: "<!doctype html><script>1</script>".to_owned(),
        command: "cargo xtask replay a.toml".to_owned(),
    });
    html(&Index { subject: "registry", cells: &cells, total: &total, found: found.collect() })
}

#[test]
fn every_cell_is_there_and_each_violation_leads_to_its_case() {
    let page = page();
    assert_eq!(page.matches("<td class=\"holds\">").count(), 2);
    assert_eq!(page.matches("<td class=\"violated\">").count(), 2);
    assert_eq!(page.matches("<td class=\"departs\">").count(), 2);
    assert_eq!(page.matches("<td class=\"untold\">").count(), 1);
    for case in 1..=3 {
        assert!(
            page.contains(&format!("<a href=\"#case-{case}\">"))
                && page.contains(&format!("id=\"case-{case}\""))
        );
    }
    assert!(page.contains("4 of 7 cells as expected"));
    assert!(
        page.contains("missed: register/naive at serializable is wrong on purpose and held in 200 cases")
    );
    assert!(page.contains("A │ B &lt;wait&gt;\n</pre>"));
}

#[test]
fn the_pages_inside_never_end_the_script_that_holds_them() {
    let page = page();
    assert_eq!(page.matches("</script>").count(), 2, "one of data, one that runs");
    assert!(page.contains("\\u003c!doctype html>"));
}

#[test]
fn nothing_found_is_said_nowhere() {
    let page = html(&Index { subject: "a", cells: &[], total: &Total::default(), found: Vec::new() });
    assert!(!page.contains("id=\"found\"") && page.contains("0 of 0 cells as expected"));
    assert!(page.contains("class=\"verdict violated\""), "no cells are not a success");
}
