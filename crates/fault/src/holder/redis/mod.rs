//! Connections of ours to a Redis: clients that are killed, and clients that wait.
//!
//! ```text
//! address       what a URL says: where, and as whom
//! reply         what the server says, in its protocol (RESP 2)
//! connection    one that asks, and waits for each answer, or does not
//! kill, pause   what is done
//! ```

mod address;
mod connection;
mod kill;
mod pause;
mod reply;

use std::fmt;
use std::io;
use std::time::Duration;

use evenkeel_model::document::PauseMode;
use serde::{Deserialize, Serialize};

use super::access::Access;
use super::{Counters, Life};

pub(crate) use self::address::Address;
pub(crate) use self::kill::KillClients;

/// A server that does not answer is not waited for for ever.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// By this every connection of ours is known, and spared by faults of ours.
const NAME: &str = "evenkeel";

/// Do something in a Redis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Redis {
    /// Where it is.
    pub at: Access,
    /// What to do.
    pub task: Task,
}

/// What is done in a Redis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Close connections of others.
    Kill(KillClients),
    /// Let commands of others wait.
    Pause(PauseMode),
}

impl Redis {
    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        let address: Address = self.at.url().parse().map_err(io::Error::other)?;
        match self.task {
            Task::Kill(it) => it.run(&address, life),
            Task::Pause(mode) => pause::run(mode, &address, life),
        }
    }
}

impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Task::Kill(it) => write!(f, "{it}")?,
            Task::Pause(PauseMode::All) => f.write_str("let every command wait")?,
            Task::Pause(PauseMode::Write) => f.write_str("let commands that write wait")?,
        }
        write!(f, " at {}", self.at)
    }
}
