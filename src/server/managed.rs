//! The one server that outlives a run: `db up` starts it, `db down` removes it.
//!
//! Nothing of a campaign needs it; it is for those who want to look at a database while they work. It is kept in a
//! folder of the user's cache and survives the command; after a restart of the machine the next `up` starts it again
//! on the same data, less what was committed in the last second if it was killed. Every change of it is made under a
//! lock, so that two commands at once do not collide.

mod psql;
mod state;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::Account;
use super::container::{Keep, Left, Running};
use super::error::{ServerError, While};
use super::folders::{self, FolderLock};
use super::ladder::Rung;
use super::local::Binaries;
use super::login::Login;
use super::private::{self, Place};
use super::wish::{Container, Wish};
use super::{database, given, process, template};

pub use state::{Down, Status, Up};
use state::{State, fits};

/// The managed server of this user, whether it is up or not.
#[derive(Debug)]
pub struct Managed {
    folder: PathBuf,
    account: Account,
}

impl Managed {
    /// The managed server of this user.
    ///
    /// # Errors
    /// When its folder cannot be made, or nobody could run it.
    pub fn of_this_user() -> Result<Self, ServerError> {
        let account = account()?;
        let folder = folders::managed(&account).while_("use", Path::new("the cache folder"))?;
        Ok(Self { folder, account })
    }

