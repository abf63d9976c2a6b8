//! gRPC: a health service that knows two others, and servers without one.

use bytes::Bytes;
use evenkeel_probe::Verdict;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use tokio::net::TcpListener;

use crate::stage::{ask, call};

/// Answers as a health service does: `shop` serves, `cart` does not, others are unknown; at `page` there is a page of HTTP.
async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                tokio::spawn(async move {
                    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                    assert_eq!(request.headers()["te"], "trailers");
                    let mut body = request.into_body();
                    let mut asked = Vec::new();
                    while let Some(Ok(data)) = body.data().await {
                        asked.extend_from_slice(&data);
                    }
                    let name =
                        String::from_utf8_lossy(asked.get(7..).unwrap_or_default()).into_owned();
                    let mut head = Response::builder().header(CONTENT_TYPE, "application/grpc");
                    let status: u8 = match &*name {
                        "" | "shop" => 1,
                        "cart" => 2,
                        "page" => {
                            let page = Response::builder().status(404).body(()).unwrap();
                            respond.send_response(page, true).unwrap();
                            return;
                        }
                        "busy" => {
                            head = head
                                .header("grpc-status", "14")
                                .header("grpc-message", "too%20much");
                            respond.send_response(head.body(()).unwrap(), true).unwrap();
                            return;
                        }
                        "huge" => {
                            let mut send =
                                respond.send_response(head.body(()).unwrap(), false).unwrap();
                            drop(send.send_data(Bytes::from(vec![0; 60_000]), false));
                            drop(send.send_data(Bytes::from(vec![0; 60_000]), false));
                            std::future::pending::<()>().await;
                            return;
                        }
                        _ => {
                            head = head.header("grpc-status", "5");
                            respond.send_response(head.body(()).unwrap(), true).unwrap();
                            return;
                        }
                    };
                    let mut send = respond.send_response(head.body(()).unwrap(), false).unwrap();
                    send.send_data(Bytes::from(vec![0, 0, 0, 0, 2, 8, status]), false).unwrap();
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().unwrap());
                    send.send_trailers(trailers).unwrap();
                });
            }
        });
    }
}

#[tokio::test]
async fn a_health_service_is_asked_for_a_service_by_its_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener));
    for (name, detail, serving) in [
        ("", "SERVING", "SERVING"),
        ("/shop", "SERVING", "SERVING"),
        ("/cart", "NOT_SERVING", "NOT_SERVING"),
        ("/other.Name", "it knows no service `other.Name`", "SERVICE_UNKNOWN"),
        ("/busy", "the call ended with UNAVAILABLE: too much", ""),
        ("/page", "it answers 404 of HTTP, and not as gRPC does", ""),
        ("/huge", "it says more than any health service would", ""),
    ] {
        let reading = ask(&call(&[]), &format!("{url}{name}")).await;
        assert_eq!(reading.detail, detail, "{reading:?}");
        assert_eq!(reading.verdict == Verdict::Healthy, detail == "SERVING");
        let said = reading.facts.get("serving").and_then(|it| it.as_str());
        assert_eq!(said.unwrap_or_default(), serving);
    }
}
