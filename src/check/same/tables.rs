//! Whether two states hold the same rows, up to a renaming of generated values.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Domain, Renaming};
use crate::check::in_words;
use crate::history::{ColumnKind, Datum, State, Table};

/// Two states side by side.
///
/// 1. A row's first colour is its plain values, and which of its other values are NULL or lead nowhere.
/// 2. Rows are linked where one refers to the other, and where a table holds one generated value twice.
/// 3. A row's next colour is its colour and the colours of the rows it is linked with, by link.
/// 4. The states differ as soon as a table holds one colour more often on one side; those rows are the difference.
/// 5. They are the same when refining adds no colour any more.
///
/// This is colour refinement (one-dimensional Weisfeiler and Leman) on the graph of rows.
#[derive(Debug)]
pub struct Comparison {
    /// Rows that one side has and the other has not; empty when the states are the same.
    pub differences: Vec<Difference>,
    /// For each side, the colour of the row that holds a generated value of a table.
    colours: [HashMap<(String, String), Vec<usize>>; 2],
}

/// A row that only one of two states holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose row it is.
    pub side: Side,
    /// The table that holds it.
    pub table: String,
    /// The row as `column=value`.
    pub row: String,
}

/// One of the two things compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The first.
    Left,
    /// The second.
    Right,
}

impl Comparison {
    /// Compares two states.
    pub fn of(left: &State, right: &State) -> Self {
        let mut graph = Graph::new(left, right);
        let mut colours = graph.first_colours();
        let mut count = distinct(&colours);
        loop {
            let differences = graph.differences(&colours);
            if !differences.is_empty() {
                return Self { differences, colours: Default::default() };
            }
            colours = graph.refine(&colours);
            let refined = distinct(&colours);
            if refined == count {
                return Self { differences: Vec::new(), colours: graph.colours_by_value(&colours) };
            }
            count = refined;
        }
    }

    /// Whether the states are the same.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }

    /// Whether the generated values that results name with their table stand for rows of the same colour, given that
    /// the states are the same.
    pub fn explains(&self, renaming: &Renaming) -> bool {
        renaming.pairs.iter().all(|(domain, pairs)| match domain {
            Domain::Place { .. } => true,
            Domain::Table(table) => pairs.to_right.iter().all(|(left, right)| {
                let colour =
                    |side: usize, value: &String| self.colours[side].get(&(table.clone(), value.clone()));
                colour(0, left) == colour(1, right)
            }),
        })
    }
}

/// The rows of both states, as vertices of one graph, so that one palette serves both.
struct Graph<'a> {
    rows: Vec<Row<'a>>,
    links: Vec<Vec<(usize, usize)>>,
    /// Vertices by side, table and generated value.
    by_value: HashMap<(Side, &'a str, &'a str), Vec<usize>>,
    palette: HashMap<(usize, Vec<(usize, usize)>), usize>,
    tags: HashMap<(String, usize, Direction), usize>,
}

struct Row<'a> {
    side: Side,
    name: &'a str,
    table: &'a Table,
    values: &'a [Datum],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Direction {
    To,
    From,
}

/// A table's name, and for each column its name and shade.
type FirstColour<'a> = (&'a str, Vec<(&'a str, Shade<'a>)>);

/// A value of a row's first colour.
#[derive(PartialEq, Eq, Hash)]
enum Shade<'a> {
    Plain(Option<&'a str>),
    Null,
    Generated,
    Linked,
    Dangling,
}

impl<'a> Graph<'a> {
    fn new(left: &'a State, right: &'a State) -> Self {
        let mut rows = Vec::new();
        for (side, state) in [(Side::Left, left), (Side::Right, right)] {
            for (name, table) in &state.0 {
                rows.extend(table.rows.iter().map(|values| Row { side, name, table, values }));
            }
        }
        let mut by_value: HashMap<_, Vec<usize>> = HashMap::new();
        for (vertex, row) in rows.iter().enumerate() {
            for (column, value) in row.table.columns.iter().zip(row.values) {
                if let (ColumnKind::Generated, Some(value)) = (&column.kind, value) {
                    by_value.entry((row.side, row.name, value.as_str())).or_default().push(vertex);
                }
            }
        }
        let links = vec![Vec::new(); rows.len()];
        let mut graph = Self { rows, links, by_value, palette: HashMap::new(), tags: HashMap::new() };
        graph.link();
        graph
    }

