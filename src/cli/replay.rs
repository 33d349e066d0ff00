//! `pgweave replay`: runs a case file again, once or many times.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::Exit;
use super::exit::WrongUsage;
use super::outside::Outside;
use super::verify::{Format, REPLAY};
use crate::campaign::{CampaignError, Replayed, Replayer};
use crate::case::Gates;
use crate::registry::{Op, RegistrySubject, Variant};
use crate::replay::{CaseFile, Header};
use crate::report::Saved;
use crate::report::progress::Status;
use crate::spec::{Export, ExportError};
use crate::subject::Subject;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The case file.
    file: PathBuf,
    /// How many times to run it.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    times: u64,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write what was run for others to run, instead of the listing.
    #[arg(long, value_enum, value_name = "FORM", conflicts_with = "format")]
    export: Option<Form>,
}

/// For whom a case is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A spec for PostgreSQL's isolation tester.
    Spec,
    /// A script for a psql window a session, with the order in comments.
    Sql,
}

pub(super) fn run(args: ReplayArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let (subject, file) = registry_case(&args.file)?;
    let schema = subject.schema();
    let times = args.times as usize;
    let what = args.file.display().to_string();
    let status = move |cases| Status { what: what.clone(), cells: 1, cases, ..Status::default() };
    let work = move |server, watch| {
        Replayer::new(Arc::new(subject), Some(server)).watch(watch).replay_file(file, times)
    };
    let replayed = match outside.with_server(status, work)? {
        Ok(replayed) => replayed?,
        Err(exit) => return Ok(exit),
    };
    if let Some(form) = args.export {
        return export(form, &args, &schema, &replayed);
    }
    match args.format {
        Format::Human => show(&args, outside, &replayed),
        Format::Json => println!("{}", line(&replayed)),
    }
    Ok(if replayed.identical < replayed.times {
        Exit::CouldNot
    } else if replayed.opinion.violated().is_some() {
        Exit::Violated
    } else if replayed.opinion.unknown().is_some() {
        Exit::CouldNot
    } else {
        Exit::Verified
    })
}

/// Writes down what was run. That it could be written is the result; the verdict is talk.
fn export(form: Form, args: &ReplayArgs, schema: &str, replayed: &Replayed<Op>) -> anyhow::Result<Exit> {
    let isolation = replayed.file.case.isolation;
    let variant = replayed.file.variant.as_deref().unwrap_or("registry");
    let claim = replayed.file.claim.as_ref().map(|claim| format!(": {claim}")).unwrap_or_default();
    let title = format!("{variant} at {isolation}{claim}");
    let export = Export { title: &title, schema, isolation, history: &replayed.history };
    let text = match form {
        Form::Spec => export.spec(),
        Form::Sql => export.sql(),
    };
    let refused = |error: ExportError| WrongUsage(format!("{}: {error}", args.file.display()));
    print!("{}", text.map_err(refused)?);
    verdict_lines(replayed).iter().for_each(|line| eprintln!("{line}"));
    Ok(if replayed.identical < replayed.times { Exit::CouldNot } else { Exit::Verified })
}

/// A case file of the registry, and its subject.
pub(super) fn registry_case(path: &std::path::Path) -> anyhow::Result<(RegistrySubject, CaseFile<Op>)> {
    let header = Header::read(path).map_err(CampaignError::from)?;
    let variant = header.variant.as_deref().filter(|_| header.subject == "registry");
    let Some(variant) = variant else {
        let message = format!(
            "{} is a case of {}, which this command does not know: replay it from that subject's own test, with \
             Replayer::new(…).replay(…)",
            path.display(),
            header.subject
        );
        return Err(WrongUsage(message).into());
    };
    let variant: Variant =
        variant.parse().map_err(|error| WrongUsage(format!("{}: {error}", path.display())))?;
    Ok((RegistrySubject::new(variant), CaseFile::read(path).map_err(CampaignError::from)?))
}

fn show(args: &ReplayArgs, outside: &Outside, replayed: &Replayed<Op>) {
    print!("{}", replayed.listing_on(Some(Saved { file: &args.file, command: REPLAY }), outside.page));
    verdict_lines(replayed).iter().for_each(|line| println!("{line}"));
}

/// Where the run departed, what became of the claim, and whether all runs were the same.
fn verdict_lines(replayed: &Replayed<Op>) -> Vec<String> {
    let mut lines: Vec<_> =
        replayed.departures.iter().map(|departure| format!("departs  {departure}")).collect();
    if let Some(claim) = &replayed.file.claim {
        let still = if replayed.reproduced() { "violated again" } else { "no longer violated" };
        lines.push(format!("replay   {claim}: {still}"));
    }
    lines.push(format!("replay   {} of {} histories identical", replayed.identical, replayed.times));
    lines
}

fn line(replayed: &Replayed<Op>) -> String {
    let opinion = &replayed.opinion;
    let verdict = match (opinion.violated(), opinion.unknown()) {
        (Some(_), _) => "violated",
        (None, Some(_)) => "unknown",
        (None, None) => "holds",
    };
    let departures: Vec<_> = replayed.departures.iter().map(ToString::to_string).collect();
    serde_json::json!({
        "format": 1,
        "verdict": verdict,
        "variant": replayed.file.variant,
        "isolation": replayed.file.case.isolation,
        "inside_statements": replayed.file.case.gates == Gates::Inside,
        "claim": opinion.violated(),
        "saved_claim": replayed.file.claim,
        "reproduced": replayed.reproduced(),
        "times": replayed.times,
        "identical": replayed.identical,
        "departures": departures,
    })
    .to_string()
}
