//! Slices: stretches of time that are good or bad as a whole.
//!
//! What has no events to count is judged slice by slice: data is fresh or it is not, there is enough throughput or there is
//! not. A slice counts its milliseconds, so that an objective of 99.9 % is 43.2 minutes of 30 days.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::document::Limit;
use evenkeel_units::{Rate, Ratio};
use jiff::Timestamp;

use super::Across;
use crate::interval::{between, millis};
use crate::{Budget, Counts, History};

/// Counts of time from slices that are good or bad; `None` is a gap.
pub fn of(slice: Duration, good: impl IntoIterator<Item = Option<bool>>) -> Vec<Option<Counts>> {
    let total = millis(slice);
    let counts = |good| Counts { good: if good { total } else { 0 }, total };
    good.into_iter().map(|it| it.map(counts)).collect()
}

/// Whether the share of good events in each slice reaches `good_from`. A slice without events has nothing to be bad with,
/// and nothing to be good with: it is a gap.
pub fn reaching(history: &History, good_from: Ratio) -> Vec<Option<Counts>> {
    let good = |counts: Option<Counts>| Budget { objective: good_from, counts: counts? }.kept();
    of(history.slice(), history.slices().map(|(_, counts)| good(counts)))
}

/// Whether each slice had enough events a second; `events` are the increases of the slices.
pub fn throughput(slice: Duration, min: Rate, events: &[Option<f64>]) -> Vec<Option<Counts>> {
    let enough = |events: &Option<f64>| {
        Some(events.filter(|it| !it.is_nan())? >= min.get() * slice.as_secs_f64())
    };
    of(slice, events.iter().map(enough))
}

/// Whether a gauge kept a limit in a slice; `None` without samples that are numbers.
pub fn keeps(limit: Limit, across: Across, samples: &[f64]) -> Option<bool> {
    let numbers = || samples.iter().copied().filter(|it| !it.is_nan());
    let last = numbers().next_back()?;
    Some(match across {
        Across::Every => numbers().all(|it| limit.holds(it)),
        Across::Any => numbers().any(|it| limit.holds(it)),
        Across::Mean => limit.holds(numbers().sum::<f64>() / numbers().count() as f64),
        Across::Last => limit.holds(last),
    })
}

/// Keys whose freshness is watched at a time.
pub const KEYS_MAX: usize = 100_000;

/// There are too many keys.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are more than {KEYS_MAX} keys: watch the freshness of fewer")]
pub struct TooManyKeys;

/// How fresh data is, by key: partition, table, customer.
///
/// The newest of all says nothing: one partition that is renewed hides all that are not. So it is the stalest key that
/// counts, and one whose series has ended grows staler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    renewed: BTreeMap<String, Timestamp>,
}

impl Freshness {
    /// Tells when a key was renewed. What is older than what is known changes nothing.
    pub fn renew(&mut self, key: &str, at: Timestamp) -> Result<(), TooManyKeys> {
        if let Some(known) = self.renewed.get_mut(key) {
            *known = at.max(*known);
            return Ok(());
        }
        if self.renewed.len() >= KEYS_MAX {
            return Err(TooManyKeys);
        }
        self.renewed.insert(key.to_owned(), at);
        Ok(())
    }

    /// Forgets a key that was given up for good.
    pub fn forget(&mut self, key: &str) {
        self.renewed.remove(key);
    }

    /// The stalest key and how old its data is; `None` when no key is known.
    pub fn stalest(&self, now: Timestamp) -> Option<(&str, Duration)> {
        let (key, renewed) = self.renewed.iter().min_by_key(|(_, renewed)| **renewed)?;
        Some((key, between(*renewed, now)))
    }

    /// Whether even the stalest key is fresh enough.
    pub fn is_fresh(&self, now: Timestamp, age_max: Duration) -> Option<bool> {
        Some(self.stalest(now)?.1 <= age_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn good(all: &[Option<Counts>]) -> Vec<Option<bool>> {
        all.iter().map(|it| it.map(|it| it.bad() == 0)).collect()
    }

    #[test]
    fn a_slice_is_good_when_its_share_is_reached_and_a_gap_without_events() {
        let slices = [Some((99, 100)), Some((98, 100)), Some((0, 0)), None];
        let slices = slices.map(|it| it.map(|(good, total)| Counts { good, total }));
        let history = History::new(at(0), MINUTE, slices.to_vec()).unwrap();
        let it = reaching(&history, Ratio::percent(99));
        assert_eq!(good(&it), [Some(true), Some(false), None, None]);
        assert_eq!(it[0].unwrap().total, 60_000);
    }

    #[test]
    fn throughput_is_events_a_second_and_none_at_all_is_too_little() {
        let min = "10/s".parse().unwrap();
        let it = throughput(MINUTE, min, &[Some(600.0), Some(599.0), Some(0.0), None]);
        assert_eq!(good(&it), [Some(true), Some(false), Some(false), None]);
    }

    #[test]
    fn a_gauge_is_judged_by_the_samples_that_are_asked_for() {
        let limit = Limit::parse("<= 80").unwrap();
        let samples = [90.0, f64::NAN, 60.0, 75.0];
        let all = [Across::Every, Across::Any, Across::Mean, Across::Last];
        let kept = all.map(|across| keeps(limit, across, &samples));
        assert_eq!(kept, [Some(false), Some(true), Some(true), Some(true)]);
        assert_eq!(keeps(limit, Across::Every, &[f64::NAN]), None);
    }

    #[test]
    fn the_stalest_key_counts_and_one_that_ended_grows_staler() {
        let mut it = Freshness::default();
        assert_eq!(it.is_fresh(at(9), MINUTE), None);
        it.renew("a", at(1)).unwrap();
        it.renew("b", at(8)).unwrap();
        it.renew("b", at(3)).unwrap();
        assert_eq!(it.stalest(at(9)), Some(("a", 8 * MINUTE)));
        assert_eq!(it.is_fresh(at(9), 5 * MINUTE), Some(false));
        it.forget("a");
        assert_eq!(it.is_fresh(at(9), MINUTE), Some(true));
    }

    #[test]
    fn keys_have_a_limit() {
        let mut it = Freshness::default();
        let all = (0..=KEYS_MAX).map(|key| it.renew(&key.to_string(), at(0)));
        assert_eq!(all.filter(Result::is_err).count(), 1);
    }
}
