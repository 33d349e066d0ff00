//! What a server is and what we may do there: asked, never assumed.

use sqlx::{Connection, PgConnection, Row};

/// What we may do on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Who we are.
    pub superuser: bool,
    /// Whether a session of ours may set `deadlock_timeout` and `log_lock_waits`, as a superuser may, or who was
    /// granted `SET ON PARAMETER` for both (15 and later). Without it a wait is not announced and must be asked for.
    pub lock_settings: bool,
    /// Whether we may create databases.
    pub create_databases: bool,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// As `server_version_num`: 150018 is 15.18.
    pub(super) version: u32,
    pub(super) rights: Rights,
    pub(super) mode: Mode,
    /// How many transactions can be prepared at the same time.
    pub(super) prepared_max: usize,
}

/// Whether a server can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Primary,
    Standby,
}

pub(super) async fn ask(connection: &mut PgConnection) -> Result<Facts, sqlx::Error> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::int4, rolsuper, rolcreatedb, pg_is_in_recovery(),
                current_setting('max_prepared_transactions')::int4
           FROM pg_catalog.pg_roles WHERE rolname = current_user",
    )
    .fetch_one(&mut *connection)
    .await?;
    let superuser: bool = row.try_get(1)?;
    let rights = Rights {
        superuser,
        lock_settings: superuser || may_set(connection).await?,
        create_databases: superuser || row.try_get(2)?,
    };
    let mode = if row.try_get(3)? { Mode::Standby } else { Mode::Primary };
    let number = |column| row.try_get::<i32, _>(column).map(i32::unsigned_abs);
    Ok(Facts { version: number(0)?, rights, mode, prepared_max: number(4)? as usize })
}

/// Tries it, which is right for every version and every way in which the right may be given.
async fn may_set(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    for setting in ["SET LOCAL deadlock_timeout = '1ms'", "SET LOCAL log_lock_waits = on"] {
        let mut transaction = connection.begin().await?;
        match sqlx::query(setting).execute(&mut *transaction).await {
            Ok(_) => transaction.rollback().await?,
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
