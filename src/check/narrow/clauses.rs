//! A statement in pieces: its words, its clauses, and the conditions of its WHERE.

use std::ops::Range;

use super::{Kind, Value};
use crate::check::catalogue::{Catalogue, ColumnKind, TableFacts};
use crate::sql_text::{Piece, pieces};

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, a number, or a quoted name, in small letters; or a mark.
    Word(String),
    Text(String),
    Parameter(usize),
}

/// A statement whose text is looked at.
pub(super) struct Statement<'a> {
    pub(super) tokens: Vec<Token>,
    pub(super) catalogue: &'a Catalogue,
}

impl<'a> Statement<'a> {
    pub(super) fn new(sql: &str, catalogue: &'a Catalogue) -> Self {
        Self { tokens: tokens(sql), catalogue }
    }

    pub(super) fn word(&self, at: usize) -> &str {
        match self.tokens.get(at) {
            Some(Token::Word(word)) => word,
            _ => "",
        }
    }

    pub(super) fn has(&self, words: &[&str]) -> bool {
        self.count(words) > 0
    }

    pub(super) fn count(&self, words: &[&str]) -> usize {
        (0..self.tokens.len()).filter(|at| words.contains(&self.word(*at))).count()
    }

    pub(super) fn find(&self, from: usize, words: &[&str]) -> Option<usize> {
        (from..self.tokens.len()).find(|at| words.contains(&self.word(*at)))
    }

    /// The table named at `at`, maybe behind a schema, and where what follows it begins.
    pub(super) fn table_at(&self, at: usize) -> Option<(usize, usize)> {
        let at = if self.word(at) == "only" { at + 1 } else { at };
        let at = if self.word(at + 1) == "." { at + 2 } else { at };
        Some((self.catalogue.position(self.word(at))?, at + 1))
    }

    /// The columns named in a list of names and commas.
    pub(super) fn columns(&self, facts: &TableFacts, names: Range<usize>) -> Option<Vec<usize>> {
        names.filter(|at| self.word(*at) != ",").map(|at| facts.column(self.word(at))).collect()
    }

    /// The columns that a SET that begins at `at` gives other values.
    pub(super) fn set_columns(&self, facts: &TableFacts, at: usize) -> Option<Vec<usize>> {
        let end = self.end_of_clause(at, &["where", "from", "returning"]);
        let mut all = Vec::new();
        for item in self.list(at, end) {
            let names = match self.word(item.start) {
                "(" => item.start + 1..self.end_of(item.start)?,
                _ => item.start..item.start + 1,
            };
            if self.word(names.end) != "=" && self.word(names.end + 1) != "=" {
                return None;
            }
            all.extend(self.columns(facts, names)?);
        }
        Some(all)
    }

    /// Columns of which the WHERE of the statement says which value they hold.
    pub(super) fn pins(&self, table: usize) -> Vec<(usize, Value)> {
        let facts = &self.catalogue.tables[table];
        let name = self.called(table);
        self.conditions().into_iter().filter_map(|one| self.pin(facts, &name, one)).collect()
    }

    /// Whether the statement looks for rows by more than a unique key, or by something else.
    pub(super) fn asks_more(&self, table: usize) -> bool {
        let (conditions, pins) = (self.conditions(), self.pins(table));
        let is_all = |key: &Vec<usize>| {
            key.len() == conditions.len()
                && key.iter().all(|column| pins.iter().any(|(pinned, _)| pinned == column))
        };
        let mut keys = self.catalogue.tables[table].unique.iter().filter(|index| index.whole);
        self.word(0) != "insert" && !keys.any(|index| is_all(&index.key))
    }

    /// The conditions that the WHERE of the statement joins by AND; none where they are not simply that.
    fn conditions(&self) -> Vec<Range<usize>> {
        // Within parentheses it is a FILTER's.
        let at = self.end_of_clause(0, &["where"]);
        let ends = ["group", "order", "limit", "offset", "fetch", "for", "returning", "having", "window"];
        let end = self.end_of_clause(at, &ends);
        if self.split(at + 1, end, "or").len() > 1 || self.has(&["between", "case"]) {
            return Vec::new();
        }
        self.split(at + 1, end, "and")
    }

