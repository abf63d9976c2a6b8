//! Exchanges: each one request, from when it is handed to a connection to its outcome.

use evenkeel_model::Answer;
use evenkeel_units::{Clock, Moment};

use super::{Engine, LOOK_EVERY, Request};
use crate::answer::Headers;
use crate::pool::State;
use crate::protocol::Protocol;
use crate::template::NoValues;

/// A kept connection that breaks sooner than this after a request was handed to it had been closed by
/// the server meanwhile; later, the server took the request and failed.
const STALE_WITHIN: std::time::Duration = std::time::Duration::from_millis(100);

/// Bodies that are looked at are kept up to this length; what comes after is read and not looked at.
pub(super) const KEPT_BODY_MAX: usize = 1024 * 1024;

/// A buffer that has grown beyond this is given back.
const BUFFER_MAX: usize = 64 * 1024;

/// One request and what has come of it.
#[derive(Default)]
pub(super) struct Exchange {
    pub(super) request: Option<Request>,
    pub(super) connection: usize,
    /// When its first bytes were written; `None` while its connection is being made.
    pub(super) sent: Option<Moment>,
    pub(super) status: Option<u16>,
    /// Whether any byte of an answer has come.
    pub(super) begun: bool,
    /// Whether a stale connection has cost it one try.
    pub(super) retried: bool,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

/// All exchanges that are under way.
#[derive(Default)]
pub(super) struct Exchanges {
    all: Vec<Exchange>,
    free: Vec<u32>,
}

impl Exchanges {
    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        (self.all.len() - self.free.len()) as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn begin(&mut self, request: Request) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(Exchange::default());
            self.all.len() as u32 - 1
        });
        self.all[number as usize].request = Some(request);
        number
    }

    /// An exchange that is under way.
    pub(super) fn get_mut(&mut self, exchange: u32) -> &mut Exchange {
        &mut self.all[exchange as usize]
    }

    fn end(&mut self, exchange: u32) {
        let here = &mut self.all[exchange as usize];
        here.request = None;
        here.sent = None;
        here.status = None;
        here.begun = false;
        here.retried = false;
        here.headers.clear();
        here.body.clear();
        if here.body.capacity() > BUFFER_MAX {
            here.body = Vec::new();
        }
        self.free.push(exchange);
    }
}

impl<P: Protocol> Engine<P> {
    /// Hands the request that has waited longest to a connection that stands.
    pub(super) fn send_on(&mut self, at: usize, now: Moment) {
        if let Some(exchange) = self.send(now) {
            self.carry(at, exchange, now);
        }
    }

    /// Sends the request that has waited longest over the connection that belongs to whoever sends it, which is made
    /// anew when it has broken: a session that is lost in the middle of a visit is not begun again behind its back.
    pub(super) fn send_in_place(&mut self, at: usize, is_first: bool, now: Moment) {
        if self.pool.connections[at].room(self.streams) > 0 {
            self.send_on(at, now);
        } else if P::HAS_SESSION && !is_first {
            self.fail_unsent(Answer::Closed, now);
        } else {
            self.pool.close(at);
            let exchange = self.send(now);
            self.connect(at, exchange.into_iter().collect(), now, 0);
        }
    }

    /// Hands an exchange to a connection that stands.
    fn carry(&mut self, at: usize, exchange: u32, now: Moment) {
        self.pool.connections[at].carries.push(exchange);
        self.exchanges.get_mut(exchange).connection = at;
        self.begin(at, exchange, now);
        self.flush(at);
        self.pool.offer(at);
        self.listen_later(at);
        self.speak_later(at);
    }

    /// Begins an exchange for the request that has waited longest.
    pub(super) fn send(&mut self, now: Moment) -> Option<u32> {
        let request = self.demand.take(now)?;
        let deadline = request.due + self.timeout;
        self.next_deadline = Some(self.next_deadline.map_or(deadline, |it| it.min(deadline)));
        Some(self.exchanges.begin(request))
    }

    /// The request that has waited longest fails before there is a connection for it.
    pub(super) fn fail_unsent(&mut self, answer: Answer, now: Moment) {
        if let Some(exchange) = self.send(now) {
            self.outcome(exchange, answer, now);
        }
    }

    /// Writes the request of an exchange into what the connection has to send.
    pub(super) fn begin(&mut self, at: usize, exchange: u32, now: Moment) {
        let here = self.exchanges.get_mut(exchange);
        let Some(request) = here.request else { return };
        here.sent = Some(now);
        let route = &self.routes[request.route as usize];
        let Some(speaks) = &mut self.pool.connections[at].speaks else { return };
        let (shared, out) = (&mut self.shared, &mut self.out);
        match request.visit {
            None => speaks.begin(shared, exchange, &route.ready, &NoValues, now, out),
            Some(visit) => {
                let values = self.demand.values(visit);
                speaks.begin(shared, exchange, &route.ready, &values, now, out);
            }
        }
    }

    /// What a whole answer counts as; keeps what later steps want of it.
    pub(super) fn judge(&mut self, exchange: u32) -> Answer {
        let here = self.exchanges.get_mut(exchange);
        let Some(request) = here.request else { return Answer::Closed };
        let route = &self.routes[request.route as usize];
        let answer = route.judge.judge(here.status, &here.headers, &here.body);
        let Some(visit) = request.visit else { return answer };
        for value in here.headers.get(b"set-cookie") {
            self.demand.set_cookie(visit, value);
        }
        for extractor in &*route.extract {
            match extractor.find(here.status, &here.headers, &here.body) {
                Some(value) => self.demand.keep(visit, extractor.var, &value),
                None if answer.is_ok() => return Answer::Body,
                None => {}
            }
        }
        answer
    }

