//! What customers get when neighbours are dead, hang or fail: the difference between the two ways.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::shop::{DEAD, Shop, ask, eventually, text};

/// Long enough that an answer that comes at all would have come.
const PATIENCE: Duration = Duration::from_secs(1);

/// An address that accepts connections and never answers. The listener keeps it so.
async fn hanging() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn a_resilient_shop_answers_without_any_of_its_neighbours() {
    let via = |name: &str| format!("{name}={DEAD}");
    let (stock, pay, similar) = (via("inventory"), via("payment"), via("recommendations"));
    let shop = Shop::start(&["--via", &stock, "--via", &pay, "--via", &similar]).await;

    let (status, page) = shop.get("/products/7").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(page["name"], "spade");
    assert_eq!(page["degraded"], json!(["inventory", "recommendations"]));
    assert_eq!(
        page["inventory"],
        json!({ "available": true, "quantity": null, "message": "Stock information updating" })
    );
    assert_eq!(page["recommendations"]["source"], "category");
    assert_eq!(page["recommendations"]["products"].as_array().unwrap().len(), 4);

    let (status, body) = shop.get("/recommendations/7").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["recommendations"]["source"], "popular");

    let (status, body) = shop.post("/checkout", &json!({ "product": 1, "quantity": 1 })).await;
    assert_eq!((status, &body["status"]), (StatusCode::ACCEPTED, &json!("payment pending")));
}

#[tokio::test]
async fn a_resilient_shop_does_not_wait_for_hanging_neighbours_and_stops_asking_them() {
    let (_payment, pay) = hanging().await;
    let (_recommendations, similar) = hanging().await;
    let (pay, similar) = (format!("payment={pay}"), format!("recommendations={similar}"));
    let shop = Shop::start(&["--via", &pay, "--via", &similar]).await;
    for sample in [
        "breaker_rejections_total{dependency=\"payment\"}",
        "breaker_rejections_total{dependency=\"recommendations\"}",
    ] {
        eventually(sample, async || {
            let wish = json!({ "product": 1, "quantity": 1 });
            assert_eq!(shop.post("/checkout", &wish).await.0, StatusCode::ACCEPTED);
            let (status, page) = shop.get("/products/1").await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(page["degraded"], json!(["recommendations"]));
            shop.gateways_count(sample).await > 0.0
        })
        .await;
    }
}

#[tokio::test]
async fn a_fragile_shop_fails_with_its_neighbours() {
    let via = |name: &str| format!("{name}={DEAD}");
    let (pay, similar) = (via("payment"), via("recommendations"));
    let shop = Shop::start(&["--fragile", "--via", &pay, "--via", &similar]).await;
    let wish = json!({ "product": 1, "quantity": 1 });
    assert_eq!(shop.get("/products/1").await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(shop.get("/recommendations/7").await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(shop.post("/checkout", &wish).await.0, StatusCode::BAD_GATEWAY);
    assert_eq!(shop.get("/products").await.0, StatusCode::OK, "needs no neighbour");
}

#[tokio::test]
async fn a_hanging_neighbour_takes_every_worker_of_a_fragile_shop_and_so_every_route() {
    let (_payment, pay) = hanging().await;
    let pay = format!("payment={pay}");
    let shop = Shop::start(&["--fragile", "--workers", "1", "--via", &pay]).await;
    let wish = json!({ "product": 1, "quantity": 1 });
    let checkout = || timeout(PATIENCE, ask(shop.port, "POST", "/checkout", Some(&wish), None));
    let all = tokio::join!(checkout(), checkout(), checkout());
    assert!(all.0.is_err() && all.1.is_err() && all.2.is_err(), "nobody got an answer");
    // The clients have gone, their workers wait for ever.
    let listing = ask(shop.port, "GET", "/products", None, None);
    assert!(timeout(PATIENCE, listing).await.is_err(), "the catalogue hangs as well");
    let gateway = shop.parts["gateway-1"].port;
    let health = ask(gateway, "GET", "/health/ready", None, None).await.unwrap();
    assert_eq!(health.0, StatusCode::OK, "and health tells nothing of it");
}

#[tokio::test]
async fn a_pending_order_is_paid_once_as_soon_as_payment_is_back() {
    // Taken from the start, so that nobody else can get it, and listened on only later.
    let reserved = tokio::net::TcpSocket::new_v4().unwrap();
    reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = reserved.local_addr().unwrap();
    let shop = Shop::start(&["--via", &format!("payment={address}")]).await;
    let payment = shop.parts["payment"].port;
    let mut orders = Vec::new();
    for quantity in 1..=3 {
        let wish = json!({ "product": 5, "quantity": quantity });
        let (status, body) = shop.post("/checkout", &wish).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        orders.push((body["order"].as_str().unwrap().to_owned(), quantity));
    }
    let declined = json!({ "product": 5, "quantity": 9, "card": "declined" });
    let (_, body) = shop.post("/checkout", &declined).await;
    let declined = body["order"].as_str().unwrap().to_owned();

    let bridge = reserved.listen(64).unwrap();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = bridge.accept().await {
            let mut to = TcpStream::connect(("127.0.0.1", payment)).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
        }
    });
    let price = shop.get("/products/5").await.1["price_cents"].as_i64().unwrap();
    for (order, quantity) in &orders {
        let path = format!("/orders/{order}");
        eventually(&path, async || shop.get(&path).await.1["status"] == "confirmed").await;
        let charge = ask(payment, "GET", &format!("/charges/{order}"), None, None).await.unwrap();
        assert_eq!(charge.1["amount_cents"], price * quantity);
    }
    let path = format!("/orders/{declined}");
    eventually(&path, async || shop.get(&path).await.1["status"] == "rejected").await;
    let stock = shop.get("/products/5").await.1["inventory"]["quantity"].as_i64();
    assert_eq!(stock, Some(1_000_000 - 6), "sold once each; the declined nine are back");
}

