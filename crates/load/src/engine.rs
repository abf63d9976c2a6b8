//! Engine: one thread that sends what is due, reads what comes, and counts.
//!
//! ```text
//! connect   from an address to a connection that stands
//! demand    what is due, whoever sends it, and what is counted of it
//! arrivals  which of the open model are this worker's
//! places    the connections that belong to one user or visit each
//! slice     which worker of how many
//! exchange  a request, from when it is handed to a connection to its outcome
//! stream    bytes between sockets and what connections speak
//! later     what connections say at moments of their own
//! toll      what the thread costs
//! ```
//!
//! A request is *sent* when it is handed to a connection, which may still have to be made: from then on
//! whatever happens is the target's doing and has an outcome. Until then it *waits*, which is the
//! load's own doing and is counted as missed when it lasts too long.
//!
//! It is written once and compiled for each protocol. Every worker runs one of its own, with every `n`-th
//! arrival and every `n`-th user; they share nothing but what never changes.

mod arrivals;
mod connect;
mod demand;
mod exchange;
mod later;
mod places;
mod slice;
mod socket;
mod stream;
mod toll;
mod users;
mod visits;

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::document::Pace;
use evenkeel_model::{Answer, Frame};
use evenkeel_units::{Clock, Moment, SystemClock};
use rustix::thread::set_current_timer_slack;

use crate::hand::Wire;
use crate::pool::Pool;
use crate::protocol::Protocol;
use crate::reactor::Reactor;
use crate::route::Route;
use crate::target::Target;
use crate::tls;
use arrivals::{Arrival, Arrivals};
pub(crate) use demand::{Agenda, Demand, Request};
use exchange::Exchanges;
pub(crate) use slice::{More, Slice};
use stream::Ended;
pub(crate) use toll::Toll;
use users::Users;
use visits::Visits;

/// Waking up takes about this long; the rest of the way is gone by looking at the sockets.
const EARLY: Duration = Duration::from_micros(15);

/// How often requests are sent at a coarse pace.
const TICK: Duration = Duration::from_millis(1);

/// One look at any socket reads at most so much; shared by all connections.
const READ_BYTES: usize = 64 * 1024;

/// After a stop, requests under way are waited for at most this long.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(1);

/// Timeouts are noticed at most this late, so that looking for them costs next to nothing.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A load that is ready to be sent, for a protocol.
pub(crate) struct Job<P: Protocol> {
    pub(crate) target: Target,
    pub(crate) tls: Option<tls::Client>,
    pub(crate) routes: Vec<Route<P>>,
    pub(crate) agenda: Agenda,
    /// Of this worker.
    pub(crate) connections: usize,
    pub(crate) streams: u32,
    pub(crate) pace: Pace,
}

/// All that the thread owns.
pub(crate) struct Engine<P: Protocol> {
    clock: SystemClock,
    wire: Arc<Wire>,
    reactor: Reactor,
    buffer: Box<[u8]>,
    /// What is to be sent, and as TLS writes it; what came, as TLS reads it.
    out: Vec<u8>,
    cipher: Vec<u8>,
    plain: Vec<u8>,
    /// What one look at a socket has brought to an end; kept for its memory.
    ended: Ended,
    target: Target,
    tls: Option<tls::Client>,
    /// The address that answered last.
    address: usize,
    shared: P::Shared,
    routes: Vec<Route<P>>,
    timeout: Duration,
    streams: u32,
    pace: Pace,
    pool: Pool<P>,
    demand: Demand,
    exchanges: Exchanges,
    /// Exchanges that are to be sent a second time, and wait for a connection.
    again: VecDeque<u32>,
    /// Connections on which something was said in this turn.
    unwritten: Vec<u64>,
    /// Connections that have something to say without any byte having come.
    unheard: Vec<u64>,
    /// When connections have something to say, and which.
    later: BTreeSet<(Moment, u64)>,
    /// No request under way is given up before this.
    next_deadline: Option<Moment>,
    /// While the target refuses connections: no new one before this.
    connect_after: Moment,
    /// Set by a stop: nothing is waited for beyond this.
    drain_until: Option<Moment>,
    toll: Toll,
}

impl<P: Protocol> Engine<P> {
    /// An engine for one worker's share of `job`.
    pub(crate) fn new(job: Job<P>, slice: Slice, reactor: Reactor, wire: Arc<Wire>) -> Self {
        let Job { target, tls, routes, agenda, connections, streams, pace } = job;
        Self {
            clock: SystemClock::start(),
            reactor,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            out: Vec::new(),
            cipher: Vec::new(),
            plain: Vec::new(),
            ended: Ended::new(),
            shared: P::shared(&target),
            target,
            tls,
            address: 0,
            routes,
            timeout: agenda.timeout,
            streams,
            pace,
            pool: Pool::new(connections, streams),
            demand: Demand::new(&agenda, slice, wire.until()),
            exchanges: Exchanges::default(),
            again: VecDeque::new(),
            unwritten: Vec::new(),
            unheard: Vec::new(),
            later: BTreeSet::new(),
            next_deadline: None,
            connect_after: Moment::START,
            drain_until: None,
            toll: Toll::new(&wire),
            wire,
        }
    }

