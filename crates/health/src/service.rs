//! Service: the probes as a service of tower, for axum, hyper and whatever else speaks of `http::Request`.
//!
//! ```text
//! HealthService  answers the probes
//! draining       DrainLayer: counts what is under way, so that the end waits for it
//! ```

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Extensions, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower_service::Service;

use crate::Health;
use crate::answer::{Endpoint, JSON, Question, Reply};

pub(crate) mod draining;

/// Answers the probes: a service of tower that never fails and is always ready.
///
/// Who may see details is said by [`Builder::details_for`](crate::Builder::details_for). A token works as it is. That somebody
/// comes over loopback is known only when you say [how to find the peer](Self::peer_by): without that, nobody does. Headers
/// are never asked who the peer is, since whoever sends a request writes them; one that a proxy has forwarded
/// (`Forwarded`, `Via`, `X-Forwarded-…`, `X-Real-IP`) comes from elsewhere, even when the proxy itself is on this host.
///
/// ```no_run
/// use std::net::SocketAddr;
/// use axum::{Router, extract::ConnectInfo};
/// use evenkeel_health::{Health, HealthService};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let health = Health::builder().start()?;
/// let probes = HealthService::new(health)
///     .at("") // `nest_service` takes the path off
///     .peer_by(|it| Some(it.get::<ConnectInfo<SocketAddr>>()?.0.ip()));
/// let app = Router::new().nest_service("/health", probes);
/// let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HealthService {
    health: Health,
    base: &'static str,
    peer: fn(&Extensions) -> Option<IpAddr>,
}

impl HealthService {
    /// Answers at `/health`, `/health/live`, `/health/ready` and `/health/startup`; elsewhere with 404.
    pub fn new(health: Health) -> Self {
        Self { health, base: "/health", peer: |_| None }
    }

    /// The path before `/live`, `/ready` and `/startup`, as this service sees it: `""` for a router that takes the path off, as
    /// axum's `nest_service` does.
    pub const fn at(mut self, base: &'static str) -> Self {
        self.base = base;
        self
    }

    /// How to find the address at the other end of the connection, as the server put it into the extensions of a request: for
    /// axum `|it| Some(it.get::<ConnectInfo<SocketAddr>>()?.0.ip())`. It must be that of the socket.
    pub const fn peer_by(mut self, peer: fn(&Extensions) -> Option<IpAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// Answers a request at once. Its body is not looked at.
    pub fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let reply = match path.strip_prefix(self.base).and_then(Endpoint::below) {
            Some(endpoint) => {
                let question = Question::of(request, (self.peer)(request.extensions()));
                self.health.reply(endpoint, &question)
            }
            None => Reply {
                status: 404,
                content_type: JSON,
                body: r#"{"error":"no such probe"}"#.into(),
            },
        };
        respond(reply, request.method())
    }
}

impl<B> Service<Request<B>> for HealthService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

fn respond(reply: Reply, method: &Method) -> Response<Full<Bytes>> {
    let body = match reply.body {
        std::borrow::Cow::Borrowed(it) => Bytes::from_static(it.as_bytes()),
        std::borrow::Cow::Owned(it) => Bytes::from(it),
    };
    let length = HeaderValue::from(body.len());
    let is_head = *method == Method::HEAD;
    let mut response = Response::new(Full::new(if is_head { Bytes::new() } else { body }));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Said here and not left to the server, which cannot know it of a body that is not sent.
    headers.insert(CONTENT_LENGTH, length);
    if reply.status == 405 {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::{Access, Policy};

    /// What the service sees of the other end in these tests.
    #[derive(Clone, Copy)]
    struct Peer(IpAddr);

    fn request(method: &str, uri: &str) -> Request<()> {
        Request::builder().method(method).uri(uri).body(()).unwrap()
    }

    fn from(peer: &str, uri: &str) -> Request<()> {
        let mut request = request("GET", uri);
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        request
    }

    async fn hears(service: &HealthService, request: &Request<()>) -> (u16, String) {
        let response = service.answer(request);
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn service() -> HealthService {
        let health =
            Health::builder().check("db", Policy::critical(), async || true).start().unwrap();
        health.ready().await;
        HealthService::new(health).peer_by(|it| it.get::<Peer>().map(|it| it.0))
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_gets_its_word_and_nobody_may_keep_it() {
        let response = service().await.answer(&request("GET", "/health/ready?x=1"));
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(header("content-length"), "18");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&*body, br#"{"status":"ready"}"#);
    }

    #[tokio::test(start_paused = true)]
    async fn it_stands_where_it_is_put() {
        let service = service().await;
        assert_eq!(hears(&service, &request("GET", "/ready")).await.0, 404);
        let nested = service.clone().at("");
        for path in ["/", "/live", "/ready", "/startup"] {
            assert_eq!(hears(&nested, &request("GET", path)).await.0, 200, "{path}");
        }
        assert_eq!(hears(&nested, &request("GET", "/health/ready")).await.0, 404);
        let inner = service.at("/internal");
        assert_eq!(hears(&inner, &request("GET", "/internal/ready")).await.0, 200);
        assert_eq!(hears(&inner, &request("GET", "/internalready")).await.0, 404);
    }

    #[tokio::test(start_paused = true)]
    async fn head_hears_the_length_and_no_body_and_a_post_what_it_may_do() {
        let service = service().await;
        let head = service.answer(&request("HEAD", "/health/ready"));
        assert_eq!(head.headers()["content-length"], "18");
        assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
        let post = service.answer(&request("POST", "/health/ready"));
        assert_eq!(
            (post.status().as_u16(), &post.headers()["allow"]),
            (405, &"GET, HEAD".parse().unwrap())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_socket_says_who_comes_over_loopback() {
        let service = service().await;
        assert!(hears(&service, &from("127.0.0.1", "/health")).await.1.contains("db"));
        assert!(hears(&service, &from("::1", "/health/ready?verbose")).await.1.contains("db"));
        let stranger = (200, r#"{"status":"healthy"}"#.to_owned());
        assert_eq!(hears(&service, &from("10.0.0.7", "/health")).await, stranger);
        for header in ["forwarded", "via", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"] {
            let mut claims = from("10.0.0.7", "/health");
            claims.headers_mut().insert(header, HeaderValue::from_static("127.0.0.1"));
            assert_eq!(hears(&service, &claims).await, stranger, "{header}");
            let mut by_proxy = from("127.0.0.1", "/health");
            by_proxy.headers_mut().insert(header, HeaderValue::from_static("10.0.0.7"));
            assert_eq!(hears(&service, &by_proxy).await, stranger, "{header}");
        }
        // Nobody said how to find the peer.
        let blind = HealthService::new(service.health.clone());
        assert_eq!(hears(&blind, &from("127.0.0.1", "/health")).await, stranger);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_opens_the_details_from_anywhere() {
        let health = Health::builder()
            .check("db", Policy::critical(), async || true)
            .details_for(Access::by_token("s3cret"))
            .start()
            .unwrap();
        let service = HealthService::new(health);
        let mut asked = request("GET", "/health");
        assert!(!hears(&service, &asked).await.1.contains("db"));
        let token = HeaderValue::from_static("Bearer s3cret");
        asked.headers_mut().insert(AUTHORIZATION, token);
        assert!(hears(&service, &asked).await.1.contains("db"));
        // Bytes that are no text are no token, and no end of us either.
        let odd = HeaderValue::from_bytes(b"Bearer \xff").unwrap();
        asked.headers_mut().insert(AUTHORIZATION, odd);
        assert!(!hears(&service, &asked).await.1.contains("db"));
    }
}
