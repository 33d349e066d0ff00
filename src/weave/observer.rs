//! The lane's own connection, which does not pass the gate: asks who waits for whom, brings back the first state, reads
//! the last one. It never changes what a session does, save to cancel or end one that has outlasted its limit.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::inside;
use super::rows::Watch;
use super::tables::Tables;
use crate::case::Gates;
use crate::check::catalogue::{self, Catalogue};
use crate::history::{Answer, State};
use crate::isolation::Isolation;
use crate::rows::{Answers, Catalog, Followed, Lying};

/// Who holds up one backend: process ids. 0 stands for a prepared transaction, which no session owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The backend that waits.
    pub pid: i32,
    /// Those it waits for; empty when it does not wait.
    pub by: Vec<i32>,
}

/// A connection beside the gate.
#[derive(Debug)]
pub struct Observer {
    connection: PgConnection,
    tables: Tables,
    unlocking_functions: bool,
    /// What is needed to follow rows, once that has been asked for.
    watch: Option<Watch>,
    /// Whether the triggers are there that stop statements inside.
    gates: Gates,
}

/// Not what this connection has set for itself.
const DEFAULT_LEVEL: &str = "SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_isolation'";

/// Waits for a lock that should be free are a mistake, and must not become a hang.
const SETTINGS: &str =
    "SET lock_timeout = '10s'; SET statement_timeout = '60s'; SET client_min_messages = warning;
    SET default_transaction_isolation = 'read committed'; SET search_path = public;
    SET plan_cache_mode = force_generic_plan;";

/// Without triggers and foreign keys in between, putting rows back is quick and has no effects of its own.
const AS_REPLICA: &str = "SET session_replication_role = replica";

const IN_LOCK_WAITS: &str = "
SELECT a.pid FROM pg_stat_get_activity(NULL) a
 WHERE a.pid = ANY ($1::int4[]) AND (a.wait_event_type = 'Lock' OR a.wait_event = 'SafeSnapshot')";

/// Functions whose text we cannot read may do it too.
const UNLOCKING_FUNCTIONS: &str = "
SELECT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                 JOIN pg_language l ON l.oid = p.prolang
                WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgweave_seed')
                  AND (p.prosrc ILIKE '%unlock%' OR p.prosqlbody IS NOT NULL OR l.lanname NOT IN ('sql', 'plpgsql', 'internal')))";

