//! `pgweave zoo --classes`: is one schedule of each class enough?

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::Format;
use crate::campaign::{Watch, side_by_side};
use crate::case::Gates;
use crate::cli::Exit;
use crate::cli::outside::Outside;
use crate::explore::compared::Comparison;
use crate::isolation::Isolation;
use crate::report::json::FORMAT;
use crate::report::progress::Status;
use crate::server::Server;
use crate::zoo::{Classes, Form, LEVELS, ZooCase, classes};

const FORMS: [Form; 2] = [Form::Buggy, Form::Fixed];

pub(super) fn run(
    cells: &[(&'static ZooCase, Isolation)],
    gates: Gates,
    lanes: usize,
    format: Format,
    outside: &Outside,
) -> anyhow::Result<Exit> {
    let asked: Vec<_> =
        cells.iter().flat_map(|(case, level)| FORMS.map(|form| (*case, *level, form))).collect();
    let done = Arc::new(AtomicUsize::new(0));
    let (all, counted, lanes) = (asked.len(), done.clone(), lanes.max(1));
    let status = move |cases| Status {
        what: "the zoo".to_owned(),
        cells_done: counted.load(Ordering::Relaxed),
        cells: all,
        cases,
        ..Status::default()
    };
    let work = move |server: Arc<Server>, watch: Arc<Watch>| {
        side_by_side(&asked, lanes, &done, |(case, level, form)| {
            classes(case, *form, *level, gates, &server, &watch)
        })
    };
    let compared = match outside.with_server(status, work)? {
        Ok(compared) => compared?,
        Err(exit) => return Ok(exit),
    };
    match format {
        Format::Human => print!("{}", table(&compared)),
        Format::Json => compared.iter().for_each(|one| println!("{}", line(one))),
    }
    Ok(exit_of(&compared))
}

fn exit_of(compared: &[Classes]) -> Exit {
    if compared.iter().any(|one| !one.compared.comparison.agrees()) {
        Exit::Violated
    } else if compared.iter().all(Classes::agree) {
        Exit::Verified
    } else {
        Exit::CouldNot
    }
}

fn table(compared: &[Classes]) -> String {
    let mut out = format!(
        "{:<5}{:<7}{:<17}{:>10}{:>11}{:>9}{:>6}\n",
        "case", "form", "level", "schedules", "violating", "classes", "runs"
    );
    for one in compared {
        let counted = &one.compared.comparison;
        out.push_str(&format!(
            "{:<5}{:<7}{:<17}{:>10}{:>11}{:>9}{:>6}{}\n",
            one.case.id,
            form(one.form),
            one.isolation,
            counted.schedules,
            counted.violating,
            counted.classes,
            counted.runs,
            complaint(one)
        ));
    }
    out.push('\n');
    for form in FORMS {
        for level in LEVELS {
            let such: Vec<_> =
                compared.iter().filter(|one| one.isolation == level && one.form == form).collect();
            out.push_str(&sum(level, form, &such));
        }
    }
    out
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Buggy => "buggy",
        Form::Fixed => "fixed",
    }
}

/// What is not as it should be.
fn complaint(one: &Classes) -> String {
    let found = &one.compared.comparison;
    let mut said = String::new();
    if !one.compared.complete {
        said.push_str("  not all was run, or not the same again");
    }
    if found.miscounted > 0 {
        said.push_str(&format!("  {} classes have another number of schedules", found.miscounted));
    }
    for schedule in &found.left_out {
        said.push_str(&format!("\n  {schedule} is in a class of which none was run"));
    }
    for mixed in &found.mixed {
        said.push_str(&format!("\n  ✗ mixed: {}", mixed.replace('\n', "\n           ")));
    }
    for missed in &found.missed {
        said.push_str(&format!("\n  ✗ missed: {missed}"));
    }
    said
}

fn sum(level: Isolation, of: Form, such: &[&Classes]) -> String {
    if such.is_empty() {
        return String::new();
    }
    let total = |count: fn(&Comparison) -> usize| -> usize {
        such.iter().map(|one| count(&one.compared.comparison)).sum()
    };
    let (schedules, runs) = (total(|counted| counted.schedules), total(|counted| counted.runs));
    let classes = total(|counted| counted.classes);
    let (form, programs) = (form(of), such.len());
    let agree = such.iter().filter(|one| one.agree()).count();
    let share = 100.0 * runs as f64 / schedules.max(1) as f64;
    format!(
        "{form}, {level}: {schedules} schedules of {programs} programs are {classes} classes; {runs} schedules were run by \
         classes ({share:.1} %), and show all that there is for {agree} of {programs} programs\n"
    )
}

fn line(one: &Classes) -> serde_json::Value {
    let counted = &one.compared.comparison;
    json!({
        "format": FORMAT,
        "case": one.case.id,
        "form": form(one.form),
        "level": one.isolation.name(),
        "schedules": counted.schedules,
        "violating": counted.violating,
        "classes": counted.classes,
        "runs": counted.runs,
        "mixed": counted.mixed.len(),
        "missed": counted.missed.len(),
        "complete": one.compared.complete,
    })
}
