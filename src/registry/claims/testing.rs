//! Histories made by hand, for the claims' canaries.

use serde_json::Value;

use crate::case::{Case, Gates};
use crate::check::{Claim, Judgement, Run};
use crate::history::{
    Action, Column, ColumnKind, Datum, Failure, History, OpId, Outcome, Statement, Step, Table, Transaction,
};
use crate::isolation::Isolation;
use crate::schedule::{Schedule, SessionId};

use super::super::{Model, Op};

/// One operation a session, and what came of it.
#[derive(Clone)]
pub(super) struct Story {
    case: Case<Op>,
    history: History,
}

const TABLES: [(&str, &[&str]); 5] = [
    ("models", &["id", "name"]),
    ("model_versions", &["id", "model_id", "version", "framework", "stage"]),
    ("model_metadata", &["model_id", "version", "tags", "parameters", "version_lock"]),
    ("experiments", &["id", "model_id", "version"]),
    ("metrics", &["experiment_id", "name", "value"]),
];

impl Story {
    /// One session for each operation, all unfinished, on empty tables.
    pub(super) fn of(ops: &[&str]) -> Self {
        let mut history = History::default();
        for (name, columns) in TABLES {
            let columns = columns.iter().map(|name| Column { name: (*name).into(), kind: ColumnKind::Plain });
            history.state.0.insert(name.into(), Table { columns: columns.collect(), rows: Vec::new() });
        }
        history.outcomes = vec![vec![Outcome::Unfinished]; ops.len()];
        let sessions = ops.iter().map(|text| vec![text.parse().expect("an operation")]).collect();
        let case = Case {
            isolation: Isolation::ReadCommitted,
            gates: Gates::Between,
            sessions,
            schedule: Schedule::default(),
        };
        Self { case, history }
    }

    /// The same, on the tables that every case starts from.
    pub(super) fn seeded(ops: &[&str]) -> Self {
        let mut story = Self::of(ops);
        story.history.state = Model::seed().state();
        story
    }

    pub(super) fn without(mut self, table: &str) -> Self {
        self.history.state.0.remove(table);
        self
    }

    pub(super) fn version(mut self, model: i32, number: i32, stage: &str) -> Self {
        let id = self.history.state.0["model_versions"].rows.len() + 1;
        self.row("model_versions", &[&id, &model, &number, &"pytorch", &stage]);
        self
    }

    pub(super) fn metadata(mut self, model: i32, number: i32, tags: &str, lock: i64) -> Self {
        self.row("model_metadata", &[&model, &number, &tags, &"{}", &lock]);
        self
    }

    fn row(&mut self, table: &str, values: &[&dyn ToString]) {
        let row: Vec<Datum> = values.iter().map(|value| Some(value.to_string())).collect();
        self.history.state.0.get_mut(table).expect("a table of the registry").rows.push(row);
    }

    pub(super) fn done(mut self, session: usize, result: Value) -> Self {
        self.history.outcomes[session] = vec![Outcome::Done(result)];
        self
    }

    pub(super) fn failed(mut self, session: usize) -> Self {
        let sqlstate = "40001".to_owned();
        let failure = Failure::Database { sqlstate, message: String::new(), constraint: None };
        self.history.outcomes[session] = vec![Outcome::Failed(failure)];
        self
    }

    pub(super) fn unknown(mut self, session: usize) -> Self {
        self.history.outcomes[session] = vec![Outcome::Failed(Failure::OutcomeUnknown(String::new()))];
        self
    }

    pub(super) fn wrote(self, session: usize, sql: &str) -> Self {
        self.step(session, Statement { sql: sql.into(), ..Statement::default() })
    }

    /// A read of the `version_lock` of version 1 of model 1.
    pub(super) fn read_lock(self, session: usize, lock: i64) -> Self {
        let one = || Some("1".to_owned());
        let statement = Statement {
            sql: "SELECT tags, version_lock FROM model_metadata".into(),
            params: vec![one(), one()],
            columns: vec!["tags".into(), "version_lock".into()],
            rows: vec![vec![Some("[]".into()), Some(lock.to_string())]],
            tag: Some("SELECT 1".into()),
            ..Statement::default()
        };
        self.step(session, statement)
    }

    fn step(mut self, session: usize, statement: Statement) -> Self {
        let session = SessionId::new(session);
        let action = Action::Run { statements: vec![statement], transaction: Transaction::Open };
        self.history.steps.push(Step {
            session,
            op: OpId { session, index: 0 },
            action,
            wait: None,
            inside: None,
        });
        self
    }

    /// What a claim says of it, as text.
    pub(super) fn judged_by(&self, claim: &Claim<Op>) -> String {
        match claim.judge(&Run { case: &self.case, history: &self.history }) {
            Judgement::Holds => "holds".into(),
            Judgement::Unknown(why) => format!("unknown: {why}"),
            Judgement::Violated(evidence) => {
                let rows: String = evidence.rows.iter().map(|row| format!("\n  {row}")).collect();
                format!("violated: {}{rows}\n  steps {:?}", evidence.why, evidence.steps)
            }
        }
    }
}
