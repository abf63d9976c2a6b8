//! Balancer: spreads requests over the gateways, in the process that also supervises them.
//!
//! Watchful, it leaves failing gateways out and sends a request that got no answer, or none for too
//! long, to the next one as well, if that can do no harm: nothing was sent, or the request is safe to
//! repeat and the budget allows it. A checkout is made safe by an idempotency key, which the
//! balancer adds where the client has not. Blind, it does none of this.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_health::{Finding, Health, HealthService, Policy, Weight};
use evenkeel_resilience::balance::{self, Endpoint, Member, Outliers, Pick, Strategy};
use evenkeel_resilience::breaker::Outcome;
use evenkeel_resilience::hedge::{self, OnFailure};
use evenkeel_resilience::retry::{Idempotency, TRANSIENT, Verdict};
use evenkeel_resilience::time::now;
use evenkeel_resilience::watch::{self, Watch, Watched};
use evenkeel_resilience::{Error, Hedge, TimeLimit};
use evenkeel_units::{Clock, Ratio, SystemClock};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout};

use crate::client::{CallError, Pool, is_ready};
use crate::error::ShopError;
use crate::gateway::{IDEMPOTENCY_KEY, route_of};
use crate::metrics::{Event, Metrics};
use crate::serve::{Answers, error, probed, probes, raw};

/// A healthy gateway answers within 300 ms; after this, another one is asked as well.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long a request may take in all.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// How often gateways are asked whether they are ready, and what their answers mean.
const WATCHED: watch::Policy = watch::Policy {
    interval: Duration::from_millis(500),
    timeout: Duration::from_millis(400),
    unhealthy_threshold: 2,
    healthy_threshold: 1,
};
/// How often the balancer itself looks whether anybody is left.
const ASKED: Policy = Policy {
    weight: Weight::Critical,
    every: Duration::from_millis(200),
    timeout: Duration::from_millis(200),
    rise: 1,
    fall: 1,
    stale_after: Duration::from_secs(2),
};

/// Whether signs are heeded.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Plain round robin, whatever happens.
    Blind,
    /// Failing gateways are left out.
    Watchful,
}

impl Trust {
    /// In turn. Watchful, two failures in a row put a gateway aside for a second; when none is left all are asked: the judge
    /// is as likely to be wrong as they are, and an answer may still come.
    fn policy(self) -> balance::Policy {
        let outliers = Outliers {
            ejection: Duration::from_secs(1),
            ejection_max: Duration::from_secs(1),
            share_max: Ratio::ONE,
            ..Outliers::consecutive(2)
        };
        let outliers = (self == Self::Watchful).then_some(outliers);
        let panic = Ratio::percent(1);
        balance::Policy { outliers, panic, ..balance::Policy::of(Strategy::RoundRobin) }
    }
}

/// One of those that answer.
#[derive(Debug)]
struct Gateway {
    pool: Pool,
    watched: Mutex<Watched>,
}

/// Passes on what a gateway's health has become by what somebody found.
fn told(gateway: &Endpoint<Gateway>, find: impl FnOnce(&mut Watched) -> Option<watch::Health>) {
    let became = gateway.value().watched.lock().ok().and_then(|mut it| find(&mut it));
    if let Some(health) = became {
        gateway.set_healthy(health != watch::Health::Unhealthy);
    }
}

/// The process in front of the gateways.
#[derive(Debug)]
pub(crate) struct Balancer {
    gateways: Arc<balance::Balancer<Gateway>>,
    /// What a watchful one has.
    hedge: Option<(Hedge, Watch)>,
    health: Health,
    probes: HealthService,
    clock: SystemClock,
    metrics: Arc<Metrics>,
    /// Tells the keys of two checkouts of the same nanosecond apart.
    serial: AtomicU64,
}

impl Balancer {
    /// A balancer over gateways at these addresses, of which a watchful one asks each twice a second whether it is ready.
    pub(crate) fn new(
        addresses: impl IntoIterator<Item = String>,
        trust: Trust,
    ) -> Result<Self, ShopError> {
        let metrics = Arc::new(Metrics::default());
        let ejected = Arc::clone(&metrics);
        let gateways = balance::Balancer::try_new(trust.policy())?.listener(Arc::new(move |it| {
            if matches!(it, balance::Event::Ejected { .. } | balance::Event::Unhealthy { .. }) {
                ejected.event(Event::Ejection, "gateway");
            }
        }));
        let member = |address: String| {
            let watched = Mutex::new(Watched::new(&WATCHED));
            Member::new(address.clone(), Gateway { pool: Pool::new(address), watched })
        };
        gateways.replace(now(), addresses.into_iter().map(member))?;
        let gateways = Arc::new(gateways);
        let asked = Arc::clone(&gateways);
        let health = Health::builder()
            .check("gateways", ASKED, move || std::future::ready(found(&asked)))
            .start()?;
        let hedge = match trust {
            Trust::Blind => None,
            Trust::Watchful => Some((hedge(&metrics)?, watch(&gateways)?)),
        };
        let clock = SystemClock::start();
        let probes = probes(health.clone());
        let serial = AtomicU64::new(0);
        Ok(Self { gateways, hedge, health, probes, clock, metrics, serial })
    }

    /// Whether it has anybody to ask.
    pub(crate) const fn health(&self) -> &Health {
        &self.health
    }

