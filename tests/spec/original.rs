//! PostgreSQL's own isolation tester, which ours is compared with where it is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use pgweave::server::Endpoint;
use pgweave::spec::Room;

use super::loud;

/// PostgreSQL's isolation tester, if it is installed; it comes with the files for building extensions.
pub fn tester() -> Option<PathBuf> {
    let pgxs = Command::new("pg_config").arg("--pgxs").output().ok();
    let beside = pgxs.filter(|out| out.status.success()).map(|out| {
        let makefile = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
        makefile.parent().unwrap().join("../test/isolation/isolationtester")
    });
    let majors = (14..=18).rev().map(|major| {
        PathBuf::from(format!("/usr/lib/postgresql/{major}/lib/pgxs/src/test/isolation/isolationtester"))
    });
    let found = beside.into_iter().chain(majors).find(|path| path.is_file());
    if found.is_none() {
        loud::say(
            "NOT COMPARED: PostgreSQL's isolationtester is not installed; \
             Debian has it in postgresql-client-15 and finds it by `pg_config --pgxs`.",
        );
    }
    found
}

pub async fn run(tester: &Path, text: &str, room: &mut Room) -> String {
    let server = Arc::clone(room.server());
    let (host, port) = match server.endpoint() {
        Endpoint::Unix { folder, port } => (folder.display().to_string(), *port),
        Endpoint::Tcp { host, port } => (host.clone(), *port),
    };
    let mut tester = Command::new(tester)
        .arg(format!("dbname={}", room.database().await.unwrap().name()))
        .env("PGHOST", host)
        .env("PGPORT", port.to_string())
        .env("PGUSER", server.user())
        // As PostgreSQL's own regression run sets them.
        .env("PGTZ", "PST8PDT")
        .env("PGDATESTYLE", "Postgres, MDY")
        .env("PGPASSWORD", server.password().unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut tester.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let out = tester.wait_with_output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "the isolation tester refused the spec: {stderr}\n{text}\n{stdout}");
    stdout.into_owned()
}
