//! Metrics: time series on the wire. What is read of targets and senders, and what is written of a load run.
//!
//! ```text
//! exposition    the text of a target: Prometheus' text format and OpenMetrics, read and written
//! config        a prometheus.yml, with every mistake at its place
//! rules         files of recording and alerting rules, with every mistake at its place
//! relabel       rules that rewrite labels, keep and drop
//! scrape        targets asked at moments of their own; which series begin and end
//! alertmanager  told of alerts
//! forward       samples of a store, sent on to another database
//! receive       what others send: Prometheus remote write 1.0, OTLP over HTTP
//! import        samples from files: CSV, and text with moments
//! intake        what takes samples in, as seen by whoever brings them
//!
//! catalogue     every metric of a load: name, unit, labels, and what it says
//! target        where to write to: what `--out` and the environment say
//! ledger        frames added up: what has been counted since the start
//! bucket        exact counts of times in exponential buckets of base 2^(1/256)
//! remote_write  Prometheus remote write 1.0, times as native histograms or as gauges
//! otlp          OTLP over HTTP, times as exponential histograms
//! post          one request of HTTP or HTTPS, and what its answer means
//! export        takes frames, and writes them in tasks of its own
//! tls           what is trusted and shown, by all of these
//! ```
//!
//! Both outputs write counters that only grow. A database that was away for a while misses moments, never
//! requests: the next sample has everything that was counted until then. The load never waits: frames that a
//! slow database has no time for are added to one another, and what could not be written at all is said at
//! the end.
//!
//! Deliberately absent: where samples are kept and what a query means (a store is an [`intake::Intake`] here),
//! verdicts (percentiles of a database's buckets are for dashboards, and the judge has the exact counts), remote
//! write 2.0, OTLP over gRPC, the protobuf form of targets, signatures of AWS, proxies and redirects.

pub mod alertmanager;
mod bucket;
pub mod catalogue;
pub mod config;
mod export;
pub mod exposition;
pub mod forward;
pub mod import;
pub mod intake;
mod ledger;
mod otlp;
mod post;
pub mod receive;
pub mod relabel;
mod remote_write;
pub mod rules;
pub mod scrape;
mod target;
pub mod tls;

pub use export::{Export, OpenError, Run, Trouble};
pub use target::{Asked, Target, TargetError};
