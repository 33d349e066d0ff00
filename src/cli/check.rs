//! `pgweave check`: judges histories that others recorded, and what cases of pgweave's own do.

mod case;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Exit;
use super::outside::Outside;
use super::verify::Format;
use crate::check::graph::Model;
use crate::histories::{HistoryError, Judged, KeyOrder, Ruling, read};
use crate::report::checked;

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
    let mut exits = Vec::new();
    for file in &args.files {
        if case::is_case(file) {
            let checked = case::check(file, args.model, args.format, outside);
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
                match args.format {
                    Format::Human => print!("{}", checked::text(file, &judged, outside.page)),
                    Format::Json => println!("{}", checked::line(file, &judged)),
                }
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
