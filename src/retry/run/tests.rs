//! The loop against a clock that it moves itself, and against the events that it emits.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::future::{pending, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use expect_test::{Expect, expect};

use super::*;
use crate::retry::{OnUnique, Phase};

/// A clock that a sleep moves on at once.
#[derive(Default)]
struct TestClock {
    now: Cell<Duration>,
    sleeps: RefCell<Vec<u128>>,
    /// How much longer a sleep takes than was asked for.
    oversleeps: Duration,
}

impl Clock for TestClock {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn sleep(&self, how_long: Duration) -> impl Future<Output = ()> {
        self.sleeps.borrow_mut().push(how_long.as_millis());
        self.now.set(self.now.get() + how_long + self.oversleeps);
        ready(())
    }
}

/// An error that is only a class.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
struct Failed(ErrorClass);

impl Classify for Failed {
    fn class(&self) -> ErrorClass {
        self.0
    }
}

const MS: Duration = Duration::from_millis(1);
const POLICY: Policy = Policy {
    attempts_max: 4,
    base: Duration::from_millis(10),
    cap: Duration::from_millis(100),
    deadline: Duration::from_secs(1),
    unique_violation: OnUnique::GiveUp,
};
const TRANSIENT: Failed = Failed(ErrorClass::Serialization);
const LOST: Failed = Failed(ErrorClass::ConnectionLost);

/// What a future that never waits ends with.
fn now_or_never<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

/// Runs attempts that end as `results` say, the last one again and again.
fn run<C: Clock>(retry: &Retry<'_, C>, results: &[Result<(), Failed>]) -> Result<u32, GaveUp<Failed>> {
    now_or_never(retry.run(async |attempt| {
        let index = (attempt as usize).min(results.len()) - 1;
        results[index].map(|()| attempt)
    }))
}

#[test]
fn it_tries_again_until_it_succeeds() {
    let clock = TestClock::default();
    let retry = Retry::new(POLICY, &clock);
    assert_eq!(run(&retry, &[Err(TRANSIENT), Err(Failed(ErrorClass::Deadlock)), Ok(())]), Ok(3));
    assert_eq!(*clock.sleeps.borrow(), [10, 20]);
}

#[test]
fn it_gives_up_for_a_reason() {
    let check = |policy: Policy, class: ErrorClass, expected: Expect| {
        let clock = TestClock::default();
        let gave_up = run(&Retry::new(policy, &clock), &[Err(Failed(class))]).unwrap_err();
        assert_eq!(gave_up.last, Some(Failed(class)));
        expected.assert_eq(&gave_up.to_string());
    };
    check(
        POLICY,
        ErrorClass::Serialization,
        expect![
            "gave up after 4 attempts: all attempts are spent, raise attempts_max or lessen the contention: serialization"
        ],
    );
    check(
        Policy { deadline: 25 * MS, ..POLICY },
        ErrorClass::OptimisticConflict,
        expect![
            "gave up after 2 attempts: the next attempt would begin after the deadline: optimistic-conflict"
        ],
    );
    check(
        POLICY,
        ErrorClass::UniqueViolation,
        expect!["gave up after 1 attempt: another attempt would fail in the same way: unique-violation"],
    );
    check(
        POLICY,
        ErrorClass::OutcomeUnknown,
        expect![
            "gave up after 1 attempt: the connection was lost during COMMIT, look whether it took effect before trying again: outcome-unknown"
        ],
    );
}

#[test]
fn an_oversleeping_clock_does_not_carry_an_attempt_past_the_deadline() {
    let clock = TestClock { oversleeps: POLICY.deadline, ..TestClock::default() };
    let budget = Budget::new(1, 1);
    let gave_up = run(&Retry::new(POLICY, &clock).budget(&budget), &[Err(TRANSIENT)]).unwrap_err();
    assert_eq!((gave_up.attempts, gave_up.why), (1, GiveUp::DeadlinePassed));
    assert_eq!(budget.available(), 1, "the retry was not made, so its token goes back");
}

