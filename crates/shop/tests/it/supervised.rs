//! Processes that die, and what is left when the shop ends in one way or another.

use std::time::Duration;

use hyper::StatusCode;
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpListener;

use crate::shop::{Shop, ask, command, eventually, runs, send_signal};

#[tokio::test]
async fn a_killed_gateway_is_not_noticed_by_customers_and_comes_back_on_its_port() {
    let mut shop = Shop::start(&[]).await;
    let before = shop.parts["gateway-2"].clone();
    shop.signal("gateway-2", Signal::KILL);
    for _ in 0..40 {
        assert_eq!(shop.get("/products/1").await.0, StatusCode::OK);
        let (status, _) = shop.post("/checkout", &json!({ "product": 1, "quantity": 1 })).await;
        assert_eq!(status, StatusCode::CREATED);
    }
    while !shop.hear().await.starts_with("gateway-2 ") {}
    let after = shop.parts["gateway-2"].clone();
    assert_eq!(after.port, before.port);
    assert_ne!(after.pid, before.pid);
    eventually("ready again", async || {
        let health = ask(after.port, "GET", "/health/ready", None, None).await;
        health.is_some_and(|it| it.0 == StatusCode::OK)
    })
    .await;
    let all = async || shop.get("/health").await.1["checks"]["gateways"]["value"] == 3.0;
    eventually("in rotation again", all).await;
    let stock = shop.get("/products/1").await.1["inventory"]["quantity"].as_i64();
    assert_eq!(stock, Some(1_000_000 - 40), "every checkout bought once");
}

#[tokio::test]
async fn a_fragile_balancer_goes_on_asking_a_dead_gateway() {
    let shop = Shop::start(&["--fragile"]).await;
    shop.signal("gateway-2", Signal::KILL);
    eventually("a failure is passed on", async || {
        shop.get("/products").await.0 == StatusCode::BAD_GATEWAY
    })
    .await;
    assert_eq!(shop.get("/products").await.0, StatusCode::OK);
    assert_eq!(shop.get("/products").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_killed_supervisor_leaves_no_part_not_even_a_paused_one_nor_its_data() {
    let mut shop = Shop::start(&[]).await;
    let pids: Vec<_> = shop.parts.values().map(|it| it.pid).collect();
    let arguments = std::fs::read_to_string(format!("/proc/{}/cmdline", pids[0])).unwrap();
    let mut arguments = arguments.split('\0').skip_while(|it| *it != "--data");
    let data = std::path::PathBuf::from(arguments.nth(1).unwrap());
    assert!(data.exists() && pids.iter().all(|it| runs(*it)));
    shop.signal("payment", Signal::STOP);
    shop.child.kill().await.unwrap();
    let gone = eventually("all parts gone", async || !pids.iter().any(|it| runs(*it)));
    assert!(tokio::time::timeout(Duration::from_secs(5), gone).await.is_ok());
    eventually("its temporary data gone", async || !data.exists()).await;
}

#[tokio::test]
async fn the_shop_ends_well_on_a_signal_or_when_its_input_is_closed() {
    for by_signal in [true, false] {
        let mut shop = Shop::start(&["--until-stdin-closes"]).await;
        let pids: Vec<_> = shop.parts.values().map(|it| it.pid).collect();
        match by_signal {
            true => send_signal(shop.child.id().unwrap(), Signal::TERM),
            false => drop(shop.child.stdin.take()),
        }
        assert!(shop.child.wait().await.unwrap().success());
        assert!(!pids.iter().any(|it| runs(*it)));
    }
}

#[tokio::test]
async fn a_part_told_to_end_by_hand_is_started_again() {
    let mut shop = Shop::start(&[]).await;
    shop.signal("inventory", Signal::TERM);
    while !shop.hear().await.starts_with("inventory ") {}
    eventually("stock is known again", async || {
        shop.get("/products/1").await.1["degraded"] == json!([])
    })
    .await;
}

#[tokio::test]
async fn data_in_a_named_folder_outlives_the_shop() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut shop = Shop::start(&["--data", data]).await;
    shop.post("/checkout", &json!({ "product": 1, "quantity": 7 })).await;
    send_signal(shop.child.id().unwrap(), Signal::TERM);
    assert!(shop.child.wait().await.unwrap().success());
    let shop = Shop::start(&["--data", data]).await;
    assert_eq!(shop.get("/products/1").await.1["inventory"]["quantity"], 999_993);
}

#[tokio::test]
async fn a_taken_port_and_a_bad_flag_are_errors_that_name_the_fix() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (flags, fix) in [
        (["--port", port.as_str()], format!("port {port} for the balancer is taken")),
        (["--port", port.as_str()], "`--port 0`".to_owned()),
        (["--misbehave", "payment=slow:300"], "`300ms`".to_owned()),
        (["--misbehave", "payment=asleep"], "`slow:300ms`".to_owned()),
        (["--via", "payment=9000"], "`payment=127.0.0.1:9000`".to_owned()),
    ] {
        let output = command(&flags).stderr(std::process::Stdio::piped()).output().await.unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(&fix), "{message}");
    }
}
