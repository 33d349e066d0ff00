//! Who listens to the story of a run: nobody, stderr (`RUST_LOG`), a file of JSON lines (`--trace FILE`), or both.
//!
//! The story itself, spans and events, is told where things happen. No line carries a time, so that the stories of two
//! runs of one seed can be compared by `diff`. The environment is read by the caller and comes in as a value.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::report::Paint;

/// Whose spans and events a trace file holds: ours, all of them. A driver's would drown them.
const TRACED: &str = "pgweave";

/// What to listen to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listeners<'a> {
    /// Value of `RUST_LOG`: what of the story goes to stderr. An empty one is as good as none.
    pub rust_log: Option<&'a str>,
    /// The file for the whole story as JSON lines; one that is there is replaced.
    pub trace: Option<&'a Path>,
    /// Whether stderr takes colour.
    pub paint: Paint,
}

/// Why nobody listens.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// `RUST_LOG` does not say what to show.
    #[error(
        "RUST_LOG=\"{directives}\" cannot be read ({why}): use a level, or pairs such as pgweave=debug,sqlx=warn"
    )]
    Directives {
        /// What it says.
        directives: String,
        /// Why it cannot be read.
        why: String,
    },
    /// The trace file cannot be made.
    #[error("cannot make the trace file {}: {source}: give --trace a path in a folder that can be written to", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process has a subscriber already.
    #[error("another tracing subscriber is installed in this process: leave out RUST_LOG and --trace")]
    Taken,
}

/// Installs the listeners for the rest of the process. Where nothing is asked for, nothing is installed, and the story
/// costs next to nothing.
///
/// # Errors
/// When `RUST_LOG` cannot be read, the file cannot be made, or the process has a subscriber of its own.
pub fn install(listeners: Listeners<'_>) -> Result<(), TraceError> {
    match subscriber(listeners, io::stderr)? {
        None => Ok(()),
        Some(subscriber) => {
            tracing::subscriber::set_global_default(subscriber).map_err(|_| TraceError::Taken)
        }
    }
}

fn subscriber<W>(
    listeners: Listeners<'_>,
    stderr: W,
) -> Result<Option<impl Subscriber + Send + Sync>, TraceError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let rust_log = listeners.rust_log.map(str::trim).filter(|directives| !directives.is_empty());
    if rust_log.is_none() && listeners.trace.is_none() {
        return Ok(None);
    }
    let told = rust_log.map(|directives| on_stderr(directives, listeners.paint, stderr)).transpose()?;
    let written = listeners.trace.map(into_file).transpose()?;
    Ok(Some(Registry::default().with(written).with(told)))
}

/// Compact lines for a person.
fn on_stderr<S, W>(
    directives: &str,
    paint: Paint,
    stderr: W,
) -> Result<impl Layer<S> + Send + Sync + use<S, W>, TraceError>
where
    S: Subscriber + for<'s> tracing_subscriber::registry::LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(directives).map_err(|error| TraceError::Directives {
        directives: directives.to_owned(),
        why: error.to_string(),
    })?;
    let lines = tracing_subscriber::fmt::layer().compact().without_time().with_ansi(paint == Paint::Ansi);
    Ok(lines.with_writer(stderr).with_filter(filter))
}

