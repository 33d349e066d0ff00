//! Why no serial order explains a run: the anomaly's name, the cycle as sentences with steps and values, and what would
//! have stopped it. Where there is no cycle, what it is instead.
//!
//! It tells what `rows` found, in words, and computes nothing of it.

mod chain;
mod instead;

use serde_json::Value;

pub use chain::{Became, Chain, Link};
use chain::{Moments, chain};

use instead::instead;

use super::cycle;
use super::picture::{Edge, Place};
use super::text::{clip, counted};
use crate::check::graph::{Kinds, refuted_by};
use crate::history::History;
use crate::rows::{
    About, Account, Because, Dependency, Graph, Image, Likeness, Rows, Unit, VersionId, shown,
};

/// More columns of a row than this are left out of a sentence.
const COLUMNS_MAX: usize = 4;
/// More of a value than this many columns is cut.
const VALUE_COLUMNS: usize = 40;

/// A run explained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What is wrong, worst first.
    pub tales: Vec<Tale>,
    /// What happened where nothing of the kind is wrong.
    pub instead: Option<String>,
    /// The rows that somebody wrote, and their versions.
    pub chains: Vec<Chain>,
    /// What limits all this.
    pub notes: Vec<String>,
}

/// One anomaly in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tale {
    /// Its code: `G2-item`.
    pub code: String,
    /// Its name: `write skew (G2-item)`.
    pub name: String,
    /// One sentence of what went wrong.
    pub sentence: String,
    /// Who takes part: `T1 is A1, steps 1 to 4`.
    pub cast: Vec<String>,
    /// The cycle, a sentence an edge.
    pub steps: Vec<String>,
    /// Why that cannot be.
    pub conclusion: String,
    /// Which level would have stopped it.
    pub remedy: String,
    /// Name of the weakest model that it refutes.
    pub refutes: String,
    /// The steps that it is about, counted from 0.
    pub at: Vec<usize>,
}

/// Explains the run that `rows` were followed in.
pub fn explanation(rows: &Rows, history: &History) -> Explanation {
    let (graph, accounts) = rows.wrong();
    let teller = Teller::new(rows, graph, &accounts);
    let tales: Vec<Tale> = accounts.iter().map(|account| teller.tale(account)).collect();
    let instead = tales.is_empty().then(|| instead(history));
    let mut notes = Vec::new();
    if rows.likeness == Likeness::Different {
        notes.push(
            "The run in which the rows were followed differs from the one that is shown, so its rows may, too."
                .to_owned(),
        );
    }
    notes.extend(rows.followed.gaps.iter().map(|gap| format!("Not all rows could be followed: {gap}.")));
    if accounts.iter().any(Account::is_coarse) {
        notes.push(
            "What a statement read could not be told exactly, and counts as all rows of the tables that it names."
                .to_owned(),
        );
    }
    let (moments, sessions) = (Moments::of(&rows.followed, history), history.outcomes.len());
    let rows = 0..rows.followed.rows.len();
    let chains = rows.filter_map(|row| chain(&teller, row, &moments, sessions)).collect();
    Explanation { tales, instead, chains, notes }
}

/// What is said of a run whose rows could not be followed.
pub fn unfollowed(why: &str) -> Explanation {
    Explanation { notes: vec![format!("Rows could not be followed: {why}.")], ..Explanation::default() }
}

/// The dependencies of the run that `rows` were followed in, as a picture draws them: those of the worst anomaly's cycle,
/// and the others beside it. Of several between two steps the first of each kind is drawn.
pub fn edges(rows: &Rows) -> Vec<Edge> {
    let (graph, accounts) = rows.wrong();
    let teller = Teller::new(rows, graph, &accounts);
    let cycle: Vec<&Dependency> =
        accounts.first().map(|worst| worst.dependencies().collect()).unwrap_or_default();
    let beside = graph.dependencies.iter().filter(|dependency| !cycle.contains(dependency));
    let placed = cycle.iter().map(|dependency| (*dependency, Place::OnTheCycle));
    let mut edges: Vec<Edge> = Vec::new();
    for (dependency, place) in placed.chain(beside.map(|dependency| (dependency, Place::Beside))) {
        let step = |number: usize| rows.followed.statements[number].step;
        let (Some(from), Some(to)) = (step(dependency.from_statement), step(dependency.to_statement)) else {
            continue;
        };
        let kind = teller.kind(dependency);
        if !edges.iter().any(|edge| (edge.from, edge.to, edge.kind.as_str()) == (from, to, kind)) {
            edges.push(Edge { from, to, kind: kind.to_owned(), label: teller.dependency(dependency), place });
        }
    }
    edges.sort_by_key(|edge| (edge.from, edge.to));
    edges
}

