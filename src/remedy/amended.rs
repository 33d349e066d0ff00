//! A subject with a change to its schema, whose callers forgive what they would have to retry. Its code is the code.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::strategy::BoxedStrategy;
use serde_json::Value;

use crate::check::Claim;
use crate::history::Failure;
use crate::isolation::Isolation;
use crate::subject::{Session, Subject};

/// A subject, amended.
pub(super) struct Amended<S> {
    pub(super) inner: Arc<S>,
    /// SQL that runs after the subject's schema.
    pub(super) schema: String,
    /// SQLSTATEs that a caller may meet.
    pub(super) forgiven: BTreeSet<&'static str>,
}

impl<S: Subject> Subject for Amended<S> {
    type Op = S::Op;

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn variant(&self) -> Option<&str> {
        self.inner.variant()
    }

    fn connections(&self) -> u32 {
        self.inner.connections()
    }

    fn schema(&self) -> String {
        let schema = self.inner.schema();
        if self.schema.is_empty() { schema } else { format!("{schema};\n{}", self.schema) }
    }

    fn operations(&self) -> BoxedStrategy<S::Op> {
        self.inner.operations()
    }

    fn small_scope(&self) -> Vec<S::Op> {
        self.inner.small_scope()
    }

    async fn run(&self, session: &Session, op: &S::Op) -> Result<Value, Failure> {
        self.inner.run(session, op).await
    }

    fn claims(&self) -> Vec<Claim<S::Op>> {
        self.inner.claims()
    }

    fn serializable(&self, isolation: Isolation) -> bool {
        self.inner.serializable(isolation)
    }

    fn attempts_max(&self) -> Option<u32> {
        self.inner.attempts_max()
    }

    // No second opinion: a model of the subject's knows nothing of the change.

    fn declares(&self, isolation: Isolation, failure: &Failure) -> bool {
        let forgiven = |sqlstate: &str| self.forgiven.contains(sqlstate);
        let is_forgiven = matches!(failure, Failure::Database { sqlstate, .. } if forgiven(sqlstate));
        is_forgiven || self.inner.declares(isolation, failure)
    }
}
