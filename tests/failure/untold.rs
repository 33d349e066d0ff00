//! Runs that come to no verdict: exit code 3, and never "holds".

use std::net::TcpListener;
use std::time::Duration;

use crate::command::{Ran, Scratch, Started};

#[test]
fn a_run_that_met_no_contention_is_unknown() {
    let scratch = Scratch::new("quiet");
    for cell in ["register/counter", "register/naive"] {
        let line = format!("verify --variant {cell} --isolation read-committed --sessions 1 --cases 20");
        let Ran { code, out, err } = scratch.run(&format!("{line} --format json"));
        assert_eq!((code, err.as_str()), (Some(3), ""));
        assert!(out.contains(r#""verdict":"unknown""#) && !out.contains("holds"), "{out}");
        let Ran { code, out, .. } = scratch.run(&line);
        assert_eq!(code, Some(3));
        assert!(out.contains("never met") && !out.contains("holds"), "{out}");
    }
}

/// The run must end by itself within the time that is promised.
fn with_url(url: &str) -> Ran {
    let scratch = Scratch::new("url");
    let mut command = scratch.pgweave("verify --variant register/naive --isolation read-committed");
    command.env("DATABASE_URL", url);
    Started::new(command).end_within(Duration::from_secs(5))
}

#[test]
fn a_database_url_that_answers_nothing_ends_the_run_in_time() {
    // Someone takes the connection and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = mute.local_addr().expect("an address").port();
    for url in [
        format!("postgres://ann:hunter2@127.0.0.1:{port}/app"),
        "postgres://ann:hunter2@127.0.0.1:1/app".to_owned(),
        "postgres://ann:hunter2@localhost/app?host=/nowhere/at/all".to_owned(),
        "postgres://ann:hunter2@no-such-host.invalid/app".to_owned(),
        "mysql://ann:hunter2@127.0.0.1/app".to_owned(),
    ] {
        let Ran { code, out, err } = with_url(&url);
        assert_eq!((code, out.as_str()), (Some(3), ""), "{url}: {err}");
        assert!(err.starts_with("error: ") && err.contains("DATABASE_URL"), "{url}: {err}");
        assert!(!err.contains("hunter2"), "{err}");
    }
}