    /// Another one, in a folder of its own. The folder must be short enough for a socket's path, and the account that
    /// runs the server must reach it.
    ///
    /// # Errors
    /// When nobody could run it.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Result<Self, ServerError> {
        Ok(Self { folder: folder.into(), account: account()? })
    }

    /// Starts it, unless it is up.
    ///
    /// # Errors
    /// When it is up in another version than the wanted one, or cannot be started.
    pub async fn up(&self, wish: &Wish) -> Result<Up, ServerError> {
        let lock = self.lock().await?;
        let state = State::read(&self.folder)?;
        if let Some(status) = self.answering(state.as_ref()).await {
            return fits(&status, state.as_ref(), wish).map(|()| Up::Already(status));
        }
        let state = match state {
            Some(State::Private { bin }) => {
                let binaries = Binaries::at(&bin, &self.account).map_err(|why| {
                    let what = "the managed server has been stopped, and its binaries are gone";
                    ServerError::Managed(format!("{what}: {why}; remove it with `cargo xtask db down`"))
                })?;
                self.launch(&binaries).await?;
                State::Private { bin }
            }
            Some(State::Container { id }) => {
                return Err(ServerError::Managed(format!(
                    "the managed server's container {id} does not answer: remove it with `cargo xtask db down`"
                )));
            }
            None => self.start(wish).await?,
        };
        state.write(&self.folder)?;
        let login = self.login(&state).await?;
        let status = self.ask(&state, &login).await?;
        drop(lock);
        fits(&status, Some(&state), wish).map(|()| Up::Started(status))
    }

    /// Stops it and removes all that is in it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn down(&self) -> Result<Down, ServerError> {
        if !self.folder.is_dir() {
            return Ok(Down::Already);
        }
        let lock = self.lock().await?;
        let state = State::read(&self.folder)?;
        if let Some(State::Container { id }) = &state {
            Left::find(id).await?.remove().await?;
        }
        process::quit_server_on(&self.data());
        for path in [self.run(), self.folder.join(state::FILE)] {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).while_("remove", &path);
                }
                _ => {}
            }
        }
        lock.remove_if_empty();
        Ok(if state.is_some() { Down::Stopped } else { Down::Already })
    }

    /// How it is; `None` where it is not up.
    ///
    /// # Errors
    /// When its state cannot be read.
    pub async fn status(&self) -> Result<Option<Status>, ServerError> {
        Ok(self.answering(State::read(&self.folder)?.as_ref()).await)
    }

    /// Its URL, password included.
    ///
    /// # Errors
    /// When it is not up.
    pub async fn url(&self) -> Result<String, ServerError> {
        Ok(self.login_if_up().await?.1.url("postgres"))
    }

    /// A command that runs `psql` in it.
    ///
    /// # Errors
    /// When it is not up, or there is no `psql`.
    pub async fn psql(&self) -> Result<Command, ServerError> {
        let (state, login) = self.login_if_up().await?;
        psql::command(state.bin(), &login)
    }

    /// Drops all databases of pgweave in it. Returns their names.
    ///
    /// # Errors
    /// When it is not up, or refuses.
    pub async fn reset(&self) -> Result<Vec<String>, ServerError> {
        let (_, login) = self.login_if_up().await?;
        let failed = |source| ServerError::Statement { what: "drop pgweave's databases", source };
        let names = database::all(&login, "postgres").await.map_err(failed)?;
        database::drop_all(&login, "postgres", &names).await.map_err(failed)?;
        Ok(names)
    }

    /// Its log.
    ///
    /// # Errors
    /// When there is none.
    pub async fn log(&self) -> Result<String, ServerError> {
        match State::read(&self.folder)? {
            None => Err(down()),
            Some(State::Container { id }) => Left::find(&id).await?.log().await,
            Some(State::Private { .. }) => {
                let bytes = fs::read(self.log_file()).while_("read", &self.log_file())?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
        }
    }

    /// Starts one that was not there, by the first way that leads to one.
    async fn start(&self, wish: &Wish) -> Result<State, ServerError> {
        let mut skipped = Vec::new();
        if wish.container == Container::LastResort {
            for rung in Rung::ALL {
                let started = match rung.binaries(wish, &self.account).await {
                    Ok(binaries) => self.start_from(&binaries).await.map_err(|error| error.to_string()),
                    Err(why) => Err(why),
                };
                match started {
                    Ok(state) => return Ok(state),
                    Err(why) => skipped.push(rung.skipped(wish, why)),
                }
            }
        }
        match Running::start(wish, Keep::UntilDown).await {
            Ok(running) => Ok(State::Container { id: running.leave() }),
            Err(reason) => {
                skipped.push(reason);
                Err(ServerError::NoneFound(skipped))
            }
        }
    }

    async fn start_from(&self, binaries: &Binaries) -> Result<State, ServerError> {
        // What an `up` that did not come to its end has left.
        process::quit_server_on(&self.data());
        let _ = fs::remove_dir_all(self.run());
        DirBuilder::new().mode(0o700).create(self.run()).while_("create", &self.run())?;
        let cache = folders::cache(&self.account).while_("use", &self.folder)?;
        template::copy_to(&self.data(), binaries, &self.account, &cache)?;
        self.account.own(&self.run()).while_("hand over", &self.run())?;
        self.launch(binaries).await?;
        Ok(State::Private { bin: binaries.bin.clone() })
    }

    /// Starts the server on the data that is there, and lets it run on.
    async fn launch(&self, binaries: &Binaries) -> Result<(), ServerError> {
        let (data, run, log) = (self.data(), self.run(), self.log_file());
        let mut child =
            private::launch(binaries, &self.account, Place { data: &data, sockets: &run, log: &log })?;
        let answered = private::first_answer(&private::login(&run), || process::exited(&mut child)).await;
        answered.map_err(|why| {
            process::quit_child(&mut child);
            let why = format!("{why}; its log ends with: {}", private::end_of(&log));
            ServerError::Start { bin: binaries.bin.clone(), why }
        })
    }

    async fn lock(&self) -> Result<FolderLock, ServerError> {
        FolderLock::wait(&self.folder).await.while_("lock", &self.folder)
    }

    async fn login(&self, state: &State) -> Result<Login, ServerError> {
        match state {
            State::Private { .. } => Ok(private::login(&self.run())),
            State::Container { id } => Left::find(id).await?.login().await,
        }
    }

    async fn login_if_up(&self) -> Result<(State, Login), ServerError> {
        let state = State::read(&self.folder)?.ok_or_else(down)?;
        let login = self.login(&state).await?;
        // A server that has been stopped is as good as none.
        given::facts(&login, "postgres").await.map_err(|_| down())?;
        Ok((state, login))
    }

    async fn answering(&self, state: Option<&State>) -> Option<Status> {
        let state = state?;
        let login = self.login(state).await.ok()?;
        self.ask(state, &login).await.ok()
    }

    async fn ask(&self, state: &State, login: &Login) -> Result<Status, ServerError> {
        let facts = given::facts(login, "postgres").await?;
        let databases = database::all(login, "postgres").await;
        let databases =
            databases.map_err(|source| ServerError::Statement { what: "list the databases", source })?;
        Ok(Status { version: facts.version, origin: state.origin(), url: login.shown("postgres"), databases })
    }

    /// Data, socket and log, for the server's account alone.
    fn run(&self) -> PathBuf {
        self.folder.join("run")
    }

    fn data(&self) -> PathBuf {
        self.run().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.run().join("log")
    }
}

fn account() -> Result<Account, ServerError> {
    Account::for_server().ok_or_else(|| {
        let why = "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody";
        ServerError::Managed(format!("{why}: run as another user"))
    })
}

fn down() -> ServerError {
    ServerError::Managed("the managed server is not up: start it with `cargo xtask db up`".to_owned())
}
