//! Loom: what a few threads do to each other on one machine, in every interleaving.
//!
//! `cargo test -p evenkeel-resilience --no-default-features --features loom --test loom`

#![cfg(feature = "loom")]
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests, too")]

#[path = "loom/balance.rs"]
mod balance;
#[path = "loom/breaker.rs"]
mod breaker;
#[path = "loom/bulkhead.rs"]
mod bulkhead;
#[path = "loom/failover.rs"]
mod failover;
#[path = "loom/idempotency.rs"]
mod idempotency;
#[path = "loom/stale_cache.rs"]
mod stale_cache;
