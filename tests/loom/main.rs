//! Every interleaving of what `retry` shares between tasks, tried by loom.
//!
//! Run by `cargo xtask loom`, which builds with `--cfg loom`; in an ordinary build this file holds no test, because std's
//! primitives cannot be stepped. Each model is a function over a small trait. It is run on the real thing, which must
//! pass, and on a *broken twin* that does what a hurried author would write, which loom must catch. Each run on the real
//! thing prints how many interleavings it tried.
#![cfg(loom)]

mod breaker;
mod budget;
mod retry;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};

/// How many times a thread may be preempted in one interleaving, unless `LOOM_MAX_PREEMPTIONS` tells. Nearly every
/// concurrency bug needs at most two.
const PREEMPTIONS_MAX: usize = 3;

/// Runs `model` in every interleaving, prints their number, and fails when there were fewer than `at_least`: a model in
/// which nothing meets proves nothing.
fn explore(name: &str, at_least: u64, model: impl Fn() + Sync + Send + 'static) {
    let (counted, result) = run(model);
    if let Err(panic) = result {
        panic::resume_unwind(panic);
    }
    println!("{name}: {counted} interleavings");
    assert!(counted >= at_least, "{name}: {counted} interleavings, and at least {at_least} were expected");
}

/// Runs the `model` of a broken twin, which must fail with `message` in some interleaving.
fn catch(name: &str, message: &str, model: impl Fn() + Sync + Send + 'static) {
    QUIET.set(true);
    let (counted, result) = run(model);
    QUIET.set(false);
    let panic = result.expect_err(&format!("{name}: loom did not catch it in {counted} interleavings"));
    let told = panic.downcast_ref::<String>().map(String::as_str);
    let told = told.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    assert!(told.contains(message), "{name}: caught, but not for its bug: {told}");
    println!("{name}: caught in interleaving {counted}");
}

fn run(model: impl Fn() + Sync + Send + 'static) -> (u64, std::thread::Result<()>) {
    silence_expected_panics();
    let counter = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&counter);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS_MAX));
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        builder.check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            model();
        });
    }));
    (counter.load(Ordering::Relaxed), result)
}

thread_local! {
    /// Whether this thread runs a broken twin, whose panic is expected and would only be noise.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

fn silence_expected_panics() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
}
