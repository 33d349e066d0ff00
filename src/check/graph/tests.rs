//! The judge against brute force: every simple cycle of small random histories, from edges found by definition.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::reason::is_lost_update;
use super::*;

/// What a random transaction does, before versions are given out.
#[derive(Clone, Debug)]
struct Plan {
    fate: Fate,
    /// Key, whether it writes, and what decides the version.
    operations: Vec<(u32, bool, u8)>,
    session: u32,
    /// When it begins, and how long it takes.
    interval: (u32, u32),
}

fn plan() -> impl Strategy<Value = Plan> {
    let fate = prop_oneof![9 => Just(Fate::Committed), 1 => Just(Fate::Aborted)];
    let operations = prop::collection::vec((0u32..3, any::<bool>(), any::<u8>()), 1..4);
    (fate, operations, 0u32..3, (0u32..12, 1u32..6)).prop_map(|(fate, operations, session, interval)| Plan {
        fate,
        operations,
        session,
        interval,
    })
}

/// The history in which each key's writes are ordered by what decides them.
fn observed(plans: &[Plan], order: Order) -> Observed {
    let mut writes: BTreeMap<u32, Vec<(u8, usize, usize)>> = BTreeMap::new();
    for (txn, plan) in plans.iter().enumerate() {
        for (at, (key, _, decides)) in plan.operations.iter().enumerate().filter(|(_, op)| op.1) {
            writes.entry(*key).or_default().push((*decides, txn, at));
        }
    }
    writes.values_mut().for_each(|of_key| of_key.sort_unstable());
    let mut builder = Builder::default();
    for (txn, plan) in plans.iter().enumerate() {
        // Each order is tried alone; a session's transactions follow one another as they are listed.
        let session = if order == Order::Session { plan.session } else { Transaction::NO_SESSION };
        let interval = match order {
            Order::RealTime => (2 * plan.interval.0, 2 * (plan.interval.0 + plan.interval.1) + 1),
            _ => (2 * txn as u32, 2 * txn as u32 + 1),
        };
        builder.transaction(session, plan.fate, interval);
        for (at, &(key, is_write, decides)) in plan.operations.iter().enumerate() {
            let of_key = writes.get(&key).map_or(&[][..], Vec::as_slice);
            builder.operation(if is_write {
                let place = of_key.iter().position(|write| (write.1, write.2) == (txn, at)).unwrap();
                Operation::write(Key(key), Version(place as u32 + 1))
            } else {
                Operation::read(Key(key), Version(u32::from(decides) % (of_key.len() as u32 + 1)))
            });
        }
    }
    builder.build(Shape::Register)
}

/// Every edge, by its definition.
fn edges(observed: &Observed, order: Order) -> Vec<Link> {
    let taking_part: Vec<Txn> =
        observed.transactions().map(|(txn, _)| txn).filter(|txn| observed.takes_part(*txn)).collect();
    let mut links = Vec::new();
    for &from in &taking_part {
        for &to in taking_part.iter().filter(|&&to| to != from) {
            let mut add = |kind| links.push(Link { from, to, kind });
            for (earlier, later) in observed
                .operations(from)
                .iter()
                .flat_map(|a| observed.operations(to).iter().map(move |b| (*a, *b)))
            {
                if earlier.key() != later.key() {
                    continue;
                }
                let key = earlier.key();
                let mut between = (earlier.version().0 + 1..later.version().0).map(Version);
                let is_next = earlier.version() < later.version()
                    && !between.any(|version| observed.committed_writer(key, version).is_some());
                match (earlier.action(), later.action()) {
                    (Action::Write, Action::Write) if is_next => add(Kinds::WW),
                    (Action::Read, Action::Write) if is_next => add(Kinds::RW),
                    (Action::Write, Action::Read) if earlier.version() == later.version() => add(Kinds::WR),
                    _ => {}
                }
            }
            let (a, b) = (observed.transaction(from), observed.transaction(to));
            let between = |txn: &&Txn| **txn > from && **txn < to;
            if order == Order::Session && a.session == b.session && from < to {
                let follows = |txn: &Txn| observed.transaction(*txn).session == a.session;
                if !taking_part.iter().filter(between).any(follows) {
                    add(Kinds::SESSION);
                }
            }
            if order == Order::RealTime && a.returned < b.invoked {
                add(Kinds::REAL_TIME);
            }
        }
    }
    links.sort_unstable();
    links.dedup();
    links
}

