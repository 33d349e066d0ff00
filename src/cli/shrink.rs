//! `pgweave shrink`: makes a case file smaller, as long as it violates the same claim.

use std::path::PathBuf;

use clap::Args;

use super::Exit;
use super::outside::Outside;
use super::replay::registry_case;
use super::verify::{REPLAY, from_here};
use crate::campaign::{Campaign, CampaignError};
use crate::report::Saved;
use crate::report::progress::Status;

#[derive(Debug, Args)]
pub(super) struct ShrinkArgs {
    /// The case file.
    file: PathBuf,
    /// Where the smaller case is saved; beside the file where it is left out.
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
}

pub(super) fn run(args: ShrinkArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let (subject, file) = registry_case(&args.file)?;
    let what = format!("shrinking {}", args.file.display());
    let status = move |cases| Status { what: what.clone(), cells: 1, cases, ..Status::default() };
    let (steps, operations) = (file.case.schedule.len(), file.case.operations());
    let work = move |server, watch| Campaign::new(subject).server(server).watch(watch).shrink(file);
    let report = match outside.with_server(status, work)? {
        Ok(report) => report?,
        Err(exit) => return Ok(exit),
    };
    let Some(finding) = &report.finding else {
        println!("{} violates nothing any more, so there is nothing to shrink", args.file.display());
        return Ok(Exit::Verified);
    };
    let beside = args.file.parent().map(PathBuf::from).unwrap_or_default();
    let folder = args.save.clone().unwrap_or(beside);
    let saved = report.save(&folder).map_err(CampaignError::from)?.map(|file| from_here(&file));
    let saved = saved.as_deref().map(|file| Saved { file, command: REPLAY });
    print!("{}", report.listing(saved, outside.page).unwrap_or_default());
    println!(
        "shrunk   {operations} operations and {steps} schedule entries to {} and {}, in {} runs",
        finding.case.operations(),
        finding.case.schedule.len(),
        finding.reruns
    );
    Ok(Exit::Violated)
}