#[test]
fn a_failed_retry_spends_its_token_and_a_success_earns_one_back() {
    let clock = TestClock::default();
    let budget = Budget::new(2, 1);
    let retry = Retry::new(POLICY, &clock).budget(&budget);
    let gave_up = run(&retry, &[Err(TRANSIENT)]).unwrap_err();
    assert_eq!((gave_up.attempts, gave_up.why), (3, GiveUp::BudgetSpent));
    assert_eq!((budget.available(), budget.spent()), (0, 2));
    assert_eq!(run(&retry, &[Ok(())]), Ok(1));
    assert_eq!((budget.available(), budget.spent()), (1, 1));
    assert_eq!(run(&retry, &[Err(TRANSIENT), Ok(())]), Ok(2));
    assert_eq!((budget.available(), budget.spent()), (2, 0));
}

#[test]
fn outages_open_the_breaker_and_conflicts_do_not() {
    let clock = TestClock::default();
    let breaker = Breaker::new(2, Duration::from_secs(9));
    let retry = Retry::new(POLICY, &clock).breaker(&breaker);
    assert_eq!(run(&retry, &[Err(TRANSIENT)]).unwrap_err().why, GiveUp::AttemptsSpent);
    assert_eq!(breaker.phase(), Phase::Closed);
    let gave_up = run(&retry, &[Err(LOST)]).unwrap_err();
    assert_eq!((gave_up.attempts, gave_up.why, gave_up.last), (2, GiveUp::BreakerOpen, Some(LOST)));
    let refused = run(&retry, &[Ok(())]).unwrap_err();
    assert_eq!((refused.attempts, refused.why, refused.last), (0, GiveUp::BreakerOpen, None));
    clock.now.set(Duration::from_secs(20));
    assert_eq!(
        run(&retry, &[Err(TRANSIENT), Ok(())]),
        Ok(2),
        "an answer closes it, even one that is an error"
    );
    assert_eq!(breaker.phase(), Phase::Closed);
}

#[test]
fn a_cancelled_attempt_gives_back_what_it_holds() {
    let clock = TestClock { now: Cell::new(Duration::from_secs(5)), ..TestClock::default() };
    let (budget, breaker) = (Budget::new(1, 1), Breaker::new(1, MS));
    breaker.admit(Duration::ZERO).unwrap().failed(Duration::ZERO);
    let retry = Retry::new(POLICY, &clock).budget(&budget).breaker(&breaker);
    // The first attempt is the probe.
    {
        let mut first = pin!(retry.run(async |_| pending::<Result<(), Failed>>().await));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(breaker.phase(), Phase::HalfOpen);
    }
    assert_eq!(breaker.phase(), Phase::Open);
    // The second one holds the budget's only token.
    {
        let mut second = pin!(retry.run(async |attempt| match attempt {
            1 => Err(TRANSIENT),
            _ => pending::<Result<(), Failed>>().await,
        }));
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!((breaker.phase(), budget.available()), (Phase::Closed, 0));
    }
    assert_eq!((budget.available(), budget.spent()), (1, 0));
}

#[test]
fn every_retry_wait_and_change_of_state_is_an_event() {
    let story = Story::default();
    let clock = TestClock::default();
    let breaker = Breaker::new(2, MS);
    let retry = Retry::new(Policy { attempts_max: 3, ..POLICY }, &clock).breaker(&breaker);
    tracing::subscriber::with_default(story.clone(), || {
        let _ = run(&retry, &[Err(TRANSIENT), Err(LOST), Err(LOST)]);
        clock.now.set(Duration::from_secs(1));
        let _ = run(&retry, &[Ok(())]);
    });
    expect![[r#"
        wait before the retry attempt=1 class=serialization sqlstate=40001 wait_us=10000
        retry attempt=2 class=serialization sqlstate=40001
        wait before the retry attempt=2 class=connection-lost wait_us=20000
        retry attempt=3 class=connection-lost
        circuit breaker attempt=3 class=connection-lost from=closed to=open
        no retry attempt=3 class=connection-lost why=all attempts are spent, raise attempts_max or lessen the contention
        circuit breaker attempt=1 from=open to=half-open
        circuit breaker attempt=1 from=half-open to=closed
    "#]]
    .assert_eq(&story.0.lock().unwrap());
}

/// A subscriber that writes each event of this crate on a line.
#[derive(Clone, Default)]
struct Story(Arc<Mutex<String>>);

impl tracing::Subscriber for Story {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("pgweave::retry")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        writeln!(self.0.lock().unwrap(), "{}{}", line.message, line.fields).unwrap();
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// An event's message and its other fields.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl tracing::field::Visit for Line {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => write!(self.message, "{value:?}").unwrap(),
            name => write!(self.fields, " {name}={value:?}").unwrap(),
        }
    }
}
