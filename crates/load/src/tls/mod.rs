//! TLS 1.2 and 1.3, without sockets: what is to be said goes in and comes out encrypted, and the other way
//! round.
//!
//! ```text
//! Client     what is trusted and shown: made once for a load
//! Session    the state of one connection
//! store      the sessions that later connections of the same load resume
//! ```
//!
//! A session is driven over buffers that are not its own: records are decrypted where they were received, and
//! only the beginning of a record whose rest has not arrived is kept. So ten thousand idle connections cost
//! their keys and no buffers.
//!
//! Deliberately absent: early data (0-RTT), which may be replayed, and anything older than TLS 1.2.

pub(crate) mod blocking;
mod client;
mod session;
mod store;

#[cfg(test)]
mod tests;

pub(crate) use client::{AnyCertificate, Client};
pub(crate) use session::{Received, Session, TlsFault};
