//! The loop: no attempt beyond what the policy and the budget allow, and nothing kept by a call that was cancelled.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loom::sync::atomic::{AtomicU32, Ordering::SeqCst};
use loom::thread;
use pgweave::retry::{Breaker, Budget, Classify, Clock, ErrorClass, Phase, Policy, Retry};

use crate::{catch, explore};

/// A clock that stands at second 2 and on which a sleep takes no time.
#[derive(Clone, Copy)]
struct Still;

const NOW: Duration = Duration::from_secs(2);

impl Clock for Still {
    fn now(&self) -> Duration {
        NOW
    }

    async fn sleep(&self, _: Duration) {}
}

#[derive(Debug)]
struct Conflict;

impl Classify for Conflict {
    fn class(&self) -> ErrorClass {
        ErrorClass::Serialization
    }
}

const POLICY: Policy = Policy { attempts_max: 3, ..Policy::DEFAULT };

/// How far a future gets without being woken; then it is dropped.
fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A way to call something that always conflicts, with retries that the tasks share.
trait Caller: Send + Sync + 'static {
    fn new(retries: u16) -> Self;
    /// Calls `attempt` until there is no reason to go on.
    fn call(&self, attempt: impl Fn());
}

impl Caller for Budget {
    fn new(retries: u16) -> Self {
        Budget::new(retries, 1)
    }

    fn call(&self, attempt: impl Fn()) {
        let retry = Retry::new(POLICY, &Still).budget(self);
        let call = retry.run(async |_| {
            attempt();
            Err::<(), _>(Conflict)
        });
        assert!(poll_once(call).is_ready());
    }
}

const CALLERS: u32 = 3;

/// Each task makes one attempt, and all together no more retries than the budget holds.
fn no_attempt_beyond_the_limit<C: Caller>(retries: u16) {
    let caller = Arc::new(C::new(retries));
    let attempts = Arc::new(AtomicU32::new(0));
    let call = move |caller: &C, attempts: &AtomicU32| {
        let own = std::cell::Cell::new(0);
        caller.call(|| {
            own.set(own.get() + 1);
            attempts.fetch_add(1, SeqCst);
        });
        assert!(own.get() <= POLICY.attempts_max, "{} attempts of one task", own.get());
    };
    let tasks: Vec<_> = (1..CALLERS)
        .map(|_| {
            let (caller, attempts) = (Arc::clone(&caller), Arc::clone(&attempts));
            thread::spawn(move || call(&caller, &attempts))
        })
        .collect();
    call(&caller, &attempts);
    tasks.into_iter().for_each(|task| task.join().unwrap());
    let (attempts, limit) = (attempts.load(SeqCst), CALLERS + u32::from(retries));
    assert!(attempts <= limit, "{attempts} attempts, beyond {limit}");
}

#[test]
fn no_attempt_is_made_beyond_the_limit() {
    explore("no attempt beyond the limit", 1_000, || no_attempt_beyond_the_limit::<Budget>(1));
}

/// Retries that are counted down after the retry was decided on.
struct CountsLate(AtomicU32);

impl Caller for CountsLate {
    fn new(retries: u16) -> Self {
        Self(AtomicU32::new(retries.into()))
    }

    fn call(&self, attempt: impl Fn()) {
        for number in 1..=POLICY.attempts_max {
            if number > 1 {
                if self.0.load(SeqCst) == 0 {
                    return;
                }
                self.0.fetch_sub(1, SeqCst);
            }
            attempt();
        }
    }
}

#[test]
fn twin_counting_late_goes_beyond_the_limit() {
    catch("twin: counts late", ", beyond 4", || no_attempt_beyond_the_limit::<CountsLate>(1));
}

/// What calls hold meanwhile: a token of a budget of one retry, or the place of the probe.
trait Holder: Send + Sync + 'static {
    fn new() -> Self;
    /// A call that is cancelled in its second attempt, while it holds the token, if it gets one.
    fn cancelled_retry(&self);
    /// A call that is cancelled in its first attempt, which is the probe, if it gets that place.
    fn cancelled_probe(&self);
    /// A call that succeeds in its second attempt, if it may make one.
    fn call(&self);
    /// Whether the token is there.
    fn has_its_token(&self) -> bool;
    /// Whether a call is let through: as the probe, or because the breaker is closed.
    fn lets_a_call_through(&self) -> bool;
}

/// What the tasks share in the real thing. The breaker is open, and its time is over.
struct Shared {
    budget: Budget,
    breaker: Breaker,
}

impl Holder for Shared {
    fn new() -> Self {
        let breaker = Breaker::new(1, Duration::from_secs(1));
        breaker.admit(Duration::ZERO).unwrap().failed(Duration::ZERO);
        Self { budget: Budget::new(1, 1), breaker }
    }

