//! `pgweave check` for a case file: the case is run, its rows are followed, and what depends on what is held against a
//! level. The claims of its subject are not asked.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::CheckArgs;
use crate::campaign::{Explained, Replayer};
use crate::check::graph::{Anomaly, Model, refuted_by};
use crate::check::{Evidence, Judgement};
use crate::cli::Exit;
use crate::cli::drawn::Drawn;
use crate::cli::outside::Outside;
use crate::cli::replay::registry_case;
use crate::cli::verify::Format;
use crate::registry::Op;
use crate::report::json::FORMAT;
use crate::report::picture::Picture;
use crate::report::progress::Status;
use crate::report::{self, Explanation, Finding, Page};
use crate::rows::{Likeness, Rows};

/// Whether a file is a case and not a history.
pub(super) fn is_case(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

/// Runs the case of `file` and judges what it did.
///
/// # Errors
/// When the file makes no sense, or the server fails.
pub(super) fn check(file: &Path, args: &CheckArgs, outside: &Outside) -> anyhow::Result<Exit> {
    let model = args.model;
    let (subject, case) = registry_case(file)?;
    let what = file.display().to_string();
    let status = move |cases| Status { what: what.clone(), cells: 1, cases, ..Status::default() };
    let work =
        move |server, watch| Replayer::new(Arc::new(subject), Some(server)).watch(watch).explain_file(case);
    let explained = match outside.with_server(status, work)? {
        Ok(explained) => explained?,
        Err(exit) => return Ok(exit),
    };
    let ruled = Ruled::of(&explained, model);
    match args.format {
        _ if args.drawn.is_markdown() => {}
        Format::Human => print!("{}", text(file, &explained, &ruled, model, outside)),
        Format::Json => println!("{}", line(file, &explained, &ruled, model)),
    }
    if args.drawn.is_any() {
        draw(&args.drawn, &explained, &ruled, model)?;
    }
    Ok(match (&ruled.forbidden, &ruled.why) {
        (Some(_), _) => Exit::Violated,
        (None, Some(_)) => Exit::CouldNot,
        (None, None) => Exit::Verified,
    })
}

/// The case as a picture, with the level in the place of its subject's claims.
fn draw(drawn: &Drawn, explained: &Explained<Op>, ruled: &Ruled, model: Model) -> anyhow::Result<()> {
    let (explanation, edges) = (explained.explanation(), explained.edges());
    let mut finding = Finding::of(&explained.replayed.file, &explained.replayed.history);
    let judgement = match (&ruled.forbidden, &ruled.why) {
        (Some(anomaly), _) => Judgement::Violated(Evidence {
            why: format!("{anomaly}, which refutes {}", refuted_by(*anomaly)),
            rows: Vec::new(),
            steps: explanation.tales.first().map(|tale| tale.at.clone()).unwrap_or_default(),
        }),
        (None, Some(why)) => Judgement::Unknown(why.clone()),
        (None, None) => Judgement::Holds,
    };
    finding.judgements = vec![(model.name(), &judgement)];
    finding.explanation = Some(&explanation);
    let listing = report::listing(&finding, Page::PLAIN);
    drawn.draw(&Picture::of(&finding).with_edges(&edges), &listing)
}

/// What the graph says of a level.
struct Ruled {
    /// The worst anomaly that the level forbids.
    forbidden: Option<Anomaly>,
    /// Why the graph may miss something.
    why: Option<String>,
}

impl Ruled {
    fn of(explained: &Explained<Op>, model: Model) -> Self {
        let rows = match &explained.rows {
            Ok(rows) => rows,
            Err(why) => return Self { forbidden: None, why: Some(why.clone()) },
        };
        let anomalies = rows.wrong().1.into_iter().map(|account| account.anomaly);
        let forbidden = anomalies.into_iter().find(|anomaly| model.forbids(*anomaly));
        Self { forbidden, why: doubt(rows) }
    }

    fn verdict(&self) -> &'static str {
        match (&self.forbidden, &self.why) {
            (Some(_), _) => "violated",
            (None, Some(_)) => "unknown",
            (None, None) => "holds",
        }
    }
}

fn doubt(rows: &Rows) -> Option<String> {
    match rows.likeness {
        Likeness::Different => Some("the run whose rows were followed is another one".to_owned()),
        Likeness::Same => rows.followed.gaps.first().cloned(),
    }
}

fn text(file: &Path, explained: &Explained<Op>, ruled: &Ruled, model: Model, outside: &Outside) -> String {
    let explanation = explained.explanation();
    let mut finding = Finding::of(&explained.replayed.file, &explained.replayed.history);
    finding.explanation = Some(&explanation);
    let mut out = report::listing(&finding, outside.page);
    out.push_str(&format!("\nverdict  {}: {} against {model}\n", ruled.verdict(), file.display()));
    if let Some(anomaly) = ruled.forbidden {
        out.push_str(&format!("         {anomaly}, refutes {}\n", refuted_by(anomaly)));
    }
    if let Some(why) = &ruled.why {
        out.push_str(&format!("why      {why}\n"));
    }
    out
}

fn line(file: &Path, explained: &Explained<Op>, ruled: &Ruled, model: Model) -> Value {
    let Explanation { tales, .. } = explained.explanation();
    let anomaly = |tale: &report::Tale| {
        json!({
            "name": tale.code,
            "title": tale.name,
            "refutes": tale.refutes,
            "sentence": tale.sentence,
            "transactions": tale.cast,
            "steps": tale.steps,
            "at": tale.at.iter().map(|step| step + 1).collect::<Vec<_>>(),
        })
    };
    json!({
        "format": FORMAT,
        "file": file.display().to_string(),
        "model": model.name(),
        "verdict": ruled.verdict(),
        "why": ruled.why,
        "anomaly": ruled.forbidden.map(|anomaly| anomaly.name()),
        "anomalies": tales.iter().map(anomaly).collect::<Vec<_>>(),
    })
}
