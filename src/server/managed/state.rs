//! What is kept of the managed server between commands, and what is said of it. No password is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::server::error::{ServerError, While};
use crate::server::wish::{Container, Wish};

/// The file, in the managed server's folder.
pub(super) const FILE: &str = "state.toml";

/// What is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub(super) enum State {
    /// A process on the folder beside this file.
    Private { bin: PathBuf },
    /// A container, by its id.
    Container { id: String },
}

impl State {
    /// `None` where there is no managed server.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ServerError> {
        let path = folder.join(FILE);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).while_("read", &path),
            Ok(text) => toml::from_str(&text).map(Some).map_err(|error| {
                ServerError::Managed(format!(
                    "cannot read {}: {}; remove it",
                    path.display(),
                    error.message()
                ))
            }),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), ServerError> {
        let path = folder.join(FILE);
        let text = toml::to_string(self).map_err(|error| ServerError::Managed(error.to_string()))?;
        fs::write(&path, text).while_("write", &path)
    }

    /// The folder of its binaries, where it is a process of this machine.
    pub(super) fn bin(&self) -> Option<&Path> {
        match self {
            Self::Private { bin } => Some(bin),
            Self::Container { .. } => None,
        }
    }

    /// Where it comes from, in words.
    pub(super) fn origin(&self) -> String {
        match self {
            Self::Private { bin } => bin.display().to_string(),
            Self::Container { id } => format!("container {}", id.get(..12).unwrap_or(id)),
        }
    }
}

/// A managed server that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// As `server_version_num`: 150018 is 15.18.
    pub version: u32,
    /// Where it comes from: the folder of its binaries, or its container.
    pub origin: String,
    /// Its URL, fit to be shown.
    pub url: String,
    /// The databases of pgweave in it.
    pub databases: Vec<String>,
}

/// What `up` has found or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Up {
    /// It was up already.
    Already(Status),
    /// It has been started.
    Started(Status),
}

/// What `down` has found or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// There was none.
    Already,
    /// It was stopped and removed.
    Stopped,
}

/// Whether a server that is up is what was asked for.
pub(super) fn fits(status: &Status, state: Option<&State>, wish: &Wish) -> Result<(), ServerError> {
    let major = status.version / 10_000;
    let contained = matches!(state, Some(State::Container { .. }));
    let found = match wish.version {
        Some(wanted) if wanted != major => format!("version {major}"),
        _ if wish.container == Container::Only && !contained => "no container".to_owned(),
        _ => return Ok(()),
    };
    Err(ServerError::Managed(format!(
        "the managed server is up already and is {found}: remove it with `cargo xtask db down` first"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_up_must_be_what_is_asked_for() {
        let state = State::Private { bin: "/bin".into() };
        let status =
            Status { version: 150_018, origin: state.origin(), url: String::new(), databases: Vec::new() };
        let refused = |wish: Wish| fits(&status, Some(&state), &wish).err().map(|error| error.to_string());
        assert_eq!(refused(Wish::default()), None);
        assert_eq!(refused(Wish { version: Some(15), ..Wish::default() }), None);
        let other = refused(Wish { version: Some(16), ..Wish::default() }).expect("it is 15");
        assert!(other.contains("is version 15: remove it"), "{other}");
        let other = refused(Wish { container: Container::Only, ..Wish::default() }).expect("it is none");
        assert!(other.contains("is no container: remove it"), "{other}");
    }
}