struct Teller<'a> {
    rows: &'a Rows,
    graph: &'a Graph,
    /// The nodes that take part, in their order.
    cast: Vec<usize>,
}

impl<'a> Teller<'a> {
    fn new(rows: &'a Rows, graph: &'a Graph, accounts: &[Account]) -> Self {
        let ends = accounts.iter().flat_map(|account| &account.cycle).map(|because| because.ends().0);
        let mut cast: Vec<usize> = ends.collect();
        cast.sort_unstable();
        cast.dedup();
        Self { rows, graph, cast }
    }

    fn name(&self, node: usize) -> String {
        match (self.graph.unit, self.graph.nodes[node].op) {
            (Unit::Operations | Unit::Attempts, Some(op)) => op.to_string(),
            _ => format!("T{}", self.cast.iter().position(|other| *other == node).unwrap_or(node) + 1),
        }
    }

    fn tale(&self, account: &Account) -> Tale {
        let mut nodes: Vec<usize> = account.cycle.iter().map(|because| because.ends().0).collect();
        let order: Vec<String> = nodes.iter().chain(nodes.first()).map(|node| self.name(*node)).collect();
        nodes.sort_unstable();
        let mut at: Vec<usize> = account.cycle.iter().flat_map(|because| self.steps(because)).collect();
        at.sort_unstable();
        at.dedup();
        Tale {
            code: account.anomaly.name().to_owned(),
            name: cycle::name(&account.finding),
            sentence: self.sentence(account),
            cast: nodes.iter().map(|node| self.member(*node)).collect(),
            steps: account.cycle.iter().map(|because| self.because(because)).collect(),
            conclusion: format!("{}: no serial order can have that.", order.join(" before ")),
            remedy: remedy(account),
            refutes: refuted_by(account.anomaly).name().to_owned(),
            at,
        }
    }

    /// What went wrong, with the names of who it befell.
    fn sentence(&self, account: &Account) -> String {
        use crate::check::graph::Anomaly;
        let general = account.anomaly.sentence().to_owned();
        if account.anomaly != Anomaly::LostUpdate {
            return general;
        }
        let anti = account.cycle.iter().find_map(|because| match because {
            Because::Data(dependency) if dependency.kind.meets(Kinds::RW.or(Kinds::PREDICATE_RW)) => {
                Some(dependency)
            }
            _ => None,
        });
        let last = account.cycle.last().map(|because| because.ends().0);
        let Some((anti, _)) = anti.zip(last) else { return general };
        let (reader, writer) = (self.name(anti.from), self.name(anti.to));
        let row = self.rows.followed.row_name(anti.row);
        format!("{reader} wrote {row} without having seen what {writer} had written there.")
    }

    fn member(&self, node: usize) -> String {
        let Some(known) = self.graph.nodes.get(node) else { return String::new() };
        let followed = &self.rows.followed;
        let statements = known.transactions.iter().flat_map(|txn| &followed.transactions[*txn].statements);
        let mut steps: Vec<usize> =
            statements.filter_map(|number| followed.statements[*number].step).collect();
        steps.dedup();
        let steps: Vec<String> = steps.iter().map(|step| (step + 1).to_string()).collect();
        let noun = if steps.len() == 1 { "step" } else { "steps" };
        let steps = format!("{noun} {}", steps.join(", "));
        match (self.graph.unit, known.op) {
            (Unit::Operations | Unit::Attempts, _) => {
                let count = counted(known.transactions.len() as u64, "transaction");
                format!("{} runs {count}: {steps}", self.name(node))
            }
            (Unit::Transactions, Some(op)) => {
                format!("{} is a transaction of {op}: {steps}", self.name(node))
            }
            (Unit::Transactions, None) => {
                format!("{} is a transaction of session {}: {steps}", self.name(node), known.session)
            }
        }
    }

    fn steps(&self, because: &Because) -> Vec<usize> {
        let Because::Data(dependency) = because else { return Vec::new() };
        let step = |number: usize| self.rows.followed.statements[number].step;
        [dependency.from_statement, dependency.to_statement].into_iter().filter_map(step).collect()
    }

