//! Desk: where each request finds who answers it: the API, what takes samples in, the pages.
//!
//! What takes time is worked on by a pool of threads, so many at a time; others wait for a place.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_metrics::exposition::Format;
use evenkeel_promql::Cancel;
use evenkeel_units::Clock;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::api;
use crate::api::answer::Failed;
use crate::api::asked::Asked;
use crate::door::{Packing, plain};
use crate::ingest::{BODY_MAX, Ingest};
use crate::page::{self, Pages};
use crate::server::World;

/// Bytes of the parameters of a query.
const FORM_MAX: usize = 1 << 20;
/// A body that is not whole by then never will be.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Queries that are worked on at a time; others wait within their timeout.
const QUERIES_MAX: usize = 16;
/// A body of so many bytes is read whatever else goes on.
const SMALL: usize = 1 << 20;
/// Larger bodies that are read, and all that are taken in, at a time; others wait.
const BODIES_MAX: usize = 8;

/// Where requests are answered.
pub(crate) struct Desk<C> {
    world: Arc<World<C>>,
    queries: Arc<Semaphore>,
    bodies: Semaphore,
    pages: Pages,
}

type Answer = Response<Full<Bytes>>;

impl<C: Clock + Clone + 'static> Desk<C> {
    pub(crate) fn of(world: Arc<World<C>>) -> Self {
        let (queries, bodies) = (Semaphore::new(QUERIES_MAX), Semaphore::new(BODIES_MAX));
        Self { world, queries: Arc::new(queries), bodies, pages: Pages::default() }
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let (handler, answer) = match &*path {
            "/api/v1/write" => ("write", self.take_in(request, Sent::Write).await),
            "/api/v1/otlp/v1/metrics" => ("otlp", self.take_in(request, Sent::Otlp).await),
            "/-/reload" => ("page", self.reload(&request).await),
            _ if api::is_here(&path) => ("api", self.api(request).await),
            _ if page::is_here(&path) => ("page", self.objectives(&request, &path).await),
            _ => ("page", self.page(&request, &path)),
        };
        self.world.counts.request(handler, answer.status().as_u16());
        answer
    }

    /// Objectives in a browser.
    async fn objectives(&self, request: &Request<Incoming>, path: &str) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "There is nothing here but pages to read.\n",
            );
        }
        let after = request.uri().query().and_then(|it| it.strip_prefix("after="));
        let after = after.and_then(|it| it.parse().ok()).unwrap_or(0);
        self.pages.answer(&self.world, &self.queries, path, after).await
    }

    fn page(&self, request: &Request<Incoming>, path: &str) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "There is nothing to change here.\n");
        }
        match path {
            "/-/healthy" => plain(StatusCode::OK, "Evenkeel is healthy.\n"),
            "/-/ready" => plain(StatusCode::OK, "Evenkeel is ready.\n"),
            "/metrics" => {
                let accept = request.headers().get(header::ACCEPT);
                let wants = |it: &HeaderValue| {
                    it.to_str().is_ok_and(|it| it.contains("application/openmetrics-text"))
                };
                let format =
                    if accept.is_some_and(wants) { Format::OpenMetrics } else { Format::Text };
                let World { counts, store, watch, forward, .. } = &*self.world;
                let text = counts.text(&store.statistics(), watch, forward, format);
                let packing = Packing::of(request.headers());
                packing.with(StatusCode::OK, format.content_type(), text)
            }
            _ => plain(StatusCode::NOT_FOUND, "There is no such page.\n"),
        }
    }

    /// Reads the files again.
    async fn reload(&self, request: &Request<Incoming>) -> Answer {
        if !matches!(*request.method(), Method::POST | Method::PUT) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "Send POST.\n");
        }
        match World::renewed(&self.world).await {
            Ok(()) => plain(StatusCode::OK, "The files are read.\n"),
            Err(why) => {
                let text = format!("Everything is as it was: {why}\n");
                plain(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }

    /// Answers a request of the API in a thread of its own; whoever goes away gives it up.
    async fn api(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let form = match head.method {
            Method::GET | Method::HEAD => Vec::new(),
            Method::POST => match Reading::of(body).whole(FORM_MAX).await {
                Ok(form) => form,
                Err(answer) => return answer,
            },
            _ => return plain(StatusCode::METHOD_NOT_ALLOWED, "Send GET, or POST with a form.\n"),
        };
        let asked = Asked::of(&form, head.uri.query().unwrap_or_default());
        let within = match asked.timeout() {
            Ok(within) => within,
            Err(failed) => return failed.response(),
        };
        let place = tokio::time::timeout(within, Arc::clone(&self.queries).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            let why = "too many queries are worked on: ask again later";
            return Failed::unavailable(why).response();
        };
        let packing = Packing::of(&head.headers);
        let (world, cancel) = (Arc::clone(&self.world), Cancel::default());
        let _given_up = GivenUp(cancel.clone());
        let worked = tokio::task::spawn_blocking(move || {
            let path = head.uri.path().strip_prefix("/api/v1/").unwrap_or_default();
            let answer = match api::answer(&*world, path, &asked, &cancel) {
                Ok(said) => said.response(packing),
                Err(failed) => failed.response(),
            };
            drop(place);
            answer
        });
        worked.await.unwrap_or_else(|_| Failed::internal("that went wrong here").response())
    }

    async fn take_in(&self, request: Request<Incoming>, sent: Sent) -> Answer {
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "Send POST.\n");
        }
        let (head, body) = request.into_parts();
        let mut body = Reading::of(body);
        // Small bodies of slow senders keep nobody from a place, and large ones wait before they fill the memory.
        if let Err(answer) = body.up_to(SMALL).await {
            return answer;
        }
        let Ok(_place) = self.bodies.acquire().await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "This server ends.\n");
        };
        let body = match body.whole(BODY_MAX).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let world = Arc::clone(&self.world);
        let taken = tokio::task::spawn_blocking(move || {
            let World { ingest, stored, counts, .. } = &*world;
            match sent {
                Sent::Write => ingest.write(&head.headers, &body, stored, counts),
                Sent::Otlp => Ingest::otlp(&head.headers, &body, stored, counts),
            }
        });
        let bug = || plain(StatusCode::INTERNAL_SERVER_ERROR, "That went wrong here.\n");
        taken.await.unwrap_or_else(|_| bug())
    }
}

