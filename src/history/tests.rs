use super::*;

fn tagged(tag: &str) -> Statement {
    Statement { tag: Some(tag.into()), ..Statement::default() }
}

#[test]
fn a_command_tag_tells_verb_and_row_count() {
    assert_eq!((tagged("UPDATE 1").verb().as_str(), tagged("UPDATE 1").row_count()), ("UPDATE", Some(1)));
    assert_eq!((tagged("INSERT 0 2").verb().as_str(), tagged("INSERT 0 2").row_count()), ("INSERT", Some(2)));
    assert_eq!((tagged("COMMIT").verb().as_str(), tagged("COMMIT").row_count()), ("COMMIT", None));
}

#[test]
fn a_session_is_preempted_when_it_could_have_gone_on() {
    let count = |schedule: &str, waiting: Option<(usize, usize)>| {
        let step = |session: SessionId| Step {
            session,
            op: OpId { session, index: 0 },
            action: Action::Wake { slept_us: 0 },
            wait: None,
            inside: None,
        };
        let schedule: Schedule = schedule.parse().unwrap();
        let mut steps: Vec<_> = schedule.0.into_iter().map(step).collect();
        if let Some((at, until)) = waiting {
            steps[at].wait = Some(Wait { for_sessions: Vec::new(), until: Some(until) });
        }
        History { steps, ..History::default() }.preemptions()
    };
    assert_eq!(count("A A B B", None), 0);
    assert_eq!(count("A B B A", None), 1);
    assert_eq!(count("A B A B", None), 2);
    // Leaving a session that waits costs nothing; it was chosen once, and that preempted A.
    assert_eq!(count("A B A B", Some((1, 2))), 1);
    assert_eq!(count("", None), 0);
}

#[test]
fn a_state_gives_the_values_of_a_column() {
    let state = crate::check::testing::state(&[("t id v", &["1 a", "2 NULL", "3 b"])]);
    assert_eq!(state.values("t", "v").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((state.values("t", "x").count(), state.values("u", "v").count()), (0, 0));
}

#[test]
fn giving_up_keeps_the_sqlstate_of_the_last_attempt() {
    let last = Failure::Database {
        sqlstate: "40001".into(),
        message: "could not serialize".into(),
        constraint: None,
    };
    let gave_up = Failure::GaveUp { attempts: 3, last: Box::new(last) };
    assert_eq!(gave_up.sqlstate(), Some("40001"));
    assert_eq!(Failure::refused("no").sqlstate(), None);
}
