//! Objectives: the questions of SLOs, put to a store or to a server that speaks the HTTP API of Prometheus, and judged.
//!
//! ```text
//! source    Source: a directory of a store, or a URL
//! remote    the URL: Prometheus, Mimir, Thanos, VictoriaMetrics, or `evenkeel metrics serve`
//! judging   how an objective stands at a moment, and its history
//! blame     who burned its budget
//! ```
//!
//! What is asked and what the answers mean is said by `evenkeel_slo`, so that one objective is judged alike wherever its
//! series are.

mod blame;
mod judging;
mod remote;
mod source;

pub use blame::{Blame, blame};
pub use judging::{Ask, Asked, Counting, Judged, count, history, judge};
pub(crate) use judging::{SLICES, Told, is_by_pieces, judge_by};
pub use remote::{Access, RemoteError};
pub use source::{AskError, Recorded, Source, missed};
pub(crate) use source::{answered, parsed};
