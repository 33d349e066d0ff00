//! `psql` in the managed server.

use std::path::Path;
use std::process::Command;

use crate::server::error::ServerError;
use crate::server::local;
use crate::server::login::{Endpoint, Login};

/// The command, with the `psql` beside the server's binaries if there is one, else any.
pub(super) fn command(bin: Option<&Path>, login: &Login) -> Result<Command, ServerError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = bin.map(Path::to_owned);
    let folders = beside.into_iter().chain(std::env::split_paths(&path)).chain(local::folders());
    match folders.map(|folder| folder.join("psql")).find(|file| file.is_file()) {
        Some(psql) => Ok(into_psql(Command::new(psql), login)),
        None => Err(ServerError::Managed(
            "there is no psql on this machine: install PostgreSQL's client (postgresql-client), or use another client \
             with the URL of `cargo xtask db url`"
                .to_owned(),
        )),
    }
}

/// The password goes by the environment: arguments are everyone's to see.
fn into_psql(mut psql: Command, login: &Login) -> Command {
    let (host, port) = match &login.endpoint {
        Endpoint::Unix { folder, port } => (folder.display().to_string(), port),
        Endpoint::Tcp { host, port } => (host.clone(), port),
    };
    psql.args([
        "--host",
        &host,
        "--port",
        &port.to_string(),
        "--username",
        &login.user,
        "--dbname",
        "postgres",
    ]);
    if let Some(password) = &login.password {
        psql.env("PGPASSWORD", password.reveal());
    }
    psql
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::login::Secret;

    #[test]
    fn a_password_is_no_argument() {
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".into(), port: 5433 };
        let login = Login { endpoint, user: "ann".into(), password: Some(Secret::new("hunter2")) };
        let psql = into_psql(Command::new("psql"), &login);
        let arguments: Vec<_> = psql.get_args().map(|word| word.to_string_lossy()).collect();
        assert_eq!(arguments.join(" "), "--host 127.0.0.1 --port 5433 --username ann --dbname postgres");
        assert!(
            psql.get_envs()
                .any(|(name, value)| name == "PGPASSWORD" && value.is_some_and(|word| word == "hunter2"))
        );
    }
}