#[tokio::test]
async fn a_stale_recommendation_is_better_than_none() {
    let shop = Shop::start(&[]).await;
    // Every gateway has to have seen the answer.
    eventually("cached everywhere", async || {
        let (_, body) = shop.get("/recommendations/9").await;
        assert_eq!(body["degraded"], json!([]));
        shop.gateways_count("http_requests_total{route=\"/recommendations/{user}\"").await >= 6.0
    })
    .await;
    shop.signal("recommendations", rustix::process::Signal::STOP);
    eventually("stale", async || {
        let (status, body) = shop.get("/recommendations/9").await;
        assert_eq!(status, StatusCode::OK);
        body["recommendations"]["source"] == "stale"
            && body["degraded"] == json!(["recommendations"])
    })
    .await;
    shop.signal("recommendations", rustix::process::Signal::CONT);
    eventually("live again", async || {
        shop.get("/recommendations/9").await.1["recommendations"]["source"] == "live"
    })
    .await;
}

#[tokio::test]
async fn misbehaviour_is_felt_by_customers_of_a_fragile_shop_and_not_of_a_resilient_one() {
    let misbehave = ["--misbehave", "inventory=fail:100%"];
    let fragile = Shop::start(&[&["--fragile"][..], &misbehave].concat()).await;
    assert_eq!(fragile.get("/products/1").await.0, StatusCode::BAD_GATEWAY);
    let inventory = fragile.parts["inventory"].port;
    let health = ask(inventory, "GET", "/health/ready", None, None).await.unwrap();
    assert_eq!(health.0, StatusCode::OK);
    let resilient = Shop::start(&misbehave).await;
    assert_eq!(resilient.get("/products/1").await.1["degraded"], json!(["inventory"]));
}

#[tokio::test]
async fn slow_and_leaking_parts_are_slow_and_leak() {
    let flags =
        ["--fragile", "--misbehave", "payment=slow:300ms", "--misbehave", "payment=leak:50MiB/s"];
    let shop = Shop::start(&flags).await;
    let begun = tokio::time::Instant::now();
    let (status, _) = shop.post("/checkout", &json!({ "product": 1, "quantity": 1 })).await;
    assert_eq!(status, StatusCode::CREATED);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let held = async || {
        let page = text(shop.parts["payment"].port, "/metrics").await;
        let line = page.lines().find(|it| it.starts_with("process_resident_memory_bytes"));
        line.unwrap().rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let at_first = held().await;
    eventually("10 MiB more", async || held().await > at_first + f64::from(10 << 20)).await;
}
