//! Notes: what is worth saying about an answer, beside it.
//!
//! The words are those of Prometheus, so that whoever knows or looks for them finds them. What is said of many series or
//! steps is said once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::position::Position;

/// How much weight it has.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    Warning,
    Info,
}

/// What was said so far, with the place it was first said of.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    said: BTreeMap<(Weight, String), Position>,
    forced: BTreeMap<String, (Position, Forced)>,
}

/// By how much the buckets of classic histograms had to be mended.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Forced {
    /// The bounds of the lowest and of the highest bucket that was.
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    /// The greatest difference.
    pub(crate) most: f64,
    /// The first and the last moment, in milliseconds.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// How many samples.
    pub(crate) samples: u64,
}

/// More notes than this are of no use to anybody.
const MOST: usize = 1_000;

impl Notes {
    pub(crate) fn say(&mut self, weight: Weight, what: impl Into<String>, at: Position) {
        if self.said.len() < MOST {
            self.said.entry((weight, what.into())).or_insert(at);
        }
    }

    pub(crate) fn warn(&mut self, what: impl Into<String>, at: Position) {
        self.say(Weight::Warning, what, at);
    }

    pub(crate) fn inform(&mut self, what: impl Into<String>, at: Position) {
        self.say(Weight::Info, what, at);
    }

    pub(crate) fn forced(&mut self, metric: &str, at: Position, it: Forced) {
        if self.forced.len() >= MOST && !self.forced.contains_key(metric) {
            return;
        }
        self.forced
            .entry(metric.to_owned())
            .and_modify(|(_, all)| {
                all.lowest = all.lowest.min(it.lowest);
                all.highest = all.highest.max(it.highest);
                all.most = all.most.max(it.most);
                all.first = all.first.min(it.first);
                all.last = all.last.max(it.last);
                all.samples += it.samples;
            })
            .or_insert((at, it));
    }

    /// Warnings and the rest, each with its place in the text.
    pub(crate) fn texts(self, text: &str) -> (Vec<String>, Vec<String>) {
        let place = |at: Position| {
            let (line, column) = at.line_and_column(text);
            format!("({line}:{column})")
        };
        let (mut warnings, mut infos) = (Vec::new(), Vec::new());
        for ((weight, what), at) in self.said {
            let (list, kind) = match weight {
                Weight::Warning => (&mut warnings, "warning"),
                Weight::Info => (&mut infos, "info"),
            };
            list.push(format!("PromQL {kind}: {what} {}", place(at)));
        }
        for (metric, (at, it)) in self.forced {
            let mut said = String::from(
                "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see \
                 https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
            );
            let of = of_metric(&metric);
            let moment = |ms: i64| crate::eval::date::rfc3339(ms.div_euclid(1000));
            let written = write!(
                said,
                "{of}, from buckets {} to {}, with a max diff of {}, over {} samples from {} to {} {}",
                crate::text::general(it.lowest),
                crate::text::general(it.highest),
                crate::text::two_digits(it.most),
                it.samples,
                moment(it.first),
                moment(it.last),
                place(at),
            );
            debug_assert!(written.is_ok(), "a text takes whatever is written");
            infos.push(said);
        }
        (warnings, infos)
    }
}

/// ` for metric name "…"`, if there is one.
pub(crate) fn of_metric(metric: &str) -> String {
    if metric.is_empty() { String::new() } else { format!(" for metric name {metric:?}") }
}

pub(crate) fn mixed(metric: &str) -> String {
    format!("encountered a mix of histograms and floats for metric name {metric:?}")
}

pub(crate) fn mixed_buckets(metric: &str) -> String {
    format!(
        "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {metric:?}"
    )
}

pub(crate) fn ignored_in_range(metric: &str) -> String {
    format!(
        "ignored histograms in a range containing both floats and histograms for metric name {metric:?}"
    )
}

pub(crate) fn no_counter(metric: &str) -> String {
    format!("this native histogram metric is not a counter: {metric:?}")
}

pub(crate) fn no_gauge(metric: &str) -> String {
    format!("this native histogram metric is not a gauge: {metric:?}")
}

pub(crate) fn reconciled(during: &str) -> String {
    format!("mismatched custom buckets were reconciled during {during}")
}

pub(crate) fn resets_collide(during: &str) -> String {
    format!("conflicting counter resets during histogram {during}")
}

pub(crate) fn quantile_out_of_range(q: f64) -> String {
    format!("quantile value should be between 0 and 1, got {}", crate::text::general(q))
}
