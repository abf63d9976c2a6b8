//! Rules: an objective as recording and alerting rules of Prometheus, for those who run one.
//!
//! ```text
//! compat   the rules that Sloth writes: same names, same labels, same meaning
//! exact    the same names and labels; counts are recorded and their sums divided, and alerts need evidence
//! symptom  alerts on errors, latency, processors and restarts, beside those on the budget
//! yaml     a file of rules, or the resource of the Prometheus operator, as text
//! proof    tests of the rules, for promtool
//! snippet  what a `prometheus.yml` and an `alertmanager.yml` need for them
//! promql   durations, labels and templates, as they are written there
//! ```
//!
//! Sloth's ratio of 30 days is the mean of the ratios of five minutes, whatever the traffic was: an hour of errors at night,
//! with a hundredth of the requests, weighs as much as one at noon. `exact` divides sums.
//!
//! Numbers are decimals as people write them: `0.001`, and not `0.0009999999999999432`.

pub mod compat;
pub mod exact;
pub(crate) mod promql;
pub mod proof;
pub mod snippet;
pub mod symptom;
mod yaml;

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_units::Ratio;

use crate::burn::{Rule, Severity};

pub use promql::duration;
pub use yaml::{Resource, file, resource};

/// What queries of events say.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Per {
    /// Events a second: `rate()`.
    Second,
    /// Events of the window: `increase()`.
    Window,
}

/// What is asked of Prometheus. `$window` stands for the time it is asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queries {
    /// Bad and all events: `sum(rate(errors_total[$window]))`.
    Events {
        /// The bad ones.
        bad: String,
        /// All of them.
        total: String,
        /// What both say.
        per: Per,
    },
    /// The share of bad events.
    Raw {
        /// It.
        bad_ratio: String,
    },
}

/// What is added to the alerts of a severity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// How an objective is alerted of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerting {
    /// What the alerts are called.
    pub name: String,
    /// What all of them have.
    pub all: Extra,
    /// What those have that wake somebody; `None`: there are none.
    pub page: Option<Extra>,
    /// What those have that somebody looks at in the next days; `None`: there are none.
    pub ticket: Option<Extra>,
}

impl Alerting {
    /// What alerts of a severity have; `None`: there are none.
    fn of(&self, severity: Severity) -> Option<&Extra> {
        match severity {
            Severity::Page => self.page.as_ref(),
            Severity::Ticket | Severity::Info => self.ticket.as_ref(),
        }
    }
}

/// An objective, as its rules need it.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The service.
    pub service: String,
    /// The objective.
    pub name: String,
    /// The promise.
    pub objective: Ratio,
    /// The rolling window.
    pub window: Duration,
    /// What is asked.
    pub queries: Queries,
    /// When its budget burns too fast.
    pub burn: Vec<Rule>,
    /// How it is alerted of.
    pub alerting: Alerting,
    /// Labels of everything that is recorded.
    pub labels: BTreeMap<String, String>,
    /// More labels of the record that says that the objective is there.
    pub info: BTreeMap<String, String>,
    /// How often the rules are evaluated; `None`: as the server does.
    pub interval: Option<Duration>,
}

/// What a rule makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Makes {
    /// A series.
    Record(String),
    /// An alert.
    Alert {
        /// What it is called.
        name: String,
        /// How long it must hold.
        pending: Duration,
        /// How long it fires on.
        keep_firing: Duration,
        /// What people read.
        annotations: BTreeMap<String, String>,
    },
}

/// A rule of Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromRule {
    /// What it makes.
    pub makes: Makes,
    /// The query.
    pub expr: String,
    /// Labels of what it makes.
    pub labels: BTreeMap<String, String>,
}

/// Rules that are evaluated one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What it is called.
    pub name: String,
    /// How often; `None`: as the server does.
    pub interval: Option<Duration>,
    /// The rules.
    pub rules: Vec<PromRule>,
}

impl Subject {
    /// What tells the objective from all others.
    pub fn id(&self) -> String {
        format!("{}-{}", self.service, self.name)
    }

