//! The observer's part in following rows: the triggers that tell what is written, what lies in the tables at the start,
//! and the questions about what was read.
//!
//! The triggers answer with messages and write nothing: so they take no locks, leave no trace that a serializable
//! transaction could trip over, and tell of writes that are rolled back, too. The questions are asked on the observer's
//! connection when the run is over, read only, about versions that are kept in a temporary table. So nothing that is asked
//! can change what the sessions do.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use crate::rows::{
    Answer, Answers, Catalog, Followed, HERE, Lying, NOW, PREFIX, Question, VersionId, key_questions,
    questions, tried_in,
};

/// Tells of every row that is written.
fn trigger_function() -> String {
    format!(
        "CREATE OR REPLACE FUNCTION pgweave_seed.tell() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS
         $pgweave$ BEGIN
             IF TG_OP = 'TRUNCATE' THEN
                 RAISE INFO '{PREFIX}%', json_build_object('op', TG_OP, 'table', TG_RELID::int8);
             ELSIF TG_WHEN = 'BEFORE' THEN
                 RAISE INFO '{PREFIX}%', json_build_object('op', 'TRY', 'table', TG_RELID::int8, 'tried', to_jsonb(NEW));
                 RETURN NEW;
             ELSIF TG_OP = 'INSERT' THEN
                 RAISE INFO '{PREFIX}%', json_build_object('op', TG_OP, 'table', TG_RELID::int8,
                     'new', json_build_object('place', json_build_array(NEW.ctid::text, NEW.xmin::text), 'image', to_jsonb(NEW)));
             ELSIF TG_OP = 'UPDATE' THEN
                 RAISE INFO '{PREFIX}%', json_build_object('op', TG_OP, 'table', TG_RELID::int8,
                     'old', json_build_object('place', json_build_array(OLD.ctid::text, OLD.xmin::text), 'image', to_jsonb(OLD)),
                     'new', json_build_object('place', json_build_array(NEW.ctid::text, NEW.xmin::text), 'image', to_jsonb(NEW)));
             ELSE
                 RAISE INFO '{PREFIX}%', json_build_object('op', TG_OP, 'table', TG_RELID::int8,
                     'old', json_build_object('place', json_build_array(OLD.ctid::text, OLD.xmin::text), 'image', to_jsonb(OLD)));
             END IF;
             RETURN NULL;
         END $pgweave$;
         CREATE TEMPORARY TABLE IF NOT EXISTS pgweave_version (vid int4 PRIMARY KEY, tab int4 NOT NULL, image jsonb NOT NULL);"
    )
}

