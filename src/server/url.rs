//! Reads `DATABASE_URL`.
//!
//! The parts are kept apart because the gate needs the endpoint, and because sqlx's own options print the password.
//! No error of this file repeats a part of the URL in which a password may stand.

use std::path::PathBuf;

use super::login::{Endpoint, Login, Secret};

/// Why a `DATABASE_URL` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is not a URL of PostgreSQL.
    #[error("it does not begin with postgres:// or postgresql://: write postgres://USER:PASSWORD@HOST:PORT/")]
    Scheme,
    /// Its port is not a number.
    #[error("its port is not a number from 1 to 65535: write postgres://USER:PASSWORD@HOST:PORT/")]
    Port,
    /// It names several hosts.
    #[error("it names several hosts: name one, the one to work on")]
    Hosts,
    /// Something after a `%` is not two hexadecimal digits, or what they say is not UTF-8.
    #[error("its {0} is not well percent-encoded: write a % itself as %25")]
    Encoding(&'static str),
    /// It asks for an encrypted connection, and the gate reads plain text.
    #[error(
        "it asks for sslmode={0}, and the gate reads the stream in plain text: use a server on this machine or \
         reached through a tunnel, with sslmode=prefer, or unset DATABASE_URL for a private server"
    )]
    Encrypted(String),
    /// It names no user.
    #[error("it names no user: write postgres://USER@HOST:PORT/")]
    User,
}

/// The parts of a `DATABASE_URL`, and the database in which `CREATE DATABASE` is said.
pub(super) struct DatabaseUrl {
    pub(super) login: Login,
    pub(super) database: String,
}

/// The database that is entered where the URL names none: every cluster has it.
const DEFAULT_DATABASE: &str = "postgres";
const DEFAULT_PORT: u16 = 5432;

pub(super) fn parse(text: &str) -> Result<DatabaseUrl, UrlError> {
    let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let rest = rest.ok_or(UrlError::Scheme)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password may hold an unencoded slash or @; so the last @ ends it.
    let (account, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    let (user, password) = match account.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (account, None),
    };
    let mut parts = Parts::default();
    parts.host(hosts)?;
    parts.set("user", user)?;
    parts.set("dbname", database)?;
    if let Some(password) = password {
        parts.set("password", password)?;
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        parts.set(key, value)?;
    }
    parts.finish()
}

#[derive(Default)]
struct Parts {
    user: String,
    password: Option<Secret>,
    host: String,
    port: Option<u16>,
    database: String,
}

impl Parts {
    fn host(&mut self, text: &str) -> Result<(), UrlError> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        self.set("host", host)?;
        port.map_or(Ok(()), |port| self.set("port", port))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), UrlError> {
        if value.is_empty() {
            return Ok(());
        }
        match key {
            "user" => self.user = decoded(value, "user")?,
            "password" => self.password = Some(Secret::new(decoded(value, "password")?)),
            "dbname" => self.database = decoded(value, "database")?,
            "port" => self.port = Some(value.parse().ok().filter(|port| *port > 0).ok_or(UrlError::Port)?),
            "host" | "hostaddr" => {
                self.host = decoded(value, "host")?;
                if self.host.contains(',') {
                    return Err(UrlError::Hosts);
                }
            }
            "sslmode" => match value {
                "require" | "verify-ca" | "verify-full" => return Err(UrlError::Encrypted(value.to_owned())),
                _ => {}
            },
            // Settings of the user's own sessions; ours are set by us.
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<DatabaseUrl, UrlError> {
        if self.user.is_empty() {
            return Err(UrlError::User);
        }
        let port = self.port.unwrap_or(DEFAULT_PORT);
        let endpoint = match self.host.as_str() {
            "" => Endpoint::Tcp { host: "localhost".to_owned(), port },
            path if path.starts_with('/') => Endpoint::Unix { folder: PathBuf::from(path), port },
            _ => Endpoint::Tcp { host: self.host, port },
        };
        let database = if self.database.is_empty() { DEFAULT_DATABASE.to_owned() } else { self.database };
        Ok(DatabaseUrl { login: Login { endpoint, user: self.user, password: self.password }, database })
    }
}

fn decoded(text: &str, part: &'static str) -> Result<String, UrlError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
            return Err(UrlError::Encoding(part));
        };
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).map_err(|_| UrlError::Encoding(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(url: &str, expected: Expect) {
        let said = match parse(url) {
            Ok(DatabaseUrl { login, database }) => format!(
                "{} as {} with {}, in {database}",
                login.endpoint,
                login.user,
                login.password.as_ref().map_or("no password", Secret::reveal)
            ),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn parts() {
        check("postgres://ann:pw@db:5433/app", expect!["db:5433 as ann with pw, in app"]);
        check("postgresql://ann@[::1]", expect!["[::1]:5432 as ann with no password, in postgres"]);
        check("postgres://ann:p%40%2Fw@h/", expect!["h:5432 as ann with p@/w, in postgres"]);
        check("postgres://ann:p@s/w:rd@h/d", expect!["h:5432 as ann with p@s/w:rd, in d"]);
        check(
            "postgres:///d?host=%2Frun%2Fpg&user=ann",
            expect!["/run/pg/.s.PGSQL.5432 as ann with no password, in d"],
        );
        check("postgres://ann@%2Frun%2Fpg:1/d", expect!["/run/pg/.s.PGSQL.1 as ann with no password, in d"]);
        check(
            "postgres://ann@/d?sslmode=prefer&x=y",
            expect!["localhost:5432 as ann with no password, in d"],
        );
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_remedy_and_without_the_password() {
        check(
            "mysql://ann:hunter2@h/d",
            expect![
                "it does not begin with postgres:// or postgresql://: write postgres://USER:PASSWORD@HOST:PORT/"
            ],
        );
        check(
            "postgres://ann:hunter2@h:port/d",
            expect!["its port is not a number from 1 to 65535: write postgres://USER:PASSWORD@HOST:PORT/"],
        );
        check(
            "postgres://ann:hunter2@a,b/d",
            expect!["it names several hosts: name one, the one to work on"],
        );
        check(
            "postgres://ann:hunter2%@h/d",
            expect!["its password is not well percent-encoded: write a % itself as %25"],
        );
        check("postgres://h/d", expect!["it names no user: write postgres://USER@HOST:PORT/"]);
        check(
            "postgres://ann:hunter2@h/d?sslmode=require",
            expect![
                "it asks for sslmode=require, and the gate reads the stream in plain text: use a server on this machine or reached through a tunnel, with sslmode=prefer, or unset DATABASE_URL for a private server"
            ],
        );
    }
}
