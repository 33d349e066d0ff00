//! Every case begins at the first state, whatever the one before has changed and however: by name, through a foreign key, a
//! trigger, a function, a view, or a partition.

use std::collections::BTreeSet;
use std::sync::Arc;

use pgweave::campaign::{StandingLane, shared_server};
use pgweave::case::{Case, Gates};
use pgweave::explore::Follow;
use pgweave::history::{Failure, Outcome};
use pgweave::isolation::Isolation;
use pgweave::prelude::{BoxedStrategy, Session, Strategy, Subject, Value, json};
use pgweave::schedule::Schedule;
use pgweave::weave::Limits;

const SCHEMA: &str = "
CREATE TABLE model (id int PRIMARY KEY, name text UNIQUE);
CREATE TABLE version (id int PRIMARY KEY, model int REFERENCES model ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE tag (id int PRIMARY KEY, version int REFERENCES version ON DELETE SET NULL);
CREATE TABLE lone (v int);
CREATE TABLE numbered (id serial, v int);
CREATE TABLE parted (v int) PARTITION BY LIST (v);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
CREATE TABLE heir () INHERITS (lone);
CREATE TABLE named (number int, put text, datums text[]);
CREATE TABLE bare ();
CREATE VIEW seen AS SELECT v FROM lone;
INSERT INTO bare DEFAULT VALUES;
INSERT INTO model VALUES (1, 'a'), (2, 'b');
INSERT INTO version VALUES (1, 1), (2, 2);
INSERT INTO tag VALUES (1, 1), (2, 2);
INSERT INTO lone VALUES (1);
INSERT INTO heir VALUES (5);
INSERT INTO named VALUES (1, 'put', '{a}');
INSERT INTO parted VALUES (1)";

/// What makes any statement run code of the subject's.
const CODE: &str = "
CREATE TABLE audit (what text);
CREATE TABLE audited (v int);
INSERT INTO audited VALUES (1);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO audit VALUES (TG_OP); RETURN NEW; END $$;
CREATE TRIGGER noted AFTER UPDATE ON audited FOR EACH ROW EXECUTE FUNCTION note();
CREATE TABLE ruled (v int);
INSERT INTO ruled VALUES (1);
CREATE RULE noted AS ON INSERT TO ruled DO ALSO INSERT INTO audit VALUES ('rule');
CREATE FUNCTION add_lone() RETURNS int LANGUAGE sql AS $$ INSERT INTO lone VALUES (2) RETURNING v $$";

const CHANGES: [&str; 17] = [
    "INSERT INTO bare DEFAULT VALUES",
    "UPDATE heir SET v = 6",
    "UPDATE lone SET v = 7",
    "UPDATE named SET number = 2, put = 'b'",
    "UPDATE model SET name = 'c' WHERE id = 1",
    "UPDATE model SET id = 9 WHERE id = 1",
    "DELETE FROM model WHERE id = 2",
    "DELETE FROM version",
    "INSERT INTO version VALUES (3, 1)",
    "INSERT INTO model VALUES (1, 'd') ON CONFLICT (id) DO UPDATE SET id = 8",
    "WITH gone AS (DELETE FROM lone RETURNING v) INSERT INTO numbered (v) SELECT v FROM gone",
    "INSERT INTO seen VALUES (5)",
    "INSERT INTO parted VALUES (2)",
    "UPDATE parted SET v = 2",
    "TRUNCATE model CASCADE",
    "SELECT nextval('numbered_id_seq')",
    "DO $$ BEGIN EXECUTE 'DELETE FR' || 'OM tag'; END $$",
];

const CHANGES_BY_CODE: [&str; 3] =
    ["UPDATE audited SET v = 2", "SELECT add_lone()", "INSERT INTO ruled VALUES (2)"];

const LOOK: &str = "look";

struct Tables {
    schema: String,
    changes: Vec<&'static str>,
}

impl Subject for Tables {
    type Op = String;

    fn schema(&self) -> String {
        self.schema.clone()
    }

    fn operations(&self) -> BoxedStrategy<String> {
        proptest::sample::select(self.changes.clone()).prop_map(str::to_owned).boxed()
    }

    async fn run(&self, session: &Session, op: &String) -> Result<Value, Failure> {
        if op == LOOK {
            let drawn: i32 = sqlx::query_scalar("INSERT INTO numbered (v) VALUES (0) RETURNING id")
                .fetch_one(session.pool())
                .await?;
            return Ok(json!(drawn));
        }
        sqlx::raw_sql(sqlx::AssertSqlSafe(op.as_str())).execute(session.pool()).await?;
        Ok(Value::Null)
    }
}

/// Runs a look after each change, at this level, and asserts that it sees the first state.
async fn look_after_each(schema: String, changes: Vec<&'static str>, isolation: Isolation) {
    let server = shared_server().await.expect("a server: set DATABASE_URL, or install its binaries");
    let subject = Arc::new(Tables { schema, changes: changes.clone() });
    let mut standing = StandingLane::open(&server, subject, 1, Limits::default()).await.expect("a lane");
    let mut ran = async |op: &str| {
        let sessions = vec![vec![op.to_owned()]];
        let case = Case { isolation, gates: Gates::Between, sessions, schedule: Schedule::default() };
        standing.lane.run(&case, &mut Follow::new(&case.schedule)).await.expect("it runs").history
    };
    let first = ran(LOOK).await;
    let mut states = BTreeSet::new();
    for change in &changes {
        let changed = ran(change).await;
        assert!(matches!(changed.outcomes[0][0], Outcome::Done(_)), "{change}: {:?}", changed.outcomes);
        states.insert(format!("{:?}", changed.state));
        let look = ran(LOOK).await;
        assert_eq!((&look.state, &look.outcomes), (&first.state, &first.outcomes), "after {change}");
    }
    assert!(states.len() + 1 >= changes.len(), "each but the drawn number shows in the state");
    standing.close(&server).await.expect("its database is dropped");
}

fn look(schema: &str, changes: &[&'static str]) {
    pgweave::runtime::on_this_thread(async {
        for isolation in [Isolation::ReadCommitted, Isolation::Serializable] {
            look_after_each(schema.to_owned(), changes.to_vec(), isolation).await;
        }
    })
    .expect("a runtime");
}

#[test]
fn what_statements_change_is_put_back() {
    look(SCHEMA, &CHANGES);
}

#[test]
fn what_code_of_the_subjects_changes_is_put_back() {
    let all: Vec<_> = CHANGES.into_iter().chain(CHANGES_BY_CODE).collect();
    look(&format!("{SCHEMA}; {CODE}"), &all);
}

#[test]
fn a_table_with_a_rule_that_holds_for_everyone_is_put_back() {
    // Such a rule stands in the way of statements that do several things at once, also where only the parent was named.
    let schema = format!(
        "{SCHEMA};
         CREATE RULE always AS ON DELETE TO version DO ALSO DELETE FROM bare WHERE OLD.id < 0;
         ALTER TABLE version ENABLE ALWAYS RULE always"
    );
    look(&schema, &["DELETE FROM version", "DELETE FROM model WHERE id = 2"]);
}

#[test]
fn partitions_that_refer_to_a_table_are_put_back_with_it() {
    let schema = format!(
        "{SCHEMA};
         CREATE TABLE run (id int PRIMARY KEY, model int REFERENCES model ON DELETE CASCADE) PARTITION BY RANGE (id);
         CREATE TABLE run_1 PARTITION OF run FOR VALUES FROM (1) TO (10);
         INSERT INTO run VALUES (1, 1), (2, 2)"
    );
    look(
        &schema,
        &["DELETE FROM model WHERE id = 1", "DELETE FROM run", "UPDATE run SET id = 3 WHERE id = 1"],
    );
}
