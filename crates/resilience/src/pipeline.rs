//! Pipeline: the patterns around one call, in the order in which they belong, and a lint for any other order.
//!
//! ```text
//!  fallback      answers when all that follows has failed
//!  cache         a hit needs nobody; what is stale answers a failure; one fetch for all who ask
//!  total limit   of all that follows: attempts, waits, places
//!  retry         each attempt goes through all that follows, so that each is limited, counted and judged by itself
//!  hedge         a second call when the first is slow
//!  rate limit    every attempt takes a turn, as the neighbour counts every one
//!  balancer      picks an endpoint for each attempt
//!  breaker       of that endpoint: sees every attempt, with those that take too long
//!  bulkhead      of that endpoint: a place is held only while the call is under way
//!  attempt limit of the call alone: to wait for a turn or a place is not the neighbour's fault
//!  the call
//! ```
//!
//! Two patterns in the wrong order look right, and one of them does nothing: a breaker around a retry counts one failure for three,
//! a time limit around a breaker hides the failures that matter most. So a [`Pipeline`] takes patterns in any order and
//! puts each into its place, by type: nothing is boxed, and a pattern that is left out costs nothing. A stack that is built by
//! hand, from layers or from nested `call`s, is checked by [`lint`]; so are durations that contradict each other.
//!
//! **When to use it**: around every call to a neighbour, with as few patterns as will do: a time limit always; a retry where the
//! call may happen twice; a breaker and a bulkhead where others wait behind a slow answer. **When not**: around calls within a process.
//!
//! ```
//! use std::sync::Arc;
//! use evenkeel_resilience::{Breaker, Bulkhead, Deadlines, Error, Retry, pipeline::Pipeline};
//! use evenkeel_resilience::layer::{BreakerLayer, BulkheadLayer, RetryLayer};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let breaker = Arc::new(Breaker::try_new(Default::default())?);
//! let prices = Pipeline::new()
//!     .deadlines(Arc::new(Deadlines::try_new(Default::default())?))
//!     .retry(RetryLayer::new(Arc::new(Retry::try_new(Default::default())?)))
//!     .breaker(BreakerLayer::new(Arc::clone(&breaker)))
//!     .bulkhead(BulkheadLayer::new(Arc::new(Bulkhead::try_new(Default::default())?)));
//! assert_eq!(prices.lint(), []);
//!
//! // Around a future of any `Result<T, E>` …
//! let price = prices.call(|| async { "42".parse::<u32>() }).await;
//! assert!(matches!(price, Ok(42)));
//! let price = prices.call(|| async { "a kettle".parse::<u32>() }).await;
//! assert!(matches!(price, Err(Error::Inner(_))));
//! assert_eq!(breaker.snapshot(evenkeel_resilience::time::now()).failed_total, 3);
//!
//! // … and around any service of tower, as it is a layer.
//! use tower_layer::Layer as _;
//! # #[derive(Clone)] struct Client;
//! let client = prices.layer(Client);
//! # drop(client); Ok(()) }
//! ```
//!
//! **With several endpoints**, what guards one of them stands behind the choice: a pipeline of breaker, bulkhead and attempt limit
//! around each, the choice over them ([`BalanceService`](crate::layer::BalanceService), [`FailoverService`](crate::layer::FailoverService)), and around that
//! the patterns of the whole call, by [`Pipeline::over`]. The lint looks through the choice.
//!
//! ```
//! use std::sync::Arc;
//! use evenkeel_resilience::balance::Member;
//! use evenkeel_resilience::layer::{BalanceService, BreakerLayer, RetryLayer};
//! use evenkeel_resilience::{Balancer, Breaker, Deadlines, Pipeline, Retry, retry, time};
//! use tower::{ServiceExt as _, service_fn};
//! use tower_layer::Layer as _;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let balancer = Arc::new(Balancer::try_new(Default::default())?);
//! for host in ["10.0.0.7", "10.0.0.8"] {
//!     let client = service_fn(move |item: u32| async move {
//!         if host == "10.0.0.7" { Err("connection refused") } else { Ok(item) }
//!     });
//!     let breaker = Arc::new(Breaker::try_new(Default::default())?);
//!     let guarded = Pipeline::new().breaker(BreakerLayer::new(breaker)).layer(client);
//!     balancer.insert(time::now(), Member::new(host, guarded))?;
//! }
//! // What one endpoint rejects, the next may take.
//! let retry = Retry::try_new(Default::default())?.classify(retry::Errors::elsewhere());
//! let prices = Pipeline::new()
//!     .deadlines(Arc::new(Deadlines::try_new(Default::default())?))
//!     .retry(RetryLayer::new(Arc::new(retry)))
//!     .over(BalanceService::new(balancer));
//! for item in 0..10 {
//!     assert_eq!(prices.clone().oneshot(item).await, Ok(item));
//! }
//! # Ok(()) }
//! ```
//!
//! **Errors.** Those of its patterns: see [`Error`](crate::Error).
//!
//! **What it costs.** What its patterns cost. They share one timer, which is armed, and allocated, when there is something to wait
//! for; limits of time ask for the clock only then.

#[cfg(feature = "tower")]
mod build;
mod durations;
mod lint;
mod stage;
#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;

#[cfg(feature = "tower")]
pub use build::{Made, Pipeline};
pub use lint::{Finding, Severity, lint};
pub use stage::{Stage, Stages};
