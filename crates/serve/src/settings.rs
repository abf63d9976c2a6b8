//! Settings: what a server is given, and what its files ask for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use evenkeel_metrics::config::Config;
use evenkeel_metrics::rules::Group;
use evenkeel_slo::Interval;
use evenkeel_slo::attribution::Cause;

use crate::door::Token;
use crate::watch::Documents;

/// What a server is given.
#[derive(Debug)]
pub struct Settings {
    /// Where it listens; port 0 is any that is free.
    pub listen: SocketAddr,
    /// What requests must bring; without it, `listen` must be an address that other machines cannot reach.
    pub token: Option<Token>,
    /// Where the store is.
    pub data: PathBuf,
    /// What the files say.
    pub wanted: Wanted,
    /// Reads the files again; without it they are read once.
    pub again: Option<Again>,
    /// Says what went on while budgets burned; without it nobody knows of anything.
    pub events: Option<Events>,
}

/// What the files of a server ask for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// What is scraped, who is told, and how samples are kept.
    pub config: Config,
    /// The objectives that are judged.
    pub documents: Arc<Documents>,
    /// The rules that are evaluated.
    pub groups: Vec<Group>,
}

/// Reads files again.
pub struct Again(Box<dyn Fn() -> Result<Wanted, String> + Send + Sync>);

impl Again {
    /// By `read`, which says what they ask for, or what is wrong with them.
    pub fn new(read: impl Fn() -> Result<Wanted, String> + Send + Sync + 'static) -> Self {
        Self(Box::new(read))
    }

    /// What they ask for now.
    pub(crate) fn read(&self) -> Result<Wanted, String> {
        (self.0)()
    }
}

/// Says what went on in a time: deploys, incidents and drills. It is asked anew for each round that somebody looks at.
pub struct Events(Box<dyn Fn(Interval) -> Result<Vec<Cause>, String> + Send + Sync>);

impl Events {
    /// As `say` says, or what keeps it from knowing.
    pub fn new(
        say: impl Fn(Interval) -> Result<Vec<Cause>, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Box::new(say))
    }

    /// What went on in a time.
    pub(crate) fn of(&self, time: Interval) -> Result<Vec<Cause>, String> {
        (self.0)(time)
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Events(…)")
    }
}

impl std::fmt::Debug for Again {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Again(…)")
    }
}

impl Settings {
    /// A server that nobody needs a token for, that scrapes nothing and judges nothing.
    pub fn new(listen: SocketAddr, data: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            token: None,
            data: data.into(),
            wanted: Wanted::default(),
            again: None,
            events: None,
        }
    }
}
