//! What stands in for containers where pgweave is built without them: each call says so and names the remedy.

use std::convert::Infallible;

use super::error::{ServerError, Skipped};
use super::login::Login;
use super::wish::Wish;

const WHY: &str = "this pgweave is built without containers";
const REMEDY: &str = "build it with --features containers, and have a Docker engine";

/// How long a container would be kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep {
    ForThisRun,
    UntilDown,
}

pub(super) fn skipped(why: impl Into<String>) -> Skipped {
    Skipped { rung: "container", why: why.into(), remedy: REMEDY.to_owned() }
}

/// A server in a container, of which there is none.
pub(super) struct Running(Infallible);

impl Running {
    pub(super) async fn start(_: &Wish, _: Keep) -> Result<Self, Skipped> {
        Err(skipped(WHY))
    }

    pub(super) fn login(&self) -> &Login {
        match self.0 {}
    }

    pub(super) fn id(&self) -> &str {
        match self.0 {}
    }

    pub(super) fn leave(self) -> String {
        match self.0 {}
    }
}

/// A container that another pgweave has left, which only such a one can reach.
pub(super) struct Left(Infallible);

impl Left {
    pub(super) async fn find(_: &str) -> Result<Self, ServerError> {
        Err(ServerError::Managed(format!("the managed server is a container, and {WHY}: {REMEDY}")))
    }

    pub(super) async fn login(&self) -> Result<Login, ServerError> {
        match self.0 {}
    }

    pub(super) async fn remove(&self) -> Result<(), ServerError> {
        match self.0 {}
    }

    pub(super) async fn log(&self) -> Result<String, ServerError> {
        match self.0 {}
    }
}
