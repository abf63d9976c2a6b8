//! Exposed: what a service says at its `/metrics`, as far as promises can be made of it.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_metrics::exposition::{ExpositionError, Format, Kind, Parser, Said};

/// Values of a label that are looked at.
const VALUES_MAX: usize = 1_000;
/// Labels that say how a request ended.
const STATUS: [&str; 6] =
    ["code", "status", "status_code", "http_status_code", "http_response_status_code", "http_code"];
/// Labels by which a route is told apart.
const ROUTE: [&str; 6] = ["route", "path", "handler", "uri", "endpoint", "http_route"];
/// Metrics by name.
#[derive(Debug, Default)]
pub(super) struct Exposed {
    /// Where it is asked for its metrics, which is nobody's request.
    own: String,
    kinds: BTreeMap<String, Kind>,
    metrics: BTreeMap<String, Metric>,
}

/// Samples of one name.
#[derive(Debug, Default)]
struct Metric {
    values: BTreeMap<String, BTreeSet<String>>,
    samples: Vec<(BTreeMap<String, String>, f64)>,
}

/// Requests that are counted by how they ended.
#[derive(Debug, PartialEq)]
pub(super) struct Requests {
    /// The counter.
    pub(super) name: String,
    /// What chooses the failed ones.
    pub(super) failed: String,
    /// What leaves out the questions for metrics, where they are told apart.
    pub(super) meant: Option<String>,
    /// So many so far, and so many of them failed.
    pub(super) counted: (f64, f64),
}

/// Times of requests, in buckets.
#[derive(Debug, PartialEq)]
pub(super) struct Times {
    /// The histogram, without `_bucket`.
    pub(super) name: String,
    /// What leaves out failed ones, where they are told apart.
    pub(super) right: Option<String>,
    /// What leaves out the questions for metrics, where they are told apart.
    pub(super) meant: Option<String>,
    /// Upper bounds in seconds, with how many were within them; the last is endless.
    pub(super) buckets: Vec<(f64, f64)>,
}

impl Exposed {
    /// Reads a text, which the service exposes at a path.
    pub(super) fn read(text: &str, format: Format, path: &str) -> Result<Self, ExpositionError> {
        let own = path.split('?').next().unwrap_or_default().to_owned();
        let mut all = Self { own, ..Self::default() };
        let mut parser = Parser::new(text, format);
        while let Some(said) = parser.next() {
            match said? {
                Said::Type(name, kind) => {
                    all.kinds.insert(name.into_owned(), kind);
                }
                Said::Sample(sample) => {
                    let mut labels: BTreeMap<String, String> = parser
                        .labels()
                        .map(|(name, value)| (name.into_owned(), value.into_owned()))
                        .collect();
                    let name = labels.remove("__name__").unwrap_or_default();
                    let metric = all.metrics.entry(name).or_default();
                    for (label, value) in &labels {
                        let values = metric.values.entry(label.clone()).or_default();
                        if values.len() < VALUES_MAX {
                            values.insert(value.clone());
                        }
                    }
                    metric.samples.push((labels, sample.value));
                }
                Said::Help(..) | Said::Unit(..) => {}
            }
        }
        Ok(all)
    }

