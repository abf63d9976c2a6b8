//! Turns counts into error budgets and burn rates.
//!
//! ```text
//! counts  Counts: good events of all events, as an objective counts them
//! budget  Budget: what an objective allows, and what was spent of it
//! ```
//!
//! Counts are whole numbers and objectives are exact, so that half a budget is half a budget and not
//! 0.4999. Nothing is clamped: an overspent budget is negative. No data is [`None`], never 100 %.
//!
//! Deliberately absent: input and output. Alerts, policies, gates and rules for Prometheus come with
//! the objectives organ.

mod budget;
mod counts;

pub use budget::Budget;
pub use counts::{Counts, RouteAnswers, count};
