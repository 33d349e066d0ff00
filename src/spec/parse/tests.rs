use expect_test::{Expect, expect};

use super::*;

fn check(text: &str, expected: Expect) {
    let shown = match parse("a.spec", text) {
        Ok(spec) => format!("{spec:?}"),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn a_whole_spec_is_read() {
    let text = r#"
        # two setups
        setup { CREATE TABLE t (v int); }
        setup {
 INSERT INTO t VALUES (1); }
        teardown { DROP TABLE t }
        session "s ""1""" setup { BEGIN }
        step a {} step "b c" { SELECT '#no comment' }
        teardown { COMMIT; }
        session s2 step c$1 { SELECT 1 }
        permutation a "b c"(*) c$1 ( a , "b c" notices 2 )
        permutation c$1
    "#;
    let spec = parse("a.spec", text).unwrap();
    assert_eq!(spec.setup, ["CREATE TABLE t (v int);", "\n INSERT INTO t VALUES (1);"]);
    assert_eq!(spec.teardown.as_deref(), Some("DROP TABLE t"));
    assert_eq!((spec.sessions[0].name.as_str(), spec.sessions[1].name.as_str()), ("s \"1\"", "s2"));
    assert_eq!(spec.sessions[0].steps[0].sql, "");
    assert_eq!(spec.sessions[0].steps[1].sql, "SELECT '#no comment'");
    let markers: Vec<_> = spec.permutations[0].0.iter().map(|turn| turn.markers.clone()).collect();
    let (a, bc) = (StepRef { session: 0, step: 0 }, StepRef { session: 0, step: 1 });
    let last = vec![Marker::WhileActive(a), Marker::Notices { of: bc, count: 2 }];
    assert_eq!(markers, [vec![], vec![Marker::Once], last]);
    assert_eq!(spec.permutations.len(), 2);
    assert_eq!(spec.unused_steps(), Vec::<&str>::new());
}

#[test]
fn unused_steps_are_named_in_order() {
    let text = "session s step b {} step a {} step c {} permutation c";
    assert_eq!(parse("a.spec", text).unwrap().unused_steps(), ["a", "b"]);
}

#[test]
fn what_is_malformed_is_named_with_its_place() {
    check("", expect!["a.spec:1:1: expected 'setup', 'teardown' or 'session', found the end of the file"]);
    check("teardown {} setup {}", expect!["a.spec:1:13: expected 'session', found 'setup'"]);
    check("setup\n  session", expect!["a.spec:2:3: expected an SQL block in { }, found 'session'"]);
    check(
        "session s\nstep a { SELECT",
        expect!["a.spec:2:8: expected '}', found the end of the file in an SQL block"],
    );
    check(
        "session s step step {}",
        expect![
            "a.spec:1:16: expected the step's name (in double quotes where it is a keyword), found 'step'"
        ],
    );
    check("session s setup {}", expect!["a.spec:1:19: expected 'step', found the end of the file"]);
    check(
        "session s step \"a\n\" {}",
        expect![[
            r#"a.spec:1:16: expected a name that ends with '"', found the end of the line in a quoted name"#
        ]],
    );
    check(
        "session s step a ; {}",
        expect![
            "a.spec:1:18: expected a keyword, a name, an SQL block in { } or a comment, found the character ';'"
        ],
    );
    check(
        "session s step a {} session t step a {}",
        expect![
            "a.spec:1:36: duplicate step name: a (it was defined in line 1; step names are unique in the file)"
        ],
    );
}

#[test]
fn malformed_permutations_are_named_with_their_place() {
    let check = |text: &str, expected| {
        check(&format!("session s step a {{}} step c {{}} session t step b {{}}\n{text}"), expected)
    };
    check("permutation", expect!["a.spec:2:12: expected a step's name, found the end of the file"]);
    check("permutation a x", expect![[r#"a.spec:2:15: undefined step "x" specified in permutation"#]]);
    check(
        "permutation a(x)",
        expect![[r#"a.spec:2:15: undefined blocking step "x" referenced in permutation step "a""#]],
    );
    check(
        "permutation a(c)",
        expect![[r#"a.spec:2:15: permutation step "a" cannot block on its own session"#]],
    );
    check("permutation a(b notices)", expect!["a.spec:2:24: expected a number of notices, found ')'"]);
    check("permutation a(b c)", expect!["a.spec:2:17: expected ',' or ')', found the name 'c'"]);
    check("permutation a()", expect!["a.spec:2:15: expected '*' or another step's name, found ')'"]);
    check(
        "permutation a session",
        expect![
            "a.spec:2:15: expected a step's name, '(', 'permutation' or the end of the file, found 'session'"
        ],
    );
    check("session", expect!["a.spec:2:8: expected the session's name, found the end of the file"]);
}