impl Observer {
    /// Connects, runs the subject's schema, and learns its tables.
    ///
    /// # Errors
    /// Whatever the server says, such as an error in the schema.
    pub async fn open(
        options: &PgConnectOptions,
        schema: &str,
        superuser: Rights,
    ) -> Result<Self, sqlx::Error> {
        let mut connection = options.connect().await?;
        sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
        sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut connection).await?;
        let tables = Tables::learn(&mut connection, superuser).await?;
        sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
        if superuser == Rights::Superuser {
            sqlx::raw_sql(AS_REPLICA).execute(&mut connection).await?;
        }
        let unlocking_functions = sqlx::query_scalar(UNLOCKING_FUNCTIONS).fetch_one(&mut connection).await?;
        Ok(Self { connection, tables, unlocking_functions, watch: None, gates: Gates::Between })
    }

    /// What the server's catalogue tells of the subject's tables.
    pub fn catalogue(&self) -> &Catalogue {
        self.tables.catalogue()
    }

    /// Whether a function of the subject's may release a lock before its transaction ends.
    pub fn has_unlocking_functions(&self) -> bool {
        self.unlocking_functions
    }

    /// Connects, to ask who waits for whom and to put rows back that others have made. What functions there are to come is not
    /// known to it.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn watch(options: &PgConnectOptions, rights: Rights) -> Result<Self, sqlx::Error> {
        let mut connection = options.connect().await?;
        sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
        if rights == Rights::Superuser {
            sqlx::raw_sql(AS_REPLICA).execute(&mut connection).await?;
        }
        Ok(Self {
            connection,
            tables: Tables::default(),
            unlocking_functions: false,
            watch: None,
            gates: Gates::Between,
        })
    }

    /// The backend that answers it.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn pid(&mut self) -> Result<i32, sqlx::Error> {
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut self.connection).await
    }

    /// What the catalogue tells of the tables that there are now, and the level of transactions that ask for none. Nothing is
    /// changed or copied.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn look(&mut self) -> Result<(Catalogue, Isolation), sqlx::Error> {
        let catalogue = Tables::look(&mut self.connection).await?;
        let text: String = sqlx::query_scalar(DEFAULT_LEVEL).fetch_one(&mut self.connection).await?;
        let level = Isolation::ALL.into_iter().find(|level| level.guc() == text);
        Ok((catalogue, level.unwrap_or(Isolation::Serializable)))
    }

    /// Who holds up each of `pids` at this moment.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn blockers(&mut self, pids: &[i32]) -> Result<Vec<Blocked>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT pid, pg_blocking_pids(pid) || pg_safe_snapshot_blocking_pids(pid) FROM unnest($1::int4[]) AS pid",
        )
        .bind(pids)
        .fetch_all(&mut self.connection)
        .await?;
        Ok(rows.iter().map(|row| Blocked { pid: row.get(0), by: row.get(1) }).collect())
    }

    /// Those of `pids` that sleep in a wait for a lock or for a safe snapshot at this moment: they are in the queue, and have woken
    /// whomever they had to wake.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn in_lock_waits(&mut self, pids: &[i32]) -> Result<Vec<i32>, sqlx::Error> {
        sqlx::query_scalar(IN_LOCK_WAITS).bind(pids).fetch_all(&mut self.connection).await
    }

    /// Brings back the first state.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn reset(&mut self) -> Result<(), sqlx::Error> {
        self.tables.reset(&mut self.connection).await
    }

    /// Makes every write tell of its rows from now on.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn watch_rows(&mut self) -> Result<(), sqlx::Error> {
        if self.watch.is_none() {
            self.watch = Some(Watch::begin(&mut self.connection).await?);
        }
        Ok(())
    }

    /// Puts the triggers in place that stop statements inside, or takes them away: where nobody stops, nothing of ours is in
    /// the way.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn set_gates(&mut self, gates: Gates) -> Result<(), sqlx::Error> {
        match (self.gates, gates) {
            (Gates::Between, Gates::Inside) => inside::install(&mut self.connection).await?,
            (Gates::Inside, Gates::Between) => inside::remove(&mut self.connection).await?,
            (Gates::Between, Gates::Between) | (Gates::Inside, Gates::Inside) => {}
        }
        self.gates = gates;
        Ok(())
    }

    /// Makes `pids` stop at their next gate inside a statement.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn shut_gates(&mut self, pids: &[i32]) -> Result<(), sqlx::Error> {
        inside::shut(&mut self.connection, pids).await
    }

    /// Lets `pid` go on from its gate inside a statement, until it tells that it is going.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn open_gate(&mut self, pid: i32) -> Result<(), sqlx::Error> {
        inside::open_first(&mut self.connection, pid).await
    }

    /// Lets `pid` go on that has told that it is going. It stops at the next gate.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn shut_behind(&mut self, pid: i32) -> Result<(), sqlx::Error> {
        inside::open_second(&mut self.connection, pid).await
    }

    /// Opens all gates inside statements.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn open_gates(&mut self) -> Result<(), sqlx::Error> {
        inside::open_all(&mut self.connection).await
    }

    /// The tables whose rows are followed, and what lies in them now.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn lying(&mut self) -> Result<(Catalog, Vec<Lying>), sqlx::Error> {
        match &self.watch {
            Some(watch) => Ok((watch.catalog().clone(), watch.lying(&mut self.connection).await?)),
            None => Ok(Default::default()),
        }
    }

    /// Asks what the statements of a run read.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn ask(&mut self, followed: &Followed) -> Result<Answers, sqlx::Error> {
        match &self.watch {
            Some(watch) => watch.ask(&mut self.connection, followed).await,
            None => Ok(Answers::default()),
        }
    }

    /// Notes which tables may have been changed, one bit each as in the catalogue, and how many row versions were written,
    /// where that is known.
    pub fn wrote(&mut self, tables: catalogue::Tables, versions: Option<usize>) {
        self.tables.wrote(tables, versions);
    }

    /// Reads what the subject's tables hold.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn state(&mut self) -> Result<State, sqlx::Error> {
        self.tables.state(&mut self.connection).await
    }

    /// Reads what the tables hold that there are now: a case may have changed them, made more, or dropped some.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn state_of_any(&mut self) -> Result<State, sqlx::Error> {
        Tables::state_of_any(&mut self.connection).await
    }

    /// Reads what the subject's tables hold, and makes the next reset quick: nothing else is asked of this state.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn last_state(&mut self) -> Result<State, sqlx::Error> {
        self.tables.last_state(&mut self.connection).await
    }

    /// Asks the claims' queries.
    ///
    /// # Errors
    /// Whatever the server says, such as an error in a query.
    pub async fn answers(&mut self, queries: &[String]) -> Result<BTreeMap<String, Answer>, sqlx::Error> {
        let mut answers = BTreeMap::new();
        for query in queries {
            let asked = format!("SELECT row_to_json(q.*)::text FROM ({query}) q");
            let rows: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(asked)).fetch_all(&mut self.connection).await?;
            answers.insert(query.clone(), answer_of(&rows));
        }
        Ok(answers)
    }

    /// Tells `pids` to end, whatever they do. Each has gone when its connection is closed.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn tell_to_end(&mut self, pids: &[i32]) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT pg_terminate_backend(pid) FROM unnest($1::int4[]) AS pid")
            .bind(pids)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Ends `pids`, whatever they do.
    ///
    /// # Errors
    /// Whatever the server says.
    pub async fn terminate(&mut self, pids: &[i32]) -> Result<(), sqlx::Error> {
        // The server looks every tenth of a second whether one has gone: meanwhile the others go, too.
        self.tell_to_end(pids).await?;
        /// How long the server may take to end them, in milliseconds.
        const TERMINATE_MS_MAX: i64 = 5_000;
        sqlx::query("SELECT pg_terminate_backend(pid, $2) FROM unnest($1::int4[]) AS pid")
            .bind(pids)
            .bind(TERMINATE_MS_MAX)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// The connection itself, for questions that are nobody else's.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Says goodbye.
    pub async fn close(self) {
        // The server may be gone already, and then there is no one to say it to.
        let _ = self.connection.close().await;
    }
}

/// Whether the lane's user is a superuser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// May do anything.
    Superuser,
    /// Has the rights of its roles only.
    Limited,
}

fn answer_of(rows: &[String]) -> Answer {
    let mut answer = Answer::default();
    for row in rows {
        let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(row) else { continue };
        answer.columns = fields.keys().cloned().collect();
        let value = |value: &serde_json::Value| match value {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        answer.rows.push(fields.values().map(value).collect());
    }
    answer
}
