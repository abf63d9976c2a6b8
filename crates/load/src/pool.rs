//! Pool: a bounded number of connections, each a small record that is used again and again.

use std::collections::VecDeque;
use std::net::SocketAddr;

use evenkeel_units::Moment;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, connect, send, socket_with, sockopt,
};

use crate::protocol::{Carrier, Protocol, Standing};
use crate::reactor::Reactor;
use crate::tls::Session;

/// What a connection has not sent yet is kept in a buffer, which is given back when it has grown beyond this.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// What a connection is doing.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is none.
    Closed,
    /// It is being made.
    Connecting {
        /// When the first address was tried.
        since: Moment,
        /// How many addresses have been tried before this one.
        tried: usize,
    },
    /// TLS is being agreed upon.
    Securing,
    /// It stands.
    Up,
}

/// In which lists of the pool a connection is.
#[derive(Copy, Clone, Debug)]
struct Listed {
    idle: bool,
    roomy: bool,
}

/// One connection, or the place of one.
pub(crate) struct Connection<P> {
    pub(crate) socket: Option<OwnedFd>,
    pub(crate) state: State,
    pub(crate) tls: Option<Session>,
    pub(crate) speaks: Option<P>,
    /// The exchanges on it, begun or waiting for it to stand.
    pub(crate) carries: Vec<u32>,
    /// What was said and is to be sent together with what else is said now.
    pub(crate) unwritten: Vec<u8>,
    /// What could not be sent yet.
    pub(crate) unsent: Vec<u8>,
    /// Tells events of this connection from those of its predecessors in the same place.
    generation: u32,
    /// Whether it has carried an answer before, so that the server may have closed it by now.
    pub(crate) used: bool,
    /// Whether it belongs to one user or visit, and so is offered to nobody.
    pub(crate) owned: bool,
    /// Whether it is counted as standing.
    counted: bool,
    /// Among those that can be given a request.
    listed: Listed,
}

impl<P: Protocol> Connection<P> {
    const fn new() -> Self {
        Self {
            socket: None,
            state: State::Closed,
            tls: None,
            speaks: None,
            carries: Vec::new(),
            unwritten: Vec::new(),
            unsent: Vec::new(),
            generation: 0,
            used: false,
            owned: false,
            counted: false,
            listed: Listed { idle: false, roomy: false },
        }
    }

    /// How many more exchanges it can carry, at most `streams` at once.
    pub(crate) fn room(&self, streams: u32) -> u32 {
        match self.speaks.as_ref().map(Protocol::standing) {
            Some(Standing::Open(room)) => {
                room.min(streams.saturating_sub(self.carries.len() as u32))
            }
            Some(Standing::Opening | Standing::Closing) | None => 0,
        }
    }
}

/// All connections.
pub(crate) struct Pool<P> {
    pub(crate) connections: Vec<Connection<P>>,
    limit: usize,
    /// The most exchanges at once on each.
    streams: u32,
    /// Those that carry nothing.
    idle: Vec<usize>,
    /// Those that carry something and may have room for more; each at most once.
    roomy: VecDeque<usize>,
    closed: Vec<usize>,
    up: usize,
}

impl<P: Protocol> Pool<P> {
    pub(crate) fn new(limit: usize, streams: u32) -> Self {
        Self {
            connections: Vec::new(),
            limit,
            streams,
            idle: Vec::new(),
            roomy: VecDeque::new(),
            closed: Vec::new(),
            up: 0,
        }
    }

    /// The idle connection that was used last: it is the least likely to have gone stale.
    pub(crate) fn take_idle(&mut self) -> Option<usize> {
        let at = self.idle.pop()?;
        self.connections[at].listed.idle = false;
        Some(at)
    }

    /// A connection that carries something and can carry more; they take turns.
    pub(crate) fn take_roomy(&mut self) -> Option<usize> {
        while let Some(at) = self.roomy.pop_front() {
            let here = &mut self.connections[at];
            here.listed.roomy = false;
            if !here.carries.is_empty() && here.room(self.streams) > 0 {
                return Some(at);
            }
        }
        None
    }