    /// What the statement calls the table, which it names once.
    fn called(&self, table: usize) -> String {
        let name = self.catalogue.tables[table].last_name();
        let is_other =
            |word: &str| word.is_empty() || !word.starts_with(|c: char| c.is_alphabetic() || c == '_');
        let ends = [
            "set",
            "where",
            "using",
            "from",
            "group",
            "order",
            "limit",
            "offset",
            "fetch",
            "for",
            "returning",
        ];
        let at = (0..self.tokens.len()).find(|at| self.word(*at) == name && self.word(*at + 1) != ".");
        let after = at.map_or("", |at| match self.word(at + 1) {
            "as" => self.word(at + 2),
            after => after,
        });
        if is_other(after) || ends.contains(&after) { name } else { after.to_owned() }
    }

    /// `column = value`, or the other way round, where the column may be of the table that is called `called`.
    fn pin(&self, facts: &TableFacts, called: &str, condition: Range<usize>) -> Option<(usize, Value)> {
        let equals = condition.clone().find(|at| self.word(*at) == "=")?;
        let (left, right) = (condition.start..equals, equals + 1..condition.end);
        let of = |column: Range<usize>, value: Range<usize>| {
            let name = match column.len() {
                1 => column.start,
                3 if self.word(column.start) == called && self.word(column.start + 1) == "." => {
                    column.start + 2
                }
                _ => return None,
            };
            let column = facts.column(self.word(name))?;
            (value.len() == 1).then_some(())?;
            Some((column, self.value(value.start, facts.columns[column].kind)?))
        };
        of(left.clone(), right.clone()).or_else(|| of(right, left))
    }

    /// The value at `at`, for a column of this kind.
    pub(super) fn value(&self, at: usize, kind: ColumnKind) -> Option<Value> {
        match (self.tokens.get(at)?, kind) {
            (_, ColumnKind::Other) => None,
            (Token::Parameter(number), _) => Some(Value::Parameter(*number)),
            (Token::Text(text), _) => Value::of(text, kind),
            (Token::Word(word), ColumnKind::Int) => Value::of(word, kind),
            (Token::Word(_), ColumnKind::Text) => None,
        }
    }

    /// How a statement reads what it reads of several rows, or of those that it reads only.
    pub(super) fn way_of_reading(&self, only: Option<(usize, &[(usize, Value)])>) -> Kind {
        const AGGREGATES: [&str; 7] = ["count", "sum", "max", "min", "avg", "bool_and", "bool_or"];
        let one = only.is_some_and(|(table, pins)| is_one(&self.catalogue.tables[table], pins));
        let plain = self.count(&["select"]) == 1 && !self.has(&["group", "over"]);
        let folded = plain && self.is_folded(&AGGREGATES);
        let sorted = self.sorted_by().filter(|_| only.is_some()).is_some_and(|(table, columns)| {
            self.count(&["from"]) == 1
                && self.count(&["select"]) == 1
                && !self.has(&["over"])
                && table
                    .unique
                    .iter()
                    .any(|index| index.whole && index.key.iter().all(|column| columns.contains(column)))
        });
        let fewer = ["limit", "offset", "fetch", "group", "distinct", "insert", "update", "delete"];
        let calls = (0..self.tokens.len()).any(|at| {
            let is_name = self.word(at).starts_with(|c: char| c.is_alphabetic());
            is_name && self.word(at + 1) == "(" && !["and", "in", "where", "from"].contains(&self.word(at))
        });
        match () {
            () if one || folded || sorted => Kind::Read,
            () if plain && !calls && !self.has(&fewer) => Kind::List,
            () => Kind::Scan,
        }
    }

    /// Whether all that is selected is an aggregate, maybe within `coalesce`, and numbers added.
    pub(super) fn is_folded(&self, aggregates: &[&str]) -> bool {
        let Some(from) = self.find(0, &["from"]) else { return false };
        let outside = (1..from).any(|at| {
            let word = self.word(at);
            self.word(at + 1) == "("
                && word.starts_with(|c: char| c.is_alphabetic())
                && !aggregates.contains(&word)
                && word != "coalesce"
        });
        !outside && (1..from).any(|at| aggregates.contains(&self.word(at)))
    }

