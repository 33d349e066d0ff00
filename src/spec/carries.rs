//! What a spec may leave behind, told from its text: in a connection, and from one permutation to the next. Where the text does
//! not tell for certain, it counts as left. Nothing here talks to a database.

mod text;
mod words;

use self::text::Text;
use self::words::{
    COUNTED, Executed, HARMLESS, LOCKING, OF_CLUSTERS, OF_TABLES, alters_tables, begins_with,
    changes_database, followed_by, functions_are_known, has_blocks, inside_block, keeps_in_session, marks,
    only_drops, sets, sets_inside,
};
use super::gids;
use super::syntax::{Spec, SpecSession};
use crate::weave::names_what_frees;

/// A spec, what its file is called, and what its text tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script<'a> {
    pub(super) spec: &'a Spec,
    pub(super) name: &'a str,
    pub(super) carries: Carries,
}

impl<'a> Script<'a> {
    /// Reads the text of `spec`.
    pub(super) fn read(spec: &'a Spec, name: &'a str) -> Self {
        Self { spec, name, carries: Carries::of(spec) }
    }
}

/// What the text of a spec tells of what it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carries {
    /// In a connection whose transaction has ended.
    pub(super) left: Left,
    /// In its database.
    pub(super) makes: Makes,
    /// Whether no permutation can leave anything to the next, as long as each transaction ends, each advisory lock is given
    /// back, and setup and teardown leave nothing: then it is the same whether one was played before another or not.
    pub(super) keeps_apart: bool,
    /// Whether a step changes tables themselves. Teardown takes away what becomes of them, but for what the step has taken
    /// from its reach.
    pub(super) changes_tables: bool,
    /// Whether a permutation may leave an advisory lock.
    pub(super) advisory_locks: bool,
    /// Whether transactions are prepared. Their names are the cluster's.
    pub(super) prepares: bool,
    /// Whether putting the rows back comes to the same as tearing down and setting up again, as far as the text tells.
    pub(super) may_stand: bool,
    /// Whether functions that the spec makes may release a lock before their transaction ends, or end another's wait.
    pub(super) unlocks: bool,
}

/// What a spec may leave in a connection whose transaction has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Left {
    /// It is as it was.
    #[default]
    Nothing,
    /// What DISCARD ALL takes away.
    Something,
    /// A library that was loaded, or the name of a setting that nobody had heard of before: those stay.
    Marks,
}

/// What a spec can make in its database, and so leave there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Makes {
    /// Tables, indexes and the like, and what goes with them.
    #[default]
    Relations,
    /// Whatever there is.
    Anything,
}

impl Carries {
    /// Reads the text of `spec`.
    pub(super) fn of(spec: &Spec) -> Self {
        let capitals = Capitals::of(spec);
        let texts = Texts::of(&capitals);
        let keeps_apart = texts.keep_permutations_apart();
        let advisory_locks = texts.name(|word| begins_with(word, LOCKING));
        let changes = |statement: &[&str]| changes_database(statement) && !sets(statement);
        let changes_tables = texts.steps.iter().flat_map(Text::statements).any(changes);
        let teardown_drops =
            spec.teardown.is_some() && texts.around.last().is_some_and(|teardown| only_drops(teardown));
        let may_stand = !spec.setup.is_empty() && teardown_drops && texts.tell_of_rows_only();
        Self {
            left: texts.left_in_connections(keeps_apart, advisory_locks),
            makes: texts.make(),
            keeps_apart,
            changes_tables,
            advisory_locks,
            prepares: texts.prepare_transactions(),
            may_stand,
            unlocks: texts.all().any(|text| {
                !functions_are_known(text) || text.bodies.iter().any(|body| names_what_frees(body.sql))
            }),
        }
    }
}

