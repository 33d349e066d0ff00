//! Runs a saved case again, once or many times, and tells whether every history was the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::judge::{Judge, Opinion, believed};
use super::stand::{StandingLane, lost_or, shared_server};
use super::{CampaignError, Watch, verdict};
use crate::check::Judgement;
use crate::explore::follow::Follow;
use crate::history::History;
use crate::isolation::Isolation;
use crate::replay::{CaseFile, Departure, Header};
use crate::report::{Page, Saved};
use crate::runtime::on_this_thread;
use crate::server::Server;
use crate::subject::Subject;
use crate::weave::Limits;

/// Replays cases of one subject.
pub struct Replayer<S: Subject> {
    pub(super) subject: Arc<S>,
    pub(super) server: Option<Arc<Server>>,
    pub(super) limits: Limits,
    pub(super) watch: Arc<Watch>,
}

/// What a replay showed.
#[derive(Clone, Debug)]
pub struct Replayed<Op> {
    /// The case file that was replayed.
    pub file: CaseFile<Op>,
    /// What happened the first time.
    pub history: History,
    /// What each claim says of that.
    pub opinion: Opinion,
    /// How many times it was run.
    pub times: usize,
    /// How many of the histories were the first one over again, itself included.
    pub identical: usize,
    /// Where the first run departed from what was saved.
    pub departures: Vec<Departure>,
}

impl<Op: serde::Serialize + Clone> Replayed<Op> {
    /// The run as a plain listing.
    pub fn listing(&self) -> String {
        self.listing_on(None, Page::PLAIN)
    }

    /// The run as a listing.
    pub fn listing_on(&self, saved: Option<Saved<'_>>, page: Page) -> String {
        verdict::listing(&self.file, &self.history, &self.opinion.judgements, None, saved, page)
    }

    /// The claims by name, and what each says.
    pub fn judgements(&self) -> impl Iterator<Item = (&str, &Judgement)> {
        self.opinion.judgements.iter().map(|(name, judgement)| (name.as_str(), judgement))
    }

    /// Whether the claim of the case file is violated still, or any claim if it names none.
    pub fn reproduced(&self) -> bool {
        match &self.file.claim {
            Some(claim) => self.opinion.violates(claim),
            None => self.opinion.violated().is_some(),
        }
    }
}

impl<S: Subject> Replayer<S> {
    /// A replayer on `server`, or on the one that is found by itself.
    pub fn new(subject: Arc<S>, server: Option<Arc<Server>>) -> Self {
        Self { subject, server, limits: Limits::default(), watch: Arc::default() }
    }

    /// How long things may take.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets someone else look on, and stop it.
    pub fn watch(mut self, watch: Arc<Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// Runs the case at `path` `times` times, on a thread of its own.
    ///
    /// # Errors
    /// When the file is no case of this subject, or the server fails.
    pub fn replay(&self, path: &Path, times: usize) -> Result<Replayed<S::Op>, CampaignError> {
        let file = CaseFile::<S::Op>::read(path)?;
        self.is_ours(path, &file.subject, file.variant.as_deref())?;
        self.replay_file(file, times)
    }

    /// Runs a case that has been read already.
    ///
    /// # Errors
    /// When the server fails.
    pub fn replay_file(&self, file: CaseFile<S::Op>, times: usize) -> Result<Replayed<S::Op>, CampaignError> {
        let run = || on_this_thread(self.replay_here(file, times.max(1)))?;
        std::thread::scope(|scope| scope.spawn(run).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The server, and a lane on it with the sessions of `file`.
    pub(super) async fn stand(
        &self,
        file: &CaseFile<S::Op>,
    ) -> Result<(Arc<Server>, StandingLane<S>), CampaignError> {
        let server = match &self.server {
            Some(server) => server.clone(),
            None => shared_server().await?,
        };
        let sessions = file.case.sessions.len();
        let standing = StandingLane::open(&server, self.subject.clone(), sessions, self.limits).await?;
        Ok((server, standing))
    }

    async fn replay_here(
        &self,
        file: CaseFile<S::Op>,
        times: usize,
    ) -> Result<Replayed<S::Op>, CampaignError> {
        let (server, mut standing) = self.stand(&file).await?;
        let lost = |error| lost_or(&server, error);
        let lane = &mut standing.lane;
        let mut histories = Vec::new();
        let mut identical = 0;
        let mut ran_times = 0;
        while ran_times < times && !(ran_times > 0 && self.watch.is_stopped()) {
            ran_times += 1;
            self.watch.count_case();
            let ran =
                lane.run(&file.case, &mut Follow::new(&file.case.schedule)).await.map_err(lost)?.history;
            let first = histories.first().unwrap_or(&ran);
            identical += usize::from(*first == ran);
            if histories.is_empty() {
                histories.push(ran);
            }
        }
        let history = histories.remove(0);
        let judged = Judge::new(self.subject.clone()).judge(lane, &file.case, &history).await;
        let opinion = believed(&server, judged).await?;
        standing.close(&server).await?;
        let departures = file.departures(&history);
        Ok(Replayed { file, history, opinion, times: ran_times, identical, departures })
    }

    fn is_ours(&self, path: &Path, subject: &str, variant: Option<&str>) -> Result<(), CampaignError> {
        if (subject, variant) == (self.subject.name(), self.subject.variant()) {
            return Ok(());
        }
        Err(CampaignError::OtherSubject {
            file: path.to_owned(),
            found: in_words(subject, variant),
            wanted: in_words(self.subject.name(), self.subject.variant()),
        })
    }
}

fn in_words(subject: &str, variant: Option<&str>) -> String {
    variant.map_or_else(|| subject.to_owned(), |variant| format!("{subject} {variant}"))
}

/// The case files in `folder`, in the order of their names. A folder that is not there holds none.
///
/// # Errors
/// When the folder cannot be read.
pub fn case_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}

/// The saved cases of `subject` at `isolation`.
pub(super) fn saved_in<S: Subject>(
    folder: &Path,
    subject: &S,
    isolation: Isolation,
) -> Result<Vec<PathBuf>, CampaignError> {
    let mut saved = Vec::new();
    for file in case_files(folder).map_err(CampaignError::Folder)? {
        let header = Header::read(&file)?;
        let ours =
            (header.subject.as_str(), header.variant.as_deref()) == (subject.name(), subject.variant());
        if ours && header.isolation == isolation {
            saved.push(file);
        }
    }
    Ok(saved)
}
