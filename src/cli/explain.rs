//! `pgweave explain`: runs a case file, follows its rows through a second run, and draws and tells what happened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::outside::Outside;
use super::replay::registry_case;
use super::verify::REPLAY;
use crate::campaign::{Explained, Replayer};
use crate::registry::Op;
use crate::report::picture::{self, Picture};
use crate::report::progress::Status;
use crate::report::{self, Finding, Page, Saved};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The case file.
    file: PathBuf,
    /// Write a page that one can walk through.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Write the lanes as an SVG document.
    #[arg(long, value_name = "OUT")]
    svg: Option<PathBuf>,
    /// Print Markdown with a sequence diagram, for a pull request or the summary of a job.
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(args: ExplainArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let (subject, file) = registry_case(&args.file)?;
    let what = args.file.display().to_string();
    let status = move |cases| Status { what: what.clone(), cells: 1, cases, ..Status::default() };
    let work =
        move |server, watch| Replayer::new(Arc::new(subject), Some(server)).watch(watch).explain_file(file);
    let explained = match outside.with_server(status, work)? {
        Ok(explained) => explained?,
        Err(exit) => return Ok(exit),
    };
    show(&args, &explained, outside.page)?;
    for departure in &explained.replayed.departures {
        eprintln!("departs  {departure}");
    }
    // Explaining is what was asked for, so a violation is no failure here.
    Ok(Exit::Verified)
}

fn show(args: &ExplainArgs, explained: &Explained<Op>, page: Page) -> anyhow::Result<()> {
    let replayed = &explained.replayed;
    let (explanation, edges) = (explained.explanation(), explained.edges());
    let mut finding = Finding::of(&replayed.file, &replayed.history);
    finding.judgements = replayed.judgements().collect();
    finding.explanation = Some(&explanation);
    finding.saved = Some(Saved { file: &args.file, command: REPLAY });
    let picture = Picture { finding: &finding, edges: &edges };
    if let Some(file) = &args.html {
        write(file, &picture::html(&picture))?;
    }
    if let Some(file) = &args.svg {
        write(file, &picture::svg(&picture))?;
    }
    if args.markdown {
        print!("{}", picture::markdown(&picture));
    }
    if args.html.is_none() && args.svg.is_none() && !args.markdown {
        print!("{}", report::listing(&finding, page));
        eprintln!(
            "hint     --html FILE writes a page to walk through, --svg FILE its picture, --markdown prints both in words"
        );
    }
    Ok(())
}

/// Writes a page where it was asked for, and says so.
pub(super) fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).map_err(|error| {
        anyhow::anyhow!("cannot write {}: {error}; name a file in a folder that is there", file.display())
    })?;
    eprintln!("wrote    {}", file.display());
    Ok(())
}
