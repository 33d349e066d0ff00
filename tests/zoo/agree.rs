//! Re-execution and the dependency graph, held against each other on random cases of the registry and of the zoo.

use std::sync::Arc;

use pgweave::campaign::{Agreement, Comparing, Watch, agree, shared_server};
use pgweave::check::graph::Kinds;
use pgweave::explore::seed::Seed;
use pgweave::registry::{RegistrySubject, Variant};
use pgweave::server::Server;
use pgweave::zoo::{Form, LEVELS, ZooSubject, cases};

/// Whose cases are compared.
enum Whose {
    Registry(Variant),
    Zoo(ZooSubject),
}

fn subjects() -> Vec<Whose> {
    let forms = [Form::Buggy, Form::Fixed];
    let zoo = cases().into_iter().flat_map(|case| forms.map(|form| Whose::Zoo(ZooSubject::new(case, form))));
    Variant::ALL.into_iter().map(Whose::Registry).chain(zoo).collect()
}

/// Every so manyth of the subjects, two threads side by side.
fn compared(every: usize, comparing: &Comparing) -> Agreement {
    let server: Arc<Server> = {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(shared_server()).expect("a PostgreSQL server is needed")
    };
    let watch = Watch::default();
    let one = |whose: &Whose| match whose {
        Whose::Registry(variant) => agree(RegistrySubject::new(*variant), comparing, &server, &watch),
        Whose::Zoo(subject) => agree(*subject, comparing, &server, &watch),
    };
    let subjects: Vec<_> = subjects().into_iter().step_by(every).collect();
    let (first, second) = subjects.split_at(subjects.len() / 2);
    let mut sum = Agreement::default();
    std::thread::scope(|scope| {
        let all = |part: &[Whose]| part.iter().map(one).collect::<Result<Vec<_>, _>>();
        let threads = [first, second].map(|part| scope.spawn(move || all(part)));
        for thread in threads {
            let parts = thread.join().expect("compared").expect("the server answers");
            parts.into_iter().for_each(|part| sum += part);
        }
    });
    sum
}

#[test]
fn what_no_serial_order_explains_has_a_cycle() {
    let comparing = Comparing { levels: LEVELS.to_vec(), seed: Seed(20), numbers: 0..4, left_out: None };
    let sum = compared(3, &comparing);
    assert_eq!(sum.disagreements, [], "{sum:?}");
    // Each answer must have come up, or nothing was compared.
    assert!(sum.cases > 300 && sum.serial > 0 && sum.cyclic > 0 && sum.lucky > 0, "{sum:?}");
}

#[test]
fn a_graph_without_one_kind_of_dependency_is_caught() {
    for left_out in [Kinds::RW, Kinds::PREDICATE_RW, Kinds::WW] {
        let comparing = Comparing {
            levels: LEVELS[..1].to_vec(),
            seed: Seed(20),
            numbers: 0..4,
            left_out: Some(left_out),
        };
        let sum = compared(3, &comparing);
        assert!(!sum.disagreements.is_empty(), "without {}: {sum:?}", left_out.symbol());
    }
}
