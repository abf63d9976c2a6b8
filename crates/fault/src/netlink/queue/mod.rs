//! Queue: packets that wait in the kernel for a verdict of ours.
//!
//! ```text
//! holdback  when which packet gets which verdict; pure
//! damage    a bit is turned
//! packet    packets and verdicts as bytes
//! ```
//!
//! Only descriptions of packets come here, lengths where these count, contents where they are to be damaged. The kernel lets packets
//! pass when the queue is full, and when nobody listens.

mod damage;
mod holdback;
mod packet;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use self::packet::SUBSYSTEM;
use super::message::{Answer, Subject, Values, Writer, messages};
use super::socket::{Socket, Trouble};

#[cfg(test)]
pub(crate) use self::holdback::Order;
pub(crate) use self::holdback::{Done, Holdback, Treatment};
pub(crate) use self::packet::{Packet, Verdict};

const CONFIGURE: u16 = SUBSYSTEM << 8 | 2;
const BIND: u8 = 1;
const COPY_DESCRIPTION: u8 = 1;
const COPY_CONTENTS: u8 = 2;
const FAIL_OPEN: u32 = 1;
const WHOLE_SEGMENTS: u32 = 4;

/// Packets that wait in the kernel at most; those beyond pass.
const PACKETS_MAX: u32 = 65_536;
/// Bytes that wait to be read.
const UNREAD_BYTES_MAX: usize = 16 << 20;
/// Read at one go, before anybody else has a turn.
const READ_MAX: usize = 256;
/// Verdicts are sent when there are so many bytes of them; the kernel takes less than 200 KiB at a time.
const UNSENT_BYTES_MAX: usize = 32 * 1024;

/// Queues have numbers, and no names. Ours are looked for from here on, beginning at one's own place.
const FIRST: u16 = 0x4500;
const PLACES: u32 = 4096;
const TRIES_MAX: u32 = 64;

/// What a queue hands out.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing of them, and segments that belong together as one.
    None,
    /// How long each is, and no more than its first byte.
    Length,
    /// Packets as they go on the wire, with their checksums.
    Whole,
}

/// A queue that is ours. Nobody is held up any more when it is dropped; what waits in it is then lost.
pub(crate) struct Queue {
    socket: Socket,
    number: u16,
    verdicts: Writer,
    gone: u64,
    /// Without it the kernel says of no packet when it came.
    _stamps: Option<OwnedFd>,
}

impl Queue {
    /// Takes a number that nobody has.
    pub(crate) fn bind(contents: Contents) -> Result<Self, Trouble> {
        let mut socket = Socket::open()?;
        socket.keep_unread(UNREAD_BYTES_MAX)?;
        let mut place = std::process::id();
        for rest in (0..TRIES_MAX).rev() {
            let number = FIRST + (place % PLACES) as u16;
            let subject = Subject { kind: CONFIGURE, flags: 0, family: 0, resource: number };
            match socket.request(subject, |to| configure(to, contents)) {
                Ok(()) => {
                    let verdicts = Writer::default();
                    return Ok(Self { socket, number, verdicts, gone: 0, _stamps: stamps().ok() });
                }
                // So says the kernel of queues of others, too.
                Err(Trouble::Refused(it)) if it.errno == Errno::PERM && rest > 0 => place += 1,
                Err(trouble) => return Err(trouble),
            }
        }
        Err(Trouble::Silent)
    }

    pub(crate) const fn number(&self) -> u16 {
        self.number
    }

    /// Packets that were away before their verdict came.
    pub(crate) const fn gone(&self) -> u64 {
        self.gone
    }

    /// Gives each packet that has come to `decide`, which may say a verdict at once. `true`: there are more.
    pub(crate) fn receive(
        &mut self,
        mut decide: impl FnMut(Packet<'_>) -> Option<Verdict>,
    ) -> io::Result<bool> {
        for _ in 0..READ_MAX {
            let Some(bytes) = self.socket.receive()? else { return Ok(false) };
            for message in messages(bytes) {
                if let Some(packet) = Packet::read(&message) {
                    if let Some(verdict) = decide(packet) {
                        verdict.write(self.number, &mut self.verdicts);
                    }
                } else if let Some(Answer::Refused(_)) = message.answer() {
                    self.gone += 1;
                }
            }
        }
        Ok(true)
    }

    /// Says a verdict; it is heard with the next [`Self::send`], or before.
    pub(crate) fn say(&mut self, verdict: &Verdict) -> io::Result<()> {
        verdict.write(self.number, &mut self.verdicts);
        if self.verdicts.bytes().len() < UNSENT_BYTES_MAX {
            return Ok(());
        }
        self.send()
    }

    /// Has the kernel hear all verdicts.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        if !self.verdicts.is_empty() {
            self.socket.send(self.verdicts.bytes())?;
            self.verdicts.clear();
        }
        Ok(())
    }
}

/// Has the kernel look at its clock whenever a packet comes, as it does as soon as one socket of the host asks for it.
fn stamps() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    setsockopt(&socket, sockopt::ReceiveTimestamp, &true)?;
    Ok(socket)
}

fn configure(to: &mut Values<'_>, contents: Contents) {
    let (bytes, copy, segments) = match contents {
        Contents::None => (0, COPY_DESCRIPTION, WHOLE_SEGMENTS),
        Contents::Length => (1, COPY_CONTENTS, 0),
        Contents::Whole => (0, COPY_CONTENTS, 0),
    };
    to.bytes(1, &[BIND, 0, 0, 0]);
    // How many bytes; 0 stands for all.
    to.bytes(2, &[0, 0, 0, bytes, copy]);
    to.be32(3, PACKETS_MAX);
    to.be32(4, FAIL_OPEN | WHOLE_SEGMENTS);
    to.be32(5, FAIL_OPEN | segments);
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
