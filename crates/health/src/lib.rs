//! Health: says whether a service lives, has started, is ready, and what is wrong with it.
//!
//! Checks run in the background, in parallel, each with a timeout of its own; whoever asks is told at once what was last found.
//! A dependency that hangs makes no probe hang, and a thousand probes a second ask it no more often than one.
//!
//! ```text
//! health   Health: the checks of a service and what they add up to; the builder
//! check    Check: anything that can be asked; of the host, of this process, and of what is at the other end of a connection
//! policy   Policy: how often a check is asked, how long it may take, how many failures count, critical or degrading
//! status   Status and Finding: how a check stands, and what one run found
//! judge    Judge: what the answers of one check add up to; told the time, usable alone
//! answer   Question and Reply: /health, /health/live, /health/ready and /health/startup, for any HTTP framework
//! server   Server: a port of its own for probes (feature `server`)
//! service  HealthService: the probes as a service of tower, for axum and hyper; DrainLayer (feature `http`)
//! grpc     GrpcHealth: grpc.health.v1 as a service of tower, for tonic, axum and hyper (feature `grpc`)
//! drain    Drain: not ready, then closed, then gone: how to end without dropping a request
//! ```
//!
//! # A service with a database and a disk
//!
//! ```
//! use evenkeel_health::{Health, Policy, Question, check::Disk};
//!
//! # struct Pool;
//! # impl Pool { async fn ping(&self) -> Result<(), std::io::Error> { Ok(()) } }
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let pool = std::sync::Arc::new(Pool);
//! let health = Health::builder()
//!     .check("database", Policy::critical(), move || {
//!         let pool = pool.clone();
//!         async move { pool.ping().await }
//!     })
//!     .check("disk", Policy::default(), Disk::of("."))
//!     .step("migrations")
//!     .start()?;
//!
//! assert!(!health.is_ready()); // nothing has answered yet, and nothing is assumed
//! health.done("migrations")?;
//! health.ready().await;
//! assert_eq!(health.answer(&Question::get("/health/ready")).unwrap().status, 200);
//! # Ok(())
//! # }
//! ```
//!
//! # What the probes mean
//!
//! | path | good (200) | bad (503) | who acts on it |
//! |---|---|---|---|
//! | `/health/live` | the runtime gives us turns, and nobody said `fatal` | it does not: only a restart helps | `livenessProbe` |
//! | `/health/startup` | each step is done and each critical check passed once; stays so | not yet | `startupProbe` |
//! | `/health/ready` | started, not draining, each critical check is up | requests should go elsewhere | `readinessProbe`, balancers |
//! | `/health` | as ready; `degraded` when something that is not critical does not pass | `unhealthy` | people, pages, balancers |
//!
//! Liveness looks at no check, on purpose: to restart a service does not bring its database back. For the same reason a check
//! [degrades](Weight::Degrading) unless it is said to be critical: what all instances depend on takes all of them out at once.
//!
//! # Which server
//!
//! | you have | take |
//! |---|---|
//! | axum, hyper with tower | [`HealthService`], with [`DrainLayer`] around what must be finished |
//! | tonic, any server of HTTP/2 | [`GrpcHealth`], the standard protocol `grpc.health.v1` |
//! | no HTTP, or a runtime that may get stuck | [`Server`], a port of its own |
//! | anything else | [`Health::answer`] |
//!
//! `examples/axum.rs` is a whole service. `docs/health.md` says which check to take when, how long the end takes and why, and compares this
//! crate with Spring Boot Actuator, ASP.NET Core's and tonic's health checks.
//!
//! Deliberately absent: checks on demand (whoever asks never waits, and cannot make us ask); a registry of checks that changes
//! while it runs; clients of databases (bring your own, with its pool: that is
//! what your service uses; ours only greet); push to a discovery service.

mod answer;
mod board;
pub mod check;
mod drain;
#[cfg(feature = "grpc")]
pub mod grpc;
mod health;
mod judge;
mod policy;
mod render;
mod run;
mod said;
#[cfg(feature = "server")]
mod server;
#[cfg(feature = "http")]
mod service;
mod status;
mod time;

pub use answer::{Access, Endpoint, Question, Reply};
pub use check::Check;
pub use drain::{Drain, DrainPolicy, Drained, NoTimeLeft, Phase, UnderWay};
#[cfg(feature = "grpc")]
pub use grpc::GrpcHealth;
pub use health::{BuildError, Builder, Health, UnknownStep};
pub use judge::{Answer, Judge};
pub use policy::{Policy, PolicyError, Weight};
#[cfg(feature = "server")]
pub use server::Server;
#[cfg(feature = "http")]
pub use service::HealthService;
#[cfg(feature = "http")]
pub use service::draining::{DrainBody, DrainFuture, DrainLayer, DrainService};
pub use status::{Finding, Status};

#[doc(inline)]
pub use evenkeel_units::{Moment, Ratio};

/// What the front page of the package shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
