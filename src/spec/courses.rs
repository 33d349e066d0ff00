//! Which interleavings of a spec are run, one after another: all that can happen, or one of each class.
//!
//! Two interleavings that differ only in the order of steps that do not depend on each other are of one class, and come to
//! the same. What depends on what is told by the relation that programs are explored by, from the statements and the catalogue.
//! Where a step is not understood, everything depends on everything, and so each interleaving is a class of its own.

use super::play::Played;
use super::stage::StageError;
use super::syntax::Spec;
use super::theatre::Theatre;
use super::understood::doubt;
use crate::check::coverage::{Chosen, Connections, Surveyor};
use crate::explore::{ByClasses, ByPreemptions};
use crate::history::{History, Statement};
use crate::isolation::Isolation;
use crate::schedule::{Schedule, SessionId};

/// Which interleavings are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Courses {
    /// Every one that can happen.
    #[default]
    All,
    /// One of each class.
    OneOfEachClass,
}

/// What was learnt of the classes of a spec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// Classes that were run.
    pub run: usize,
    /// How many interleavings they stand for, where that can be counted.
    pub interleavings: Option<u128>,
    /// Why each interleaving counts as a class of its own, where it does.
    pub doubt: Option<String>,
}

/// An exploration that is under way.
pub(super) enum Explorer {
    All { by: ByPreemptions, classes: Option<Classes> },
    Classes(Box<OfClasses>),
}

/// An exploration by classes.
pub(super) struct OfClasses {
    by: ByClasses,
    surveyor: Surveyor,
    isolation: Isolation,
    /// The setup of each session: the beginning of a transaction, or nothing.
    setups: Vec<Option<String>>,
}

impl Explorer {
    /// The exploration of `spec` that is asked for. Of classes, the catalogue is read once the spec has been set up.
    pub(super) async fn new(
        courses: Courses,
        spec: &Spec,
        theatre: &mut Theatre<'_>,
    ) -> Result<Self, StageError> {
        let doubted = |why: Option<String>| Self::All {
            by: ByPreemptions::new(),
            classes: why.map(|why| Classes { doubt: Some(why), ..Classes::default() }),
        };
        if courses == Courses::All {
            return Ok(doubted(None));
        }
        if let Some(why) = doubt(spec) {
            return Ok(doubted(Some(why)));
        }
        let Some((catalogue, isolation)) = theatre.catalogue().await? else {
            return Ok(doubted(Some("the spec could not be set up".to_owned())));
        };
        let mut surveyor = Surveyor::new(catalogue, Connections::One);
        let steps = spec.sessions.iter().flat_map(|session| &session.steps);
        if let Some(step) = steps.into_iter().find(|step| !surveyor.understands(&step.sql)) {
            return Ok(doubted(Some(format!("step {}: what it calls or names may do anything", step.name))));
        }
        Ok(Self::Classes(Box::new(OfClasses {
            by: ByClasses::new(),
            surveyor,
            isolation,
            setups: spec.sessions.iter().map(|session| session.setup.clone()).collect(),
        })))
    }

    /// The beginning of an interleaving that is still to be run.
    pub(super) fn next(&mut self) -> Option<Schedule> {
        match self {
            Self::All { by, .. } => by.next(),
            Self::Classes(of) => of.by.next(),
        }
    }

    /// Takes the run that followed `beginning`.
    pub(super) fn observe(&mut self, beginning: &Schedule, played: &Played) {
        match self {
            Self::All { by, classes } => {
                by.observe(beginning, &played.trace);
                if let Some(classes) = classes {
                    classes.run += 1;
                }
            }
            Self::Classes(of) => of.observe(played),
        }
    }

    /// How many runs took another course than was foreseen.
    pub(super) fn departed(&self) -> usize {
        match self {
            Self::All { by, .. } => by.departed(),
            Self::Classes(of) => of.by.departed(),
        }
    }

    /// Whether nothing can have been missed, once nothing more is to be run.
    pub(super) fn is_certain(&self) -> bool {
        match self {
            Self::All { .. } => true,
            Self::Classes(of) => of.by.is_certain(),
        }
    }

    /// What there is to say of classes, where they were asked for.
    pub(super) fn classes(&self) -> Option<Classes> {
        match self {
            Self::All { classes, .. } => {
                classes.clone().map(|classes| Classes { interleavings: Some(classes.run as u128), ..classes })
            }
            Self::Classes(of) => {
                Some(Classes { run: of.by.classes(), interleavings: of.by.schedules(), doubt: None })
            }
        }
    }
}

impl OfClasses {
    fn observe(&mut self, played: &Played) {
        let history = self.with_setups(&played.history);
        let survey = self.surveyor.survey(&history, self.isolation, Chosen::Systematically);
        self.by.observe(&played.trace, &survey.dependencies);
    }

    /// The history with each session's setup at the start of its first step: so its transactions begin as they did.
    fn with_setups(&self, history: &History) -> History {
        let mut history = history.clone();
        for (session, setup) in SessionId::first(self.setups.len()).zip(&self.setups) {
            let Some(sql) = setup else { continue };
            let first = history.steps.iter_mut().find(|step| step.session == session);
            if let Some(crate::history::Action::Run { statements, .. }) = first.map(|step| &mut step.action) {
                let begin = Statement { sql: sql.clone(), tag: Some("BEGIN".into()), ..Statement::default() };
                statements.insert(0, begin);
            }
        }
        history
    }
}
