//! Redis: a server of the test's own, with users, TLS and a replica.

use std::process::{Command, Stdio};

use evenkeel_probe::{Call, Verdict};
use serde_json::Value;

use crate::stage::{Authority, Server, ask, call, free_port, until_healthy};

fn start(authority: &Authority, name: &str, settings: &str) -> Server {
    let folder = authority.folder.path();
    let file = folder.join(format!("{name}.conf"));
    let common = format!(
        "bind 127.0.0.1\nsave \"\"\nappendonly no\ndir {}\ndbfilename {name}.rdb\n",
        folder.display()
    );
    std::fs::write(&file, format!("{common}{settings}")).unwrap();
    let process =
        Command::new("redis-server").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    Server(process.expect("redis-server is installed by `cargo xtask test`"))
}

#[tokio::test]
async fn a_redis_answers_those_it_knows_with_its_role() {
    let authority = Authority::new();
    let (own, key) = authority.sign("localhost", 2090);
    let [port, tls, second] = [(); 3].map(|()| free_port());
    let settings = format!(
        "port {port}\ntls-port {tls}\ntls-auth-clients no\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
         requirepass s3cret\nrepl-diskless-sync-delay 0\nuser pinger on >w0rd +ping\n",
        own.display(),
        key.display(),
        authority.folder.path().join("ca.pem").display(),
    );
    let _master = start(&authority, "master", &settings);
    let call = Call { trust: authority.trust(), ..call(&[]) };
    let url = format!("redis://:s3cret@127.0.0.1:{port}/1");
    let reading = until_healthy(&call, &url).await;
    assert_eq!(reading.detail, "PONG, master");
    assert_eq!(
        (&reading.facts["role"], &reading.facts["loading"]),
        (&Value::from("master"), &Value::from(false))
    );
    assert!(reading.facts["version"].as_str().is_some_and(|it| it.contains('.')));
    for (url, detail) in [
        (format!("redis://127.0.0.1:{port}"), "NOAUTH"),
        (format!("redis://:other@127.0.0.1:{port}"), "WRONGPASS"),
        (format!("redis://pinger:w0rd@127.0.0.1:{port}"), "PONG"),
        (format!("redis://pinger:w0rd@127.0.0.1:{port}/1"), "NOPERM"),
        (format!("rediss://:s3cret@localhost:{tls}"), "PONG, master"),
        (format!("redis://:s3cret@127.0.0.1:{port}/99"), "ERR DB index"),
    ] {
        let reading = ask(&call, &url).await;
        assert!(reading.detail.starts_with(detail), "{url}: {reading:?}");
        assert_eq!(reading.verdict == Verdict::Healthy, detail.starts_with("PONG"), "{reading:?}");
        assert!(!format!("{reading:?}").contains("s3cret"));
    }
    let settings = format!("port {second}\nreplicaof 127.0.0.1 {port}\nmasterauth s3cret\n");
    let _replica = start(&authority, "replica", &settings);
    let replica = Call {
        expect: vec![
            "role=slave".parse().unwrap(),
            "link=up".parse().unwrap(),
            "lag<1m".parse().unwrap(),
        ],
        ..call
    };
    until_healthy(&replica, &format!("redis://127.0.0.1:{second}")).await;
}
