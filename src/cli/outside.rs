//! What the command line finds around it: terminals, colour, GitHub, the server, signals. Read once, here, and passed
//! on as values.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::campaign::Watch;
use crate::report::progress::{Progress, Status};
use crate::report::{Page, Paint};
use crate::server::{Container, Server, Wish, interrupted};

use super::Exit;

/// The surroundings of the process.
pub(super) struct Outside {
    /// How stdout takes text.
    pub(super) page: Page,
    /// How stderr takes text.
    pub(super) talk: Page,
    stderr_is_terminal: bool,
    /// The file of GitHub's step summary, on GitHub.
    pub(super) summary: Option<PathBuf>,
    /// Whether annotations are read.
    pub(super) github: bool,
    container: bool,
}

impl Outside {
    pub(super) fn new(container: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let page = |terminal: bool| Page {
            paint: if terminal && !no_color { Paint::Ansi } else { Paint::Plain },
            ..Page::PLAIN
        };
        let github = std::env::var_os("GITHUB_ACTIONS").is_some();
        let stderr_is_terminal = std::io::stderr().is_terminal();
        Self {
            page: page(std::io::stdout().is_terminal()),
            talk: page(stderr_is_terminal),
            stderr_is_terminal,
            summary: std::env::var_os("GITHUB_STEP_SUMMARY").filter(|_| github).map(PathBuf::from),
            github,
            container,
        }
    }

    /// Runs `work` with a server and a watch on a thread of its own, shows where it stands, and ends it when a signal
    /// asks for that. The server has ended, and its folder is gone, when this returns.
    pub(super) fn with_server<T: Send + 'static>(
        &self,
        status: impl Fn(u64) -> Status,
        work: impl FnOnce(Arc<Server>, Arc<Watch>) -> T + Send + 'static,
    ) -> anyhow::Result<Result<T, Exit>> {
        block_on(async {
            let interrupted = interrupted()?;
            tokio::pin!(interrupted);
            let wish = Wish {
                container: if self.container { Container::Only } else { Container::default() },
                ..Wish::from_env()
            };
            let server = tokio::select! {
                server = Server::find(&wish) => Arc::new(server?),
                signal = &mut interrupted => return Ok(Err(stopped_by(signal))),
            };
            tracing::info!(origin = server.origin(), version = server.version(), "server");
            let watch = Arc::new(Watch::default());
            let (given, watched) = (server.clone(), watch.clone());
            let mut working = tokio::task::spawn_blocking(move || work(given, watched));
            let mut progress = self.progress();
            let started = Instant::now();
            let mut signal = None;
            let result = loop {
                tokio::select! {
                    result = &mut working => break result,
                    name = &mut interrupted, if signal.is_none() => {
                        signal = Some(name);
                        watch.stop();
                    }
                    () = tokio::time::sleep(Duration::from_millis(100)) => {
                        let status = Status { elapsed: started.elapsed(), ..status(watch.cases()) };
                        // A terminal that has gone is no reason to stop.
                        let _ = progress.show(&status);
                    }
                }
            };
            let _ = progress.clear();
            if let Some(server) = Arc::into_inner(server) {
                // What matters is the verdict; what could not be cleaned up is said and cleaned up by the next run.
                if let Err(error) = server.stop().await {
                    eprintln!("warning: {error}");
                }
            }
            match signal {
                Some(signal) => Ok(Err(stopped_by(signal))),
                None => Ok(Ok(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())))),
            }
        })?
    }

    fn progress(&self) -> Progress<Box<dyn Write>> {
        if self.stderr_is_terminal && !self.github {
            Progress::on(Box::new(std::io::stderr()), self.talk.width, self.talk.paint)
        } else {
            Progress::silent()
        }
    }
}

fn stopped_by(signal: &str) -> Exit {
    eprintln!("stopped by {signal}");
    Exit::Interrupted
}

/// Runs `future` on a small runtime of its own.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(future))
}
