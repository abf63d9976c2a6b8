//! Documents: the objectives that are judged, as they were read.

use std::sync::Arc;

use evenkeel_model::Library;
use evenkeel_slo::Objective;
use evenkeel_slo::reading::ReadingError;
use jiff::tz::TimeZone;

/// Documents of objectives, and what they say.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// All of them: policies of budgets and agreements among them.
    pub library: Library,
    /// The objectives that are counted on series, by name.
    pub objectives: Vec<Arc<Objective>>,
}

impl Documents {
    /// What a library says. Objectives that are counted on the requests of a load alone are passed over.
    ///
    /// # Errors
    /// What is wrong with each objective that cannot be judged.
    pub fn of(library: Library) -> Result<Self, Vec<ReadingError>> {
        let (mut objectives, mut wrong) = (Vec::new(), Vec::new());
        let slos = library.slos().into_iter().filter_map(|it| library.slo(it));
        for slo in slos.filter(|it| it.series.is_some()) {
            match Objective::of(slo, &library, |name| TimeZone::get(name).ok()) {
                Ok(it) => objectives.push(Arc::new(it)),
                Err(error) => wrong.push(error),
            }
        }
        match wrong.is_empty() {
            true => Ok(Self { library, objectives }),
            false => Err(wrong),
        }
    }
}