/// Every simple cycle, each begun at its first transaction.
fn cycles(links: &[Link]) -> Vec<Cycle> {
    fn go_on(links: &[Link], path: &mut Cycle, found: &mut Vec<Cycle>) {
        let (start, here) = (path[0].from, path[path.len() - 1].to);
        for link in links.iter().filter(|link| link.from == here) {
            if link.to == start {
                found.push(path.iter().chain([link]).copied().collect());
            } else if link.to > start && path.iter().all(|earlier| earlier.from != link.to) {
                path.push(*link);
                go_on(links, path, found);
                path.pop();
            }
        }
    }
    let mut found = Vec::new();
    for link in links.iter().filter(|link| link.to > link.from) {
        go_on(links, &mut vec![*link], &mut found);
    }
    found
}

/// The shortest cycle of each kind, lost updates apart.
fn by_brute_force(observed: &Observed, order: Order) -> BTreeMap<Anomaly, usize> {
    let mut shortest = BTreeMap::new();
    for cycle in cycles(&edges(observed, order)) {
        let Some((class, order)) = classify(&cycle) else { continue };
        if is_lost_update(observed, &cycle) {
            assert!(has_lost_update(observed), "{cycle:?}");
            continue;
        }
        let length = shortest.entry(Anomaly::Cycle(class, order)).or_insert(usize::MAX);
        *length = cycle.len().min(*length);
    }
    if has_lost_update(observed) {
        shortest.insert(Anomaly::LostUpdate, 0);
    }
    shortest
}

/// Whether someone read a version before all else, and wrote the key after another's write had followed that version.
fn has_lost_update(observed: &Observed) -> bool {
    observed.transactions().filter(|(txn, _)| observed.takes_part(*txn)).any(|(txn, _)| {
        let operations = observed.operations(txn);
        operations.iter().enumerate().any(|(at, read)| {
            let first = operations.iter().position(|met| met.key() == read.key()) == Some(at);
            let key = read.key();
            let mine = operations.iter().filter(|met| met.key() == key && met.action() == Action::Write);
            first
                && read.action() == Action::Read
                && mine.into_iter().any(|mine| {
                    let mut between = (read.version().0 + 1..mine.version().0).map(Version);
                    let next = between.find_map(|version| observed.committed_writer(key, version));
                    next.is_some_and(|writer| writer != txn)
                })
        })
    })
}

fn compare(plans: &[Plan], order: Order) {
    let observed = observed(plans, order);
    let expected = by_brute_force(&observed, order);
    let found = judge(&observed, order);
    for finding in found.iter() {
        let Evidence::Cycle(cycle, searched) = &finding.evidence else { continue };
        assert_eq!(*searched, Searched::Fully);
        let links = edges(&observed, order);
        for (link, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
            assert_eq!(link.to, next.from, "it closes: {cycle:?}");
            assert!(links.contains(link), "{link:?} is an edge");
            let ordered = link.kind.meets(Kinds::SESSION.or(Kinds::REAL_TIME));
            assert!(ordered || reason(&observed, link).is_some(), "{link:?} has a reason");
        }
        if finding.anomaly != Anomaly::LostUpdate {
            let least = expected.get(&finding.anomaly).copied().unwrap_or(usize::MAX);
            // Where something worse is found, a milder cycle need not be the shortest of its class.
            let worse = |anomaly: &Anomaly| match (anomaly, finding.anomaly) {
                (Anomaly::Cycle(_, lesser), Anomaly::Cycle(Class::GNonadjacent, order)) => *lesser <= order,
                (Anomaly::Cycle(_, lesser), Anomaly::Cycle(_, order)) => *lesser < order,
                _ => true,
            };
            let exact = !expected.keys().any(|anomaly| *anomaly != finding.anomaly && worse(anomaly));
            assert!(if exact { cycle.len() == least } else { cycle.len() >= least }, "{finding:?}: {least}");
        }
    }
    // A level is broken by a cycle exactly if some simple cycle breaks it.
    for model in Model::ALL.into_iter().filter(|model| model.order() <= order) {
        let by_cycle = |anomaly: Anomaly| {
            matches!(anomaly, Anomaly::Cycle(..) | Anomaly::LostUpdate) && model.forbids(anomaly)
        };
        let broken = expected.keys().any(|anomaly| by_cycle(*anomaly));
        let told = found.against(model).any(|finding| by_cycle(finding.anomaly));
        assert_eq!(told, broken, "{model}: expected {expected:?}, found {found:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn data_cycles_are_those_of_brute_force(plans in prop::collection::vec(plan(), 2..7)) {
        compare(&plans, Order::Data);
    }

    #[test]
    fn session_cycles_are_those_of_brute_force(plans in prop::collection::vec(plan(), 2..7)) {
        compare(&plans, Order::Session);
    }

    #[test]
    fn real_time_cycles_are_those_of_brute_force(plans in prop::collection::vec(plan(), 2..7)) {
        compare(&plans, Order::RealTime);
    }
}
