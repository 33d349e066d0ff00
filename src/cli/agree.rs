//! `pgweave agree`: holds re-execution and the dependency graph against each other on random cases of the registry and of
//! the zoo.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::Exit;
use super::outside::Outside;
use super::verify::Format;
use crate::campaign::{
    Agreement, CampaignError, Comparing, Watch, agree, campaigns_by_default, side_by_side,
};
use crate::explore::seed::Seed;
use crate::isolation::Isolation;
use crate::registry::{RegistrySubject, Variant};
use crate::report::json::FORMAT;
use crate::report::progress::Status;
use crate::server::Server;
use crate::zoo::{Form, LEVELS, ZooCase, ZooSubject, cases};

#[derive(Debug, Args)]
pub(super) struct AgreeArgs {
    /// Random cases, at the least: they are shared out evenly among the subjects and the levels.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    cases: u64,
    /// Only the subject of this name: a variant of the registry, as OPERATION/GUARD, or a case of the zoo, such as Z01.
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// The isolation level; read-committed, repeatable-read and serializable where it is left out.
    #[arg(long, value_name = "LEVEL")]
    level: Option<Isolation>,
    /// What decides the cases.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Subjects that are run side by side; two a core where it is left out.
    #[arg(long, default_value_t = campaigns_by_default())]
    lanes: usize,
    /// How to write the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Whose cases are run.
#[derive(Clone, Copy)]
enum Whose {
    Registry(Variant),
    Zoo(&'static ZooCase, Form),
}

impl Whose {
    fn all() -> impl Iterator<Item = Self> {
        let zoo =
            cases().into_iter().flat_map(|case| [Form::Buggy, Form::Fixed].map(|form| Self::Zoo(case, form)));
        Variant::ALL.into_iter().map(Self::Registry).chain(zoo)
    }

    fn is_called(self, name: &str) -> bool {
        match self {
            Self::Registry(variant) => variant.to_string() == name,
            Self::Zoo(case, _) => case.id.eq_ignore_ascii_case(name),
        }
    }

    fn agree(
        self,
        comparing: &Comparing,
        server: &Arc<Server>,
        watch: &Watch,
    ) -> Result<Agreement, CampaignError> {
        match self {
            Self::Registry(variant) => agree(RegistrySubject::new(variant), comparing, server, watch),
            Self::Zoo(case, form) => agree(ZooSubject::new(case, form), comparing, server, watch),
        }
    }
}

pub(super) fn run(args: AgreeArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let mut subjects: Vec<Whose> = Whose::all().collect();
    if let Some(name) = &args.subject {
        subjects.retain(|whose| whose.is_called(name));
        if subjects.is_empty() {
            let why = format!(
                "there is no subject '{name}': name a variant as `verify` lists it, or a case as `zoo` does"
            );
            return Err(super::exit::WrongUsage(why).into());
        }
    }
    let levels = args.level.map_or(LEVELS.to_vec(), |level| vec![level]);
    let share = args.cases.div_ceil((subjects.len() * levels.len()) as u64);
    let comparing = Comparing { levels, seed: Seed(args.seed), numbers: 0..share, left_out: None };
    let done = Arc::new(AtomicUsize::new(0));
    let (all, counted, lanes) = (subjects.len(), done.clone(), args.lanes.max(1));
    let status = move |cases| Status {
        what: "agreement".to_owned(),
        cells_done: counted.load(Ordering::Relaxed),
        cells: all,
        cases,
        ..Status::default()
    };
    let started = Instant::now();
    let work = move |server: Arc<Server>, watch: Arc<Watch>| {
        side_by_side(&subjects, lanes, &done, |whose| whose.agree(&comparing, &server, &watch))
    };
    let compared = match outside.with_server(status, work)? {
        Ok(compared) => compared?,
        Err(exit) => return Ok(exit),
    };
    let mut sum = Agreement::default();
    compared.into_iter().for_each(|one| sum += one);
    match args.format {
        Format::Human => print!("{}", in_words(&sum, args.seed, started.elapsed().as_secs_f64())),
        Format::Json => println!("{}", line(&sum, args.seed)),
    }
    Ok(if sum.disagreements.is_empty() { Exit::Verified } else { Exit::Violated })
}

fn in_words(sum: &Agreement, seed: u64, seconds: f64) -> String {
    let Agreement { cases, serial, cyclic, carried, lucky, otherwise, untold, disagreements } = sum;
    let mut out = String::new();
    for one in disagreements {
        out.push_str(&format!("✗ {}: {}\n  {}\n", one.place, one.why, one.case));
    }
    out.push_str(&format!(
        "{cases} cases in {seconds:.0} s (seed {seed}): {} disagreements\n\
         {serial} equal to a serial order, without a cycle\n\
         {cyclic} equal to none, with a cycle\n\
         {carried} equal to none, with a cycle only by what an attempt read that came to nothing\n\
         {lucky} with a cycle, and by luck equal to a serial order\n\
         {otherwise} equal to none for a reason that is no dependency: a part committed, a lock met, a deadlock, a fault\n\
         {untold} that re-execution could not tell\n",
        disagreements.len()
    ));
    out
}

fn line(sum: &Agreement, seed: u64) -> serde_json::Value {
    let disagreement =
        |one: &crate::campaign::Disagreement| json!({ "place": one.place, "case": one.case, "why": one.why });
    json!({
        "format": FORMAT,
        "seed": seed,
        "cases": sum.cases,
        "serial": sum.serial,
        "cyclic": sum.cyclic,
        "carried": sum.carried,
        "lucky": sum.lucky,
        "otherwise": sum.otherwise,
        "untold": sum.untold,
        "disagreements": sum.disagreements.iter().map(disagreement).collect::<Vec<_>>(),
    })
}
