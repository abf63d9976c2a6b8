//! Process numbers, taken by threads that do nothing.

use std::fmt;
use std::io;
use std::sync::mpsc::channel;
use std::thread;

use serde::{Deserialize, Serialize};

use super::{Counters, Life, counters};

/// A thread that does nothing needs no more.
const STACK_BYTES: usize = 16 * 1024;

/// Take process numbers.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pids {
    /// How many.
    pub count: u32,
}

impl Pids {
    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        let mut held = Vec::new();
        for _ in 0..self.count {
            let (end, ended) = channel::<()>();
            let wait = move || ended.recv().unwrap_or_default();
            match thread::Builder::new().stack_size(STACK_BYTES).spawn(wait) {
                Ok(it) => held.push((end, it)),
                // There are no more, which is what was asked for.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        life.ready()?;
        life.wait()?;
        let count = held.len();
        let (ends, threads): (Vec<_>, Vec<_>) = held.into_iter().unzip();
        drop(ends);
        for it in threads {
            it.join().map_err(|_| io::Error::other("a waiting thread panicked"))?;
        }
        Ok(counters([("pids_held", count as f64)]))
    }
}

impl fmt::Display for Pids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "take {} process numbers", self.count)
    }
}
