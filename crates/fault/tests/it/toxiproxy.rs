//! The API of Toxiproxy: what its clients send, and what they get back. The exchanges are those of the tests of
//! its own client, `api_test.go`, and what its server does beside them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use evenkeel_fault::toxiproxy::{Answer, Request, Spec, Toxiproxy, Why, Wrong};
use evenkeel_units::{Clock, Seed, SystemClock};
use serde_json::{Value, json};

use crate::stage::{blocking, connect, echo};

struct Server(Toxiproxy);

impl Server {
    fn start() -> Self {
        Self(Toxiproxy::start(Seed(7)).unwrap())
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let (agent, body) = ("toxiproxy-cli", body.as_bytes());
        self.0.answer(&Request { method, path, agent, body }).await
    }

    /// The status and the JSON of an answer.
    async fn ask(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send(method, path, &body).await;
        (answer.status, serde_json::from_str(&answer.body).unwrap_or(Value::Null))
    }

    /// A new proxy, and where it listens.
    async fn create(&mut self, name: &str, upstream: SocketAddr) -> SocketAddr {
        let proxy = json!({"name": name, "listen": "localhost:0", "upstream": upstream});
        let (status, proxy) = self.ask("POST", "/proxies", proxy).await;
        assert_eq!(status, 201, "{proxy}");
        proxy["listen"].as_str().unwrap().parse().unwrap()
    }
}

fn is_up(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

fn error(status: u16, text: &str) -> (u16, Value) {
    (status, json!({"error": text, "status": status}))
}

#[tokio::test]
async fn a_proxy_is_created_shown_changed_and_deleted() {
    let mut server = Server::start();
    assert_eq!(server.ask("GET", "/proxies", Value::Null).await, (200, json!({})));
    let body = json!({"name": "mysql", "listen": "localhost:0", "upstream": "localhost:1"});
    let created = server.send("POST", "/proxies", &body.to_string()).await;
    let mut proxy: Value = serde_json::from_str(&created.body).unwrap();
    let listen = proxy["listen"].as_str().unwrap().to_owned();
    let address: SocketAddr = listen.parse().unwrap();
    assert_eq!((created.status, created.content), (201, "application/json"));
    assert_eq!(
        created.body,
        format!(
            r#"{{"name":"mysql","listen":"{listen}","upstream":"localhost:1","enabled":true,"toxics":[]}}"#
        )
    );
    assert!(is_up(address));
    assert_eq!(server.ask("GET", "/proxies/mysql", Value::Null).await, (200, proxy.clone()));
    assert_eq!(server.ask("GET", "/proxies", Value::Null).await, (200, json!({"mysql": proxy})));
    for (method, enabled) in [("POST", false), ("PATCH", true)] {
        let changed = server
            .ask(method, "/proxies/mysql", json!({"enabled": enabled, "name": "other"}))
            .await;
        proxy["enabled"] = json!(enabled);
        assert_eq!(changed, (200, proxy.clone()));
        assert_eq!(is_up(address), enabled);
    }
    let upstream = json!({"upstream": "localhost:2"});
    proxy["upstream"] = json!("localhost:2");
    assert_eq!(server.ask("PATCH", "/proxies/mysql", upstream).await, (200, proxy));
    let deleted = server.send("DELETE", "/proxies/mysql", "").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    assert!(!is_up(address));
    let gone = error(404, "proxy not found");
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        assert_eq!(server.ask(method, "/proxies/mysql", json!({})).await, gone, "{method}");
    }
}

#[tokio::test]
async fn a_proxy_may_be_created_disabled_and_listens_once_enabled() {
    let mut server = Server::start();
    let body = json!({"name": "a", "listen": "localhost:0", "upstream": "x:1", "enabled": false});
    let (status, proxy) = server.ask("POST", "/proxies", body).await;
    assert_eq!(
        (status, &proxy["listen"], &proxy["enabled"]),
        (201, &json!("localhost:0"), &json!(false))
    );
    let (status, proxy) = server.ask("POST", "/proxies/a", json!({"enabled": true})).await;
    assert_eq!((status, &proxy["enabled"]), (200, &json!(true)));
    assert!(is_up(proxy["listen"].as_str().unwrap().parse().unwrap()));
}

