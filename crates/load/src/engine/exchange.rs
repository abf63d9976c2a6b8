//! Exchange: one request on one connection, from the first byte sent to its outcome.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_model::Answer;
use evenkeel_units::{Clock, Moment};
use rand::Rng;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};

use super::Engine;
use crate::pool::{Connection, Request, State};
use crate::protocol::http1::{End, Event, Malformed};
use crate::reactor::Ready;
use crate::routes::CHECKED_BYTES_MAX;

/// While a target refuses connections, it is asked at most once in this time.
const REFUSED_PAUSE: Duration = Duration::from_millis(1);

/// A kept connection that breaks sooner than this after a request was handed to it had been closed by
/// the server meanwhile; later, the server took the request and failed.
const STALE_WITHIN: Duration = Duration::from_millis(100);

/// How far the bytes that came have brought an answer.
enum Progress {
    More,
    Whole { answer: Answer, reusable: bool },
}

impl<C: Rng> Engine<C> {
    /// A connection has something to say.
    pub(super) fn on_ready(&mut self, event: Ready) {
        // It may have been closed by an earlier event of the same batch.
        let Some(at) = self.pool.find(event.token) else { return };
        match self.pool.connections[at].state {
            State::Connecting { .. } if event.writable => self.on_connect(at),
            State::Connecting { .. } | State::Closed => {}
            State::Idle => {
                if event.readable {
                    self.on_goodbye(at);
                }
            }
            State::Busy { request, written, .. } => {
                if event.writable && written < self.routes.get(request.route).request.len() {
                    self.send_rest(at);
                }
                if event.readable && self.pool.find(event.token).is_some() {
                    self.read(at, event.ended);
                }
            }
        }
    }

    /// An idle connection has nothing to say but goodbye.
    fn on_goodbye(&mut self, at: usize) {
        let heard = self.pool.connections[at]
            .socket
            .as_ref()
            .map(|it| recv(it, &mut *self.buffer, RecvFlags::DONTWAIT).map(|(length, _)| length));
        if !matches!(heard, Some(Err(Errno::AGAIN | Errno::INTR))) {
            self.pool.close(at);
        }
    }

    /// Hands a waiting request to an idle connection.
    pub(super) fn send_from(&mut self, at: usize, request: Request, now: Moment) {
        self.count_sent(&request, now);
        self.begin(at, request, now);
    }

    /// Begins to connect for a request, which was counted as sent.
    pub(super) fn connect(&mut self, at: usize, request: Request, since: Moment, tried: usize) {
        let to = self.address_after(tried);
        self.pool.connections[at].state = State::Connecting { request, since, tried };
        if self.pool.connect(at, to, &self.reactor).is_err() {
            self.on_refused(at);
        }
    }

    fn address_after(&self, tried: usize) -> SocketAddr {
        let all = &self.target.addresses;
        all[(self.address + tried) % all.len()]
    }

    fn on_connect(&mut self, at: usize) {
        let here = &self.pool.connections[at];
        let State::Connecting { request, tried, .. } = here.state else { return };
        let made =
            here.socket.as_ref().is_some_and(|it| matches!(sockopt::socket_error(it), Ok(Ok(()))));
        if !made {
            self.on_refused(at);
            return;
        }
        self.address = (self.address + tried) % self.target.addresses.len();
        self.connect_after = Moment::START;
        self.pool.made(at);
        self.begin(at, request, self.clock.now());
    }

    fn on_refused(&mut self, at: usize) {
        let State::Connecting { request, since, tried } = self.pool.connections[at].state else {
            return;
        };
        self.pool.disconnect(at);
        if tried + 1 < self.target.addresses.len() {
            self.connect(at, request, since, tried + 1);
            return;
        }
        self.pool.close(at);
        let now = self.clock.now();
        self.connect_after = now + REFUSED_PAUSE;
        self.outcome(&request, Answer::Connect, now);
        // Nobody is asked again for each arrival of a crowd: the answer was for all that waited for it.
        if self.pool.up() == 0 {
            while let Some(&request) = self.waiting.front()
                && request.due <= since
            {
                self.waiting.pop_front();
                self.count_sent(&request, now);
                self.outcome(&request, Answer::Connect, now);
            }
        }
    }

    fn begin(&mut self, at: usize, request: Request, since: Moment) {
        let here = &mut self.pool.connections[at];
        here.reader.expect(self.routes.get(request.route).without_body);
        here.body.clear();
        here.state = State::Busy { request, since, written: 0, status: None, begun: false };
        self.send_rest(at);
    }

