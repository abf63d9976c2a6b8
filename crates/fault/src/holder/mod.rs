//! Holders: children of ours that hold, burn or keep up something on this host, and end with us.
//!
//! ```text
//! pipe    the tool's side: starting one, hearing what it says, ending it
//! life    the child's side: what to do, until when, and what to say
//! cpu, memory, …   what is held, one file each
//! ```
//!
//! A holder lives while its standard input is open: when the tool dies, however it dies, the kernel closes that pipe
//! and what was held is gone within milliseconds. It also ends when its time is up, and the journal holds its mark, so
//! that the guardian ends it when the tool is stopped. The first line of its input says what to do: an argument could
//! be read by everybody on the host, and some of it are addresses with passwords.

mod access;
mod cpu;
mod disk;
mod dns;
mod files;
mod inodes;
mod life;
mod memory;
mod pids;
mod pipe;
mod pods;
mod postgres;
mod redirect;
mod redis;
mod table;
mod trace;
mod within;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use self::files::Rest;
use self::life::{Life, say};

pub(crate) use self::access::Access;
pub(crate) use self::cpu::Cpu;
pub(crate) use self::disk::Disk;
pub(crate) use self::dns::Dns;
pub(crate) use self::files::{Files, Meddling};
pub(crate) use self::inodes::Inodes;
pub(crate) use self::memory::{Memory, available, reserve, total};
pub(crate) use self::pids::Pids;
pub(crate) use self::pipe::{Holder, HolderError, staying};
pub(crate) use self::pods::{Ending, Pods};
pub(crate) use self::postgres::{Lock, Postgres, Task, Terminate};
pub(crate) use self::redirect::Redirect;
pub(crate) use self::redis::{Address, KillClients, Redis, Task as RedisTask};
pub(crate) use self::table::Table;
pub(crate) use self::trace::Trace;
pub(crate) use self::within::{Network, Within};
use crate::netlink::Disturbance;
use crate::process::first;

/// What was counted while something was held, by name, with the unit in each name.
pub(crate) type Counters = BTreeMap<String, f64>;

/// What a holder is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Burn CPU.
    Cpu(Cpu),
    /// Hold memory.
    Memory(Memory),
    /// Take up room in a file system.
    Disk(Disk),
    /// Take inodes of a file system.
    Inodes(Inodes),
    /// Make operations on files fail or wait.
    Files(Files),
    /// Take process numbers.
    Pids(Pids),
    /// Keep up a table of nft.
    Table(Table),
    /// Lead connections through a link.
    Redirect(Redirect),
    /// Answer questions of DNS.
    Dns(Dns),
    /// Hold packets back, or damage them.
    Packets(Disturbance),
    /// Stop processes by tracing them.
    Trace(Trace),
    /// Tell pods to end.
    Pods(Pods),
    /// Do something in a PostgreSQL.
    Postgres(Postgres),
    /// Do something in a Redis.
    Redis(Redis),
    /// Do any of it in another network.
    Within(Within),
}

impl Work {
    /// Whether it goes on once it is over, for those who still have something of it open. Then it must not be killed.
    pub(crate) const fn may_stay(&self) -> bool {
        matches!(self, Self::Files(_))
    }

    fn run(self, life: &Life) -> io::Result<(Counters, Rest)> {
        let counted = match self {
            Self::Files(it) => return it.run(life),
            Self::Within(it) => return it.run(life),
            Self::Cpu(it) => it.run(life),
            Self::Memory(it) => it.run(life),
            Self::Disk(it) => it.run(life),
            Self::Inodes(it) => it.run(life),
            Self::Pids(it) => it.run(life),
            Self::Table(it) => it.run(life),
            Self::Redirect(it) => it.run(life),
            Self::Dns(it) => it.run(life),
            Self::Packets(it) => {
                it.run(life.input(), life.left(), || life.ready()).map(|did| did.counters())
            }
            Self::Trace(it) => it.run(life),
            Self::Pods(it) => it.run(life),
            Self::Postgres(it) => it.run(life),
            Self::Redis(it) => it.run(life),
        }?;
        Ok((counted, None))
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(it) => it.fmt(f),
            Self::Memory(it) => it.fmt(f),
            Self::Disk(it) => it.fmt(f),
            Self::Inodes(it) => it.fmt(f),
            Self::Files(it) => it.fmt(f),
            Self::Pids(it) => it.fmt(f),
            Self::Table(it) => it.fmt(f),
            Self::Redirect(it) => it.fmt(f),
            Self::Dns(it) => it.fmt(f),
            Self::Packets(it) => it.fmt(f),
            Self::Trace(it) => it.fmt(f),
            Self::Pods(it) => it.fmt(f),
            Self::Postgres(it) => it.fmt(f),
            Self::Redis(it) => it.fmt(f),
            Self::Within(it) => it.fmt(f),
        }
    }
}

/// One line of what a holder says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    /// What was asked for holds.
    Ready,
    /// It has ended in order; what was counted.
    Did(Counters),
    /// It could not be done, or not to the end.
    Failed(String),
}

/// Main function of a holder's process. What to do is on its standard input.
pub fn run() -> ExitCode {
    first::part();
    let done = Life::begin().and_then(|(work, life)| work.run(&life));
    let (said, rest) = match done {
        Ok((counted, rest)) => (Said::Did(counted), rest),
        Err(error) => (Said::Failed(error.to_string()), None),
    };
    let failed = matches!(said, Said::Failed(_));
    // Nobody may be there to hear it.
    let told = say(&io::stdout(), &said);
    let rested = rest.is_none_or(|it| it.join().is_ok_and(|it| it.is_ok()));
    if failed || told.is_err() || !rested { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Counters of fixed names.
fn counters<const N: usize>(of: [(&str, f64); N]) -> Counters {
    of.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_units::{Bytes, Ratio};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn work_survives_its_way_to_the_child(percent in 0u32..=100, cores: u32, amount: u64) {
            let load = Ratio::percent(percent);
            for work in [Work::Cpu(Cpu { load, cores }), Work::Memory(Memory { amount: Bytes(amount) })] {
                let line = serde_json::to_string(&work).unwrap();
                prop_assert!(!line.contains('\n'));
                prop_assert_eq!(serde_json::from_str::<Work>(&line).unwrap(), work);
            }
        }
    }
}
