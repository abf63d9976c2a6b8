//! A pipe of the kernel, through which a stream flows that nobody has to look at.
//!
//! Pages go by reference from what one socket has received to what the other will send (splice(2)). A pipe
//! is filled only when it is empty, so that "try again" always means that nothing has come. Empty ones wait
//! for the next stream that has much to carry: there are hardly more of them than receivers that are slow.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// As large as the kernel lets anyone have one.
const PIPE_BYTES: usize = 1024 * 1024;
/// Empty ones that are kept.
const SPARE_MAX: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, and how much is in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    into: OwnedFd,
    out: OwnedFd,
    bytes: usize,
}

impl Pipe {
    /// An empty one.
    pub(crate) fn take() -> io::Result<Self> {
        if let Some(spare) = SPARE.with_borrow_mut(Vec::pop) {
            return Ok(spare);
        }
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // An ordinary user may have few large ones. A small one does the same, less at a time.
        fcntl_setpipe_size(&into, PIPE_BYTES).unwrap_or_default();
        Ok(Self { into, out, bytes: 0 })
    }

    /// How much is in it.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets in what a socket has received; 0 at the end of its stream.
    pub(crate) fn fill(&mut self, from: &TcpStream) -> io::Result<usize> {
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let bytes = from.try_io(Interest::READABLE, || {
            Ok(splice(from, None, &self.into, None, PIPE_BYTES, flags)?)
        })?;
        self.bytes += bytes;
        Ok(bytes)
    }

    /// Lets out what a socket has room for.
    pub(crate) fn empty(&mut self, to: &TcpStream) -> io::Result<usize> {
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let bytes = to.try_io(Interest::WRITABLE, || {
            Ok(splice(&self.out, None, to, None, self.bytes, flags)?)
        })?;
        self.bytes -= bytes;
        Ok(bytes)
    }

    /// What is in it, for somebody who has to look at it after all.
    pub(crate) fn into_bytes(mut self) -> io::Result<Vec<u8>> {
        let mut all = vec![0; self.bytes];
        while let Some(rest) = all.len().checked_sub(self.bytes).and_then(|it| all.get_mut(it..))
            && !rest.is_empty()
        {
            self.bytes -= match rustix::io::read(&self.out, rest)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                bytes => bytes,
            };
        }
        self.give_back();
        Ok(all)
    }

    /// Keeps it for the next stream, when it is empty; what is in it is lost otherwise.
    pub(crate) fn give_back(self) {
        if self.bytes == 0 {
            SPARE.with_borrow_mut(|spare| {
                if spare.len() < SPARE_MAX {
                    spare.push(self);
                }
            });
        }
    }
}
