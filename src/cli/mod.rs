//! The command line: flags, files, terminals and exit codes around the library. One subcommand, one file. stdout has
//! the result, stderr the talk.

mod agree;
mod cells;
mod check;
mod db;
mod demo;
mod drawn;
mod exit;
mod explain;
mod fuzz;
mod matrix;
mod outside;
mod page;
mod remedy;
mod replay;
mod shrink;
mod spec;
mod trace;
mod verify;
mod zoo;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use exit::Exit;
use outside::Outside;

/// Runs the real code in several sessions against a real PostgreSQL, statement by statement, and finds the interleavings
/// that break it.
#[derive(Debug, Parser)]
#[command(name = "pgweave", version, max_term_width = 100)]
struct Cli {
    /// Write the whole story of the run to this file, as JSON lines.
    #[arg(long, global = true, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Run the database in a container.
    #[arg(long, global = true)]
    container: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the registry in every variant at every isolation level, or one cell of that table.
    Verify(verify::VerifyArgs),
    /// Run a case file again, and say whether every history was the same.
    Replay(replay::ReplayArgs),
    /// Run a case file once, and draw what happened.
    Explain(explain::ExplainArgs),
    /// Try what would keep a case from failing: levels, locks, indexes; and say what holds.
    Remedy(remedy::RemedyArgs),
    /// Make a case file smaller, as long as it violates the same claim.
    Shrink(shrink::ShrinkArgs),
    /// Look for new cases for so many minutes.
    Fuzz(fuzz::FuzzArgs),
    /// Run PostgreSQL's isolation specs.
    Spec(spec::SpecArgs),
    /// Show the classic anomalies and what prevents them, one listing each.
    Demo(demo::DemoArgs),
    /// Compare the ways to guard an operation: from which level on each holds, and what it costs there.
    Matrix(matrix::MatrixArgs),
    /// Measure pgweave on the bug zoo: is each bug found, how soon, and how small does it get?
    Zoo(zoo::ZooArgs),
    /// Hold re-execution and the dependency graph against each other on random cases.
    Agree(agree::AgreeArgs),
    /// Judge histories that others recorded, in the form of Jepsen's Elle, or what a case does.
    Check(check::CheckArgs),
    /// Manage a PostgreSQL server that outlives the command.
    Db(db::DbArgs),
}

/// Runs the command line of this process.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(asked) => {
            // Help and version go to stdout and are no error.
            let exit = if asked.use_stderr() { Exit::Usage } else { Exit::Verified };
            let _ = asked.print();
            return exit;
        }
    };
    match run(cli) {
        Ok(exit) => exit,
        Err(error) => {
            // Each error tells its causes in its own words.
            eprintln!("error: {error}");
            exit::of(&error)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    let outside = Outside::new(cli.container);
    trace::install(trace::Listeners {
        rust_log: std::env::var("RUST_LOG").ok().as_deref(),
        trace: cli.trace.as_deref(),
        paint: outside.talk.paint,
    })?;
    match cli.command {
        Command::Verify(args) => verify::run(args, &outside),
        Command::Replay(args) => replay::run(args, &outside),
        Command::Explain(args) => explain::run(args, &outside),
        Command::Remedy(args) => remedy::run(args, &outside),
        Command::Shrink(args) => shrink::run(args, &outside),
        Command::Fuzz(args) => fuzz::run(args, &outside),
        Command::Spec(args) => spec::run(args, &outside),
        Command::Demo(args) => demo::run(args, &outside),
        Command::Matrix(args) => matrix::run(args, &outside),
        Command::Zoo(args) => zoo::run(args, &outside),
        Command::Agree(args) => agree::run(args, &outside),
        Command::Check(args) => check::run(args, &outside),
        Command::Db(args) => {
            let code = outside::block_on(db::run(args))??;
            Ok(if code == 0 { Exit::Verified } else { Exit::CouldNot })
        }
    }
}
