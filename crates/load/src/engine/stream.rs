//! Stream: bytes between sockets and what connections speak.

use evenkeel_model::Answer;
use evenkeel_units::Moment;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::exchange::KEPT_BODY_MAX;
use super::socket::{meaning, put};
use super::{Engine, Exchanges, READ_BYTES};
use crate::pool::{Connection, State};
use crate::protocol::{Carrier, Heard, Malformed, Protocol, Standing};
use crate::reactor::Ready;
use crate::route::Route;
use crate::tls::{Received, Session, TlsFault};

/// Of an answer whose body nobody looks at, so much is copied; as much as a body may be for it to cost less to
/// be copied than to be passed over.
const GLANCE_BYTES: usize = 4 * 1024;

/// What one look at a socket has brought to an end.
pub(super) type Ended = Vec<(u32, Verdict)>;

/// What bytes have come to.
struct Understood {
    ended: Ended,
    /// Whether they are not of the protocol.
    noise: bool,
    /// Whether the connection can carry something now, and could not before.
    opened: bool,
}

/// How an exchange has ended.
#[derive(Copy, Clone, Debug)]
pub(super) enum Verdict {
    /// Its answer is whole, and to be judged.
    Whole,
    /// It has come to nothing.
    Lost(Answer),
    /// It has come to nothing, and the server has not acted on it.
    Untouched(Answer),
}

impl<P: Protocol> Engine<P> {
    /// A connection has something to say.
    pub(super) fn on_ready(&mut self, event: Ready) {
        // It may have been closed by an earlier event of the same batch.
        let Some(at) = self.pool.find(event.token) else { return };
        match self.pool.connections[at].state {
            State::Connecting { .. } if event.writable => self.on_connect(at, event),
            State::Connecting { .. } | State::Closed => {}
            State::Securing | State::Up => {
                if event.writable && !self.pool.connections[at].unsent.is_empty() {
                    self.send_now(at);
                }
                if event.readable && self.pool.find(event.token).is_some() {
                    self.read(at, event.ended);
                }
            }
        }
    }

    /// Some protocols have something to say about a request as soon as it is sent.
    pub(super) fn listen_later(&mut self, at: usize) {
        if P::HEARS_AT_ONCE {
            let token = self.pool.token(at);
            self.unheard.push(token);
        }
    }

    /// Hears what connections have to say without any byte having come.
    pub(super) fn listen(&mut self) {
        for token in std::mem::take(&mut self.unheard) {
            if let Some(at) = self.pool.find(token) {
                let heard = self.understand(at, &[]);
                self.conclude(at, heard);
            }
        }
    }

    /// Begins what was handed to a connection before it could carry anything.
    pub(super) fn begin_waiting(&mut self, at: usize) {
        let now = self.now();
        for n in 0..self.pool.connections[at].carries.len() {
            let here = &self.pool.connections[at];
            let Some(&exchange) = here.carries.get(n) else { break };
            // Those that wait do not take up room themselves.
            let ready = here.speaks.as_ref().is_some_and(|it| match it.standing() {
                Standing::Open(room) => room > 0,
                _ => false,
            });
            if ready && self.exchanges.get_mut(exchange).sent.is_none() {
                self.begin(at, exchange, now);
                if P::CARRIER == Carrier::Datagram {
                    self.flush(at);
                }
            }
        }
    }

    /// Sends what is to be sent on a connection: now, or with all that is said on it in this turn.
    pub(super) fn flush(&mut self, at: usize) {
        if !P::IS_SHARED {
            return self.send_now(at);
        }
        let token = self.pool.token(at);
        let here = &mut self.pool.connections[at];
        if here.unwritten.is_empty() && !self.out.is_empty() {
            self.unwritten.push(token);
        }
        here.unwritten.append(&mut self.out);
    }

    /// Sends what was said in this turn, a connection at a time.
    pub(super) fn send_together(&mut self) {
        for token in std::mem::take(&mut self.unwritten) {
            let Some(at) = self.pool.find(token) else { continue };
            std::mem::swap(&mut self.out, &mut self.pool.connections[at].unwritten);
            self.send_now(at);
            // Both are empty now; the one that has grown is of more use here.
            std::mem::swap(&mut self.out, &mut self.pool.connections[at].unwritten);
        }
    }

    /// Sends without asking first whether the socket is ready, since it nearly always is.
    fn send_now(&mut self, at: usize) {
        let here = &mut self.pool.connections[at];
        if let Some(tls) = &mut here.tls {
            let written = tls.send(&self.out, &mut self.cipher);
            self.out.clear();
            return match written {
                Ok(()) => self.send_cipher(at),
                Err(fault) => self.on_fault(at, &fault),
            };
        }
        let sent = put(here, &self.out, &mut self.demand.recorder.frame.bytes_sent);
        self.out.clear();
        if let Err(error) = sent {
            self.on_unsendable(at, error);
        }
    }

