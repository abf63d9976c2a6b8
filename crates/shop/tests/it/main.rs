//! The shop through its public face: real processes, asked over HTTP.
//!
//! Every shop runs on a block of free ports and is stopped with its test. Nothing sleeps for a fixed
//! time: what takes time is polled until it is so.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod degraded;
mod shop;
mod supervised;

use hyper::StatusCode;
use serde_json::json;
use shop::Shop;

#[tokio::test]
async fn every_route_answers_as_documented() {
    for flags in [&[][..], &["--fragile"]] {
        let shop = Shop::start(flags).await;
        let (status, body) = shop.get("/products").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body["products"].as_array().unwrap().len(), 36);

        let (status, page) = shop.get("/products/7").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(page["inventory"], json!({ "available": true, "quantity": 1_000_000 }));
        assert_eq!(page["recommendations"]["source"], "live");
        assert_eq!(page["recommendations"]["products"].as_array().unwrap().len(), 4);
        assert_eq!(page["degraded"], json!([]));
        assert_eq!(shop.get("/products/999").await.0, StatusCode::NOT_FOUND);
        assert_eq!(shop.get("/products/x").await.0, StatusCode::NOT_FOUND);

        let (status, body) = shop.get("/recommendations/7").await;
        assert_eq!((status, &body["user"]), (StatusCode::OK, &json!("7")));
        assert_eq!(shop.get("/recommendations/a%2Fb").await.0, StatusCode::BAD_REQUEST);
        assert_eq!(shop.get("/nowhere").await.0, StatusCode::NOT_FOUND);

        for (wish, status) in [
            (json!({ "product": 1, "quantity": 2 }), 201),
            (json!({ "product": 1, "quantity": 1, "card": "4242424242424242" }), 201),
            (json!({ "product": 1, "quantity": 1, "card": "4000000000000002" }), 402),
            (json!({ "product": 1, "quantity": 2_000_000 }), 409),
            (json!({ "product": 1, "quantity": 0 }), 400),
            (json!({ "product": 99, "quantity": 1 }), 404),
            (json!({ "produkt": 1 }), 400),
        ] {
            let (got, body) = shop.post("/checkout", &wish).await;
            assert_eq!(got.as_u16(), status, "{flags:?} {wish} {body}");
        }
        // The refused payment gave its stock back, the sold-out wish never took any.
        assert_eq!(shop.get("/products/1").await.1["inventory"]["quantity"], 999_997);
    }
}

#[tokio::test]
async fn one_idempotency_key_buys_once() {
    let shop = Shop::start(&[]).await;
    let wish = json!({ "product": 2, "quantity": 5 });
    for _ in 0..4 {
        let (status, body) = shop.post_with_key("/checkout", &wish, "order-1").await;
        assert_eq!((status, &body["order"]), (StatusCode::CREATED, &json!("order-1")));
    }
    assert_eq!(shop.get("/products/2").await.1["inventory"]["quantity"], 999_995);
    assert_eq!(shop.get("/orders/order-1").await.1["status"], "confirmed");
}

#[tokio::test]
async fn every_process_tells_its_health_and_metrics() {
    let shop = Shop::start(&[]).await;
    shop.get("/products/3").await;
    shop.post("/checkout", &json!({ "product": 3, "quantity": 1 })).await;
    let mut ports: Vec<_> = shop.parts.values().map(|it| it.port).collect();
    ports.push(shop.port);
    assert_eq!(ports.len(), 7);
    for port in ports {
        for (path, said) in
            [("/health/live", "alive"), ("/health/ready", "ready"), ("/health/startup", "started")]
        {
            let (status, body) = shop::ask(port, "GET", path, None, None).await.unwrap();
            assert_eq!((status, &body["status"]), (StatusCode::OK, &json!(said)), "{port}{path}");
        }
        let (status, whole) = shop::ask(port, "GET", "/health", None, None).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{port} {whole}");
        let critical = if port == shop.port { "gateways" } else { "database" };
        assert_eq!(whole["checks"][critical]["status"], "healthy", "{port} {whole}");
        let text = shop::text(port, "/metrics").await;
        for family in [
            "http_requests_total{route=",
            "http_request_duration_seconds_bucket{route=",
            "process_resident_memory_bytes ",
        ] {
            assert!(text.contains(family), "{port} lacks {family}:\n{text}");
        }
    }
    let gateway = shop::text(shop.parts["gateway-1"].port, "/metrics").await;
    assert!(gateway.contains("breaker_state{dependency=\"payment\"} 0"), "{gateway}");
}
