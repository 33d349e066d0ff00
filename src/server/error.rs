//! What can go wrong on the way to a server.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::url::UrlError;
use super::wish::OLDEST_MAJOR;

/// Why there is no server, or why it does not do what is asked of it. No message holds a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// `DATABASE_URL` cannot be used as it is written.
    #[error("DATABASE_URL cannot be used: {0}")]
    Url(#[from] UrlError),
    /// The server behind `DATABASE_URL` does not answer in time.
    #[error(
        "DATABASE_URL names {url}, which has not answered within {} s: start that server, correct the URL, or unset \
         DATABASE_URL for a private server", within.as_secs()
    )]
    Silent {
        /// The URL, without its password.
        url: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// The server behind `DATABASE_URL` cannot be entered.
    #[error(
        "DATABASE_URL names {url}, which cannot be used: {source}. Start that server, correct the URL, or unset \
         DATABASE_URL for a private server"
    )]
    Refused {
        /// The URL, without its password.
        url: String,
        /// What sqlx says of it.
        source: sqlx::Error,
    },
    /// The server behind `DATABASE_URL` cannot be used for what it is.
    #[error("DATABASE_URL names {url}, which will not do: {why}")]
    Unfit {
        /// The URL, without its password.
        url: String,
        /// Why, and what to do about it.
        why: Unfit,
    },
    /// Every way to a server was tried.
    #[error("no PostgreSQL server was found and none could be started:\n{}", Steps(.0))]
    NoneFound(Vec<Skipped>),
    /// A server was started and is no good.
    #[error("the server of {} has not started: {why}", bin.display())]
    Start {
        /// The folder of its binaries.
        bin: PathBuf,
        /// What it said, or what was seen of it.
        why: String,
    },
    /// A file or folder refuses.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was to be done with it.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A statement of ours fails.
    #[error("cannot {what} on the server: {source}")]
    Statement {
        /// What was to be done.
        what: &'static str,
        /// What sqlx says of it.
        source: sqlx::Error,
    },
    /// The private server has ended by itself.
    #[error("the server has gone: {0}")]
    Gone(String),
    /// The managed server is not what the command needs.
    #[error("{0}")]
    Managed(String),
}

/// What keeps a server behind a URL from being used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// It is too old.
    #[error("it is version {0}, and the oldest that is supported is {OLDEST_MAJOR}: name a newer one")]
    TooOld(u32),
    /// Another version was asked for.
    #[error("it is version {found}, and {wanted} is asked for: name another server, or ask for no version")]
    OtherMajor {
        /// The server's major version.
        found: u32,
        /// The one asked for.
        wanted: u32,
    },
    /// The user may not create databases.
    #[error(
        "its user \"{0}\" may not create databases, and all work is done in databases of our own: \
         say ALTER ROLE \"{0}\" CREATEDB as a superuser"
    )]
    NoCreatedb(String),
    /// It is a standby.
    #[error("it is a standby, on which nothing can be written: name the primary server")]
    Standby,
}

/// A way to a server that led nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which way.
    pub rung: &'static str,
    /// Why it was not taken.
    pub why: String,
    /// What would make it work.
    pub remedy: String,
}

struct Steps<'a>(&'a [Skipped]);

impl fmt::Display for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Skipped { rung, why, remedy }) in self.0.iter().enumerate() {
            let line_end = if number == 0 { "" } else { "\n" };
            write!(f, "{line_end}  {}. {rung}: {why}\n     → {remedy}", number + 1)?;
        }
        Ok(())
    }
}

/// Says what was to be done with a file, where it fails.
pub(super) trait While<T> {
    fn while_(self, what: &'static str, path: &Path) -> Result<T, ServerError>;
}

impl<T> While<T> for io::Result<T> {
    fn while_(self, what: &'static str, path: &Path) -> Result<T, ServerError> {
        self.map_err(|source| ServerError::Io { what, path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn every_rung_is_listed_with_its_remedy() {
        let rung = |rung, why: &str, remedy: &str| Skipped { rung, why: why.into(), remedy: remedy.into() };
        let error = ServerError::NoneFound(vec![
            rung("local binaries", "none found", "install PostgreSQL"),
            rung("cache", "empty", "let one be fetched"),
        ]);
        expect![[r#"
            no PostgreSQL server was found and none could be started:
              1. local binaries: none found
                 → install PostgreSQL
              2. cache: empty
                 → let one be fetched"#]]
        .assert_eq(&error.to_string());
    }
}
