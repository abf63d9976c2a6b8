//! `AlertPolicy`: by which windows it is noticed that a budget burns.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: AlertPolicy
//! metadata: {name: fast-and-slow}
//! spec:
//!   windows:
//!     - {severity: page, budget: 2%, long: 1h, short: 5m}
//!     - {severity: page, budget: 5%, long: 6h, short: 30m}
//!     - {severity: ticket, factor: 1, long: 3d, short: 6h}
//!   lowTraffic: {below: 1000, minBad: 3}
//! ```
//!
//! An alert fires while the burn rate is above its factor over the long window and over the short one: the long one makes
//! it sure, the short one ends it soon after the trouble has ended (Google, "The Site Reliability Workbook", chapter 5).

use std::time::Duration;

use evenkeel_units::Ratio;
use evenkeel_units::duration::{seconds, seconds_option};
use serde::{Deserialize, Serialize};

use super::Labels;

/// By which windows it is noticed that a budget burns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertPolicy {
    /// `metadata.name`; empty when it stands inside an objective.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The windows, of which each makes an alert.
    pub windows: Vec<BurnWindow>,
    /// What it takes where there is little traffic; `None`: the burn rate is always taken as it is.
    pub low_traffic: Option<LowTraffic>,
    /// By how much of its factor the burn rate must be below it before an alert ends. Default nothing.
    pub hysteresis: Ratio,
    /// Whether an alert is silent while one of the same objective fires that is more urgent. Default true.
    pub inhibit: bool,
}

/// Two windows over which a burn rate is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BurnWindow {
    /// How urgent it is.
    pub severity: Severity,
    /// From which burn rate on.
    pub threshold: BurnThreshold,
    /// The longer window.
    #[serde(rename = "long_seconds", with = "seconds")]
    pub long: Duration,
    /// The shorter one, which ends the alert soon; `None`: there is none. Default: a twelfth of the longer one.
    #[serde(rename = "short_seconds", with = "seconds_option")]
    pub short: Option<Duration>,
    /// How long it must be so before the alert fires. Default: at once.
    #[serde(rename = "for_seconds", with = "seconds")]
    pub sustained: Duration,
    /// How long it fires on when it is no longer so. Default: not at all.
    #[serde(rename = "keep_firing_seconds", with = "seconds")]
    pub keep_firing: Duration,
    /// Labels of this alert, beside those of its severity.
    pub labels: Labels,
}

/// What an alert takes where there is little traffic: one failure of ten requests is no outage.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LowTraffic {
    /// Events in the long window from which on the burn rate is taken as it is. Default 1,000.
    pub below: u64,
    /// How sure it has to be, below that, that the burn rate is above its factor: by the lower end of Wilson's interval.
    /// Default 95 %.
    pub confidence: Ratio,
    /// Bad events in the long window that it takes in any case. Default 3.
    pub min_bad: u64,
    /// A short window with fewer events is not asked. Default 3.
    pub min_events: u64,
}

impl Default for LowTraffic {
    fn default() -> Self {
        Self { below: 1_000, confidence: Ratio::percent(95), min_bad: 3, min_events: 3 }
    }
}

/// How urgent an alert is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It can wait for the day.
    Ticket,
    /// Somebody has to get up.
    Page,
}

