//! Idempotency store: what is asked for twice is done once, on the side of the server.
//!
//! ```text
//!  request with a key ──▶ unknown ──────────▶ run it ──▶ answered ──▶ kept for `ttl`
//!                    │                         │ failed, dropped, panicked: the key is free again
//!                    ├──▶ answered before ───▶ the same answer again
//!                    ├──▶ under way ─────────▶ wait for its answer, or 409
//!                    └──▶ of another payload ▶ 422
//! ```
//!
//! A client that got no answer cannot know whether its order was taken. It sends it again with the same key, which it made before
//! the first attempt ([`retry::Key`](crate::retry::Key)), and gets what the first attempt was answered.
//!
//! **When to use it.** Before whatever must not happen twice and is not so by nature: payments, orders, messages. PUT and DELETE need
//! none, nor does what is stored under an identifier that the client chose.
//!
//! **When not.** This store is in the memory of one process. It knows nothing after a restart, and nothing of what another instance did:
//! behind a balancer, requests with one key have to reach one instance (consistent hashing by the key). Where money depends on it, the key
//! belongs into the transaction that does the work, under a unique index, and this store in front of that, to spare it the rest.
//!
//! ```
//! use std::sync::Arc;
//! use evenkeel_resilience::{Error, idempotency::{NoAnswer, Policy, Store}};
//!
//! # #[cfg(feature = "tower")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let orders: Arc<Store<String, Vec<u8>, u32>> = Arc::new(Store::try_new(Policy::default())?);
//! let key = || "alice/8e03978e".to_owned();
//! let order = |payload: &str, number| {
//!     orders.call(key(), payload.into(), move || async move { Ok::<_, Error<()>>(number) })
//! };
//!
//! assert_eq!(order("one kettle", 1).await.map(|it| (it.answer, it.is_replay)), Ok((1, false)));
//! assert_eq!(order("one kettle", 2).await.map(|it| (it.answer, it.is_replay)), Ok((1, true)));
//! assert_eq!(order("two kettles", 3).await, Err(NoAnswer::OtherRequest));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tower"))]
//! # fn main() {}
//! ```
//!
//! **Keys.** They are chosen by clients: put who asks in front of each, so that nobody is answered what another was, and bound their
//! length ([`key`] reads the header and does). The fingerprint says what was asked for under the key: the payload itself, or a digest of
//! it that nobody can forge.
//!
//! **What is kept.** Answers, whatever they say, but not errors: a call that failed may be tried again, under the same key. Where failures
//! are answers too, as responses of HTTP are, [`call_judged`](Store::call_judged) takes a rule; let it refuse what
//! [is worth a retry](crate::retry::Verdict::of_status).
//!
//! **When it is full.** It refuses new keys (503) rather than forget an answer before its time: what is forgotten is done twice. So
//! give it room for as many requests as come within `ttl`, and a rate limit for each client.
//!
//! **A call that is cut off**, as by a client that hangs up, has its key free again, whatever it had done by then. What must not end in
//! the middle belongs into a task of its own.
//!
//! **As a middleware.** Around a service of tower whose requests and answers are values, it is a [layer](crate::layer::IdempotencyLayer). Where
//! they are streams, as bodies of HTTP, what makes two requests the same, and what is kept of an answer, are for their owner to say. In axum, this
//! reads the whole of both:
//!
//! ```
//! use std::sync::Arc;
//! use axum::body::{Body, Bytes, to_bytes};
//! use axum::extract::{Request, State};
//! use axum::http::StatusCode;
//! use axum::middleware::Next;
//! use evenkeel_resilience::retry::{IDEMPOTENCY_KEY, is_transient_status};
//! use evenkeel_resilience::{Error, idempotency};
//!
//! type Orders = Arc<idempotency::Store<String, Bytes, (StatusCode, Bytes)>>;
//!
//! /// For `axum::middleware::from_fn_with_state`.
//! async fn once(State(orders): State<Orders>, request: Request, next: Next) -> Result<(StatusCode, Bytes), StatusCode> {
//!     let (head, body) = request.into_parts();
//!     let key = head.headers.get(IDEMPOTENCY_KEY).and_then(|it| it.to_str().ok()).unwrap_or_default();
//!     let key = idempotency::key(key).map_err(|_| StatusCode::BAD_REQUEST)?;
//!     // In front of the key belongs who asks, too.
//!     let key = format!("{} {} {key}", head.method, head.uri.path());
//!     let body = to_bytes(body, 65_536).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
//!     let run = {
//!         let body = Body::from(body.clone());
//!         || async {
//!             let (head, body) = next.run(Request::from_parts(head, body)).await.into_parts();
//!             Ok::<_, Error<axum::Error>>((head.status, to_bytes(body, 65_536).await?))
//!         }
//!     };
//!     let stands = |answer: &(StatusCode, Bytes)| !is_transient_status(answer.0.as_u16());
//!     let answered = orders.call_judged(key, body, run, stands).await;
//!     answered.map(|it| it.answer).map_err(|why| {
//!         why.status().and_then(|it| StatusCode::from_u16(it).ok()).unwrap_or(StatusCode::BAD_GATEWAY)
//!     })
//! }
//! # fn app() -> axum::Router {
//! # let orders = Arc::new(idempotency::Store::try_new(Default::default()).unwrap());
//! # let orders = axum::middleware::from_fn_with_state(orders, once);
//! # axum::Router::new().route("/orders", axum::routing::post(async || "a kettle")).layer(orders)
//! # }
//! # use tower::ServiceExt as _;
//! # let order = |key| Request::post("/orders").header(IDEMPOTENCY_KEY, key).body(Body::empty()).unwrap();
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! # assert_eq!(app().oneshot(order("7")).await.unwrap().status(), 200);
//! # assert_eq!(app().oneshot(order("")).await.unwrap().status(), 400);
//! # });
//! ```
//!
//! Source: IETF draft "The Idempotency-Key HTTP Header Field" (draft-ietf-httpapi-idempotency-key-header-07, 2025), whose status codes
//! [`NoAnswer::status`] gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::Moment;

