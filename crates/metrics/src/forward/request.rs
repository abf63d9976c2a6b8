//! Request: samples become a message of remote write 1.0, and so does what metrics mean.
//!
//! Native histograms are sent as those of floats, which all of them are in queries.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_series::histogram::{Reset, Run};
use evenkeel_series::{Histogram, Labels};
use hyper::body::Bytes;
use prost::Message;

use crate::exposition::Kind;
use crate::intake::Meaning;
use crate::remote_write::message::{BucketSpan, Label, MetricMetadata, Sample};

/// Samples on their way into one request.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    series: BTreeMap<Labels, Series>,
    samples: usize,
}

impl Outgoing {
    /// A number at a moment, in milliseconds since 1970.
    pub fn float(&mut self, labels: Labels, at: i64, value: f64) {
        let sample = Sample { value, timestamp: at };
        self.series.entry(labels).or_default().samples.push(sample);
        self.samples += 1;
    }

    /// A native histogram at a moment.
    pub fn histogram(&mut self, labels: Labels, at: i64, value: &Arc<Histogram>) {
        self.series.entry(labels).or_default().histograms.push(FloatHistogram::of(value, at));
        self.samples += 1;
    }

    /// How many samples there are.
    pub const fn len(&self) -> usize {
        self.samples
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.samples == 0
    }

    /// Two with half of them each: those that are earlier, and the others; of one moment, half of the series each. `None` of what
    /// cannot be parted.
    pub fn halves(self) -> Option<(Self, Self)> {
        let moments = |it: &Series| it.moments().collect::<Vec<_>>();
        let mut all: Vec<i64> = self.series.values().flat_map(moments).collect();
        all.sort_unstable();
        let (first, middle) = (*all.first()?, *all.get(all.len() / 2)?);
        let later =
            if middle > first { Some(middle) } else { all.into_iter().find(|it| *it > first) };
        let mut one = self.series;
        let Some(later) = later else {
            let half = one.keys().nth(one.len() / 2).filter(|_| one.len() > 1)?.clone();
            let other = one.split_off(&half);
            return Some((Self::of(one), Self::of(other)));
        };
        let mut other = BTreeMap::new();
        for (labels, series) in &mut one {
            let rest = series.split_off(later);
            other.insert(labels.clone(), rest);
        }
        Some((Self::of(one), Self::of(other)))
    }

    fn of(mut series: BTreeMap<Labels, Series>) -> Self {
        series.retain(|_, it| it.moments().next().is_some());
        let samples = series.values().map(|it| it.moments().count()).sum();
        Self { series, samples }
    }

    /// The body of the request.
    pub fn body(self) -> Bytes {
        let series = self.series.into_iter().map(|(labels, mut series)| {
            let label = |it: &evenkeel_series::Label| Label {
                name: it.name.to_string(),
                value: it.value.to_string(),
            };
            series.labels = labels.iter().map(label).collect();
            series
        });
        packed(&WriteRequest { series: series.collect(), ..WriteRequest::default() })
    }
}

/// The body of a request that says what metrics mean, by their names.
pub fn meanings<'a>(of: impl IntoIterator<Item = (&'a str, &'a Meaning)>) -> Bytes {
    let one = |(name, it): (&str, &Meaning)| MetricMetadata {
        kind: number(it.kind),
        metric_family_name: name.to_owned(),
        help: it.help.clone(),
        unit: it.unit.clone(),
    };
    let metadata = of.into_iter().map(one).collect();
    packed(&WriteRequest { metadata, ..WriteRequest::default() })
}

/// As `prometheus/prompb` numbers the kinds of metrics.
const fn number(of: Kind) -> i32 {
    match of {
        Kind::Unknown => 0,
        Kind::Counter => 1,
        Kind::Gauge => 2,
        Kind::Histogram => 3,
        Kind::GaugeHistogram => 4,
        Kind::Summary => 5,
        Kind::Info => 6,
        Kind::StateSet => 7,
    }
}

fn packed(request: &WriteRequest) -> Bytes {
    // A body of this size fits into what Snappy can pack.
    snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap_or_default().into()
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<FloatHistogram>,
}

impl Series {
    fn moments(&self) -> impl Iterator<Item = i64> {
        let histograms = self.histograms.iter().map(|it| it.timestamp);
        self.samples.iter().map(|it| it.timestamp).chain(histograms)
    }

    /// Takes what is of a moment or later.
    fn split_off(&mut self, at: i64) -> Self {
        let samples = self.samples.extract_if(.., |it| it.timestamp >= at).collect();
        let histograms = self.histograms.extract_if(.., |it| it.timestamp >= at).collect();
        Self { labels: Vec::new(), samples, histograms }
    }
}

