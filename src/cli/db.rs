//! `pgweave db`: the managed server, for those who want to look at a database while they work.
//!
//! stdout has the answer and nothing else, so that `export DATABASE_URL=$(… db url)` works. Nothing here is needed
//! for a campaign, which finds or starts a server of its own.

use std::os::unix::process::CommandExt;

use clap::{Args, Subcommand};

use crate::server::managed::{Down, Managed, Status, Up};
use crate::server::{Container, NEWEST_MAJOR, OLDEST_MAJOR, ServerError, Wish};

/// All was well.
const FINE: u8 = 0;
/// The versions that can be asked for.
const MAJORS: std::ops::RangeInclusive<i64> = OLDEST_MAJOR as i64..=NEWEST_MAJOR as i64;
/// It could not be done; stderr says why.
const COULD_NOT: u8 = 3;

/// Manage a PostgreSQL server that outlives the command. Campaigns do not need it.
#[derive(Debug, Args)]
pub struct DbArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start it, unless it is up.
    #[command(disable_version_flag = true)]
    Up(UpArgs),
    /// Stop it and remove all that is in it.
    Down,
    /// Say whether it is up, and what it is.
    Status,
    /// Print its URL, and nothing else.
    Url,
    /// Run psql in it.
    Psql(PsqlArgs),
    /// Drop all databases of pgweave in it.
    Reset,
    /// Print its log.
    Logs,
}

#[derive(Debug, Args)]
struct UpArgs {
    /// The major version, 14 to 18. The newest at hand, where it is left out.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(MAJORS))]
    version: Option<u32>,
    /// Run it in a container.
    #[arg(long)]
    container: bool,
}

#[derive(Debug, Args)]
struct PsqlArgs {
    /// Arguments for psql itself.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Does what the command line asks for. Returns the exit code.
///
/// # Errors
/// Never on account of the server, which is said on stderr and is exit code 3; only where the system fails us.
pub async fn run(args: DbArgs) -> anyhow::Result<u8> {
    Ok(match act(args.action).await {
        Ok(()) => FINE,
        Err(error) => {
            eprintln!("error: {error}");
            COULD_NOT
        }
    })
}

async fn act(action: Action) -> Result<(), ServerError> {
    let managed = Managed::of_this_user()?;
    match action {
        Action::Up(args) => up(&managed, args).await?,
        Action::Down => match managed.down().await? {
            Down::Stopped => eprintln!("The managed server is stopped and removed."),
            Down::Already => eprintln!("No managed server is up."),
        },
        Action::Status => match managed.status().await? {
            Some(status) => println!("{}", in_words(&status)),
            None => println!("down"),
        },
        Action::Url => println!("{}", managed.url().await?),
        Action::Psql(args) => {
            let mut psql = managed.psql().await?;
            // It takes our place, so that the terminal and its signals are its own. It returns only if it fails.
            let error = psql.args(args.arguments).exec();
            return Err(ServerError::Managed(format!(
                "cannot run {}: {error}",
                psql.get_program().display()
            )));
        }
        Action::Reset => {
            let dropped = managed.reset().await?;
            dropped.iter().for_each(|name| println!("{name}"));
            eprintln!("Dropped {} databases of pgweave.", dropped.len());
        }
        Action::Logs => print!("{}", managed.log().await?),
    }
    Ok(())
}

async fn up(managed: &Managed, args: UpArgs) -> Result<(), ServerError> {
    let container = if args.container { Container::Only } else { Container::LastResort };
    let wish = Wish { version: args.version, container, url: None };
    let (what, status) = match managed.up(&wish).await? {
        Up::Already(status) => ("The managed server is up already.", status),
        Up::Started(status) => ("The managed server has been started.", status),
    };
    eprintln!("{what}");
    println!("{}", in_words(&status));
    Ok(())
}

fn in_words(status: &Status) -> String {
    let (major, minor) = (status.version / 10_000, status.version % 10_000);
    format!(
        "up\nversion    {major}.{minor}\nfrom       {}\nurl        {}\ndatabases  {} of pgweave",
        status.origin,
        status.url,
        status.databases.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_status_in_words() {
        let status = Status {
            version: 150_018,
            origin: "/usr/lib/postgresql/15/bin".into(),
            url: "postgres://postgres@localhost:5432/postgres?host=%2Frun".into(),
            databases: vec!["pgweave_1_0_x_0".into()],
        };
        expect![[r#"
            up
            version    15.18
            from       /usr/lib/postgresql/15/bin
            url        postgres://postgres@localhost:5432/postgres?host=%2Frun
            databases  1 of pgweave"#]]
        .assert_eq(&in_words(&status));
    }

    #[test]
    fn a_version_that_is_not_supported_is_wrong_usage() {
        use clap::{Command, FromArgMatches};
        let parse = |words: &[&str]| {
            let matches = DbArgs::augment_args(Command::new("db")).try_get_matches_from(words)?;
            DbArgs::from_arg_matches(&matches)
        };
        assert!(parse(&["db", "up", "--version", "16", "--container"]).is_ok());
        assert!(parse(&["db", "up", "--version", "13"]).is_err());
        assert!(parse(&["db", "psql", "-c", "SELECT 1"]).is_ok());
        assert!(parse(&["db"]).is_err());
    }
}
