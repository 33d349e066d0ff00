//! What a campaign came to.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Finding;
use super::explain::told;
use crate::check::Judgement;
use crate::check::contention::Contention;
use crate::check::coverage::{Coverage, Covered, Exhausted};
use crate::check::effort::Effort;
use crate::isolation::Isolation;
use crate::replay::{CaseFile, CaseFileError, step_texts};
use crate::report::picture::{self, Picture};
use crate::report::{self, Page, Saved};

/// "Could not tell" is not "holds".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No case violated a claim, and the cases met contention.
    Holds,
    /// A case violated a claim.
    Violated,
    /// The run does not tell, for this reason.
    Unknown(String),
}

/// The verdict on a campaign.
pub(super) fn of(
    violated: bool,
    unknown: Option<String>,
    contention: &Contention,
    exhausted: Option<&Exhausted>,
) -> Verdict {
    // Where all classes were run and there are several of a program, its sessions had every occasion to meet.
    let met = || !contention.none() || exhausted.is_some_and(Exhausted::shows_that_order_matters);
    match unknown {
        _ if violated => Verdict::Violated,
        Some(why) => Verdict::Unknown(why),
        None if !met() => Verdict::Unknown(
            "the sessions never met: no case had one wait for another, fail because of another, or use a table that \
             another wrote; use fewer keys, or operations that conflict"
                .to_owned(),
        ),
        None => Verdict::Holds,
    }
}

/// What a campaign came to. Displays as a listing, or as a sentence when nothing is violated.
#[derive(Clone, Debug)]
pub struct Report<Op> {
    /// The verdict.
    pub verdict: Verdict,
    /// Name of the subject.
    pub subject: String,
    /// Its variant.
    pub variant: Option<String>,
    /// The level.
    pub isolation: Isolation,
    /// Cases that were run.
    pub cases: u64,
    /// Cases of these in which no session was preempted.
    pub serial: u64,
    /// What they met.
    pub contention: Contention,
    /// What their operations spent beside their work.
    pub effort: Effort,
    /// How much of what could happen they covered.
    pub coverage: Covered,
    /// The same class by class, so that what several campaigns covered together can be told.
    pub classes: Coverage,
    /// The violation in its smallest form.
    pub finding: Option<Finding<Op>>,
}

impl<Op: Serialize + Clone> Report<Op> {
    /// The case file of the finding, if there is one.
    pub fn case_file(&self) -> Option<CaseFile<Op>> {
        let finding = self.finding.as_ref()?;
        Some(CaseFile {
            subject: self.subject.clone(),
            variant: self.variant.clone(),
            claim: Some(finding.claim.clone()),
            case: finding.case.clone(),
            steps: step_texts(&finding.history),
        })
    }

    /// Saves the finding into `folder` and says where, if there is one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<Option<PathBuf>, CaseFileError> {
        self.case_file().map(|file| file.write(folder)).transpose()
    }

    /// The finding as a listing, with the command that replays it where it has been saved.
    pub fn listing(&self, saved: Option<Saved<'_>>, page: Page) -> Option<String> {
        let (finding, file) = (self.finding.as_ref()?, self.case_file()?);
        let explanation = self.explanation();
        let judgements = &finding.opinion.judgements;
        Some(listing(&file, &finding.history, judgements, explanation.as_ref(), saved, page))
    }

    /// The finding as a page to walk through, if there is one.
    pub fn page(&self, saved: Option<Saved<'_>>) -> Option<String> {
        let (found, file) = (self.finding.as_ref()?, self.case_file()?);
        let explanation = self.explanation();
        let mut shown = report::Finding::of(&file, &found.history);
        shown.explanation = explanation.as_ref();
        shown.judgements =
            found.opinion.judgements.iter().map(|(name, judgement)| (name.as_str(), judgement)).collect();
        shown.saved = saved;
        let edges = found.rows.as_ref().map(report::edges).unwrap_or_default();
        Some(picture::html(&Picture::of(&shown).with_edges(&edges)))
    }

    /// Why no serial order explains the finding, or what it is instead; none where there is no finding.
    pub fn explanation(&self) -> Option<report::Explanation> {
        self.finding.as_ref().map(|finding| told(&finding.rows, &finding.history))
    }
}

/// A case as a listing.
pub(super) fn listing<Op: Serialize>(
    file: &CaseFile<Op>,
    history: &crate::history::History,
    judgements: &[(String, Judgement)],
    explanation: Option<&report::Explanation>,
    saved: Option<Saved<'_>>,
    page: Page,
) -> String {
    let mut shown = report::Finding::of(file, history);
    shown.explanation = explanation;
    shown.judgements = judgements.iter().map(|(name, judgement)| (name.as_str(), judgement)).collect();
    shown.saved = saved;
    report::listing(&shown, page)
}

impl<Op: Serialize + Clone> fmt::Display for Report<Op> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Violated => f.write_str(&self.listing(None, Page::PLAIN).unwrap_or_default()),
            Verdict::Holds => {
                write!(
                    f,
                    "holds at {}: {} cases, {}; {}",
                    self.isolation, self.cases, self.contention, self.coverage
                )
            }
            Verdict::Unknown(why) => {
                write!(
                    f,
                    "could not tell at {}: {why} ({} cases, {})",
                    self.isolation, self.cases, self.contention
                )
            }
        }
    }
}
