//! Incidents: how often a service fails, how long it stays down, and how sure that is.
//!
//! ```text
//!   availability = up / observed
//!   MTTF = up / failures        mean time to failure, from the end of a repair
//!   MTTR = down / repairs       mean time to repair
//!   MTBF = observed / failures  mean time from one failure to the next
//! ```
//!
//! Incidents that overlap are one. Time before the first failure and after the last counts: it was survived. A failure
//! that began before the observation did is no failure of it, but its downtime is; a repair that is not over counts no
//! repair, but its downtime does (the estimator for censored exponential times is total time by events).
//!
//! Bounds assume that times are exponential: NIST/SEMATECH, "e-Handbook of Statistical Methods", section 8.4.5.1. Without
//! a failure there is only a lower bound, `−up / ln(1 − confidence)`.

use std::time::Duration;

use evenkeel_stats::chi_squared;
use evenkeel_units::Ratio;
use jiff::Timestamp;

use crate::interval::{Interval, Intervals, millis};
use crate::{Counts, Share};

/// A mean time and between which values the true one lies.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Mean {
    /// The estimate; `None` when nothing happened to estimate it from.
    pub mean: Option<Duration>,
    /// It is at least this, with the confidence asked for.
    pub low: Option<Duration>,
    /// It is at most this; `None` when nothing happened that would bound it.
    pub high: Option<Duration>,
    /// How many events it is the mean of.
    pub events: u64,
}

/// How reliable a service was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reliability {
    /// When it was watched.
    pub observed: Interval,
    /// When it was down, merged.
    pub down: Intervals,
    /// Milliseconds up of milliseconds observed; what was not to be counted is in neither.
    pub availability: Counts,
    /// Mean time to failure.
    pub mttf: Mean,
    /// Mean time to repair.
    pub mttr: Mean,
    /// Mean time between failures.
    pub mtbf: Option<Duration>,
}

/// Judges incidents of a time. Those not over by `now` last until then. `excluded` is neither up nor down.
/// `confidence` is two-sided: 90 % leaves 5 % at either end.
pub fn reliability(
    incidents: impl IntoIterator<Item = (Timestamp, Option<Timestamp>)>,
    observed: Interval,
    excluded: &Intervals,
    confidence: Ratio,
) -> Reliability {
    let until = |end: Option<Timestamp>| end.unwrap_or(Timestamp::MAX);
    let all: Intervals =
        incidents.into_iter().map(|(from, end)| Interval::new(from, until(end))).collect();
    let watched = excluded.outside(observed);
    let down: Intervals = watched.iter().flat_map(|it| all.within(*it)).collect();
    // Of the incidents as they were, not as exclusions cut them.
    let seen = |it: &&Interval| it.meets(observed) && watched.meets(**it);
    let failures = all.iter().filter(seen).filter(|it| it.from >= observed.from).count() as u64;
    let repairs = all.iter().filter(seen).filter(|it| it.to <= observed.to).count() as u64;
    let (whole, lost) = (watched.length(), down.length());
    let up = whole.saturating_sub(lost);
    Reliability {
        observed,
        availability: Counts { good: millis(up), total: millis(whole) },
        mttf: mean(up, failures, failures + 1, confidence),
        mttr: mean(lost, repairs, repairs, confidence),
        mtbf: divided(whole, failures),
        down,
    }
}

impl Reliability {
    /// Share of the time that it was up; `None` when nobody watched.
    pub fn availability(&self) -> Option<Share> {
        let Counts { good, total } = self.availability;
        (total > 0).then(|| Share::of(good, total))
    }
}

