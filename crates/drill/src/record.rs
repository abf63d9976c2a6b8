//! Record: what objectives counted in a run, second by second, on people's clocks.
//!
//! With it a run is a source like any store of series: an objective has the same history there, and everything that is
//! judged of a history is judged of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::document::Slo;
use evenkeel_model::plan::PlannedFault;
use evenkeel_slo::history::SLICES_MAX;
use evenkeel_slo::{Counts, History, HistoryError, Interval};
use jiff::Timestamp;

use crate::frames::Unreadable;
use crate::objective::counts;
use crate::run::{FaultTrack, Run};

/// How long a frame is.
const SECOND: Duration = Duration::from_secs(1);

/// Routes that are told apart: each is a walk through the seconds.
const ROUTES_MAX: usize = 32;

/// Why there is no history of a run.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is too long.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Its seconds cannot be read back.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Run {
    /// From when to when load was sent; `None` when none was, or nobody wrote down when the run began.
    pub fn time(&self) -> Option<Interval> {
        let from = self.on_clocks(Duration::ZERO)?;
        let time = Interval::lasting(from, self.frames.end().elapsed());
        (!time.is_empty()).then_some(time)
    }

    /// When each fault acted, by the label that it has in the plan; one that was not taken back, until the end of the load.
    pub fn faults_on_clocks(&self) -> Vec<(String, Interval)> {
        let end = self.frames.end();
        let time = |(track, planned): (&FaultTrack, &PlannedFault)| {
            let from = track.from?;
            let to = track.to.unwrap_or(end).max(from);
            let time =
                Interval::new(self.on_clocks(from.elapsed())?, self.on_clocks(to.elapsed())?);
            Some((planned.label.clone(), time))
        };
        self.faults.iter().zip(&self.plan.faults).filter_map(time).collect()
    }

    /// The counts of an objective in each second of the load; `None` when there was none. Of requests alone: one that is
    /// measured on series has none.
    ///
    /// # Errors
    /// When the load is longer than a history may be, or its seconds cannot be read back.
    pub fn history(&self, of: &Slo) -> Result<Option<History>, RecordError> {
        let Some(time) = self.time() else { return Ok(None) };
        let seconds = usize::try_from(time.length().as_secs()).unwrap_or(usize::MAX);
        if seconds > SLICES_MAX {
            return Err(HistoryError::TooMany(seconds).into());
        }
        // A second that nobody heard of is a gap.
        let mut slices: Vec<Option<Counts>> = vec![None; seconds];
        for frame in &self.frames {
            let place = usize::try_from(frame.second).unwrap_or(usize::MAX);
            if let Some(slice) = slices.get_mut(place) {
                *slice.get_or_insert_default() += counts(&self.plan, of, [&frame]);
            }
        }
        self.frames.check()?;
        Ok(Some(History::new(time.from, SECOND, slices)?))
    }

    /// The same by route, of an objective that is about all of several; none of one that is about one.
    ///
    /// # Errors
    /// As for [`history`](Self::history).
    pub fn history_by_route(&self, of: &Slo) -> Result<BTreeMap<String, History>, RecordError> {
        let routes = self.plan.routes();
        let mut all = BTreeMap::new();
        if of.route.is_some() || !(2..=ROUTES_MAX).contains(&routes.len()) {
            return Ok(all);
        }
        for name in routes {
            let of = Slo { route: Some(name.clone()), ..of.clone() };
            all.extend(self.history(&of)?.map(|it| (name, it)));
        }
        Ok(all)
    }

    /// A moment after the start of the load.
    fn on_clocks(&self, after: Duration) -> Option<Timestamp> {
        let started: Timestamp = self.head.started.parse().ok()?;
        let began = self.conductor().load_began()?;
        started.checked_add(began.elapsed().saturating_add(after)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{fragile, plan, play, run_of};
    use evenkeel_model::document::Indicator;
    use evenkeel_slo::Share;
    use evenkeel_slo::backtest::{judge, replay};
    use evenkeel_slo::burn::{Rule, Severity};

    #[test]
    fn a_run_is_a_history_of_its_seconds() {
        let run = run_of(&play(plan(), &fragile, |_| None));
        let slo = Slo::of("it", Indicator::Availability, "99%".parse().ok());
        let history = run.history(&slo).unwrap().unwrap();
        assert_eq!(history.bounds(), run.time().unwrap());
        let all = history.counts(history.bounds());
        assert_eq!(all, Some(counts(&run.plan, &slo, &run.frames)));
        assert_eq!(history.coverage(history.bounds()).present, history.bounds().length());
    }

    #[test]
    fn faults_are_incidents_that_alerts_tell_of() {
        let run = run_of(&play(plan(), &fragile, |_| None));
        let slo = Slo::of("it", Indicator::Availability, "99%".parse().ok());
        let history = run.history(&slo).unwrap().unwrap();
        let seconds = Duration::from_secs;
        let page = Rule {
            low_traffic: None,
            ..Rule::new("fast", Severity::Page, seconds(4), Some(seconds(2)), Share::of(5, 1))
        };
        let firings = replay("99%".parse().unwrap(), &[page], &history);
        // The first fault makes answers slow and not wrong.
        let incidents = run.faults_on_clocks().into_iter().map(|it| it.1).collect();
        let report = judge(&firings, Severity::Page, &incidents, seconds(1), history.bounds());
        assert_eq!((report.incidents, report.detected, report.pages), (2, 1, 1), "{report:?}");
        assert!(report.detection[0] <= seconds(2), "{report:?}");
        assert!(report.reset[0] <= seconds(4), "{report:?}");
    }

    #[test]
    fn routes_add_up_to_all_of_them() {
        let mut plan = plan();
        let load = plan.load.as_mut().unwrap();
        load.routes.push(evenkeel_model::document::Route {
            name: "other".to_owned(),
            ..load.routes[0].clone()
        });
        let run = run_of(&play(plan, &fragile, |_| None));
        let slo = Slo::of("it", Indicator::Availability, "99%".parse().ok());
        let all = run.history(&slo).unwrap().unwrap();
        let by_route = run.history_by_route(&slo).unwrap();
        let sum: Counts = by_route.values().filter_map(|it| it.counts(it.bounds())).sum();
        assert_eq!((by_route.len(), Some(sum)), (2, all.counts(all.bounds())));
        let of_one = Slo { route: Some("list".to_owned()), ..slo };
        assert!(run.history_by_route(&of_one).unwrap().is_empty());
    }

    #[test]
    fn faults_act_within_the_time_of_the_load() {
        let run = run_of(&play(plan(), &fragile, |_| None));
        let faults = run.faults_on_clocks();
        assert!(!faults.is_empty());
        let time = run.time().unwrap();
        assert!(faults.iter().all(|(_, it)| time.common(*it) == *it), "{faults:?} {time:?}");
    }
}
