//! The probes in a service of axum, asked over a real connection, and its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use evenkeel_health::{Drain, DrainLayer, DrainPolicy, Drained, Health, HealthService, Policy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// More bytes than two sockets hold.
const FILM: usize = 64 << 20;

/// A shop with one page, which is slow until it is told to go on, and a film.
struct Shop {
    address: SocketAddr,
    health: Health,
    drain: Drain,
    entered: Arc<Notify>,
    go: Arc<Notify>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Shop {
    async fn open() -> Self {
        let health =
            Health::builder().check("db", Policy::critical(), async || true).start().unwrap();
        health.ready().await;
        let delay = Duration::from_millis(50);
        let drain = Drain::try_new(DrainPolicy { delay, ..DrainPolicy::default() }).unwrap();
        let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (enters, goes) = (Arc::clone(&entered), Arc::clone(&go));
        let page = get(move || async move {
            enters.notify_one();
            goes.notified().await;
            "a red kettle"
        });
        let probes = HealthService::new(health.clone())
            .at("")
            .peer_by(|it| Some(it.get::<ConnectInfo<SocketAddr>>()?.0.ip()));
        let app = Router::new()
            .route("/page", page)
            .route("/film", get(async || "x".repeat(FILM)))
            .layer(DrainLayer::new(&drain))
            .nest_service("/health", probes)
            .into_make_service_with_connect_info::<SocketAddr>();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (serving, closing) = (drain.hold(), drain.closing());
        let served = tokio::spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(closing).await;
            drop(serving);
            served
        });
        Self { address, health, drain, entered, go, served }
    }

    /// What is heard until the other end closes.
    async fn hears(&self, said: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        heard
    }
}

#[tokio::test]
async fn the_probes_stand_in_a_router() {
    let shop = Shop::open().await;
    let ask = |line: &str, more: &str| {
        format!("{line} HTTP/1.1\r\nhost: a\r\n{more}connection: close\r\n\r\n")
    };
    let ready = shop.hears(&ask("GET /health/ready", "")).await;
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    assert!(ready.ends_with("\r\n\r\n{\"status\":\"ready\"}"), "{ready}");
    let head = shop.hears(&ask("HEAD /health/ready", "")).await;
    assert!(head.contains("content-length: 18\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let details = shop.hears(&ask("GET /health", "")).await;
    assert!(details.contains("\"db\""), "{details}");
    let by_proxy = shop.hears(&ask("GET /health", "x-forwarded-for: 127.0.0.1\r\n")).await;
    assert!(by_proxy.ends_with("{\"status\":\"healthy\"}"), "{by_proxy}");
    let elsewhere = shop.hears(&ask("GET /health/else", "")).await;
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "{elsewhere}");
    shop.health.drain();
    let gone = shop.hears(&ask("GET /health/ready", "")).await;
    assert!(gone.starts_with("HTTP/1.1 503 "), "{gone}");
}

#[tokio::test]
async fn what_is_under_way_is_answered_before_the_end() {
    let shop = Shop::open().await;
    let asked = shop.hears("GET /page HTTP/1.1\r\nhost: a\r\n\r\n");
    let ended = async {
        shop.entered.notified().await;
        let end = shop.drain.run(&shop.health);
        let lets_go = async {
            shop.drain.closing().await;
            shop.go.notify_one();
        };
        tokio::join!(end, lets_go).0
    };
    let (heard, drained) = tokio::join!(asked, ended);
    assert!(heard.starts_with("HTTP/1.1 200 ") && heard.ends_with("a red kettle"), "{heard}");
    assert!(heard.contains("connection: close\r\n"), "{heard}");
    assert_eq!(drained, Drained { cut_off: 0 });
    shop.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_that_is_not_written_yet_holds_up_the_end() {
    let shop = Shop::open().await;
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    stream.write_all(b"GET /film HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    // All of the body is with the server by now, and most of it not on its way.
    stream.read_exact(&mut [0; 1]).await.unwrap();
    let (drain, health) = (shop.drain.clone(), shop.health.clone());
    let end = tokio::spawn(async move { drain.run(&health).await });
    shop.drain.closing().await;
    tokio::task::yield_now().await;
    assert!(!end.is_finished());
    let mut film = Vec::new();
    stream.read_to_end(&mut film).await.unwrap();
    assert!(film.len() > FILM, "{} bytes", film.len());
    assert_eq!(end.await.unwrap(), Drained { cut_off: 0 });
}
