//! OTLP: what collectors of OpenTelemetry take, as protobuf over HTTP.
//!
//! Counts and times are cumulative since the start of the load. Times are exponential histograms of scale 8,
//! the same buckets that Prometheus gets. Each second is a block of its own, so that a request that brings
//! several keeps them apart.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/>.

use evenkeel_model::Distribution;
use prost::Message as _;

use self::message::{
    Buckets, ExponentialHistogram, ExportRequest, ExportResponse, Gauge, HistogramPoint, KeyValue,
    Metric, NumberPoint, Resource, ResourceMetrics, Scope, ScopeMetrics, Sum, Text,
};
use crate::bucket;
use crate::catalogue::{self, Kind};
use crate::ledger::{Ledger, Reading, Value};

pub(crate) mod message;

/// Values count since the start.
const CUMULATIVE: i32 = 2;

/// Writes blocks until they are taken as one request.
#[derive(Debug)]
pub(crate) struct Otlp {
    resource: Resource,
    /// What every point says of itself.
    constant: Vec<KeyValue>,
    start_nanos: u64,
    pending: Vec<ResourceMetrics>,
}

impl Otlp {
    pub(crate) fn new(
        resource: &[(String, String)],
        run: &str,
        test: &str,
        start_nanos: u64,
    ) -> Self {
        Self {
            resource: Resource {
                attributes: resource.iter().map(|(key, value)| text(key, value)).collect(),
            },
            constant: vec![text(catalogue::RUN, run), text(catalogue::TEST, test)],
            start_nanos,
            pending: Vec::new(),
        }
    }

    /// Adds what the ledger says at the end of a second.
    pub(crate) fn add(&mut self, at_nanos: u64, ledger: &Ledger) {
        let readings = ledger.readings();
        let metrics = catalogue::ALL
            .iter()
            .filter_map(|metric| {
                let own: Vec<_> = readings.iter().filter(|it| it.metric == *metric).collect();
                (!own.is_empty()).then(|| self.metric(metric, &own, at_nanos))
            })
            .collect();
        let scope =
            Scope { name: "evenkeel".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        self.pending.push(ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics }],
        });
    }

    /// How many bytes have been written, before they are compressed; about.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.iter().map(prost::Message::encoded_len).sum()
    }

    /// Everything since the last time, as the body of a request. `None` when there is nothing.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let resource_metrics = std::mem::take(&mut self.pending);
        (!resource_metrics.is_empty()).then(|| ExportRequest { resource_metrics }.encode_to_vec())
    }

    fn metric(&self, metric: &catalogue::Metric, readings: &[&Reading<'_>], at: u64) -> Metric {
        let numbers = || readings.iter().filter_map(|it| self.number(it, at)).collect();
        let mut written = Metric {
            name: metric.name.to_owned(),
            description: metric.help.to_owned(),
            unit: metric.unit.to_owned(),
            ..Metric::default()
        };
        match metric.kind {
            Kind::Counter => {
                written.sum = Some(Sum {
                    data_points: numbers(),
                    aggregation_temporality: CUMULATIVE,
                    is_monotonic: true,
                });
            }
            Kind::Gauge => written.gauge = Some(Gauge { data_points: numbers() }),
            Kind::Times => {
                written.exponential_histogram = Some(ExponentialHistogram {
                    data_points: readings.iter().filter_map(|it| self.histogram(it, at)).collect(),
                    aggregation_temporality: CUMULATIVE,
                });
            }
        }
        written
    }

    fn attributes(&self, reading: &Reading<'_>) -> Vec<KeyValue> {
        let own = reading.labels.iter().map(|(key, value)| text(key, value));
        self.constant.iter().cloned().chain(own).collect()
    }

    fn number(&self, reading: &Reading<'_>, at: u64) -> Option<NumberPoint> {
        let (start, value) = match reading.value {
            Value::Count(it) => (self.start_nanos, it),
            Value::Level(it) => (0, it),
            Value::Times(_) => return None,
        };
        Some(NumberPoint {
            start_time_unix_nano: start,
            time_unix_nano: at,
            as_int: Some(i64::try_from(value).unwrap_or(i64::MAX)),
            attributes: self.attributes(reading),
        })
    }

    fn histogram(&self, reading: &Reading<'_>, at: u64) -> Option<HistogramPoint> {
        let Value::Times(times) = reading.value else { return None };
        let seconds = |it: Option<&(u64, u64)>| it.map(|(micros, _)| *micros as f64 / 1e6);
        Some(HistogramPoint {
            attributes: self.attributes(reading),
            start_time_unix_nano: self.start_nanos,
            time_unix_nano: at,
            count: times.count(),
            sum: Some(bucket::sum(times)),
            scale: bucket::SCHEMA,
            positive: Some(dense(times)),
            min: seconds(times.micros.first()),
            max: seconds(times.micros.last()),
        })
    }
}

/// Buckets in a row. The bucket that ends at 2^(i/256) is number i − 1 here: it is named by where it begins.
fn dense(times: &Distribution) -> Buckets {
    let sparse = bucket::buckets(times);
    let Some((first, _)) = sparse.first() else { return Buckets::default() };
    let mut row = Buckets { offset: first - 1, bucket_counts: Vec::new() };
    for (index, count) in &sparse {
        let at = usize::try_from(index - first).expect("buckets are in ascending order");
        row.bucket_counts.resize(at, 0);
        row.bucket_counts.push(*count);
    }
    row
}

/// What a collector did not take, by its own answer.
pub(crate) fn rejected(answer: &[u8]) -> Option<String> {
    // Some answer with an empty body, and some with JSON: only what is understood counts.
    let said = ExportResponse::decode(answer).ok()?.partial_success?;
    match (said.rejected_data_points, said.error_message) {
        (0, message) if message.is_empty() => None,
        // A warning: everything was taken.
        (0, _) => None,
        (n, message) => Some(format!("{n} points were rejected: {message}")),
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(Text { string_value: Some(value.to_owned()) }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::times;
    use crate::otlp::message::PartialSuccess;

    #[test]
    fn empty_buckets_between_others_are_written() {
        let at = |index: i32| (bucket::end(index) * 1e6).floor() as u64;
        let row = dense(&times(&[(at(3), 4), (at(4), 6), (at(7), 1)]));
        assert_eq!((row.offset, row.bucket_counts), (2, vec![4, 6, 0, 0, 1]));
        assert_eq!(dense(&Distribution::default()), Buckets::default());
    }

    #[test]
    fn what_a_collector_did_not_take_is_said() {
        let answer = |rejected_data_points, message: &str| {
            let error_message = message.to_owned();
            let partial_success = Some(PartialSuccess { rejected_data_points, error_message });
            ExportResponse { partial_success }.encode_to_vec()
        };
        let said = rejected(&answer(3, "too old")).unwrap();
        assert_eq!(said, "3 points were rejected: too old");
        for taken in [answer(0, ""), answer(0, "a warning"), Vec::new(), b"{}".to_vec()] {
            assert_eq!(rejected(&taken), None);
        }
    }
}
