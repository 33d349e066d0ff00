//! What a spec may leave behind, told from its text: in a connection, and from one permutation to the next. Where the text does
//! not tell for certain, it counts as left. Nothing here talks to a database.

mod text;

use self::text::Text;
use super::syntax::Spec;
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
        let changes_tables = texts.steps.iter().flat_map(Text::statements).any(changes_database);
        let stands_for_rows = !spec.setup.is_empty() && spec.teardown.is_some();
        Self {
            left: texts.left_in_connections(keeps_apart, advisory_locks),
            makes: texts.make(),
            keeps_apart,
            changes_tables,
            advisory_locks,
            may_stand: stands_for_rows && !changes_tables && texts.tell_of_rows_only(),
            unlocks: texts.all().any(|text| {
                !functions_are_known(text) || text.bodies.iter().any(|body| names_what_frees(body.sql))
            }),
        }
    }
}

/// The texts of a spec in capitals.
struct Capitals {
    /// Setup and teardown.
    around: Vec<String>,
    /// Setups and teardowns of the sessions.
    sessions: Vec<String>,
    steps: Vec<String>,
}

impl Capitals {
    fn of(spec: &Spec) -> Self {
        let steps = spec.sessions.iter().flat_map(|session| &session.steps).map(|step| &step.sql);
        let sessions = spec.sessions.iter().flat_map(|session| session.setup.iter().chain(&session.teardown));
        let capitals = |text: &String| text.to_uppercase();
        Self {
            around: spec.setup.iter().chain(&spec.teardown).map(capitals).collect(),
            sessions: sessions.map(capitals).collect(),
            steps: steps.map(capitals).collect(),
        }
    }
}

/// The texts of a spec.
struct Texts<'a> {
    around: Vec<Text<'a>>,
    sessions: Vec<Text<'a>>,
    steps: Vec<Text<'a>>,
}

impl<'a> Texts<'a> {
    fn of(capitals: &'a Capitals) -> Self {
        let read = |texts: &'a Vec<String>| texts.iter().map(|text| Text::of(text)).collect();
        Self {
            around: read(&capitals.around),
            sessions: read(&capitals.sessions),
            steps: read(&capitals.steps),
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
        let keeps = |statement: &[&str]| !changes_database(statement) || alters_tables(statement);
        // The names of prepared transactions are the cluster's.
        self.keep_nothing_in_sessions()
            && !self.prepare_transactions()
            && !self.name(|word| OF_CLUSTERS.contains(&word))
            && self.steps.iter().flat_map(Text::statements).all(keeps)
    }

    /// Whether no step nor setup can leave anything in its session.
    fn keep_nothing_in_sessions(&self) -> bool {
        self.around
            .iter()
            .all(|text| !keeps_in_session(text.words(), Executed::ByBlocks) && functions_are_known(text))
            && self
                .sessions
                .iter()
                .chain(&self.steps)
                .all(|text| !keeps_in_session(text.words(), Executed::ByName) && functions_are_known(text))
    }

    /// Whether a step prepares a transaction to be committed later, by whomever.
    fn prepare_transactions(&self) -> bool {
        self.all().any(|text| {
            let words = text.words();
            (0..words.len()).any(|at| words[at] == "PREPARE" && followed_by(words, at, &["TRANSACTION"]))
        })
    }

    /// Whether rows, and prepared transactions, are all that steps can leave and all that can be seen.
    fn tell_of_rows_only(&self) -> bool {
        let tells = |word: &str| {
            OF_TABLES.contains(&word)
                || word.contains("PG_") && !begins_with(word, HARMLESS)
                || word.starts_with("INFORMATION_SCHEMA")
        };
        self.keep_nothing_in_sessions()
            && !self.name(tells)
            && !self.sessions.iter().flat_map(Text::statements).any(changes_database)
    }
}

/// What lives in a session and outlasts a permutation, whoever says it.
const IN_SESSIONS: &[&str] = &[
    "CURRVAL",
    "DEALLOCATE",
    "DISCARD",
    "EXECUTE",
    "HOLD",
    "LASTVAL",
    "LISTEN",
    "LOAD",
    "PREPARE",
    "RESET",
    "SET_CONFIG",
    "TEMP",
    "TEMPORARY",
    "UNLISTEN",
];

/// What outlasts a permutation in a database; setup and teardown do it each time, and what a step does, only some do.
const IN_DATABASES: &[&str] = &[
    "ALTER", "ANALYZE", "CALL", "CLUSTER", "COMMENT", "CREATE", "DO", "DROP", "GRANT", "IMPORT", "REINDEX",
    "REVOKE", "SECURITY", "VACUUM",
];

/// Beginnings of functions of the server that keep something, or tell of what is not the permutation's.
const KEEPING: &[&str] =
    &["DBLINK", "LO_", "PG_CREATE", "PG_IMPORT", "PG_LOGICAL", "PG_REPLICATION", "PG_STAT", "TXID_"];

/// Beginnings of functions that take a lock for as long as its session lives. Whether it is still held can be asked.
const LOCKING: &[&str] = &["PG_ADVISORY_LOCK", "PG_TRY_ADVISORY_LOCK"];

/// What all databases have in common.
const OF_CLUSTERS: &[&str] = &["DATABASE", "ROLE", "SUBSCRIPTION", "SYSTEM", "TABLESPACE", "USER"];

/// What shows that tables are not new, or is not brought back with their rows.
const OF_TABLES: &[&str] = &[
    "ANALYZE", "CACHE", "CLUSTER", "CMAX", "CMIN", "CTID", "EXPLAIN", "OID", "TABLEOID", "TEMP", "VACUUM",
    "XMAX", "XMIN",
];

/// Functions of the server that tell nothing of tables.
const HARMLESS: &[&str] = &["PG_ADVISORY", "PG_BACKEND_PID", "PG_NOTIFY", "PG_SLEEP", "PG_TRY_ADVISORY"];

/// Whether what a statement changes is a table, an index or the like, so that it can be seen whether it is still there.
fn alters_tables(words: &[&str]) -> bool {
    const SEEN: &[&str] = &["INDEX", "MATERIALIZED", "SEQUENCE", "TABLE", "TRIGGER", "UNIQUE", "VIEW"];
    match words.first() {
        Some(&("ALTER" | "CREATE" | "DROP")) => followed_by(words, 0, SEEN),
        Some(&"REINDEX") => followed_by(words, 0, &["INDEX", "TABLE", "SCHEMA"]),
        Some(&("ANALYZE" | "CLUSTER" | "VACUUM")) => true,
        Some(&("GRANT" | "REVOKE")) => is_on_table(words),
        _ => false,
    }
}

/// Whether a right is one on a table of the spec's own.
fn is_on_table(words: &[&str]) -> bool {
    const OTHERS: &[&str] = &[
        "ALL",
        "DATABASE",
        "DOMAIN",
        "FOREIGN",
        "FUNCTION",
        "LANGUAGE",
        "LARGE",
        "PARAMETER",
        "PROCEDURE",
        "ROUTINE",
        "SCHEMA",
        "TABLESPACE",
        "TYPE",
    ];
    let on = words.iter().position(|word| *word == "ON");
    let whose = on.and_then(|on| words.get(on + 1));
    whose.is_some_and(|whose| !OTHERS.contains(whose)) && !words.iter().any(|word| word.contains("PG_"))
}

/// Who runs what EXECUTE names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Executed {
    /// The session: a statement that it has prepared.
    ByName,
    /// Or a block of code that is no function, whose text is made as it runs.
    ByBlocks,
}

