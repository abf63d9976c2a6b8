//! Symptoms: alerts on what users and machines feel, beside those on the budget.
//!
//! What people write by hand is often wrong in the same ways. A ratio of two rates without a sum divides each series by
//! itself, and is 1 wherever there is an error at all; a quantile of a histogram without a rate is that of all time, and one
//! without `by (le)` is none; a rate of restarts is not how many there were; cores are not a share. Here they are right by
//! how they are made.
//!
//! ```text
//! usual  such alerts for a service whose metrics are called as most are
//! proof  tests of them, for promtool
//! ```

mod proof;
mod usual;

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::document::HistogramForm;
use evenkeel_series::{METRIC_NAME, Matcher};
use evenkeel_units::Ratio;

use super::{Group, Makes, PromRule, duration, promql};
use crate::share::decimal;
use crate::sli::statuses::Statuses;

pub use proof::proof;
pub use usual::usual;

/// What is felt.
#[derive(Clone, Debug)]
pub enum Symptom {
    /// Too many requests fail: `HighErrorRate`.
    Errors {
        /// The counter of requests.
        requests: String,
        /// The label of their status.
        status: String,
        /// Which are bad.
        bad: Statuses,
        /// More than this share.
        above: Ratio,
    },
    /// Too many answers are slow: `HighLatency`.
    Latency {
        /// The histogram, without `_bucket`.
        times: String,
        /// How it is kept.
        form: HistogramForm,
        /// Which quantile.
        quantile: Ratio,
        /// Longer than this.
        above: Duration,
    },
    /// Processors are busy: `HighCPU`.
    Cpu {
        /// The counter of seconds used.
        used: String,
        /// The gauge of cores that may be used; `None`: cores are compared with cores.
        limit: Option<String>,
        /// More than this share of the limit, or more than this many cores.
        above: f64,
    },
    /// Something starts again and again: `PodCrashLooping`.
    Restarts {
        /// The counter of restarts.
        restarts: String,
        /// More than this many in the range.
        above: u64,
    },
}

/// An alert on a symptom.
#[derive(Clone, Debug)]
pub struct Watch {
    /// What the alert is called.
    pub name: String,
    /// What is felt.
    pub symptom: Symptom,
    /// Of which series: those that meet all of these.
    pub of: Vec<Matcher>,
    /// Labels by which it is told apart; none: it is one figure for all.
    pub by: Vec<String>,
    /// The time that is looked at.
    pub range: Duration,
    /// How long it must hold.
    pub pending: Duration,
    /// Labels of the alert.
    pub labels: BTreeMap<String, String>,
    /// What people read.
    pub annotations: BTreeMap<String, String>,
}

impl Watch {
    /// As a rule of Prometheus.
    pub fn rule(&self) -> PromRule {
        let makes = Makes::Alert {
            name: self.name.clone(),
            pending: self.pending,
            keep_firing: Duration::ZERO,
            annotations: self.annotations.clone(),
        };
        PromRule { makes, expr: self.expr(), labels: self.labels.clone() }
    }

    fn expr(&self) -> String {
        match &self.symptom {
            Symptom::Errors { requests, status, bad, above } => {
                let failed = format!("{status}=~{}", promql::quoted(bad.pattern()));
                let (failed, all) = (self.rate(requests, Some(failed)), self.rate(requests, None));
                let (sum, above) = (self.sum(&[]), promql::ratio(*above));
                format!("{sum} ({failed})\n/\n{sum} ({all})\n> {above}")
            }
            Symptom::Latency { times, form, quantile, above } => {
                let (quantile, above) = (promql::ratio(*quantile), decimal(above.as_secs_f64()));
                let buckets = match form {
                    HistogramForm::Classic => {
                        let rate = self.rate(&format!("{times}_bucket"), None);
                        format!("{} ({rate})", self.sum(&["le"]))
                    }
                    HistogramForm::Native => {
                        format!("{} ({})", self.sum(&[]), self.rate(times, None))
                    }
                };
                format!("histogram_quantile({quantile}, {buckets})\n> {above}")
            }
            Symptom::Cpu { used, limit, above } => {
                let (sum, above) = (self.sum(&[]), decimal(*above));
                let used = format!("{sum} ({})", self.rate(used, None));
                match limit {
                    Some(limit) => {
                        format!("{used}\n/\n{sum} ({})\n> {above}", self.series(limit, None))
                    }
                    None => format!("{used}\n> {above}"),
                }
            }
            Symptom::Restarts { restarts, above } => {
                let series = self.series(restarts, None);
                format!(
                    "{} (increase({series}[{}]))\n> {above}",
                    self.sum(&[]),
                    duration(self.range)
                )
            }
        }
    }

