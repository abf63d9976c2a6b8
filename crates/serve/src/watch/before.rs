//! Before: what the store says of alerts as they were before a restart.
//!
//! While an alert is there its series are written: `ALERTS` with its state, and `ALERTS_FOR_STATE` with the moment at which it
//! became active. Those that have not ended when a server starts are of alerts that were there when it stopped.

use std::time::Duration;

use evenkeel_metrics::rules::Alerting;
use evenkeel_series::{Labels, METRIC_NAME, Matcher, Operation, Samples, Source, Span, is_stale};

use super::alerts::{ALERT_STATE, ALERTS, ALERTS_FOR_STATE, State};
use super::group::ALERT_NAME;
use super::moment::{after, between};

/// What was seen longer ago is not taken up again.
const RESTORED: Duration = Duration::from_hours(1);
/// An alert that waits for as long has this much of it left after a restart, at least.
const GRACE: Duration = Duration::from_mins(10);

/// What was known of an alert before a restart.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// When it became active.
    pub(super) active_at: i64,
    /// When it was last seen.
    pub(super) seen_at: i64,
    /// Whether it was firing then.
    pub(super) was_firing: bool,
}

impl Known {
    /// What a store says of the alert of some labels.
    pub(super) fn of(store: &dyn Source, labels: &Labels, at: i64) -> Option<Self> {
        let (seen_at, seconds) = last(store, &labels.with(METRIC_NAME, ALERTS_FOR_STATE), at)?;
        let firing = labels.with(METRIC_NAME, ALERTS).with(ALERT_STATE, State::Firing.name());
        let was_firing = last(store, &firing, at).is_some_and(|it| it.0 == seen_at);
        Some(Self { active_at: (seconds * 1000.0) as i64, seen_at, was_firing })
    }

    /// Since when it is taken to be active, so that the time in which nobody looked does not count.
    pub(super) fn since(self, at: i64, pending: Duration) -> i64 {
        let left = pending.saturating_sub(between(self.active_at, self.seen_at));
        if left.is_zero() {
            return self.active_at;
        }
        if pending >= GRACE && left < GRACE {
            return after(at, GRACE) - after(0, pending);
        }
        self.active_at + (at - self.seen_at)
    }
}

/// The alerts of a rule that were firing, whether what they are about is still there or not. They are told from those of
/// another rule by the labels that the rule gives to all of its alerts.
pub(super) fn firing(store: &dyn Source, of: &Alerting, at: i64) -> Vec<(Labels, Known)> {
    let fixed = of.labels.iter().filter_map(|(name, text)| Some((&**name, text.constant()?)));
    let own = [(METRIC_NAME, ALERTS), (ALERT_STATE, State::Firing.name()), (ALERT_NAME, &*of.name)];
    let span = span(at);
    let found = matchers(fixed.chain(own)).and_then(|it| store.select(&it, span).ok());
    let found = found.unwrap_or_default();
    let known = found.iter().filter_map(|series| {
        let labels = series.labels().with(METRIC_NAME, "").with(ALERT_STATE, "");
        Known::of(store, &labels, at).filter(|it| it.was_firing).map(|it| (labels, it))
    });
    known.collect()
}

/// The last sample of a series before a moment, unless it has ended.
fn last(store: &dyn Source, labels: &Labels, at: i64) -> Option<(i64, f64)> {
    let matchers = matchers(labels.iter().map(|it| (&*it.name, &*it.value)))?;
    let found = store.select(&matchers, span(at)).ok()?;
    let series = found.iter().find(|it| it.labels() == labels)?;
    let mut samples = Samples::default();
    series.read(span(at), &mut samples).ok()?;
    let last = samples.points.last()?;
    (!is_stale(last.value)).then_some((last.at, last.value))
}

fn matchers<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Vec<Matcher>> {
    labels.map(|(name, value)| Matcher::new(name, Operation::Equal, value).ok()).collect()
}

fn span(at: i64) -> Span {
    Span { after: at - after(0, RESTORED), until: at - 1 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use evenkeel_promql::Sample;

    use super::*;
    use crate::watch::alerts::{Alerts, Delays, Found};

    fn labels() -> Labels {
        Labels::of([("alertname", "Down")])
    }

    #[test]
    fn the_time_in_which_nobody_looked_does_not_count() {
        let minute = |it: i64| it * 60_000;
        let known = |active, seen| Known {
            active_at: minute(active),
            seen_at: minute(seen),
            was_firing: false,
        };
        let since =
            |it: Known, pending| it.since(minute(100), Duration::from_mins(pending)) / 60_000;
        assert_eq!(since(known(50, 60), 5), 50, "it was firing");
        assert_eq!(since(known(50, 53), 5), 97);
        assert_eq!(since(known(50, 55), 30), 95);
        assert_eq!(since(known(50, 75), 30), 80, "ten minutes are left");
    }

    #[test]
    fn what_is_in_the_store_is_known_after_a_restart() {
        let mut store = evenkeel_series::Memory::new();
        let mut alerts = Alerts::default();
        let found = || Found { annotations: BTreeMap::new(), value: 1.0 };
        for at in [60_000, 120_000] {
            alerts.see(at, Delays::default(), [(labels(), found())].into(), |_| None);
            for (labels, sample) in alerts.series() {
                let Sample::Float(value) = sample else { panic!() };
                store.push(&labels, evenkeel_series::Point { at, value });
            }
        }
        let known = Known { active_at: 60_000, seen_at: 120_000, was_firing: true };
        assert_eq!(Known::of(&store, &labels(), 180_000), Some(known));
        assert_eq!(Known::of(&store, &labels(), 4_000_000), None);
        assert_eq!(Known::of(&store, &Labels::of([("alertname", "Up")]), 180_000), None);
    }
}