    async fn forward(&self, request: Request<Full<Bytes>>) -> Response<Full<Bytes>> {
        let answered = match &self.hedge {
            None => self.forward_blindly(request).await,
            Some((hedge, _)) => {
                let answer = timeout(ANSWER_MAX, self.forward_watchfully(hedge, &request));
                answer.await.unwrap_or(Err(Error::Timeout(TimeLimit::Total)))
            }
        };
        let failed =
            |why| error(StatusCode::BAD_GATEWAY, format!("no answer from the gateways: {why}"));
        answered.map_or_else(failed, passed_back)
    }

    async fn forward_blindly(&self, request: Request<Full<Bytes>>) -> Answered {
        let pick = self.gateways.pick(None).ok_or(Error::Unavailable)?;
        Ok(pick.endpoint().value().pool.send(request).await?)
    }

    /// Asks one gateway; asks another as well when the first fails or takes suspiciously long, and
    /// takes the answer that comes first. To give up on the slow one would turn slow into failed as
    /// soon as the whole machine is busy.
    async fn forward_watchfully(&self, hedge: &Hedge, request: &Request<Full<Bytes>>) -> Answered {
        let has_key = request.headers().contains_key(IDEMPOTENCY_KEY);
        let idempotency = match Idempotency::of_method(request.method().as_str(), has_key) {
            // Our gateways bear two with one key at once: order, reservation and payment are the same.
            Idempotency::Keyed => Idempotency::Safe,
            other => other,
        };
        let tried = Mutex::default();
        hedge.call_classified(idempotency, verdict, || self.attempt(&tried, request.clone())).await
    }

    async fn attempt(&self, tried: &Tried, request: Request<Full<Bytes>>) -> Answered {
        let pick = self.untried(tried).ok_or(Error::Unavailable)?;
        let gateway = Arc::clone(pick.endpoint());
        let mut call = pin!(gateway.value().pool.send(request));
        let result = match timeout(PATIENCE, call.as_mut()).await {
            Ok(result) => {
                pick.end(Some(Outcome::from_ok(result.is_ok())));
                result
            }
            Err(_) => {
                pick.failure();
                call.await
            }
        };
        if let Err(CallError::Connect(_)) = result {
            told(&gateway, |it| it.failed(now()));
        }
        Ok(result?)
    }

    /// The next gateway in turn, other than those that this request has met; if that cannot be, the next.
    fn untried(&self, tried: &Tried) -> Option<Pick<Gateway, &balance::Balancer<Gateway>>> {
        let mut tried = tried.lock().ok()?;
        let mut pick = self.gateways.pick(None)?;
        for _ in 0..tried.len() {
            if !tried.iter().any(|it| it == pick.endpoint().name()) {
                break;
            }
            let next = self.gateways.pick(None)?;
            std::mem::replace(&mut pick, next).end(None);
        }
        tried.push(pick.endpoint().name().to_owned());
        Some(pick)
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
        if self.hedge.is_some() && head.method == Method::POST {
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
        let count = self.gateways.snapshot(now()).available;
        page.gauge("gateways_in_rotation", "Gateways that get requests.", count);
        raw(StatusCode::OK, "text/plain; version=0.0.4", page.into_text())
    }
}

/// The names of the gateways that a request has met.
type Tried = Mutex<Vec<String>>;

type Answered = Result<Response<Bytes>, Error<CallError>>;

/// Three gateways at most for one request.
fn hedge(metrics: &Arc<Metrics>) -> Result<Hedge, hedge::PolicyError> {
    let policy = hedge::Policy {
        attempts: 3,
        on_failure: OnFailure::Next,
        ..hedge::Policy::after(PATIENCE)
    };
    let metrics = Arc::clone(metrics);
    let heard = Hedge::try_new(policy)?.listener(Arc::new(move |event| match event {
        hedge::Event::Hedged { .. } => metrics.event(Event::Retry, "gateway"),
        hedge::Event::OverBudget { .. } => metrics.event(Event::RetryDenied, "gateway"),
        _ => {}
    }));
    Ok(heard)
}

fn watch(gateways: &Arc<balance::Balancer<Gateway>>) -> Result<Watch, watch::PolicyError> {
    let all = gateways.endpoints();
    let asked = all.clone();
    let ask = move |it: usize| {
        let gateway = Arc::clone(&asked[it]);
        async move { is_ready(&gateway.value().pool).await.unwrap_or(false).then_some(()).ok_or(()) }
    };
    let listening = all.clone();
    let hear = move |at, it: usize, passed| {
        told(&listening[it], |watched| watched.probed(at, passed));
    };
    Watch::start((0..all.len()).map(|it| (it, WATCHED)), ask, Arc::new(hear))
}

/// What the answer of one gateway means for asking another.
fn verdict(answer: Result<&Response<Bytes>, &Error<CallError>>) -> Verdict {
    match answer {
        Ok(_) => Verdict::Success,
        Err(Error::Inner(CallError::Connect(_))) => Verdict::Unsent { retry_after: None },
        Err(Error::Inner(CallError::Broken(_))) => TRANSIENT,
        Err(_) => Verdict::Permanent,
    }
}

/// What it means that so many of the gateways are asked.
fn found(gateways: &balance::Balancer<Gateway>) -> Finding {
    let seen = gateways.snapshot(now());
    let said = format!("{} of {} are asked", seen.available, seen.endpoints.len());
    let finding = match seen.available {
        0 => Finding::fail(said),
        it if it < seen.endpoints.len() => Finding::warn(said),
        _ => Finding::pass(),
    };
    finding.with_value(seen.available as f64, "gateways")
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
        let asked = probed(&self.probes, &request);
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