/// The tables that the teardown of `spec` drops, where it does nothing else, and their names are plain and mean what they mean
/// to everyone.
pub(super) fn dropped_tables(spec: &Spec) -> Option<Vec<String>> {
    let teardown = spec.teardown.as_ref().filter(|teardown| !teardown.contains('"'))?;
    let may_set = |setup: &String| setup.to_uppercase().contains("SET");
    if spec.setup.iter().any(may_set) {
        return None;
    }
    let capitals = teardown.to_uppercase();
    let text = Text::of(&capitals);
    let mut dropped = Vec::new();
    for statement in text.statements().filter(|statement| !statement.is_empty()) {
        let names = statement.strip_prefix(&["DROP", "TABLE"])?;
        let names = names.strip_prefix(&["IF", "EXISTS"]).unwrap_or(names);
        let names = names.strip_suffix(&["CASCADE"]).unwrap_or(names);
        // Names without quotes are in small letters for the server.
        dropped.extend(names.iter().map(|name| name.to_lowercase()));
    }
    Some(dropped)
}

/// The texts of a spec in capitals.
struct Capitals {
    /// Setup and teardown.
    around: Vec<String>,
    /// Setups and teardowns of the sessions.
    sessions: Vec<String>,
    steps: Vec<String>,
    /// Whether what each step sets is undone with its transaction.
    undone: Vec<bool>,
}

impl Capitals {
    fn of(spec: &Spec) -> Self {
        let steps = spec.sessions.iter().flat_map(|session| &session.steps).map(|step| &step.sql);
        let undone =
            spec.sessions.iter().flat_map(|session| session.steps.iter().map(|_| rolls_back(session)));
        let sessions = spec.sessions.iter().flat_map(|session| session.setup.iter().chain(&session.teardown));
        let capitals = |text: &String| text.to_uppercase();
        Self {
            around: spec.setup.iter().chain(&spec.teardown).map(capitals).collect(),
            sessions: sessions.map(capitals).collect(),
            steps: steps.map(capitals).collect(),
            undone: undone.collect(),
        }
    }
}

/// Whether all that a session does is one transaction, which its setup begins and its teardown rolls back.
fn rolls_back(session: &SpecSession) -> bool {
    const ENDING: &[&str] = &["ABORT", "CHAIN", "COMMIT", "END", "PREPARE", "ROLLBACK"];
    let words = |sql: &String, has: fn(&Text<'_>) -> bool| has(&Text::of(&sql.to_uppercase()));
    let begins = |text: &Text<'_>| {
        matches!(text.words().first(), Some(&("BEGIN" | "START")))
            && !text.words().iter().any(|word| ENDING.contains(word))
    };
    let aborts = |text: &Text<'_>| matches!(text.words(), ["ABORT" | "ROLLBACK"]);
    let ends = |text: &Text<'_>| text.words().iter().any(|word| ENDING.contains(word));
    session.setup.as_ref().is_some_and(|sql| words(sql, begins))
        && session.teardown.as_ref().is_some_and(|sql| words(sql, aborts))
        && !session.steps.iter().any(|step| words(&step.sql, ends))
}

/// The texts of a spec.
struct Texts<'a> {
    around: Vec<Text<'a>>,
    sessions: Vec<Text<'a>>,
    steps: Vec<Text<'a>>,
    /// Whether what each step sets is undone with its transaction.
    undone: &'a [bool],
}

