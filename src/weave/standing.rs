//! A setup that somebody else has run and that is to stand: its rows are put back where otherwise its tables would be
//! dropped and made again.
//!
//! That is the same only where nothing shows that they are not new. So all must be plain and small: each table on one
//! page, with no other indexes than B-trees of one page, and no statistics.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::observer::{AS_REPLICA, Rights};
use super::restore::{Kept, Restore, SEED_SCHEMA};
use super::tables::{Room, rooms, sequences};
use super::wear::{Counted, Wear};
use crate::check::catalogue::{Catalogue, TABLES};

/// Tables, and whether each is one of those whose rows tell everything about it.
const MADE: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS qualified,
       ARRAY(SELECT quote_ident(a.attname) FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
              ORDER BY a.attnum) AS columns,
       c.relam = 2 AND c.reltuples < 0
         AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
         AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
                          WHERE i.indrelid = c.oid AND x.relam <> 403) AS plain
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid >= 16384 AND c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%'
 ORDER BY c.oid";

/// Whether there is something beside tables that rows do not bring back.
const IS_MORE: &str = "
SELECT EXISTS (SELECT FROM pg_class WHERE oid >= 16384 AND relkind NOT IN ('r', 'i', 'S', 't', 'v', 'c'))
    OR EXISTS (SELECT FROM pg_class WHERE oid >= 16384 AND relpersistence = 't')
    OR EXISTS (SELECT FROM pg_sequence WHERE seqcache > 1)
    OR EXISTS (SELECT FROM pg_proc WHERE oid >= 16384)";

/// The rows of a setup.
#[derive(Debug)]
pub(crate) struct Standing(Restore);

impl Standing {
    /// Learns what stands there, if it is plain and small enough to be put back. `connection` must not be in a transaction.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(crate) async fn begin(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        let made = sqlx::query(MADE).fetch_all(&mut *connection).await?;
        if !made.iter().all(|table| table.get("plain"))
            || sqlx::query_scalar(IS_MORE).fetch_one(&mut *connection).await?
        {
            return Ok(None);
        }
        let names: Vec<String> = made.iter().map(|table| table.get("qualified")).collect();
        let rooms = rooms(connection, &names).await?;
        if !rooms.iter().all(|room| Wear::of_rows(room.bytes, Counted::Roughly).has_room_for(2 * room.rows)) {
            return Ok(None);
        }
        let kept =
            made.iter().zip(rooms).enumerate().map(|(at, (table, room))| kept(at, table, room)).collect();
        let sequences = sequences(connection).await?;
        let restore = Restore::prepare(connection, kept, &sequences, "", Rights::Superuser).await?;
        sqlx::raw_sql(AS_REPLICA).execute(&mut *connection).await?;
        let mut standing = Self(restore);
        standing.0.take_as_new();
        // Whether it can be done shows when it is.
        let mut trial = connection.begin().await?;
        match standing.put_back(&mut trial).await {
            Ok(()) => trial.commit().await.map(|()| Some(standing)),
            Err(sqlx::Error::Database(error)) => {
                tracing::debug!(%error, "the rows of the setup cannot be put back");
                trial.rollback().await?;
                standing.end(connection).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Puts the rows back.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(crate) async fn put_back(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.0.bring_back(connection).await
    }

    /// Any table may have been changed, by statements that have written so many row versions.
    pub(crate) fn changed(&mut self, versions: usize) {
        self.0.note(TABLES, versions);
    }

    /// Takes away what was made for it, so that the rest can be torn down.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(crate) async fn end(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let end = format!("DROP SCHEMA {SEED_SCHEMA} CASCADE; RESET session_replication_role");
        sqlx::raw_sql(AssertSqlSafe(end)).execute(connection).await.map(drop)
    }
}

fn kept(at: usize, table: &sqlx::postgres::PgRow, room: Room) -> Kept {
    let columns: Vec<String> = table.get("columns");
    Kept {
        bit: Catalogue::bit(at),
        qualified: table.get("qualified"),
        columns: columns.join(","),
        root: None,
        with_children: TABLES,
        rows: room.rows,
        wear: Wear::of_rows(room.bytes, Counted::Roughly),
    }
}
