//! What kind of server is wanted.

use std::fmt;

/// Where a container stands among the ways to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Container {
    /// The last resort, after everything that needs no engine.
    #[default]
    LastResort,
    /// The only way that is tried; `DATABASE_URL` does not count either.
    Only,
}

/// What kind of server is wanted. The default reads nothing and takes any supported server.
#[derive(Clone, Default)]
pub struct Wish {
    /// The major version, from [`OLDEST_MAJOR`] to [`NEWEST_MAJOR`] for a server that we start; any that is at hand
    /// where there is none.
    pub version: Option<u32>,
    /// Whether the server must run in a container.
    pub container: Container,
    /// A server that is already there, as `postgres://USER:PASSWORD@HOST:PORT/`. It is then used, or it is an error;
    /// no other is looked for.
    pub url: Option<String>,
}

/// The oldest major version that is supported.
pub const OLDEST_MAJOR: u32 = 14;
/// The newest major version that we start ourselves. A server behind a URL may be newer.
pub const NEWEST_MAJOR: u32 = 18;

impl Wish {
    /// As the environment has it: `DATABASE_URL`, where it is set and not empty.
    pub fn from_env() -> Self {
        let url = std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
        Self { url, ..Self::default() }
    }

    /// Whether a server of this major version will do.
    pub(super) fn takes(&self, major: u32) -> bool {
        match self.version {
            Some(wanted) => wanted == major,
            None => (OLDEST_MAJOR..=NEWEST_MAJOR).contains(&major),
        }
    }

    /// The wanted version in words, for reasons and remedies.
    pub(super) fn version_in_words(&self) -> String {
        match self.version {
            Some(wanted) => format!("PostgreSQL {wanted}"),
            None => format!("PostgreSQL {OLDEST_MAJOR} to {NEWEST_MAJOR}"),
        }
    }
}

impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wish")
            .field("version", &self.version)
            .field("container", &self.container)
            .field("url", &self.url.as_ref().map(|_| "***"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_takes_the_supported_majors_and_no_url_is_shown() {
        assert!(!Wish::default().takes(13));
        assert!(Wish::default().takes(18));
        assert!(!Wish { version: Some(16), ..Wish::default() }.takes(15));
        let wish = Wish { url: Some("postgres://ann:hunter2@h/".into()), ..Wish::default() };
        assert!(!format!("{wish:?}").contains("hunter2"));
    }
}
