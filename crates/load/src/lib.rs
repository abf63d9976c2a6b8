//! Load: sends requests when they are due, whatever the target does, and counts what became of them.
//!
//! ```text
//! order       what is asked for → what can be sent: address found, secrets read, requests written
//! schedule    when each arrival is due: a pure function of its number
//!   crowd     users of the closed model, and when each of them is there
//! scenario    what one user does, as a flat list of operations, and the data it does it with
//! route       what is requested, and what a right answer looks like
//!   call      one request as the document says it; template: text that is written anew for each
//!   answer    checks, and parts that later steps want
//! protocol    bytes of requests and answers, without sockets, one protocol a module
//! tls         the same bytes, kept secret
//! pool        a bounded number of connections, each a small record
//! reactor     sleeping until a socket or the schedule has something to do
//! kafka       the same for records of Kafka, through a client library
//! recorder    counts of one second → a frame; merge: frames of several workers → one
//! engine      the thread that ties them together, compiled for each protocol
//! hand        starting the threads, stopping them, and what they cost
//! fuzzing     what fuzzers call; behind a feature
//! fleet       the same from several machines: a coordinator, and agents that send a share each
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
//! Deliberately absent: a runtime where requests are sent (one thread and epoll cost less and disturb the
//! target less; Kafka has one, and so has the talk of a fleet), scripting,
//! and any figure: frames hold counts, judging is done elsewhere.

mod access;
mod answer;
mod call;
mod crowd;
mod engine;
pub mod fleet;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod hand;
mod kafka;
mod merge;
mod order;
mod pool;
mod protocol;
mod reactor;
mod recorder;
mod route;
mod scenario;
mod schedule;
mod target;
mod template;
mod tls;

pub use hand::{Handle, Said};
pub use merge::Merge;
pub use order::{LoadError, Order, Prepared, Share, prepare};
