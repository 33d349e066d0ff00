//! Serial equivalence, by re-execution: is there an order in which the operations, run one after another, give the same
//! results and the same tables?
//!
//! The search proposes orders and its caller executes them; nothing here executes anything. An order that agrees is a
//! proof that the run was serializable, and that no order agrees is evidence that anyone can check by hand.

use std::collections::{HashSet, VecDeque};

use super::same::{Comparison, Renaming, Side};
use super::{Evidence, Judgement, Run, sql};
use crate::history::{Ended, Failure, History, OpId, Outcome, State};

/// The property in words.
pub const NAME: &str = "some serial order explains the run";

/// The most orders that are executed for one run. With more than that untried the answer is "could not tell".
pub const ORDERS_MAX: usize = 1_000;

/// The most operations of unknown outcome: each doubles the orders there are.
pub const UNCERTAIN_MAX: usize = 8;

/// What came of executing an order, or a beginning of it, from the initial state.
#[derive(Clone, Debug, PartialEq)]
pub struct SerialRun {
    /// How each operation ended, in the order that was asked for. It may end early after a result that the run does not
    /// show; one that ends early for another reason proves nothing, and is taken so.
    pub results: Vec<Outcome>,
    /// What the tables hold afterwards.
    pub state: State,
}

/// Searches an order of the operations that explains a run.
///
/// 1. Committed and refused operations take part, each session's in its own order. An aborted one does not: a trace of
///    it in the tables is then something that no order explains. One whose outcome is unknown may be in or out.
/// 2. The order in which the operations ended is tried first, and the order in which they began second. One of them
///    nearly always agrees when any does.
/// 3. Then all others, depth first. The first result that disagrees rules out every order that begins alike.
/// 4. Orders without the operations of unknown outcome come after those with them.
#[derive(Debug)]
pub struct SerialSearch<'a> {
    history: &'a History,
    /// Operations that take part, in the order in which they ended.
    certain: Vec<OpId>,
    uncertain: Vec<OpId>,
    likely: VecDeque<Vec<OpId>>,
    /// Beginnings that no order can have.
    refuted: HashSet<Vec<OpId>>,
    /// Beginnings after which, with the choice of uncertain operations at hand, every order has been tried.
    exhausted: HashSet<Vec<OpId>>,
    /// Which choice of uncertain operations is at hand, as a bit set of those left out.
    left_out: u32,
    asked: Vec<OpId>,
    executed: usize,
    limit: usize,
    proves_nothing: usize,
    closest: Option<Attempt>,
    verdict: Option<Judgement>,
}

/// An order that was tried, and how it disagreed.
#[derive(Debug)]
struct Attempt {
    order: Vec<OpId>,
    agreed: usize,
    mismatch: Mismatch,
}

#[derive(Debug)]
enum Mismatch {
    /// The operation at the position `agreed` ended otherwise.
    Result { op: OpId, serially: String },
    /// Every result agrees, and these rows do not.
    Tables(Comparison),
    /// Every result and every row agrees, but a result names another row than it does in the run.
    Names,
}

enum Agreement {
    Whole,
    None(Attempt),
    ProvesNothing,
}

impl<'a> SerialSearch<'a> {
    /// A search for `run`, of at most [`ORDERS_MAX`] orders.
    pub fn new<Op>(run: &Run<'a, Op>) -> Self {
        Self::with_limit(run, ORDERS_MAX)
    }

