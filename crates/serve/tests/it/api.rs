//! The API, asked as its clients ask.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::world::{World, encoded};

/// A store with two series of a counter and one of a gauge, a minute apart from second 0 on.
fn shop() -> (World, tempfile::TempDir) {
    let mut samples = Vec::new();
    for minute in 0..5 {
        let at = minute * 60;
        samples.push((at, "requests_total,code=200,job=shop", 60.0 * minute as f64));
        samples.push((at, "requests_total,code=500,job=shop", minute as f64));
        samples.push((at, "up,job=shop", 1.0));
    }
    World::with(&samples)
}

#[test]
fn a_query_is_answered_byte_for_byte_as_by_prometheus() {
    let (world, _folder) = shop();
    let answer = world.get("/api/v1/query?query=up&time=240.5");
    assert_eq!(
        answer.body,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"shop"},"value":[240.500,"1"]}]}}"#
    );
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let answer = world.get("/api/v1/query?query=1%2F0&time=1970-01-01T00:00:01Z");
    assert_eq!(
        answer.body,
        r#"{"status":"success","data":{"resultType":"scalar","result":[1,"+Inf"]}}"#
    );
    let answer = world.get("/api/v1/query?query=up%5B90s%5D&time=240");
    assert_eq!(
        answer.body,
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"shop"},"values":[[180,"1"],[240,"1"]]}]}}"#
    );
}

#[test]
fn a_range_may_be_asked_by_a_form() {
    let (world, _folder) = shop();
    let form = format!(
        "query={}&start=120&end=240&step=1m",
        encoded("sum by (job) (increase(requests_total[2m]))")
    );
    let head = "POST /api/v1/query_range\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let answer = world.send(head, form.as_bytes());
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(said["data"]["resultType"], "matrix", "{}", answer.body);
    let values = said["data"]["result"][0]["values"].as_array().unwrap();
    let moments: Vec<_> = values.iter().map(|it| it[0].as_i64().unwrap()).collect();
    assert_eq!(moments, [120, 180, 240]);
    assert_eq!(values[1][1], "122");
}

#[test]
fn what_makes_no_sense_is_said_with_its_type() {
    let (world, _folder) = shop();
    for (path, status, kind, why) in [
        ("query?query=up%7B", 400, "bad_data", "invalid parameter \"query\": 1:4: parse error:"),
        (
            "query?query=up&time=soon",
            400,
            "bad_data",
            "invalid parameter \"time\": Invalid time value for 'time': cannot parse \"soon\"",
        ),
        (
            "query_range?query=up&start=2&end=1&step=1",
            400,
            "bad_data",
            "invalid parameter \"end\": end",
        ),
        (
            "query_range?query=up&start=1&end=2&step=0",
            400,
            "bad_data",
            "invalid parameter \"step\": zero or",
        ),
        (
            "query_range?query=up&start=0&end=1e6&step=1",
            400,
            "bad_data",
            "exceeded maximum resolution",
        ),
        ("query_range?query=up", 400, "bad_data", "invalid parameter \"start\""),
        ("query?query=up%20%2B%20on()%20requests_total&time=0", 422, "execution", ""),
        ("series", 400, "bad_data", "no match[] parameter provided"),
        (
            "series?match[]=%7Bjob=~%22.*%22%7D",
            400,
            "bad_data",
            "invalid parameter \"match[]\": 1:1: parse error",
        ),
        ("labels?match[]=1", 400, "bad_data", "invalid parameter \"match[]\": 1:1: parse error"),
        ("nowhere", 404, "not_found", "there is no /api/v1/nowhere here"),
    ] {
        let answer = world.get(&format!("/api/v1/{path}"));
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, &said["errorType"]), (status, &json!(kind)), "{path}: {said}");
        assert!(said["error"].as_str().unwrap().starts_with(why), "{path}: {said}");
    }
}

#[test]
fn series_labels_and_values_are_found() {
    let (world, _folder) = shop();
    let found = world.data("series?match[]=up&match[]=requests_total%7Bcode=%22500%22%7D");
    assert_eq!(
        found,
        json!([
            {"__name__": "requests_total", "code": "500", "job": "shop"},
            {"__name__": "up", "job": "shop"}
        ])
    );
    assert_eq!(world.data("labels"), json!(["__name__", "code", "job"]));
    assert_eq!(world.data("labels?match[]=up"), json!(["__name__", "job"]));
    assert_eq!(world.data("label/code/values"), json!(["200", "500"]));
    assert_eq!(world.data("label/code/values?match[]=up"), json!([]));
    assert_eq!(world.data("label/__name__/values?limit=1"), json!(["requests_total"]));
    assert_eq!(world.data("series?match[]=up&start=100000"), json!([]));
    assert_eq!(world.data("metadata"), json!({}));
}

#[test]
fn what_grafana_asks_to_know_whom_it_asks_is_answered() {
    let (world, _folder) = World::empty();
    let version = world.data("status/buildinfo")["version"].as_str().unwrap().to_owned();
    assert!(version.starts_with("3."), "{version}");
    for path in ["status/runtimeinfo", "status/flags", "status/config", "status/tsdb"] {
        assert!(world.data(path).is_object(), "{path}");
    }
    assert_eq!(world.data("rules"), json!({"groups": []}));
    assert_eq!(world.data("alerts"), json!({"alerts": []}));
    assert_eq!(world.data("query_exemplars?query=up&start=0&end=1"), json!([]));
    assert_eq!(world.data("parse_query?query=sum(up)")["type"], "vector");
    assert_eq!(world.data("format_query?query=up%20"), json!("up"));
    assert_eq!(world.get("/-/healthy").status, 200);
    assert_eq!(world.get("/-/ready").status, 200);
    assert_eq!(world.get("/graph").status, 404);
}

