//! Histories to try a checker on: of a database that runs one transaction after another, as long as wanted, and with
//! anomalies worked into them on purpose.
//!
//! A history is decided by its parameters and its seed. Sessions begin, take effect and end interleaved, so real time
//! overlaps as it would; the effects are serial, so nothing is wrong that was not asked for.

use std::collections::VecDeque;
use std::io::{self, Write};

/// How a history is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syntax {
    /// `{:type :ok, …}`
    #[default]
    Edn,
    /// `{"type":"ok",…}`
    Json,
}

/// What is to be written.
#[derive(Clone, Debug)]
pub struct Generator {
    /// Number of transactions, what is injected not counted.
    pub transactions: u64,
    /// Number of sessions.
    pub sessions: usize,
    /// What decides the choices.
    pub seed: u64,
    /// Lists or registers.
    pub workload: Workload,
    /// EDN or JSON lines.
    pub syntax: Syntax,
    /// Histories in miniature that are run in the midst of the others, on keys of their own.
    pub injected: Vec<Plot>,
}

/// What transactions do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workload {
    /// They append to lists and read them.
    #[default]
    ListAppend,
    /// They write and read registers.
    Register,
}

impl Default for Generator {
    fn default() -> Self {
        Self {
            transactions: 1000,
            sessions: 16,
            seed: 0,
            workload: Workload::default(),
            syntax: Syntax::default(),
            injected: Vec::new(),
        }
    }
}

/// Keys that are in use at one time, and how often each is written before another takes its place.
const KEYS: usize = 12;
const WRITES_MAX: usize = 32;

/// A transaction of a [`Plot`]: how it ends, and what it does. Keys are letters.
pub type Scene = (&'static str, &'static [(&'static str, char, &'static str)]);

/// An anomaly as the few transactions that make it, in the order in which they end.
#[derive(Clone, Copy, Debug)]
pub struct Plot {
    /// The anomaly that they show, by the name that [`Anomaly::name`](crate::check::graph::Anomaly::name) gives it.
    pub name: &'static str,
    /// The transactions.
    pub scenes: &'static [Scene],
}

/// For each anomaly of lists, the smallest history that shows it.
pub const PLOTS: [Plot; 14] = [
    Plot {
        name: "G0",
        scenes: &[
            ("ok", &[("append", 'x', "1"), ("append", 'y', "1")]),
            ("ok", &[("append", 'x', "2"), ("append", 'y', "2")]),
            ("ok", &[("r", 'x', "[1 2]"), ("r", 'y', "[2 1]")]),
        ],
    },
    Plot { name: "G1a", scenes: &[("fail", &[("append", 'x', "1")]), ("ok", &[("r", 'x', "[1]")])] },
    Plot {
        name: "G1b",
        scenes: &[
            ("ok", &[("append", 'x', "1"), ("append", 'x', "2")]),
            ("ok", &[("r", 'x', "[1]")]),
            ("ok", &[("r", 'x', "[1 2]")]),
        ],
    },
    Plot {
        name: "G1c",
        scenes: &[
            ("ok", &[("append", 'x', "1"), ("r", 'y', "[1]")]),
            ("ok", &[("append", 'y', "1"), ("r", 'x', "[1]")]),
        ],
    },
    Plot {
        name: "lost-update",
        scenes: &[
            ("ok", &[("r", 'x', "[]"), ("append", 'x', "1")]),
            ("ok", &[("r", 'x', "[]"), ("append", 'x', "2")]),
            ("ok", &[("r", 'x', "[1 2]")]),
        ],
    },
    Plot {
        name: "G-single",
        scenes: &[
            ("ok", &[("append", 'x', "1"), ("append", 'y', "1")]),
            ("ok", &[("r", 'x', "[]"), ("r", 'y', "[1]")]),
            ("ok", &[("r", 'x', "[1]")]),
        ],
    },
    Plot {
        name: "G-nonadjacent",
        scenes: &[
            ("ok", &[("append", 'x', "1")]),
            ("ok", &[("append", 'y', "1")]),
            ("ok", &[("r", 'x', "[1]"), ("r", 'y', "[]")]),
            ("ok", &[("r", 'x', "[]"), ("r", 'y', "[1]")]),
        ],
    },
    Plot {
        name: "G2-item",
        scenes: &[
            ("ok", &[("r", 'x', "[]"), ("append", 'y', "1")]),
            ("ok", &[("r", 'y', "[]"), ("append", 'x', "1")]),
        ],
    },
    Plot {
        name: "internal",
        scenes: &[("ok", &[("append", 'x', "1"), ("r", 'x', "[]")]), ("ok", &[("r", 'x', "[1]")])],
    },
    Plot { name: "future-read", scenes: &[("ok", &[("r", 'x', "[1]"), ("append", 'x', "1")])] },
    Plot { name: "thin-air-read", scenes: &[("ok", &[("r", 'x', "[7]")])] },
    Plot {
        name: "dirty-update",
        scenes: &[
            ("fail", &[("append", 'x', "1")]),
            ("ok", &[("append", 'x', "2")]),
            ("ok", &[("r", 'x', "[1 2]")]),
        ],
    },
    Plot {
        name: "incompatible-order",
        scenes: &[
            ("ok", &[("append", 'x', "1")]),
            ("ok", &[("append", 'x', "2")]),
            ("ok", &[("r", 'x', "[1 2]")]),
            ("ok", &[("r", 'x', "[2]")]),
        ],
    },
    Plot {
        name: "duplicate-elements",
        scenes: &[("ok", &[("append", 'x', "1")]), ("ok", &[("r", 'x', "[1 1]")])],
    },
];

