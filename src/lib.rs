//! A concurrency verifier for code that writes transactions on PostgreSQL.
//!
//! pgweave runs your code in several sessions against a real server, holds every statement at a gate until the schedule
//! lets it through, and so makes an interleaving a value: generated, run again exactly, shrunk to a few
//! statements, judged, and shown as a listing.
//!
//! # Why
//!
//! Transactional code is right alone and wrong in company. A test that starts two tasks and hopes that they meet in the
//! bad place is red now and then, and nobody can say why. What decides is an order of statements, and there
//! are few short ones, so one can go through them: which session sends its next statement now? Everything else stays as
//! it is in production. The code under test is ordinary code with an ordinary driver, and the locks, snapshots and
//! errors are PostgreSQL's own and not those of a model of it.
//!
//! # An example
//!
//! A bank moves money between two accounts. A [`Subject`](subject::Subject) says what tables there are, what may be
//! called, how it is called, and what must hold. This example runs as it stands, and starts its own server:
//!
//! ```
//! use pgweave::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! struct Bank;
//!
//! #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
//! struct Transfer { from: i32, to: i32, amount: i64 }
//!
//! impl Subject for Bank {
//!     type Op = Transfer;
//!
//!     fn schema(&self) -> String {
//!         "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL);
//!          INSERT INTO accounts VALUES (1, 100), (2, 100);".to_owned()
//!     }
//!
//!     fn operations(&self) -> BoxedStrategy<Transfer> {
//!         let amount = prop_oneof![Just(30), Just(80)];
//!         (1..=2, amount).prop_map(|(from, amount)| Transfer { from, to: 3 - from, amount }).boxed()
//!     }
//!
//!     async fn run(&self, session: &Session, op: &Transfer) -> Result<Value, Failure> {
//!         let mut tx = session.pool().begin().await?;
//!         let mut changes = [(op.from, -op.amount), (op.to, op.amount)];
//!         changes.sort();
//!         for (id, change) in changes {
//!             let balance: i64 = sqlx::query_scalar("SELECT balance FROM accounts WHERE id = $1")
//!                 .bind(id).fetch_one(&mut *tx).await?;
//!             if balance + change < 0 {
//!                 return Err(Failure::Refused("insufficient funds".to_owned()));
//!             }
//!             sqlx::query("UPDATE accounts SET balance = $2 WHERE id = $1")
//!                 .bind(id).bind(balance + change).execute(&mut *tx).await?;
//!         }
//!         tx.commit().await?;
//!         Ok(Value::Null)
//!     }
//!
//!     fn claims(&self) -> Vec<Claim<Transfer>> {
//!         let query = "SELECT sum(balance) FROM accounts HAVING sum(balance) <> 200";
//!         vec![Claim::no_rows("money is conserved", query)]
//!     }
//! }
//!
//! // In a crate of your own, this line is the body of a #[test].
//! Campaign::new(Bank).isolation(Serializable).sessions(2..=3).cases(200).assert_holds();
//! # let report = Campaign::new(Bank).isolation(ReadCommitted).sessions(2..=3).cases(200).run().unwrap();
//! # // What the page shows is what the run prints; UPDATE_EXPECT=1 writes it anew.
//! # let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/bank.txt");
//! # expect_test::expect_file![page].assert_eq(&report.to_string());
//! ```
//!
//! At SERIALIZABLE it holds: the server refuses one of two transfers that meet, with SQLSTATE 40001, and a caller at
//! that level expects to be told so. Without the line that sorts the campaign finds a deadlock, an error that callers
//! do *not* expect.
//!
//! # How to read a failure
//!
//! At READ COMMITTED, PostgreSQL's default, the same code makes money from nothing, and `assert_holds` panics with this
//! listing:
//!
//! ```text
#![doc = include_str!("../docs/bank.txt")]
//! ```
//!
//! One column is one session, and time runs from top to bottom. A number is a *step*: what one release of the gate
//! runs. `A1` is the first operation of session A. An arrow shows what a statement returned, `⏳` that it waits and for
//! whom, `↳` where it resumes, `✗` an error with its SQLSTATE, and `◀` a step that the evidence names. Here A reads a
//! balance of 100, B does its whole transfer, and A writes what it computed from the 100.
//!
//! Below the columns stands what is violated, and the rows that show it; then why no serial order can have that: the
//! anomaly by its usual name, the cycle of dependencies that makes it, and the weakest level that would have stopped
//! it. For that the case is run once more while its rows are followed ([`rows`]). The case is the smallest that was found:
//! sessions, operations, switches and values were taken away as long as the same claim broke. It is saved as a file in
//! `proptest-regressions/`, which belongs into version control: [`assert_holds`](campaign::Campaign::assert_holds)
//! replays the saved cases of its subject and level before it looks for new ones.
//!
//! # What is checked
//!
//! After each case, in this order:
//!
//! 1. every operation ends: no session waits for a lock that nobody will release ([`check::ends`]);
//! 2. the subject's own claims ([`Subject::claims`](subject::Subject::claims));
//! 3. only errors that the subject declares reach its callers ([`check::declared_errors`]);
//! 4. an acknowledged operation has its effect, and a failed one has none ([`check::acknowledged`]);
//! 5. an operation ends within its attempts, where the subject promises a limit ([`check::within_attempts`]);
//! 6. some serial order of the operations explains the run: the orders are executed on the same server, and one of them
//!    must give the same results and the same tables ([`check::serial`]). A subject that promises less says so in
//!    [`Subject::serializable`](subject::Subject::serializable).
//!
//! A verdict is *holds*, *violated* or *unknown*, and unknown is never taken for holds. A campaign whose sessions never
//! met each other is unknown: it has shown nothing ([`check::contention`]).
//!
//! # A map
//!
//! | module | what it is |
//! |---|---|
//! | [`prelude`] | what a test of one's own needs |
//! | [`subject`] | the trait that a user implements, and what a session is given |
//! | [`campaign`] | many cases: explored, run, judged, shrunk, reported |
//! | [`isolation`], [`case`], [`schedule`], [`history`] | data: what is to be run, and what really happened |
//! | [`explore`] | which programs are run, and who goes next |
//! | [`gate`] | the wire relay that holds statements back |
//! | [`weave`] | runs a case: releases, settles, records |
//! | [`check`] | verdicts: pure functions over a history |
//! | [`shrink`] | makes a case that fails smaller |
//! | [`rows`] | which row versions each statement read and wrote, and the graph of what depends on what |
//! | [`remedy`] | changes that would keep a case from failing, each of them tried |
//! | [`matrix`] | which way to guard an operation holds at which level, and what it costs |
//! | [`spec`] | PostgreSQL's isolation specs: run as written, in every order, at every level; and written |
//! | [`zoo`] | 32 known bugs as subjects, with what is true of each |
//! | [`replay`] | case files |
//! | [`report`] | listing, table, JSON, progress: pure functions from findings to text |
//! | [`server`] | finds a PostgreSQL, or starts one |
//! | [`retry`] | retry of whole transactions, with a budget and a circuit breaker; of use by itself |
//! | [`registry`] | the built-in subject: a model registry with every way to guard its operations, right and wrong |
//!
//! `docs/architecture.md` in the repository tells how they work together.
//!
//! # Limits
//!
//! **A test is no proof.** "Holds" says that so many cases were run and none violated a claim. The systematic part runs
//! pairs and triples of operations with at most two preemptions; what lies beyond is sampled.
//!
//! **Only statements are steps.** One release runs everything up to a Sync or Flush, or one simple Query. A function or
//! a trigger is part of its statement's step, and several statements in one simple Query are one step. BEGIN, SET and
//! SAVEPOINT run along with the statement after them. What the code does beside the database (other services, files,
//! memory that threads share) is not ordered. For memory there is [loom](https://docs.rs/loom).
//!
//! **Inside statements there are few gates.** With [`Gates::Inside`](case::Gates::Inside) sessions stop before an INSERT,
//! UPDATE or DELETE does anything, and before each of its rows, by triggers that the schema's tables are given: a table that an
//! operation makes has none, and reads, TRUNCATE and DDL do not stop. A row's lock is taken before its gate. An UPDATE then
//! locks by the columns that SET names: one that sets a key to the value that it has is in the way of a foreign key's check.
//! Advisory locks with a first number of `0x70677776` or one more are pgweave's own.
//!
//! **Operations must be deterministic.** The same inputs and answers must lead to the same statements. Code that draws
//! random numbers or reads a wall clock makes histories that no replay repeats. Sleep on
//! [`Session::clock`](subject::Session::clock), which the schedule wakes; any other sleep is waited out. A subject must
//! not remember anything: one value of it serves every case.
//!
//! **What differs by itself must be known.** Values of date and time types are shown as `<time>` and never compared.
//! Ids drawn from a sequence, an identity column or a default such as `gen_random_uuid()` are compared up to renaming; in
//! a result they are written as told at [`Subject::run`](subject::Subject::run). Anything else is compared as it is: a
//! random value that the code itself draws would count as a violation with nothing wrong in it, so make it an input.
//!
//! **Operations must not block their thread.** Sessions, gate and driver share one thread. An asynchronous driver is
//! fine; a blocking one belongs into `spawn_blocking`. `Session::pool` is of sqlx 0.9 on tokio; any other driver takes
//! [`Session::url`](subject::Session::url), which names a unix socket. On Linux, and with a server of pgweave's own, that
//! thread stays on one core, and so does what it starts.
//!
//! **Settings are not production's.** Sessions run with `jit`, `enable_seqscan` and `enable_bitmapscan` off, custom
//! plans, no `lock_timeout` or `statement_timeout`, and a `deadlock_timeout` of 1 ms, so that plans and timing do not
//! change from run to run. At SERIALIZABLE the plan decides what is locked: on a few rows the server refuses more than
//! it would on many.
//!
//! **What is not a lock wait counts as running.** `pg_sleep`, waits inside the server and code that computes are waited
//! for. After [`Limits::step`](weave::Limits) a case counts as hung, its verdict is unknown, and the campaign goes on.
//!
//! **Rows without an order have none.** Where a statement without ORDER BY returns several rows, their order is that in
//! which others happened to write them. It is recorded as it was, but no schedule is run for its sake: schedules that
//! differ in it alone may count as one class.
//!
//! **BEGIN goes with the next statement.** The gate answers a plain BEGIN itself and sends it with the statement that
//! follows, or when the session sleeps. Who looks for the other's open transaction in `pg_stat_activity` does not see one
//! that has done nothing yet.
//!
//! **What functions define is not undone.** Each case starts from the rows and sequences that the schema left. Where the
//! text of a statement shows that it creates, alters or drops something, the next case has a new database and new
//! connections, which is slow. What a function does so stays, and so do large objects, files, and
//! what belongs to the cluster, such as roles.
//!
//! **On a server that pgweave has not started, replays may vary.** There, two sessions that one COMMIT wakes race
//! inside the server, and where the user may not set `deadlock_timeout` a deadlock's victim varies too. A private
//! server has neither: backends that wait are held still. `replay --times` counts how many histories were identical.
//!
//! **Serial orders are limited.** At most 1,000 are executed for one run, and at most eight operations may have an
//! unknown outcome; beyond that the answer is unknown. A write hidden in a function or a common table expression is
//! judged by serial equivalence, not by the claim on acknowledged operations.
//!
//! **Servers and systems.** PostgreSQL 14 to 18, on Linux; other Unix systems are not tested, and server binaries are
//! fetched on Linux only. There is no TLS to the server: behind `DATABASE_URL` it must be local or reached through a
//! tunnel. READ UNCOMMITTED behaves as READ COMMITTED, as PostgreSQL documents. A subject may ask for lost connections,
//! terminated backends and jumps of the clock ([`Session::faults`](subject::Session::faults)); a crash of the server is
//! not among them.

