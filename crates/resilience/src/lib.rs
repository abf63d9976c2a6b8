//! Resilience patterns: what a service does so that its neighbour's bad minute stays its neighbour's.
//!
//! Every pattern is a state machine that is told the time as a [`Moment`] and told what happened. It neither sleeps, nor
//! calls, nor reads a clock, so that an hour of outage is tested in a millisecond and one machine serves a service, a load
//! generator and a simulation alike. Threads share one by an `Arc`. With the feature `tower`, which is on, each also has a
//! `call` for futures, and a layer.
//!
//! ```text
//! breaker      Breaker: stop calling what keeps failing, or is slow, then try again carefully
//!              Permit: leave to make one call, which gives itself back
//! bulkhead     Bulkhead: only so many calls at once, and only so many that wait for a place
//! adaptive     Adaptive: a bulkhead that finds its own size from how long calls take
//! limit        Limiter: so many calls a second, evenly, with a burst; and that for each key
//! shed         Shed: under overload, what matters less gives way first
//! retry        Retry: try again a little later (backoff with jitter), within a budget that the neighbour can bear
//! deadline     Deadlines: how long a call may take, as a whole and in its parts; gather: what came in time
//! hedge        Hedge: who waits longer than most asks a second time, within a budget
//! fallback     Fallback: something less good than the answer, and better than none
//! stale_cache  StaleCache: yesterday's answer is better than none, up to a point; many who ask at once are one who asks
//! idempotency  Store: on the side of the server, what is asked for twice under one key is done once
//! balance      Balancer: calls are spread over endpoints, and those that are unwell get none
//! failover     Failover: calls go to the active member; another takes over when it fails, and the way back is said by hand
//! watch        Watch: asks endpoints in the background, and finds out when one fails or heals
//! pipeline     Pipeline: all of these around one call, in their order; lint: what is wrong with another
//! observe      Registry: the numbers of all machines for Prometheus and OpenTelemetry; Events: what happens, for logs
//! http         Http: which answers are failures, and which requests may be sent again (feature `http`)
//! policies     Policies: what is asked of one neighbour, as it stands in a file (feature `serde`); Machines: what follows them
//! ```
//!
//! Every `call` takes a future of `Result<T, Error<E>>` and gives the same, so that patterns nest without nesting their errors;
//! an error of the call itself goes in by `?`, or `map_err(Error::Inner)`. That of the idempotency store gives more: it stands on the
//! other side, around the answer.
//!
//! A call with limits of time, two more attempts where they help, and a circuit that stops them where they do not:
//!
//! ```
//! # #[cfg(feature = "tower")]
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use evenkeel_resilience::layer::{BreakerLayer, RetryLayer};
//! use evenkeel_resilience::{Breaker, Deadlines, Error, Pipeline, Retry, breaker, deadline, retry};
//!
//! let prices = Pipeline::new()
//!     .deadlines(Arc::new(Deadlines::try_new(deadline::Limits::default())?))
//!     .retry(RetryLayer::new(Arc::new(Retry::try_new(retry::Policy::default())?)))
//!     .breaker(BreakerLayer::new(Arc::new(Breaker::try_new(breaker::Policy::consecutive(3))?)));
//!
//! let refused = || async { Err::<u32, _>("connection refused") };
//! assert_eq!(prices.call(refused).await, Err(Error::Inner("connection refused")));
//! // Three attempts have failed, which is enough for everybody.
//! assert!(matches!(prices.call(refused).await, Err(Error::Open { .. })));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tower"))]
//! # fn main() {}
//! ```
//!
//! The same machine without a runtime, told the time and what happened:
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_resilience::Moment;
//! use evenkeel_resilience::breaker::{Breaker, Outcome, Policy};
//!
//! let breaker = Breaker::try_new(Policy::consecutive(1))?;
//! let now = Moment::at(Duration::from_secs(1));
//! let ticket = breaker.admit(now)?;
//! breaker.record(now, ticket, Outcome::Failure);
//! assert!(breaker.admit(now + Duration::from_secs(1)).is_err());
//! assert!(breaker.admit(now + Duration::from_secs(6)).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Deliberately absent: state that several processes share, as a circuit is what *one* client has seen; a general cache, which
//! evicts by more than age and room; discovery of endpoints; faults on purpose, which are the fault engine's.

pub mod adaptive;
pub mod balance;
pub mod breaker;
pub mod bulkhead;
pub mod deadline;
mod error;
pub mod failover;
pub mod fallback;
mod flight;
pub mod hedge;
#[cfg(feature = "http")]
mod http;
pub mod idempotency;
#[cfg(feature = "tower")]
pub mod layer;
pub mod limit;
pub mod observe;
pub mod pipeline;
pub mod policies;
mod queue;
pub mod retry;
pub mod shed;
pub mod stale_cache;
mod sync;
#[cfg(feature = "serde")]
mod text;
#[cfg(feature = "tower")]
pub mod time;
#[cfg(feature = "tower")]
mod timer;
pub mod watch;

pub use adaptive::Adaptive;
pub use balance::Balancer;
pub use breaker::Breaker;
pub use bulkhead::Bulkhead;
pub use deadline::{Deadline, Deadlines};
pub use error::{Error, TimeLimit};
pub use failover::Failover;
pub use fallback::Fallback;
pub use hedge::Hedge;
#[cfg(feature = "http")]
pub use http::Http;
pub use limit::Limiter;
#[cfg(feature = "tower")]
pub use pipeline::Pipeline;
pub use retry::{Backoff, Retry, RetryBudget};
pub use shed::Shed;
pub use stale_cache::StaleCache;

#[doc(inline)]
pub use evenkeel_units::{Moment, Ratio, Seed};

/// What the front page of the package shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