    fn because(&self, because: &Because) -> String {
        let (from, to) = because.ends();
        let (from, to) = (self.name(from), self.name(to));
        match because {
            Because::Session(..) => format!("{from} came before {to} in one session."),
            Because::RealTime(..) => format!("{from} had been answered before {to} began."),
            Because::Data(dependency) => {
                format!("{}, so {from} comes before {to}.", self.dependency(dependency))
            }
        }
    }

    /// What happened that makes one come before the other.
    fn dependency(&self, dependency: &Dependency) -> String {
        let (from, to) = (self.name(dependency.from), self.name(dependency.to));
        let (at_from, at_to) = (self.at(dependency.from_statement), self.at(dependency.to_statement));
        let row = self.rows.followed.row_name(dependency.row);
        let looked = |who: &str, at: &str| match (&dependency.condition, dependency.coarse) {
            (Some(condition), false) if !condition.is_empty() => {
                format!("{who} looked{at} for {}", self.where_(dependency, condition))
            }
            (_, false) => format!("{who} read{at} all of {}", self.table(dependency)),
            (_, true) => format!("{who} may have read{at} any row of {}", self.table(dependency)),
        };
        let found = dependency.condition.as_deref().unwrap_or("looked for its key");
        match (dependency.kind, dependency.about) {
            (Kinds::WW, About::Key) => format!(
                "{from} {}{at_from}, which gave up its key, and {to} {}{at_to}, which took it",
                self.wrote(dependency.from_version),
                self.wrote(dependency.to_version)
            ),
            (Kinds::WR, About::Key) => {
                format!("{from} {}{at_from}, and {to} {found}{at_to}", self.wrote(dependency.from_version))
            }
            (Kinds::RW, About::Key) => {
                format!("{from} {found}{at_from}, and {to} {}{at_to}", self.wrote(dependency.to_version))
            }
            (Kinds::WW, _) => format!(
                "{from} {}{at_from}, and {to} {}{at_to}",
                self.wrote(dependency.from_version),
                self.over(dependency.to_version)
            ),
            (Kinds::WR, _) => {
                format!("{from} {}{at_from}, and {to} read that{at_to}", self.wrote(dependency.from_version))
            }
            (Kinds::RW, _) => {
                let next = dependency.to_version;
                let read = self.read(dependency.from_version, next);
                format!("{from} read {read}{row}{at_from}, and {to} {}{at_to}", self.replaced(next))
            }
            (Kinds::PREDICATE_WR, _) => format!(
                "{from} {}{at_from}, and {} and took that into account",
                self.wrote(dependency.from_version),
                looked(&to, &at_to)
            ),
            _ => format!(
                "{} without seeing what {to} did: it {}{at_to}",
                looked(&from, &at_from),
                self.wrote(dependency.to_version)
            ),
        }
    }

