//! Remote write: what Prometheus, Mimir, Thanos, VictoriaMetrics and many others take (version 1.0).
//!
//! Times are native histograms of schema 8: a quantile that is read from them is off by at most 0.27 %. Where
//! a database does not take them, times are gauges with the statistics that were asked for, each over
//! everything since the start, as k6 writes them.
//!
//! A series begins with a zero one second before its first value, so that `rate` and `increase` count from
//! the first request on.
//!
//! Source: <https://prometheus.io/docs/specs/prw/remote_write_spec/>.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_model::Distribution;
use evenkeel_stats::Histogram;
use prost::Message as _;

use self::message::{
    BucketSpan, Label, MetricMetadata, NativeHistogram, Sample, TimeSeries, WriteRequest,
};
use crate::bucket;
use crate::catalogue::{self, Kind};
use crate::ledger::{Ledger, Value};

pub(crate) mod message;

/// Where zero ends: times are never that short. The default of Prometheus, 2^-128.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// Marks the end of a series; a special not-a-number of Prometheus.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// How times are written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Style {
    /// As native histograms.
    Native,
    /// As gauges with these statistics.
    Gauges(Vec<Statistic>),
}

/// A statistic of times, in the words of k6.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) enum Statistic {
    /// Percentile, 0 to 100.
    Percentile(f64),
    Min,
    Max,
    Average,
    Median,
    Count,
    Sum,
}

impl Statistic {
    /// Reads `p(95)`, `min`, `max`, `avg`, `med`, `count` or `sum`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "min" => Self::Min,
            "max" => Self::Max,
            "avg" => Self::Average,
            "med" => Self::Median,
            "count" => Self::Count,
            "sum" => Self::Sum,
            _ => {
                let percentile = text.strip_prefix("p(")?.strip_suffix(')')?.trim();
                let percentile: f64 = percentile.parse().ok()?;
                (0.0..=100.0).contains(&percentile).then_some(Self::Percentile(percentile))?
            }
        })
    }

    /// What the name of its gauge ends with: `p(99.9)` is `p999`.
    fn suffix(self) -> String {
        match self {
            Self::Percentile(it) => format!("p{}", it.to_string().replace('.', "")),
            Self::Min => "min".to_owned(),
            Self::Max => "max".to_owned(),
            Self::Average => "avg".to_owned(),
            Self::Median => "med".to_owned(),
            Self::Count => "count".to_owned(),
            Self::Sum => "sum".to_owned(),
        }
    }

    fn of(self, times: &Histogram, sum: f64) -> f64 {
        let seconds = |it: Option<std::time::Duration>| it.map_or(0.0, |it| it.as_secs_f64());
        match self {
            Self::Percentile(it) => seconds(times.quantile(it / 100.0)),
            Self::Min => seconds(times.min()),
            Self::Max => seconds(times.max()),
            Self::Average => seconds(times.mean()),
            Self::Median => seconds(times.quantile(0.5)),
            Self::Count => times.count() as f64,
            Self::Sum => sum,
        }
    }
}

/// Name and value, by name: what tells a series from all others.
type Labels = BTreeMap<String, String>;

/// Writes samples until they are taken as one request.
#[derive(Debug)]
pub(crate) struct RemoteWrite {
    style: Style,
    /// The labels that every series has.
    constant: Vec<(&'static str, String)>,
    known: BTreeSet<Labels>,
    pending: BTreeMap<Labels, TimeSeries>,
    has_said_what_metrics_are: bool,
    last_millis: Option<i64>,
}

impl RemoteWrite {
    pub(crate) fn new(style: Style, run: &str, test: &str) -> Self {
        Self {
            style,
            constant: vec![(catalogue::RUN, run.to_owned()), (catalogue::TEST, test.to_owned())],
            known: BTreeSet::new(),
            pending: BTreeMap::new(),
            has_said_what_metrics_are: false,
            last_millis: None,
        }
    }

    /// Adds what the ledger says at the end of a second.
    pub(crate) fn add(&mut self, at_millis: i64, ledger: &Ledger) {
        for reading in ledger.readings() {
            let name = reading.metric.prometheus_name();
            let labels = |name: String| self.labels(name, &reading.labels);
            match reading.value {
                Value::Count(it) => self.sample(labels(name), at_millis, it as f64, Some(0.0)),
                Value::Level(it) => self.sample(labels(name), at_millis, it as f64, None),
                Value::Times(times) => match self.style.clone() {
                    Style::Native => self.histogram(labels(name), at_millis, times),
                    Style::Gauges(statistics) => {
                        let (counts, sum) = (Histogram::of(times), bucket::sum(times));
                        for it in statistics {
                            let labels =
                                self.labels(format!("{name}_{}", it.suffix()), &reading.labels);
                            self.sample(labels, at_millis, it.of(&counts, sum), None);
                        }
                    }
                },
            }
        }
        self.last_millis = Some(at_millis);
    }

