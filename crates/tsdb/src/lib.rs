//! The metric store: time series in a directory, written by one process and asked by any.
//!
//! ```text
//! store       Store: open, intern, append, snapshot, sync, close
//! batch       Batch: samples that are taken in together, and what became of them
//! snapshot    Snapshot: the store as it was at one moment; a Source of series
//! tend        flushes, merges, retention: what a store needs now and then
//! keeper      Keeper: two threads that see to it
//! tap         Tap: somebody who is told of what is taken in, and where in the log it lies
//! options     Options and Limits
//! statistics  what a store holds and what it did
//! recover     how a store is opened, and what was found
//! view        a snapshot of a store that another process may have
//! error       why not
//!
//! intake      a sample is looked at, written to the log and put into its series
//! reading     one series of a snapshot, from segments and memory
//! index       which series meet some matchers
//! head        the living series, in memory
//! found       what lies in a directory, read without changing anything
//! listed      which segments there are, so that one that is gone is missed
//! log         what is in no segment yet, in frames of records
//! checkpoint  the living series when a log began
//! segment     files of chunks that never change, mapped
//! merge       several segments become one
//! chunk       some samples of a series, sealed, with what they add up to
//! codec       how numbers lie in bytes
//! ```
//!
//! A sample goes to the log and to the growing tail of its series. Full tails are sealed as chunks, chunks are flushed
//! into segments, segments are merged. Each chunk says what it adds up to, and each series of a segment too, so that
//! a sum over thirty days reads only the two chunks at its ends.
//!
//! Deliberately absent: what a query means, the network, and the system's clock (a [`Keeper`] is given one).

mod batch;
mod checkpoint;
mod chunk;
mod codec;
mod directory;
mod error;
mod found;
mod frames;
mod head;
mod index;
mod intake;
mod keeper;
mod listed;
mod log;
mod merge;
mod metadata;
mod options;
mod reading;
mod record;
mod recover;
mod segment;
mod snapshot;
mod statistics;
mod store;
mod tap;
mod tend;
mod view;

pub use batch::{Appended, Batch, Sample, Value};
pub use error::{OpenError, Refusal, Rejection, WriteError};
pub use head::SeriesRef;
pub use keeper::Keeper;
pub use listed::Missing;
pub use metadata::{Metadata, MetricKind};
pub use options::{Limits, Options};
pub use recover::Recovery;
pub use snapshot::Snapshot;
pub use statistics::{Counts, Statistics};
pub use store::Store;
pub use tap::{Position, Tap};
pub use tend::Tended;