    /// A search for `run`, of at most `limit` orders.
    pub fn with_limit<Op>(run: &Run<'a, Op>, limit: usize) -> Self {
        let history = run.history;
        let (mut certain, mut uncertain) = (Vec::new(), Vec::new());
        for (op, outcome) in history.operations() {
            match outcome {
                Outcome::Done(_) | Outcome::Failed(Failure::Refused(_)) => certain.push(op),
                Outcome::Failed(failure) if outcome_unknown(failure) => uncertain.push(op),
                Outcome::Failed(_) | Outcome::Unfinished => {}
            }
        }
        let ended = in_order_of(history, &certain, &uncertain, Moment::Last);
        let began = in_order_of(history, &certain, &uncertain, Moment::First);
        certain.sort_by_key(|op| ended.iter().position(|other| other == op));
        Self {
            history,
            certain,
            uncertain,
            likely: [ended, began].into(),
            refuted: HashSet::new(),
            exhausted: HashSet::new(),
            left_out: 0,
            asked: Vec::new(),
            executed: 0,
            limit,
            proves_nothing: 0,
            closest: None,
            verdict: cannot_be_searched(history),
        }
    }

    /// The next order to execute from the initial state, or none when there is a verdict. It may be empty: then nothing
    /// was committed, and the tables must be as they were.
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from the search")]
    pub fn next(&mut self) -> Option<&[OpId]> {
        if self.verdict.is_some() {
            return None;
        }
        match self.untried() {
            None => self.verdict = Some(self.no_order_agrees()),
            Some(_) if self.executed == self.limit => {
                self.verdict = Some(Judgement::Unknown(format!(
                    "none of the first {} serial orders agrees, and there are more",
                    self.limit
                )));
            }
            Some(order) => {
                self.asked = order;
                return Some(&self.asked);
            }
        }
        None
    }

    /// Takes what came of the order that [`SerialSearch::next`] returned last.
    pub fn observe(&mut self, ran: SerialRun) {
        self.executed += 1;
        let order = std::mem::take(&mut self.asked);
        match self.compare(&order, &ran) {
            Agreement::Whole => self.verdict = Some(Judgement::Holds),
            Agreement::ProvesNothing => {
                self.proves_nothing += 1;
                self.exhausted.insert(order);
            }
            Agreement::None(attempt) => {
                // A result refutes all orders that begin alike; tables refute just the one that ends with them.
                match attempt.mismatch {
                    Mismatch::Result { .. } => self.refuted.insert(order[..=attempt.agreed].to_vec()),
                    Mismatch::Tables(_) | Mismatch::Names => self.exhausted.insert(order),
                };
                if self.closest.as_ref().is_none_or(|closest| attempt.is_closer(closest)) {
                    self.closest = Some(attempt);
                }
            }
        }
    }

    /// The verdict, once there is one.
    pub fn verdict(&self) -> Option<&Judgement> {
        self.verdict.as_ref()
    }

    /// How many orders have been executed.
    pub fn executed(&self) -> usize {
        self.executed
    }

    fn untried(&mut self) -> Option<Vec<OpId>> {
        while let Some(order) = self.likely.pop_front() {
            if !self.is_ruled_out(&order) {
                return Some(order);
            }
        }
        while self.left_out < 1 << self.uncertain.len() {
            let chosen = self.uncertain.iter().enumerate();
            let chosen = chosen.filter(|(bit, _)| self.left_out & (1 << bit) == 0).map(|(_, op)| *op);
            let taking_part: Vec<_> = self.certain.iter().copied().chain(chosen).collect();
            let mut order = Vec::new();
            if self.descend(&mut order, &taking_part) {
                return Some(order);
            }
            self.left_out += 1;
            self.exhausted.clear();
        }
        None
    }

    fn is_ruled_out(&self, order: &[OpId]) -> bool {
        (0..=order.len()).any(|end| self.refuted.contains(&order[..end])) || self.exhausted.contains(order)
    }

    /// Completes `beginning` with operations of `rest` to an order that has not been ruled out.
    fn descend(&mut self, beginning: &mut Vec<OpId>, rest: &[OpId]) -> bool {
        if self.refuted.contains(beginning) || self.exhausted.contains(beginning) {
            return false;
        }
        if rest.is_empty() {
            return true;
        }
        for op in rest {
            if rest.iter().any(|other| other.session == op.session && other.index < op.index) {
                continue;
            }
            beginning.push(*op);
            let others: Vec<_> = rest.iter().copied().filter(|other| other != op).collect();
            if self.descend(beginning, &others) {
                return true;
            }
            beginning.pop();
        }
        self.exhausted.insert(beginning.clone());
        false
    }

