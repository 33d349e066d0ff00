//! What a spec says, as data. Made by `parse`, run by `run`; nothing here talks to a server.

/// A spec: what to set up, which sessions there are, in which orders their steps go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// SQL that the control connection runs before each permutation, one text after another.
    pub setup: Vec<String>,
    /// SQL that the control connection runs after each permutation.
    pub teardown: Option<String>,
    /// The sessions, in their order. There is at least one.
    pub sessions: Vec<SpecSession>,
    /// The orders that are listed. Without any, all interleavings are meant.
    pub permutations: Vec<Permutation>,
}

/// One session of a spec: a connection that lives as long as the spec runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecSession {
    /// Its name.
    pub name: String,
    /// SQL that it runs before each permutation.
    pub setup: Option<String>,
    /// Its steps. There is at least one.
    pub steps: Vec<SpecStep>,
    /// SQL that it runs after each permutation.
    pub teardown: Option<String>,
}

/// One step of a session: one simple Query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecStep {
    /// Its name, which no other step of the spec has.
    pub name: String,
    /// Its text, exactly as it stands between the braces, save blanks next to them.
    pub sql: String,
}

/// One order of steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permutation(pub Vec<Turn>);

/// One step in one permutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Which step.
    pub step: StepRef,
    /// What holds up its report.
    pub markers: Vec<Marker>,
}

/// Which step of which session, both counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepRef {
    /// Position of the session in the spec.
    pub session: usize,
    /// Position of the step in its session.
    pub step: usize,
}

/// What holds up the report of a step, beside locks. A step's report is all that a spec's output shows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// `*`: it is reported as waiting at once, and as complete not before the next step has been launched.
    Once,
    /// Another step's name: not complete while that step is.
    WhileActive(StepRef),
    /// A step's name and a number: not complete before that step's session has sent so many notices.
    Notices {
        /// The step whose session counts.
        of: StepRef,
        /// How many notices, counted from the launch of the step that is marked.
        count: u64,
    },
}

impl Spec {
    /// The text of a step and its name.
    pub fn step(&self, step: StepRef) -> &SpecStep {
        &self.sessions[step.session].steps[step.step]
    }

    /// Every step, by session.
    pub fn steps(&self) -> impl Iterator<Item = StepRef> {
        self.sessions
            .iter()
            .enumerate()
            .flat_map(|(session, of)| (0..of.steps.len()).map(move |step| StepRef { session, step }))
    }

    /// Names of the steps that are in no permutation, sorted. A spec that lists none uses all.
    pub fn unused_steps(&self) -> Vec<&str> {
        if self.permutations.is_empty() {
            return Vec::new();
        }
        let used =
            |step: &StepRef| self.permutations.iter().any(|p| p.0.iter().any(|turn| turn.step == *step));
        let mut unused: Vec<_> =
            self.steps().filter(|step| !used(step)).map(|step| self.step(step).name.as_str()).collect();
        unused.sort_unstable();
        unused
    }

    /// The orders to run: those that are listed, or else every interleaving.
    pub fn orders(&self) -> Orders<'_> {
        if self.permutations.is_empty() {
            Orders::All(super::interleave::Interleavings::of(self))
        } else {
            Orders::Listed(self.permutations.iter())
        }
    }
}

/// The permutations that a spec asks for, one after another.
#[derive(Clone, Debug)]
pub enum Orders<'a> {
    /// As listed.
    Listed(std::slice::Iter<'a, Permutation>),
    /// Every interleaving, made as it is asked for.
    All(super::interleave::Interleavings),
}

impl Iterator for Orders<'_> {
    type Item = Permutation;

    fn next(&mut self) -> Option<Permutation> {
        match self {
            Self::Listed(listed) => listed.next().cloned(),
            Self::All(all) => all.next(),
        }
    }
}
