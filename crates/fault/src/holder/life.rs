//! The child's side of a holder: what it is told, how it says what it does, and how it knows that it is over.

use std::io::{self, Stdout, Write};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use evenkeel_units::duration::seconds;
use evenkeel_units::{Clock, SystemClock};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;
use serde::{Deserialize, Serialize};

use super::{Said, Work};

/// The first line of a holder's standard input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Errand {
    pub(super) work: Work,
    /// It ends by itself after this time.
    #[serde(rename = "limit_seconds", with = "seconds")]
    pub(super) limit: Duration,
}

/// An errand is a line of text, not a stream.
const ERRAND_BYTES_MAX: usize = 1 << 20;

/// How long a holder may live: while its standard input is open and its time is not up.
#[derive(Debug)]
pub(crate) struct Life {
    input: BorrowedFd<'static>,
    output: Stdout,
    limit: Duration,
    clock: SystemClock,
}

impl Life {
    /// Reads what to do; the time counts from here.
    pub(super) fn begin() -> io::Result<(Work, Self)> {
        let (input, output) = (rustix::stdio::stdin(), io::stdout());
        let mut line = Vec::new();
        let mut byte = [0];
        // Byte by byte: whatever follows the line is for `poll` to see.
        while line.len() < ERRAND_BYTES_MAX {
            match rustix::io::read(input, &mut byte) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) => line.push(byte[0]),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Errand { work, limit } = serde_json::from_slice(&line)?;
        Ok((work, Self { input, output, limit, clock: SystemClock::start() }))
    }

    /// Says that what was asked for holds now.
    pub(super) fn ready(&self) -> io::Result<()> {
        say(&self.output, &Said::Ready)
    }

    /// Time left, if the pipe stays open.
    pub(super) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.clock.now().elapsed())
    }

    /// Readable once the tool is gone. Nothing is ever sent after the errand.
    pub(super) const fn input(&self) -> BorrowedFd<'static> {
        self.input
    }

    /// Waits until it is over.
    pub(super) fn wait(&self) -> io::Result<()> {
        while !self.wait_for(self.left())? {}
        Ok(())
    }

    /// Waits, at most this long. `true`: it is over.
    pub(super) fn wait_for(&self, pause: Duration) -> io::Result<bool> {
        let pause = pause.min(self.left());
        let timeout = Timespec {
            tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: pause.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&self.input, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => return Ok(self.left().is_zero()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match rustix::io::read(self.input, &mut [0u8; 64]) {
            Ok(0) => Ok(true),
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => Ok(self.left().is_zero()),
            Err(error) => Err(error.into()),
        }
    }
}

/// One line to the tool.
pub(super) fn say(mut out: &Stdout, said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}
