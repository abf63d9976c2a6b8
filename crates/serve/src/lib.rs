//! Serve: a metric store behind HTTP. It scrapes, takes in what others send, and answers as Prometheus does.
//!
//! ```text
//! door     connections, heads and bodies within bounds, and who may ask
//! server   everything opened, run, and ended in order
//! desk     each request finds who answers it
//! settings what it is given, and what its files ask for
//! intake   the store, as those see it who bring samples
//! ingest   remote write and OTLP: bodies in, status out
//! api      the HTTP API of Prometheus, version 1
//! forward  samples on their way to other databases
//! own      what the server says of itself at /metrics
//! history  samples of files, brought into a store that nobody serves
//! page     objectives in a browser: all of them, and each by itself
//! objectives  the questions of SLOs, put to a store or to a server, and judged
//! watch    what is done at intervals: objectives are judged, rules evaluated, alerts told
//! ```
//!
//! Requests are waited for on one thread; what takes time (a query, a body to take in) is worked on by others, bounded in
//! number. A query works on a snapshot of the store, is given up when its time is over, and when whoever asked is gone.
//!
//! Deliberately absent: remote read, deletion of series and other doings of an administrator, the web pages of Prometheus,
//! exemplars.

mod api;
mod desk;
pub mod door;
mod forward;
mod history;
mod ingest;
mod intake;
pub mod objectives;
mod own;
pub mod page;
mod server;
mod settings;
pub mod watch;

pub use door::{Token, TokenError};
pub use forward::Unforwarded;
pub use history::{Brought, HistoryError, bring};
pub use server::{RunError, ServeError, Server};
pub use settings::{Again, Events, Settings, Wanted};
