//! The crate from the outside: checks that hang, panic, block and come back, in paused time; and real connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod background;
#[cfg(feature = "grpc")]
mod grpc;
#[cfg(feature = "http")]
mod http;
