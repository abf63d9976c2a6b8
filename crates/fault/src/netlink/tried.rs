//! Tried: what this kernel's netfilter can. Only trying tells, in the network namespace of the thread that asks;
//! what is made for it is gone at once.

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::expression::Expression;
use super::queue::{Contents, Queue};
use super::socket::Trouble;
use super::table::{Chain, Hook, Table};

/// How a rule hands packets to a process.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueWords {
    /// By nft's own `queue`.
    Nft,
    /// By the target NFQUEUE of iptables.
    Iptables,
}

/// Makes something with rules that lead to a queue, in the words that the kernel has: those of nft, else those of
/// iptables.
pub(super) fn in_known_words<T>(
    make: impl Fn(fn(u16) -> Expression) -> Result<T, Trouble>,
) -> Result<(QueueWords, T), Trouble> {
    match make(Expression::Queue) {
        Err(Trouble::Refused(it)) if it.errno == Errno::NOENT => {
            make(Expression::IptablesQueue).map(|it| (QueueWords::Iptables, it))
        }
        other => other.map(|it| (QueueWords::Nft, it)),
    }
}

/// Whether tables can go with the process that owns them.
pub(crate) fn has_owned_tables() -> bool {
    Table::hold(&[]).is_ok()
}

/// How rules hand packets to a process, if they can.
pub(crate) fn queue_words() -> Option<QueueWords> {
    let queue = Queue::bind(Contents::None).ok()?;
    let made = in_known_words(|words| {
        let rules = vec![vec![words(queue.number())]];
        Table::hold(&[Chain { name: "input", hook: Hook::Input, priority: 0, rules }])
    });
    made.ok().map(|(words, _)| words)
}
