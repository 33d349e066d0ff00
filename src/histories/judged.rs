//! The verdict over a history: what a model forbids was found, or nothing of the kind can be there, or that cannot be
//! told.

use super::Recorded;
use crate::check::graph::{
    Evidence, Finding, Findings, Model, Order, Searched, Shape, Transaction, judge, serial,
};

/// What a history says of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The history could have come from a database that keeps the model.
    Holds,
    /// It could not: there is a finding that the model forbids.
    Violated,
    /// The history does not tell, for this reason.
    Unknown(String),
}

/// A history that has been judged against a model.
#[derive(Debug)]
pub struct Judged {
    /// The history.
    pub recorded: Recorded,
    /// Everything that was found, also what the model allows.
    pub findings: Findings,
    /// Against what it was judged.
    pub model: Model,
    /// The verdict.
    pub ruling: Ruling,
    /// What would be found if the versions had come in the guessed order, where their order is not in the reads.
    guessed: Option<Findings>,
}

impl Recorded {
    /// Judges the history against `model`.
    pub fn judge(self, model: Model) -> Judged {
        let mut findings = judge(&self.observed, model.order());
        for Finding { anomaly, evidence, instances } in &self.findings {
            (0..*instances).for_each(|_| findings.add(*anomaly, evidence.clone()));
        }
        let guess = || judge(&serial::with_guessed_order(&self.observed), model.order());
        let guessed = (self.observed.shape() == Shape::Register).then(guess);
        let mut judged = Judged { recorded: self, findings, model, ruling: Ruling::Holds, guessed };
        judged.ruling = judged.rule(model);
        judged
    }
}

impl Judged {
    fn rule(&self, model: Model) -> Ruling {
        let recorded = &self.recorded;
        if let Some(twice) = recorded.repeated.first() {
            return Ruling::Unknown(format!(
                "{} was written to key {} by line {} and by line {}, so nobody can tell which of them was read: each \
                 value of a key must be written once",
                twice.value, twice.key, twice.lines[0], twice.lines[1]
            ));
        }
        if self.findings.against(model).next().is_some() {
            return Ruling::Violated;
        }
        let sessions_told =
            recorded.observed.transactions().any(|(_, t)| t.session != Transaction::NO_SESSION);
        if model.order() >= Order::Session && !sessions_told {
            return Ruling::Unknown("no line has a :process, so nothing is known of sessions".into());
        }
        if model.order() == Order::RealTime && !recorded.names.has_invocations() {
            return Ruling::Unknown(
                "the history has no :invoke lines, so it does not tell when a transaction began".into(),
            );
        }
        self.rule_on_versions(model)
    }

    /// A register's reads do not tell the order of its versions. The model holds if some order agrees with it: one is
    /// tried, that of a serial run as far as there is one.
    fn rule_on_versions(&self, model: Model) -> Ruling {
        if self.guessed.as_ref().is_none_or(|guessed| guessed.against(model).next().is_none()) {
            return Ruling::Holds;
        }
        Ruling::Unknown(
            "nothing that is certain is wrong, but the order of some registers' versions is not certain, and no order \
             was found that agrees with the model: record reads before writes, or use list-append, or say --keys \
             sequential or linearizable where the database promises that"
                .into(),
        )
    }

    /// The finding that decides: the worst that the model forbids.
    pub fn worst(&self) -> Option<&Finding> {
        self.findings.against(self.model).next()
    }

    /// Whether a cycle may not be the shortest, since the search was cut short.
    pub fn is_cut_short(finding: &Finding) -> bool {
        matches!(finding.evidence, Evidence::Cycle(_, Searched::InPart))
    }

    /// For each model, as far as it was looked at, whether the history keeps it; weaker models first.
    pub fn levels(&self) -> Vec<(Model, Option<bool>)> {
        let known = |model: Model| {
            if model.order() > self.findings.order {
                return None;
            }
            match self.rule(model) {
                Ruling::Holds => Some(true),
                Ruling::Violated => Some(false),
                Ruling::Unknown(_) => None,
            }
        };
        Model::ALL.into_iter().map(|model| (model, known(model))).collect()
    }
}