/// What following rows needs to know of the catalogue, as one JSON document.
const CATALOG: &str = r"
SELECT json_build_object(
  'tables', coalesce((SELECT json_agg(json_build_object(
      'oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname,
      'key', coalesce((SELECT json_agg(a.attname ORDER BY k.place) FROM pg_index i,
                         unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place), pg_attribute a
                        WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND a.attnum = k.number), '[]'),
      'uniques', coalesce((SELECT json_agg(json_build_object('name', x.relname,
                             'columns', (SELECT json_agg(pg_get_indexdef(i.indexrelid, place, true) ORDER BY place)
                                           FROM generate_series(1, i.indnkeyatts) place),
                             'condition', pg_get_expr(i.indpred, i.indrelid, true),
                             'nulls', CASE to_jsonb(i) ->> 'indnullsnotdistinct' WHEN 'true' THEN 'not-distinct' ELSE 'distinct' END
                           ) ORDER BY x.relname)
                            FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
                           WHERE i.indrelid = c.oid AND i.indisunique), '[]'),
      'references', coalesce((SELECT json_agg(json_build_object('name', f.conname, 'table', f.confrelid::int8,
                               'columns', (SELECT json_agg(quote_ident(a.attname) ORDER BY k.place)
                                             FROM unnest(f.conkey) WITH ORDINALITY k(number, place), pg_attribute a
                                            WHERE a.attrelid = c.oid AND a.attnum = k.number),
                               'referred', (SELECT json_agg(quote_ident(a.attname) ORDER BY k.place)
                                              FROM unnest(f.confkey) WITH ORDINALITY k(number, place), pg_attribute a
                                             WHERE a.attrelid = f.confrelid AND a.attnum = k.number),
                               'checked', CASE WHEN f.condeferred THEN 'at-commit' ELSE 'at-once' END) ORDER BY f.conname)
                               FROM pg_constraint f WHERE f.contype = 'f' AND f.conrelid = c.oid), '[]')
    ) ORDER BY n.nspname, c.relname)
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgweave_seed')
      AND n.nspname NOT LIKE 'pg\_%'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')), '[]'),
  'views', coalesce((SELECT json_agg(json_build_object('name', c.relname, 'source', pg_get_viewdef(c.oid)) ORDER BY c.relname)
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'), '[]'),
  'functions', coalesce((SELECT json_agg(json_build_object('name', p.proname, 'source', pg_get_functiondef(p.oid)) ORDER BY p.proname)
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind IN ('f', 'p') AND p.prorettype <> 'trigger'::regtype
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgweave_seed') AND n.nspname NOT LIKE 'pg\_%'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')), '[]'),
  'triggers', coalesce((SELECT json_agg(json_build_object('name', c.relname, 'source', p.prosrc) ORDER BY c.relname, t.tgname)
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
     JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE NOT t.tgisinternal AND n.nspname <> 'pgweave_seed'), '[]'))::text";

/// The catalogue of a database whose triggers have been put in place.
#[derive(Debug)]
pub(super) struct Watch {
    catalog: Catalog,
}

impl Watch {
    /// Reads the catalogue and puts the triggers in place: before all others, so that what those write comes after.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(super) async fn begin(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let text: String = sqlx::query_scalar(CATALOG).fetch_one(&mut *connection).await?;
        let catalog: Catalog =
            serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let mut sql = trigger_function();
        for table in &catalog.tables {
            let name = table.qualified();
            // Of an INSERT that meets a key and leaves it at that, only what it tried tells. What it tries is known behind
            // all other triggers.
            sql.push_str(&format!(
                "CREATE TRIGGER \"~pgweave_try\" BEFORE INSERT ON {name} \
                 FOR EACH ROW EXECUTE FUNCTION pgweave_seed.tell();\
                 CREATE TRIGGER \"!pgweave\" AFTER INSERT OR UPDATE OR DELETE ON {name} \
                 FOR EACH ROW EXECUTE FUNCTION pgweave_seed.tell();\
                 CREATE TRIGGER \"!pgweave_truncate\" BEFORE TRUNCATE ON {name} \
                 FOR EACH STATEMENT EXECUTE FUNCTION pgweave_seed.tell();"
            ));
        }
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
        Ok(Self { catalog })
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What lies in the tables.
    ///
    /// # Errors
    /// Whatever the server says.
    pub(super) async fn lying(&self, connection: &mut PgConnection) -> Result<Vec<Lying>, sqlx::Error> {
        let mut rows = Vec::new();
        for table in &self.catalog.tables {
            let asked = format!(
                "SELECT json_build_object('table', t.tableoid::int8, 'place', json_build_array(t.ctid::text, t.xmin::text), \
                 'image', to_jsonb(t.*))::text FROM ONLY {} t ORDER BY t.ctid",
                table.qualified()
            );
            for row in connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(asked))).await? {
                let text: String = row.try_get(0)?;
                rows.push(serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))?);
            }
        }
        Ok(rows)
    }

    /// Asks what every statement of a run read.
    ///
    /// # Errors
    /// Whatever the server says; that a question cannot be asked is no error but its answer.
    pub(super) async fn ask(
        &self,
        connection: &mut PgConnection,
        followed: &Followed,
    ) -> Result<Answers, sqlx::Error> {
        let (mut ids, mut tables, mut images) = (Vec::new(), Vec::new(), Vec::new());
        for (id, version) in followed.versions.iter().enumerate() {
            if let Some(image) = &version.image {
                ids.push(id as i32);
                tables.push(followed.rows[version.row].table as i32);
                images.push(serde_json::Value::Object(image.clone()).to_string());
            }
        }
        for (at, tried) in followed.tried.iter().enumerate() {
            ids.push((followed.versions.len() + at) as i32);
            tables.push(tried_in(tried.table));
            images.push(serde_json::Value::Object(tried.image.clone()).to_string());
        }
        connection.execute("DELETE FROM pg_temp.pgweave_version").await?;
        sqlx::query(
            "INSERT INTO pg_temp.pgweave_version SELECT v, t, i::jsonb FROM unnest($1::int4[], $2::int4[], $3::text[]) AS x(v, t, i)",
        )
        .bind(ids)
        .bind(tables)
        .bind(images)
        .execute(&mut *connection)
        .await?;
        connection.execute("SET default_transaction_read_only = on").await?;
        let answered = Asking { connection, followed, watch: self }.all().await;
        // A condition may have taken locks that outlive its statement.
        connection
            .execute("SET default_transaction_read_only = off; SELECT pg_catalog.pg_advisory_unlock_all()")
            .await?;
        answered
    }
}

struct Asking<'a> {
    connection: &'a mut PgConnection,
    followed: &'a Followed,
    watch: &'a Watch,
}

