//! The failure that is to be remedied: what the case file's schedule shows, or where that does not fail any more, what
//! some other schedule of its program does.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::{ConnectOptions, Connection};

use super::runner::Runner;
use super::schema::Schema;
use super::trial::Options;
use super::tried::RETRYABLE;
use crate::campaign::{CampaignError, StandingLane, lost_or};
use crate::case::Gates;
use crate::check::declared_errors;
use crate::explore::Follow;
use crate::history::{History, Outcome};
use crate::isolation::Isolation;
use crate::replay::CaseFile;
use crate::runtime::on_this_thread;
use crate::server::Server;
use crate::subject::Subject;
use crate::weave::LaneError;

/// The failure that is to be remedied.
pub(super) struct Failing {
    pub(super) claim: String,
    pub(super) history: History,
    /// Where its sessions stop.
    pub(super) gates: Gates,
    pub(super) schema: Schema,
    /// What a caller may meet in exchange.
    pub(super) forgiven: BTreeSet<&'static str>,
}

/// Runs the case, and where its schedule does not fail any more all classes of its program.
pub(super) fn find<S: Subject>(
    subject: &Arc<S>,
    file: &CaseFile<S::Op>,
    server: &Arc<Server>,
    options: &Options,
) -> Result<Option<Failing>, CampaignError> {
    let work = || on_this_thread(find_here(subject, file, server, options))?;
    std::thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

async fn find_here<S: Subject>(
    subject: &Arc<S>,
    file: &CaseFile<S::Op>,
    server: &Arc<Server>,
    options: &Options,
) -> Result<Option<Failing>, CampaignError> {
    let sessions = file.case.sessions.len();
    let standing = StandingLane::open(server, subject.clone(), sessions, options.limits).await?;
    let lost = |error: sqlx::Error| lost_or(server, LaneError::Server(error));
    let mut connection = standing.connect_options().connect().await.map_err(lost)?;
    let schema = Schema::learn(&mut connection).await.map_err(lost)?;
    connection.close().await.map_err(lost)?;
    let mut runner = Runner::new(subject.clone(), server, standing, options);
    runner.gates = file.case.gates;
    let (history, opinion, _) = runner.run(&file.case, &mut Follow::new(&file.case.schedule)).await?;
    let wanted = |claim: &str| file.claim.as_ref().is_none_or(|saved| saved == claim);
    let mut found =
        opinion.all_violated().find(|claim| wanted(claim)).map(|claim| (claim.to_owned(), history));
    if found.is_none() {
        let seen = runner.explore(&file.case.sessions, file.case.isolation, wanted).await?;
        let broken = seen.violated.into_values().find(|broken| wanted(&broken.claim));
        found = broken.map(|broken| (broken.claim, broken.history));
    }
    runner.standing.close(server).await?;
    Ok(found.map(|(claim, history)| {
        let forgiven = forgiven(subject, file.case.isolation, &claim, &history);
        Failing { claim, history, gates: file.case.gates, schema, forgiven }
    }))
}

/// What a caller may be asked to retry: all that goes away by itself, but not what the case is about.
fn forgiven<S: Subject>(
    subject: &Arc<S>,
    isolation: Isolation,
    claim: &str,
    history: &History,
) -> BTreeSet<&'static str> {
    let undeclared = |sqlstate: &str| {
        history.operations().any(|(_, outcome)| match outcome {
            Outcome::Failed(failure) => {
                failure.sqlstate() == Some(sqlstate) && !subject.declares(isolation, failure)
            }
            Outcome::Done(_) | Outcome::Unfinished => false,
        })
    };
    let is_about = |sqlstate: &&str| claim == declared_errors::NAME && undeclared(sqlstate);
    RETRYABLE.into_iter().filter(|sqlstate| !is_about(sqlstate)).collect()
}