use crate::flight::Flight;
use crate::sync::{Mutex, MutexGuard, locked};

#[cfg(feature = "tower")]
mod call;
mod header;
mod lease;

#[cfg(feature = "tower")]
pub use call::{Answer, Answering, NoAnswer};
pub use header::{KeyError, key};
pub use lease::{Follower, Lease, Outcome};

/// How many answers are kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policy {
    /// Keys, those included whose request is under way. Not 0.
    pub capacity: usize,
    /// For how long an answer is kept, from when it was given. Not zero, and longer than clients go on trying.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub ttl: Duration,
    /// For how long a request waits for another one with its key that is under way. Zero: it is told so at once, as the draft has it. For
    /// clients that send a request again when it takes too long, and take the 409 for an answer as [`Http`](crate::Http) does: as long as
    /// it may take.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub wait: Duration,
}

impl Default for Policy {
    /// 100,000 keys, which is more than one a second within the 24 hours for which answers are kept: a client that was cut off at night tries
    /// again in the morning. Nobody waits, as the draft says; a client that backs off is better than a connection that is held.
    fn default() -> Self {
        Self { capacity: 100_000, ttl: Duration::from_hours(24), wait: Duration::ZERO }
    }
}

impl Policy {
    /// Whether the values go together.
    ///
    /// # Errors
    /// The field that does not fit, and what to write instead.
    pub const fn check(&self) -> Result<(), PolicyError> {
        if self.capacity == 0 {
            return Err(PolicyError::NoRoom);
        }
        if self.ttl.is_zero() {
            return Err(PolicyError::NoTime);
        }
        Ok(())
    }
}

/// Why a [`Policy`] cannot be followed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Room for no key.
    #[error(
        "`capacity` is 0, which refuses every request: write how many keys there are within `ttl`"
    )]
    NoRoom,
    /// Answers that are forgotten at once.
    #[error(
        "`ttl` is zero, which keeps no answer: write for how long clients try again, such as 24h"
    )]
    NoTime,
}

/// What a request with a key is to do.
#[derive(Debug)]
#[must_use = "who is given a lease has to answer"]
pub enum Begun<K: Ord, P, T> {
    /// Run: it is the first with its key.
    First(Lease<K, P, T>),
    /// Answer this, which was answered before.
    Replay(T),
    /// Wait for the answer of the one that is under way.
    Wait(Follower<K, P, T>),
    /// One with its key is under way.
    InProgress,
    /// Its key belongs to a request that asked for something else.
    OtherRequest,
    /// There is no room for another key.
    Full,
}

/// What a dashboard wants to know. `first`, `replayed`, `waited`, `in_progress`, `other_request` and `full` together are all requests.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Keys that are held now.
    pub keys: u64,
    /// Requests that were the first with their key.
    pub first: u64,
    /// Requests that were answered what an earlier one was.
    pub replayed: u64,
    /// Requests that waited for the one that was under way.
    pub waited: u64,
    /// Requests that were told that one is under way.
    pub in_progress: u64,
    /// Requests whose key belonged to another.
    pub other_request: u64,
    /// Requests that found no room.
    pub full: u64,
    /// Times a request gave its key up: it failed, or was cut off.
    pub released: u64,
}