/// The plot of an anomaly.
pub fn plot(name: &str) -> Option<Plot> {
    PLOTS.into_iter().find(|plot| plot.name == name)
}

/// Splitmix64, by Steele, Lea and Flood (OOPSLA 2014): enough for choices, and the same everywhere.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// A key in use.
struct Live {
    name: u64,
    list: String,
    writes: usize,
}

/// Where a session stands.
enum Stage {
    Idle,
    Asked(Vec<(usize, bool)>),
    Done(String),
}

impl Generator {
    /// Writes the history, one operation a line.
    ///
    /// # Errors
    ///
    /// When `out` fails.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut run = Running {
            generator: self,
            out,
            choices: Choices(self.seed),
            keys: (0..KEYS).map(|name| Live { name: name as u64, list: String::new(), writes: 0 }).collect(),
            next_key: KEYS as u64,
            index: 0,
        };
        let mut stages: Vec<Stage> = (0..self.sessions.max(1)).map(|_| Stage::Idle).collect();
        let mut plots: VecDeque<&Plot> = self.injected.iter().collect();
        let gap = self.transactions / (plots.len() as u64 + 1);
        let (mut begun, mut ended) = (0, 0);
        while ended < self.transactions {
            let session = run.choices.below(stages.len());
            match std::mem::replace(&mut stages[session], Stage::Idle) {
                Stage::Idle if begun < self.transactions => {
                    begun += 1;
                    stages[session] = Stage::Asked(run.ask(session)?);
                }
                Stage::Idle => {}
                Stage::Asked(operations) => stages[session] = Stage::Done(run.execute(&operations)),
                Stage::Done(value) => {
                    run.line("ok", session, &value)?;
                    ended += 1;
                    let due = (self.injected.len() - plots.len()) as u64 + 1;
                    if ended >= due * gap
                        && let Some(plot) = plots.pop_front()
                    {
                        run.plot(plot)?;
                    }
                }
            }
        }
        plots.into_iter().try_for_each(|plot| run.plot(plot))
    }
}

struct Running<'a, W> {
    generator: &'a Generator,
    out: &'a mut W,
    choices: Choices,
    keys: Vec<Live>,
    next_key: u64,
    index: u64,
}

