//! Pool: a bounded number of connections, each a small record that is used again and again.

use std::net::SocketAddr;

use evenkeel_units::Moment;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::protocol::http1::Reader;
use crate::reactor::Reactor;

/// Bodies that are checked are kept in a buffer, which is given back when it has grown beyond this.
const KEPT_BODY_BYTES_MAX: usize = 64 * 1024;

/// One arrival: a request that is due.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Request {
    /// When it was to be sent; its response time and its timeout count from here.
    pub(crate) due: Moment,
    /// Which route.
    pub(crate) route: u32,
    /// In the closed model, the phase whose user sends it.
    pub(crate) phase: Option<u32>,
    /// Whether a stale connection has cost it one try.
    pub(crate) retried: bool,
}

/// What a connection is doing.
#[derive(Copy, Clone, Debug)]
pub(crate) enum State {
    /// There is none.
    Closed,
    /// It is being made for a request.
    Connecting {
        request: Request,
        /// When the first address was tried.
        since: Moment,
        /// How many addresses have been tried before this one.
        tried: usize,
    },
    /// It waits for the next request.
    Idle,
    /// It carries a request.
    Busy {
        request: Request,
        /// When it was handed the request.
        since: Moment,
        /// How many bytes of it are sent.
        written: usize,
        /// The status of the answer, once it is known.
        status: Option<u16>,
        /// Whether any byte of an answer has come.
        begun: bool,
    },
}

/// One connection, or the place of one.
pub(crate) struct Connection {
    pub(crate) socket: Option<OwnedFd>,
    pub(crate) state: State,
    /// Tells events of this connection from those of its predecessors in the same place.
    generation: u32,
    /// Whether it has carried an answer before, so that the server may have closed it by now.
    pub(crate) used: bool,
    /// Whether it was ever made.
    up: bool,
    pub(crate) reader: Reader,
    /// What has come of a body that is to be checked.
    pub(crate) body: Vec<u8>,
}

/// All connections.
pub(crate) struct Pool {
    pub(crate) connections: Vec<Connection>,
    limit: usize,
    idle: Vec<usize>,
    closed: Vec<usize>,
    up: usize,
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self { connections: Vec::new(), limit, idle: Vec::new(), closed: Vec::new(), up: 0 }
    }

    /// The idle connection that was used last: it is the least likely to have gone stale.
    pub(crate) fn take_idle(&mut self) -> Option<usize> {
        self.idle.pop()
    }

    /// Whether one more connection may be made.
    pub(crate) fn has_room(&self) -> bool {
        !self.closed.is_empty() || self.connections.len() < self.limit
    }

    /// A place for a new connection.
    pub(crate) fn take_place(&mut self) -> Option<usize> {
        self.closed.pop().or_else(|| {
            (self.connections.len() < self.limit).then(|| {
                self.connections.push(Connection {
                    socket: None,
                    state: State::Closed,
                    generation: 0,
                    used: false,
                    up: false,
                    reader: Reader::default(),
                    body: Vec::new(),
                });
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
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        reactor.watch(&socket, self.token(at))?;
        self.connections[at].socket = Some(socket);
        Ok(())
    }

    /// The connection stands.
    pub(crate) fn made(&mut self, at: usize) {
        self.connections[at].up = true;
        self.up += 1;
    }

    /// The connection waits for its next request.
    pub(crate) fn rest(&mut self, at: usize) {
        let here = &mut self.connections[at];
        here.state = State::Idle;
        here.used = true;
        self.idle.push(at);
    }

    /// Drops the socket, and keeps the place for a new one.
    pub(crate) fn disconnect(&mut self, at: usize) {
        let here = &mut self.connections[at];
        here.socket = None;
        here.generation = here.generation.wrapping_add(1);
        here.used = false;
        self.up -= usize::from(std::mem::take(&mut here.up));
    }

    /// Ends the connection and gives its place back.
    pub(crate) fn close(&mut self, at: usize) {
        self.disconnect(at);
        let here = &mut self.connections[at];
        if matches!(here.state, State::Idle) {
            self.idle.retain(|&it| it != at);
        }
        here.state = State::Closed;
        if here.body.capacity() > KEPT_BODY_BYTES_MAX {
            here.body = Vec::new();
        }
        self.closed.push(at);
    }
}
