//! The nouns of Evenkeel: documents people write, events a run produces, results it ends with, and
//! diagnostics that point into documents.
//!
//! ```text
//! document    what people write: Service, SLO, AlertPolicy, ErrorBudgetPolicy, SLA, LoadTest, …
//! yaml        text → tree in which every node knows its line and column, within bounds
//! decode      tree → documents, collecting every error; the same tables write the JSON Schema
//! schema      the JSON Schema of documents, for editors
//! trace       what was recorded elsewhere, as rates: columns, moments, the log of a server
//! library     the documents of all files, by kind and name; from a drill to its plan
//! lint        what is wrong between documents: references, contradictions, missing safety
//! diagnostic  what is wrong, where, and what to do about it; `render` shows it to people
//! plan        a drill with every reference resolved: what will be done, before anything is done
//! event       what happens during a run; the journal is a list of them
//! frame       one second of load, as counted
//! outcome     how a run ended: verdict, checks, score, and the figures behind them
//! ```
//!
//! Deliberately absent: sockets, clocks, runtimes and files. Text comes in as bytes, answers go out as
//! values, so everything here runs the same in a test, in the command and in a replay.

pub mod decode;
pub mod diagnostic;
pub mod document;
pub mod event;
pub mod frame;
pub mod library;
pub mod lint;
pub mod outcome;
pub mod plan;
mod render_diagnostics;
pub mod schema;
pub mod trace;
pub mod yaml;

pub use decode::explain;
pub use diagnostic::Diagnostic;
pub use event::{Entry, Event};
pub use frame::{Answer, Distribution, Frame, Series};
pub use library::Library;
pub use outcome::Outcome;
pub use plan::Plan;
pub use render_diagnostics::render;
pub use schema::schema;