    fn cancelled_retry(&self) {
        let retry = Retry::new(POLICY, &Still).budget(&self.budget);
        let _ = poll_once(retry.run(async |attempt| match attempt {
            1 => Err::<(), _>(Conflict),
            _ => pending().await,
        }));
    }

    fn cancelled_probe(&self) {
        let retry = Retry::new(POLICY, &Still).breaker(&self.breaker);
        let _ = poll_once(retry.run(async |_| pending::<Result<(), Conflict>>().await));
    }

    fn call(&self) {
        let retry = Retry::new(POLICY, &Still).budget(&self.budget).breaker(&self.breaker);
        let _ = poll_once(retry.run(async |attempt| if attempt == 1 { Err(Conflict) } else { Ok(()) }));
    }

    fn has_its_token(&self) -> bool {
        (self.budget.available(), self.budget.spent()) == (1, 0)
    }

    fn lets_a_call_through(&self) -> bool {
        let pass = self.breaker.admit(NOW);
        assert_ne!(self.breaker.phase(), Phase::Open);
        pass.is_ok()
    }
}

fn at_once<H: Holder, const N: usize>(acts: [fn(&H); N]) -> Arc<H> {
    let holder = Arc::new(H::new());
    let tasks = acts.map(|act| {
        let holder = Arc::clone(&holder);
        thread::spawn(move || act(&holder))
    });
    tasks.into_iter().for_each(|task| task.join().unwrap());
    holder
}

/// The token of a call that was cancelled is there again.
fn a_cancelled_retry_gives_back<H: Holder>() {
    let holder = at_once([H::cancelled_retry, H::cancelled_retry, H::call]);
    assert!(holder.has_its_token(), "the token is gone");
}

/// The place of a probe that was cancelled is free again.
fn a_cancelled_probe_gives_back<H: Holder>() {
    let holder = at_once([H::cancelled_probe, H::cancelled_probe, H::call]);
    assert!(holder.lets_a_call_through(), "the place of the probe is gone");
}

#[test]
fn a_cancelled_retry_gives_its_token_back() {
    explore("a cancelled retry gives its token back", 5_000, a_cancelled_retry_gives_back::<Shared>);
}

#[test]
fn a_cancelled_probe_gives_its_place_back() {
    explore("a cancelled probe gives its place back", 1_000, a_cancelled_probe_gives_back::<Shared>);
}

/// Gives back, but in two steps (the token), or only when the call comes to its end (the place of the probe).
struct GivesBackBadly {
    tokens: AtomicU32,
    probes: AtomicU32,
}

/// A guard, as it should be, with a Drop that loads and then stores.
struct Torn<'a>(&'a AtomicU32);

impl Drop for Torn<'_> {
    fn drop(&mut self) {
        let tokens = self.0.load(SeqCst);
        self.0.store(tokens + 1, SeqCst);
    }
}

impl GivesBackBadly {
    fn take(&self) -> Option<Torn<'_>> {
        // Each task may take a token even while the bucket owes one, so that the guards meet.
        self.tokens.fetch_update(SeqCst, SeqCst, |tokens| tokens.checked_sub(1)).ok()?;
        Some(Torn(&self.tokens))
    }

    async fn probe(&self, attempt: impl Future<Output = ()>) {
        if self.probes.compare_exchange(0, 1, SeqCst, SeqCst).is_ok() {
            attempt.await;
            self.probes.store(0, SeqCst);
        }
    }
}

impl Holder for GivesBackBadly {
    fn new() -> Self {
        Self { tokens: AtomicU32::new(2), probes: AtomicU32::new(0) }
    }

    fn cancelled_retry(&self) {
        let _ = poll_once(async {
            let _token = self.take();
            pending::<()>().await;
        });
    }

    fn cancelled_probe(&self) {
        let _ = poll_once(self.probe(pending()));
    }

    fn call(&self) {
        let _ = poll_once(self.probe(async {}));
        drop(self.take());
    }

    fn has_its_token(&self) -> bool {
        self.tokens.load(SeqCst) == 2
    }

    fn lets_a_call_through(&self) -> bool {
        self.probes.load(SeqCst) == 0
    }
}

#[test]
fn twin_a_torn_guard_loses_the_token() {
    catch("twin: a torn guard", "the token is gone", a_cancelled_retry_gives_back::<GivesBackBadly>);
}

#[test]
fn twin_giving_back_at_the_end_keeps_the_probe() {
    catch(
        "twin: gives back at the end",
        "the place of the probe is gone",
        a_cancelled_probe_gives_back::<GivesBackBadly>,
    );
}