    /// The counter of requests that says most of what the service answers.
    pub(super) fn requests(&self) -> Option<Requests> {
        let counters = self.metrics.iter().filter(|(name, _)| is_plain(name) && self.counts(name));
        let found = counters.filter_map(|(name, metric)| {
            let (label, failed) = metric.status()?;
            let meant = metric.meant(&self.own);
            let of_service = metric.samples.iter().filter(|it| !self.is_own(&it.0));
            let sum = |only: bool| -> f64 {
                let chosen = of_service
                    .clone()
                    .filter(|it| !only || it.0.get(label).is_some_and(|it| is_failure(it)));
                chosen.map(|it| it.1).filter(|it| it.is_finite()).fold(0.0, |sum, it| sum + it)
            };
            let counted = (sum(false), sum(true));
            Some(Requests { name: name.clone(), failed, meant, counted })
        });
        found.max_by(|a, b| {
            let rank = |it: &Requests| {
                (likely(&it.name), i32::from(it.name.ends_with("_total")), it.counted.0)
            };
            rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal)
        })
    }

    /// The histogram of the times of requests that says most of them.
    pub(super) fn times(&self) -> Option<Times> {
        let buckets = self.metrics.iter().filter_map(|(name, it)| {
            Some((name.strip_suffix("_bucket").filter(|it| it.ends_with("_seconds"))?, it))
        });
        let found = buckets.filter(|(name, _)| is_plain(name)).filter_map(|(name, metric)| {
            let mut bounds: Vec<(f64, f64)> = Vec::new();
            for (labels, count) in metric.samples.iter().filter(|it| !self.is_own(&it.0)) {
                let bound: f64 = labels.get("le")?.parse().ok()?;
                // Nothing takes no time.
                if bound <= 0.0 {
                    continue;
                }
                match bounds.iter_mut().find(|it| it.0.total_cmp(&bound).is_eq()) {
                    Some(it) => it.1 += count,
                    None => bounds.push((bound, *count)),
                }
            }
            bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
            let right = metric.status().map(|(_, failed)| failed.replace("=~", "!~"));
            (bounds.len() > 1).then(|| Times {
                name: name.to_owned(),
                right,
                meant: metric.meant(&self.own),
                buckets: bounds,
            })
        });
        let all = |it: &Times| it.buckets.last().map_or(0.0, |it| it.1);
        found.max_by(|a, b| {
            let rank = |it: &Times| (likely(&it.name), all(it));
            rank(a).partial_cmp(&rank(b)).unwrap_or(std::cmp::Ordering::Equal)
        })
    }

    /// Whether a name is that of a counter: of one by itself, or of how many times a histogram or a summary has.
    fn counts(&self, name: &str) -> bool {
        let kind = |it: &str| self.kinds.get(it).copied();
        let of_family = |suffix: &str| name.strip_suffix(suffix).and_then(kind);
        // OpenMetrics names the family without `_total`.
        match kind(name).or_else(|| of_family("_total")).or_else(|| of_family("_count")) {
            Some(Kind::Counter) => true,
            Some(Kind::Histogram | Kind::Summary) => name.ends_with("_count"),
            None | Some(Kind::Unknown) => name.ends_with("_total"),
            Some(_) => false,
        }
    }

    fn is_own(&self, labels: &BTreeMap<String, String>) -> bool {
        ROUTE.iter().any(|it| labels.get(*it) == Some(&self.own))
    }
}

impl Metric {
    /// The label that says how a request ended, and what chooses those that failed.
    fn status(&self) -> Option<(&'static str, String)> {
        let is_status = |label: &&&str| {
            let values = self.values.get(**label);
            values.is_some_and(|it| !it.is_empty() && it.iter().all(|it| is_answer(it)))
        };
        if let Some(label) = STATUS.iter().find(is_status) {
            return Some((label, format!("{label}=~\"5..\"")));
        }
        let codes = self.values.get("grpc_code")?;
        (!codes.is_empty()).then(|| ("grpc_code", format!("grpc_code=~\"{}\"", GRPC.join("|"))))
    }

    /// What leaves out the questions for metrics, which are asked at `own`.
    fn meant(&self, own: &str) -> Option<String> {
        let has_own = |label: &&&str| self.values.get(**label).is_some_and(|it| it.contains(own));
        ROUTE.iter().find(has_own).map(|label| format!("{label}!=\"{own}\""))
    }
}

/// Codes of gRPC that are the service's fault.
const GRPC: [&str; 6] =
    ["Unknown", "DeadlineExceeded", "Unimplemented", "Internal", "Unavailable", "DataLoss"];

/// Such as `503`, `5xx` or `2XX`.
fn is_answer(value: &str) -> bool {
    let mut letters = value.chars();
    let first = letters.next().is_some_and(|it| ('1'..='5').contains(&it));
    first && value.len() == 3 && letters.all(|it| it.is_ascii_digit() || matches!(it, 'x' | 'X'))
}

fn is_failure(value: &str) -> bool {
    (is_answer(value) && value.starts_with('5')) || GRPC.contains(&value)
}

/// A name that needs no quotes.
fn is_plain(name: &str) -> bool {
    let starts = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    starts && name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '_' | ':'))
}

/// How much a name is one of requests that others send to the service.
fn likely(name: &str) -> i32 {
    let has = |some: &[&str]| i32::from(some.iter().any(|it| name.contains(it)));
    4 * has(&["http", "grpc", "rpc"]) + 2 * has(&["request", "handled", "server"])
        - 8 * has(&["promhttp", "client", "outgoing", "upstream"])
}