    fn sum(&self, beside: &[&str]) -> String {
        let labels: Vec<_> =
            self.by.iter().map(String::as_str).chain(beside.iter().copied()).collect();
        match labels.is_empty() {
            true => "sum".to_owned(),
            false => format!("sum by ({})", labels.join(", ")),
        }
    }

    fn rate(&self, metric: &str, beside: Option<String>) -> String {
        format!("rate({}[{}])", self.series(metric, beside), duration(self.range))
    }

    fn series(&self, metric: &str, beside: Option<String>) -> String {
        let named = self.of.iter().filter(|it| it.name() != METRIC_NAME);
        let written = |it: &Matcher| {
            format!("{}{}{}", it.name(), it.operation().sign(), promql::quoted(it.value()))
        };
        let all: Vec<_> = named.map(written).chain(beside).collect();
        match all.is_empty() {
            true => metric.to_owned(),
            false => format!("{metric}{{{}}}", all.join(",")),
        }
    }
}

/// Alerts on symptoms of a service, as a group.
pub fn group(service: &str, watches: &[Watch]) -> Group {
    Group {
        name: format!("symptoms-{service}"),
        interval: None,
        rules: watches.iter().map(Watch::rule).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_series::matcher::Operation;

    fn watch(symptom: Symptom, by: &[&str]) -> Watch {
        Watch {
            name: "It".to_owned(),
            symptom,
            of: vec![Matcher::new("job", Operation::Equal, "api").unwrap()],
            by: by.iter().map(|&it| it.to_owned()).collect(),
            range: Duration::from_mins(5),
            pending: Duration::from_mins(10),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    #[test]
    fn both_sides_of_a_ratio_are_summed_the_same_way() {
        let errors = Symptom::Errors {
            requests: "http_requests_total".to_owned(),
            status: "code".to_owned(),
            bad: Statuses::default(),
            above: Ratio::percent(5),
        };
        let expected = "sum by (service) (rate(http_requests_total{job=\"api\",code=~\"5..\"}[5m]))\n/\nsum by (service) (rate(http_requests_total{job=\"api\"}[5m]))\n> 0.05";
        assert_eq!(watch(errors, &["service"]).rule().expr, expected);
    }

    #[test]
    fn quantiles_are_of_rates_and_keep_their_bounds() {
        let slow = |form| Symptom::Latency {
            times: "seconds".to_owned(),
            form,
            quantile: Ratio::percent(95),
            above: Duration::from_millis(500),
        };
        let classic = "histogram_quantile(0.95, sum by (service, le) (rate(seconds_bucket{job=\"api\"}[5m])))\n> 0.5";
        assert_eq!(watch(slow(HistogramForm::Classic), &["service"]).rule().expr, classic);
        let native = "histogram_quantile(0.95, sum (rate(seconds{job=\"api\"}[5m])))\n> 0.5";
        assert_eq!(watch(slow(HistogramForm::Native), &[]).rule().expr, native);
    }

    #[test]
    fn processors_are_a_share_of_their_limit_where_there_is_one() {
        let busy = |limit: Option<&str>| Symptom::Cpu {
            used: "cpu_seconds_total".to_owned(),
            limit: limit.map(ToOwned::to_owned),
            above: 0.8,
        };
        let share = "sum by (pod) (rate(cpu_seconds_total{job=\"api\"}[5m]))\n/\nsum by (pod) (cpu_limit{job=\"api\"})\n> 0.8";
        assert_eq!(watch(busy(Some("cpu_limit")), &["pod"]).rule().expr, share);
        assert!(!watch(busy(None), &["pod"]).rule().expr.contains('/'));
    }

    #[test]
    fn restarts_are_counted() {
        let restarts = Symptom::Restarts { restarts: "restarts_total".to_owned(), above: 0 };
        let expected = "sum by (pod) (increase(restarts_total{job=\"api\"}[5m]))\n> 0";
        assert_eq!(group("symptoms", &[watch(restarts, &["pod"])]).rules[0].expr, expected);
    }
}
