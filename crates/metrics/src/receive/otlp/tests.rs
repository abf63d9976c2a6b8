//! Requests as the types of OpenTelemetry's own make them.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1 as theirs;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message as _;

use super::{Form, MAPS_MAX, MESSAGES_MAX, complaint, otlp};
use crate::intake::memory::Memory;
use crate::receive::ReceiveError;

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn number(value: f64, attributes: Vec<KeyValue>) -> theirs::NumberDataPoint {
    theirs::NumberDataPoint {
        time_unix_nano: 5_000_000,
        value: Some(theirs::number_data_point::Value::AsDouble(value)),
        attributes,
        ..Default::default()
    }
}

/// What is stored of metrics: name, unit, data.
fn stored(metrics: Vec<(&str, &str, Data)>) -> (Memory, super::Answer) {
    let metric = |(name, unit, data): (&str, &str, Data)| theirs::Metric {
        name: name.to_owned(),
        description: "It.".to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Default::default()
    };
    let resource = Resource {
        attributes: vec![
            text("service.name", "shop"),
            text("service.namespace", "web"),
            text("service.instance.id", "i-1"),
            text("host.name", "h"),
        ],
        ..Default::default()
    };
    let metrics = metrics.into_iter().map(metric).collect();
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![theirs::ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![theirs::ScopeMetrics { metrics, ..Default::default() }],
            ..Default::default()
        }],
    };
    let store = Memory::default();
    let answer = otlp(&request.encode_to_vec(), Form::Protobuf, &store).unwrap();
    (store, answer)
}

fn shown(store: &Memory) -> Vec<String> {
    let own = |it: String| it.replace("instance=\"i-1\", job=\"web/shop\"", "…");
    store.all().into_iter().map(own).collect()
}

const CUMULATIVE: i32 = 2;

#[test]
fn gauges_and_sums_are_series_with_names_of_prometheus() {
    let sum = |is_monotonic| theirs::Sum {
        data_points: vec![number(3.0, vec![text("http.route", "/"), text("http_route", "x")])],
        aggregation_temporality: CUMULATIVE,
        is_monotonic,
    };
    let (store, answer) = stored(vec![
        ("queue.usage", "1", Data::Gauge(theirs::Gauge { data_points: vec![number(0.5, vec![])] })),
        ("http.requests", "{request}", Data::Sum(sum(true))),
        ("open", "", Data::Sum(sum(false))),
    ]);
    assert_eq!(
        shown(&store),
        [
            "queue_usage_ratio{…} 0.5 @5",
            "http_requests_total{http_route=\"/;x\", …} 3 @5",
            "open{http_route=\"/;x\", …} 3 @5",
            "target_info{host_name=\"h\", …} 1 @5",
        ]
    );
    assert!(answer.left.is_empty() && answer.message(Form::Protobuf).is_empty());
    let told = store.told();
    let kinds: Vec<_> = told.iter().map(|it| (&*it.0, it.1.kind.name())).collect();
    assert_eq!(
        kinds,
        [
            ("http_requests_total", "counter"),
            ("open", "gauge"),
            ("queue_usage_ratio", "gauge"),
            ("target_info", "gauge")
        ]
    );
}