    /// Sends the load from beginning to end; its seconds count from when `clock` was started. Says how many
    /// requests were still under way when it ended.
    pub(crate) fn run(
        mut self,
        clock: SystemClock,
        say: &mut impl FnMut(Frame),
    ) -> io::Result<u64> {
        // Where it is not allowed we wake up to 50 µs later, which the lag will show.
        set_current_timer_slack(NonZeroU64::new(1)).unwrap_or_default();
        self.clock = clock;
        self.demand.start(clock);
        loop {
            if self.drain_until.is_none() {
                self.hear();
            }
            let now = self.clock.now();
            self.close_seconds(now, say);
            self.demand.admit(|at| at <= now);
            self.expire(now);
            self.listen();
            self.speak(now);
            self.dispatch();
            let under_way = self.exchanges.len();
            self.send_together();
            if self.finished(now) {
                break;
            }
            self.toll.note(now);
            // What broke while it was sent has made room for what waits.
            let patience = match self.exchanges.len() < under_way {
                true => Duration::ZERO,
                false => self.patience(),
            };
            let ready = self.reactor.wait(patience)?;
            for &event in &ready {
                self.on_ready(event);
            }
            self.reactor.give_back(ready);
        }
        if self.demand.has_begun() || !self.exchanges.is_empty() {
            self.say_second(say);
        }
        Ok(self.exchanges.len())
    }

    /// Does what the owner wants.
    fn hear(&mut self) {
        self.demand.allow(self.wire.until());
        while let Some(more) = self.wire.more() {
            let connections = self.demand.join(more);
            self.pool.grow(connections);
        }
        if self.wire.stopped() {
            self.stop();
        }
    }

    /// Says the present second.
    fn say_second(&mut self, say: &mut impl FnMut(Frame)) {
        let cpu = self.toll.of_second();
        say(self.demand.close(self.exchanges.len(), cpu));
    }

    /// How long to sleep, when no socket has anything to say.
    fn patience(&self) -> Duration {
        if !self.unheard.is_empty() {
            return Duration::ZERO;
        }
        let now = self.clock.now();
        match self.pace {
            Pace::Precise => (self.next_event(now) - now).saturating_sub(EARLY),
            Pace::Spin => Duration::ZERO,
            Pace::Coarse => tick(self.next_event(now)) - now,
        }
    }

    /// Says every second that is over by `now`, each with all that was due in it.
    fn close_seconds(&mut self, now: Moment, say: &mut impl FnMut(Frame)) {
        while now >= self.demand.boundary() {
            let boundary = self.demand.boundary();
            self.demand.admit(|at| at < boundary);
            self.say_second(say);
        }
    }

    /// Gives up what has lasted too long, waiting or under way.
    fn expire(&mut self, now: Moment) {
        self.demand.expire(now);
        if self.next_deadline.is_some_and(|it| now >= it) {
            self.give_up_late(now);
        }
    }

    /// Sends what waits, as far as there are connections: once a turn, after all that came was read. Reading and
    /// sending are long ways through the kernel, each of which is faster gone over and over than in turns.
    fn dispatch(&mut self) {
        self.dispatch_again();
        loop {
            let now = self.now();
            let Some(request) = self.next_waiting(now) else { return };
            if self.target.addresses.is_empty() {
                self.fail_unsent(Answer::Dns, now);
            } else if let Some(at) = self.demand.place(&request) {
                self.send_in_place(at, request.is_first, now);
            } else if let Some(at) = self.pool.take_idle() {
                self.send_on(at, now);
            } else if now >= self.connect_after
                && let Some(at) = self.pool.take_place()
            {
                self.pool.connections[at].owned = self.demand.keep_place(&request, at);
                let exchange = self.send(now);
                self.connect(at, exchange.into_iter().collect(), now, 0);
            } else if let Some(at) = self.pool.take_roomy() {
                self.send_on(at, now);
            } else {
                return;
            }
        }
    }

    /// What has waited longest. Whoever was dealt with before may have let its connection go.
    fn next_waiting(&mut self, now: Moment) -> Option<Request> {
        let request = self.demand.front(now);
        while let Some(at) = self.demand.place_let_go() {
            self.pool.release(at);
        }
        request
    }

    /// Nothing new is sent from here on.
    fn stop(&mut self) {
        let now = self.clock.now();
        self.demand.stop(now);
        self.drain_until = Some(now + self.timeout.min(DRAIN_MAX));
    }

    fn finished(&self, now: Moment) -> bool {
        let over = self.exchanges.is_empty() && self.demand.is_over(now);
        over || self.drain_until.is_some_and(|it| now >= it)
    }

    /// When there is something to do though no socket says so.
    fn next_event(&self, now: Moment) -> Moment {
        let waits = self.demand.waits_since().is_some() && self.pool.has_place();
        let connect = waits.then_some(self.connect_after);
        let said = self.later.first().map(|(moment, _)| *moment);
        [self.next_deadline, connect, said, self.drain_until.filter(|it| *it > now)]
            .into_iter()
            .flatten()
            .fold(self.demand.next_event(now), Moment::min)
    }
}

/// The tick of a coarse pace at which something that is due then is sent.
pub(crate) fn tick(due: Moment) -> Moment {
    let ticks = due.elapsed().as_nanos().div_ceil(TICK.as_nanos()) as u64;
    Moment::at(Duration::from_nanos(ticks * TICK.as_nanos() as u64))
}
