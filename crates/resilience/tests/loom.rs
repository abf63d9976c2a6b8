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
#[path = "loom/retry_budget.rs"]
mod retry_budget;
#[path = "loom/stale_cache.rs"]
mod stale_cache;

/// Tries every interleaving in which a thread is interrupted three times at most.
fn model(of: impl Fn() + Send + Sync + 'static) {
    interrupted(3, of);
}

/// The same for so many times. Faults need few (M. Musuvathi and S. Qadeer, "Iterative Context Bounding for Systematic Testing of
/// Multithreaded Programs", PLDI 2007), and each makes a model take some ten times as long.
fn interrupted(times: usize, of: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(times);
    builder.check(of);
}
