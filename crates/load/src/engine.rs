//! Engine: the one thread that sends what is due, reads what comes, and counts.
//!
//! ```text
//! schedule ─▶ waiting (due times, first in first out) ─▶ connection ─▶ outcome
//! users    ─▶    └─▶ missed, when the timeout passes unsent
//! ```
//!
//! A request is *sent* when it is handed to a connection, which may still have to be made: from then on
//! whatever happens is the target's doing and has an outcome. Until then it *waits*, which is the
//! load's own doing and is counted as missed when it lasts too long.

mod exchange;
mod users;

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::{Clock, Moment, SystemClock};
use rand::Rng;
use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};

use crate::hand::{Said, Wire};
use crate::order::Prepared;
use crate::pool::{Pool, Request};
use crate::reactor::Reactor;
use crate::recorder::Recorder;
use crate::routes::{Routes, chances};
use crate::schedule::Schedule;
use crate::target::Target;
use users::Users;

/// Waking up takes about this long; the rest of the way is gone by looking at the sockets.
const EARLY: Duration = Duration::from_micros(15);

/// One look at any socket reads at most so much; shared by all connections.
const READ_BYTES: usize = 64 * 1024;

/// After a stop, requests under way are waited for at most this long.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// How often the thread writes down what it costs.
const CPU_EVERY: Duration = Duration::from_millis(100);

const SECOND: Duration = Duration::from_secs(1);

/// All that the thread owns.
pub(crate) struct Engine<C> {
    clock: SystemClock,
    wire: Arc<Wire>,
    reactor: Reactor,
    buffer: Box<[u8]>,
    target: Target,
    /// The address that answered last.
    address: usize,
    routes: Routes,
    chances: [C; 2],
    schedule: Schedule,
    timeout: Duration,
    pool: Pool,
    recorder: Recorder,
    users: Users,
    /// Number and time of the next arrival of the open model.
    next: (u64, Option<Moment>),
    waiting: VecDeque<Request>,
    /// How many of those are of the open model.
    waiting_open: u64,
    in_flight: u64,
    /// No request under way is given up before this.
    next_deadline: Option<Moment>,
    /// While the target refuses connections: no new one before this.
    connect_after: Moment,
    /// Set by a stop: nothing is waited for beyond this.
    drain_until: Option<Moment>,
    end: Moment,
    cpu_next: Moment,
}

impl Engine<()> {
    /// An engine for `prepared`.
    pub(crate) fn new(
        prepared: Prepared,
        reactor: Reactor,
        wire: Arc<Wire>,
    ) -> Engine<impl Rng + Send> {
        let Prepared { target, routes, schedule, timeout, connections, seed } = prepared;
        Engine {
            clock: SystemClock::start(),
            wire,
            reactor,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            target,
            address: 0,
            recorder: Recorder::new(routes.len()),
            chances: chances(seed),
            next: (0, schedule.due(0)),
            users: Users::new(schedule.closed()),
            end: Moment::at(schedule.length()),
            routes,
            schedule,
            timeout,
            pool: Pool::new(connections),
            waiting: VecDeque::new(),
            waiting_open: 0,
            in_flight: 0,
            next_deadline: None,
            connect_after: Moment::START,
            drain_until: None,
            cpu_next: Moment::START,
        }
    }
}

impl<C: Rng> Engine<C> {
    /// Sends the load from beginning to end.
    pub(crate) fn run(mut self, say: &mut impl FnMut(Said)) -> io::Result<()> {
        // Where it is not allowed we wake up to 50 µs later, which the lag will show.
        set_current_timer_slack(NonZeroU64::new(1)).unwrap_or_default();
        say(Said::Started);
        self.clock = SystemClock::start();
        loop {
            if self.drain_until.is_none() && self.wire.stopped() {
                self.stop();
            }
            let now = self.clock.now();
            self.close_seconds(now, say);
            self.admit(|at| at <= now);
            self.expire(now);
            self.dispatch();
            if self.finished(now) {
                break;
            }
            self.account(now);
            let patience = (self.next_event() - self.clock.now()).saturating_sub(EARLY);
            let ready = self.reactor.wait(patience)?;
            for &event in &ready {
                self.on_ready(event);
                self.dispatch();
            }
            self.reactor.give_back(ready);
        }
        let begun = Moment::at(SECOND.saturating_mul(self.recorder.second() as u32)) < self.end;
        if begun || !self.recorder.is_empty() || self.in_flight > 0 {
            say(Said::Second(self.recorder.close(self.in_flight, self.waiting_open)));
        }
        self.cpu_next = Moment::START;
        self.account(Moment::START);
        Ok(())
    }