#[test]
fn histograms_are_classic_and_exponential_ones_native() {
    let classic = theirs::HistogramDataPoint {
        time_unix_nano: 5_000_000,
        count: 6,
        sum: Some(2.5),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![0.5, 10.0],
        ..Default::default()
    };
    let native = theirs::ExponentialHistogramDataPoint {
        time_unix_nano: 5_000_000,
        count: 4,
        scale: 3,
        zero_count: 1,
        positive: Some(theirs::exponential_histogram_data_point::Buckets {
            offset: 4,
            bucket_counts: vec![3],
        }),
        ..Default::default()
    };
    let (store, _) = stored(vec![
        (
            "t",
            "s",
            Data::Histogram(theirs::Histogram {
                data_points: vec![classic],
                aggregation_temporality: CUMULATIVE,
            }),
        ),
        (
            "u",
            "s",
            Data::ExponentialHistogram(theirs::ExponentialHistogram {
                data_points: vec![native],
                aggregation_temporality: CUMULATIVE,
            }),
        ),
    ]);
    assert_eq!(
        shown(&store)[..5],
        [
            "t_seconds_bucket{…, le=\"0.5\"} 1 @5",
            "t_seconds_bucket{…, le=\"10\"} 3 @5",
            "t_seconds_bucket{…, le=\"+Inf\"} 6 @5",
            "t_seconds_count{…} 6 @5",
            "t_seconds_sum{…} 2.5 @5",
        ]
    );
    let (name, at, histogram) = store.histograms().pop().unwrap();
    assert!(name.starts_with("u_seconds{") && at == 5);
    assert_eq!((histogram.schema, histogram.positive_runs[0].offset), (3, 5));
}

#[test]
fn what_counts_from_one_request_to_the_next_is_refused_and_the_rest_is_taken_in() {
    let delta = theirs::Sum {
        data_points: vec![number(3.0, vec![])],
        aggregation_temporality: 1,
        is_monotonic: true,
    };
    let gauge = theirs::Gauge { data_points: vec![number(1.0, vec![])] };
    let (_, answer) = stored(vec![("d", "", Data::Sum(delta)), ("g", "", Data::Gauge(gauge))]);
    assert_eq!((answer.samples, answer.left.invalid), (2, 1));
    let said = crate::otlp::rejected(&answer.message(Form::Protobuf)).unwrap();
    assert!(said.contains("`d_total` counts from one request to the next"), "{said}");
}