    /// `rw`, `rw by predicate`, or `rw by key`.
    fn kind(&self, dependency: &Dependency) -> &'static str {
        match (dependency.kind, dependency.about) {
            (Kinds::WW, About::Key) => "ww by key",
            (Kinds::WR, About::Key) => "wr by key",
            (Kinds::RW, About::Key) => "rw by key",
            (Kinds::WW, _) => "ww",
            (Kinds::WR, _) => "wr",
            (Kinds::RW, _) => "rw",
            (Kinds::PREDICATE_WR, _) => "wr by predicate",
            _ => "rw by predicate",
        }
    }

    fn at(&self, statement: usize) -> String {
        let asked = &self.rows.followed.statements[statement];
        match (asked.began, asked.step) {
            (Some(began), Some(step)) if began < step => format!(" at steps {} to {}", began + 1, step + 1),
            (_, Some(step)) => format!(" at step {}", step + 1),
            (_, None) => String::new(),
        }
    }

    fn table(&self, dependency: &Dependency) -> String {
        let followed = &self.rows.followed;
        followed.catalog.tables[followed.rows[dependency.row].table].shown()
    }

    fn where_(&self, dependency: &Dependency, condition: &str) -> String {
        format!("{} where {}", self.table(dependency), clip(condition, 200))
    }

    fn image(&self, version: Option<VersionId>) -> Option<&Image> {
        self.rows.followed.versions[version?].image.as_ref()
    }

    /// The version before one of the same row that stayed.
    fn before(&self, version: VersionId) -> Option<VersionId> {
        let followed = &self.rows.followed;
        let writer = followed.versions[version].writer;
        let versions = &followed.rows[followed.versions[version].row].versions;
        let at = versions.iter().position(|other| *other == version)?;
        let own = |other: &VersionId| {
            followed.versions[*other].writer == writer && followed.versions[*other].undone.is_none()
        };
        versions[..at].iter().rev().copied().find(|other| followed.is_committed(*other) || own(other))
    }

    /// `inserted mv (1, 2) (stage staging)`, `changed v of md #1 from 0 to 1`, `deleted kv #1`.
    fn wrote(&self, version: Option<VersionId>) -> String {
        let Some(version) = version else { return "wrote".to_owned() };
        let followed = &self.rows.followed;
        let row = followed.row_name(followed.versions[version].row);
        let before = self.before(version).and_then(|before| self.image(Some(before)));
        match (before, self.image(Some(version))) {
            (_, None) => format!("deleted {row}"),
            (None, Some(image)) => format!("inserted {row} ({})", pairs(image, |_| true)),
            (Some(before), Some(after)) => match changed(before, after).as_slice() {
                [] => format!("wrote {row} again as it was"),
                columns => {
                    let change = |column: &&String| {
                        format!("{column} of {row} from {} to {}", held(before, column), held(after, column))
                    };
                    let changes: Vec<String> = columns.iter().take(COLUMNS_MAX).map(change).collect();
                    format!("changed {}", changes.join(" and "))
                }
            },
        }
    }

    /// What the second of two writers of a row did.
    fn over(&self, version: Option<VersionId>) -> String {
        match (
            version.and_then(|version| self.before(version)).and_then(|before| self.image(Some(before))),
            self.image(version),
        ) {
            (_, None) => "deleted it".to_owned(),
            (Some(before), Some(after)) => match changed(before, after).as_slice() {
                [] => "wrote over it, with the same values".to_owned(),
                columns => format!("wrote over it, {}", pairs(after, |column| columns.contains(&column))),
            },
            (None, Some(after)) => format!("wrote over it, {}", pairs(after, |_| true)),
        }
    }

    /// What was read, in the columns that the next writer changed: `v 0 of `.
    fn read(&self, version: Option<VersionId>, next: Option<VersionId>) -> String {
        let Some(image) = self.image(version) else { return String::new() };
        let columns = self.image(next).map(|next| changed(image, next)).unwrap_or_default();
        match columns.is_empty() {
            true => String::new(),
            false => format!("{} of ", pairs(image, |column| columns.contains(&column))),
        }
    }

    fn replaced(&self, next: Option<VersionId>) -> String {
        let Some(version) = next else { return "replaced it".to_owned() };
        let before = self.before(version).and_then(|before| self.image(Some(before)));
        match (before, self.image(Some(version))) {
            (_, None) => "deleted it".to_owned(),
            (Some(before), Some(after)) => match changed(before, after).as_slice() {
                [] => "replaced it by the same values".to_owned(),
                [one] => format!("replaced it by {}", held(after, one)),
                columns => format!("replaced it by {}", pairs(after, |column| columns.contains(&column))),
            },
            (None, Some(after)) => format!("replaced it by {}", pairs(after, |_| true)),
        }
    }
}

/// The columns in which two images of a row differ.
fn changed<'a>(before: &'a Image, after: &Image) -> Vec<&'a String> {
    before.keys().filter(|column| before.get(*column) != after.get(*column)).collect()
}

/// `v 1, version_lock 2`.
fn pairs(image: &Image, wanted: impl Fn(&String) -> bool) -> String {
    let pair = |(column, held): (&String, &Value)| format!("{column} {}", value(held));
    let mut pairs: Vec<String> = image.iter().filter(|(column, _)| wanted(column)).map(pair).collect();
    if pairs.len() > COLUMNS_MAX {
        pairs.truncate(COLUMNS_MAX);
        pairs.push("…".to_owned());
    }
    pairs.join(", ")
}

fn held(image: &Image, column: &str) -> String {
    value(image.get(column).unwrap_or(&Value::Null))
}

fn value(value: &Value) -> String {
    clip(&shown(value), VALUE_COLUMNS).into_owned()
}

fn remedy(account: &Account) -> String {
    match (account.unit, account.stopped_by()) {
        (Unit::Attempts, _) => "No isolation level stops it: what was read in an attempt that came to nothing went into a later \
                                one. Each attempt must start from what it reads itself."
            .to_owned(),
        (Unit::Operations, _) => "No isolation level stops it: each transaction is isolated as its level promises, and the \
                                  operations run several. What belongs together must stand in one transaction, or the write \
                                  must check what was read."
            .to_owned(),
        (_, Some(level)) => format!("{} would have stopped it.", level.guc().to_uppercase()),
        (_, None) => "No level of PostgreSQL promises that it does not happen.".to_owned(),
    }
}