    fn link(&mut self) {
        for vertex in 0..self.rows.len() {
            let row = &self.rows[vertex];
            let (table, name, values) = (row.table, row.name, row.values);
            for (position, column) in table.columns.iter().enumerate() {
                let Some(value) = values.get(position).and_then(Option::as_deref) else { continue };
                for target in self.targets(vertex, &column.kind, value) {
                    let to = self.tag(name, position, Direction::To);
                    let from = self.tag(name, position, Direction::From);
                    self.links[vertex].push((to, target));
                    self.links[target].push((from, vertex));
                }
            }
        }
    }

    /// The rows to which a value of `vertex` leads.
    fn targets(&self, vertex: usize, kind: &ColumnKind, value: &str) -> Vec<usize> {
        let row = &self.rows[vertex];
        let table = match kind {
            ColumnKind::Plain => return Vec::new(),
            ColumnKind::Generated => row.name,
            ColumnKind::Reference { table } => table,
        };
        let found = self.by_value.get(&(row.side, table, value)).cloned().unwrap_or_default();
        let itself = matches!(kind, ColumnKind::Generated);
        found.into_iter().filter(|target| !itself || *target != vertex).collect()
    }

    fn tag(&mut self, table: &str, column: usize, direction: Direction) -> usize {
        let next = self.tags.len();
        *self.tags.entry((table.to_owned(), column, direction)).or_insert(next)
    }

    fn first_colours(&self) -> Vec<usize> {
        let mut palette: HashMap<FirstColour, usize> = HashMap::new();
        let shades = (0..self.rows.len()).map(|vertex| {
            let row = &self.rows[vertex];
            let columns = row.table.columns.iter().zip(row.values);
            let shades = columns.map(|(column, value)| {
                (column.name.as_str(), self.shade(vertex, &column.kind, value.as_deref()))
            });
            let next = palette.len();
            *palette.entry((row.name, shades.collect())).or_insert(next)
        });
        shades.collect()
    }

