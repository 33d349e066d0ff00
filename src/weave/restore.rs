//! Brings back the first state between two cases: tables that the last one may have changed are emptied and filled again
//! from the rows that were copied aside. The others are left as they lie; that they still hold what they held is looked
//! at when the state is read. Where nothing else is to be asked of the last state, one message reads it and brings back
//! the first.
//!
//! Nothing here knows what a statement changes; that is judged in `check`.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};

use super::observer::Rights;
use super::wear::Wear;
use crate::check::catalogue::{TABLES, Tables};

/// Where the rows of the first state are kept.
pub(super) const SEED_SCHEMA: &str = "pgweave_seed";

/// What it takes to put one table back.
#[derive(Debug)]
pub(super) struct Kept {
    /// Its bit in the catalogue.
    pub(super) bit: Tables,
    /// Its name, quoted, with its schema.
    pub(super) qualified: String,
    /// The partitioned table that it is a part of, if it is one.
    pub(super) root: Option<String>,
    /// Its columns, quoted, but for those that are computed.
    pub(super) columns: String,
    /// It and the tables that refer to it: only together can they be truncated.
    pub(super) with_children: Tables,
    /// Whether it has rules or triggers that always fire.
    pub(super) reacts: bool,
    /// An expression for the values of a row.
    pub(super) datums: String,
    /// How many rows the schema made.
    pub(super) rows: usize,
    pub(super) wear: Wear,
}

/// The tables of a lane, and what has become of them since they were put back.
#[derive(Debug, Default)]
pub(super) struct Restore {
    /// Parents before their children.
    kept: Vec<Kept>,
    /// Those that may hold other rows than at first.
    changed: Tables,
    /// Whether what lay in them before they were first put back still does.
    is_new: bool,
    /// Whether the first state is there, and nothing has been noted since.
    is_back: bool,
    /// Whether one table can be put back without the others: foreign keys must not be in the way.
    one_by_one: bool,
    /// Whether one statement can read the rows and bring back the first: nothing may react to what it does.
    at_once: bool,
    /// What sets the sequences, each an expression.
    sequences: Vec<String>,
    /// The statements that read all rows and put these tables back.
    both: BTreeMap<Tables, String>,
}

