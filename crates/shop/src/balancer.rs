//! Balancer: spreads requests over the gateways, in the process that also supervises them.
//!
//! Watchful, it leaves failing gateways out and sends a request that got no answer, or none for too
//! long, to the next one as well, if that can do no harm: nothing was sent, or the request is safe to
//! repeat and the retry budget allows it. A checkout is made safe by an idempotency key, which the
//! balancer adds where the client has not. Blind, it does none of this.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_health::{BuildError, Finding, Health, Policy, Weight};
use evenkeel_resilience::RetryBudget;
use evenkeel_resilience::retry::BudgetPolicy;
use evenkeel_units::{Clock, SystemClock};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::client::{CallError, Pool, is_ready};
use crate::gateway::{IDEMPOTENCY_KEY, route_of};
use crate::metrics::{Event, Metrics};
use crate::rotation::{Rotation, Sign, Trust};
use crate::serve::{Answers, error, health, raw};

/// A healthy gateway answers within 300 ms; after this, another one is asked as well.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long a request may take in all.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// How often gateways are asked whether they are ready, and how long they may think about it.
const CHECK_EVERY: Duration = Duration::from_millis(500);
const CHECK_MAX: Duration = Duration::from_millis(400);
/// How often the balancer itself looks whether anybody is left.
const ASKED: Policy = Policy {
    weight: Weight::Critical,
    every: Duration::from_millis(200),
    timeout: Duration::from_millis(200),
    rise: 1,
    fall: 1,
    stale_after: Duration::from_secs(2),
};

/// The process in front of the gateways.
#[derive(Debug)]
pub(crate) struct Balancer {
    gateways: Vec<Pool>,
    trust: Trust,
    rotation: Arc<Mutex<Rotation>>,
    health: Health,
    budget: RetryBudget,
    clock: SystemClock,
    metrics: Metrics,
    /// Tells the keys of two checkouts of the same nanosecond apart.
    serial: AtomicU64,
}

impl Balancer {
    /// A balancer over gateways at these addresses.
    pub(crate) fn new(
        addresses: impl IntoIterator<Item = String>,
        trust: Trust,
    ) -> Result<Self, BuildError> {
        let gateways: Vec<_> = addresses.into_iter().map(Pool::new).collect();
        let rotation = Arc::new(Mutex::new(Rotation::new(gateways.len(), trust)));
        let all = gateways.len();
        let asked = Arc::clone(&rotation);
        let health = Health::builder()
            .check("gateways", ASKED, move || std::future::ready(found(in_rotation(&asked), all)))
            .start()?;
        Ok(Self {
            rotation,
            health,
            budget: RetryBudget::new(BudgetPolicy::default()),
            gateways,
            trust,
            clock: SystemClock::start(),
            metrics: Metrics::default(),
            serial: AtomicU64::new(0),
        })
    }

    /// Whether it has anybody to ask.
    pub(crate) const fn health(&self) -> &Health {
        &self.health
    }

    /// Asks every gateway twice a second whether it is ready, for ever.
    pub(crate) async fn watch(self: Arc<Self>) {
        if self.trust == Trust::Blind {
            return std::future::pending().await;
        }
        let mut checks = JoinSet::new();
        for instance in 0..self.gateways.len() {
            checks.spawn(Arc::clone(&self).watch_one(instance));
        }
        while checks.join_next().await.is_some() {}
    }

    async fn watch_one(self: Arc<Self>, instance: usize) {
        let mut tick = tokio::time::interval(CHECK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let check = timeout(CHECK_MAX, is_ready(&self.gateways[instance])).await;
            let sign = match check {
                Ok(Ok(true)) => Sign::Answered,
                Ok(Err(CallError::Connect(_))) => Sign::Refused,
                Ok(Ok(false) | Err(CallError::Broken(_))) | Err(_) => Sign::Failed,
            };
            self.note(|rotation| rotation.check_went(instance, sign));
        }
    }

    fn note(&self, tell: impl FnOnce(&mut Rotation) -> bool) {
        if self.rotation.lock().is_ok_and(|mut rotation| tell(&mut rotation)) {
            self.metrics.event(Event::Ejection, "gateway");
        }
    }

    async fn forward(self: &Arc<Self>, request: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
        let answered = match self.trust {
            Trust::Blind => self.forward_blindly(request).await,
            Trust::Watchful => match timeout(ANSWER_MAX, self.forward_watchfully(request)).await {
                Ok(answered) => answered,
                Err(_) => Err("no answer in time".to_owned()),
            },
        };
        let failed =
            |why| error(StatusCode::BAD_GATEWAY, format!("no answer from the gateways: {why}"));
        answered.map_or_else(failed, passed_back)
    }