impl<'a> Texts<'a> {
    fn of(capitals: &'a Capitals) -> Self {
        let read = |texts: &'a Vec<String>| texts.iter().map(|text| Text::of(text)).collect();
        Self {
            around: read(&capitals.around),
            sessions: read(&capitals.sessions),
            steps: read(&capitals.steps),
            undone: &capitals.undone,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Text<'a>> {
        self.around.iter().chain(&self.sessions).chain(&self.steps)
    }

    /// Whether one of them has such a word.
    fn name(&self, is_such: impl Fn(&str) -> bool) -> bool {
        self.all().any(|text| text.words().iter().any(|word| is_such(word)))
    }

    fn left_in_connections(&self, keeps_apart: bool, advisory_locks: bool) -> Left {
        let draws = |word: &str| {
            matches!(word, "NEXTVAL" | "SETVAL" | "IDENTITY")
                || word.trim_end_matches(char::is_numeric).ends_with("SERIAL")
        };
        if self.all().any(|text| marks(text.words())) {
            Left::Marks
        } else if !keeps_apart
            || self.prepare_statements()
            || advisory_locks
            || self.name(draws)
            || self.all().flat_map(Text::statements).any(sets)
            || self.all().any(|text| has_blocks(text.words()))
        {
            Left::Something
        } else {
            Left::Nothing
        }
    }

    fn make(&self) -> Makes {
        let is_of_relations =
            |statement: &[&str]| !changes_database(statement) || alters_tables(statement) || sets(statement);
        let only_relations = self.keep_nothing_in_sessions()
            && !self.prepare_transactions()
            && self.all().flat_map(Text::statements).all(is_of_relations);
        if only_relations { Makes::Relations } else { Makes::Anything }
    }

    fn keep_permutations_apart(&self) -> bool {
        let keeps = |(text, undone): (&Text<'_>, &bool)| {
            let keeps = |statement: &[&str]| {
                let done = inside_block(statement);
                !changes_database(done) || alters_tables(done) || (*undone && sets(done))
            };
            text.statements().all(keeps) && !(has_blocks(text.words()) && sets_inside(text.words()))
        };
        self.keep_in_sessions_only(COUNTED)
            && (!self.prepare_transactions() || self.name_prepared_plainly())
            && !self.name(|word| OF_CLUSTERS.contains(&word))
            && self.steps.iter().zip(self.undone).all(keeps)
    }

    /// Whether no step nor setup can leave anything in its session.
    fn keep_nothing_in_sessions(&self) -> bool {
        self.keep_in_sessions_only(&[])
    }

    /// Whether sessions and their steps can leave nothing in a session but what these words leave.
    fn keep_in_sessions_only(&self, words: &[&str]) -> bool {
        let keeps = |text: &Text<'_>, executed, words| {
            keeps_in_session(text.words(), executed, words) || !functions_are_known(text)
        };
        !self.around.iter().any(|text| keeps(text, Executed::ByBlocks, &[]))
            && !self.sessions.iter().chain(&self.steps).any(|text| keeps(text, Executed::ByName, words))
    }

    /// Whether statements are prepared.
    fn prepare_statements(&self) -> bool {
        self.sessions
            .iter()
            .chain(&self.steps)
            .any(|text| keeps_in_session(text.words(), Executed::ByName, &[]))
    }

    /// Whether a step prepares a transaction to be committed later, by whomever.
    fn prepare_transactions(&self) -> bool {
        self.all().any(|text| {
            let words = text.words();
            (0..words.len()).any(|at| words[at] == "PREPARE" && followed_by(words, at, &["TRANSACTION"]))
        })
    }

    /// Whether each room can have its own prepared transactions, of which the other rooms hear nothing.
    fn name_prepared_plainly(&self) -> bool {
        !self.name(|word| word.contains("PG_PREPARED")) && self.all().all(|text| gids::are_plain(text.sql))
    }

    /// Whether rows, prepared transactions, and settings of sessions are all that steps can leave, and rows all that can be seen.
    fn tell_of_rows_only(&self) -> bool {
        // A setting stays in its session, whether what that finds is new or not.
        let changes = |statement: &[&str]| changes_database(statement) && !sets(statement);
        let tells = |word: &str| {
            OF_TABLES.contains(&word)
                || word.contains("PG_") && !begins_with(word, HARMLESS)
                || word.starts_with("INFORMATION_SCHEMA")
        };
        self.keep_nothing_in_sessions()
            && !self.name(tells)
            && !self.sessions.iter().chain(&self.steps).flat_map(Text::statements).any(changes)
    }
}

#[cfg(test)]
mod tests;
