//! Progress of long work: one line that rewrites itself, on a terminal; nothing elsewhere.
//!
//! Time comes in as a value. The caller decides whether its stderr is a terminal.

use std::io::{self, Write};
use std::time::Duration;

use super::paint::{Paint, Style};
use super::text::{clip, thousands, visible};
use crate::isolation::Isolation;

/// The line is rewritten no sooner than this after it was last written.
const REDRAW_MIN: Duration = Duration::from_millis(100);

/// How far the work is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What is being run, such as `register/naive at read-committed`.
    pub what: String,
    /// Cells that are finished.
    pub cells_done: usize,
    /// Cells in all.
    pub cells: usize,
    /// Cases that were run, in all cells.
    pub cases: u64,
    /// Cells that ended early, since a new class of schedules had become rare.
    pub cells_enough: usize,
    /// Time since the work began.
    pub elapsed: Duration,
}

impl Status {
    /// What is being run, from a variant and a level.
    pub fn of(variant: &str, isolation: Isolation) -> String {
        format!("{variant} at {isolation}")
    }

    /// The line, at most `columns` wide: cells, cases, rate, what is being run.
    fn line(&self, columns: usize) -> String {
        let seconds = self.elapsed.as_secs_f64();
        // Before the first second is over a rate would jump about.
        let rate = if seconds >= 1.0 {
            format!(", {}/s", thousands((self.cases as f64 / seconds).round() as u64))
        } else {
            String::new()
        };
        let cases = thousands(self.cases);
        let enough = match self.cells_enough {
            0 => String::new(),
            cells => format!(", {cells} had enough"),
        };
        let line = format!(
            "[{}/{}{enough}] {cases} cases{rate}, {:.0} s  {}",
            self.cells_done,
            self.cells,
            seconds.floor(),
            visible(&self.what)
        );
        clip(&line, columns).into_owned()
    }
}

/// The line on a terminal.
#[derive(Debug)]
pub struct Progress<W> {
    /// None where there is no terminal: then nothing is ever written.
    terminal: Option<W>,
    width: usize,
    paint: Paint,
    drawn_at: Option<Duration>,
}

impl<W: Write> Progress<W> {
    /// Progress on `terminal`, which is `width` columns wide.
    pub fn on(terminal: W, width: usize, paint: Paint) -> Self {
        Self { terminal: Some(terminal), width, paint, drawn_at: None }
    }

    /// No progress: stderr is not a terminal.
    pub fn silent() -> Self {
        Self { terminal: None, width: 0, paint: Paint::Plain, drawn_at: None }
    }

    /// Rewrites the line, unless it was rewritten a moment ago.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn show(&mut self, status: &Status) -> io::Result<()> {
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        if self.drawn_at.is_some_and(|at| status.elapsed < at + REDRAW_MIN) {
            return Ok(());
        }
        self.drawn_at = Some(status.elapsed);
        // The last column stays free: some terminals begin a new line when it is written to.
        let line = self.paint.apply(Style::Dim, &status.line(self.width.saturating_sub(1)));
        write!(terminal, "\r{line}\x1b[K")?;
        terminal.flush()
    }

    /// Takes the line away, so that something else can be printed. The next [`Progress::show`] draws it again.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub fn clear(&mut self) -> io::Result<()> {
        let Some(terminal) = &mut self.terminal else { return Ok(()) };
        if self.drawn_at.take().is_none() {
            return Ok(());
        }
        write!(terminal, "\r\x1b[K")?;
        terminal.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::width;
    use super::*;
    use expect_test::expect;

    fn status(cases: u64, milliseconds: u64) -> Status {
        Status {
            what: Status::of("register/naive", Isolation::ReadCommitted),
            cells_done: 3,
            cells: 84,
            cases,
            cells_enough: 0,
            elapsed: Duration::from_millis(milliseconds),
        }
    }

    #[test]
    fn cells_that_ended_early_are_told() {
        let status = Status { cells_enough: 2, ..status(900, 500) };
        assert_eq!(status.line(80), "[3/84, 2 had enough] 900 cases, 0 s  register/naive at read-committed");
    }

    #[test]
    fn the_line_rewrites_itself_and_goes() {
        let mut written = Vec::new();
        let mut progress = Progress::on(&mut written, 60, Paint::Plain);
        progress.clear().unwrap();
        progress.show(&status(0, 0)).unwrap();
        progress.show(&status(40, 99)).unwrap();
        progress.show(&status(5_000, 2_500)).unwrap();
        progress.clear().unwrap();
        progress.show(&status(5_001, 2_501)).unwrap();
        let text =
            String::from_utf8(written).unwrap().replace('\r', "\n<start>").replace("\x1b[K", "<erase>");
        expect![[r#"

            <start>[3/84] 0 cases, 0 s  register/naive at read-committed<erase>
            <start>[3/84] 5,000 cases, 2,000/s, 2 s  register/naive at read-c…<erase>
            <start><erase>
            <start>[3/84] 5,001 cases, 2,000/s, 2 s  register/naive at read-c…<erase>"#]]
        .assert_eq(&text);
    }

    #[test]
    fn the_line_is_never_wider_than_the_terminal() {
        for columns in 1..120 {
            assert!(width(&status(1_000_000, 7_000).line(columns)) <= columns);
        }
    }

    #[test]
    fn without_a_terminal_nothing_is_written() {
        let mut progress = Progress::<Vec<u8>>::silent();
        progress.show(&status(1, 1)).unwrap();
        progress.clear().unwrap();
        assert!(progress.terminal.is_none() && progress.drawn_at.is_none());
    }
}