fn divided(time: Duration, events: u64) -> Option<Duration> {
    let nanos = time.as_nanos().checked_div(u128::from(events))?;
    Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

/// `censored` is the number of events that the lower bound is drawn with: one more than happened when the
/// observation ended by the clock, and the next event was still to come.
fn mean(time: Duration, events: u64, censored: u64, confidence: Ratio) -> Mean {
    let tail = confidence.rest().get() / 2.0;
    // Without an event there is no upper end, and all doubt is about the lower.
    let tail_low = if events == 0 { 2.0 * tail } else { tail };
    let bound = |half, probability| {
        let quantile = chi_squared::quantile(half, probability)?;
        Duration::try_from_secs_f64(2.0 * time.as_secs_f64() / quantile).ok()
    };
    Mean {
        mean: divided(time, events),
        low: bound(censored, 1.0 - tail_low),
        high: bound(events, tail),
        events,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn span(from: i64, to: i64) -> Interval {
        Interval::new(at(from), at(to))
    }

    fn of(incidents: &[(i64, i64)], observed: Interval) -> Reliability {
        let all = incidents.iter().map(|&(from, to)| (at(from), Some(at(to))));
        reliability(all, observed, &Intervals::EMPTY, Ratio::percent(90))
    }

    #[test]
    fn overlapping_incidents_are_one_and_time_before_the_first_counts() {
        let it = of(&[(100, 104), (102, 106), (300, 304)], span(0, 1000));
        assert_eq!((it.mttf.events, it.mttr.events), (2, 2));
        assert_eq!(it.mttr.mean, Some(5 * HOUR));
        assert_eq!(it.mttf.mean, Some(495 * HOUR));
        assert_eq!(it.mtbf, Some(500 * HOUR));
        assert_eq!(it.availability(), Some(Share::of(99, 100)));
    }

    #[test]
    fn without_a_failure_there_is_a_lower_bound_and_no_mean() {
        let it = of(&[], span(0, 1000)).mttf;
        assert_eq!((it.mean, it.high), (None, None));
        // 1000 h / −ln 0.1.
        assert!((it.low.unwrap().as_secs_f64() / 3600.0 - 434.294).abs() < 0.01, "{it:?}");
    }

    /// The example of the handbook: two failures in 800 hours are a mean of 400, between 127 and 2,251.
    #[test]
    fn bounds_are_those_of_the_handbook() {
        let it = of(&[(200, 201), (700, 701)], span(0, 802)).mttf;
        assert_eq!((it.events, it.mean), (2, Some(400 * HOUR)));
        let hours = |it: Option<Duration>| it.unwrap().as_secs_f64() / 3600.0;
        assert!((hours(it.low) - 127.0).abs() < 0.5, "{it:?}");
        assert!((hours(it.high) - 2251.0).abs() < 1.0, "{it:?}");
    }

    #[test]
    fn what_began_before_is_downtime_and_no_failure() {
        let it = of(&[(-5, 5)], span(0, 100));
        assert_eq!((it.mttf.events, it.mttr.events), (0, 1));
        assert_eq!(it.down.length(), 5 * HOUR);
    }

    #[test]
    fn what_is_not_over_is_downtime_and_no_repair() {
        let it = reliability([(at(90), None)], span(0, 100), &Intervals::EMPTY, Ratio::percent(90));
        assert_eq!((it.mttf.events, it.mttr.events), (1, 0));
        assert_eq!(it.availability(), Some(Share::of(9, 10)));
        assert_eq!(it.mttr.mean, None);
    }

    #[test]
    fn what_is_excluded_is_neither_up_nor_down() {
        let excluded = [span(10, 20)].into_iter().collect();
        let it = reliability([(at(15), Some(at(25)))], span(0, 110), &excluded, Ratio::percent(90));
        assert_eq!(it.availability(), Some(Share::of(95, 100)));
        assert_eq!(it.mttf.events, 1);
        let inside =
            reliability([(at(12), Some(at(14)))], span(0, 110), &excluded, Ratio::percent(90));
        assert_eq!(inside.mttf.events, 0);
    }

    #[test]
    fn a_time_of_nothing_has_no_availability() {
        assert_eq!(of(&[(0, 5)], span(3, 3)).availability(), None);
    }

    proptest! {
        #[test]
        fn estimates_lie_between_their_bounds_and_add_up(
            incidents in prop::collection::vec((0i64..900, 1i64..20), 1..20)
        ) {
            let pairs: Vec<_> = incidents.iter().map(|&(from, length)| (from, from + length)).collect();
            let it = of(&pairs, span(0, 1000));
            for mean in [it.mttf, it.mttr] {
                let (low, middle, high) = (mean.low.unwrap(), mean.mean.unwrap(), mean.high.unwrap());
                prop_assert!(low <= middle && middle <= high, "{mean:?}");
            }
            let sum = it.mttf.mean.unwrap() + it.mttr.mean.unwrap();
            prop_assert!(it.mtbf.unwrap().abs_diff(sum) <= Duration::from_nanos(2));
        }
    }
}
