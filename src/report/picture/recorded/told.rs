//! What was found in a recorded history, in the words of the report on a terminal.

use super::super::super::cycle::{Story, story};
use super::super::super::text::counted;
use super::super::super::{Explanation, Tale};
use super::{Drawing, keys};
use crate::check::graph::{Finding, refuted_by};
use crate::histories::Judged;

/// Every finding as a tale, the one that decides first; the keys concerned; and what is left out.
pub(super) fn explanation(drawing: &Drawing<'_>) -> Explanation {
    let judged = drawing.judged;
    let worst = judged.worst();
    let others = judged.findings.iter().filter(|finding| worst.is_none_or(|worst| worst != *finding));
    let tales = worst.into_iter().chain(others).map(|finding| tale(drawing, finding)).collect();
    let mut notes = drawing.part.notes.clone();
    if !drawing.part.drawn.is_empty() {
        notes.insert(0, "Each step is a whole transaction, in the order in which they ended.".to_owned());
    }
    let passed_over = judged.recorded.names.passed_over();
    if passed_over > 0 {
        notes.push(format!("{} that are no transactions were passed over.", counted(passed_over, "line")));
    }
    Explanation { tales, instead: None, chains: keys::chains(drawing), notes }
}

fn tale(drawing: &Drawing<'_>, finding: &Finding) -> Tale {
    let Story { name, sentence, cast, steps, conclusion } = story(finding, drawing.observed, drawing.words);
    let model = drawing.judged.model;
    let allowed =
        if model.forbids(finding.anomaly) { String::new() } else { format!(", which {model} allows") };
    let member = |member: &super::super::super::cycle::Member| {
        let step = drawing
            .step_of(member.txn)
            .map_or_else(|| "is not drawn".to_owned(), |step| format!("is step {}", step + 1));
        let place = if member.place.is_empty() { String::new() } else { format!(" ({})", member.place) };
        format!("{} {step}{place}: {}", member.name, member.operations)
    };
    let refutes = refuted_by(finding.anomaly);
    let mut remedy = format!("It refutes {refutes} and whatever is stronger.");
    if Judged::is_cut_short(finding) {
        remedy.push_str(" The search was cut short: there may be a shorter cycle.");
    }
    if finding.instances > 1 {
        let more = counted(finding.instances - 1, "further instance");
        remedy.push_str(&format!(
            " {more} of it {} not told.",
            if finding.instances == 2 { "is" } else { "are" }
        ));
    }
    Tale {
        code: finding.anomaly.name().to_owned(),
        name: format!("{name}{allowed}"),
        sentence,
        cast: cast.iter().map(member).collect(),
        steps,
        conclusion: conclusion.unwrap_or_default(),
        remedy,
        refutes: refutes.name().to_owned(),
        at: drawing.steps_of(Some(finding)),
    }
}
