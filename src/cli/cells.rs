//! Runs many cells side by side: one lane each, so that a cell's database is made once and lanes never wait for one
//! another. One cell alone gets all the lanes.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::campaign::{Campaign, CampaignError, Report, Verdict, side_by_side};
use crate::check::coverage::Coverage;
use crate::isolation::Isolation;
use crate::registry::{Expectation, Op, RegistrySubject, Variant, expectation};
use crate::report::{Cell, Expected, Verdict as Shown};

/// A variant at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) variant: Variant,
    pub(super) isolation: Isolation,
}

impl Place {
    /// The cells of these variants and levels, all of them where none is named.
    pub(super) fn all(variant: Option<Variant>, isolation: Option<Isolation>) -> Vec<Place> {
        let variants = variant.map_or(Variant::ALL.to_vec(), |one| vec![one]);
        let levels = isolation.map_or(Isolation::ALL.to_vec(), |one| vec![one]);
        let of =
            |variant: Variant| levels.iter().map(move |isolation| Place { variant, isolation: *isolation });
        variants.into_iter().flat_map(of).collect()
    }

    pub(super) fn campaign(self) -> Campaign<RegistrySubject> {
        Campaign::new(RegistrySubject::new(self.variant)).isolation(self.isolation)
    }

    pub(super) fn expected(self) -> Expected {
        match expectation(self.variant, self.isolation) {
            Expectation::Sound => Expected::Holds,
            Expectation::Unsound(_) => Expected::Violated,
        }
    }
}

/// How many of the cells are finished.
#[derive(Debug, Default)]
pub(super) struct Finished {
    cells: AtomicUsize,
    /// Those that ended early.
    enough: AtomicUsize,
}

impl Finished {
    pub(super) fn count(&self) -> usize {
        self.cells.load(Ordering::Relaxed)
    }

    /// Those that ended early, since a new class had become rare.
    pub(super) fn enough(&self) -> usize {
        self.enough.load(Ordering::Relaxed)
    }
}

/// Runs `campaign` at each of `places`, `lanes` at a time, and returns the reports in the places' order.
///
/// # Errors
/// The first that a campaign meets; the others end after their cells.
pub(super) fn run_all(
    places: &[Place],
    lanes: usize,
    finished: &Finished,
    campaign: impl Fn(Place) -> Campaign<RegistrySubject> + Sync,
) -> Result<Vec<Report<Op>>, CampaignError> {
    let lanes_of_each = if places.len() == 1 { lanes } else { 1 };
    side_by_side(places, lanes, &finished.cells, |place| {
        let report = campaign(*place).lanes(lanes_of_each).run()?;
        let enough = report.coverage.ended_below.is_some();
        finished.enough.fetch_add(enough.into(), Ordering::Relaxed);
        Ok(report)
    })
}

/// A cell that is run round after round: what all of its reports came to together.
pub(super) struct Rounds {
    place: Place,
    classes: Coverage,
    /// None before there is a report.
    cell: Option<Cell>,
}

impl Rounds {
    pub(super) fn new(place: Place) -> Self {
        Self { place, classes: Coverage::default(), cell: None }
    }

    /// Takes in one more round. A violation stays one, and what one round could not tell all of them cannot.
    pub(super) fn take(&mut self, report: &Report<Op>) {
        self.classes += report.classes.clone();
        let round = cell(self.place, report);
        let sum = match self.cell.take() {
            None => round,
            Some(before) => {
                let weight = |cell: &Cell| match cell.verdict {
                    Shown::Violated => 2,
                    Shown::Unknown => 1,
                    Shown::Holds => 0,
                };
                let (cases, mut contention) = (before.cases + round.cases, before.contention);
                contention += round.contention;
                let decides = if weight(&round) > weight(&before) { round } else { before };
                Cell { cases, contention, coverage: self.classes.covered(), ..decides }
            }
        };
        self.cell = Some(sum);
    }

    /// The cell, if any round of it was run.
    pub(super) fn cell(&self) -> Option<Cell> {
        self.cell.clone()
    }
}

/// A report as a cell of the table.
pub(super) fn cell(place: Place, report: &Report<Op>) -> Cell {
    let (verdict, reason) = match &report.verdict {
        Verdict::Holds => (Shown::Holds, None),
        Verdict::Violated => (Shown::Violated, None),
        Verdict::Unknown(why) => (Shown::Unknown, Some(why.clone())),
    };
    Cell {
        variant: place.variant.name().to_owned(),
        isolation: place.isolation,
        verdict,
        claim: report.finding.as_ref().map(|finding| finding.claim.clone()),
        reason,
        expected: Some(place.expected()),
        cases: report.cases,
        contention: report.contention,
        coverage: report.coverage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::contention::Contention;
    use crate::check::coverage::Covered;
    use crate::check::effort::Effort;

    fn report(verdict: Verdict) -> Report<Op> {
        Report {
            verdict,
            subject: "registry".into(),
            variant: None,
            isolation: Isolation::ReadCommitted,
            cases: 10,
            serial: 0,
            contention: Contention { cases: 10, met: 4, ..Contention::default() },
            effort: Effort::default(),
            coverage: Covered::default(),
            classes: Coverage::default(),
            finding: None,
        }
    }

    #[test]
    fn what_one_round_could_not_tell_all_of_them_cannot() {
        let unknown = || Verdict::Unknown("hung".into());
        for (rounds, together) in [
            (vec![Verdict::Holds, Verdict::Holds], Shown::Holds),
            (vec![Verdict::Holds, unknown(), Verdict::Holds], Shown::Unknown),
            (vec![unknown(), Verdict::Violated, Verdict::Holds], Shown::Violated),
        ] {
            let place = Place { variant: Variant::ALL[0], isolation: Isolation::ReadCommitted };
            let mut all = Rounds::new(place);
            assert!(all.cell().is_none());
            rounds.iter().for_each(|verdict| all.take(&report(verdict.clone())));
            let cell = all.cell().expect("there were rounds");
            let weight = 10 * rounds.len() as u64;
            assert_eq!((cell.verdict, cell.cases, cell.contention.cases), (together, weight, weight));
            assert_eq!(cell.reason.is_some(), together == Shown::Unknown);
        }
    }
}