    fn compare(&self, order: &[OpId], ran: &SerialRun) -> Agreement {
        let mut renaming = Renaming::default();
        for (position, op) in order.iter().enumerate() {
            let Some(serially) = ran.results.get(position) else { return Agreement::ProvesNothing };
            if interrupted(serially) {
                return Agreement::ProvesNothing;
            }
            if !agree(&mut renaming, position, outcome(self.history, *op), serially) {
                let mismatch = Mismatch::Result { op: *op, serially: in_short(serially) };
                return Agreement::None(Attempt { order: order.to_vec(), agreed: position, mismatch });
            }
        }
        let tables = Comparison::of(&self.history.state, &ran.state);
        let mismatch = match tables {
            tables if !tables.is_same() => Mismatch::Tables(tables),
            tables if !tables.explains(&renaming) => Mismatch::Names,
            _ => return Agreement::Whole,
        };
        Agreement::None(Attempt { order: order.to_vec(), agreed: order.len(), mismatch })
    }

    fn no_order_agrees(&self) -> Judgement {
        if self.proves_nothing > 0 {
            return Judgement::Unknown(format!(
                "no serial order agrees, but {} of them could not be executed to the end",
                self.proves_nothing
            ));
        }
        let Some(closest) = &self.closest else {
            return Judgement::Unknown("no serial order was executed".to_owned());
        };
        let tried = match self.executed {
            1 => "the only serial order disagrees".to_owned(),
            executed => format!("none of the {executed} serial orders that matter agrees"),
        };
        Judgement::Violated(closest.evidence(&tried, self.history))
    }
}

impl Attempt {
    /// Whether more results agree than those of `other`, or as many and fewer rows differ.
    fn is_closer(&self, other: &Self) -> bool {
        let rank = |attempt: &Self| (attempt.agreed, attempt.order.len(), std::cmp::Reverse(attempt.rows()));
        rank(self) > rank(other)
    }

    fn rows(&self) -> usize {
        match &self.mismatch {
            Mismatch::Tables(tables) => tables.differences.len(),
            Mismatch::Result { .. } | Mismatch::Names => 0,
        }
    }

    fn evidence(&self, tried: &str, history: &History) -> Evidence {
        let order: Vec<_> = self.order.iter().map(ToString::to_string).collect();
        let order = if order.is_empty() { "nothing at all".to_owned() } else { order.join(", ") };
        match &self.mismatch {
            Mismatch::Result { op, serially } => Evidence {
                why: format!(
                    "{tried}; the closest is {order}, where {op} {serially}, and in the run it {}",
                    in_short(outcome(history, *op))
                ),
                rows: Vec::new(),
                steps: history.steps_of(*op).map(|(number, _)| number).collect(),
            },
            Mismatch::Tables(tables) => Evidence {
                why: format!(
                    "{tried}; the closest is {order}, which gives the same results and other tables"
                ),
                rows: tables.differences.iter().map(line).collect(),
                steps: steps_that_wrote(tables, history),
            },
            Mismatch::Names => Evidence {
                why: format!(
                    "{tried}; the closest is {order}, where a result names another row than in the run"
                ),
                ..Evidence::default()
            },
        }
    }
}

fn line(difference: &super::same::Difference) -> String {
    let side = match difference.side {
        Side::Left => "only in the run",
        Side::Right => "only serially",
    };
    format!("{side}: {}: {}", difference.table, difference.row)
}

