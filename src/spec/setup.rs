//! What stands around a permutation: the setups before its first step, the teardowns after its last. Nothing here is held at the
//! gate, and nothing has an order to choose.

use super::client::{Client, Event};
use super::error::PlayError;
use super::message::Table;
use super::stage::Stage;
use super::syntax::Spec;
use super::transcript::{LOST, Transcript, printed};
use crate::check::catalogue::Catalogue;
use crate::isolation::Isolation;
use crate::schedule::SessionId;
use crate::weave::LaneError;

impl Stage {
    pub(super) async fn set_up(&mut self, spec: &Spec, out: &mut Transcript) -> Result<(), PlayError> {
        if !self.put_back().await? {
            let stands = self.may_stand(spec).await?;
            self.set_up_anew(spec, out).await?;
            if stands {
                self.stand(spec).await?;
            }
        }
        for (client, session) in self.clients.iter().zip(&spec.sessions) {
            let Some(sql) = &session.setup else { continue };
            let answer = self.ask(client, sql, || format!("the setup of session {}", session.name)).await?;
            answer.print_for(&session.name, out);
            if let Some(message) = answer.failed {
                out.talk(&format!("setup of session {} failed: {message}", session.name));
                let message = message.trim_end().to_owned();
                return Err(PlayError::SessionSetup { session: session.name.clone(), message });
            }
        }
        for session in SessionId::first(self.clients.len()) {
            self.ground.note(&self.gate.take_statements(session));
        }
        Ok(())
    }

    async fn set_up_anew(&mut self, spec: &Spec, out: &mut Transcript) -> Result<(), PlayError> {
        // Here, and not before: whether the setup may be left standing is asked of an empty database.
        self.found_empty = false;
        for sql in &spec.setup {
            let answer = self.ask(&self.control, sql, || "the setup".to_owned()).await?;
            answer.print(out);
            if answer.is_heard() {
                self.ground.has_spoken();
            }
            if let Some(message) = answer.failed {
                out.talk(&format!("setup failed: {message}"));
                return Err(PlayError::Setup(message.trim_end().to_owned()));
            }
        }
        Ok(())
    }

    pub(super) async fn tear_down(&mut self, spec: &Spec, out: &mut Transcript) -> Result<(), PlayError> {
        for (client, session) in self.clients.iter().zip(&spec.sessions) {
            let Some(sql) = &session.teardown else { continue };
            let answer =
                self.ask(client, sql, || format!("the teardown of session {}", session.name)).await?;
            answer.print_for(&session.name, out);
            if let Some(message) = answer.failed {
                out.talk(&format!("teardown of session {} failed: {message}", session.name));
            }
        }
        if !self.still_stands().await?
            && let Some(sql) = &spec.teardown
        {
            let answer = self.ask(&self.control, sql, || "the teardown".to_owned()).await?;
            answer.print(out);
            if answer.is_heard() {
                self.ground.has_spoken();
            }
            if let Some(message) = answer.failed {
                out.talk(&format!("teardown failed: {message}"));
            }
        }
        Ok(())
    }

    /// Sets the spec up, only to look at its tables; see [`Observer::look`](crate::weave::Observer::look).
    pub(super) async fn catalogue(&mut self, spec: &Spec) -> Result<(Catalogue, Isolation), PlayError> {
        let mut unread = Transcript::default();
        self.set_up(spec, &mut unread).await?;
        let (catalogue, by_default) = self.observer.look().await.map_err(LaneError::from)?;
        self.tear_down(spec, &mut unread).await?;
        Ok((catalogue, self.options.isolation.unwrap_or(by_default)))
    }

    async fn ask(
        &self,
        client: &Client,
        sql: &str,
        what: impl FnOnce() -> String,
    ) -> Result<Answer, PlayError> {
        self.answer_to(client, sql, what).await.map(Answer::of)
    }

    /// Asks past the steps. What waits for a transaction that no step has ended would wait for ever.
    pub(super) async fn answer_to(
        &self,
        client: &Client,
        sql: &str,
        what: impl FnOnce() -> String,
    ) -> Result<Vec<Event>, PlayError> {
        let limit = self.options.limits.wait;
        match tokio::time::timeout(limit, client.ask(sql)).await {
            Ok(events) => Ok(events?),
            Err(_) => Err(PlayError::HeldUp { what: what(), seconds: limit.as_secs_f32() }),
        }
    }
}

/// The answer to a setup or a teardown: of several results only the last one counts.
#[derive(Default)]
struct Answer {
    notices: Vec<String>,
    rows: Option<Table>,
    failed: Option<String>,
}

impl Answer {
    fn of(events: Vec<Event>) -> Self {
        let mut answer = Self::default();
        for event in events {
            match event {
                Event::Notice(message) => answer.notices.push(message.notice()),
                Event::Rows(table) => answer.rows = Some(table),
                Event::Done => answer.rows = None,
                Event::Error(message) => answer.failed = Some(message.error()),
                Event::Copy(status) => answer.failed = Some(format!("{status}\n")),
                Event::Lost => {
                    answer.failed.get_or_insert_default().push_str(LOST);
                }
                Event::Ready => {}
            }
        }
        answer
    }

    /// Whether it says more than that all went well.
    fn is_heard(&self) -> bool {
        self.rows.is_some() || self.failed.is_some()
    }

    /// What the control connection was told; its notices are no one's concern.
    fn print(&self, out: &mut Transcript) {
        if let (Some(rows), None) = (&self.rows, &self.failed) {
            out.print(printed(rows));
        }
    }

    fn print_for(&self, session: &str, out: &mut Transcript) {
        for notice in &self.notices {
            out.print(format!("{session}: {notice}"));
        }
        self.print(out);
    }
}
