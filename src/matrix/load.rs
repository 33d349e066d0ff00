//! How fast an entry is where several clients want the same rows: measured straight against the server, without the
//! gate, so that nothing but the code and the server takes time.
//!
//! The work is cut into rounds. Each round starts from the first state with one operation in each client, begun at the
//! same moment, and ends when all are answered; a client whose operation fails with 40001 or 40P01 runs it again, as a
//! caller would have to. Only that time counts, not what it takes to put the rows back. An operation's variants and
//! levels take turns block by block, so that whatever else slows the machine down slows all of them, and the median
//! round counts. Numbers of operations decide how much is run, and never the clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::{Entry, LEVELS};
use crate::campaign::{CampaignError, Watch};
use crate::history::Failure;
use crate::isolation::Isolation;
use crate::runtime::on_this_thread;
use crate::schedule::SessionId;
use crate::server::{Database, Server};
use crate::subject::{Faults, Flow, Session, SessionClock, Subject};
use crate::weave::{LaneError, Observer, Rights};

/// Rounds of one block, after one that warms the connections up.
const BLOCK: u64 = 8;

/// Tries of one operation, at the most.
const TRIES_MAX: usize = 100;

/// How long a round may take. What takes longer tells nothing, and its cell has no number.
const ROUND_MAX: Duration = Duration::from_secs(5);

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Rounds of each cell.
    pub rounds: u64,
}

/// Which entry, and at which level.
type Place = (usize, Isolation);

impl Load {
    /// Acknowledged operations a second, of the entries at the levels where they hold.
    pub(super) fn measure<S: Subject>(
        self,
        entries: &[Entry<S>],
        holds: impl Fn(usize, Isolation) -> bool,
        server: &Arc<Server>,
        watch: &Watch,
    ) -> Result<BTreeMap<Place, f64>, CampaignError> {
        let mut measured = BTreeMap::new();
        let numbered: Vec<_> = entries.iter().enumerate().collect();
        for group in numbered.chunk_by(|(_, one), (_, next)| one.operation == next.operation) {
            let levels = |entry: usize| LEVELS.into_iter().filter(|level| holds(entry, *level)).collect();
            let group = group.iter().map(|(number, entry)| (*number, *entry, levels(*number))).collect();
            measured.extend(on_this_thread(self.group(group, server, watch))??);
        }
        Ok(measured)
    }

    /// Measures what is compared with each other, in turns.
    async fn group<S: Subject>(
        self,
        entries: Vec<(usize, &Entry<S>, Vec<Isolation>)>,
        server: &Server,
        watch: &Watch,
    ) -> Result<BTreeMap<Place, f64>, CampaignError> {
        let mut stands = Vec::new();
        for (number, entry, levels) in entries.into_iter().filter(|(_, _, levels)| !levels.is_empty()) {
            stands.push((number, Stand::open(server, entry).await?, levels));
        }
        let mut rates: BTreeMap<Place, Vec<f64>> = BTreeMap::new();
        let mut first = 0;
        while first < self.rounds && !watch.is_stopped() {
            let rounds = first..self.rounds.min(first + BLOCK);
            for (number, stand, levels) in &mut stands {
                let mut ended = Vec::new();
                for level in levels.drain(..) {
                    if let Some(block) = stand.block(level, rounds.clone()).await? {
                        rates.entry((*number, level)).or_default().extend(block);
                        ended.push(level);
                    }
                }
                // Where one round does not end, others would not either.
                *levels = ended;
            }
            first += BLOCK;
        }
        for (_, stand, _) in stands {
            stand.close(server).await?;
        }
        let whole = rates.into_iter().filter(|(_, rates)| rates.len() as u64 == self.rounds);
        Ok(whole.filter_map(|(place, rates)| Some((place, median(rates)?))).collect())
    }
}

/// The middle one, the lower of two.
fn median(mut rates: Vec<f64>) -> Option<f64> {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len().saturating_sub(1) / 2).copied()
}

/// An entry and a database of its own.
struct Stand<'a, S: Subject> {
    entry: &'a Entry<S>,
    database: Database,
    /// Puts the rows back.
    observer: Observer,
    /// Sets the level.
    connection: PgConnection,
}