/// By what samples come.
#[derive(Copy, Clone, Debug)]
enum Sent {
    Write,
    Otlp,
}

/// Ends a query when nobody waits for it any more.
struct GivenUp(Cancel);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A body as far as it has been read.
struct Reading {
    body: Incoming,
    read: Vec<u8>,
}

impl Reading {
    const fn of(body: Incoming) -> Self {
        Self { body, read: Vec::new() }
    }

    /// Reads on until nothing comes any more, or there are more bytes than these; says whether that is all.
    async fn up_to(&mut self, most: usize) -> Result<bool, Answer> {
        let frames = async {
            while self.read.len() <= most {
                match self.body.frame().await {
                    None => return Ok(true),
                    Some(Ok(frame)) => {
                        let data = frame.data_ref().map_or(&[][..], |it| it);
                        self.read.extend_from_slice(data);
                    }
                    Some(Err(_)) => return Err("The body is not whole.\n"),
                }
            }
            Ok(false)
        };
        match tokio::time::timeout(BODY_TIME, frames).await {
            Ok(read) => read.map_err(|why| plain(StatusCode::BAD_REQUEST, why)),
            Err(_) => Err(plain(StatusCode::REQUEST_TIMEOUT, "That took too long.\n")),
        }
    }

    /// All of it, which is no more bytes than these.
    async fn whole(mut self, most: usize) -> Result<Vec<u8>, Answer> {
        match self.up_to(most).await? {
            true => Ok(self.read),
            false => {
                let text = format!("At most {most} bytes are taken.\n");
                Err(plain(StatusCode::PAYLOAD_TOO_LARGE, text))
            }
        }
    }
}