    fn shade(&self, vertex: usize, kind: &ColumnKind, value: Option<&'a str>) -> Shade<'a> {
        match (kind, value) {
            (ColumnKind::Plain, value) => Shade::Plain(value),
            (_, None) => Shade::Null,
            (ColumnKind::Generated, Some(_)) => Shade::Generated,
            (ColumnKind::Reference { .. }, Some(value)) if self.targets(vertex, kind, value).is_empty() => {
                Shade::Dangling
            }
            (ColumnKind::Reference { .. }, Some(_)) => Shade::Linked,
        }
    }

    fn refine(&mut self, colours: &[usize]) -> Vec<usize> {
        self.palette.clear();
        let mut refined = Vec::with_capacity(colours.len());
        for (vertex, links) in self.links.iter().enumerate() {
            let mut around: Vec<_> = links.iter().map(|(tag, target)| (*tag, colours[*target])).collect();
            around.sort_unstable();
            let next = self.palette.len();
            refined.push(*self.palette.entry((colours[vertex], around)).or_insert(next));
        }
        refined
    }

    /// Rows of colours that one side holds more often; where a colour is on both sides, its last rows.
    fn differences(&self, colours: &[usize]) -> Vec<Difference> {
        let mut sides: BTreeMap<usize, [Vec<usize>; 2]> = BTreeMap::new();
        for (vertex, colour) in colours.iter().enumerate() {
            sides.entry(*colour).or_default()[self.rows[vertex].side as usize].push(vertex);
        }
        let mut extra: Vec<usize> = Vec::new();
        for [left, right] in sides.values() {
            let common = left.len().min(right.len());
            extra.extend(left[common..].iter().chain(&right[common..]));
        }
        extra.sort_unstable();
        let difference = |vertex: &usize| {
            let row = &self.rows[*vertex];
            let columns: Vec<_> = row.table.columns.iter().map(|column| column.name.clone()).collect();
            Difference { side: row.side, table: row.name.to_owned(), row: in_words(&columns, row.values) }
        };
        extra.iter().map(difference).collect()
    }

    fn colours_by_value(&self, colours: &[usize]) -> [HashMap<(String, String), Vec<usize>>; 2] {
        let mut found: [HashMap<_, Vec<usize>>; 2] = Default::default();
        for ((side, table, value), vertices) in &self.by_value {
            let mut those: Vec<_> = vertices.iter().map(|vertex| colours[*vertex]).collect();
            those.sort_unstable();
            found[*side as usize].insert(((*table).to_owned(), (*value).to_owned()), those);
        }
        found
    }
}

fn distinct(colours: &[usize]) -> usize {
    colours.iter().collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::testing::state;

    const MODELS: &str = "models id:generated name";
    const VERSIONS: &str = "versions id:generated model:>models number";

    fn same(left: &[(&str, &[&str])], right: &[(&str, &[&str])]) -> bool {
        Comparison::of(&state(left), &state(right)).is_same()
    }

    #[test]
    fn a_burnt_sequence_value_makes_no_difference() {
        let left: &[(&str, &[&str])] = &[(MODELS, &["1 x", "2 y"]), (VERSIONS, &["1 1 1", "2 2 1"])];
        let right: &[(&str, &[&str])] = &[(MODELS, &["1 x", "5 y"]), (VERSIONS, &["4 1 1", "3 5 1"])];
        assert!(same(left, right));
    }

    #[test]
    fn a_swapped_reference_is_seen() {
        let left: &[(&str, &[&str])] = &[(MODELS, &["1 x", "2 y"]), (VERSIONS, &["1 1 1", "2 2 2"])];
        let right: &[(&str, &[&str])] = &[(MODELS, &["1 x", "2 y"]), (VERSIONS, &["1 2 1", "2 1 2"])];
        assert!(!same(left, right));
    }

    #[test]
    fn who_refers_to_a_row_counts() {
        let left: &[(&str, &[&str])] = &[(MODELS, &["1 x", "2 x"]), (VERSIONS, &["1 1 1", "2 1 1"])];
        let right: &[(&str, &[&str])] = &[(MODELS, &["1 x", "2 x"]), (VERSIONS, &["1 1 1", "2 2 1"])];
        assert!(!same(left, right), "two children of one parent are not one child of each");
        assert!(same(left, left));
    }

    #[test]
    fn plain_values_nulls_and_row_counts_are_seen() {
        let left: &[(&str, &[&str])] = &[(VERSIONS, &["1 NULL 1"])];
        for right in [&["1 NULL 2"][..], &["1 7 1"], &["NULL NULL 1"], &["1 NULL 1", "2 NULL 1"], &[]] {
            assert!(!same(left, &[(VERSIONS, right)]), "{right:?}");
        }
        assert!(same(left, &[(VERSIONS, &["9 NULL 1"])]));
        assert!(same(&[(MODELS, &[])], &[]), "an empty table is as good as none");
    }

    #[test]
    fn a_generated_value_held_twice_is_seen() {
        let left: &[(&str, &[&str])] = &[(MODELS, &["1 x", "1 x"])];
        assert!(!same(left, &[(MODELS, &["1 x", "2 x"])]));
        assert!(same(left, &[(MODELS, &["3 x", "3 x"])]));
    }

    #[test]
    fn the_difference_is_the_rows_that_started_it() {
        let left = state(&[(MODELS, &["1 x"]), (VERSIONS, &["1 1 1", "2 1 1"])]);
        let right = state(&[(MODELS, &["1 x"]), (VERSIONS, &["1 1 1", "3 1 2"])]);
        let lines: Vec<_> = Comparison::of(&left, &right)
            .differences
            .into_iter()
            .map(|difference| format!("{:?} {}: {}", difference.side, difference.table, difference.row))
            .collect();
        expect_test::expect![[r#"
            Left versions: id=2 model=1 number=1
            Right versions: id=3 model=1 number=2"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_result_must_name_the_same_row() {
        let comparison =
            Comparison::of(&state(&[(MODELS, &["1 x", "2 y"])]), &state(&[(MODELS, &["1 y", "2 x"])]));
        assert!(comparison.is_same());
        for (left, right, explained) in [(1, 2, true), (1, 1, false), (1, 9, false), (8, 9, true)] {
            let mut renaming = Renaming::default();
            let of = |value: u32| json!({"$generated": value, "of": "models"});
            assert!(renaming.agree(0, &of(left), &of(right)));
            assert_eq!(comparison.explains(&renaming), explained, "{left} and {right}");
        }
    }
}
