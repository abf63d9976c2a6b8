//! A socket to the kernel's netfilter: requests and batches, with an answer to each.
//!
//! The kernel works while it is being sent to, so every answer is there when sending returns: nothing here
//! ever waits, but for the packets of a queue.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_NETFILTER;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::message::{ACK, Answer, DUMP, Message, Refused, Subject, Values, Writer, messages};

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// More than the longest message: a packet of 64 KiB with what is said about it.
const BUFFER_BYTES: usize = 128 * 1024;
/// How often a list is asked for that changes while it is read.
const DUMPS_MAX: u32 = 16;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The kernel said no.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// What must be there was missing.
    #[error("the kernel gave no answer")]
    Silent,
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Socket(error) => error,
            Trouble::Refused(refused) => {
                Self::new(Self::from(refused.errno).kind(), refused.to_string())
            }
            Trouble::Silent => Self::other(trouble),
        }
    }
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Socket(errno.into())
    }
}

/// A socket of `NETLINK_NETFILTER`. What it owns in the kernel goes when it does.
pub(crate) struct Socket {
    inner: netlink_sys::Socket,
    number: u32,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Socket {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = netlink_sys::Socket::new(NETLINK_NETFILTER)?;
        let number = socket.bind_auto()?.port_number();
        socket.set_non_blocking(true)?;
        // Why, and not only that, a request is refused; without the request, which is known here.
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        Ok(Self { inner: socket, number, buffer: vec![0; BUFFER_BYTES], sequence: 0 })
    }

    /// What no other socket of this network has, whoever opened it.
    pub(crate) const fn number(&self) -> u32 {
        self.number
    }

    /// Has the kernel keep up to so many bytes for us; fewer without `CAP_NET_ADMIN`.
    pub(crate) fn keep_unread(&self, bytes: usize) -> io::Result<()> {
        // Packets that find the buffer full are counted elsewhere, and are no error of the socket.
        self.inner.set_no_enobufs(true)?;
        rustix::net::sockopt::set_socket_recv_buffer_size_force(self, bytes)
            .or_else(|_| rustix::net::sockopt::set_socket_recv_buffer_size(self, bytes))?;
        Ok(())
    }

    /// Makes one request, and reads the answer to it.
    pub(crate) fn request(
        &mut self,
        subject: Subject,
        fill: impl FnOnce(&mut Values<'_>),
    ) -> Result<(), Trouble> {
        let sequence = self.next();
        let mut writer = Writer::default();
        writer.message(Subject { flags: subject.flags | ACK, ..subject }, sequence, fill);
        self.send(writer.bytes())?;
        self.answers(sequence, sequence)
    }

    /// Makes all requests of a batch or, when one is refused, none of them.
    pub(crate) fn transact(&mut self, batch: Batch) -> Result<(), Trouble> {
        let subject = |kind| Subject { kind, flags: 0, family: 0, resource: batch.subsystem };
        let mut writer = Writer::default();
        let begin = self.next();
        writer.message(subject(BATCH_BEGIN), begin, |_| {});
        let mut last = begin;
        for (about, fill) in batch.requests {
            last = self.next();
            writer.message(Subject { flags: about.flags | ACK, ..about }, last, |it| fill(it));
        }
        writer.message(subject(BATCH_END), self.next(), |_| {});
        self.send(writer.bytes())?;
        // The beginning is answered only when the whole is refused.
        self.answers(begin, last)
    }

    /// Reads the answers up to the one numbered `last`: the first refusal from `first` on, if any.
    fn answers(&mut self, first: u32, last: u32) -> Result<(), Trouble> {
        let mut refusal = None;
        let mut is_answered = false;
        while let Some(bytes) = self.receive()? {
            for message in messages(bytes).filter(|it| (first..=last).contains(&it.sequence)) {
                is_answered |= message.sequence == last && message.answer().is_some();
                if let Some(Answer::Refused(refused)) = message.answer() {
                    refusal.get_or_insert(refused);
                }
            }
        }
        match refusal {
            Some(refused) => Err(refused.into()),
            None if is_answered => Ok(()),
            None => Err(Trouble::Silent),
        }
    }

    /// Asks for a list, and gives each of its messages to `each`; again from the start, after `restart`,
    /// when it changed while it was read.
    pub(crate) fn dump<T: Default>(
        &mut self,
        subject: Subject,
        fill: impl Fn(&mut Values<'_>),
        each: impl Fn(&mut T, &Message<'_>),
    ) -> Result<T, Trouble> {
        for _ in 0..DUMPS_MAX {
            let sequence = self.next();
            let mut writer = Writer::default();
            writer.message(Subject { flags: subject.flags | DUMP, ..subject }, sequence, &fill);
            self.send(writer.bytes())?;
            let mut list = T::default();
            let (mut end, mut is_interrupted) = (None, false);
            while end.is_none() {
                let Some(bytes) = self.receive()? else { return Err(Trouble::Silent) };
                for message in messages(bytes).filter(|it| it.sequence == sequence) {
                    is_interrupted |= message.is_interrupted();
                    end = message.answer();
                    each(&mut list, &message);
                }
            }
            if let Some(Answer::Refused(refused)) = end {
                return Err(refused.into());
            }
            if !is_interrupted {
                return Ok(list);
            }
        }
        Err(Trouble::Silent)
    }

    /// Sends messages that were written elsewhere.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        rustix::io::retry_on_intr(|| rustix::net::send(self, bytes, SendFlags::empty()))?;
        Ok(())
    }

    /// What the kernel has sent, up to one datagram; `None` when there is nothing.
    pub(crate) fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        let buffer = &mut self.buffer;
        let read = |buffer: &mut [u8]| {
            let fd = self.inner.as_fd();
            rustix::io::retry_on_intr(|| rustix::net::recv(fd, &mut *buffer, RecvFlags::DONTWAIT))
        };
        match read(buffer) {
            Ok((length, _)) => Ok(self.buffer.get(..length)),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn next(&mut self) -> u32 {
        // 0 is the sequence of messages that nobody asked for.
        self.sequence = self.sequence.checked_add(1).unwrap_or(1);
        self.sequence
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

type Fill<'a> = Box<dyn FnOnce(&mut Values<'_>) + 'a>;

/// Requests that are done all together or not at all.
pub(crate) struct Batch<'a> {
    subsystem: u16,
    requests: Vec<(Subject, Fill<'a>)>,
}

impl<'a> Batch<'a> {
    /// For one subsystem.
    pub(crate) const fn of(subsystem: u16) -> Self {
        Self { subsystem, requests: Vec::new() }
    }

    pub(crate) fn request(
        &mut self,
        subject: Subject,
        fill: impl FnOnce(&mut Values<'_>) + 'a,
    ) -> &mut Self {
        self.requests.push((subject, Box::new(fill)));
        self
    }
}