/// A native histogram of floats, with the numbers that `prometheus/prompb` gives its fields.
#[derive(Clone, PartialEq, Message)]
struct FloatHistogram {
    /// One of several in the full message, and so they stand on the wire also when they are zero.
    #[prost(double, optional, tag = "2")]
    count: Option<f64>,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(double, tag = "5")]
    zero_threshold: f64,
    #[prost(double, optional, tag = "7")]
    zero_count: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    negative_spans: Vec<BucketSpan>,
    #[prost(double, repeated, tag = "10")]
    negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    positive_spans: Vec<BucketSpan>,
    #[prost(double, repeated, tag = "13")]
    positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    reset: i32,
    #[prost(int64, tag = "15")]
    timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    bounds: Vec<f64>,
}

impl FloatHistogram {
    fn of(it: &Histogram, timestamp: i64) -> Self {
        let spans = |runs: &[Run]| {
            let span = |it: &Run| BucketSpan { offset: it.offset, length: it.length };
            runs.iter().map(span).collect()
        };
        Self {
            count: Some(it.count),
            sum: it.sum,
            schema: it.schema,
            zero_threshold: it.zero_threshold,
            zero_count: Some(it.zero_count),
            negative_spans: spans(&it.negative_runs),
            negative_counts: it.negative.clone(),
            positive_spans: spans(&it.positive_runs),
            positive_counts: it.positive.clone(),
            reset: match it.reset {
                Reset::Unknown => 0,
                Reset::Yes => 1,
                Reset::No => 2,
                Reset::Gauge => 3,
            },
            timestamp,
            bounds: it.bounds.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_series::STALE;

    use super::*;
    use crate::intake::memory::Memory;
    use crate::receive::Receiver;

    #[test]
    fn a_request_is_parted_by_time_and_then_by_series() {
        let shown = |it: Outgoing| {
            let each =
                it.series.iter().map(|(labels, it)| (labels, it.moments().collect::<Vec<_>>()));
            format!(
                "{}: {:?}",
                it.len(),
                each.map(|it| format!("{} {:?}", it.0, it.1)).collect::<Vec<_>>()
            )
        };
        let mut outgoing = Outgoing::default();
        for (name, at) in [("a", 1), ("a", 2), ("a", 3), ("b", 3), ("b", 4)] {
            outgoing.float(Labels::of([("__name__", name)]), at, 0.0);
        }
        let native = Arc::new(Histogram::default());
        outgoing.histogram(Labels::of([("__name__", "c")]), 1, &native);
        let (one, other) = outgoing.halves().unwrap();
        assert_eq!(shown(other), r#"3: ["a [3]", "b [3, 4]"]"#);
        let (one, other) = one.halves().unwrap();
        assert_eq!(shown(other), r#"1: ["a [2]"]"#);
        let (one, other) = one.halves().unwrap();
        assert_eq!(
            (shown(one.clone()), shown(other)),
            (r#"1: ["a [1]"]"#.to_owned(), r#"1: ["c [1]"]"#.to_owned())
        );
        assert!(one.halves().is_none() && Outgoing::default().halves().is_none());
    }

    #[test]
    fn what_is_sent_is_what_is_received() {
        let labels = |name: &str| Labels::of([("__name__", name), ("job", "shop")]);
        let native = Arc::new(Histogram {
            schema: 2,
            zero_threshold: 0.5,
            zero_count: 1.0,
            count: 9.5,
            sum: -3.25,
            positive_runs: vec![Run { offset: -2, length: 1 }, Run { offset: 3, length: 2 }],
            positive: vec![1.0, 2.0, 0.5],
            negative_runs: vec![Run { offset: 7, length: 1 }],
            negative: vec![5.0],
            reset: Reset::Gauge,
            ..Histogram::default()
        });
        let mut outgoing = Outgoing::default();
        outgoing.float(labels("b"), 5, 1.5);
        outgoing.float(labels("a"), 5, 2.0);
        outgoing.float(labels("b"), 6, STALE);
        outgoing.histogram(labels("h"), 7, &native);
        assert_eq!((outgoing.len(), outgoing.is_empty()), (4, false));
        let store = Memory::default();
        let written = Receiver::default().write(&outgoing.body(), &store).unwrap();
        assert_eq!((written.samples, written.left.is_empty()), (4, true));
        let job = "{job=\"shop\"}";
        assert_eq!(
            store.all(),
            [format!("a{job} 2 @5"), format!("b{job} 1.5 @5"), format!("b{job} stale @6")]
        );
        assert_eq!(store.histograms(), [(format!("h{job}"), 7, native)]);
    }
    #[test]
    fn what_a_metric_means_arrives() {
        let of = |kind| Meaning { kind, help: "so many".to_owned(), unit: "bytes".to_owned() };
        let all: Vec<_> = Kind::ALL.iter().map(|it| (it.name(), of(*it))).collect();
        let store = Memory::default();
        let body = meanings(all.iter().map(|(name, it)| (*name, it)));
        Receiver::default().write(&body, &store).unwrap();
        let expected: Vec<_> = all.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
        assert_eq!(store.told(), expected);
    }
}