    /// Says every second that is over by `now`, each with all that was due in it.
    fn close_seconds(&mut self, now: Moment, say: &mut impl FnMut(Said)) {
        while now >= self.boundary() {
            let boundary = self.boundary();
            self.admit(|at| at < boundary);
            say(Said::Second(self.recorder.close(self.in_flight, self.waiting_open)));
        }
    }

    /// The end of the present second.
    fn boundary(&self) -> Moment {
        Moment::at(Duration::from_secs(self.recorder.second() + 1))
    }

    /// Lets every arrival wait that has become due.
    fn admit(&mut self, is_due: impl Fn(Moment) -> bool) {
        while let (n, Some(due)) = self.next
            && is_due(due)
        {
            let route = self.routes.choose(&mut self.chances[0]);
            self.waiting.push_back(Request { due, route, phase: None, retried: false });
            self.waiting_open += 1;
            self.recorder.planned();
            self.next = (n + 1, self.schedule.due(n + 1));
        }
        while let Some((due, phase)) = self.users.next(&is_due) {
            let route = self.routes.choose(&mut self.chances[1]);
            self.waiting.push_back(Request { due, route, phase: Some(phase), retried: false });
        }
    }

    /// Gives up what has lasted too long, waiting or under way.
    fn expire(&mut self, now: Moment) {
        while let Some(&request) = self.waiting.front()
            && now >= request.due + self.timeout
        {
            self.waiting.pop_front();
            self.miss(request, now);
        }
        if self.next_deadline.is_some_and(|it| now >= it) {
            self.next_deadline = None;
            for at in 0..self.pool.connections.len() {
                self.expire_at(at, now);
            }
        }
    }

    /// Sends what waits, as far as there are connections.
    fn dispatch(&mut self) {
        while let Some(&request) = self.waiting.front() {
            let now = self.clock.now();
            if request.phase.is_some_and(|it| self.users.is_over(it, now)) {
                self.waiting.pop_front();
                continue;
            }
            if let Some(at) = self.pool.take_idle() {
                self.waiting.pop_front();
                self.send_from(at, request, now);
            } else if self.pool.has_room() && now >= self.connect_after {
                let Some(at) = self.pool.take_place() else { return };
                self.waiting.pop_front();
                self.count_sent(&request, now);
                self.connect(at, request, now, 0);
            } else {
                return;
            }
        }
    }

    /// Counts an arrival that leaves the queue unsent.
    fn miss(&mut self, request: Request, now: Moment) {
        match request.phase {
            None => {
                self.waiting_open -= 1;
                self.recorder.missed();
            }
            Some(phase) if !self.users.is_over(phase, now) => {
                self.recorder.planned();
                self.recorder.missed();
                self.users.answered(phase, now, false);
            }
            // A user whose phase is over goes home; nothing of it was planned.
            Some(_) => {}
        }
    }

    /// Counts an arrival that leaves the queue to be sent.
    fn count_sent(&mut self, request: &Request, now: Moment) {
        match request.phase {
            None => self.waiting_open -= 1,
            Some(_) => self.recorder.planned(),
        }
        self.in_flight += 1;
        self.recorder.sent(now - request.due);
        let deadline = request.due + self.timeout;
        self.next_deadline = Some(self.next_deadline.map_or(deadline, |it| it.min(deadline)));
    }

    /// Nothing new is sent from here on.
    fn stop(&mut self) {
        let now = self.clock.now();
        self.admit(|at| at <= now);
        self.next.1 = None;
        while let Some(request) = self.waiting.pop_front() {
            if request.phase.is_none() {
                self.miss(request, now);
            }
        }
        self.users.send_home();
        self.end = now;
        self.drain_until = Some(now + self.timeout.min(DRAIN_MAX));
    }

    fn finished(&self, now: Moment) -> bool {
        let idle = self.in_flight == 0 && self.waiting.is_empty();
        (idle && now >= self.end) || self.drain_until.is_some_and(|it| now >= it)
    }

    /// When there is something to do though no socket says so.
    fn next_event(&self) -> Moment {
        let connect = self.pool.has_room().then_some(self.connect_after);
        let waiting = self.waiting.front().map(|it| {
            let missed = it.due + self.timeout;
            connect.map_or(missed, |it| it.min(missed))
        });
        let end = Some(self.drain_until.unwrap_or(self.end)).filter(|&it| it > self.clock.now());
        [self.next.1, self.users.next_at(), self.next_deadline, waiting, end]
            .into_iter()
            .flatten()
            .fold(self.boundary(), Moment::min)
    }

    /// Writes down what the thread costs, now and then.
    fn account(&mut self, now: Moment) {
        if now >= self.cpu_next {
            self.cpu_next = now + CPU_EVERY;
            let spent = clock_gettime(ClockId::ThreadCPUTime);
            self.wire.spent(Duration::try_from(spent).unwrap_or_default());
        }
    }
}
