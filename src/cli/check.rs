//! `pgweave check`: judges histories that others recorded, and what cases of pgweave's own do.

mod case;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Exit;
use super::drawn::Drawn;
use super::exit::WrongUsage;
use super::outside::Outside;
use super::verify::Format;
use crate::check::graph::Model;
use crate::histories::{HistoryError, Judged, KeyOrder, Ruling, read};
use crate::report::picture::Picture;
use crate::report::{Page, checked};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Histories of lists (append) or registers (w), as EDN or as JSON lines, one operation a line; or case files (.toml),
    /// which are run.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The level that must hold. What PostgreSQL calls REPEATABLE READ is snapshot-isolation.
    #[arg(long, default_value_t)]
    model: Model,
    /// What may be assumed of the order of a register's values, beyond what is certain.
    #[arg(long, value_enum, default_value_t)]
    keys: Keys,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    drawn: Drawn,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Keys {
    /// Nothing.
    #[default]
    Certain,
    /// Each session meets a key's values in their order.
    Sequential,
    /// Each key's values are met in their order, in real time.
    Linearizable,
}

impl From<Keys> for KeyOrder {
    fn from(keys: Keys) -> Self {
        match keys {
            Keys::Certain => Self::Certain,
            Keys::Sequential => Self::Sequential,
            Keys::Linearizable => Self::Linearizable,
        }
    }
}

pub(super) fn run(args: CheckArgs, outside: &Outside) -> anyhow::Result<Exit> {
    if args.drawn.is_any() && args.files.len() > 1 {
        let why = format!("a picture shows one history, and {} files are named: name one", args.files.len());
        return Err(WrongUsage(why).into());
    }
    if args.drawn.is_markdown() && args.format == Format::Json {
        let why = "--markdown and --format json both say what is printed: leave one of them out";
        return Err(WrongUsage(why.to_owned()).into());
    }
    let mut exits = Vec::new();
    for file in &args.files {
        if case::is_case(file) {
            let checked = case::check(file, &args, outside);
            exits.push(checked.unwrap_or_else(|error| {
                eprintln!("error: {error}");
                super::exit::of(&error)
            }));
            if exits.last() == Some(&Exit::Interrupted) {
                return Ok(Exit::Interrupted);
            }
            continue;
        }
        match read(file, args.keys.into()).map(|recorded| recorded.judge(args.model)) {
            Ok(judged) => {
                show(file, &judged, &args, outside.page)?;
                exits.push(of_judged(&judged));
            }
            Err(error) => {
                eprintln!("error: {error}");
                exits.push(of_error(&error));
            }
        }
    }
    // A violation is certain whatever the other files are; what could not be read is no verdict.
    let worst = [Exit::Violated, Exit::Usage, Exit::CouldNot].into_iter().find(|exit| exits.contains(exit));
    Ok(worst.unwrap_or(Exit::Verified))
}

fn show(file: &Path, judged: &Judged, args: &CheckArgs, page: Page) -> anyhow::Result<()> {
    match args.format {
        _ if args.drawn.is_markdown() => {}
        Format::Human => print!("{}", checked::text(file, judged, page)),
        Format::Json => println!("{}", checked::line(file, judged)),
    }
    if args.drawn.is_any() {
        let title = format!("{} against {}", file.display(), judged.model);
        let listing = checked::text(file, judged, Page::PLAIN);
        args.drawn.draw(&Picture::of_recorded(&title, judged), &listing)?;
    }
    Ok(())
}

fn of_judged(judged: &Judged) -> Exit {
    match judged.ruling {
        Ruling::Holds => Exit::Verified,
        Ruling::Violated => Exit::Violated,
        Ruling::Unknown(_) => Exit::CouldNot,
    }
}

/// A file that is not there or makes no sense is wrong usage; one that cannot be read through is not.
fn of_error(error: &HistoryError) -> Exit {
    match error {
        HistoryError::Io { source, .. } if source.kind() != std::io::ErrorKind::NotFound => Exit::CouldNot,
        _ => Exit::Usage,
    }
}
