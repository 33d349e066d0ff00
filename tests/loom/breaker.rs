//! The breaker: exactly one probe, and no change of phase but those that are drawn on its box.

use std::mem;
use std::time::Duration;

use loom::sync::Mutex;
use loom::thread;
use pgweave::retry::{Breaker, Pass, Phase};

use crate::{catch, explore};

const SECOND: Duration = Duration::from_secs(1);
const TASKS: usize = 3;

/// What the models ask of a breaker that one failure opens, for a second.
trait Circuit: Send + Sync + 'static {
    type Pass<'a>;
    fn new() -> Self;
    fn admit(&self, now: Duration) -> Option<Self::Pass<'_>>;
    fn succeeded(&self, pass: Self::Pass<'_>);
    fn failed(&self, pass: Self::Pass<'_>, now: Duration);
    fn phase(&self) -> Phase;
}

impl Circuit for Breaker {
    type Pass<'a> = Pass<'a>;

    fn new() -> Self {
        Breaker::new(1, SECOND)
    }

    fn admit(&self, now: Duration) -> Option<Pass<'_>> {
        Breaker::admit(self, now).ok()
    }

    fn succeeded(&self, pass: Pass<'_>) {
        pass.succeeded();
    }

    fn failed(&self, pass: Pass<'_>, now: Duration) {
        pass.failed(now);
    }

    fn phase(&self) -> Phase {
        Breaker::phase(self)
    }
}

/// A breaker that has been opened at second 1, so that its time is over at second 2, and a call that was let through
/// before. It is leaked, so that a thread can hold a pass of it.
fn opened<C: Circuit>() -> (&'static C, C::Pass<'static>) {
    let circuit: &C = Box::leak(Box::new(C::new()));
    let [late, failing] = [(); 2].map(|()| circuit.admit(SECOND).expect("a new breaker is closed"));
    circuit.failed(failing, SECOND);
    assert!(circuit.admit(SECOND).is_none(), "it is open, and lets a call through");
    (circuit, late)
}

/// When the time of an open breaker is over, one task of several becomes the probe.
fn one_probe<C: Circuit>() {
    let (circuit, late) = opened::<C>();
    let ask = || circuit.admit(2 * SECOND).map(mem::forget).is_some();
    let tasks: Vec<_> = (1..TASKS).map(|_| thread::spawn(ask)).collect();
    let mut probes = usize::from(ask());
    for task in tasks {
        probes += usize::from(task.join().unwrap());
    }
    assert!(probes == 1, "{probes} probes");
    assert_eq!(circuit.phase(), Phase::HalfOpen);
    mem::forget(late);
}

/// How a call ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Success,
    Failure,
}

fn end<C: Circuit>(circuit: &C, pass: C::Pass<'_>, end: End) {
    match end {
        End::Success => circuit.succeeded(pass),
        End::Failure => circuit.failed(pass, 2 * SECOND),
    }
}

/// Open, half-open, and then what the probe says: closed or open. Neither the contrary result of a call that was let
/// through before the breaker opened nor another task's asking changes that.
fn the_probe_decides<C: Circuit>(probe: End) {
    let (circuit, late) = opened::<C>();
    let contrary = if probe == End::Success { End::Failure } else { End::Success };
    let tasks = [
        thread::spawn(move || end(circuit, late, contrary)),
        thread::spawn(|| {
            if let Some(pass) = circuit.admit(SECOND) {
                assert_eq!(circuit.phase(), Phase::Closed, "let through before the time was over");
                circuit.succeeded(pass);
            }
        }),
    ];
    let pass = circuit.admit(2 * SECOND).expect("the time is over");
    assert!(circuit.phase() == Phase::HalfOpen, "{} while the probe is under way", circuit.phase());
    end(circuit, pass, probe);
    tasks.into_iter().for_each(|task| task.join().unwrap());
    let expected = if probe == End::Success { Phase::Closed } else { Phase::Open };
    assert!(circuit.phase() == expected, "{} in spite of the probe", circuit.phase());
}

#[test]
fn exactly_one_call_is_the_probe() {
    explore("exactly one half-open probe", 30, one_probe::<Breaker>);
}

#[test]
fn open_half_open_closed() {
    explore("open, half-open, closed", 100, || the_probe_decides::<Breaker>(End::Success));
}

#[test]
fn open_half_open_open() {
    explore("open, half-open, open", 100, || the_probe_decides::<Breaker>(End::Failure));
}

/// Looks whether the time is over, lets go of the lock, and then makes its caller the probe.
struct CheckThenProbe(Mutex<(Phase, Duration)>);

impl Circuit for CheckThenProbe {
    type Pass<'a> = ();

    fn new() -> Self {
        Self(Mutex::new((Phase::Closed, Duration::ZERO)))
    }

    fn admit(&self, now: Duration) -> Option<()> {
        let (phase, opened) = *self.0.lock().unwrap();
        match phase {
            Phase::Closed => Some(()),
            Phase::Open if now >= opened + SECOND => {
                self.0.lock().unwrap().0 = Phase::HalfOpen;
                Some(())
            }
            _ => None,
        }
    }

    // A result is believed whenever it comes: there are no rounds.
    fn succeeded(&self, (): ()) {
        self.0.lock().unwrap().0 = Phase::Closed;
    }

    fn failed(&self, (): (), now: Duration) {
        *self.0.lock().unwrap() = (Phase::Open, now);
    }

    fn phase(&self) -> Phase {
        self.0.lock().unwrap().0
    }
}

#[test]
fn twin_check_then_probe_sends_two_probes() {
    catch("twin: check, then probe", "2 probes", one_probe::<CheckThenProbe>);
}

#[test]
fn twin_without_rounds_believes_a_late_failure() {
    catch("twin: a late failure counts", "open ", || the_probe_decides::<CheckThenProbe>(End::Success));
}

#[test]
fn twin_without_rounds_believes_a_late_success() {
    catch("twin: a late success counts", "closed ", || the_probe_decides::<CheckThenProbe>(End::Failure));
}