fn steps_that_wrote(tables: &Comparison, history: &History) -> Vec<usize> {
    let differing: HashSet<_> =
        tables.differences.iter().map(|difference| difference.table.as_str()).collect();
    let steps = history.steps.iter().enumerate().filter(|(_, step)| {
        let mut written =
            step.statements().iter().flat_map(|statement| sql::tables_written(statement, &history.state));
        written.any(|table| differing.contains(table))
    });
    steps.map(|(number, _)| number).collect()
}

/// Why a run cannot be searched at all.
fn cannot_be_searched(history: &History) -> Option<Judgement> {
    match &history.ended {
        Ended::Complete => {}
        Ended::Stuck { .. } => return Some(Judgement::Unknown("the run could not go on".to_owned())),
        Ended::Hung { why, .. } => return Some(Judgement::Unknown(format!("the run hung: {why}"))),
        Ended::Broken { why } => return Some(Judgement::Unknown(format!("the run broke off: {why}"))),
    }
    let unknown = |outcome: &Outcome| matches!(outcome, Outcome::Failed(failure) if outcome_unknown(failure));
    let uncertain = history.operations().filter(|(_, outcome)| unknown(outcome)).count();
    if uncertain > UNCERTAIN_MAX {
        return Some(Judgement::Unknown(format!("the outcome of {uncertain} operations is unknown")));
    }
    let mut unfinished = history.operations().filter(|(_, outcome)| **outcome == Outcome::Unfinished);
    unfinished.next().map(|(op, _)| Judgement::Unknown(format!("{op} had not ended when the run did")))
}

enum Moment {
    First,
    Last,
}

/// The operations by their first or last step, each session's in its own order.
fn in_order_of(history: &History, certain: &[OpId], uncertain: &[OpId], moment: Moment) -> Vec<OpId> {
    let mut ops: Vec<_> = certain.iter().chain(uncertain).copied().collect();
    ops.sort_unstable();
    let mut keyed: Vec<(usize, OpId)> = Vec::with_capacity(ops.len());
    for op in ops {
        let mut steps = history.steps_of(op).map(|(number, _)| number);
        let step = match moment {
            Moment::First => steps.next(),
            Moment::Last => steps.last(),
        };
        // An operation without steps comes right after the one before it in its session.
        let before = keyed.last().filter(|(_, other)| other.session == op.session).map_or(0, |(at, _)| *at);
        keyed.push((step.unwrap_or(before).max(before), op));
    }
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, op)| op).collect()
}

fn outcome(history: &History, op: OpId) -> &Outcome {
    &history.outcomes[op.session.index()][op.index]
}

fn agree(renaming: &mut Renaming, operation: usize, ran: &Outcome, serially: &Outcome) -> bool {
    match (ran, serially) {
        (Outcome::Done(ran), Outcome::Done(serially)) => renaming.agree(operation, ran, serially),
        (Outcome::Failed(Failure::Refused(ran)), Outcome::Failed(Failure::Refused(serially))) => {
            ran == serially
        }
        // Nobody was told how it ended: whatever it is, only the tables can disagree.
        (Outcome::Failed(failure), _) => outcome_unknown(failure),
        _ => false,
    }
}

fn outcome_unknown(failure: &Failure) -> bool {
    match failure {
        Failure::OutcomeUnknown(_) => true,
        Failure::GaveUp { last, .. } => outcome_unknown(last),
        _ => false,
    }
}

/// Whether a re-executed operation did not really end, so that it says nothing of the order.
fn interrupted(serially: &Outcome) -> bool {
    match serially {
        Outcome::Unfinished => true,
        Outcome::Failed(failure) => matches!(failure, Failure::Lost(_)) || outcome_unknown(failure),
        Outcome::Done(_) => false,
    }
}

fn in_short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(value) => format!("returned {value}"),
        Outcome::Failed(Failure::Refused(why)) => format!("was refused: {why}"),
        Outcome::Failed(failure) => format!("failed: {failure}"),
        Outcome::Unfinished => "did not end".to_owned(),
    }
}

#[cfg(test)]
mod tests;
