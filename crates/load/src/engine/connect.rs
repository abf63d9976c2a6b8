//! Connect: from an address to a connection that stands.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_model::Answer;
use evenkeel_units::Moment;
use rustix::net::sockopt;

use super::Engine;
use crate::pool::State;
use crate::protocol::{Carrier, Protocol};
use crate::reactor::Ready;
use crate::tls::Session;

/// While a target refuses connections, it is asked at most once in this time.
const REFUSED_PAUSE: Duration = Duration::from_millis(1);

impl<P: Protocol> Engine<P> {
    /// Begins to connect for exchanges, which were counted as sent.
    pub(super) fn connect(&mut self, at: usize, carries: Vec<u32>, since: Moment, tried: usize) {
        for exchange in &carries {
            self.exchanges.get_mut(*exchange).connection = at;
        }
        let to = self.address_after(tried);
        let here = &mut self.pool.connections[at];
        here.carries = carries;
        here.state = State::Connecting { since, tried };
        match self.pool.connect(at, to, &self.reactor) {
            // A socket for datagrams has nobody to wait for.
            Ok(()) if P::CARRIER == Carrier::Datagram => self.stands(at),
            Ok(()) => {}
            Err(_) => self.on_refused(at),
        }
    }

    fn address_after(&self, tried: usize) -> SocketAddr {
        let all = &self.target.addresses;
        all[(self.address + tried) % all.len()]
    }

    pub(super) fn on_connect(&mut self, at: usize, event: Ready) {
        let here = &mut self.pool.connections[at];
        let State::Connecting { tried, .. } = here.state else { return };
        let made =
            here.socket.as_ref().is_some_and(|it| matches!(sockopt::socket_error(it), Ok(Ok(()))));
        if !made {
            self.on_refused(at);
            return;
        }
        self.address = (self.address + tried) % self.target.addresses.len();
        self.connect_after = Moment::START;
        match &self.tls {
            None => self.stands(at),
            Some(tls) => {
                here.state = State::Securing;
                let session = here.tls.insert(tls.session());
                match session.flush(&mut self.cipher) {
                    Ok(()) => self.send_cipher(at),
                    Err(fault) => self.on_fault(at, &fault),
                }
            }
        }
        if event.readable
            && let State::Securing | State::Up = self.pool.connections[at].state
        {
            self.read(at, event.ended);
        }
    }

    fn on_refused(&mut self, at: usize) {
        let State::Connecting { since, tried } = self.pool.connections[at].state else { return };
        let carries = std::mem::take(&mut self.pool.connections[at].carries);
        self.pool.disconnect(at);
        if tried + 1 < self.target.addresses.len() {
            self.connect(at, carries, since, tried + 1);
            return;
        }
        self.pool.close(at);
        let now = self.now();
        self.connect_after = now + REFUSED_PAUSE;
        for exchange in carries {
            self.outcome(exchange, Answer::Connect, now);
        }
        // Nobody is asked again for each arrival of a crowd: the answer was for all that waited for it.
        if self.pool.up() == 0 {
            while self.demand.waits_since().is_some_and(|it| it <= since) {
                self.fail_unsent(Answer::Connect, now);
            }
        }
    }

    /// The connection stands: what was waiting for it begins.
    pub(super) fn stands(&mut self, at: usize) {
        let speaks = P::open(&mut self.shared, &mut self.out);
        self.pool.made(at, speaks);
        self.demand.recorder.frame.connected += 1;
        if self.pool.connections[at].tls.as_ref().is_some_and(Session::resumed) {
            self.demand.recorder.frame.resumed += 1;
        }
        self.begin_waiting(at);
        self.flush(at);
        if self.pool.connections[at].state == State::Up {
            self.pool.offer(at);
            self.listen_later(at);
            self.speak_later(at);
        }
    }
}
