//! Runs one case at one level in all its schedules, and by classes. Nothing here knows which case it is.

use std::sync::Arc;

use super::{Form, ZooCase, ZooSubject};
use crate::campaign::{CampaignError, Compared, Watch, compare};
use crate::case::Gates;
use crate::isolation::Isolation;
use crate::server::Server;

/// One form of a case at one level, in all its schedules and by classes.
#[derive(Clone, Debug)]
pub struct Classes {
    /// Which case.
    pub case: &'static ZooCase,
    /// In which form.
    pub form: Form,
    /// At which level.
    pub isolation: Isolation,
    /// What came of it.
    pub compared: Compared,
}

impl Classes {
    /// Whether one schedule of each class shows all that there is.
    pub fn agree(&self) -> bool {
        self.compared.complete && self.compared.comparison.agrees()
    }
}

/// Runs all schedules of `case`, whose sessions stop at `gates`, and one of each class.
///
/// # Errors
/// When the server or a lane fails.
pub fn classes(
    case: &'static ZooCase,
    form: Form,
    isolation: Isolation,
    gates: Gates,
    server: &Arc<Server>,
    watch: &Watch,
) -> Result<Classes, CampaignError> {
    /// Schedules of one program, at the most. None of the zoo's has as many.
    const SCHEDULES_MAX: usize = 5_000;
    let subject = ZooSubject::new(case, form);
    let compared = compare(subject, &subject.program(), isolation, gates, server, SCHEDULES_MAX, watch)?;
    Ok(Classes { case, form, isolation, compared })
}