impl Restore {
    /// Copies the rows of the tables aside, which come parents first. `sequences` set every sequence to where it stands now.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(super) async fn prepare(
        connection: &mut PgConnection,
        kept: Vec<Kept>,
        sequences: Vec<String>,
        rights: Rights,
    ) -> Result<Self, sqlx::Error> {
        let prepare = copy_aside(&kept) + &function(&kept, &sequences);
        sqlx::raw_sql(AssertSqlSafe(prepare)).execute(connection).await?;
        let one_by_one = rights == Rights::Superuser;
        let at_once = one_by_one && !kept.is_empty() && !kept.iter().any(|kept| kept.reacts);
        Ok(Self {
            kept,
            changed: TABLES,
            is_new: true,
            is_back: false,
            one_by_one,
            at_once,
            sequences,
            both: BTreeMap::new(),
        })
    }

    /// Brings back the first state.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(super) async fn bring_back(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.is_back {
            return Ok(());
        }
        let emptied = self.truncate(connection).await?;
        let put = self.to_put(emptied);
        sqlx::query("SELECT pgweave_seed.reset($1)").bind(put.cast_signed()).execute(connection).await?;
        self.is_put(put);
        Ok(())
    }

    /// Reads the rows of all tables, and brings back the first state.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(super) async fn read_and_bring_back(
        &mut self,
        connection: &mut PgConnection,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let put = self.to_put(0);
        let both = self.both.entry(put).or_insert_with(|| read_and_put(&self.kept, put, &self.sequences));
        let rows = sqlx::query(AssertSqlSafe(both.as_str())).fetch_all(connection).await?;
        self.is_put(put);
        Ok(rows)
    }

    /// Whether a statement can read the rows and bring back the first state.
    pub(super) fn can_be_read_and_brought_back(&self) -> bool {
        self.at_once && !self.kept.iter().any(|kept| self.needs_file(kept))
    }

    fn needs_file(&self, kept: &Kept) -> bool {
        kept.bit & self.changed != 0 && (self.is_new || kept.wear.is_worn(kept.rows))
    }

    /// The tables that are to be put back, where these have been emptied.
    fn to_put(&self, emptied: Tables) -> Tables {
        match self.one_by_one || self.changed == 0 {
            true => self.changed | emptied,
            false => TABLES,
        }
    }

    fn is_put(&mut self, put: Tables) {
        self.kept.iter_mut().filter(|kept| kept.bit & put != 0).for_each(|kept| kept.wear.filled(kept.rows));
        (self.changed, self.is_new, self.is_back) = (0, false, true);
    }

    /// Gives new files to the tables that need them, and says which these are.
    async fn truncate(&mut self, connection: &mut PgConnection) -> Result<Tables, sqlx::Error> {
        let needing = self.kept.iter().filter(|kept| self.needs_file(kept));
        let emptied = together(&self.kept, needing.fold(0, |all, kept| all | kept.bit));
        let mut names = BTreeSet::new();
        for kept in self.kept.iter_mut().filter(|kept| kept.bit & emptied != 0) {
            kept.wear.renewed();
            // What refers to a table can be the partitioned table itself, and that has no rows of its own.
            names.insert(kept.root.clone().unwrap_or_else(|| format!("ONLY {}", kept.qualified)));
        }
        if !names.is_empty() {
            let truncate = format!("TRUNCATE {}", Vec::from_iter(names).join(", "));
            sqlx::raw_sql(AssertSqlSafe(truncate)).execute(connection).await?;
        }
        Ok(emptied)
    }

    /// Notes that `tables` may have been changed, and that so many row versions came to lie in them; none where that is not
    /// known.
    pub(super) fn note(&mut self, tables: Tables, versions: Option<usize>) {
        self.changed |= tables;
        self.is_back = false;
        for kept in self.kept.iter_mut().filter(|kept| kept.bit & tables != 0) {
            match versions {
                Some(versions) => kept.wear.wrote(versions),
                None => kept.wear.wrote_unseen(),
            }
        }
    }

    /// The tables that may hold other rows than at first.
    pub(super) fn changed(&self) -> Tables {
        self.changed
    }
}

/// `tables`, and those that can only be truncated with them: that refer to them, or are parts of one table with them.
fn together(kept: &[Kept], tables: Tables) -> Tables {
    let among = |all: Tables| kept.iter().filter(move |kept| kept.bit & all != 0);
    let mut all = tables;
    loop {
        let is_part = |other: &&Kept| other.root.is_some() && among(all).any(|kept| kept.root == other.root);
        let parts = kept.iter().filter(is_part).fold(0, |parts, part| parts | part.bit);
        let more = among(all).fold(all | parts, |more, kept| more | kept.with_children);
        if more == all {
            return all;
        }
        all = more;
    }
}

fn copy_aside(tables: &[Kept]) -> String {
    let copy = |(index, kept): (usize, &Kept)| {
        format!("CREATE TABLE {SEED_SCHEMA}.t{index} AS TABLE ONLY {};", kept.qualified)
    };
    format!("CREATE SCHEMA {SEED_SCHEMA};") + &tables.iter().enumerate().map(copy).collect::<String>()
}

