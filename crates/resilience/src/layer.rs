//! Layers of tower: the patterns around any `tower_service::Service`, without a box and without a task but for what the stale cache asks anew.
//!
//! ```text
//! base          Base: the service itself, whose errors become `Error::Inner`
//! adaptive      AdaptiveLayer: a bulkhead that finds its own size
//! balance       BalanceService: several services as one, and those that are unwell get no calls
//!               BalanceLayer: one service that can call every endpoint, told which with each request
//! breaker       Breaker: a circuit, which stops calls to what keeps failing
//! bulkhead      BulkheadService: only so many calls at once, and only so many that wait
//! failover      FailoverService: calls go to the active one of several services
//! fallback      FallbackService: what fails is asked for in a second way
//! gate          GateFuture: what those that ask for leave have in common: wait for it, then call
//! hedge         HedgeService: what takes long is asked for a second time
//! idempotency   IdempotencyService: what is asked for twice under one key is done once
//! keyed_limit   KeyedLimitService: so many calls a second of each tenant, token or address
//! limit         LimitService: so many calls a second, evenly, with a burst
//! retry         RetryService: what fails is tried again
//! shed          ShedService: under overload, what matters less gives way first
//! stale_cache   StaleCacheService: what is known is answered, whether or not the service can be asked
//! timeout       TimeoutService: what takes too long ends
//! ```
//!
//! Every layer takes a service that fails with [`Error<E>`](crate::Error) and gives one that fails with the same, so that a
//! stack of any height has one flat error. [`Base`] stands innermost. What chooses among several services is a service of them. Around all
//! of it, on the side of the server, stands [`IdempotencyLayer`], whose errors say more.
//!
//! **When the compiler says that a stack is no `Service<_>`**, mostly one of these is missing: [`BaseLayer`] innermost (a
//! [`Pipeline`](crate::Pipeline) brings it); `Clone` of a service behind a retry, a hedge or a cache, or of the requests behind them, where
//! [`repeat`](RetryLayer::repeat) says no other way to send one again; answers of the type that `judge` and `classify` are about
//! ([`Http`](crate::Http) is about those of the crate `http`). Which it is, it says where the service is called by its name:
//! `tower::Service::call(&mut stack, request)`.

mod adaptive;
mod attempt;
mod balance;
mod base;
mod breaker;
mod bulkhead;
mod failover;
mod fallback;
mod gate;
mod hedge;
mod idempotency;
mod keyed_limit;
mod limit;
mod retry;
mod shed;
mod stale_cache;
mod timeout;

pub use adaptive::{AdaptiveLayer, MeasuredFuture, MeasuredService};
pub use attempt::Attempt;
pub use balance::{
    BalanceFuture, BalanceLayer, BalanceService, Balanced, BalancedFuture, KeyOf, Unkeyed,
};
pub use base::{Base, BaseFuture, BaseLayer};
pub use breaker::{BreakerFuture, BreakerLayer, BreakerService, Judged};
pub use bulkhead::{BulkheadFuture, BulkheadLayer, BulkheadService};
pub use failover::{FailoverFuture, FailoverService};
pub use fallback::{Elsewhere, FallbackFuture, FallbackLayer, FallbackService, Second};
pub use gate::{GateFuture, Leave, Never, Wait};
pub use hedge::{HedgeFuture, HedgeLayer, HedgeService};
pub use idempotency::{IdempotencyFuture, IdempotencyLayer, IdempotencyService};
pub use keyed_limit::{KeyedLimitFuture, KeyedLimitLayer, KeyedLimitService};
pub use limit::{LimitFuture, LimitLayer, LimitService};
pub use retry::{Cloned, Repeat, RetryFuture, RetryLayer, RetryService};
pub use shed::{ShedFuture, ShedLayer, ShedService};
pub use stale_cache::{StaleCacheFuture, StaleCacheLayer, StaleCacheService};
pub use timeout::{TimeoutFuture, TimeoutLayer, TimeoutService};