    pub(super) fn send_cipher(&mut self, at: usize) {
        let here = &mut self.pool.connections[at];
        let sent = put(here, &self.cipher, &mut self.demand.recorder.frame.bytes_sent);
        self.cipher.clear();
        if let Err(error) = sent {
            self.on_unsendable(at, error);
        }
    }

    /// A server may answer and close before it has read the request.
    fn on_unsendable(&mut self, at: usize, error: Errno) {
        let token = self.pool.token(at);
        self.read(at, true);
        if self.pool.find(token).is_some() {
            let now = self.now();
            self.broken(at, meaning(error), now);
        }
    }

    /// Reads what has come; up to the end, when the other side has `ended`.
    pub(super) fn read(&mut self, at: usize, ended: bool) {
        let token = self.pool.token(at);
        let mut first = true;
        while self.pool.find(token).is_some() {
            let (room, flags) = match self.unseen(at) {
                None => (READ_BYTES, RecvFlags::empty()),
                Some(0) => (if first { GLANCE_BYTES } else { READ_BYTES }, RecvFlags::empty()),
                // One more than there should be, so that what nobody asked for is noticed.
                Some(it) => {
                    let room = usize::try_from(it).map_or(READ_BYTES, |it| READ_BYTES.min(it + 1));
                    (room, RecvFlags::TRUNC)
                }
            };
            let Some(socket) = &self.pool.connections[at].socket else { return };
            match recv(socket, &mut self.buffer[..room], flags | RecvFlags::DONTWAIT) {
                Ok((0, _)) if P::CARRIER == Carrier::Stream => return self.on_end(at),
                Ok((length, _)) => {
                    self.demand.recorder.frame.bytes_received += length as u64;
                    match flags.contains(RecvFlags::TRUNC) {
                        true => self.on_unseen(at, length),
                        false => self.on_bytes(at, length),
                    }
                    // A short read has emptied the socket; the reactor says when there is more.
                    if length < room && !ended && P::CARRIER == Carrier::Stream {
                        return;
                    }
                    first = false;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(error) => {
                    let now = self.now();
                    return self.broken(at, meaning(error), now);
                }
            }
        }
    }

    /// How many of the next bytes need not even be copied out of the socket; `None` where somebody looks at the body
    /// of the answer.
    fn unseen(&mut self, at: usize) -> Option<u64> {
        if P::CARRIER != Carrier::Stream || P::IS_SHARED {
            return None;
        }
        let Connection { tls: None, carries, speaks, .. } = &self.pool.connections[at] else {
            return None;
        };
        let [only] = **carries else { return None };
        let route = self.exchanges.get_mut(only).request?.route;
        (!self.routes[route as usize].keeps_body).then(|| speaks.as_ref().map_or(0, P::unseen))
    }

    /// Bytes have been taken off the socket without being looked at.
    fn on_unseen(&mut self, at: usize, length: usize) {
        if let Some(speaks) = &mut self.pool.connections[at].speaks {
            speaks.pass_over(length as u64);
        }
        let heard = self.understand(at, &[]);
        self.conclude(at, heard);
    }

    /// Bytes of the socket lie in the buffer.
    fn on_bytes(&mut self, at: usize, length: usize) {
        if self.pool.connections[at].tls.is_none() {
            let buffer = std::mem::take(&mut self.buffer);
            let heard = self.understand(at, &buffer[..length]);
            // It is read into again before all of this has been seen to.
            self.buffer = buffer;
            self.conclude(at, heard);
            return;
        }
        let here = &mut self.pool.connections[at];
        let Some(tls) = &mut here.tls else { return };
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let received = tls.receive(&mut self.buffer[..length], &mut plain, &mut self.cipher);
        let (ready, fits) =
            (tls.is_ready(), !P::NEEDS_ALPN || tls.alpn() == P::ALPN.first().copied());
        let token = self.pool.token(at);
        if !self.cipher.is_empty() {
            self.send_cipher(at);
        }
        if ready
            && self
                .pool
                .find(token)
                .is_some_and(|at| self.pool.connections[at].state == State::Securing)
        {
            match fits {
                true => self.stands(at),
                false => self.broken(at, Answer::Tls, self.now()),
            }
        }
        if !plain.is_empty() && self.pool.find(token).is_some() {
            let heard = self.understand(at, &plain);
            self.conclude(at, heard);
        }
        self.plain = plain;
        if self.pool.find(token).is_some() {
            match received {
                Ok(Received::Open) => {}
                Ok(Received::Closed) => self.on_end(at),
                Err(fault) => self.on_fault(at, &fault),
            }
        }
    }

    /// TLS has failed.
    pub(super) fn on_fault(&mut self, at: usize, fault: &TlsFault) {
        let now = self.now();
        self.broken(at, fault.answer(), now);
    }

    /// What plain bytes mean.
    fn understand(&mut self, at: usize, bytes: &[u8]) -> Understood {
        let Self { pool, exchanges, routes, shared, out, ended, .. } = self;
        let mut ended = std::mem::take(ended);
        let Connection { speaks: Some(speaks), carries, .. } = &mut pool.connections[at] else {
            return Understood { ended, noise: false, opened: false };
        };
        if let [only] = **carries
            && !bytes.is_empty()
        {
            exchanges.get_mut(only).begun = true;
        }
        let was_opening = speaks.standing() == Standing::Opening;
        let read = read_on::<P>(speaks, shared, routes, exchanges, bytes, out, &mut ended);
        let opened = was_opening && speaks.standing() != Standing::Opening;
        Understood { ended, noise: read.is_err(), opened }
    }

    /// Does what follows from bytes that have come.
    fn conclude(&mut self, at: usize, understood: Understood) {
        let Understood { mut ended, noise, opened } = understood;
        let now = self.now();
        let token = self.pool.token(at);
        for (exchange, verdict) in ended.drain(..) {
            match verdict {
                Verdict::Whole => {
                    let answer = self.judge(exchange);
                    self.settle(exchange, answer, now);
                }
                Verdict::Lost(answer) => self.settle(exchange, answer, now),
                Verdict::Untouched(answer) => self.lost_untouched(at, exchange, answer, now),
            }
        }
        if noise {
            // What is said about it is said at once: nothing comes after it.
            self.send_now(at);
            if self.pool.find(token).is_some() {
                self.broken_by_noise(at, now);
            }
            return;
        }
        if opened {
            self.begin_waiting(at);
            self.turn_away_waiting(at, now);
        }
        if !self.out.is_empty() {
            self.flush(at);
        }
        if self.pool.find(token).is_some() {
            self.tidy(at);
            self.speak_later(at);
        }
        self.ended = ended;
    }

    /// A connection that was refused in the words of its protocol never carries what waited for it.
    fn turn_away_waiting(&mut self, at: usize, now: Moment) {
        let speaks = self.pool.connections[at].speaks.as_ref();
        if speaks.is_some_and(|it| it.standing() == Standing::Closing) {
            for exchange in self.pool.connections[at].carries.clone() {
                if self.exchanges.get_mut(exchange).sent.is_none() {
                    self.settle(exchange, Answer::Status, now);
                }
            }
        }
    }

    fn lost_untouched(&mut self, at: usize, exchange: u32, answer: Answer, now: Moment) {
        let here = &mut self.pool.connections[at];
        if self.exchanges.get_mut(exchange).retried {
            return self.settle(exchange, answer, now);
        }
        if let Some(place) = here.carries.iter().position(|it| *it == exchange) {
            here.carries.swap_remove(place);
        }
        self.send_again(exchange, now);
    }

    /// The bytes that came are not of the protocol.
    fn broken_by_noise(&mut self, at: usize, now: Moment) {
        let carried = std::mem::take(&mut self.pool.connections[at].carries);
        self.pool.close(at);
        for exchange in carried {
            self.outcome(exchange, Answer::Malformed, now);
        }
    }

    /// The other side has closed the connection.
    fn on_end(&mut self, at: usize) {
        let now = self.now();
        let here = &mut self.pool.connections[at];
        // An end that TLS did not announce may be anybody's, and makes nothing whole.
        let announced = here.tls.as_ref().is_none_or(Session::is_closed);
        if let Some(exchange) = here.speaks.as_mut().and_then(Protocol::end).filter(|_| announced) {
            let answer = self.judge(exchange);
            self.settle(exchange, answer, now);
        }
        self.broken(at, Answer::Closed, now);
    }
}

/// Feeds bytes to what a connection speaks, and keeps what it hears.
fn read_on<P: Protocol>(
    speaks: &mut P,
    shared: &mut P::Shared,
    routes: &[Route<P>],
    exchanges: &mut Exchanges,
    bytes: &[u8],
    out: &mut Vec<u8>,
    ended: &mut Ended,
) -> Result<(), Malformed> {
    let mut input = bytes;
    while let Some(heard) = speaks.read(shared, &mut input, out)? {
        match heard {
            Heard::Status { exchange, status } => {
                let here = exchanges.get_mut(exchange);
                here.begun = true;
                here.status = Some(status);
            }
            Heard::Header { exchange, name, value } => {
                exchanges.get_mut(exchange).headers.push(name, value);
            }
            Heard::Body { exchange, data } => {
                let here = exchanges.get_mut(exchange);
                here.begun = true;
                if here.request.is_some_and(|it| routes[it.route as usize].keeps_body) {
                    let room = KEPT_BODY_MAX.saturating_sub(here.body.len());
                    here.body.extend_from_slice(&data[..data.len().min(room)]);
                }
            }
            Heard::Done { exchange } => ended.push((exchange, Verdict::Whole)),
            Heard::Lost { exchange, answer, untouched: false } => {
                ended.push((exchange, Verdict::Lost(answer)));
            }
            Heard::Lost { exchange, answer, untouched: true } => {
                ended.push((exchange, Verdict::Untouched(answer)));
            }
        }
    }
    Ok(())
}
