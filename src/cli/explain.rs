//! `pgweave explain`: runs a case file, follows its rows through a second run, and draws and tells what happened.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::drawn::Drawn;
use super::outside::Outside;
use super::replay::registry_case;
use super::verify::REPLAY;
use crate::campaign::{Explained, Replayer};
use crate::registry::Op;
use crate::report::picture::Picture;
use crate::report::progress::Status;
use crate::report::{self, Finding, Page, Saved};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The case file.
    file: PathBuf,
    #[command(flatten)]
    drawn: Drawn,
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
    if args.drawn.is_any() {
        let listing = report::listing(&finding, Page::PLAIN);
        return args.drawn.draw(&Picture::of(&finding).with_edges(&edges), &listing);
    }
    print!("{}", report::listing(&finding, page));
    eprintln!(
        "hint     --html FILE writes a page to walk through, --svg FILE its picture, --markdown prints both in words"
    );
    Ok(())
}