#[test]
fn it_says_of_itself_what_it_does() {
    let (world, _folder) = shop();
    world.data("query?query=up");
    let answer = world.get("/metrics");
    assert!(answer.body.contains("evenkeel_received_samples_total 15\n"), "{}", answer.body);
    assert!(answer.body.contains("evenkeel_queries_total 1\n"), "{}", answer.body);
    assert!(
        answer.body.contains("evenkeel_http_requests_total{handler=\"write\",code=\"204\"} 1\n")
    );
}

#[test]
fn a_selector_looks_back_as_far_as_is_asked() {
    let (world, _folder) = World::with(&[(0, "a", 1.0)]);
    let found = |lookback: &str| {
        let path = format!("query?query=a&time=8&lookback_delta={lookback}");
        world.data(&path)["result"].as_array().unwrap().len()
    };
    assert_eq!([found("5s"), found("8.5"), found("10s"), found("")], [0, 1, 1, 1]);
    let wrong = world.get("/api/v1/query?query=a&lookback_delta=far");
    assert!(wrong.body.contains("error parsing lookback delta duration"), "{}", wrong.body);
    assert_eq!(world.get("/api/v1/metadata?limit_per_metric=x").status, 400);
}

#[test]
fn a_limit_cuts_the_answer_and_says_so() {
    let samples = [(0, "a,n=1", 1.0), (0, "a,n=2", 2.0), (0, "a,n=3", 3.0)];
    let (world, _folder) = World::with(&samples);
    for (path, is_cut) in [
        ("query?query=a&time=0&limit=2", true),
        ("query?query=a&time=0&limit=3", false),
        ("query?query=a&time=0&limit=0", false),
        ("query_range?query=a&start=0&end=1&step=1&limit=1", true),
        ("series?match[]=a&limit=2", true),
        ("labels?limit=1", true),
        ("labels?limit=2", false),
        ("label/n/values?limit=2", true),
    ] {
        let said: Value =
            serde_json::from_str(&world.get(&format!("/api/v1/{path}")).body).unwrap();
        let warned = if is_cut { json!(["results truncated due to limit"]) } else { Value::Null };
        assert_eq!(said["warnings"], warned, "{path}: {said}");
        let found = said["data"].as_array().or(said["data"]["result"].as_array()).unwrap().len();
        let limit = path.rsplit_once("limit=").unwrap().1.parse::<usize>().unwrap();
        assert!(limit == 0 || found <= limit, "{path}: {said}");
    }
    for wrong in ["x", "-1"] {
        assert_eq!(world.get(&format!("/api/v1/labels?limit={wrong}")).status, 400);
    }
    let many = "&match[]=a".repeat(1_001);
    let head = "POST /api/v1/series\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    assert_eq!(world.send(head, many.as_bytes()).status, 400);
    let most = world.data("status/tsdb?limit=1");
    assert_eq!(most["seriesCountByMetricName"], json!([{"name": "a", "value": 3}]));
    assert_eq!(most["labelValueCountByLabelName"], json!([{"name": "n", "value": 3}]));
}

#[test]
fn warnings_and_infos_come_beside_the_data() {
    let (world, _folder) = shop();
    let of = |query: &str| -> Value {
        let path = format!("/api/v1/query?query={}&time=240", encoded(query));
        serde_json::from_str(&world.get(&path).body).unwrap()
    };
    let warned = of("quantile(2, up)");
    assert!(warned["warnings"][0].as_str().unwrap().starts_with("PromQL warning:"), "{warned}");
    let told = of("rate(up[2m])");
    assert!(told["infos"][0].as_str().unwrap().starts_with("PromQL info:"), "{told}");
    assert_eq!((&told["status"], &told["warnings"]), (&json!("success"), &Value::Null));
}

/// A query that takes minutes: eighty thousand values are put in order at each of ten thousand steps.
fn slow() -> String {
    let query = encoded("quantile_over_time(0.5, vector(time())[1d:1s])");
    format!("query={query}&start=0&end=10000&step=1")
}

#[test]
fn a_query_whose_time_is_over_is_given_up() {
    let (world, _folder) = World::empty();
    let path = format!("/api/v1/query_range?{}&timeout=100ms", slow());
    let answer = world.get(&path);
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((answer.status, &said["errorType"]), (503, &json!("timeout")), "{said}");
}

#[test]
fn a_query_ends_when_whoever_asked_goes_away() {
    let (world, _folder) = World::empty();
    let mut stream = std::net::TcpStream::connect(world.address).unwrap();
    let path = format!("/api/v1/query_range?{}", slow());
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", world.address).unwrap();
    let active = |count: usize| {
        let line = format!("evenkeel_queries_active {count}\n");
        let (_never, wait) = std::sync::mpsc::channel::<()>();
        (0..400).any(|_| {
            let is_so = world.get("/metrics").body.contains(&line);
            is_so || wait.recv_timeout(std::time::Duration::from_millis(25)).is_ok()
        })
    };
    assert!(active(1), "it does not begin");
    drop(stream);
    assert!(active(0), "it goes on");
}