    /// So many connections more may be made.
    pub(crate) fn grow(&mut self, by: usize) {
        self.limit += by;
    }

    /// Whether one more connection may be made.
    pub(crate) fn has_place(&self) -> bool {
        !self.closed.is_empty() || self.connections.len() < self.limit
    }

    /// A place for a new connection.
    pub(crate) fn take_place(&mut self) -> Option<usize> {
        self.closed.pop().or_else(|| {
            (self.connections.len() < self.limit).then(|| {
                self.connections.push(Connection::new());
                self.connections.len() - 1
            })
        })
    }

    /// How many connections stand.
    pub(crate) fn up(&self) -> usize {
        self.up
    }

    /// The connection that a token of the reactor means, unless it is gone.
    pub(crate) fn find(&self, token: u64) -> Option<usize> {
        let at = (token & u64::from(u32::MAX)) as usize;
        let here = self.connections.get(at)?;
        (u64::from(here.generation) == token >> 32 && here.socket.is_some()).then_some(at)
    }

    /// What the reactor calls this connection.
    pub(crate) fn token(&self, at: usize) -> u64 {
        u64::from(self.connections[at].generation) << 32 | at as u64
    }

    /// Begins to connect; the reactor says when it is done.
    pub(crate) fn connect(
        &mut self,
        at: usize,
        to: SocketAddr,
        reactor: &Reactor,
    ) -> std::io::Result<()> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let kind = match P::CARRIER {
            Carrier::Stream => SocketType::STREAM,
            Carrier::Datagram => SocketType::DGRAM,
        };
        let socket = socket_with(family, kind, flags, None)?;
        if P::CARRIER == Carrier::Stream {
            sockopt::set_tcp_nodelay(&socket, true)?;
        }
        match connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        reactor.watch(&socket, self.token(at))?;
        self.connections[at].socket = Some(socket);
        Ok(())
    }

    /// The connection stands, and speaks.
    pub(crate) fn made(&mut self, at: usize, speaks: P) {
        let here = &mut self.connections[at];
        here.state = State::Up;
        here.speaks = Some(speaks);
        here.counted = true;
        self.up += 1;
    }

    /// Notes whether the connection can be given a request: after every exchange that began or ended on it.
    pub(crate) fn offer(&mut self, at: usize) {
        let here = &mut self.connections[at];
        if here.owned || here.room(self.streams) == 0 {
            return;
        }
        if here.carries.is_empty() {
            if !here.listed.idle {
                here.listed.idle = true;
                self.idle.push(at);
            }
        } else if !here.listed.roomy {
            here.listed.roomy = true;
            self.roomy.push_back(at);
        }
    }

    /// Drops the socket, and keeps the place for a new one.
    pub(crate) fn disconnect(&mut self, at: usize) {
        let here = &mut self.connections[at];
        if let (Some(tls), Some(socket)) = (&mut here.tls, &here.socket) {
            // A farewell that cannot be said at once is not waited for.
            let mut farewell = Vec::new();
            tls.close(&mut farewell);
            send(socket, &farewell, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or_default();
        }
        here.socket = None;
        here.tls = None;
        here.speaks = None;
        here.generation = here.generation.wrapping_add(1);
        here.used = false;
        for buffer in [&mut here.unwritten, &mut here.unsent] {
            buffer.clear();
            buffer.shrink_to(KEPT_BYTES_MAX);
        }
        self.up -= usize::from(std::mem::take(&mut here.counted));
    }

    /// Ends the connection and gives its place back, unless that belongs to somebody. What it carried is the engine's to settle before.
    pub(crate) fn close(&mut self, at: usize) {
        self.disconnect(at);
        let here = &mut self.connections[at];
        here.carries.clear();
        here.state = State::Closed;
        if std::mem::take(&mut here.listed.idle) {
            self.idle.retain(|&it| it != at);
        }
        if !here.owned {
            self.closed.push(at);
        }
    }

    /// Ends a connection that belonged to somebody, and gives its place back.
    pub(crate) fn release(&mut self, at: usize) {
        self.connections[at].owned = false;
        self.close(at);
    }
}