impl<W: Write> Running<'_, W> {
    fn line(&mut self, kind: &str, session: usize, value: &str) -> io::Result<()> {
        let (index, time) = (self.index, self.index * 1_234);
        self.index += 1;
        match self.generator.syntax {
            Syntax::Edn => writeln!(
                self.out,
                "{{:index {index}, :time {time}, :type :{kind}, :process {session}, :f :txn, :value [{value}]}}"
            ),
            Syntax::Json => writeln!(
                self.out,
                "{{\"index\":{index},\"time\":{time},\"type\":\"{kind}\",\"process\":{session},\"f\":\"txn\",\"value\":[{value}]}}"
            ),
        }
    }

    /// Begins a transaction of 2.3 operations on average. What it will do is a place among the keys, and whether it
    /// writes there.
    fn ask(&mut self, session: usize) -> io::Result<Vec<(usize, bool)>> {
        let length = [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4][self.choices.below(20)];
        let operations: Vec<_> =
            (0..length).map(|_| (self.choices.below(KEYS), self.choices.below(2) == 0)).collect();
        // What is asked of a read names no value; what a write will put there is decided when it happens.
        let mut value = String::new();
        for &(place, writes) in &operations {
            let name = self.keys[place].name;
            let (operation, argument) = if writes { (self.write_name(), "0") } else { ("r", self.nil()) };
            self.operation(&mut value, operation, &name.to_string(), argument);
        }
        self.line("invoke", session, &value)?;
        Ok(operations)
    }

    fn write_name(&self) -> &'static str {
        match self.generator.workload {
            Workload::ListAppend => "append",
            Workload::Register => "w",
        }
    }

    fn nil(&self) -> &'static str {
        match self.generator.syntax {
            Syntax::Edn => "nil",
            Syntax::Json => "null",
        }
    }

    fn operation(&self, value: &mut String, operation: &str, key: &str, argument: &str) {
        let separator = if value.is_empty() { "" } else { self.separator() };
        value.push_str(separator);
        value.push_str(&match self.generator.syntax {
            Syntax::Edn => format!("[:{operation} {key} {argument}]"),
            Syntax::Json => format!("[\"{operation}\",{key},{argument}]"),
        });
    }

    fn separator(&self) -> &'static str {
        match self.generator.syntax {
            Syntax::Edn => " ",
            Syntax::Json => ",",
        }
    }

    /// Runs a transaction at once, and says what it saw.
    fn execute(&mut self, operations: &[(usize, bool)]) -> String {
        let mut value = String::new();
        for &(place, writes) in operations {
            let name = self.keys[place].name.to_string();
            let argument = if writes { self.put(place) } else { self.get(place) };
            self.operation(&mut value, if writes { self.write_name() } else { "r" }, &name, &argument);
        }
        for place in 0..KEYS {
            if self.keys[place].writes >= WRITES_MAX {
                self.keys[place] = Live { name: self.next_key, list: String::new(), writes: 0 };
                self.next_key += 1;
            }
        }
        value
    }

    fn put(&mut self, place: usize) -> String {
        let separator = self.separator();
        let register = self.generator.workload == Workload::Register;
        let key = &mut self.keys[place];
        key.writes += 1;
        let element = key.writes.to_string();
        if register {
            key.list.clone_from(&element);
        } else {
            if !key.list.is_empty() {
                key.list.push_str(separator);
            }
            key.list.push_str(&element);
        }
        element
    }

    fn get(&self, place: usize) -> String {
        let list = &self.keys[place].list;
        match self.generator.workload {
            Workload::ListAppend => format!("[{list}]"),
            Workload::Register if list.is_empty() => self.nil().to_owned(),
            Workload::Register => list.clone(),
        }
    }

    /// Runs a plot: all of its transactions begin before any ends.
    fn plot(&mut self, plot: &Plot) -> io::Result<()> {
        let base = self.next_key;
        self.next_key += 26;
        let lines: Vec<(&str, String)> = plot
            .scenes
            .iter()
            .map(|(kind, operations)| {
                let mut value = String::new();
                for (operation, key, argument) in *operations {
                    let key = (base + (*key as u64 - 'a' as u64)).to_string();
                    let argument = match self.generator.syntax {
                        Syntax::Edn => (*argument).to_owned(),
                        Syntax::Json => argument.replace(' ', ","),
                    };
                    self.operation(&mut value, operation, &key, &argument);
                }
                (*kind, value)
            })
            .collect();
        // Sessions of their own, so that nothing of the others' is open.
        let first = self.generator.sessions.max(1) + 100 * self.index as usize;
        for (session, (_, value)) in (first..).zip(&lines) {
            self.line("invoke", session, value)?;
        }
        for (session, (kind, value)) in (first..).zip(&lines) {
            self.line(kind, session, value)?;
        }
        Ok(())
    }
}
