//! `pgweave demo`: the classic schedules and the demonstrations, each as a listing with one sentence of what to see.

use std::sync::Arc;

use clap::Args;

use super::Exit;
use super::exit::WrongUsage;
use super::outside::Outside;
use crate::campaign::Watch;
use crate::history::History;
use crate::isolation::Isolation;
use crate::report::progress::Status;
use crate::report::{Finding, Page, listing};
use crate::server::Server;
use crate::spec::batch::{reins_of, side_by_side};
use crate::spec::classic::{CLASSICS, Cell, Classic};
use crate::spec::demos::{DEMOS, Demo};
use crate::spec::{AtLevels, House, Outcome, Room, Spec, StageOptions, Theatre, run_at_levels};

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// One of them; without a name all are shown.
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// What can be shown.
#[derive(Clone, Copy)]
enum Shown {
    Classic(Classic),
    Demo(Demo),
}

/// What was shown, and whether it was what was to be seen.
struct Told {
    text: String,
    row: Option<String>,
    wrong: Option<String>,
}

pub(super) fn run(args: DemoArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let shown = chosen(args.name.as_deref())?;
    let what = format!("{} demonstrations", shown.len());
    let status = move |_| Status { what: what.clone(), cells: 1, ..Status::default() };
    let page = outside.page;
    let ran = outside.with_server(status, move |server, watch| show_all(&shown, &server, &watch, page))?;
    ran.unwrap_or_else(Ok)
}

fn chosen(name: Option<&str>) -> anyhow::Result<Vec<Shown>> {
    let all = DEMOS.map(Shown::Demo).into_iter().chain(CLASSICS.map(Shown::Classic));
    let Some(name) = name else { return Ok(all.collect()) };
    let found: Vec<_> = all.filter(|shown| shown.name() == name).collect();
    if found.is_empty() {
        let names: Vec<_> =
            DEMOS.iter().map(|demo| demo.name).chain(CLASSICS.iter().map(|classic| classic.name)).collect();
        return Err(
            WrongUsage(format!("there is no demonstration '{name}': use {}", names.join(", "))).into()
        );
    }
    Ok(found)
}

impl Shown {
    fn name(&self) -> &'static str {
        match self {
            Self::Classic(classic) => classic.name,
            Self::Demo(demo) => demo.name,
        }
    }

    fn text(&self) -> &'static str {
        match self {
            Self::Classic(classic) => classic.text,
            Self::Demo(demo) => demo.text,
        }
    }
}

fn show_all(shown: &[Shown], server: &Arc<Server>, watch: &Arc<Watch>, page: Page) -> anyhow::Result<Exit> {
    let options = StageOptions { reins: reins_of(server), ..StageOptions::default() };
    let work = async |house: &mut House, one: &Shown| show(*one, house.room(), options, watch, page).await;
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    let mut failed = None;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let closed = side_by_side(
        server,
        shown,
        1,
        &stop,
        |one| one.text(),
        work,
        |_, told| match told {
            Ok(told) => {
                println!("{}", told.text);
                rows.extend(told.row);
                wrong.extend(told.wrong);
            }
            Err(error) => {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
                failed.get_or_insert(error);
            }
        },
    );
    if let Some(error) = failed {
        return Err(error);
    }
    closed?;
    if !rows.is_empty() {
        println!("{}{}", header(), rows.concat());
    }
    for wrong in &wrong {
        eprintln!("error: {wrong}");
    }
    Ok(if wrong.is_empty() { Exit::Verified } else { Exit::Violated })
}

async fn show(
    shown: Shown,
    room: &mut Room,
    options: StageOptions,
    watch: &Watch,
    page: Page,
) -> anyhow::Result<Told> {
    match shown {
        Shown::Demo(demo) => show_demo(&demo, room, options, page).await,
        Shown::Classic(classic) => {
            let spec = classic.spec();
            let found = run_at_levels(&spec, classic.name, room, options, || watch.is_stopped()).await?;
            Ok(show_classic(&classic, &spec, &found, page))
        }
    }
}

async fn show_demo(demo: &Demo, room: &mut Room, options: StageOptions, page: Page) -> anyhow::Result<Told> {
    let spec = demo.spec();
    let options = StageOptions { isolation: Some(demo.isolation), ..options };
    let attempt = Theatre::new(&spec, demo.name, room, options).play(&spec.permutations[0]).await?;
    let outcome = Outcome::of(&attempt);
    let history = attempt.unwrap_or_default().history;
    let title = format!("{} at {}", demo.name, demo.isolation);
    let text = format!("{}see       {}\n", listed(&spec, title, &history, page), demo.see);
    let wrong = (!demo.is_seen(&outcome)).then(|| format!("{} did not show what it was to show", demo.name));
    Ok(Told { text, row: None, wrong })
}

fn show_classic(classic: &Classic, spec: &Spec, found: &[AtLevels], page: Page) -> Told {
    let at: Vec<_> = found.iter().flat_map(|one| &one.at).collect();
    let cells: Vec<_> = at.iter().map(|(level, outcome, _)| (*level, classic.happened(outcome))).collect();
    // Shown where it happens, if it does: READ COMMITTED is what people use.
    let telling =
        |level: &Isolation| *level == Isolation::ReadCommitted && classic.expected(*level) == Cell::Allowed;
    let level = Isolation::ALL
        .into_iter()
        .find(telling)
        .or_else(|| Isolation::ALL.into_iter().rev().find(|level| classic.expected(*level) == Cell::Allowed))
        .unwrap_or(Isolation::ReadCommitted);
    let history = at.iter().find(|(at, _, _)| *at == level).map(|(_, _, history)| history);
    let mut text = format!("{}: {}\n\n", classic.title, comment(classic.text));
    if let Some(history) = history {
        text.push_str(&listed(spec, format!("{} at {level}", classic.name), history, page));
    }
    text.push_str(&format!("see       {}\n", classic.see));
    let wrong: Vec<_> = cells.iter().filter(|(level, cell)| *cell != classic.expected(*level)).collect();
    let wrong = match wrong.first() {
        _ if cells.len() != Isolation::ALL.len() => {
            Some(format!("{} was not run at every level", classic.name))
        }
        Some((level, cell)) => Some(format!("{} is {} at {level}", classic.title, word(*cell))),
        None => None,
    };
    let cells: String = cells.iter().map(|(_, cell)| format!("{:<18}", word(*cell))).collect();
    Told { text, row: Some(format!("{:<22}{}\n", classic.title, cells.trim_end())), wrong }
}

/// The definition that stands at the top of a spec.
fn comment(text: &str) -> String {
    let lines: Vec<_> = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    lines.join(" ")
}

fn word(cell: Cell) -> &'static str {
    match cell {
        Cell::Prevented => "prevented",
        Cell::Allowed => "allowed",
    }
}

fn header() -> String {
    let levels: String = Isolation::ALL.iter().map(|level| format!("{level:<18}")).collect();
    format!("{:<22}{}\n", "", levels.trim_end())
}

fn listed(spec: &Spec, title: String, history: &History, page: Page) -> String {
    let mut operations = vec![Vec::new(); spec.sessions.len()];
    for turn in spec.permutations.iter().flat_map(|permutation| &permutation.0) {
        operations[turn.step.session].push(spec.step(turn.step).name.clone());
    }
    listing(
        &Finding { title, operations, history, judgements: Vec::new(), explanation: None, saved: None },
        page,
    )
}
