//! The load through its public face, against servers that behave badly in every way a test can arrange.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get fails the test")]

mod books;
mod failures;
mod fleet;
mod grpc;
mod http2;
mod kafka;
mod messages;
mod models;
mod orders;
mod scenarios;
mod secure;
mod servers;
mod sessions;
mod shop;
mod stall;
mod tls;
mod workers;
