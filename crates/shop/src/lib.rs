//! Shop: a small e-commerce service of real processes, there to be drilled.
//!
//! ```text
//!                 ┌─▶ gateway 1 ─┐   ┌─▶ inventory        stock and reservations
//!  client ─▶ balancer ▶ gateway 2 ─┼───┼─▶ payment          charges
//!                 └─▶ gateway 3 ─┘   └─▶ recommendations  what else people bought
//! ```
//!
//! Every box is an operating-system process that speaks HTTP/1.1 on 127.0.0.1 and can be killed,
//! paused or slowed by itself; the balancer's process also supervises the others. Data lives in SQLite
//! files. The shop runs in one of two ways, which differ in nothing but how they meet trouble:
//!
//! | | `--fragile` | default |
//! |---|---|---|
//! | call to a neighbour | waits for ever | timeout, retry within a budget, breaker, bulkhead |
//! | recommendations down | page fails | stale cache, then products of the same category |
//! | inventory down | page fails | "Stock information updating" |
//! | payment down | checkout fails, its stock stays reserved | 202, charged in the background |
//! | a gateway down | every third request fails | noticed, left out, the request goes to the next |
//! | capacity | a fixed number of workers, the rest queues | bounded per neighbour |
//!
//! ```text
//! args             what the two subcommands take           misbehave   slow, failing, leaking on demand
//! supervise        starts, restarts and stops the parts    ports       the block of ports they share
//! balancer         spreads requests over those that are well
//! part             the shell around each part: health, metrics, stopping
//! gateway          pages, checkout, the queue of unpaid orders, guarded neighbours
//! inventory · payment · recommendations                    the three services behind it
//! client · serve   the two ends of HTTP                    metrics · database · catalogue
//! ```
//!
//! A binary embeds it as two subcommands: [`shop`] with [`ShopArgs`] for people, and the hidden
//! [`part`] with [`PartArgs`], which the supervisor starts again and again from the same executable
//! (see [`ShopArgs::part_command`]).
//!
//! Deliberately absent: users, sessions, TLS, carts, and any card number: the gateway keeps only the
//! last four digits. Checkout through inventory and payment is made consistent by idempotency keys
//! and a queue on disk, not by a distributed transaction.

mod args;
mod balancer;
mod catalogue;
mod client;
mod database;
mod error;
mod gateway;
mod inventory;
mod metrics;
mod misbehave;
mod part;
mod payment;
mod ports;
mod recommendations;
mod serve;
mod supervise;

pub use args::{ArgError, PartArgs, PartName, ShopArgs, Via};
pub use error::{ShopError, complain};
pub use misbehave::{Misbehaviour, PartMisbehaviour};
pub use part::part;
pub use supervise::shop;