    /// An exchange is over; the connection goes on, if it can.
    pub(super) fn settle(&mut self, exchange: u32, answer: Answer, now: Moment) {
        let at = self.exchanges.get_mut(exchange).connection;
        let here = &mut self.pool.connections[at];
        here.used = true;
        if let Some(place) = here.carries.iter().position(|it| *it == exchange) {
            here.carries.swap_remove(place);
        }
        self.outcome(exchange, answer, now);
    }

    /// The connection broke with exchanges on it. Each is sent again, once, if the server has surely not seen
    /// it or the connection had gone stale before; else it has come to nothing.
    pub(super) fn broken(&mut self, at: usize, answer: Answer, now: Moment) {
        let here = &mut self.pool.connections[at];
        let used = here.used;
        let answer = if here.state == State::Securing { Answer::Tls } else { answer };
        let carried = std::mem::take(&mut here.carries);
        self.pool.close(at);
        for exchange in carried {
            let here = self.exchanges.get_mut(exchange);
            let stale = used && !here.begun && here.sent.is_none_or(|it| now - it < STALE_WITHIN);
            let again = stale
                && !here.retried
                && here.request.is_some_and(|it| self.routes[it.route as usize].idempotent);
            match again {
                true => self.send_again(exchange, now),
                false => self.outcome(exchange, answer, now),
            }
        }
    }

    /// Sends the request of an exchange once more: on a new connection, or when there is room on another.
    pub(super) fn send_again(&mut self, exchange: u32, now: Moment) {
        let here = self.exchanges.get_mut(exchange);
        here.sent = None;
        here.status = None;
        here.begun = false;
        here.headers.clear();
        here.body.clear();
        here.retried = true;
        match self.place_again(exchange) {
            Some(at) => self.connect(at, vec![exchange], now, 0),
            None => self.again.push_back(exchange),
        }
    }

    /// A place for a new connection for an exchange that is sent a second time: its own, where it has one.
    fn place_again(&mut self, exchange: u32) -> Option<usize> {
        let own = self.exchanges.get_mut(exchange).connection;
        let here = &self.pool.connections[own];
        match here.owned {
            true => Some(own).filter(|_| here.state == State::Closed),
            false => self.pool.take_place(),
        }
    }

    /// Sends what is to be sent a second time, as far as there are connections.
    pub(super) fn dispatch_again(&mut self) {
        while let Some(&exchange) = self.again.front() {
            let now = self.now();
            if let Some(at) = self.place_again(exchange) {
                self.again.pop_front();
                self.connect(at, vec![exchange], now, 0);
            } else if let Some(at) = self.room_again(exchange) {
                self.again.pop_front();
                self.carry(at, exchange, now);
            } else {
                return;
            }
        }
    }

    /// A connection that stands and has room for an exchange that is sent a second time: its own, where it has one.
    fn room_again(&mut self, exchange: u32) -> Option<usize> {
        let own = self.exchanges.get_mut(exchange).connection;
        let here = &self.pool.connections[own];
        match here.owned {
            true => Some(own).filter(|_| here.room(self.streams) > 0),
            false => self.pool.take_idle().or_else(|| self.pool.take_roomy()),
        }
    }

    /// Gives up what has been under way for too long.
    pub(super) fn give_up_late(&mut self, now: Moment) {
        let mut next = None;
        for exchange in 0..self.exchanges.all.len() as u32 {
            let here = &self.exchanges.all[exchange as usize];
            let Some(request) = here.request else { continue };
            let deadline = request.due + self.timeout;
            if now < deadline {
                next = Some(next.map_or(deadline, |it: Moment| it.min(deadline)));
                continue;
            }
            if let Some(place) = self.again.iter().position(|it| *it == exchange) {
                self.again.remove(place);
                self.outcome(exchange, Answer::Timeout, now);
                continue;
            }
            let at = here.connection;
            if let Some(speaks) = &mut self.pool.connections[at].speaks {
                speaks.cancel(exchange, &mut self.out);
            }
            self.settle(exchange, Answer::Timeout, now);
            self.flush(at);
            self.tidy(at);
        }
        self.next_deadline = next.map(|it| it.max(now + LOOK_EVERY));
    }

    /// Closes a connection that can carry nothing more, and offers one that can.
    pub(super) fn tidy(&mut self, at: usize) {
        let here = &self.pool.connections[at];
        if here.state == State::Closed || !here.carries.is_empty() {
            self.pool.offer(at);
            return;
        }
        let can_go_on = here.room(self.streams) > 0 && here.unsent.is_empty();
        match can_go_on {
            true => self.pool.offer(at),
            false => self.pool.close(at),
        }
    }

    /// What became of an exchange.
    pub(super) fn outcome(&mut self, exchange: u32, answer: Answer, now: Moment) {
        let here = self.exchanges.get_mut(exchange);
        let Some(request) = here.request else { return };
        let service = here.sent.map(|it| now - it);
        self.exchanges.end(exchange);
        self.demand.outcome(&request, answer, service, now);
    }

    /// The present moment, once for all that is done about an event.
    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }
}
