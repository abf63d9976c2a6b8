//! Why the shop, or one process of it, could not start or go on.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitStatus;

/// What kept the shop from running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShopError {
    /// Another process listens where a part should.
    #[error(
        "port {port} for {part} is taken; choose another block of ports with `--port`, or any free one with `--port 0`"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// Who wanted it.
        part: String,
    },
    /// The block of ports does not fit below 65,536.
    #[error("`--port {port}` leaves no room for the six ports after it; use at most 65529")]
    PortTooHigh {
        /// The port of the balancer.
        port: u16,
    },
    /// No block of free ports was found.
    #[error("no block of seven free ports found; name one with `--port`")]
    NoFreePorts,
    /// A socket could not be opened.
    #[error("failed to listen on 127.0.0.1:{port} for {part}")]
    Listen {
        /// The port.
        port: u16,
        /// Who wanted it.
        part: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data folder could not be made.
    #[error("failed to make the data folder {}", path.display())]
    DataFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A database could not be opened or read.
    #[error("failed to use the database {}", file.display())]
    Database {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A circuit breaker would contradict itself.
    #[error(transparent)]
    Circuit(#[from] evenkeel_resilience::breaker::PolicyError),
    /// A bulkhead would contradict itself.
    #[error(transparent)]
    Bulkhead(#[from] evenkeel_resilience::bulkhead::PolicyError),
    /// Limits of time would contradict each other.
    #[error(transparent)]
    Limits(#[from] evenkeel_resilience::deadline::LimitsError),
    /// A retry would contradict itself.
    #[error(transparent)]
    Retry(#[from] evenkeel_resilience::retry::PolicyError),
    /// A balancer would contradict itself.
    #[error(transparent)]
    Balance(#[from] evenkeel_resilience::balance::PolicyError),
    /// Two gateways have one address.
    #[error(transparent)]
    Member(#[from] evenkeel_resilience::balance::MemberError),
    /// A hedge would contradict itself.
    #[error(transparent)]
    Hedge(#[from] evenkeel_resilience::hedge::PolicyError),
    /// Gateways cannot be watched so.
    #[error(transparent)]
    Watch(#[from] evenkeel_resilience::watch::PolicyError),
    /// The checks of a part contradict themselves.
    #[error(transparent)]
    Health(#[from] evenkeel_health::BuildError),
    /// A part has no time to end.
    #[error(transparent)]
    Drain(#[from] evenkeel_health::NoTimeLeft),
    /// A process could not be started.
    #[error("failed to start {part}")]
    Spawn {
        /// The part.
        part: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A part ended before it was ever ready.
    #[error("{part} ended before it was ready ({status}); its own message stands above")]
    EndedEarly {
        /// The part.
        part: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The parts did not become ready in time.
    #[error("{part} was not ready within {seconds} s")]
    NotReady {
        /// The part.
        part: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A gateway was started without knowing its neighbours.
    #[error("a gateway needs `--neighbour {name}=HOST:PORT`")]
    NeighbourMissing {
        /// The neighbour.
        name: &'static str,
    },
    /// A neighbour was named twice.
    #[error("`--via {name}` is given twice; keep one")]
    ViaTwice {
        /// The neighbour.
        name: &'static str,
    },
    /// The operating system refused a signal handler or the executable's own path.
    #[error("failed to ask the operating system for {what}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Writes an error and its causes to standard error, one line.
pub fn complain(error: &ShopError) {
    let mut line = format!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(it) = cause {
        line.push_str(": ");
        line.push_str(&it.to_string());
        cause = it.source();
    }
    warn_operator(&line);
}

/// Writes a line to standard error. Nobody may be reading; the shop goes on all the same.
pub(crate) fn warn_operator(line: &str) {
    writeln!(io::stderr().lock(), "{line}").unwrap_or_default();
}

/// Writes a line to standard output. Nobody may be reading; the shop goes on all the same.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap_or_default();
}
