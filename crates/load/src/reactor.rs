//! Reactor: sleeps until a socket is ready, the owner rings, or the next arrival is due.
//!
//! Every socket is registered once, edge-triggered for both directions, so that sending and receiving
//! cost no further call to the kernel's bookkeeping.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

/// Looked at in one go. More than the connections that become ready at once, most of the time.
const BATCH: usize = 256;

const MILLISECOND: Duration = Duration::from_millis(1);

/// The token of the owner's bell.
const BELL: u64 = u64::MAX;

/// Something became ready.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Ready {
    /// As given with the socket.
    pub(crate) token: u64,
    /// It can be written to again.
    pub(crate) writable: bool,
    /// It has bytes, or has ended.
    pub(crate) readable: bool,
    /// The other side has ended, or the connection is broken: it must be read up to its end.
    pub(crate) ended: bool,
}

/// An epoll instance.
pub(crate) struct Reactor {
    epoll: OwnedFd,
    ready: Vec<Ready>,
}

impl Reactor {
    pub(crate) fn new(bell: &OwnedFd) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let token = epoll::EventData::new_u64(BELL);
        epoll::add(&epoll, bell, token, epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        Ok(Self { epoll, ready: Vec::with_capacity(BATCH) })
    }

    /// Watches a socket until it is closed.
    pub(crate) fn watch(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        use epoll::EventFlags as Flags;
        let flags = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token), flags)?)
    }

    /// What became ready, waiting for it up to about `patience`: whole milliseconds of it, or what is less than one.
    ///
    /// The short sleep is left to `ppoll`, which every kernel and sandbox allows and which, unlike
    /// `epoll_wait`, counts in nanoseconds.
    pub(crate) fn wait(&mut self, patience: Duration) -> io::Result<Vec<Ready>> {
        if patience.is_zero() || patience >= MILLISECOND {
            self.collect(patience)?;
        } else {
            let patience = Timespec::try_from(patience).ok();
            let mut epoll = [PollFd::new(&self.epoll, PollFlags::IN)];
            match poll(&mut epoll, patience.as_ref()) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => self.collect(Duration::ZERO)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(std::mem::take(&mut self.ready))
    }

    /// Gives the list back, so that the next wait allocates nothing.
    pub(crate) fn give_back(&mut self, mut ready: Vec<Ready>) {
        ready.clear();
        self.ready = ready;
    }

    fn collect(&mut self, patience: Duration) -> io::Result<()> {
        use epoll::EventFlags as Flags;
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); BATCH];
        let millis = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let patience = Timespec::try_from(Duration::from_millis(millis)).unwrap_or_default();
        let (events, _) = match epoll::wait(&self.epoll, &mut events[..], Some(&patience)) {
            Ok(events) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            let (flags, token) = (event.flags, event.data.u64());
            if token != BELL {
                self.ready.push(Ready {
                    token,
                    writable: flags.intersects(Flags::OUT | Flags::ERR | Flags::HUP),
                    readable: flags.intersects(Flags::IN | Flags::RDHUP | Flags::ERR | Flags::HUP),
                    ended: flags.intersects(Flags::RDHUP | Flags::ERR | Flags::HUP),
                });
            }
        }
        Ok(())
    }
}
