//! `pgweave remedy`: tries changes that would keep a case from failing, and prints what holds and what does not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::exit::WrongUsage;
use super::outside::Outside;
use super::replay::registry_case;
use super::verify::Format;
use crate::campaign::{CampaignError, lanes_by_default};
use crate::check::Judgement;
use crate::remedy::{Broken, Exploring, Options, Remedies, Verdict, remedies};
use crate::replay::{CaseFile, Header};
use crate::report::progress::Status;
use crate::report::{self, Finding};
use crate::subject::Subject;
use crate::zoo::{Form, ZooSubject, cases, cases_inside};

#[derive(Debug, Args)]
pub(super) struct RemedyArgs {
    /// The case file.
    file: PathBuf,
    /// Print the schedule that breaks this change, by its name, as a listing.
    #[arg(long, value_name = "NAME", conflicts_with = "format")]
    show: Option<String>,
    /// Schedules of one program at one level, at the most; where there are more, nothing is said to hold.
    #[arg(long, default_value_t = Options::default().schedules_max as u64, value_parser = clap::value_parser!(u64).range(1..))]
    schedules: u64,
    /// Run all schedules that are feasible, not one of each class. That takes much longer.
    #[arg(long)]
    all: bool,
    /// How many changes are tried side by side.
    #[arg(long, default_value_t = lanes_by_default())]
    lanes: usize,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(args: RemedyArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let header = Header::read(&args.file).map_err(CampaignError::from)?;
    if header.subject == "zoo" {
        let (subject, file) = zoo_case(&args.file, header.variant.as_deref())?;
        return of(subject, file, &args, outside);
    }
    let (subject, file) = registry_case(&args.file)?;
    of(subject, file, &args, outside)
}

/// A case file of the zoo, and its subject.
fn zoo_case(path: &Path, id: Option<&str>) -> anyhow::Result<(ZooSubject, CaseFile<String>)> {
    let all = [cases(), cases_inside()].concat();
    let found = all.iter().find(|case| Some(case.id) == id).copied();
    let Some(case) = found else {
        let known: Vec<_> = all.iter().map(|case| case.id).collect();
        let named = id.map_or("names no case".to_owned(), |id| format!("names the case '{id}'"));
        let message =
            format!("{} {named} of the zoo: its variant is one of {}", path.display(), known.join(", "));
        return Err(WrongUsage(message).into());
    };
    let file: CaseFile<String> = CaseFile::read(path).map_err(CampaignError::from)?;
    if let Some(op) = file.case.sessions.iter().flatten().find(|op| !case.sessions.contains(&op.as_str())) {
        let message = format!(
            "{}: '{op}' is no operation of {}: use {}",
            path.display(),
            case.id,
            case.sessions.join(", ")
        );
        return Err(WrongUsage(message).into());
    }
    Ok((ZooSubject::new(case, Form::Buggy), file))
}

fn of<S: Subject>(
    subject: S,
    file: CaseFile<S::Op>,
    args: &RemedyArgs,
    outside: &Outside,
) -> anyhow::Result<Exit> {
    let what = args.file.display().to_string();
    let status = move |cases| Status { what: what.clone(), cells: 1, cases, ..Status::default() };
    let exploring = if args.all { Exploring::Everything } else { Exploring::Classes };
    let (schedules_max, lanes) = (args.schedules as usize, args.lanes.max(1));
    let work = move |server, watch| {
        let options = Options { schedules_max, lanes, exploring, watch, ..Options::default() };
        remedies(&Arc::new(subject), &file, &server, &options)
    };
    let tried = match outside.with_server(status, work)? {
        Ok(tried) => tried?,
        Err(exit) => return Ok(exit),
    };
    match (&args.show, args.format) {
        (Some(name), _) => show(&tried, name, outside)?,
        (None, Format::Human) => print!("{}", report::remedy::text(&tried, &args.file, outside.page)),
        (None, Format::Json) => println!("{}", report::remedy::line(&tried)),
    }
    Ok(exit_of(&tried))
}

fn exit_of<Op>(tried: &Remedies<Op>) -> Exit {
    let is_untold = |verdict: &Verdict<Op>| matches!(verdict, Verdict::Unknown(_));
    if tried.claim.is_none() || tried.holding().next().is_some() {
        Exit::Verified
    } else if tried.failing().any(|tried_one| is_untold(tried_one.verdict(tried.isolation))) {
        Exit::CouldNot
    } else {
        Exit::Violated
    }
}

/// Prints the schedule that breaks a change, with what was really sent.
fn show<Op: serde::Serialize + Clone>(
    tried: &Remedies<Op>,
    name: &str,
    outside: &Outside,
) -> anyhow::Result<()> {
    let Some(found) = tried.named(name) else {
        let known: Vec<_> = tried.tried.iter().map(|tried| tried.candidate.name.as_str()).collect();
        let known = if known.is_empty() { "none was tried".to_owned() } else { known.join(", ") };
        return Err(WrongUsage(format!("there is no change '{name}': {known}")).into());
    };
    let own = std::iter::once(found.verdict(tried.isolation));
    let mut verdicts = own.chain(found.at.iter().map(|(_, verdict)| verdict));
    let broken = verdicts.find_map(|verdict| match verdict {
        Verdict::Fails(broken) => Some(broken),
        _ => None,
    });
    match broken {
        Some(broken) => print!("{}", listing(tried, broken, outside)),
        None => println!("no schedule breaks {name}: {}", found.candidate.what),
    }
    Ok(())
}

fn listing<Op: serde::Serialize + Clone>(
    tried: &Remedies<Op>,
    broken: &Broken<Op>,
    outside: &Outside,
) -> String {
    let file = CaseFile {
        subject: tried.subject.clone(),
        variant: tried.variant.clone(),
        claim: Some(broken.claim.clone()),
        case: broken.case.clone(),
        steps: Vec::new(),
    };
    let judgement = Judgement::Violated(broken.evidence.clone());
    let mut finding = Finding::of(&file, &broken.history);
    finding.judgements = vec![(broken.claim.as_str(), &judgement)];
    report::listing(&finding, outside.page)
}
