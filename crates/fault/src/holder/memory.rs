//! Memory that is held, resident.

use std::fmt;
use std::io;

use evenkeel_units::Bytes;
use serde::{Deserialize, Serialize};

use super::{Counters, Life, counters};

/// Memory is taken in pieces, with a look at what is left before each.
const PIECE_BYTES: usize = 8 * 1024 * 1024;
const PAGE_BYTES: usize = 4096;
/// Left to everybody else, whatever was asked for.
const RESERVE_BYTES_MIN: u64 = 128 * 1024 * 1024;

/// Hold this much memory. Less when the host has not enough: never more than what is available beyond [`reserve`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// How much.
    pub amount: Bytes,
}

impl Memory {
    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        // When memory runs out all the same, the kernel shall end us and nobody else. Older kernels and
        // strict sandboxes refuse, which does not make the holder less useful.
        std::fs::write("/proc/self/oom_score_adj", "1000").unwrap_or_default();
        let before = resident()?;
        let mut held: Vec<Vec<u8>> = Vec::new();
        let mut left = usize::try_from(self.amount.0).unwrap_or(usize::MAX);
        while left > 0 {
            let size = left.min(PIECE_BYTES);
            if available()?.0 < reserve()?.0 + size as u64 {
                break;
            }
            let mut piece = vec![0u8; size];
            // Memory that was never written to is not there.
            for page in piece.chunks_mut(PAGE_BYTES) {
                page[0] = 1;
            }
            held.push(std::hint::black_box(piece));
            left -= size;
        }
        life.ready()?;
        let ended = life.wait();
        let resident = resident()?.saturating_sub(before);
        drop(std::hint::black_box(held));
        ended.map(|()| {
            counters([("resident_bytes", resident as f64), ("asked_bytes", self.amount.0 as f64)])
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hold {} of memory", self.amount)
    }
}

/// Resident memory of this process that is no file's: the pages of its own program come when they are first used.
fn resident() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    Ok(amount(&text, "RssAnon:").map_or(0, |it| it.0))
}

/// Memory that programs could still get.
pub(crate) fn available() -> io::Result<Bytes> {
    meminfo("MemAvailable:")
}

/// Memory that is left to others, whatever a fault asks for: a twentieth of all, at least 128 MiB.
pub(crate) fn reserve() -> io::Result<Bytes> {
    Ok(Bytes((total()?.0 / 20).max(RESERVE_BYTES_MIN)))
}

/// All memory of this host.
pub(crate) fn total() -> io::Result<Bytes> {
    meminfo("MemTotal:")
}

fn meminfo(key: &str) -> io::Result<Bytes> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    amount(&text, key).ok_or_else(|| io::Error::other(format!("no {key} in meminfo")))
}

/// `RssAnon:     1234 kB`.
fn amount(text: &str, key: &str) -> Option<Bytes> {
    let line = text.lines().find_map(|it| it.strip_prefix(key))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Bytes(kib * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_memory_and_some_of_it_is_reserved() {
        assert!(available().unwrap().0 > 0);
        assert!(reserve().unwrap().0 >= RESERVE_BYTES_MIN);
    }
}