    /// The only table that is read, and its columns that the rows are sorted by.
    pub(super) fn sorted_by(&self) -> Option<(&TableFacts, Vec<usize>)> {
        let (table, _) = self.table_at(self.find(0, &["from"])? + 1)?;
        let facts = &self.catalogue.tables[table];
        let at = self.find(0, &["order"]).filter(|at| self.word(at + 1) == "by")? + 2;
        let end = self.end_of_clause(at, &["limit", "offset", "fetch", "for"]);
        let column = |item: Range<usize>| {
            let is_bare = item.len() == 1 || ["asc", "desc", "nulls"].contains(&self.word(item.start + 1));
            let name = self.word(item.start);
            facts.column(name).filter(|_| is_bare && !self.renames_to(name))
        };
        Some((facts, self.list(at, end).into_iter().filter_map(column).collect()))
    }

    /// Whether something that is selected is given this name: ORDER BY means that, and not the column.
    fn renames_to(&self, name: &str) -> bool {
        let end = self.find(0, &["from"]).unwrap_or(self.tokens.len());
        (2..end).any(|at| {
            self.word(at) == name && ![",", ".", "(", "select", "distinct"].contains(&self.word(at - 1))
        })
    }

    /// Where the parenthesis that opens at `at` closes.
    pub(super) fn end_of(&self, at: usize) -> Option<usize> {
        if self.word(at) != "(" {
            return None;
        }
        let mut depth = 0;
        (at..self.tokens.len()).find(|at| {
            depth += i32::from(self.word(*at) == "(") - i32::from(self.word(*at) == ")");
            depth == 0
        })
    }

    /// Where a clause ends that begins at `at`: before one of these words, a parenthesis that closes it, or the end.
    pub(super) fn end_of_clause(&self, at: usize, words: &[&str]) -> usize {
        let mut depth = 0;
        let ends = |at: &usize| {
            depth += i32::from(self.word(*at) == "(") - i32::from(self.word(*at) == ")");
            depth < 0 || depth == 0 && words.contains(&self.word(*at))
        };
        (at..self.tokens.len()).find(ends).unwrap_or(self.tokens.len())
    }

    pub(super) fn list(&self, from: usize, to: usize) -> Vec<Range<usize>> {
        self.split(from, to, ",")
    }

    /// The parts between these words that stand in no parentheses.
    pub(super) fn split(&self, from: usize, to: usize, at: &str) -> Vec<Range<usize>> {
        let (mut parts, mut start, mut depth) = (Vec::new(), from, 0);
        for here in from..to {
            depth += i32::from(self.word(here) == "(") - i32::from(self.word(here) == ")");
            if depth == 0 && self.word(here) == at {
                parts.push(start..here);
                start = here + 1;
            }
        }
        parts.push(start..to);
        parts
    }
}

fn tokens(sql: &str) -> Vec<Token> {
    let mut all: Vec<Token> = Vec::new();
    let mut last_was_text = false;
    for piece in pieces(sql) {
        let is_text = matches!(piece, Piece::Quoted(_));
        let token = match piece {
            Piece::Blank => {
                last_was_text = false;
                continue;
            }
            Piece::Word(word) => Token::Word(word.to_lowercase()),
            Piece::Parameter(number, _) => Token::Parameter(number),
            Piece::Quoted(text) => match (text.strip_prefix('\''), text.strip_prefix('"')) {
                // A doubled quote shows as two pieces side by side: that is no value that is understood here.
                _ if last_was_text => Token::Word("''".to_owned()),
                (Some(value), _) => Token::Text(value.trim_end_matches('\'').to_owned()),
                (_, Some(name)) => Token::Word(name.trim_end_matches('"').to_lowercase()),
                _ => Token::Word("''".to_owned()),
            },
            Piece::Other(mark) => Token::Word(mark.to_owned()),
        };
        last_was_text = is_text;
        all.push(token);
    }
    if all.last() == Some(&Token::Word(";".to_owned())) {
        all.pop();
    }
    all
}

/// Whether no two rows have these pins.
pub(super) fn is_one(facts: &TableFacts, pins: &[(usize, Value)]) -> bool {
    let pinned = |column: &usize| pins.iter().any(|(pinned, _)| pinned == column);
    facts.unique.iter().any(|index| index.whole && index.key.iter().all(pinned))
}
