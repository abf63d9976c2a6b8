//! OTLP, read with the messages of the OpenTelemetry project instead of our own.

use std::io::Read as _;

use evenkeel_model::Answer;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogramDataPoint, ResourceMetrics, number_data_point,
};
use prost::Message as _;

use crate::collector::{Came, Collector};
use crate::load::{SECONDS, frames, open, sum_seconds, total};

const BEGAN: i64 = 1_700_000_000;

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|it| it.key == key)?.value.clone()?.value?;
    match value {
        Value::StringValue(it) => Some(it),
        other => panic!("{key} is {other:?}"),
    }
}

fn blocks(came: &[Came]) -> Vec<ResourceMetrics> {
    let read = |it: &Came| {
        let mut plain = Vec::new();
        match it.headers.get("content-encoding").map(String::as_str) {
            Some("gzip") => {
                flate2::read::GzDecoder::new(&*it.body).read_to_end(&mut plain).unwrap();
            }
            None => plain.clone_from(&it.body),
            other => panic!("{other:?}"),
        }
        ExportMetricsServiceRequest::decode(&*plain).unwrap().resource_metrics
    };
    came.iter().flat_map(read).collect()
}

fn data(block: &ResourceMetrics, name: &str) -> Data {
    let metrics = &block.scope_metrics[0].metrics;
    let metric = metrics.iter().find(|it| it.name == name).unwrap_or_else(|| panic!("no {name}"));
    metric.data.clone().unwrap()
}

fn count(block: &ResourceMetrics, name: &str, route: Option<&str>) -> i64 {
    let points = match data(block, name) {
        Data::Sum(sum) => {
            assert!(sum.is_monotonic);
            assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
            sum.data_points
        }
        Data::Gauge(gauge) => gauge.data_points,
        other => panic!("{name} is {other:?}"),
    };
    let of: Vec<_> =
        points.iter().filter(|it| text(&it.attributes, "route").as_deref() == route).collect();
    assert_eq!(of.len(), 1, "{name}");
    match of[0].value {
        Some(number_data_point::Value::AsInt(it)) => it,
        other => panic!("{name} is {other:?}"),
    }
}

fn response(block: &ResourceMetrics, route: &str, answer: &str) -> ExponentialHistogramDataPoint {
    let Data::ExponentialHistogram(histogram) = data(block, "evenkeel.load.response") else {
        panic!("times are exponential histograms")
    };
    assert_eq!(histogram.aggregation_temporality(), AggregationTemporality::Cumulative);
    let of = |it: &ExponentialHistogramDataPoint| {
        text(&it.attributes, "route").as_deref() == Some(route)
            && text(&it.attributes, "answer").as_deref() == Some(answer)
    };
    histogram.data_points.into_iter().find(of).unwrap()
}

#[tokio::test]
async fn a_collector_reads_what_was_counted() {
    for compression in ["gzip", "none"] {
        let collector = Collector::start(&[]).await;
        let frames = frames();
        let out = format!("otlp=http://127.0.0.1:{}", collector.port);
        let environment = [
            ("OTEL_EXPORTER_OTLP_COMPRESSION", compression),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=ci"),
        ];
        let export = open(&out, &environment, jiff::Timestamp::from_second(BEGAN).unwrap());
        frames.iter().for_each(|it| export.frame(it));
        assert_eq!(export.finish().await, []);

        let came = collector.came();
        assert_eq!(came[0].path, "/v1/metrics");
        assert_eq!(came[0].headers["content-type"], "application/x-protobuf");
        assert_eq!(came[0].headers["api-key"], "a,b");
        let blocks = blocks(&came);
        assert_eq!(blocks.len() as u64, SECONDS);
        let (first, last) = (&blocks[0], &blocks[blocks.len() - 1]);
        let resource = &first.resource.as_ref().unwrap().attributes;
        assert_eq!(text(resource, "service.name").as_deref(), Some("evenkeel"));
        assert_eq!(text(resource, "deployment.environment").as_deref(), Some("ci"));

        let ok = total(&frames, 0, Answer::Ok);
        assert_eq!(count(first, "evenkeel.load.planned", None), 560);
        assert_eq!(count(last, "evenkeel.load.planned", None), 560 * 20);
        assert_eq!(count(last, "evenkeel.load.in_flight", None), 19);
        assert_eq!(count(last, "evenkeel.load.requests", Some("list")), ok.count().cast_signed());
        assert_eq!(count(last, "evenkeel.load.failed", Some("buy \"now\"")), 20);

        let point = response(last, "list", "ok");
        assert_eq!(text(&point.attributes, "run").as_deref(), Some("calm-otter"));
        assert_eq!(text(&point.attributes, "test").as_deref(), Some("shoppers"));
        let nanos = |seconds: i64| seconds as u64 * 1_000_000_000;
        assert_eq!(point.start_time_unix_nano, nanos(BEGAN));
        assert_eq!(point.time_unix_nano, nanos(BEGAN + SECONDS.cast_signed()));
        assert_eq!((point.scale, point.count, point.zero_count), (8, ok.count(), 0));
        assert!((point.sum.unwrap() - sum_seconds(&ok)).abs() < 1e-9);
        let micros = |seconds: Option<f64>| (seconds.unwrap() * 1e6).round() as u64;
        let ends = (ok.micros[0].0, ok.micros[ok.micros.len() - 1].0);
        assert_eq!((micros(point.min), micros(point.max)), ends);
        // By the definition: bucket i holds what is above base^i and at most base^(i+1).
        let row = point.positive.unwrap();
        let base = 2_f64.powf(2_f64.powi(-8));
        for (index, counted) in (row.offset..).zip(&row.bucket_counts) {
            let (from, to) = (base.powi(index) * 1e6, base.powi(index + 1) * 1e6);
            let within = ok.micros.iter().filter(|it| from < it.0 as f64 && it.0 as f64 <= to);
            assert_eq!(within.map(|it| it.1).sum::<u64>(), *counted, "{from} to {to}");
        }
        assert_eq!(row.bucket_counts.iter().sum::<u64>(), ok.count());
    }
}