impl Severity {
    /// The words for them.
    pub const NAMES: [(&'static str, Self); 2] = [("page", Self::Page), ("ticket", Self::Ticket)];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

/// From which burn rate on there is an alert.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BurnThreshold {
    /// This burn rate: 1 spends the budget exactly within the objective's window.
    Factor(f64),
    /// The burn rate that spends this share of the budget within the long window: share × window / long window.
    Budget(Ratio),
}

impl BurnThreshold {
    /// The burn rate, for an objective with such a window.
    pub fn factor(self, window: Duration, long: Duration) -> f64 {
        match self {
            Self::Factor(factor) => factor,
            // Billionths of nanoseconds, so that 2 % of 30 days in an hour are 14.4 and nothing beside it.
            Self::Budget(share) => {
                let whole = f64::from(share.billionths()) * window.as_secs_f64();
                whole / (long.as_secs_f64() * 1e9)
            }
        }
    }
}

impl AlertPolicy {
    /// The alerts of the Site Reliability Workbook (chapter 5, table 5-8): how urgent each is, the share of the budget that is
    /// spent within its long window, and which part of the objective's window that is: of 30 days, an hour is one of 720.
    const WORKBOOK: [(Severity, Ratio, u32); 3] = [
        (Severity::Page, Ratio::percent(2), 720),
        (Severity::Page, Ratio::percent(5), 120),
        (Severity::Ticket, Ratio::percent(10), 10),
    ];

    /// A long window of [`standard`](Self::standard) is no shorter: a twelfth of it, five minutes, has a few samples of what is
    /// scraped each minute.
    const LONG_MIN: Duration = Duration::from_hours(1);

    /// The alerts of the Site Reliability Workbook, for an objective with such a window (of the calendar: its nominal length).
    /// Of 30 days: factors of 14.4 over an hour, 6 over six, and 1 over three days.
    ///
    /// The share of the budget is what matters to somebody who is woken, so it stays the same, and the windows grow and shrink
    /// with the objective's: factor = share × window / long window is then the same for all. Windows that stay as they are
    /// would have the factors grow beyond what can happen (2 % of a quarter in an hour is a factor of 43.2, which 97 % cannot
    /// reach), or fall below 1, at which the budget lasts. A long window is an hour at least, or a tenth of the objective's
    /// where that is less; more of the budget is then spent until it tells, and a page that no longer tells anything before
    /// the next one is left out.
    pub fn standard(window: Duration) -> Self {
        let shortest = Self::LONG_MIN.min(window / 10).max(Duration::from_secs(1));
        let spent = |it: &BurnWindow| it.threshold.factor(window, it.long) * it.long.as_secs_f64();
        let mut windows: Vec<BurnWindow> = Vec::new();
        for (severity, share, part) in Self::WORKBOOK {
            let long = (window / part).max(shortest);
            // Share × window / its part of the window.
            let factor = f64::from(share.billionths()) * f64::from(part) / 1e9;
            let it = BurnWindow {
                severity,
                threshold: BurnThreshold::Factor(factor),
                long,
                short: Some(long / BurnWindow::SHORT),
                sustained: Duration::ZERO,
                keep_firing: Duration::ZERO,
                labels: Labels::new(),
            };
            windows.retain(|faster| faster.severity != severity || spent(faster) < spent(&it));
            windows.push(it);
        }
        Self { low_traffic: Some(LowTraffic::default()), ..Self::of(windows) }
    }

    /// Of windows, and nothing else: whatever the traffic, the burn rate is taken as it is.
    pub const fn of(windows: Vec<BurnWindow>) -> Self {
        Self {
            name: String::new(),
            description: None,
            windows,
            low_traffic: None,
            hysteresis: Ratio::ZERO,
            inhibit: true,
        }
    }
}

impl BurnWindow {
    /// How much shorter the short window is than the long one, where nobody says.
    pub const SHORT: u32 = 12;
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    /// Factor, long window in minutes, and the share of the budget in thousandths.
    fn standard(window: Duration) -> Vec<(&'static str, f64, u64, u64)> {
        let shown = |it: &BurnWindow| {
            let factor = it.threshold.factor(window, it.long);
            let spent = factor * it.long.as_secs_f64() / window.as_secs_f64();
            let minutes = it.long.as_secs() / 60;
            (it.severity.name(), factor, minutes, (spent * 1000.0).round() as u64)
        };
        AlertPolicy::standard(window).windows.iter().map(shown).collect()
    }

    #[test]
    fn of_thirty_days_they_are_those_of_the_workbook() {
        let expected =
            [("page", 14.4, 60, 20), ("page", 6.0, 6 * 60, 50), ("ticket", 1.0, 72 * 60, 100)];
        assert_eq!(standard(30 * DAY), expected);
        let short: Vec<_> = AlertPolicy::standard(30 * DAY).windows;
        let short: Vec<_> = short.iter().map(|it| it.short.unwrap().as_secs() / 60).collect();
        assert_eq!(short, [5, 30, 360]);
    }

    #[test]
    fn windows_grow_and_shrink_with_that_of_the_objective_and_the_shares_stay() {
        let quarter = [
            ("page", 14.4, 3 * 60, 20),
            ("page", 6.0, 18 * 60, 50),
            ("ticket", 1.0, 9 * 24 * 60, 100),
        ];
        assert_eq!(standard(90 * DAY), quarter);
        let weeks = [("page", 14.4, 60, 21), ("page", 6.0, 336, 50), ("ticket", 1.0, 4032, 100)];
        assert_eq!(standard(28 * DAY), weeks);
        // The faster page would tell later than the slower one.
        assert_eq!(standard(7 * DAY), [("page", 6.0, 84, 50), ("ticket", 1.0, 1008, 100)]);
    }

    #[test]
    fn a_short_window_has_a_page_and_a_ticket_that_tell_while_there_is_a_budget() {
        assert_eq!(standard(DAY), [("page", 6.0, 60, 250), ("ticket", 1.0, 144, 100)]);
        let hour = DAY / 24;
        assert_eq!(standard(hour), [("page", 6.0, 6, 600), ("ticket", 1.0, 6, 100)]);
        for window in [Duration::from_millis(1), hour, DAY / 2, 5 * DAY, 12 * DAY, 3_650 * DAY] {
            let windows = AlertPolicy::standard(window).windows;
            let severities: Vec<_> = windows.iter().map(|it| it.severity.name()).collect();
            assert!(severities.ends_with(&["page", "ticket"]), "{window:?}: {severities:?}");
            for it in &windows {
                assert!(it.threshold.factor(window, it.long) >= 1.0, "{window:?}: {it:?}");
                assert!(it.long < window.max(Duration::from_secs(2)), "{window:?}: {it:?}");
                assert!(it.short > Some(Duration::ZERO), "{window:?}: {it:?}");
            }
        }
    }
}