#![cfg_attr(loom, allow(dead_code, reason = "what runs the core is no part of that build"))]

mod ddl;
mod snapshot;
mod sql_text;

#[cfg(not(loom))]
pub mod campaign;
pub mod case;
pub mod check;
#[cfg(all(feature = "cli", not(loom)))]
#[doc(hidden)]
pub mod cli;
pub mod explore;
#[cfg(not(loom))]
pub mod gate;
pub mod histories;
pub mod history;
pub mod isolation;
#[cfg(all(feature = "cli", not(loom)))]
pub mod matrix;
#[cfg(not(loom))]
pub mod registry;
#[cfg(not(loom))]
pub mod remedy;
pub mod replay;
pub mod report;
pub mod retry;
pub mod rows;
#[cfg(not(loom))]
pub mod runtime;
pub mod schedule;
#[cfg(not(loom))]
pub mod server;
pub mod shrink;
#[cfg(not(loom))]
pub mod spec;
#[cfg(not(loom))]
pub mod subject;
#[cfg(not(loom))]
pub mod weave;
#[cfg(all(feature = "cli", not(loom)))]
pub mod zoo;

/// What a test of one's own needs.
#[cfg(not(loom))]
pub mod prelude {
    pub use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
    pub use serde_json::{Value, json};

    pub use crate::campaign::{Campaign, Verdict};
    pub use crate::case::Gates;
    pub use crate::check::{Claim, Evidence, Judgement, Run};
    pub use crate::history::Failure;
    pub use crate::isolation::Isolation::{self, *};
    pub use crate::retry::Clock;
    pub use crate::subject::{Session, Subject};
}
