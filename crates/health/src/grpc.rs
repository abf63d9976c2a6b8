//! gRPC: the standard health protocol, `grpc.health.v1`, which a kubelet, load balancers and clients of gRPC speak.
//!
//! ```text
//! wire  the three messages, by hand
//! body  one answer, or a stream of them
//! ```
//!
//! [`GrpcHealth`] is a service of tower over `http::Request`, so that any server of HTTP/2 takes it: tonic, axum, hyper. It knows
//! no version of tonic, and needs no code generator.
//!
//! ```no_run
//! use evenkeel_health::{GrpcHealth, Health, Policy, check::Tcp};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let health = Health::builder()
//!     .check("database", Policy::critical(), Tcp::at("127.0.0.1:5432"))
//!     .check("index", Policy::default(), Tcp::at("127.0.0.1:9200"))
//!     .start()?;
//! let grpc = GrpcHealth::new(health)
//!     .service("shop.v1.Cart") // as ready as the whole
//!     .service_while("shop.v1.Search", ["index"])?; // while this check is up
//! let routes = axum::Router::new().route_service(GrpcHealth::ROUTE, grpc);
//! tonic::transport::Server::builder()
//!     .add_routes(routes.into()) // and `.add_service(…)` for your own
//!     .serve("0.0.0.0:50051".parse()?)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! | name | serving |
//! |---|---|
//! | `""` | while the service is ready, as `/health/ready` says |
//! | `live`, `ready`, `startup` | as the probe of that name over HTTP: `grpc: {port: 50051, service: live}` in a manifest |
//! | those of [`service`](GrpcHealth::service) | while the service is ready |
//! | those of [`service_while`](GrpcHealth::service_while) | while it runs (started, not draining, alive) and each of their checks is up |
//! | any other | `Check` ends with `NOT_FOUND`, `Watch` says `SERVICE_UNKNOWN` |
//!
//! What nobody has found out yet, or not for too long, is `UNKNOWN`; clients take it as not serving.
//!
//! When the service drains, every name says `NOT_SERVING` and there is no way back. Only `live` and `startup` stay: they are no
//! services but probes, and nobody may restart what is ending anyway. A `Watch` is a request that never ends by itself, and would
//! hold up the end of its server: it ends with `UNAVAILABLE` once the [`Drain`](crate::Drain) accepts nothing more. Not before, as
//! clients then ask again at once.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_service::Service;

use crate::Health;
use crate::Status;
use crate::board::Stand;
use crate::said::Said;

mod body;
mod wire;

pub use body::GrpcBody;

/// Longest request, in bytes: a name and what later versions may add.
const REQUEST_MAX: usize = 4_096;
/// How long a request of a few bytes may take to be whole.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most who listen at once, unless told otherwise.
const WATCHERS_MAX: usize = 1_024;

/// What is said of a service. The numbers are those of the protocol.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

/// How a call ended. The numbers are those of gRPC.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Code {
    Ok = 0,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Unavailable = 14,
}

impl Code {
    /// For people. Nothing of it comes from a request.
    const fn message(self) -> &'static str {
        match self {
            Self::Ok => "",
            Self::InvalidArgument => "the request is no HealthCheckRequest",
            Self::DeadlineExceeded => "the request did not end",
            Self::NotFound => "unknown service",
            Self::ResourceExhausted => "the request is too long, or too many watch",
            Self::Unimplemented => "grpc.health.v1 has Check, Watch and List, without compression",
            Self::Unavailable => "the service ends",
        }
    }
}

/// When a name is serving.
#[derive(Clone, Debug)]
enum Serves {
    Live,
    Ready,
    Startup,
    /// While it runs and these checks are up.
    While(Arc<[usize]>),
}

impl Serves {
    fn at(&self, stand: &Stand) -> ServingStatus {
        let verdict = stand.verdict;
        let runs = verdict.live.is_good() && verdict.startup.is_good() && !stand.is_draining;
        match self {
            Self::Live => serving(verdict.live),
            Self::Startup => serving(verdict.startup),
            Self::Ready => serving(verdict.ready),
            Self::While(_) if !runs => ServingStatus::NotServing,
            Self::While(checks) => {
                let each = checks.iter().filter_map(|it| stand.checks.get(*it).copied());
                match each.max().unwrap_or(Status::Pass) {
                    Status::Pass | Status::Warn => ServingStatus::Serving,
                    Status::Unknown => ServingStatus::Unknown,
                    Status::Fail => ServingStatus::NotServing,
                }
            }
        }
    }
}

