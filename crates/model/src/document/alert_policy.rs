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

use super::{Labels, Slo};

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
    /// The alerts of the Site Reliability Workbook (chapter 5, table 5-8): how urgent each is, and the share of the budget
    /// that is spent within its long window.
    pub const WORKBOOK: [(Severity, Ratio, Duration); 3] = [
        (Severity::Page, Ratio::percent(2), Duration::from_hours(1)),
        (Severity::Page, Ratio::percent(5), Duration::from_hours(6)),
        (Severity::Ticket, Ratio::percent(10), Duration::from_hours(72)),
    ];

    /// The alerts of the [workbook](Self::WORKBOOK) at the burn rates that it gives for 30 days, whatever the window: 14.4 over
    /// an hour, 6 over six, and 1 over three days.
    pub fn standard() -> Self {
        let window = |(severity, share, long): (Severity, Ratio, Duration)| BurnWindow {
            severity,
            threshold: BurnThreshold::Factor(
                BurnThreshold::Budget(share).factor(Slo::WINDOW, long),
            ),
            long,
            short: Some(long / BurnWindow::SHORT),
            sustained: Duration::ZERO,
            keep_firing: Duration::ZERO,
            labels: Labels::new(),
        };
        let windows = Self::WORKBOOK.into_iter().map(window).collect();
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

    #[test]
    fn shares_of_a_budget_of_thirty_days_are_the_standard_factors() {
        let month = Duration::from_hours(30 * 24);
        let windows = AlertPolicy::standard().windows;
        for (it, percent) in windows.iter().zip([2, 5, 10]) {
            let share = BurnThreshold::Budget(Ratio::percent(percent));
            assert_eq!(BurnThreshold::Factor(share.factor(month, it.long)), it.threshold);
        }
        let short: Vec<_> = windows.iter().map(|it| it.short.unwrap().as_secs() / 60).collect();
        assert_eq!(short, [5, 30, 360]);
    }
}
