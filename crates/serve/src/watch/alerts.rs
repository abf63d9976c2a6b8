//! Alerts: what an alerting rule found, as time passes.
//!
//! ```text
//!           found          for long enough         no longer found
//!   (none) ───────▶ Pending ─────────────▶ Firing ────────────────▶ Over ──▶ (none)
//!                      │ no longer found     │  ▲ found again            a while later
//!                      ▼                     └──┘ while it is kept firing
//!                   (none)
//! ```
//!
//! As alerts of Prometheus, whose series they write, too: `ALERTS` with its state, and `ALERTS_FOR_STATE` with the moment at
//! which it became active, by which they are what they were after a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_promql::Sample;
use evenkeel_series::{Labels, METRIC_NAME};

use super::moment::{after, between};

/// What is over is kept for so long, so that everybody hears of it.
const KEPT: Duration = Duration::from_mins(15);
/// Where an alert is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is there, and nobody is told.
    Pending,
    /// Somebody is told.
    Firing,
    /// It was firing, and no longer is.
    Over,
}

impl State {
    /// As Prometheus calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Over => "inactive",
        }
    }
}

/// An alert. Moments are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alert {
    /// Its name among them.
    pub(crate) labels: Labels,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) value: f64,
    pub(crate) state: State,
    pub(crate) active_at: i64,
    fired_at: i64,
    over_at: Option<i64>,
    /// Since when it only fires because it is kept firing.
    quiet_since: Option<i64>,
    sent_at: Option<i64>,
}

/// What was found of an alert at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) value: f64,
}

/// What somebody is to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    pub(crate) labels: Labels,
    pub(crate) annotations: BTreeMap<String, String>,
    /// When it began to fire, …
    pub(crate) from: i64,
    /// … and when it is over, or is taken to be if nobody says more.
    pub(crate) until: i64,
    /// Where more is to be seen.
    pub(crate) url: String,
}

/// The alerts of a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Alerts(BTreeMap<Labels, Alert>);

/// For how long alerts wait and stay.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Delays {
    pub(super) pending: Duration,
    pub(super) keep_firing: Duration,
}

impl Alerts {
    /// Those that are there.
    pub(super) fn active(&self) -> impl Iterator<Item = &Alert> {
        self.0.values().filter(|it| it.state != State::Over)
    }

    /// Whether the alert of some labels fires.
    pub(super) fn fires(&self, labels: &Labels) -> bool {
        self.0.get(labels).is_some_and(|it| it.state == State::Firing)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes up an alert that was firing before a restart, as if it had gone on: what is found next says how it does.
    pub(super) fn take_up(&mut self, labels: Labels, active_at: i64, fired_at: i64, found: Found) {
        let it = Alert::new(labels.clone(), found, fired_at, active_at);
        self.0.insert(labels, Alert { state: State::Firing, ..it });
    }

    /// Takes in what was found at a moment. `since` says since when an alert that is new was active, if it was before a
    /// restart.
    pub(super) fn see(
        &mut self,
        at: i64,
        delays: Delays,
        mut found: BTreeMap<Labels, Found>,
        since: impl Fn(&Labels) -> Option<i64>,
    ) {
        self.0.retain(|labels, it| match found.remove(labels) {
            Some(again) => {
                if it.state == State::Over {
                    *it = Alert::new(labels.clone(), again, at, at);
                } else {
                    (it.annotations, it.value) = (again.annotations, again.value);
                    it.quiet_since = None;
                }
                true
            }
            None => it.miss(at, delays.keep_firing),
        });
        for (labels, found) in found {
            let active_at = since(&labels).unwrap_or(at);
            self.0.insert(labels.clone(), Alert::new(labels, found, at, active_at));
        }
        for it in self.0.values_mut() {
            let is_due = between(it.active_at, at) >= delays.pending;
            if it.state == State::Pending && is_due {
                (it.state, it.fired_at) = (State::Firing, at);
            }
        }
    }

    /// Puts an alert whose state somebody else keeps into that state; `None`: it is not there.
    pub(super) fn set(
        &mut self,
        at: i64,
        labels: &Labels,
        state: Option<(State, i64)>,
        found: Found,
    ) {
        let is_over = |it: &Alert| it.state == State::Over;
        let Some((state, active_at)) = state else {
            let gone = self.0.get_mut(labels).is_some_and(|it| !it.miss(at, Duration::ZERO));
            if gone {
                self.0.remove(labels);
            }
            return;
        };
        let it = match self.0.get_mut(labels).filter(|it| !is_over(it)) {
            Some(it) => {
                (it.annotations, it.value) = (found.annotations, found.value);
                it
            }
            None => {
                self.0.insert(labels.clone(), Alert::new(labels.clone(), found, at, active_at));
                let Some(it) = self.0.get_mut(labels) else { return };
                it
            }
        };
        if state == State::Firing && it.state != State::Firing {
            it.fired_at = at;
        }
        it.state = state;
    }

    /// The series by which they can be asked for.
    pub(super) fn series(&self) -> Vec<(Labels, Sample)> {
        let each = self.active().flat_map(|it| {
            let states = it.labels.with(METRIC_NAME, ALERTS).with(ALERT_STATE, it.state.name());
            let since = it.labels.with(METRIC_NAME, ALERTS_FOR_STATE);
            let seconds = it.active_at.div_euclid(1000) as f64;
            [(states, Sample::Float(1.0)), (since, Sample::Float(seconds))]
        });
        each.collect()
    }

    /// What is to be told at a moment: what fires or is over and was not told yet, or `resend` ago. It holds until `valid`
    /// after the moment unless somebody says it again.
    pub(super) fn due(
        &mut self,
        at: i64,
        resend: Duration,
        valid: Duration,
        url: &str,
    ) -> Vec<Notice> {
        let mut all = Vec::new();
        for it in self.0.values_mut().filter(|it| it.state != State::Pending) {
            let is_news = it.over_at > it.sent_at || it.sent_at.is_none();
            if is_news || it.sent_at.is_some_and(|sent| between(sent, at) >= resend) {
                it.sent_at = Some(at);
                all.push(Notice {
                    labels: it.labels.clone(),
                    annotations: it.annotations.clone(),
                    from: it.fired_at,
                    until: it.over_at.unwrap_or_else(|| after(at, valid)),
                    url: url.to_owned(),
                });
            }
        }
        all
    }
}

pub(super) const ALERTS: &str = "ALERTS";
pub(super) const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
pub(super) const ALERT_STATE: &str = "alertstate";

impl Alert {
    fn new(labels: Labels, found: Found, at: i64, active_at: i64) -> Self {
        let Found { annotations, value } = found;
        Self {
            labels,
            annotations,
            value,
            state: State::Pending,
            active_at,
            fired_at: at,
            over_at: None,
            quiet_since: None,
            sent_at: None,
        }
    }