/// Answers by key, and who is at it. `K` is the key, `P` the fingerprint of what is asked for, `T` the answer, which is cloned under a
/// lock: let it be small, or an `Arc`. Share it by an `Arc`; see the [module](self).
///
/// There is one lock for all keys, held for a look-up: what must not happen twice costs far more than that.
pub struct Store<K, P, T> {
    state: Mutex<State<K, P, T>>,
}

struct State<K, P, T> {
    policy: Policy,
    entries: BTreeMap<K, Entry<P, T>>,
    /// Which answer is forgotten next.
    ends: BTreeSet<(Moment, K)>,
    counts: Snapshot,
}

struct Entry<P, T> {
    print: P,
    stage: Stage<T>,
}

enum Stage<T> {
    UnderWay(Arc<Flight<T>>),
    Done { answer: T, until: Moment },
}

/// With every request so many answers are forgotten at most, and that of its own key. As it adds one at most, none that is over takes
/// up room for long.
const FORGOTTEN_AT_ONCE: usize = 8;

impl<K, P, T> Store<K, P, T> {
    /// By a policy.
    ///
    /// # Errors
    /// When its values do not go together.
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        policy.check()?;
        let (entries, ends, counts) = (BTreeMap::new(), BTreeSet::new(), Snapshot::default());
        Ok(Self { state: Mutex::new(State { policy, entries, ends, counts }) })
    }

    /// Follows another policy from now on. What is kept stays for as long as it was to.
    ///
    /// # Errors
    /// When its values do not go together; nothing has changed then.
    pub fn reload(&self, policy: Policy) -> Result<(), PolicyError> {
        policy.check()?;
        self.lock().policy = policy;
        Ok(())
    }

    /// What it is doing and has done.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot { keys: state.entries.len() as u64, ..state.counts }
    }

    fn lock(&self) -> MutexGuard<'_, State<K, P, T>> {
        // What can panic under the lock is the comparison of keys and the clone of an answer, and neither leaves anything half done.
        locked(&self.state)
    }
}

impl<K: Ord + Clone, P: Eq, T: Clone> Store<K, P, T> {
    /// What a request is to do that asks for `print` under `key`: the machine under [`call`](Self::call).
    pub fn begin(self: &Arc<Self>, now: Moment, key: K, print: P) -> Begun<K, P, T> {
        let mut state = self.lock();
        let forgotten = state.forget(now, &key);
        let begun = state.begin(self, key, print);
        drop(state);
        // Outside of the lock: what the drop of an answer does is not ours.
        drop(forgotten);
        begun
    }
}

impl<K: Ord + Clone, P: Eq, T: Clone> State<K, P, T> {
    fn begin(&mut self, store: &Arc<Store<K, P, T>>, key: K, print: P) -> Begun<K, P, T> {
        let Some(entry) = self.entries.get(&key) else {
            if self.entries.len() >= self.policy.capacity {
                self.counts.full += 1;
                return Begun::Full;
            }
            self.counts.first += 1;
            let flight = Arc::new(Flight::new());
            let stage = Stage::UnderWay(Arc::clone(&flight));
            self.entries.insert(key.clone(), Entry { print, stage });
            return Begun::First(Lease::new((Arc::clone(store), key, flight)));
        };
        if entry.print != print {
            self.counts.other_request += 1;
            return Begun::OtherRequest;
        }
        match &entry.stage {
            Stage::Done { answer, .. } => {
                self.counts.replayed += 1;
                Begun::Replay(answer.clone())
            }
            Stage::UnderWay(_) if self.policy.wait.is_zero() => {
                self.counts.in_progress += 1;
                Begun::InProgress
            }
            Stage::UnderWay(flight) => {
                self.counts.waited += 1;
                let number = flight.join();
                let place = (Arc::clone(store), key, Arc::clone(flight));
                Begun::Wait(Follower::new(place, number, self.policy.wait))
            }
        }
    }

    /// Forgets answers that are over, that of `key` first.
    fn forget(&mut self, now: Moment, key: &K) -> Vec<Entry<P, T>> {
        let mut forgotten = Vec::new();
        if let Some(Entry { stage: Stage::Done { until, .. }, .. }) = self.entries.get(key)
            && *until <= now
        {
            self.ends.remove(&(*until, key.clone()));
            forgotten.extend(self.entries.remove(key));
        }
        while forgotten.len() < FORGOTTEN_AT_ONCE
            && self.ends.first().is_some_and(|it| it.0 <= now)
            && let Some((_, key)) = self.ends.pop_first()
        {
            forgotten.extend(self.entries.remove(&key));
        }
        forgotten
    }
}

impl<K, P, T> fmt::Debug for Store<K, P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;