impl Asking<'_> {
    async fn all(mut self) -> Result<Answers, sqlx::Error> {
        let mut all = Answers::default();
        for (number, asked) in self.followed.statements.iter().enumerate() {
            if asked.statement.error.is_some() {
                continue;
            }
            for question in questions(&self.watch.catalog, &asked.statement) {
                let answer = self.one(number, &question).await?;
                all.reads.push((number, question, answer));
            }
        }
        for (key, asked) in key_questions(&self.watch.catalog) {
            all.keys.extend(self.rows(&asked).await?.map(|rows| (key, rows.into_iter().collect())));
        }
        Ok(all)
    }

    async fn one(&mut self, number: usize, question: &Question) -> Result<Answer, sqlx::Error> {
        let followed = self.followed;
        let now = |table: usize| visible(followed, number, table);
        let mut answer = Answer::default();
        for asked in &question.matched {
            if let Some(rows) = self.rows(&with_states(asked, now)).await? {
                answer.matched = Some(rows.into_iter().map(|(version, _)| version).collect());
                break;
            }
        }
        let Some(matched) = &answer.matched else { return Ok(answer) };
        let here = visible(followed, number, question.table);
        if let Some(asked) = &question.limited {
            let asked = with_states(asked, now);
            let kept = self.rows(&asked.replace(HERE, &array(&here))).await?;
            answer.kept = kept.map(|rows| rows.into_iter().map(|(version, _)| version).collect());
            if let Some(kept) = &answer.kept {
                // Of the rows that did not come through, which later versions would have?
                for later in matched.difference(&here) {
                    let row = followed.versions[*later].row;
                    let own = |version: &&VersionId| followed.versions[**version].row == row;
                    if here.iter().find(own).is_some_and(|seen| kept.contains(seen)) {
                        continue;
                    }
                    let others = here.iter().filter(|version| !own(version)).copied();
                    let instead: BTreeSet<_> = others.chain([*later]).collect();
                    let kept = self.rows(&asked.replace(HERE, &array(&instead))).await?.unwrap_or_default();
                    if kept.iter().any(|(version, _)| version == later) {
                        answer.would_enter.insert(*later);
                    }
                }
            }
        }
        if let Some(asked) = &question.returned {
            let asked = with_states(asked, now).replace(HERE, &array(&here));
            answer.kept = self.rows(&asked).await?.map(|rows| self.returned(number, rows));
        }
        Ok(answer)
    }

    /// Those of `rows` that the statement returned.
    fn returned(&self, number: usize, rows: Vec<(VersionId, Vec<Option<String>>)>) -> BTreeSet<VersionId> {
        let mut left = self.followed.statements[number].statement.rows.clone();
        let mut kept = BTreeSet::new();
        for (version, values) in rows {
            // A boolean travels shorter than it is cast.
            let travels = |value: Option<String>| {
                value.map(|text| match text.as_str() {
                    "true" => "t".to_owned(),
                    "false" => "f".to_owned(),
                    _ => text,
                })
            };
            let shown: Vec<_> = values.iter().cloned().map(travels).collect();
            if let Some(at) = left.iter().position(|row| *row == shown || *row == values) {
                left.remove(at);
                kept.insert(version);
            }
        }
        kept
    }

    /// The answer to a question; none where the server finds that it makes no sense.
    async fn rows(
        &mut self,
        asked: &str,
    ) -> Result<Option<Vec<(VersionId, Vec<Option<String>>)>>, sqlx::Error> {
        let rows = match sqlx::query(AssertSqlSafe(asked.to_owned()))
            .persistent(false)
            .fetch_all(&mut *self.connection)
            .await
        {
            Ok(rows) => rows,
            Err(sqlx::Error::Database(error)) => {
                tracing::debug!(%error, asked, "a question about rows could not be asked");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut out = Vec::new();
        for row in rows {
            let Some(version) = row.try_get::<Option<i32>, _>(0)? else { continue };
            let values = if row.len() > 1 { row.try_get(1)? } else { Vec::new() };
            out.push((version as VersionId, values));
        }
        Ok(Some(out))
    }
}

/// The versions of `table` that a statement saw.
fn visible(followed: &Followed, number: usize, table: usize) -> BTreeSet<VersionId> {
    let asked = &followed.statements[number];
    let rows = followed.rows.iter().enumerate().filter(|(_, row)| row.table == table);
    let seen = rows.filter_map(|(row, _)| followed.seen(asked, row));
    seen.filter(|version| followed.versions[*version].image.is_some()).collect()
}

/// A question with what the statement saw of each table that it reads.
fn with_states(asked: &str, visible: impl Fn(usize) -> BTreeSet<VersionId>) -> String {
    let mut out = String::new();
    let mut rest = asked;
    const MARK: &str = "/*now ";
    debug_assert!(asked.contains(NOW) || !asked.contains(MARK));
    while let Some((before, after)) = rest.split_once(MARK) {
        let (table, after) = after.split_once("*/").unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(&table.parse().map(|table| array(&visible(table))).unwrap_or_default());
        rest = after;
    }
    out + rest
}

fn array(versions: &BTreeSet<VersionId>) -> String {
    let numbers: Vec<String> = versions.iter().map(ToString::to_string).collect();
    format!("'{{{}}}'::int4[]", numbers.join(","))
}