    /// The labels that every record of the objective has.
    fn identity(&self) -> BTreeMap<String, String> {
        [
            ("sloth_id", self.id()),
            ("sloth_service", self.service.clone()),
            ("sloth_slo", self.name.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A record of the objective.
    fn record(&self, name: impl Into<String>, expr: impl Into<String>) -> PromRule {
        let mut labels = self.labels.clone();
        labels.extend(self.identity());
        PromRule { makes: Makes::Record(name.into()), expr: expr.into(), labels }
    }

    /// A record of the objective over a window.
    fn record_of(&self, name: &str, window: Duration, expr: impl Into<String>) -> PromRule {
        let window = duration(window);
        let mut rule = self.record(format!("{name}{window}"), expr);
        rule.labels.insert("sloth_window".to_owned(), window);
        rule
    }

    /// A record of the objective, as it is asked for.
    fn series(&self, name: &str) -> String {
        let label = |(name, value): (&String, &String)| format!("{name}={}", promql::quoted(value));
        let labels: Vec<_> = self.identity().iter().map(label).collect();
        format!("{name}{{{}}}", labels.join(", "))
    }

    /// A record of the objective over a window, as it is asked for.
    fn series_of(&self, name: &str, window: Duration) -> String {
        self.series(&format!("{name}{}", duration(window)))
    }

    /// The windows of its alerts, from the shortest on.
    fn windows(&self) -> Vec<Duration> {
        let mut all: Vec<_> =
            self.burn.iter().flat_map(|it| it.short.into_iter().chain([it.long])).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn budget(&self) -> String {
        promql::ratio(self.objective.rest())
    }

    fn group(&self, kind: &str, rules: Vec<PromRule>) -> Group {
        let name = format!("sloth-slo-{kind}-{}", self.id());
        Group { name, interval: self.interval, rules }
    }

    /// Records of what the objective is, and how it stands.
    fn meta(&self) -> Vec<PromRule> {
        let shortest = self.windows().first().copied().unwrap_or(self.window);
        let over_budget = |name: &str, window| {
            let (error, budget) =
                (self.series_of(ERROR_RATIO, window), self.series("slo:error_budget:ratio"));
            let expr =
                format!("{error}\n/ on(sloth_id, sloth_slo, sloth_service) group_left\n{budget}");
            self.record(name, expr)
        };
        let days = crate::share::decimal(self.window.as_secs_f64() / 86_400.0);
        let mut info = self.record("sloth_slo_info", "vector(1)");
        let objective = promql::percentage(self.objective);
        info.labels.insert("sloth_objective".to_owned(), objective);
        info.labels.extend(self.info.clone());
        vec![
            self.record(
                "slo:objective:ratio",
                format!("vector({})", promql::ratio(self.objective)),
            ),
            self.record("slo:error_budget:ratio", format!("vector({})", self.budget())),
            self.record("slo:time_period:days", format!("vector({days})")),
            over_budget("slo:current_burn_rate:ratio", shortest),
            over_budget("slo:period_burn_rate:ratio", self.window),
            self.record(
                "slo:period_error_budget_remaining:ratio",
                format!("1 - {}", self.series("slo:period_burn_rate:ratio")),
            ),
            info,
        ]
    }

    /// An alert of a severity, with what people read; `None` when there is none of it.
    fn alert(&self, severity: Severity, expr: String) -> Option<PromRule> {
        let extra = self.alerting.of(severity)?;
        let tier = severity.name();
        let written = [
            (
                "summary",
                "{{$labels.sloth_service}} {{$labels.sloth_slo}} SLO error budget burn rate is over expected.".to_owned(),
            ),
            (
                "title",
                format!("({tier}) {{{{$labels.sloth_service}}}} {{{{$labels.sloth_slo}}}} SLO error budget burn rate is too fast."),
            ),
        ];
        let mut annotations: BTreeMap<_, _> =
            written.map(|(name, text)| (name.to_owned(), text)).into();
        annotations.extend(self.alerting.all.annotations.clone());
        annotations.extend(extra.annotations.clone());
        let mut labels = self.alerting.all.labels.clone();
        labels.extend(extra.labels.clone());
        labels.insert("sloth_severity".to_owned(), tier.to_owned());
        let name = self.alerting.name.clone();
        let of = |length: fn(&Rule) -> Duration| {
            let same = self.burn.iter().filter(|it| it.severity == severity).map(length);
            same.max().unwrap_or_default()
        };
        let (pending, keep_firing) = (of(|it| it.pending), of(|it| it.keep_firing));
        Some(PromRule {
            makes: Makes::Alert { name, pending, keep_firing, annotations },
            expr,
            labels,
        })
    }
}

/// The share of bad events over a window, which ends the name.
const ERROR_RATIO: &str = "slo:sli_error:ratio_rate";

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::burn::catalogue;

    /// 99.9 % of 30 days, with the rules of the workbook and alerts of both severities.
    pub(crate) fn subject() -> Subject {
        let month = Duration::from_hours(720);
        Subject {
            service: "shop".to_owned(),
            name: "pay".to_owned(),
            objective: "99.9%".parse().unwrap(),
            window: month,
            queries: Queries::Events {
                bad: "sum(rate(bad[$window]))".to_owned(),
                total: "sum(rate(all[$window]))".to_owned(),
                per: Per::Second,
            },
            burn: catalogue::workbook(month),
            alerting: Alerting {
                name: "Burns".to_owned(),
                page: Some(Extra::default()),
                ticket: Some(Extra::default()),
                ..Alerting::default()
            },
            labels: [("owner".to_owned(), "team".to_owned())].into(),
            info: BTreeMap::new(),
            interval: None,
        }
    }

    /// What stands for the labels of the subject where it is asked for.
    pub(super) const ID: &str = r#"{sloth_id="shop-pay", sloth_service="shop", sloth_slo="pay"}"#;

    #[test]
    fn a_window_is_recorded_once_however_many_alerts_have_it() {
        let sloth = Subject { burn: catalogue::sloth(subject().window), ..subject() };
        let windows: Vec<_> = sloth.windows().into_iter().map(duration).collect();
        assert_eq!(windows, ["5m", "30m", "1h", "2h", "6h", "1d", "3d"]);
    }
}
