//! Turns counts into error budgets and burn rates, and those into alerts, policies and gates.
//!
//! ```text
//! share        Share: a quotient of whole numbers, compared without rounding
//! interval     Interval and Intervals: stretches of time, and sets of them
//! window       Window: the time an objective is about, rolling or of the calendar
//! counts       Counts: good events of all events, as an objective counts them
//! history      History: counts by slices of time, and what gaps mean
//! recorder     Recorder: counts events as they happen, in the process that sees them
//! sli          what turns what was measured of a service into counts
//! asking       Asking: what an objective asks of time series, and what the answers count
//! reading      documents as all of this takes them: Objective, Policy, Agreement
//! standing     Standing: how an objective stands at a moment, of what was counted
//! budget       Budget: what an objective allows, and what was spent of it
//! account      Account: where a budget stands at a moment of its window
//! burndown     how a budget came to be what it is
//! downtime     how long a service may be down in a day, a week, a month
//! burn         burn-rate alerts: rules, the sets people use, and alerts as time passes
//! policy       what is done when a budget runs low
//! gate         whether a change may go out
//! charter      Charter: the policy and the gate of an objective, together
//! exclusion    time that does not count, and the ledger that is kept of it
//! target       which promise a baseline supports
//! sla          what a customer gets back when a promise was not kept
//! incident     how often a service fails and how long it stays down
//! scorecard    one number for how reliable a service is
//! backtest     what alerts would have said of a time that is over
//! attribution  who burned the budget
//! explain      how a number came to be
//! dashboard    how objectives stand, for Grafana
//! rules        an objective as recording and alerting rules of Prometheus
//! ```
//!
//! Counts are whole numbers and objectives are exact, so that half a budget is half a budget and not
//! 0.4999. Nothing is clamped: an overspent budget is negative. No data is [`None`], never 100 %.
//!
//! Moments are given, and so are zones: nothing here asks a clock or reads a database of time zones.
//!
//! Deliberately absent: input and output, how documents are read, and how a number is shown.

pub mod account;
pub mod asking;
pub mod attribution;
pub mod backtest;
mod budget;
pub mod burn;
mod burndown;
pub mod charter;
mod counts;
pub mod dashboard;
pub mod downtime;
pub mod exclusion;
pub mod explain;
pub mod gate;
pub mod history;
pub mod incident;
pub mod interval;
pub mod policy;
pub mod reading;
mod recorder;
pub mod rules;
pub mod scorecard;
pub mod share;
pub mod sla;
pub mod sli;
pub mod standing;
pub mod target;
pub mod window;

pub use account::{Account, Exhaustion, Status, Thresholds, Unit};
pub use asking::Asking;
pub use budget::Budget;
pub use burndown::burndown;
pub use charter::Charter;
pub use counts::{Counts, Rounding, RouteAnswers, count};
pub use history::{Coverage, Gaps, History, HistoryError};
pub use interval::{Interval, Intervals};
pub use reading::Objective;
pub use recorder::Recorder;
pub use share::Share;
pub use standing::Standing;
pub use window::{Calendar, Period, Window};
