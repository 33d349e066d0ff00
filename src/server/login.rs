//! Where a server listens and who we are there.
//!
//! A password passes through this file and no other. It is handed to sqlx and to the URL that a caller asks for by
//! name; it never reaches `Debug`, `Display`, a log or a file.

use std::fmt;
use std::path::PathBuf;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Where a server listens: what the gate relays to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket, `.s.PGSQL.<port>` in `folder`.
    Unix {
        /// The folder that holds the socket.
        folder: PathBuf,
        /// The number in the socket's name.
        port: u16,
    },
    /// A TCP address.
    Tcp {
        /// A name or an address, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

impl Endpoint {
    /// A URL that libpq, sqlx and most drivers understand.
    pub(crate) fn url(&self, user: &str, password: Option<&str>, database: &str) -> String {
        let password = password.map(|password| format!(":{}", encoded(password))).unwrap_or_default();
        self.url_with(user, &password, database)
    }

    fn url_with(&self, user: &str, password: &str, database: &str) -> String {
        let (user, database) = (encoded(user), encoded(database));
        match self {
            // The name `localhost` is there for drivers that want one; the parameter names the socket.
            Self::Unix { folder, port } => {
                let folder = encoded(&folder.to_string_lossy());
                format!("postgres://{user}{password}@localhost:{port}/{database}?host={folder}")
            }
            tcp => format!("postgres://{user}{password}@{tcp}/{database}"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { folder, port } => write!(f, "{}/.s.PGSQL.{port}", folder.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A password. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An endpoint and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) endpoint: Endpoint,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
}

impl Login {
    /// What sqlx needs to connect to `database`. Never encrypted: the gate reads the stream, so we ask for the same.
    pub(super) fn options(&self, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .username(&self.user)
            .database(database)
            .application_name("pgweave")
            .ssl_mode(PgSslMode::Disable);
        let options = match &self.endpoint {
            Endpoint::Unix { folder, port } => options.socket(folder).port(*port),
            Endpoint::Tcp { host, port } => options.host(host).port(*port),
        };
        match &self.password {
            Some(password) => options.password(password.reveal()),
            None => options,
        }
    }

    /// A URL that libpq, sqlx and most drivers understand, password included.
    pub(super) fn url(&self, database: &str) -> String {
        self.endpoint.url(&self.user, self.password.as_ref().map(Secret::reveal), database)
    }

    /// The same URL, fit to be shown.
    pub(super) fn shown(&self, database: &str) -> String {
        self.endpoint.url_with(&self.user, self.password.as_ref().map_or("", |_| ":***"), database)
    }
}

/// Percent-encodes all but what is plain in every part of a URL.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            endpoint: Endpoint::Tcp { host: "::1".into(), port: 5433 },
            user: "ann e".into(),
            password: Some(Secret::new("s3cr/t")),
        }
    }

    #[test]
    fn the_url_that_is_asked_for_has_the_password_and_no_other_text_has() {
        assert_eq!(login().url("a b"), "postgres://ann%20e:s3cr%2Ft@[::1]:5433/a%20b");
        assert_eq!(login().shown("d"), "postgres://ann%20e:***@[::1]:5433/d");
        assert!(!format!("{:?}", login()).contains("s3cr"));
    }

    #[test]
    fn sqlx_reads_the_url_of_a_socket() {
        let endpoint = Endpoint::Unix { folder: "/tmp/a b".into(), port: 5432 };
        let url = Login { endpoint, user: "postgres".into(), password: None }.url("d");
        let options: PgConnectOptions = url.parse().expect("sqlx parses it");
        assert_eq!(options.get_socket().map(|path| path.display().to_string()).as_deref(), Some("/tmp/a b"));
        assert_eq!(options.get_database(), Some("d"));
    }
}
