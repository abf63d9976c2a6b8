//! Room in a file system, taken by a file without a name: it is gone with the process that has it open.

use std::fmt;
use std::io;
use std::path::PathBuf;

use evenkeel_model::document::Amount;
use evenkeel_units::Bytes;
use rustix::fs::{FallocateFlags, Mode, OFlags, StatVfs, fallocate, fstatvfs, open};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{Counters, Life, counters};

/// Room is taken in pieces, so that the last of it is found when there is less than asked for.
const PIECE_BYTES: u64 = 16 * 1024 * 1024;

/// Take up room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// A folder in the file system.
    pub path: PathBuf,
    /// How much; a share is how full the file system is then.
    pub amount: Amount,
}

impl Disk {
    /// How much has to be taken, seen from how it is now.
    pub(crate) fn wanted(&self, now: &StatVfs) -> Bytes {
        let [total, free] = [now.f_blocks, now.f_bavail].map(|it| it * now.f_frsize);
        match self.amount {
            Amount::Bytes(it) => it,
            share @ Amount::Share(_) => {
                let used = (now.f_blocks - now.f_bfree) * now.f_frsize;
                // What is kept for root counts neither as used nor as free, as in df.
                let of = Bytes(if total == 0 { 0 } else { used + free });
                Bytes(share.of(of).0.saturating_sub(used))
            }
        }
    }

    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = open(&self.path, flags, Mode::RUSR | Mode::WUSR)?;
        let wanted = self.wanted(&fstatvfs(&file)?).0;
        let (mut held, mut piece) = (0, PIECE_BYTES);
        while held < wanted && piece > 0 {
            let size = piece.min(wanted - held);
            match fallocate(&file, FallocateFlags::empty(), held, size) {
                Ok(()) => held += size,
                Err(Errno::INTR) => {}
                // The last of it is in smaller pieces.
                Err(Errno::NOSPC | Errno::DQUOT) => piece /= 2,
                Err(error) => return Err(error.into()),
            }
        }
        let after = fstatvfs(&file)?;
        life.ready()?;
        life.wait()?;
        let free = after.f_bavail * after.f_frsize;
        Ok(counters([
            ("held_bytes", held as f64),
            ("asked_bytes", wanted as f64),
            ("free_bytes", free as f64),
        ]))
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.amount {
            Amount::Bytes(it) => {
                write!(f, "take {it} of the file system of {}", self.path.display())
            }
            Amount::Share(it) => {
                write!(f, "fill the file system of {} to {it}", self.path.display())
            }
        }
    }
}
