//! It: what the patterns promise, from outside, in paused time.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

mod adaptive;
#[cfg(feature = "tower")]
mod balance;
mod breaker_oracle;
#[cfg(feature = "tower")]
mod bulkhead;
#[cfg(feature = "tower")]
mod failover;
#[cfg(feature = "tower")]
mod hedge;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "tower")]
mod idempotency;
#[cfg(feature = "tower")]
mod limit;
#[cfg(feature = "tower")]
mod metastable;
#[cfg(feature = "tower")]
mod observe;
mod oracle;
#[cfg(feature = "tower")]
mod pipeline;
#[cfg(feature = "tower")]
mod shed;
#[cfg(feature = "tower")]
mod stale_cache;
