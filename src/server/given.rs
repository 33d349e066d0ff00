//! A server that was there before us: entered, checked, and left as it was.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::database;
use super::error::{ServerError, Unfit};
use super::login::Login;
use super::probe::{self, Facts, Mode};
use super::url;
use super::wish::{OLDEST_MAJOR, Wish};

/// A server behind a URL has this long for everything that is asked of it at first. With the start of the process
/// it stays below five seconds.
const CHECK_MAX: Duration = Duration::from_secs(4);
/// Dropping our databases, or those of dead runs, has this long. What is left is for the next run.
const DROP_MAX: Duration = Duration::from_secs(10);

/// A server that was entered and will do.
pub(super) struct Given {
    pub(super) login: Login,
    /// The database in which `CREATE DATABASE` is said.
    pub(super) entry: String,
    pub(super) facts: Facts,
}

/// Enters the server behind `url`, checks that it will do, and drops what dead runs of this machine have left there.
pub(super) async fn enter(url: &str, wish: &Wish) -> Result<Given, ServerError> {
    let url::DatabaseUrl { login, database: entry } = url::parse(url)?;
    let shown = login.shown(&entry);
    let facts = match tokio::time::timeout(CHECK_MAX, asked(&login, &entry)).await {
        Err(_) => return Err(ServerError::Silent { url: shown, within: CHECK_MAX }),
        Ok(Err(source)) => return Err(ServerError::Refused { url: shown, source }),
        Ok(Ok(facts)) => facts,
    };
    if let Some(why) = unfit(&facts, &login.user, wish) {
        return Err(ServerError::Unfit { url: shown, why });
    }
    match tokio::time::timeout(DROP_MAX, database::drop_leftovers(&login, &entry)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "databases of a killed run cannot be dropped"),
        Err(_) => tracing::warn!("databases of a killed run are not dropped in time"),
    }
    Ok(Given { login, entry, facts })
}

/// Why a server will not do, if it will not.
fn unfit(facts: &Facts, user: &str, wish: &Wish) -> Option<Unfit> {
    let major = facts.version / 10_000;
    match wish.version {
        _ if major < OLDEST_MAJOR => Some(Unfit::TooOld(major)),
        Some(wanted) if wanted != major => Some(Unfit::OtherMajor { found: major, wanted }),
        _ if facts.mode == Mode::Standby => Some(Unfit::Standby),
        _ if !facts.rights.create_databases => Some(Unfit::NoCreatedb(user.to_owned())),
        _ => None,
    }
}

/// What a server says of itself, within the limit.
pub(super) async fn facts(login: &Login, entry: &str) -> Result<Facts, ServerError> {
    match tokio::time::timeout(CHECK_MAX, asked(login, entry)).await {
        Ok(asked) => {
            asked.map_err(|source| ServerError::Statement { what: "ask for version and rights", source })
        }
        Err(_) => Err(ServerError::Gone(format!("no answer within {} s", CHECK_MAX.as_secs()))),
    }
}

async fn asked(login: &Login, entry: &str) -> Result<Facts, sqlx::Error> {
    let mut connection = PgConnection::connect_with(&login.options(entry)).await?;
    let facts = probe::ask(&mut connection).await?;
    connection.close().await?;
    Ok(facts)
}

/// Drops databases from where nothing can be awaited, on a thread and a runtime of its own.
pub(super) fn drop_now(login: &Login, entry: &str, names: Vec<String>) {
    if names.is_empty() {
        return;
    }
    let (login, entry) = (login.clone(), entry.to_owned());
    let dropping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let dropped =
            async { tokio::time::timeout(DROP_MAX, database::drop_all(&login, &entry, &names)).await };
        runtime.block_on(dropped).map_err(std::io::Error::other)?.map_err(std::io::Error::other)
    });
    match dropping.join() {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "databases of ours cannot be dropped; the next run will"),
        Err(_) => tracing::warn!("databases of ours cannot be dropped; the next run will"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe::Rights;
    use super::*;

    #[test]
    fn what_will_not_do() {
        let rights = Rights { superuser: false, lock_settings: false, create_databases: true };
        let good = Facts { version: 160_003, rights, mode: Mode::Primary, prepared_max: 0 };
        let wish = Wish::default();
        assert_eq!(unfit(&good, "ann", &wish), None);
        assert_eq!(unfit(&Facts { version: 130_020, ..good }, "ann", &wish), Some(Unfit::TooOld(13)));
        let other = Wish { version: Some(15), ..Wish::default() };
        assert_eq!(unfit(&good, "ann", &other), Some(Unfit::OtherMajor { found: 16, wanted: 15 }));
        assert_eq!(unfit(&Facts { mode: Mode::Standby, ..good }, "ann", &wish), Some(Unfit::Standby));
        let rights = Rights { create_databases: false, ..rights };
        assert_eq!(unfit(&Facts { rights, ..good }, "ann", &wish), Some(Unfit::NoCreatedb("ann".into())));
    }
}
