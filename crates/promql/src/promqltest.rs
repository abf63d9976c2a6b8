//! Promqltest: the language of Prometheus' own acceptance tests, and how they are run.
//!
//! ```text
//! load 5m
//!   requests_total{job="shop"} 0+60x10
//!
//! eval instant at 50m rate(requests_total[10m])
//!   {job="shop"} 0.2
//! ```
//!
//! Whoever writes rules or objectives can test queries by it. An evaluation at one moment is made once more as the middle
//! step of a range, as Prometheus' own tests do. Histograms are loaded as its database would give them back: with what it
//! knows of resets.
//!
//! Deliberately absent: reading files.

mod compare;
mod load;
mod report;
mod run;
mod script;
mod sequence;

pub use report::Report;
pub use run::{Class, Verdict, run};
pub use script::ScriptError;