const fn serving(said: Said) -> ServingStatus {
    match said {
        Said::ReadyUnknown => ServingStatus::Unknown,
        it if it.is_good() => ServingStatus::Serving,
        _ => ServingStatus::NotServing,
    }
}

/// Answers `grpc.health.v1`: a service of tower that never fails and is always ready. See the [module](self) for the names that
/// it knows. A clone is the same one.
#[derive(Clone, Debug)]
pub struct GrpcHealth {
    health: Health,
    names: Arc<BTreeMap<String, Serves>>,
    places: Arc<Semaphore>,
}

/// No check has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no check `{0}`: name one that the builder of `Health` was given")]
pub struct UnknownCheck(String);

impl GrpcHealth {
    /// The name of the protocol, by which servers route.
    pub const NAME: &'static str = "grpc.health.v1.Health";
    /// The path of its calls, as axum's `route_service` takes it.
    pub const ROUTE: &'static str = "/grpc.health.v1.Health/{call}";

    /// Knows `""`, `live`, `ready` and `startup`.
    pub fn new(health: Health) -> Self {
        let names = [
            ("", Serves::Ready),
            ("live", Serves::Live),
            ("ready", Serves::Ready),
            ("startup", Serves::Startup),
        ];
        let names = names.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
        Self { health, names: Arc::new(names), places: Arc::new(Semaphore::new(WATCHERS_MAX)) }
    }

