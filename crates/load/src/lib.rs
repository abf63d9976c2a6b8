//! Load: sends requests when they are due, whatever the target does, and counts what became of them.
//!
//! ```text
//! order       what is asked for → what can be sent: address found, secrets read, requests written
//! schedule    when each arrival is due: a pure function of its number
//! routes      which request each arrival is, by weight and seed
//! protocol    bytes of requests and answers, without sockets
//! pool        a bounded number of connections, each a small record
//! reactor     sleeping until a socket or the schedule has something to do
//! recorder    counts of one second → a frame
//! engine      the one thread that ties them together
//! hand        starting it, stopping it, and what it costs
//! ```
//!
//! A slow target must not slow the load down and so hide its own slowness ("coordinated omission"): an
//! arrival that finds no free connection waits **with its due time**, and response times count from
//! when a request was due, not from when it could be sent. The pool is bounded, since opening thousands
//! of connections against a target that stalls would change what is measured.
//!
//! The books balance in every frame and at the end, counted since the start:
//! `planned = sent + missed + waiting` and `sent = outcomes + in flight`.
//!
//! Deliberately absent: a runtime (one thread and epoll cost less and disturb the target less), TLS and
//! HTTP/2 (they come as further protocols), and any figure: frames hold counts, judging is done elsewhere.

mod engine;
mod hand;
mod order;
mod pool;
mod protocol;
mod reactor;
mod recorder;
mod routes;
mod schedule;
mod target;

pub use hand::{Handle, Said};
pub use order::{LoadError, Order, Prepared, prepare};
