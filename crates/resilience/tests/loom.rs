//! Loom: every interleaving of a few threads on one machine.
//!
//! `cargo test -p evenkeel-resilience --no-default-features --features loom --test loom`

#![cfg(feature = "loom")]

#[path = "loom/bulkhead.rs"]
mod bulkhead;