    /// Sends without asking first whether the socket is ready: it nearly always is.
    fn send_rest(&mut self, at: usize) {
        let Connection {
            socket: Some(socket), state: State::Busy { request, written, .. }, ..
        } = &mut self.pool.connections[at]
        else {
            return;
        };
        let bytes = &self.routes.get(request.route).request;
        while *written < bytes.len() {
            match send(&*socket, &bytes[*written..], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => *written += sent,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    // A server may answer and close before it has read the request.
                    let token = self.pool.token(at);
                    self.read(at, true);
                    if self.pool.find(token).is_some() {
                        self.on_broken(at);
                    }
                    return;
                }
            }
        }
    }

    /// Reads what has come; up to the end, when the other side has `ended`.
    fn read(&mut self, at: usize, ended: bool) {
        let token = self.pool.token(at);
        while self.pool.find(token).is_some() {
            let Some(socket) = &self.pool.connections[at].socket else { return };
            match recv(socket, &mut *self.buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return self.on_end(at),
                Ok((length, _)) => {
                    self.on_bytes(at, length, ended);
                    // A short read has emptied the socket; the reactor says when there is more.
                    if length < self.buffer.len() && !ended {
                        return;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => return self.on_broken(at),
            }
        }
    }

    fn on_bytes(&mut self, at: usize, length: usize, ended: bool) {
        let progress = self.understand(at, length);
        match progress {
            Ok(Progress::More) => {}
            Ok(Progress::Whole { answer, reusable }) => self.settle(at, answer, reusable && !ended),
            Err(Malformed) => self.settle(at, Answer::Body, false),
        }
    }

    /// What the first `length` bytes of the buffer mean for the answer on a connection.
    fn understand(&mut self, at: usize, length: usize) -> Result<Progress, Malformed> {
        let Connection { state, reader, body, .. } = &mut self.pool.connections[at];
        let State::Busy { request, written, status, begun, .. } = state else {
            return Err(Malformed);
        };
        *begun = true;
        let route = self.routes.get(request.route);
        let mut input = &self.buffer[..length];
        loop {
            match reader.next(&mut input)? {
                None => return Ok(Progress::More),
                Some(Event::Head { status: it }) => *status = Some(it),
                Some(Event::Body(data)) => {
                    if route.checks_body() {
                        let room = CHECKED_BYTES_MAX - body.len();
                        body.extend_from_slice(&data[..data.len().min(room)]);
                    }
                }
                Some(Event::Done { keep_alive }) => {
                    let answer = route.judge(status.unwrap_or_default(), body);
                    // Bytes that nobody asked for, or a request cut short, leave nothing to build on.
                    let in_step = input.is_empty() && *written == route.request.len();
                    return Ok(Progress::Whole { answer, reusable: keep_alive && in_step });
                }
            }
        }
    }

    /// The other side has closed the connection.
    fn on_end(&mut self, at: usize) {
        let Connection { state, reader, body, .. } = &self.pool.connections[at];
        match state {
            State::Busy { request, status, .. } if reader.end() == End::Whole => {
                let answer = self.routes.get(request.route).judge(status.unwrap_or_default(), body);
                self.settle(at, answer, false);
            }
            State::Busy { .. } => self.on_broken(at),
            State::Idle | State::Connecting { .. } | State::Closed => self.pool.close(at),
        }
    }

    /// The connection broke before the answer was whole.
    fn on_broken(&mut self, at: usize) {
        let here = &self.pool.connections[at];
        let State::Busy { mut request, since, begun, .. } = here.state else {
            self.pool.close(at);
            return;
        };
        let now = self.clock.now();
        let stale = here.used && !begun && now - since < STALE_WITHIN;
        if stale && !request.retried && self.routes.get(request.route).idempotent {
            request.retried = true;
            self.pool.disconnect(at);
            self.connect(at, request, now, 0);
        } else {
            self.settle(at, Answer::Reset, false);
        }
    }

    /// Gives the request up, if it has lasted too long.
    pub(super) fn expire_at(&mut self, at: usize, now: Moment) {
        let (State::Connecting { request, .. } | State::Busy { request, .. }) =
            self.pool.connections[at].state
        else {
            return;
        };
        let deadline = request.due + self.timeout;
        if now >= deadline {
            self.settle(at, Answer::Timeout, false);
        } else {
            self.next_deadline = Some(self.next_deadline.map_or(deadline, |it| it.min(deadline)));
        }
    }

    /// The request on a connection has its outcome.
    fn settle(&mut self, at: usize, answer: Answer, reusable: bool) {
        let (State::Connecting { request, .. } | State::Busy { request, .. }) =
            self.pool.connections[at].state
        else {
            unreachable!("only a connection with a request settles one");
        };
        if reusable {
            self.pool.rest(at);
        } else {
            self.pool.close(at);
        }
        let now = self.clock.now();
        self.outcome(&request, answer, now);
    }

    fn outcome(&mut self, request: &Request, answer: Answer, now: Moment) {
        self.in_flight -= 1;
        self.recorder.outcome(request.route, answer, now - request.due);
        if let Some(phase) = request.phase {
            let turned_away = matches!(answer, Answer::Connect | Answer::Reset);
            self.users.answered(phase, now, turned_away);
        }
    }
}
