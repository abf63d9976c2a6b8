//! Targets that are away, slow, or do not want it: nothing is lost that need not be, and all else is said.

use std::time::Duration;

use evenkeel_model::Frame;
use prost::Message as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;

use crate::collector::Collector;
use crate::load::{frames, open};

const BEGAN: jiff::Timestamp = jiff::Timestamp::UNIX_EPOCH;

/// What a request says of how much was planned, sample by sample.
fn planned(body: &[u8]) -> Vec<u64> {
    let plain = snap::raw::Decoder::new().decompress_vec(body).unwrap();
    let request = WriteRequest::decode(&*plain).unwrap();
    let of = |it: &&Series| it.labels[0].value == "evenkeel_load_planned_total";
    let series = request.series.iter().find(of).unwrap();
    series.samples.iter().map(|it| it.value as u64).collect()
}

/// Enough of remote write to read it back.
#[derive(Clone, PartialEq, prost::Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
}

#[tokio::test]
async fn what_is_not_taken_now_is_sent_again() {
    let collector = Collector::start(&["503 Service Unavailable", "429 Too Many Requests"]).await;
    let out = format!("prometheus=http://127.0.0.1:{}/push", collector.port);
    let environment = [("K6_PROMETHEUS_RW_BEARER_TOKEN", "secret")];
    let export = open(&out, &environment, BEGAN);
    frames().iter().for_each(|it| export.frame(it));
    let troubles = export.finish().await;
    assert_eq!(troubles.len(), 1);
    assert!(!troubles[0].is_loss(), "{troubles:?}");
    let said = format!(
        "prometheus at http://127.0.0.1:{}/push: 2 requests were sent again (429 Too Many Requests)",
        collector.port
    );
    assert_eq!(troubles[0].to_string(), said);
    let came = collector.came();
    assert_eq!(came.len(), 3);
    assert!(came[0].body == came[1].body && came[1].body == came[2].body);
    assert_eq!((&*came[0].path, &*came[0].headers["authorization"]), ("/push", "Bearer secret"));
    assert_eq!(came[0].headers["content-encoding"], "snappy");
    assert_eq!(came[0].headers["x-prometheus-remote-write-version"], "0.1.0");
    assert_eq!(planned(&came[2].body).last(), Some(&(560 * 20)));
}

#[tokio::test]
async fn what_is_refused_is_missing_as_moments_but_not_as_counts() {
    let collector = Collector::start(&["400 Bad Request"]).await;
    let out = format!("prometheus=http://127.0.0.1:{}/push", collector.port);
    let export = open(&out, &[("K6_PROMETHEUS_RW_PUSH_INTERVAL", "1ms")], BEGAN);
    let frames = frames();
    frames[..5].iter().for_each(|it| export.frame(it));
    while export.troubles().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    frames[5..].iter().for_each(|it| export.frame(it));
    let troubles = export.finish().await;
    assert_eq!((troubles[0].lost_seconds, &*troubles[0].why), (5, "400 Bad Request"));
    let came = collector.came();
    let planned = planned(&came[came.len() - 1].body);
    assert_eq!(planned.last(), Some(&(560 * 20)), "all 20 seconds are counted");
}

#[tokio::test]
async fn a_target_that_is_not_there_is_said_with_all_that_it_did_not_get() {
    // Bound, so that nobody else gets the address, but nobody listens there.
    let kept = TcpSocket::new_v4().unwrap();
    kept.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = kept.local_addr().unwrap().port();
    tokio::time::pause();
    let export = open(&format!("otlp=http://127.0.0.1:{port}"), &[], BEGAN);
    frames().iter().for_each(|it| export.frame(it));
    let troubles = export.finish().await;
    assert_eq!((troubles[0].lost_seconds, &*troubles[0].why), (20, "connection refused"));
    assert!(troubles[0].is_loss() && troubles[0].retries > 2, "{troubles:?}");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_never_answers_costs_neither_memory_nor_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let holder = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(listener.accept().await.unwrap());
        }
    });
    let export = open(&format!("prometheus=http://127.0.0.1:{port}"), &[], BEGAN);
    for second in 0..1000 {
        export.frame(&Frame { second, planned: 1, ..Frame::default() });
    }
    let before = Instant::now();
    let troubles = export.finish().await;
    assert!(before.elapsed() <= Duration::from_secs(11), "{:?}", before.elapsed());
    let trouble = &troubles[0];
    assert_eq!(trouble.lost_seconds + trouble.joined_seconds, 1000);
    assert!(trouble.joined_seconds >= 900, "{trouble:?}");
    holder.abort();
}
