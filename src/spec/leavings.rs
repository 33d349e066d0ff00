//! Looks at what a spec has left in its database, and who is still there. To look at everything takes as long as making a table and
//! dropping it; so where the text of a spec can only make tables and the like, only those are looked for.

use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;

use super::carries::Makes;
use super::stage::Stage;
use super::sweep::sweep;

const IS_WITHOUT_RELATIONS: &str = "NOT EXISTS (SELECT FROM pg_class WHERE oid >= 16384)";

/// Beside relations, what a spec could have left in its database, or in the cluster under its database's name.
const IS_WITHOUT_OTHERS: &str = "
       NOT EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_type WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_operator WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_extension WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_language WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_cast WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_collation WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_conversion WHERE oid >= 16384)
   AND NOT EXISTS (SELECT FROM pg_foreign_data_wrapper)
   AND NOT EXISTS (SELECT FROM pg_default_acl)
   AND EXISTS (SELECT FROM pg_namespace n JOIN pg_init_privs i ON i.objoid = n.oid AND i.classoid = 'pg_namespace'::regclass
                WHERE n.nspname = 'public' AND n.nspacl = i.initprivs)
   AND NOT EXISTS (SELECT FROM pg_event_trigger)
   AND NOT EXISTS (SELECT FROM pg_publication)
   AND NOT EXISTS (SELECT FROM pg_largeobject_metadata)
   AND NOT EXISTS (SELECT FROM pg_namespace
                    WHERE oid >= 16384 AND nspname NOT LIKE 'pg\\_temp\\_%' AND nspname NOT LIKE 'pg\\_toast\\_temp\\_%')
   AND NOT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
                    WHERE d.datname = current_database())
   AND NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())";

const HOLDS_ADVISORY_LOCKS: &str = "
       EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'
                  AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

/// Whether there are more backends than so many.
const HAS_OTHERS: &str = "
       (SELECT pg_stat_get_db_numbackends(oid) FROM pg_database WHERE datname = current_database()) > $1";

/// What is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    /// Whether the database is as it was made.
    is_empty: bool,
    /// Whether backends are there that are none of the stage's.
    has_others: bool,
}

/// Whether nothing is in the database of what a spec can make.
pub(super) fn is_without(makes: Makes) -> String {
    match makes {
        Makes::Relations => IS_WITHOUT_RELATIONS.to_owned(),
        Makes::Anything => format!("{IS_WITHOUT_RELATIONS} AND {IS_WITHOUT_OTHERS}"),
    }
}

impl Stage {
    /// Whether setup and teardown have left nothing, in the database nor in a session. Of a setup that stands it is known that the
    /// teardown will not.
    pub(super) async fn leaves_nothing(&mut self) -> Result<bool, sqlx::Error> {
        if self.has_open_transaction() || (self.ground.locks && self.holds_advisory_locks().await?) {
            return Ok(false);
        }
        Ok(self.ground.standing.is_some() || self.look_around(self.ground.makes).await?.is_empty)
    }

    /// Whether setup, steps and teardown have left a table or the like, or an advisory lock.
    pub(super) async fn leaves_tables(&mut self) -> Result<bool, sqlx::Error> {
        let tables = format!("SELECT {HOLDS_ADVISORY_LOCKS} OR NOT {IS_WITHOUT_RELATIONS}");
        sqlx::query_scalar(AssertSqlSafe(tables)).fetch_one(self.observer.connection()).await
    }

    /// Whether a session of this database holds an advisory lock.
    pub(super) async fn holds_advisory_locks(&mut self) -> Result<bool, sqlx::Error> {
        let holds = format!("SELECT {HOLDS_ADVISORY_LOCKS}");
        sqlx::query_scalar(AssertSqlSafe(holds)).fetch_one(self.observer.connection()).await
    }

    /// Waits for backends that have been told to go, or whose client has gone, and sweeps away what has been left of what was
    /// made. Returns whether nothing and nobody is there any more.
    pub(super) async fn is_emptied(&mut self, makes: Makes) -> Result<bool, sqlx::Error> {
        /// Far longer than a backend needs to go. One that stays is none that was told to.
        const GOING_MAX: Duration = Duration::from_secs(5);
        const LOOK_EVERY: Duration = Duration::from_millis(1);
        if self.found_empty {
            return Ok(true);
        }
        let started = Instant::now();
        let mut swept = false;
        loop {
            let found = self.look_around(makes).await?;
            match found.has_others {
                false if found.is_empty || swept => return Ok(found.is_empty),
                false => {
                    sweep(self.observer.connection()).await?;
                    swept = true;
                }
                true if started.elapsed() > GOING_MAX => return Ok(false),
                true => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Looks for what may have been made, and notes whether nothing and nobody was there.
    async fn look_around(&mut self, makes: Makes) -> Result<Found, sqlx::Error> {
        let both = format!("SELECT {}, {HAS_OTHERS}", is_without(makes));
        let backends = self.backends();
        let asked = sqlx::query_as(AssertSqlSafe(both)).bind(backends);
        let (is_empty, has_others): (bool, bool) = asked.fetch_one(self.observer.connection()).await?;
        self.found_empty = is_empty && !has_others;
        Ok(Found { is_empty, has_others })
    }
}