    /// Ends every series, so that graphs do not go on with its last value.
    pub(crate) fn end(&mut self) {
        let Some(at_millis) = self.last_millis else { return };
        let marker = Sample { value: f64::from_bits(STALE), timestamp: at_millis + 1 };
        for labels in self.known.clone() {
            self.series(labels).samples.push(marker);
        }
    }

    /// How many bytes have been written, before they are compressed; about.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.values().map(prost::Message::encoded_len).sum()
    }

    /// Everything since the last time, as the body of a request. `None` when there is nothing.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        if self.pending.is_empty() {
            return None;
        }
        let timeseries = std::mem::take(&mut self.pending).into_values().collect();
        let metadata = match std::mem::replace(&mut self.has_said_what_metrics_are, true) {
            true => Vec::new(),
            false => self.metadata(),
        };
        let plain = WriteRequest { timeseries, metadata }.encode_to_vec();
        let packed = snap::raw::Encoder::new().compress_vec(&plain);
        Some(packed.expect("a request is far below the 4 GiB that snappy can hold"))
    }

    fn metadata(&self) -> Vec<MetricMetadata> {
        let kind = |kind| match kind {
            Kind::Counter => message::Kind::Counter,
            Kind::Times if self.style == Style::Native => message::Kind::Histogram,
            Kind::Gauge | Kind::Times => message::Kind::Gauge,
        };
        catalogue::ALL
            .iter()
            .map(|it| MetricMetadata {
                kind: kind(it.kind).into(),
                metric_family_name: it.prometheus_name(),
                help: it.help.to_owned(),
                unit: match it.unit {
                    "s" => "seconds".to_owned(),
                    "By" => "bytes".to_owned(),
                    _ => String::new(),
                },
            })
            .collect()
    }

    fn labels(&self, name: String, labels: &[(&'static str, &str)]) -> Labels {
        let own = labels.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let mut all: Labels = self
            .constant
            .iter()
            .cloned()
            .chain(own)
            // A label without a value is the same as none, and databases refuse it.
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        all.insert("__name__".to_owned(), name);
        all
    }

    fn series(&mut self, labels: Labels) -> &mut TimeSeries {
        self.pending.entry(labels).or_insert_with_key(|labels| TimeSeries {
            labels: labels
                .iter()
                .map(|(name, value)| Label { name: name.clone(), value: value.clone() })
                .collect(),
            samples: Vec::new(),
            histograms: Vec::new(),
        })
    }

    fn sample(&mut self, labels: Labels, timestamp: i64, value: f64, first: Option<f64>) {
        let is_new = self.known.insert(labels.clone());
        let samples = &mut self.series(labels).samples;
        if let (true, Some(value)) = (is_new, first) {
            samples.push(Sample { value, timestamp: timestamp - 1000 });
        }
        samples.push(Sample { value, timestamp });
    }

    fn histogram(&mut self, labels: Labels, timestamp: i64, times: &Distribution) {
        let is_new = self.known.insert(labels.clone());
        let histograms = &mut self.series(labels).histograms;
        if is_new {
            histograms.push(native(timestamp - 1000, &Distribution::default()));
        }
        histograms.push(native(timestamp, times));
    }
}

/// Buckets as runs of neighbours, each count as the difference to the one before.
fn native(timestamp: i64, times: &Distribution) -> NativeHistogram {
    let (mut spans, mut deltas) = (Vec::<BucketSpan>::new(), Vec::new());
    let (mut next, mut last) = (0, 0);
    for (index, count) in bucket::buckets(times) {
        match spans.last_mut() {
            Some(span) if index == next => span.length += 1,
            _ => spans.push(BucketSpan { offset: index - next, length: 1 }),
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        deltas.push(count - last);
        (next, last) = (index + 1, count);
    }
    NativeHistogram {
        count: times.count(),
        sum: bucket::sum(times),
        schema: bucket::SCHEMA,
        zero_threshold: ZERO_THRESHOLD,
        zero_count: Some(0),
        positive_spans: spans,
        positive_deltas: deltas,
        timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::{frame, times};
    use evenkeel_model::Answer;

    fn ledger() -> Ledger {
        Ledger::new(vec!["list".to_owned()], Vec::new())
    }

    fn writer(style: Style) -> RemoteWrite {
        RemoteWrite::new(style, "r-1", "shoppers")
    }

    fn request(writer: &mut RemoteWrite) -> WriteRequest {
        let plain = snap::raw::Decoder::new().decompress_vec(&writer.take().unwrap()).unwrap();
        WriteRequest::decode(&*plain).unwrap()
    }

    fn samples(request: &WriteRequest, name: &str) -> Vec<(f64, i64)> {
        let named = |it: &&TimeSeries| it.labels[0].value == name;
        let series = request.timeseries.iter().find(named).unwrap_or_else(|| panic!("{name}"));
        series.samples.iter().map(|it| (it.value, it.timestamp)).collect()
    }

    #[test]
    fn a_count_begins_with_zero_and_grows() {
        let (mut ledger, mut writer) = (ledger(), writer(Style::Native));
        for second in 0..2 {
            ledger.add(&frame(second, &[(0, Answer::Ok, &[(500, 3)])]));
            writer.add(10_000 + second.cast_signed() * 1000, &ledger);
        }
        let request = request(&mut writer);
        let requests = samples(&request, "evenkeel_load_requests_total");
        assert_eq!(requests, [(0.0, 9_000), (3.0, 10_000), (6.0, 11_000)]);
        let in_flight = samples(&request, "evenkeel_load_in_flight");
        assert_eq!(in_flight, [(3.0, 10_000), (4.0, 11_000)]);
        assert!(writer.take().is_none());
        ledger.add(&frame(2, &[]));
        writer.add(12_000, &ledger);
        let request = self::request(&mut writer);
        assert_eq!(samples(&request, "evenkeel_load_requests_total"), [(6.0, 12_000)]);
    }

    #[test]
    fn labels_are_in_order_and_what_metrics_are_is_said_once() {
        let (ledger, mut writer) = (ledger(), writer(Style::Native));
        writer.add(1, &ledger);
        let request = request(&mut writer);
        for series in &request.timeseries {
            assert!(series.labels.is_sorted_by(|a, b| a.name < b.name), "{series:?}");
            assert_eq!(series.labels[0].name, "__name__");
        }
        assert_eq!(request.metadata.len(), catalogue::ALL.len());
        writer.add(2, &ledger);
        assert!(self::request(&mut writer).metadata.is_empty());
    }

    #[test]
    fn neighbours_share_a_span() {
        let at = |index: i32| (bucket::end(index) * 1e6).floor() as u64;
        let histogram = native(5, &times(&[(at(0), 4), (at(1), 6), (at(9), 1)]));
        let spans: Vec<_> =
            histogram.positive_spans.iter().map(|it| (it.offset, it.length)).collect();
        assert_eq!(spans, [(0, 2), (7, 1)]);
        assert_eq!(histogram.positive_deltas, [4, 2, -5]);
        assert_eq!((histogram.count, histogram.timestamp), (11, 5));
    }

    #[test]
    fn statistics_are_read_and_named_as_by_k6() {
        for (text, suffix) in
            [("p(95)", "p95"), ("p(99.9)", "p999"), ("avg", "avg"), ("med", "med"), ("sum", "sum")]
        {
            assert_eq!(Statistic::parse(text).unwrap().suffix(), suffix);
        }
        for text in ["p95", "p(101)", "p(NaN)", "p()", "mean", ""] {
            assert_eq!(Statistic::parse(text), None, "{text}");
        }
    }

    #[test]
    fn gauges_say_the_statistics_that_were_asked_for() {
        let statistics = ["p(50)", "max", "count"].map(|it| Statistic::parse(it).unwrap());
        let (mut ledger, mut writer) = (ledger(), writer(Style::Gauges(statistics.to_vec())));
        ledger.add(&frame(0, &[(0, Answer::Ok, &[(500, 3), (900, 1)])]));
        writer.add(7, &ledger);
        let request = request(&mut writer);
        assert_eq!(samples(&request, "evenkeel_load_response_seconds_p50"), [(0.000_5, 7)]);
        assert_eq!(samples(&request, "evenkeel_load_response_seconds_max"), [(0.000_9, 7)]);
        assert_eq!(samples(&request, "evenkeel_load_response_seconds_count"), [(4.0, 7)]);
        assert!(request.timeseries.iter().all(|it| it.histograms.is_empty()));
    }

    #[test]
    fn every_series_is_ended_with_the_marker() {
        let (ledger, mut writer) = (ledger(), writer(Style::Native));
        writer.add(7, &ledger);
        let series = request(&mut writer).timeseries.len();
        writer.end();
        let request = request(&mut writer);
        assert_eq!(request.timeseries.len(), series);
        for series in request.timeseries {
            assert_eq!(
                (series.samples[0].value.to_bits(), series.samples[0].timestamp),
                (STALE, 8)
            );
        }
    }
}