    async fn forward_blindly(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, String> {
        let chosen = self.rotation.lock().ok().and_then(|mut it| it.pick(&[]));
        let instance = chosen.ok_or("there are none")?;
        self.gateways[instance].send(request).await.map_err(|it| it.to_string())
    }

    /// Asks one gateway; asks another as well when the first fails or takes suspiciously long, and
    /// takes the answer that comes first. To give up on the slow one would turn slow into failed as
    /// soon as the whole machine is busy.
    async fn forward_watchfully(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, String> {
        self.budget.deposit();
        let mut tried = Vec::new();
        let mut under_way = JoinSet::new();
        let mut last = String::from("there are none");
        let mut goes_on = true;
        loop {
            let next = || self.rotation.lock().ok().and_then(|mut it| it.pick(&tried));
            if let Some(instance) = goes_on.then(next).flatten() {
                tried.push(instance);
                under_way.spawn(Arc::clone(self).attempt(instance, request.clone()));
            }
            let waits = tokio::time::sleep(PATIENCE);
            goes_on = tokio::select! {
                ended = under_way.join_next() => match ended {
                    Some(Ok(Ok(answer))) => return Ok(answer),
                    Some(Ok(Err(failure))) => {
                        last = failure.to_string();
                        // Nothing was sent: another try can do no harm and costs the gateways nothing.
                        matches!(failure, CallError::Connect(_)) || self.may_repeat(&request)
                    }
                    Some(Err(_)) => false,
                    None => return Err(last),
                },
                () = waits, if tried.len() < self.gateways.len() => self.may_repeat(&request),
            };
        }
    }

    async fn attempt(
        self: Arc<Self>,
        instance: usize,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, CallError> {
        let mut call = pin!(self.gateways[instance].send(request));
        let result = match timeout(PATIENCE, call.as_mut()).await {
            Ok(result) => result,
            Err(_) => {
                self.note(|rotation| rotation.request_went(instance, Sign::Failed));
                call.await
            }
        };
        let sign = match &result {
            Ok(_) => Sign::Answered,
            Err(CallError::Connect(_)) => Sign::Refused,
            Err(CallError::Broken(_)) => Sign::Failed,
        };
        self.note(|rotation| rotation.request_went(instance, sign));
        result
    }

    /// Whether a request that may have been acted on is sent once more.
    fn may_repeat(&self, request: &Request<Full<Bytes>>) -> bool {
        let repeatable = matches!(*request.method(), Method::GET | Method::HEAD)
            || request.headers().contains_key(IDEMPOTENCY_KEY);
        let repeats = repeatable && self.budget.withdraw(self.clock.now());
        if repeats {
            self.metrics.event(Event::Retry, "gateway");
        }
        repeats
    }

    fn passed_on(&self, request: Request<Bytes>) -> Request<Full<Bytes>> {
        let (mut head, body) = request.into_parts();
        // Everything else is about the connection to us, or means nothing to a gateway.
        let mut headers = HeaderMap::new();
        let key = HeaderName::from_static(IDEMPOTENCY_KEY);
        for name in [CONTENT_TYPE, key.clone()] {
            if let Some(value) = head.headers.remove(&name) {
                headers.insert(name, value);
            }
        }
        if self.trust == Trust::Watchful && head.method == Method::POST {
            let serial = self.serial.fetch_add(1, Ordering::Relaxed);
            let fresh = format!("{:x}-b{serial:x}", self.clock.wall().as_nanosecond());
            if let (false, Ok(value)) = (headers.contains_key(&key), HeaderValue::from_str(&fresh))
            {
                headers.insert(key, value);
            }
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = head.method;
        let target = head.uri.path_and_query().map_or("/", |it| it.as_str());
        *request.uri_mut() = target.parse().unwrap_or_default();
        *request.headers_mut() = headers;
        request
    }

    fn page(&self) -> Response<Full<Bytes>> {
        let mut page = self.metrics.page();
        let count = in_rotation(&self.rotation);
        page.gauge("gateways_in_rotation", "Gateways that get requests.", count);
        raw(StatusCode::OK, "text/plain; version=0.0.4", page.into_text())
    }
}

/// Gateways that are in.
fn in_rotation(rotation: &Mutex<Rotation>) -> usize {
    rotation.lock().map_or(0, |it| it.in_count())
}

/// What it means that so many of the gateways are in.
fn found(count: usize, all: usize) -> Finding {
    let said = format!("{count} of {all} are asked");
    let finding = match count {
        0 => Finding::fail(said),
        _ if count < all => Finding::warn(said),
        _ => Finding::pass(),
    };
    finding.with_value(count as f64, "gateways")
}

/// An answer without what was about the connection to the gateway.
fn passed_back(answer: Response<Bytes>) -> Response<Full<Bytes>> {
    let (mut head, body) = answer.into_parts();
    let content_type = head.headers.remove(CONTENT_TYPE);
    head.headers = content_type.map(|it| (CONTENT_TYPE, it)).into_iter().collect();
    Response::from_parts(head, Full::new(body))
}

impl Answers for Balancer {
    async fn answer(self: &Arc<Self>, request: Request<Bytes>) -> Response<Full<Bytes>> {
        let begun = Instant::now();
        let method = request.method().clone();
        let asked = health(&self.health, &request);
        let (route, response) = match request.uri().path() {
            _ if let Some(response) = asked => ("/health", response),
            "/metrics" => ("/metrics", self.page()),
            path => {
                let route = route_of(path);
                (route, self.forward(self.passed_on(request)).await)
            }
        };
        self.metrics.request(route, &method, response.status(), begun.elapsed());
        response
    }
}