/// A function that empties the tables that it is given, one bit each, fills them again and sets the sequences: in one round
/// trip, and its statements are planned once.
fn function(tables: &[Kept], sequences: &[String]) -> String {
    /// A column may be called like one of our variables.
    const NAMES: &str = "\n#variable_conflict use_column\n";
    let each =
        |kept: &Kept, statement: String| format!("IF put & {} <> 0 THEN {statement}; END IF;", kept.bit);
    let empty = |kept: &Kept| each(kept, empty(kept));
    let fill = |(index, kept): (usize, &Kept)| each(kept, fill(index, kept));
    let (empty, fill): (String, String) =
        (tables.iter().rev().map(empty).collect(), tables.iter().enumerate().map(fill).collect());
    let set: String = sequences.iter().map(|set| format!("PERFORM {set};")).collect();
    format!(
        "CREATE FUNCTION {SEED_SCHEMA}.reset(put int8) RETURNS void LANGUAGE plpgsql AS
         $pgweave_reset$ {NAMES} BEGIN {empty} {fill} {set} END $pgweave_reset$;"
    )
}

fn empty(kept: &Kept) -> String {
    format!("DELETE FROM ONLY {}", kept.qualified)
}

fn fill(index: usize, Kept { qualified, columns, .. }: &Kept) -> String {
    // A table may be without any.
    let into = if columns.is_empty() { String::new() } else { format!("({columns})") };
    format!(
        "INSERT INTO {qualified} {into} OVERRIDING SYSTEM VALUE SELECT {columns} FROM {SEED_SCHEMA}.t{index}"
    )
}

/// A statement for the number and the values of every row, which empties the tables of `put`, fills them again and sets the
/// sequences. What empties a table tells what lay there. What fills it is asked for nothing, and so it runs when all has been
/// read.
fn read_and_put(tables: &[Kept], put: Tables, sequences: &[String]) -> String {
    let (mut changes, mut reads) = (Vec::new(), Vec::new());
    for (index, kept) in tables.iter().enumerate() {
        let from = if kept.bit & put == 0 {
            format!("ONLY {}", kept.qualified)
        } else {
            // A table may be without any columns, and something has to be told.
            changes.push(format!("pgweave_gone_{index} AS ({} RETURNING *, tableoid)", empty(kept)));
            changes.push(format!("pgweave_back_{index} AS ({})", fill(index, kept)));
            format!("pgweave_gone_{index}")
        };
        reads.push(format!("SELECT {index}, {} FROM {from}", kept.datums));
    }
    reads.extend(sequences.iter().map(|set| format!("SELECT -1, ARRAY[{set}::text]")));
    let with = if changes.is_empty() { String::new() } else { format!("WITH {} ", changes.join(", ")) };
    with + &reads.join(" UNION ALL ")
}

#[cfg(test)]
mod tests {
    use super::super::wear::Counted;
    use super::*;

    #[test]
    fn a_table_that_is_put_back_is_read_by_what_empties_it() {
        let kept = |bit: Tables, name: &str| Kept {
            bit,
            qualified: name.to_owned(),
            root: None,
            columns: "v".to_owned(),
            with_children: bit,
            reacts: false,
            datums: "ARRAY[v::text]".to_owned(),
            rows: 1,
            wear: Wear::of_rows(40, Counted::Well),
        };
        let tables = [kept(1, "a"), kept(2, "b")];
        let read = "SELECT 0, ARRAY[v::text] FROM ONLY a UNION ALL SELECT 1, ARRAY[v::text] FROM ONLY b";
        assert_eq!(read_and_put(&tables, 0, &[]), read);
        assert_eq!(
            read_and_put(&tables, 2, &["setval('s', 1, 't')".to_owned()]),
            "WITH pgweave_gone_1 AS (DELETE FROM ONLY b RETURNING *, tableoid), \
             pgweave_back_1 AS (INSERT INTO b (v) OVERRIDING SYSTEM VALUE SELECT v FROM pgweave_seed.t1) \
             SELECT 0, ARRAY[v::text] FROM ONLY a UNION ALL SELECT 1, ARRAY[v::text] FROM pgweave_gone_1 \
             UNION ALL SELECT -1, ARRAY[setval('s', 1, 't')::text]"
        );
    }
}