impl<'a, S: Subject> Stand<'a, S> {
    async fn open(server: &Server, entry: &'a Entry<S>) -> Result<Self, CampaignError> {
        let database = server.create_database().await?;
        let options = database.connect_options();
        let rights = if server.rights().superuser { Rights::Superuser } else { Rights::Limited };
        let observer =
            Observer::open(&options, &entry.subject.schema(), rights).await.map_err(LaneError::Schema)?;
        let connection = options.connect().await.map_err(LaneError::Server)?;
        Ok(Self { entry, database, observer, connection })
    }

    async fn close(self, server: &Server) -> Result<(), CampaignError> {
        self.observer.close().await;
        self.connection.close().await.map_err(LaneError::Server)?;
        Ok(server.drop_database(self.database).await?)
    }

    /// Rounds at one level: acknowledged operations a second of each; none where one did not come to its end.
    async fn block(
        &mut self,
        level: Isolation,
        rounds: std::ops::Range<u64>,
    ) -> Result<Option<Vec<f64>>, CampaignError> {
        // New connections take it from there, whichever driver makes them.
        let name = self.database.name();
        let set = format!("ALTER DATABASE {name} SET default_transaction_isolation = '{}'", level.guc());
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut self.connection).await.map_err(LaneError::Server)?;
        let clients = self.clients();
        let rates = self.rounds(&clients, rounds).await;
        for client in clients {
            client.pool.close().await;
        }
        rates
    }

    async fn rounds(
        &mut self,
        clients: &[Session],
        rounds: std::ops::Range<u64>,
    ) -> Result<Option<Vec<f64>>, CampaignError> {
        let mut rates = Vec::new();
        let warming = rounds.start;
        for round in [warming].into_iter().chain(rounds) {
            let Some(rate) = self.round(clients, round).await? else { return Ok(None) };
            rates.push(rate);
        }
        // The connections are made in the first, which does not count.
        rates.remove(0);
        Ok(Some(rates))
    }

    fn clients(&self) -> Vec<Session> {
        let make = |id: SessionId| {
            let pool = PgPoolOptions::new()
                .max_connections(self.entry.subject.connections())
                .connect_lazy_with(self.database.connect_options().disable_statement_logging());
            let clock = SessionClock::new(Arc::default());
            clock.reset(Flow::Real);
            let faults = Faults::new(Arc::default());
            faults.reset(Flow::Real);
            Session { id, url: self.database.url(), pool, clock, faults }
        };
        SessionId::first(self.entry.clients).map(make).collect()
    }

    /// One operation in each client, from the first state: acknowledged operations a second, or none where the round did
    /// not end in time.
    async fn round(&mut self, clients: &[Session], round: u64) -> Result<Option<f64>, CampaignError> {
        self.observer.reset().await.map_err(LaneError::Server)?;
        let load = &self.entry.load;
        let one = |(place, client): (usize, &Session)| {
            let op = &load[(place + round as usize) % load.len()];
            answered(&self.entry.subject, client.clone(), op)
        };
        let started = Instant::now();
        let all = join_all(clients.iter().enumerate().map(one));
        let Ok(ended) = tokio::time::timeout(ROUND_MAX, all).await else { return Ok(None) };
        let acknowledged = ended.into_iter().filter(|end| *end == End::Acknowledged).count();
        Ok(Some(acknowledged as f64 / started.elapsed().as_secs_f64()))
    }
}

/// What became of a client's operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Acknowledged,
    Failed,
}

/// Runs `op` until its caller has an answer.
async fn answered<S: Subject>(subject: &S, client: Session, op: &S::Op) -> End {
    for _ in 0..TRIES_MAX {
        match subject.run(&client, op).await {
            Ok(_) | Err(Failure::Refused(_)) => return End::Acknowledged,
            Err(Failure::Database { sqlstate, .. }) if matches!(sqlstate.as_str(), "40001" | "40P01") => {}
            Err(_) => return End::Failed,
        }
    }
    End::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_round_counts() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
