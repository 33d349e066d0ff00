//! `cargo xtask …`: one entrance to everything that is done in this repository.
//!
//! What a user of pgweave would do as well is handed to the pgweave binary as it is. Only what belongs to the
//! repository itself, its tests, is done here. There is no dependency, so that the first answer comes at once.

mod cargo;
mod hand_over;
mod loom;
mod test;

use std::process::ExitCode;

/// Everything is as it should be.
const EXIT_OK: u8 = 0;
/// Something was checked and is not as it should be.
const EXIT_FAILED: u8 = 1;
/// The command line makes no sense.
const EXIT_USAGE: u8 = 2;
/// Something could not be checked.
const EXIT_COULD_NOT_RUN: u8 = 3;

/// What is done here, with a sentence each.
const OWN: &[(&str, &str)] = &[
    ("test", "Runs everything: format, clippy, docs, loom models, all tests. Ends with the number of tests."),
    ("loom", "Tries every interleaving of what retries share. Takes names of models."),
];

/// What is handed to the pgweave binary, with a sentence each. A new command of the binary gets a line here.
const HANDED_OVER: &[(&str, &str)] = &[
    ("verify", "Checks the registry's variants at every isolation level, or one cell of that table."),
    ("matrix", "Compares variants: from which level on each holds, and what it costs there."),
    ("replay", "Runs a case file again, and says whether every run gave the same history."),
    ("explain", "Runs a case file once and draws what happened: a page to walk through, SVG, Markdown."),
    ("remedy", "Tries what would keep a case from failing: levels, locks, indexes; and says what holds."),
    ("shrink", "Makes a case file smaller while it still violates the same claim."),
    ("fuzz", "Looks for new cases for so many minutes."),
    ("spec", "Runs PostgreSQL's isolation specs: as written, in every order, at every level."),
    ("demo", "Shows the classic anomalies and what prevents them, one listing each."),
    ("zoo", "Measures pgweave on known bugs: found or not, how soon, how small."),
    ("agree", "Holds re-execution and the dependency graph against each other on random cases."),
    ("check", "Judges histories that others recorded, and shows the cycle that breaks a level."),
    ("db", "Manages the database: up, down, status, url, psql, reset, logs."),
];

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let command = if args.is_empty() { "--help".to_owned() } else { args.remove(0) };
    let code = match command.as_str() {
        "--help" | "-h" | "help" => {
            print!("{}", usage());
            EXIT_OK
        }
        "test" => test::run(&args),
        "loom" => loom::run(&args),
        name if HANDED_OVER.iter().any(|(known, _)| *known == name) => hand_over::run(name, &args),
        unknown => wrong_usage(&format!("there is no command '{unknown}'")),
    };
    ExitCode::from(code)
}

/// Says what is wrong with the command line, and what could be right.
fn wrong_usage(what: &str) -> u8 {
    eprint!("error: {what}\n\n{}", usage());
    EXIT_USAGE
}

fn usage() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND [OPTIONS]\n\nCommands:\n");
    for (name, sentence) in HANDED_OVER.iter().chain(OWN) {
        text.push_str(&format!("  {name:<8}{sentence}\n"));
    }
    text.push_str(
        "\n`cargo xtask COMMAND --help` tells a command's options. With --container, the database of a\n",
    );
    text.push_str("command runs in a container.\n");
    text
}