#[test]
fn what_is_no_request_is_refused() {
    let store = Memory::default();
    let read = |body: &[u8], form| otlp(body, form, &store);
    assert_eq!(read(b"\x0a\x05\x0a", Form::Protobuf), Err(ReceiveError::Message));
    for (text, why) in [
        ("[]", "`the body` is not an object"),
        ("{", "EOF while parsing"),
        (r#"{"resourceMetrics": 1}"#, "`resourceMetrics` is not a list"),
        (r#"{"resource_metrics": [{"scopeMetrics": [3]}]}"#, "`scopeMetrics` is not an object"),
    ] {
        let error = read(text.as_bytes(), Form::Json).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    assert_eq!(complaint("no", Form::Json), br#"{"message":"no"}"#);
    assert_eq!(complaint("no", Form::Protobuf), b"\x12\x02no");
}

#[test]
fn a_small_body_that_says_too_much_is_refused() {
    // Points of two bytes each, in a metric, in a scope, in a resource.
    let within = |number: u8, inner: Vec<u8>| {
        let mut outer = vec![number << 3 | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    };
    let points = b"\x0a\x00".repeat(MESSAGES_MAX);
    let body = within(1, within(2, within(2, within(5, points))));
    let read = otlp(&body, Form::Protobuf, &Memory::default());
    assert_eq!(read, Err(ReceiveError::TooMany(MESSAGES_MAX)));
    for (piece, many, most) in
        [("0,", 4 * MESSAGES_MAX, MESSAGES_MAX), (r#"{"":0},"#, MAPS_MAX, MAPS_MAX)]
    {
        let text = format!("[{}{{}}]", piece.repeat(many));
        let read = otlp(text.as_bytes(), Form::Json, &Memory::default());
        assert_eq!(read, Err(ReceiveError::TooMany(most)));
    }
}

/// Every kind of metric, as the specification writes it: camel case, whole numbers as texts, numbers as numbers.
const JSON: &str = r#"{"resourceMetrics": [{
  "resource": {"attributes": [
    {"key": "service.name", "value": {"stringValue": "shop"}},
    {"key": "replicas", "value": {"intValue": "3"}}, {"key": "beta", "value": {"boolValue": true}}]},
  "scopeMetrics": [{"scope": {"name": "x"}, "metrics": [
    {"name": "g", "gauge": {"dataPoints": [{"timeUnixNano": "5000000", "asDouble": "NaN"}]}},
    {"name": "http.requests", "unit": "{request}", "description": "It.", "sum": {
      "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
        {"timeUnixNano": 5000000, "asInt": "9007199254740993", "exemplars": [{"asInt": "1"}, {}],
         "attributes": [{"key": "code", "value": {"doubleValue": 0.5}}]}]}},
    {"name": "t", "unit": "s", "histogram": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE",
      "dataPoints": [{"timeUnixNano": "5000000", "count": "6", "sum": 2.5, "bucketCounts": ["1", 2, "3"],
        "explicitBounds": [0.5, 10]}]}},
    {"name": "u", "exponentialHistogram": {"aggregation_temporality": 2, "data_points": [
      {"time_unix_nano": "5000000", "count": "4", "scale": 3, "zeroCount": "1", "zeroThreshold": 0.25,
       "positive": {"offset": 4, "bucketCounts": ["3"]}, "negative": {"offset": -2}}]}},
    {"name": "q", "summary": {"dataPoints": [{"timeUnixNano": "5000000", "count": 2, "sum": 3,
      "quantileValues": [{"quantile": 0.5, "value": 1.5}]}]}},
    {"name": "d", "sum": {"aggregationTemporality": 1, "dataPoints": [{"asInt": "1"}, {"asInt": "2"}]}},
    {"name": "later", "invented": {}}]}]}]}"#;

#[test]
fn json_says_the_same_as_protobuf() {
    let store = Memory::default();
    let answer = otlp(JSON.as_bytes(), Form::Json, &store).unwrap();
    let said: Vec<_> = store.all().iter().map(|it| it.replace("job=\"shop\"", "…")).collect();
    assert_eq!(
        said,
        [
            "g{…} NaN @5",
            "http_requests_total{code=\"0.5\", …} 9007199254740992 @5",
            "t_seconds_bucket{…, le=\"0.5\"} 1 @5",
            "t_seconds_bucket{…, le=\"10\"} 3 @5",
            "t_seconds_bucket{…, le=\"+Inf\"} 6 @5",
            "t_seconds_count{…} 6 @5",
            "t_seconds_sum{…} 2.5 @5",
            "q_sum{…} 3 @5",
            "q_count{…} 2 @5",
            "q{…, quantile=\"0.5\"} 1.5 @5",
            "target_info{beta=\"true\", …, replicas=\"3\"} 1 @5",
        ]
    );
    let (name, _, native) = store.histograms().pop().unwrap();
    assert!(name.starts_with("u{"), "{name}");
    assert_eq!((native.schema, native.positive_runs[0].offset, native.zero_count), (3, 5, 1.0));
    assert_eq!((answer.left.invalid, answer.exemplars), (2, 2));
    let said = String::from_utf8(answer.message(Form::Json)).unwrap();
    assert!(said.contains(r#""rejectedDataPoints":"2""#), "{said}");
    assert!(said.contains("`d` counts from one request to the next"), "{said}");
    let nothing = otlp(b"{}", Form::Json, &store).unwrap();
    assert_eq!(nothing.message(Form::Json), b"{}");
}

proptest! {
    #[test]
    fn noise_is_taken_in_or_refused_but_never_a_panic(
        noise in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..20], 0..80)
    ) {
        drop(otlp(&noise, Form::Protobuf, &Memory::default()));
        drop(otlp(&noise, Form::Json, &Memory::default()));
    }

    #[test]
    fn json_with_other_values_is_taken_in_or_refused_but_never_a_panic(
        at in 0..JSON.len(), other in prop_oneof!["-?[0-9]{1,25}", "\"[a-z0-9]{0,4}\"", "null", "[{]|[}]|\\[|\\]"]
    ) {
        let mut text = JSON.to_owned();
        text.replace_range(at..=at, &other);
        drop(otlp(text.as_bytes(), Form::Json, &Memory::default()));
    }
}
