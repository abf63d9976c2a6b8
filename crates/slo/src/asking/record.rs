//! Record: the answers of somebody who counted the events by himself, such as the load of a drill.
//!
//! They are those that a source of series would give, so that everything after them is the same: slices and their targets,
//! gaps, times that do not count.

use super::{Answer, Asking, AskingError, Frame, Kind, Sum};
use crate::interval::Interval;
use crate::sli::Side;
use crate::{Counts, History};
use evenkeel_model::document::{Indicator, Slo};

impl Asking {
    /// What `slo` asks of whoever counts its requests.
    ///
    /// # Errors
    /// When it is measured on series alone, or promises a rate.
    pub fn of_requests(slo: &Slo) -> Result<Self, AskingError> {
        if matches!(slo.indicator, Indicator::OfSeries | Indicator::Throughput { .. }) {
            return Err(AskingError::NotOfRequests(slo.name.clone()));
        }
        let (selected, total) = (Sum::nobodys(), Sum::nobodys());
        let kind = Kind::Events { side: Side::Bad, selected, total, is_paired: false };
        Ok(Self { name: slo.name.clone(), kind, slices: slo.time_slices, gaps: slo.no_data.into() })
    }

    /// The answers to [`whole`](Self::whole) of who counted `record`.
    pub fn recorded(record: &History, of: Interval) -> Vec<Answer> {
        sides([record.counts(of)])
    }

    /// The answers to [`slices`](Self::slices) of who counted `record`.
    pub fn recorded_slices(record: &History, frame: Frame) -> Vec<Answer> {
        sides(frame.intervals().map(|it| record.counts(it)))
    }
}

/// Bad events and all events.
fn sides(counts: impl IntoIterator<Item = Option<Counts>>) -> Vec<Answer> {
    let side = |it: Option<Counts>, of: fn(Counts) -> u64| it.map(|it| of(it) as f64);
    let (bad, all) =
        counts.into_iter().map(|it| (side(it, Counts::bad), side(it, |it| it.total))).unzip();
    vec![bad, all]
}
