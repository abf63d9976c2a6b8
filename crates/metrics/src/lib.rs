//! Metrics: the counts of a load run, second by second, for the databases that other tools read.
//!
//! ```text
//! catalogue     every metric: name, unit, labels, and what it says
//! target        where to write to: what `--out` and the environment say
//! ledger        frames added up: what has been counted since the start
//! bucket        exact counts of times in exponential buckets of base 2^(1/256)
//! remote_write  Prometheus remote write 1.0, times as native histograms or as gauges
//! otlp          OTLP over HTTP, times as exponential histograms
//! post          one request of HTTP or HTTPS, and what its answer means
//! export        takes frames, and writes them in tasks of its own
//! ```
//!
//! Both outputs write counters that only grow. A database that was away for a while misses moments, never
//! requests: the next sample has everything that was counted until then. The load never waits: frames that a
//! slow database has no time for are added to one another, and what could not be written at all is said at
//! the end.
//!
//! Deliberately absent: reading (what the target's side says is the probe's), verdicts (percentiles of a
//! database's buckets are for dashboards, and the judge has the exact counts), remote write 2.0, OTLP over
//! gRPC, signatures of AWS, proxies and redirects.

mod bucket;
pub mod catalogue;
mod export;
mod ledger;
mod otlp;
mod post;
mod remote_write;
mod target;

pub use export::{Export, OpenError, Run, Trouble};
pub use target::{Asked, Target, TargetError};