/// One JSON object a line: every event, and every span when it opens and when it closes.
fn into_file<S>(path: &Path) -> Result<impl Layer<S> + Send + Sync + use<S>, TraceError>
where
    S: Subscriber + for<'s> tracing_subscriber::registry::LookupSpan<'s>,
{
    // Each line is written at once and in full: a run that is killed leaves its story behind.
    let file = File::create(path).map_err(|source| TraceError::File { path: path.into(), source })?;
    let lines = tracing_subscriber::fmt::layer().json().without_time();
    let lines = lines.with_span_events(FmtSpan::NEW | FmtSpan::CLOSE).with_writer(Arc::new(file));
    Ok(lines.with_filter(Targets::new().with_target(TRACED, LevelFilter::TRACE)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use std::sync::Mutex;

    /// What stderr would have got.
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn story() {
        let case = tracing::info_span!(target: "pgweave::weave", "case", number = 3);
        let _in_case = case.enter();
        tracing::warn!(target: "pgweave::weave", session = "B", sqlstate = "40P01", attempt = 2, "deadlock");
        tracing::trace!(target: "pgweave::gate", "released");
        tracing::error!(target: "sqlx", "chatter");
    }

    /// What is heard of the story on stderr and in the file.
    fn check(name: &str, rust_log: Option<&str>, expected: Expect) {
        let path = std::env::temp_dir().join(format!("pgweave-trace-{name}-{}", std::process::id()));
        let heard = Heard::default();
        let writer = heard.clone();
        let listeners = Listeners { rust_log, trace: Some(&path), paint: Paint::Plain };
        let subscriber = subscriber(listeners, move || writer.clone()).unwrap().unwrap();
        tracing::subscriber::with_default(subscriber, story);
        let file = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let stderr = String::from_utf8(heard.0.lock().unwrap().clone()).unwrap();
        expected.assert_eq(&format!("stderr:\n{stderr}file:\n{file}"));
    }

    #[test]
    fn the_file_holds_all_of_ours_and_stderr_what_was_asked_for() {
        check(
            "quiet",
            None,
            expect![[r#"
            stderr:
            file:
            {"level":"INFO","fields":{"message":"new"},"target":"pgweave::weave","span":{"number":3,"name":"case"},"spans":[]}
            {"level":"WARN","fields":{"message":"deadlock","session":"B","sqlstate":"40P01","attempt":2},"target":"pgweave::weave","span":{"number":3,"name":"case"},"spans":[{"number":3,"name":"case"}]}
            {"level":"TRACE","fields":{"message":"released"},"target":"pgweave::gate","span":{"number":3,"name":"case"},"spans":[{"number":3,"name":"case"}]}
            {"level":"INFO","fields":{"message":"close"},"target":"pgweave::weave","span":{"number":3,"name":"case"},"spans":[]}
        "#]],
        );
        check(
            "warn",
            Some("warn"),
            expect![[r#"
            stderr:
             WARN pgweave::weave: deadlock session="B" sqlstate="40P01" attempt=2
            ERROR sqlx: chatter
            file:
            {"level":"INFO","fields":{"message":"new"},"target":"pgweave::weave","span":{"number":3,"name":"case"},"spans":[]}
            {"level":"WARN","fields":{"message":"deadlock","session":"B","sqlstate":"40P01","attempt":2},"target":"pgweave::weave","span":{"number":3,"name":"case"},"spans":[{"number":3,"name":"case"}]}
            {"level":"TRACE","fields":{"message":"released"},"target":"pgweave::gate","span":{"number":3,"name":"case"},"spans":[{"number":3,"name":"case"}]}
            {"level":"INFO","fields":{"message":"close"},"target":"pgweave::weave","span":{"number":3,"name":"case"},"spans":[]}
        "#]],
        );
    }

    #[test]
    fn nothing_is_installed_where_nothing_is_asked_for() {
        for rust_log in [None, Some(""), Some("  ")] {
            let listeners = Listeners { rust_log, ..Listeners::default() };
            assert!(subscriber(listeners, io::sink).unwrap().is_none());
        }
    }

    #[test]
    fn what_cannot_be_done_names_the_remedy() {
        let error = |listeners| subscriber(listeners, io::sink).map(|_| ()).unwrap_err().to_string();
        expect![[r#"RUST_LOG="pgweave=loud" cannot be read (error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5): use a level, or pairs such as pgweave=debug,sqlx=warn"#]].assert_eq(&error(Listeners { rust_log: Some("pgweave=loud"), ..Listeners::default() }));
        let path = Path::new("/nowhere/at/all.jsonl");
        expect!["cannot make the trace file /nowhere/at/all.jsonl: No such file or directory (os error 2): give --trace a path in a folder that can be written to"].assert_eq(&error(Listeners { trace: Some(path), ..Listeners::default() }));
    }
}