#[tokio::test]
async fn what_cannot_be_a_proxy_is_refused_in_the_words_of_toxiproxy() {
    let mut server = Server::start();
    let address = server.create("taken", echo()).await;
    let proxy = |name: &str, upstream: &str, listen: &str| json!({"name": name, "upstream": upstream, "listen": listen});
    let listen = address.to_string();
    let cases = [
        (proxy("", "x:1", ""), 400, "missing required field: name".to_owned()),
        (proxy("a", "", ""), 400, "missing required field: upstream".to_owned()),
        (proxy("taken", "x:1", ""), 409, "proxy already exists".to_owned()),
        (
            proxy("a", "x:1", &listen),
            500,
            format!("listen tcp {listen}: bind: address already in use"),
        ),
        (
            proxy("a", "x:1", "local373"),
            500,
            "listen tcp: address local373: missing port in address".to_owned(),
        ),
        (
            proxy("a", "x:1", "127.0.0.1:x"),
            500,
            "listen tcp: address 127.0.0.1:x: `x` is not a port".to_owned(),
        ),
        (
            proxy("a", "x:1", "192.0.2.1:80"),
            400,
            "the link to `a` would listen on 192.0.2.1:80, which others can reach: use 127.0.0.1"
                .to_owned(),
        ),
        (Value::Null, 400, "bad request body: EOF".to_owned()),
        (json!([]), 400, "bad request body: a list where an object belongs".to_owned()),
        (
            json!({"name": 1}),
            400,
            "bad request body: `1` where a text belongs in `name`".to_owned(),
        ),
    ];
    for (body, status, text) in cases {
        assert_eq!(
            server.ask("POST", "/proxies", body.clone()).await,
            error(status, &text),
            "{body}"
        );
    }
    let broken = server.send("POST", "/proxies", "{").await;
    assert!(broken.body.starts_with(r#"{"error":"bad request body: "#), "{broken:?}");
    assert!(broken.body.ends_with(",\"status\":400}\n"), "{broken:?}");
    assert_eq!(server.ask("GET", "/proxies", Value::Null).await.1.as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn bodies_are_read_as_go_reads_them() {
    let mut server = Server::start();
    let body = r#" {"Name": "a", "UPSTREAM": "x:1", "listen": null, "color": "red"} trailing"#;
    assert_eq!(server.send("POST", "/proxies", body).await.status, 201);
}

#[tokio::test]
async fn who_asks_for_every_address_gets_that_of_loopback() {
    let mut server = Server::start();
    for (name, listen) in
        [("a", ""), ("b", ":0"), ("c", "0.0.0.0:0"), ("d", "[::]:0"), ("e", "localhost:")]
    {
        let body = json!({"name": name, "listen": listen, "upstream": "x:1"});
        let (status, proxy) = server.ask("POST", "/proxies", body).await;
        assert_eq!(status, 201, "{proxy}");
        assert!(proxy["listen"].as_str().unwrap().starts_with("127.0.0.1:"), "{proxy}");
    }
}

#[tokio::test]
async fn populate_leaves_alone_what_does_not_differ() {
    let mut server = Server::start();
    let one = server.create("one", echo()).await;
    let two = server.create("two", echo()).await;
    let upstream = server.ask("GET", "/proxies/one", Value::Null).await.1["upstream"].clone();
    for name in ["one", "two"] {
        let toxics = format!("/proxies/{name}/toxics");
        assert_eq!(server.ask("POST", &toxics, json!({"type": "latency"})).await.0, 200);
    }
    let body = json!([
        {"name": "one", "listen": format!("localhost:{}", one.port()), "upstream": upstream, "enabled": false},
        {"name": "two", "listen": two, "upstream": "x:2", "toxics": []},
        {"name": "three", "listen": "localhost:0", "upstream": "x:3", "enabled": false},
    ]);
    let (status, answer) = server.ask("POST", "/populate", body).await;
    assert_eq!((status, answer.as_object().unwrap().len()), (201, 1));
    let seen: Vec<_> = answer["proxies"].as_array().unwrap().iter().collect();
    let facts = |it: &Value| {
        (it["name"].clone(), it["enabled"].clone(), it["toxics"].as_array().unwrap().len())
    };
    assert_eq!(facts(seen[0]), (json!("one"), json!(true), 1));
    assert_eq!(facts(seen[1]), (json!("two"), json!(true), 0));
    assert_eq!(facts(seen[2]), (json!("three"), json!(false), 0));
    assert_eq!(seen[1]["upstream"], "x:2");
}

#[tokio::test]
async fn populate_creates_nothing_of_a_list_with_a_hole_and_the_first_ones_of_one_that_fails() {
    let mut server = Server::start();
    let good = json!({"name": "one", "upstream": "x:1"});
    let (status, answer) = server.ask("POST", "/populate", json!([good, {"name": ""}])).await;
    let text = "missing required field: name at proxy 2";
    assert_eq!((status, answer), (400, json!({"error": text, "status": 400, "proxies": []})));
    assert_eq!(server.ask("GET", "/proxies", Value::Null).await.1, json!({}));
    let bad = json!({"name": "two", "upstream": "x:1", "listen": "local373"});
    let after = json!({"name": "three", "upstream": "x:1"});
    let (status, answer) = server.ask("POST", "/populate", json!([good, bad, after])).await;
    assert_eq!((status, &answer["status"]), (500, &json!(500)));
    assert_eq!(answer["proxies"].as_array().unwrap().len(), 1);
    let all = server.ask("GET", "/proxies", Value::Null).await.1;
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["one"]);
}

#[tokio::test]
async fn a_toxic_has_the_defaults_of_toxiproxy() {
    let mut server = Server::start();
    server.create("a", echo()).await;
    let cases = [
        ("latency", json!({"latency": 0, "jitter": 0})),
        ("bandwidth", json!({"rate": 0})),
        ("slow_close", json!({"delay": 0})),
        ("timeout", json!({"timeout": 0})),
        ("reset_peer", json!({"timeout": 0})),
        ("slicer", json!({"average_size": 0, "size_variation": 0, "delay": 0})),
        ("limit_data", json!({"bytes": 0})),
        ("noop", json!({})),
    ];
    for (kind, attributes) in cases {
        let toxic = json!({
            "attributes": attributes, "name": format!("{kind}_downstream"), "type": kind,
            "stream": "downstream", "toxicity": 1,
        });
        let body = json!({"type": kind, "attributes": null});
        assert_eq!(server.ask("POST", "/proxies/a/toxics", body).await, (200, toxic));
    }
    let body = json!({"type": "latency", "stream": "Upstream", "toxicity": 0.2, "attributes": {"latency": 7}});
    let answer = server.send("POST", "/proxies/a/toxics", &body.to_string()).await;
    assert_eq!(
        answer.body,
        r#"{"attributes":{"latency":7,"jitter":0},"name":"latency_Upstream","type":"latency","stream":"Upstream","toxicity":0.2}"#
    );
    let all = server.ask("GET", "/proxies/a/toxics", Value::Null).await.1;
    let names: Vec<_> = all.as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names.len(), 9);
    assert_eq!(
        names[..2],
        [json!("latency_Upstream"), json!("latency_downstream")],
        "upstream first"
    );
    let (_, shown) = server.ask("GET", "/proxies/a", Value::Null).await;
    assert_eq!(shown["toxics"], all);
}

#[tokio::test]
async fn a_toxic_is_shown_changed_and_removed() {
    let mut server = Server::start();
    let address = server.create("a", echo()).await;
    let body =
        json!({"name": "slow", "type": "latency", "attributes": {"latency": 1, "jitter": 1}});
    server.ask("POST", "/proxies/a/toxics", body).await;
    let path = "/proxies/a/toxics/slow";
    // Only what is given changes, and never its name, type or stream.
    let change = json!({"name": "x", "type": "x", "stream": "x", "attributes": {"latency": 80, "jitter": 0}});
    let (status, toxic) = server.ask("PATCH", path, change).await;
    assert_eq!((status, &toxic["attributes"]), (200, &json!({"latency": 80, "jitter": 0})));
    let (status, toxic) = server.ask("POST", path, json!({"toxicity": 0.5})).await;
    assert_eq!((status, toxic["toxicity"].clone()), (200, json!(0.5)));
    assert_eq!(toxic["attributes"], json!({"latency": 80, "jitter": 0}));
    assert_eq!(server.ask("PATCH", path, json!({"toxicity": 1})).await.0, 200);
    let mut shown = toxic;
    shown["toxicity"] = json!(1);
    assert_eq!(server.ask("GET", path, Value::Null).await, (200, shown));
    let trip = move || {
        let mut stream = connect(address);
        let clock = SystemClock::start();
        std::io::Write::write_all(&mut stream, b"x").unwrap();
        std::io::Read::read_exact(&mut stream, &mut [0]).unwrap();
        clock.now().elapsed()
    };
    assert!(blocking(trip).await >= Duration::from_millis(80));
    // What is laid stays so while the proxy does not listen.
    for enabled in [false, true] {
        server.ask("POST", "/proxies/a", json!({"enabled": enabled})).await;
    }
    assert!(blocking(trip).await >= Duration::from_millis(80));
    let removed = server.send("DELETE", path, "").await;
    assert_eq!((removed.status, removed.body.as_str()), (204, ""));
    let best = blocking(move || (0..20).map(|_| trip()).min().unwrap()).await;
    assert!(best < Duration::from_millis(40), "{best:?}");
    let gone = error(404, "toxic not found");
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        assert_eq!(server.ask(method, path, json!({})).await, gone, "{method}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_toxic_is_refused_in_the_words_of_toxiproxy() {
    let mut server = Server::start();
    server.create("a", echo()).await;
    server.ask("POST", "/proxies/a/toxics", json!({"name": "taken", "type": "noop"})).await;
    let cases = [
        (
            json!({"type": "latency", "stream": "walrustream"}),
            400,
            "stream was invalid, can be either upstream or downstream",
        ),
        (
            json!({"type": "latency", "stream": ""}),
            400,
            "stream was invalid, can be either upstream or downstream",
        ),
        (json!({"type": "walrus"}), 400, "invalid toxic type"),
        (json!({}), 400, "invalid toxic type"),
        (
            json!({"type": "latency", "name": "taken", "stream": "upstream"}),
            409,
            "toxic already exists",
        ),
        (
            json!({"type": "latency", "attributes": {"latency": "1s"}}),
            400,
            "bad request body: a text where a whole number, at least 0, belongs in `latency`",
        ),
        (
            json!({"type": "bandwidth", "attributes": {"rate": -1}}),
            400,
            "bad request body: `-1` where a whole number, at least 0, belongs in `rate`",
        ),
    ];
    for (body, status, text) in cases {
        assert_eq!(
            server.ask("POST", "/proxies/a/toxics", body.clone()).await,
            error(status, text),
            "{body}"
        );
    }
    let nobody = server.ask("POST", "/proxies/nobody/toxics", json!({})).await;
    assert_eq!(nobody, error(404, "proxy not found"));
    let path = "/proxies/a/toxics/taken";
    let wrong = server.ask("PATCH", path, json!({"toxicity": "all"})).await;
    assert_eq!(wrong, error(400, "bad request body: a text where a number belongs in `toxicity`"));
}

#[tokio::test]
async fn reset_enables_everything_and_removes_all_toxics() {
    let mut server = Server::start();
    let [a, b] = [server.create("a", echo()).await, server.create("b", echo()).await];
    server.ask("POST", "/proxies/a/toxics", json!({"type": "timeout"})).await;
    server.ask("POST", "/proxies/b/toxics", json!({"type": "timeout"})).await;
    server.ask("POST", "/proxies/b", json!({"enabled": false})).await;
    let answer = server.send("POST", "/reset", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    for (name, address) in [("a", a), ("b", b)] {
        assert!(is_up(address));
        let proxy = server.ask("GET", &format!("/proxies/{name}"), Value::Null).await.1;
        assert_eq!((&proxy["enabled"], &proxy["toxics"]), (&json!(true), &json!([])));
    }
}

#[tokio::test]
async fn a_change_that_cannot_listen_leaves_the_proxy_disabled_at_the_new_address() {
    let mut server = Server::start();
    let old = server.create("a", echo()).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let (status, _) = server.ask("POST", "/proxies/a", json!({"listen": listen})).await;
    assert_eq!(status, 500);
    let proxy = server.ask("GET", "/proxies/a", Value::Null).await.1;
    assert_eq!((&proxy["listen"], &proxy["enabled"]), (&json!(listen), &json!(false)));
    assert!(!is_up(old));
    drop(taken);
    assert_eq!(server.ask("POST", "/proxies/a", json!({"enabled": true})).await.0, 200);
}

#[tokio::test]
async fn browsers_are_turned_away_and_unknown_paths_and_methods_are_not_found() {
    let mut server = Server::start();
    let request = Request { method: "GET", path: "/proxies", agent: "Mozilla/5.0 (X)", body: b"" };
    let answer = server.0.answer(&request).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, "User agent not allowed\n"));
    let answer = server.send("GET", "/version", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"version\": \"2.12.0\"}\n"));
    assert_eq!(server.send("GET", "/nothing", "").await.body, "404 page not found\n");
    for (method, path) in [("DELETE", "/proxies"), ("PUT", "/proxies/a"), ("GET", "/reset")] {
        assert_eq!(server.send(method, path, "").await.status, 405, "{method} {path}");
    }
}

#[test]
fn everything_that_is_wrong_with_a_list_is_said_at_once() {
    let list = json!([{"name": 1}, {"upstream": "x:1"}, "x", {"name": "good", "upstream": "x:1"}]);
    let (specs, wrongs) = Spec::read_all(&list);
    assert_eq!(specs[3].name, "good");
    let wrong = |path: &str, why| Wrong { path: path.to_owned(), why };
    let unfit = |text: &str| Why::Unfit(text.to_owned());
    let expected = [
        wrong("0/name", unfit("`1` where a text belongs in `name`")),
        wrong("1/name", Why::Missing("name at proxy 2".to_owned())),
        wrong("2", unfit("a text where an object belongs")),
    ];
    assert_eq!(wrongs, expected);
}
