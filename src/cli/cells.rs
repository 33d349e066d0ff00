//! Runs many cells side by side: one lane each, so that a cell's database is made once and lanes never wait for one
//! another. One cell alone gets all the lanes.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::campaign::{Campaign, CampaignError, Report, Verdict, side_by_side};
use crate::isolation::Isolation;
use crate::registry::{Expectation, Op, RegistrySubject, Variant, expectation};
use crate::report::{Cell, Expected};

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

/// A report as a cell of the table.
pub(super) fn cell(place: Place, report: &Report<Op>) -> Cell {
    use crate::report::Verdict as Shown;
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
