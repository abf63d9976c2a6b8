//! The answering end of HTTP: accepts on loopback, reads whole small requests, ends when its drain says so.

use std::convert::Infallible;
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_health::{Drain, Endpoint, Health, HealthService, UnderWay};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Requests larger than this are refused; a checkout has a hundred bytes.
const REQUEST_MAX: usize = 64 << 10;

/// What answers requests.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Answers one request, whose body has been read.
    fn answer(
        self: &Arc<Self>,
        request: Request<Bytes>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Serves until the drain closes, then lets requests under way finish for as long as it allows.
pub(crate) async fn serve(listener: TcpListener, service: Arc<impl Answers>, drain: &Drain) {
    let mut connections = JoinSet::new();
    let mut closing = pin!(drain.closing());
    loop {
        // Held before anybody is there: the end may come before the task of a connection has its first turn.
        let under_way = drain.hold();
        tokio::select! {
            biased;
            () = &mut closing => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (service, closing) = (Arc::clone(&service), drain.closing());
                    connections.spawn(connection(stream, service, closing, under_way));
                }
                // Out of file descriptors, most likely: give some back before asking again.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    // Whoever is not finished by then is cut off with its connection.
    drain.finished().await;
}

/// Under way until the last byte is written; one that was answered and is idle ends as soon as the drain closes.
async fn connection(
    stream: TcpStream,
    service: Arc<impl Answers>,
    closing: impl Future<Output = ()>,
    _under_way: UnderWay,
) {
    stream.set_nodelay(true).unwrap_or_default();
    // Hyper hangs up on whom it has not heard yet when it is to end; but who was accepted has a question on its way.
    stream.peek(&mut [0]).await.unwrap_or_default();
    let exchange = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(exchange(&service, request).await) }
    });
    let mut connection =
        pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), exchange));
    tokio::select! {
        biased;
        // A connection that breaks has told its caller already.
        _ = connection.as_mut() => return,
        () = closing => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await.unwrap_or_default();
}

async fn exchange(
    service: &Arc<impl Answers>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    match Limited::new(body, REQUEST_MAX).collect().await {
        Ok(body) => service.answer(Request::from_parts(head, body.to_bytes())).await,
        Err(_) => error(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 64 KiB"),
    }
}

/// The probes of a service. Everything listens on loopback, so whoever asks comes from there, unless a proxy passed it on.
pub(crate) fn probes(health: Health) -> HealthService {
    HealthService::new(health).peer_by(|_| Some(Ipv4Addr::LOCALHOST.into()))
}

/// What the probes answer, if it is they who are asked.
pub(crate) fn probed(
    probes: &HealthService,
    request: &Request<Bytes>,
) -> Option<Response<Full<Bytes>>> {
    Endpoint::at(request.uri().path()).map(|_| probes.answer(request))
}

/// An answer in JSON.
pub(crate) fn reply(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    raw(status, "application/json", body.to_string())
}

/// An answer that says what is wrong, in JSON.
pub(crate) fn error(status: StatusCode, what: impl Into<String>) -> Response<Full<Bytes>> {
    reply(status, &json!({ "error": what.into() }))
}

/// An answer as it stands.
pub(crate) fn raw(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use evenkeel_health::DrainPolicy;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Hello;

    impl Answers for Hello {
        async fn answer(self: &Arc<Self>, _: Request<Bytes>) -> Response<Full<Bytes>> {
            raw(StatusCode::OK, "text/plain", "hello")
        }
    }

    const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    async fn answer(stream: &mut TcpStream) -> String {
        let mut heard = String::new();
        while !heard.ends_with("hello") {
            let mut part = [0; 1_024];
            match stream.read(&mut part).await.unwrap() {
                0 => break,
                read => heard.push_str(str::from_utf8(&part[..read]).unwrap()),
            }
        }
        heard
    }

    #[tokio::test]
    async fn who_was_accepted_is_answered_though_the_end_has_come_meanwhile() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = Health::builder().start().unwrap();
        let drain = Drain::try_new(DrainPolicy { delay: Duration::ZERO, ..DrainPolicy::default() })
            .unwrap();
        let ours = drain.clone();
        let served = tokio::spawn(async move { serve(listener, Arc::new(Hello), &ours).await });
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut late = TcpStream::connect(address).await.unwrap();
        // By the time that the first has had several answers the second was accepted.
        for _ in 0..5 {
            idle.write_all(QUESTION).await.unwrap();
            assert!(answer(&mut idle).await.starts_with("HTTP/1.1 200 "));
        }
        let asks = async {
            drain.closing().await;
            assert_eq!(answer(&mut idle).await, "", "it has no question, and is let go");
            late.write_all(QUESTION).await.unwrap();
            answer(&mut late).await
        };
        let (drained, heard) = tokio::join!(drain.run(&health), asks);
        assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
        assert_eq!(drained.cut_off, 0);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_a_proxy_passed_on_sees_no_details() {
        let health = Health::builder()
            .check("database", evenkeel_health::Policy::critical(), async || true)
            .start()
            .unwrap();
        health.ready().await;
        let probes = probes(health);
        let says = async |request: hyper::http::request::Builder| {
            let answer = probed(&probes, &request.body(Bytes::new()).unwrap()).unwrap();
            answer.into_body().collect().await.unwrap().to_bytes()
        };
        let asked = || Request::get("/health");
        assert!(says(asked()).await.len() > 100);
        assert_eq!(says(asked().header("x-real-ip", "10.0.0.7")).await, r#"{"status":"healthy"}"#);
        assert!(probed(&probes, &Request::get("/products").body(Bytes::new()).unwrap()).is_none());
    }
}