fn keeps_in_session(words: &[&str], executed: Executed) -> bool {
    let by_blocks = executed == Executed::ByBlocks && has_blocks(words);
    (0..words.len()).any(|at| {
        // What a trigger executes is a function, and no statement that was prepared.
        let of_a_trigger = words[at] == "EXECUTE" && followed_by(words, at, &["FUNCTION", "PROCEDURE"]);
        let of_a_block = words[at] == "EXECUTE" && by_blocks;
        let of_two_phases = words[at] == "PREPARE" && followed_by(words, at, &["TRANSACTION"]);
        (IN_SESSIONS.contains(&words[at]) && !of_a_trigger && !of_a_block && !of_two_phases)
            || begins_with(words[at], KEEPING)
    })
}

fn has_blocks(words: &[&str]) -> bool {
    (0..words.len()).any(|at| is_block(words, at))
}

/// Whether a block of code begins there: not ON CONFLICT DO, nor THEN DO.
fn is_block(words: &[&str], at: usize) -> bool {
    words[at] == "DO" && !followed_by(words, at, &["NOTHING", "UPDATE"])
}

/// Whether a statement changes more than rows.
fn changes_database(words: &[&str]) -> bool {
    sets(words)
        || (0..words.len()).any(|at| match words[at] {
            "DO" => is_block(words, at),
            // SELECT INTO makes a table.
            "INTO" => at == 0 || !matches!(words[at - 1], "INSERT" | "MERGE"),
            word => IN_DATABASES.contains(&word),
        })
}

/// Whether it can be read what the functions do that a text makes, and it is what a step may do.
fn functions_are_known(text: &Text<'_>) -> bool {
    let words = text.words();
    let languages: Vec<_> = (0..words.len()).filter(|at| words[*at] == "LANGUAGE").collect();
    let makes = (1..words.len()).filter(|at| {
        matches!(words[*at], "FUNCTION" | "PROCEDURE" | "ROUTINE")
            && matches!(words[at - 1], "CREATE" | "REPLACE")
    });
    let made = makes.count();
    if made == 0 && languages.is_empty() {
        return true;
    }
    made == languages.len()
        && made == text.bodies.len()
        && languages.into_iter().all(|at| followed_by(words, at, &["SQL", "PLPGSQL"]))
        && !text.bodies.iter().any(|body| {
            let words = body.text.words();
            let changes = |word: &&str| *word == "EXECUTE" || *word != "DO" && IN_DATABASES.contains(word);
            let sets_at_once = (0..words.len()).any(|at| {
                matches!(words[at], "BEGIN" | "THEN" | "ELSE" | "LOOP") && followed_by(words, at, &["SET"])
            });
            body.text.statements().any(sets) || sets_at_once || words.iter().any(changes)
        })
}

fn marks(words: &[&str]) -> bool {
    let sets_name = |at: usize| {
        let name = words[at + 1..].iter().find(|word| !matches!(**word, "LOCAL" | "SESSION"));
        words[at] == "SET" && name.is_some_and(|name| name.contains('.'))
    };
    words.iter().any(|word| matches!(*word, "LOAD" | "SET_CONFIG")) || (0..words.len()).any(sets_name)
}

/// Whether a statement changes a setting for longer than its transaction.
fn sets(words: &[&str]) -> bool {
    words.first() == Some(&"SET") && !matches!(words.get(1), Some(&("LOCAL" | "TRANSACTION" | "CONSTRAINTS")))
}

fn followed_by(words: &[&str], at: usize, wanted: &[&str]) -> bool {
    words.get(at + 1).is_some_and(|next| wanted.contains(next))
}

fn begins_with(word: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| word.starts_with(beginning))
}

#[cfg(test)]
mod tests;