    /// A service that is serving while the whole is ready.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.names).insert(name.into(), Serves::Ready);
        self
    }

    /// A service that is serving while the whole has started, is alive and does not drain, and each of these checks is up;
    /// whatever else fails.
    ///
    /// # Errors
    /// There is no check of that name.
    pub fn service_while<'a>(
        mut self,
        name: impl Into<String>,
        checks: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, UnknownCheck> {
        let position =
            |it: &str| self.health.position(it).ok_or_else(|| UnknownCheck(it.to_owned()));
        let checks = checks.into_iter().map(position).collect::<Result<_, _>>()?;
        Arc::make_mut(&mut self.names).insert(name.into(), Serves::While(checks));
        Ok(self)
    }

    /// How many may watch at once: 1,024 unless told otherwise. Each is a stream that stays open; who comes later is refused with
    /// `RESOURCE_EXHAUSTED`, and may still `Check`.
    pub fn watchers_max(mut self, watchers: usize) -> Self {
        self.places = Arc::new(Semaphore::new(watchers.min(Semaphore::MAX_PERMITS)));
        self
    }

    async fn answer<B>(self, request: Request<B>) -> Response<GrpcBody>
    where
        B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let is_grpc = |it: &HeaderValue| it.as_bytes().starts_with(b"application/grpc");
        if *request.method() != Method::POST {
            let mut response = bare(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        if !request.headers().get(CONTENT_TYPE).is_some_and(is_grpc) {
            return bare(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let (head, body) = request.into_parts();
        let call = head.uri.path().rsplit_once('/');
        let Some((_, call)) = call.filter(|it| it.0.strip_prefix('/') == Some(Self::NAME)) else {
            return failed(Code::Unimplemented);
        };
        let body = match timeout(PATIENCE, Limited::new(body, REQUEST_MAX).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return failed(Code::ResourceExhausted),
            Err(_) => return failed(Code::DeadlineExceeded),
        };
        match self.said(call, &body) {
            Ok(body) => {
                let mut response = bare(StatusCode::OK);
                response.headers_mut().insert(CONTENT_TYPE, GRPC);
                *response.body_mut() = body;
                response
            }
            Err(code) => failed(code),
        }
    }

    fn said(&self, call: &str, body: &[u8]) -> Result<GrpcBody, Code> {
        let message = wire::unframed(body).map_err(|it| match it {
            wire::Unread::Compressed => Code::Unimplemented,
            wire::Unread::Malformed => Code::InvalidArgument,
        })?;
        let named = || {
            let name = wire::service(message).map_err(|_| Code::InvalidArgument)?;
            Ok(self.names.get(name))
        };
        match call {
            "Check" => {
                let serves = named()?.ok_or(Code::NotFound)?;
                Ok(GrpcBody::one(&wire::status(serves.at(&self.health.stand()) as u8)))
            }
            "List" => {
                let stand = self.health.stand();
                let all = self.names.iter().map(|(name, it)| (name.as_str(), it.at(&stand) as u8));
                Ok(GrpcBody::one(&wire::statuses(all)))
            }
            "Watch" => {
                let serves = named()?.cloned();
                let place = Arc::clone(&self.places).try_acquire_owned();
                let place = place.map_err(|_| Code::ResourceExhausted)?;
                Ok(GrpcBody::watch(serves, self.health.stands(), place))
            }
            _ => Err(Code::Unimplemented),
        }
    }
}

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

fn bare(status: StatusCode) -> Response<GrpcBody> {
    let mut response = Response::new(GrpcBody::empty());
    *response.status_mut() = status;
    response
}

/// A call that ended before it had a message: its end is in the head.
fn failed(code: Code) -> Response<GrpcBody> {
    let mut response = bare(StatusCode::OK);
    *response.headers_mut() = body::trailers(code);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

impl<B> Service<Request<B>> for GrpcHealth
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    type Response = Response<GrpcBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// One box for each call, which is once in seconds.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answered = self.clone().answer(request);
        Box::pin(async move { Ok(answered.await) })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;

    use super::*;

    /// The status of HTTP, and that of gRPC in the head.
    async fn hears(request: Request<Full<Bytes>>) -> (u16, Option<String>) {
        let health = Health::builder().start().unwrap();
        let response = GrpcHealth::new(health).call(request).await.unwrap();
        let code = response.headers().get("grpc-status");
        let code = code.map(|it| it.to_str().unwrap().to_owned());
        assert!(code.is_none() || response.body().is_end_stream());
        (response.status().as_u16(), code)
    }

    fn call(path: &str, body: &[u8]) -> Request<Full<Bytes>> {
        let request = Request::post(path).header("content-type", "application/grpc+proto");
        request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()
    }

    const CHECK: &str = "/grpc.health.v1.Health/Check";

    #[tokio::test(start_paused = true)]
    async fn one_message_goes_out_and_then_that_all_went_well() {
        let health = Health::builder().start().unwrap();
        let answered = GrpcHealth::new(health).call(call(CHECK, &wire::framed(b""))).await.unwrap();
        assert_eq!(answered.headers()["content-type"], "application/grpc");
        let body = answered.into_body().collect().await.unwrap();
        assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(&*body.to_bytes(), [0, 0, 0, 0, 2, 8, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_call_of_ours_is_refused_in_the_words_of_grpc() {
        let framed = wire::framed;
        let failed = |code: &str| (200, Some(code.to_owned()));
        assert_eq!(hears(call("/grpc.health.v1.Health/Kill", &framed(b""))).await, failed("12"));
        assert_eq!(hears(call("/shop.v1.Cart/Check", &framed(b""))).await, failed("12"));
        assert_eq!(hears(call("/", &framed(b""))).await, failed("12"));
        assert_eq!(hears(call(CHECK, &[1, 0, 0, 0, 0])).await, failed("12"));
        assert_eq!(hears(call(CHECK, b"")).await, failed("3"));
        assert_eq!(hears(call(CHECK, &framed(b"\x0a\x05ca"))).await, failed("3"));
        assert_eq!(hears(call(CHECK, &framed(b"\x0a\x01\xff"))).await, failed("3"));
        assert_eq!(hears(call(CHECK, &framed(&[b'x'; REQUEST_MAX]))).await, failed("8"));
        let mut get = call(CHECK, b"");
        *get.method_mut() = Method::GET;
        assert_eq!(hears(get).await, (405, None));
        let mut json = call(CHECK, b"{}");
        json.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(hears(json).await, (415, None));
    }

    /// A body that never comes.
    struct Silence;

    impl Body for Silence {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_ends_is_given_up() {
        let health = Health::builder().start().unwrap();
        let begun = tokio::time::Instant::now();
        let request = call(CHECK, b"").map(|_| Silence);
        let response = GrpcHealth::new(health).call(request).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "4");
        assert_eq!(begun.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_the_service_that_is_gone() {
        let health = Health::builder().start().unwrap();
        let mut grpc = GrpcHealth::new(health);
        let watched = grpc.call(call("/grpc.health.v1.Health/Watch", &wire::framed(b""))).await;
        let mut body = watched.unwrap().into_body();
        assert!(body.frame().await.unwrap().unwrap().is_data());
        drop(grpc);
        let last = body.frame().await.unwrap().unwrap();
        assert_eq!(last.trailers_ref().unwrap()["grpc-status"], "14");
        assert!(body.frame().await.is_none());
    }
}