    /// It was not found. Says whether it is kept.
    fn miss(&mut self, at: i64, keep_firing: Duration) -> bool {
        match self.state {
            State::Pending => return false,
            State::Over => return self.over_at.is_none_or(|over| between(over, at) <= KEPT),
            State::Firing => {}
        }
        if !keep_firing.is_zero() {
            let quiet = *self.quiet_since.get_or_insert(at);
            if between(quiet, at) < keep_firing {
                return true;
            }
        }
        (self.state, self.over_at) = (State::Over, Some(at));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        Labels::of([("alertname", "Down")])
    }

    /// Plays a script, a letter a second: `+` is found, `-` is not. Says the state of each second.
    fn play(pending: u64, keep_firing: u64, script: &str) -> String {
        let delays = Delays {
            pending: Duration::from_secs(pending),
            keep_firing: Duration::from_secs(keep_firing),
        };
        let mut alerts = Alerts::default();
        let seconds = (0..).zip(script.chars()).map(|(second, letter)| {
            let found = Found { annotations: BTreeMap::new(), value: 1.0 };
            let found = (letter == '+').then(|| (labels(), found)).into_iter().collect();
            alerts.see(second * 1000, delays, found, |_| None);
            match alerts.0.values().next().map(|it| it.state) {
                None => '.',
                Some(State::Pending) => 'p',
                Some(State::Firing) => 'F',
                Some(State::Over) => 'o',
            }
        });
        seconds.collect()
    }

    #[test]
    fn an_alert_waits_fires_and_is_over() {
        assert_eq!(play(0, 0, "-++--+"), ".FFooF");
        assert_eq!(play(2, 0, "++-+++-"), "pp.ppFo");
        assert_eq!(play(0, 2, "+--+---"), "FFFFFFo");
    }

    #[test]
    fn who_was_told_is_told_again_after_a_while_and_at_once_of_the_end() {
        let mut alerts = Alerts::default();
        let minute = Duration::from_mins(1);
        let mut told = Vec::new();
        for second in 0..200 {
            let at = second * 1000;
            let found = Found { annotations: BTreeMap::new(), value: 1.0 };
            let found = (second < 130).then(|| (labels(), found)).into_iter().collect();
            alerts.see(at, Delays::default(), found, |_| None);
            let due = alerts.due(at, minute, 4 * minute, "");
            told.extend(due.iter().map(|it| (second, it.from / 1000, it.until / 1000)));
        }
        assert_eq!(told, [(0, 0, 240), (60, 0, 300), (120, 0, 360), (130, 0, 130), (190, 0, 130)]);
    }
}
