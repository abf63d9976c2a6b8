//! The load through its public face, against servers that behave badly in every way a test can arrange.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get fails the test")]

mod books;
mod failures;
mod kafka;
mod models;
mod orders;
mod servers;
mod stall;
