//! What others send: remote write and OTLP.

use std::io::Write as _;

use evenkeel_units::{Clock as _, SystemClock};

use crate::world::World;

const JSON: &str = "content-type: application/json\r\n";
const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";

#[test]
fn what_cannot_be_taken_in_is_said_and_the_rest_is_stored() {
    let (world, _folder) = World::with(&[(100, "a", 1.0)]);
    // The same again does no harm, another value of the moment would.
    assert_eq!(world.write(&[(100, "a", 1.0)]).status, 204);
    let answer =
        world.write(&[(100, "a", 2.0), (-9_000, "a", 3.0), (160, "a", 4.0), (160, "b", 5.0)]);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body, "out of order sample (1); duplicate sample for timestamp (1)\n");
    assert_eq!(
        world.ask("{__name__=~\"a|b\"}", 160),
        [r#"{"__name__":"a"} "4""#, r#"{"__name__":"b"} "5""#]
    );
    assert_eq!(world.ask("a", 159), [r#"{"__name__":"a"} "1""#]);
}

#[test]
fn the_far_past_and_the_future_are_told_apart_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::at(folder.path(), "storage: {tsdb: {retention: {time: 1d}}}\n", None);
    let (now, day) = (SystemClock::start().wall().as_second(), 86_400);
    let samples = [(now, "a", 1.0), (now - 2 * day, "b", 1.0), (now + day, "c", 1.0)];
    let answer = world.write(&samples);
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.body,
        "out of bounds: older than the retention (1); out of bounds: too far in the future (1)\n"
    );
    let own = world.get("/metrics").body;
    for reason in ["too_old", "too_new"] {
        let line = format!("evenkeel_store_samples_rejected_total{{reason=\"{reason}\"}} 1\n");
        assert!(own.contains(&line), "{own}");
    }
}

#[test]
fn what_was_taken_in_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::at(folder.path(), "", None);
    assert_eq!(world.write(&[(100, "a,job=shop", 1.5)]).status, 204);
    drop(world);
    let world = World::at(folder.path(), "", None);
    assert_eq!(world.ask("a", 100), [r#"{"__name__":"a","job":"shop"} "1.5""#]);
}

#[test]
fn what_is_no_such_request_is_refused_with_what_to_do() {
    let (world, _folder) = World::empty();
    let write =
        |headers: &str, body: &[u8]| world.send(&format!("POST /api/v1/write\r\n{headers}"), body);
    let other =
        write("content-type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n", b"");
    assert_eq!((other.status, &*other.body), (415, "Remote write is taken as version 1.0.\n"));
    assert_eq!(write("content-type: text/plain\r\n", b"").status, 415);
    assert_eq!(write(&format!("{PROTOBUF}content-encoding: gzip\r\n"), b"").status, 415);
    let noise = write(&format!("{PROTOBUF}content-encoding: snappy\r\n"), b"noise");
    assert_eq!((noise.status, &*noise.body), (400, "the body is not packed as it is said to be\n"));
    assert_eq!(world.get("/api/v1/write").status, 405);
    let otlp = |headers: &str, body: &[u8]| {
        world.send(&format!("POST /api/v1/otlp/v1/metrics\r\n{headers}"), body)
    };
    assert_eq!(otlp("content-type: text/plain\r\n", b"{}").status, 415);
    assert_eq!(otlp(&format!("{JSON}content-encoding: br\r\n"), b"{}").status, 415);
    let wrong = otlp(JSON, b"{\"resourceMetrics\": 1}");
    assert_eq!(wrong.status, 400);
    assert!(wrong.head.contains("content-type: application/json"), "{}", wrong.head);
    let message =
        r#"{"message":"the body is no such message as JSON: `resourceMetrics` is not a list"}"#;
    assert_eq!(wrong.body, message);
}

#[test]
fn otlp_is_taken_in_as_json_packed_or_not() {
    let (world, _folder) = World::empty();
    let metrics = |name: &str| {
        let points = r#"[{"timeUnixNano": "100000000000", "asDouble": 2.5, "exemplars": [{}]}]"#;
        let metric = format!(r#"{{"name": "{name}", "gauge": {{"dataPoints": {points}}}}}"#);
        format!(r#"{{"resourceMetrics": [{{"scopeMetrics": [{{"metrics": [{metric}]}}]}}]}}"#)
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(metrics("b").as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    for (headers, body) in [("", metrics("a").into_bytes()), ("content-encoding: gzip\r\n", packed)]
    {
        let answer = world.send(&format!("POST /api/v1/otlp/v1/metrics\r\n{JSON}{headers}"), &body);
        assert_eq!((answer.status, &*answer.body), (200, "{}"));
    }
    assert_eq!(
        world.ask("{__name__=~\"a|b\"}", 100),
        [r#"{"__name__":"a"} "2.5""#, r#"{"__name__":"b"} "2.5""#]
    );
    let own = world.get("/metrics").body;
    assert!(own.contains("evenkeel_received_exemplars_dropped_total 2\n"), "{own}");
}

#[test]
fn a_body_that_unpacks_to_more_than_is_taken_is_refused() {
    let (world, _folder) = World::empty();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..33 {
        gzip.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let body = gzip.finish().unwrap();
    let head = format!("POST /api/v1/otlp/v1/metrics\r\n{JSON}content-encoding: gzip\r\n");
    assert_eq!(world.send(&head, &body).status, 413);
    // What Snappy says it unpacks to is believed only to refuse it.
    let head = format!("POST /api/v1/write\r\n{PROTOBUF}content-encoding: snappy\r\n");
    assert_eq!(world.send(&head, &[255, 255, 255, 127]).status, 413);
}

#[test]
fn an_empty_request_of_otlp_is_taken_in() {
    let (world, _folder) = World::empty();
    let answer = world.send(&format!("POST /api/v1/otlp/v1/metrics\r\n{PROTOBUF}"), b"");
    assert_eq!((answer.status, &*answer.body), (200, ""));
}
