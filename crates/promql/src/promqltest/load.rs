//! Loading: sequences become series, as Prometheus' database would give them back.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_series::histogram::{CUSTOM, Reset, Run};
use evenkeel_series::{Histogram, Labels, METRIC_NAME, Memory, Point};

use super::sequence::Item;

/// Adds series whose samples are a step apart.
pub(super) fn load(
    memory: &mut Memory,
    step: i64,
    series: &[(Labels, Vec<Item>)],
    custom_buckets: bool,
) {
    for (labels, items) in series {
        let mut stored = Stored::default();
        for (at, item) in (0..).map(|place| place * step).zip(items) {
            match item {
                Item::None => {}
                Item::Float(value) => {
                    stored = Stored::default();
                    memory.push(labels, Point { at, value: *value });
                }
                Item::Histogram(histogram, _) => {
                    memory.push_histogram(labels, at, stored.next(histogram));
                }
            }
        }
    }
    if custom_buckets {
        load_custom(memory, step, series);
    }
}

/// What a database knows of resets: it compares each histogram with the one before.
#[derive(Default)]
struct Stored {
    before: Option<Arc<Histogram>>,
}

impl Stored {
    fn next(&mut self, histogram: &Histogram) -> Arc<Histogram> {
        let reset = match (&self.before, histogram.reset) {
            (_, Reset::Gauge) => Reset::Gauge,
            (_, Reset::Yes) => Reset::Yes,
            (Some(before), _) if before.reset != Reset::Gauge => {
                let plain = histogram.clone().with_reset(Reset::Unknown);
                let same_make = histogram.schema == before.schema
                    && histogram.zero_threshold.to_bits() == before.zero_threshold.to_bits()
                    && histogram.bounds.iter().eq(&before.bounds);
                match histogram.count < before.count {
                    true => Reset::Yes,
                    false if !same_make => Reset::Unknown,
                    false if plain.is_reset_after(before) => Reset::Yes,
                    false => Reset::No,
                }
            }
            _ => Reset::Unknown,
        };
        let stored = Arc::new(histogram.clone().with_reset(reset));
        self.before = Some(stored.clone());
        stored
    }
}

/// A classic histogram at one moment.
#[derive(Default)]
struct Classic {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// Adds a native histogram with custom buckets beside each classic one.
fn load_custom(memory: &mut Memory, step: i64, series: &[(Labels, Vec<Item>)]) {
    let mut all: BTreeMap<Labels, BTreeMap<i64, Classic>> = BTreeMap::new();
    for (labels, items) in series {
        let metric = labels.metric();
        let part = ["_bucket", "_count", "_sum"]
            .iter()
            .find_map(|it| Some((*it, metric.strip_suffix(it)?)));
        let Some((part, base)) = part else { continue };
        let le: Option<f64> = labels.get("le").parse().ok().filter(|it: &f64| !it.is_nan());
        if part == "_bucket" && le.is_none() {
            continue;
        }
        let base = labels.with(METRIC_NAME, base).with("le", "");
        let moments = all.entry(base).or_default();
        for (at, item) in (0..).map(|place| place * step).zip(items) {
            let Item::Float(value) = item else { continue };
            let classic = moments.entry(at).or_default();
            match (part, le) {
                ("_bucket", Some(le)) => classic.buckets.push((le, *value)),
                ("_count", _) => classic.count = Some(*value),
                _ => classic.sum = *value,
            }
        }
    }
    for (labels, moments) in all {
        let mut stored = Stored::default();
        for (at, classic) in moments {
            memory.push_histogram(&labels, at, stored.next(&classic.native()));
        }
    }
}

impl Classic {
    fn native(mut self) -> Histogram {
        self.buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        self.buckets.dedup_by(|next, kept| next.0 <= kept.0);
        let highest = self.buckets.last().map_or(0.0, |it| it.1);
        let count = self.count.unwrap_or(highest);
        if !self.buckets.last().is_some_and(|it| it.0.is_infinite()) {
            self.buckets.push((f64::INFINITY, count));
        }
        let mut before = 0.0;
        let positive: Vec<f64> = self
            .buckets
            .iter()
            .map(|(_, up_to)| {
                let count = up_to - before;
                before = *up_to;
                count
            })
            .collect();
        let bounds = self.buckets.iter().map(|it| it.0).filter(|it| it.is_finite()).collect();
        let length = u32::try_from(positive.len()).unwrap_or(u32::MAX);
        let positive_runs = vec![Run { offset: 0, length }];
        Histogram {
            schema: CUSTOM,
            count,
            sum: self.sum,
            positive_runs,
            positive,
            bounds,
            ..Histogram::default()
        }
        .compact()
    }
}
