//! Engine: one thread that sends what is due, reads what comes, and counts.
//!
//! ```text
//! schedule ─▶ waiting (due times, first in first out) ─▶ connection ─▶ outcome
//! users    ─▶    └─▶ missed, when the timeout passes unsent     └─▶ the next step of the visit
//! ```
//!
//! A request is *sent* when it is handed to a connection, which may still have to be made: from then on
//! whatever happens is the target's doing and has an outcome. Until then it *waits*, which is the
//! load's own doing and is counted as missed when it lasts too long.
//!
//! It is written once and compiled for each protocol. Every worker runs one of its own, with every `n`-th
//! arrival and every `n`-th user; they share nothing but what never changes.

mod exchange;
mod socket;
mod stream;
mod users;
mod visits;

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::Frame;
use evenkeel_model::document::Pace;
use evenkeel_units::{Clock, Moment, Seed, SystemClock};
use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};

use crate::hand::Wire;
use crate::pool::Pool;
use crate::protocol::Protocol;
use crate::reactor::Reactor;
use crate::recorder::Recorder;
use crate::route::Route;
use crate::scenario::{Program, Turns};
use crate::schedule::Schedule;
use crate::target::Target;
use crate::tls;
use exchange::Exchanges;
pub(crate) use users::Users;
pub(crate) use visits::Visits;

/// Waking up takes about this long; the rest of the way is gone by looking at the sockets.
const EARLY: Duration = Duration::from_micros(15);

/// How often requests are sent at a coarse pace.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// One look at any socket reads at most so much; shared by all connections.
const READ_BYTES: usize = 64 * 1024;

/// After a stop, requests under way are waited for at most this long.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(1);

/// How often the thread writes down what it costs.
pub(crate) const CPU_EVERY: Duration = Duration::from_millis(100);

/// Timeouts are noticed at most this late, so that looking for them costs next to nothing.
const LOOK_EVERY: Duration = Duration::from_millis(2);

const SECOND: Duration = Duration::from_secs(1);

/// A load that is ready to be sent, for a protocol.
pub(crate) struct Job<P: Protocol> {
    pub(crate) target: Target,
    pub(crate) tls: Option<tls::Client>,
    pub(crate) routes: Vec<Route<P>>,
    pub(crate) program: Arc<Program>,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) transactions: usize,
    pub(crate) timeout: Duration,
    /// Of this worker.
    pub(crate) connections: usize,
    pub(crate) streams: u32,
    pub(crate) pace: Pace,
    pub(crate) seed: Seed,
}

/// Which of several workers.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// From 0.
    pub(crate) worker: u32,
    /// How many there are.
    pub(crate) workers: u32,
}

impl Slice {
    /// Number of its first arrival.
    pub(crate) fn first(self) -> u64 {
        u64::from(self.worker)
    }

    /// Number of its arrival after arrival `n`.
    pub(crate) fn after(self, n: u64) -> u64 {
        n + u64::from(self.workers)
    }
}

/// One arrival: a request that is due.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Request {
    /// When it was to be sent; its response time and its timeout count from here.
    due: Moment,
    /// Which route.
    route: u32,
    /// The visit it is a step of, when it is more than a request.
    visit: Option<u32>,
    /// In the closed model, the user who sends it.
    user: Option<u32>,
    /// Whether it was counted as planned when it became due; else it is when it is sent.
    planned: bool,
    /// Whether a stale connection has cost it one try.
    retried: bool,
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
    target: Target,
    tls: Option<tls::Client>,
    /// The address that answered last.
    address: usize,
    shared: P::Shared,
    routes: Vec<Route<P>>,
    program: Arc<Program>,
    turns: Turns,
    schedule: Arc<Schedule>,
    slice: Slice,
    timeout: Duration,
    streams: u32,
    pace: Pace,
    pool: Pool<P>,
    exchanges: Exchanges,
    recorder: Recorder,
    users: Users,
    visits: Visits,
    /// Number and time of the next arrival of the open model.
    next: (u64, Option<Moment>),
    waiting: VecDeque<Request>,
    /// Exchanges that are to be sent a second time, and wait for a connection.
    again: VecDeque<u32>,
    /// Whether what waits is being sent: what this brings to an end must not begin it anew.
    dispatching: bool,
    /// Connections on which something was said in this turn.
    unwritten: Vec<u64>,
    /// Connections that have something to say without any byte having come.
    unheard: Vec<u64>,
    /// How many of those were counted as planned.
    waiting_planned: u64,
    /// No request under way is given up before this.
    next_deadline: Option<Moment>,
    /// While the target refuses connections: no new one before this.
    connect_after: Moment,
    /// Set by a stop: nothing is waited for beyond this.
    drain_until: Option<Moment>,
    end: Moment,
    cpu_next: Moment,
    /// Processor time that earlier frames have told of.
    cpu_said: Duration,
}

impl<P: Protocol> Engine<P> {
    /// An engine for one worker's share of `job`.
    pub(crate) fn new(job: Job<P>, slice: Slice, reactor: Reactor, wire: Arc<Wire>) -> Self {
        let Job { target, tls, routes, program, schedule, transactions, seed, .. } = job;
        let chance = seed.choices("load/visits");
        Self {
            clock: SystemClock::start(),
            wire,
            reactor,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            out: Vec::new(),
            cipher: Vec::new(),
            plain: Vec::new(),
            shared: P::shared(&target),
            target,
            tls,
            address: 0,
            recorder: Recorder::new(routes.len(), transactions),
            turns: Turns::new(&program, slice.worker, slice.workers, chance),
            next: (slice.first(), schedule.due(slice.first())),
            users: Users::new(schedule.crowds(), slice.worker, slice.workers),
            visits: Visits::default(),
            end: Moment::at(schedule.length()),
            routes,
            program,
            schedule,
            slice,
            timeout: job.timeout,
            streams: job.streams,
            pace: job.pace,
            pool: Pool::new(job.connections, job.streams),
            exchanges: Exchanges::default(),
            waiting: VecDeque::new(),
            again: VecDeque::new(),
            dispatching: false,
            unwritten: Vec::new(),
            unheard: Vec::new(),
            waiting_planned: 0,
            next_deadline: None,
            connect_after: Moment::START,
            drain_until: None,
            cpu_next: Moment::START,
            cpu_said: Duration::ZERO,
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
        loop {
            if self.drain_until.is_none() && self.wire.stopped() {
                self.stop();
            }
            let now = self.clock.now();
            self.close_seconds(now, say);
            self.admit(|at| at <= now);
            self.expire(now);
            self.dispatch(now);
            self.listen();
            self.send_together();
            if self.finished(now) {
                break;
            }
            self.account(now);
            let ready = self.reactor.wait(self.patience())?;
            for &event in &ready {
                self.on_ready(event);
            }
            self.reactor.give_back(ready);
        }
        let begun = Moment::at(SECOND.saturating_mul(self.recorder.second() as u32)) < self.end;
        if begun || !self.recorder.is_empty() || !self.exchanges.is_empty() {
            self.say_second(say);
        }
        self.wire.spent(own_cpu());
        Ok(self.exchanges.len())
    }

    /// Says the present second.
    fn say_second(&mut self, say: &mut impl FnMut(Frame)) {
        let cpu = own_cpu();
        let spent = cpu.saturating_sub(self.cpu_said);
        self.cpu_said = cpu;
        self.recorder.cost(spent);
        say(self.recorder.close(self.exchanges.len(), self.waiting_planned));
    }

    /// How long to sleep, when no socket has anything to say.
    fn patience(&self) -> Duration {
        let now = self.clock.now();
        if !self.unheard.is_empty() {
            return Duration::ZERO;
        }
        match self.pace {
            Pace::Precise => (self.next_event() - now).saturating_sub(EARLY),
            Pace::Spin => Duration::ZERO,
            Pace::Coarse => {
                let due = self.next_event();
                let ticks = due.elapsed().as_nanos().div_ceil(TICK.as_nanos()) as u64;
                Moment::at(Duration::from_nanos(ticks * TICK.as_nanos() as u64)) - now
            }
        }
    }

    /// Says every second that is over by `now`, each with all that was due in it.
    fn close_seconds(&mut self, now: Moment, say: &mut impl FnMut(Frame)) {
        while now >= self.boundary() {
            let boundary = self.boundary();
            self.admit(|at| at < boundary);
            self.say_second(say);
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
            self.recorder.planned();
            self.arrive(due, n);
            let next = self.slice.after(n);
            self.next = (next, self.schedule.due(next));
        }
        while let Some((due, user)) = self.users.next(&is_due) {
            self.begin_again(user, due);
        }
        while let Some((due, visit)) = self.visits.next_awake(&is_due) {
            self.go_on(visit, due);
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
            self.give_up_late(now);
        }
    }

    /// Sends what waits, as far as there are connections.
    fn dispatch(&mut self, now: Moment) {
        if std::mem::replace(&mut self.dispatching, true) {
            return;
        }
        self.dispatch_again(now);
        while let Some(&request) = self.waiting.front() {
            if request.user.is_some_and(|it| !self.users.is_active(it, now)) {
                self.waiting.pop_front();
                self.leave(request, now);
            } else if self.target.addresses.is_empty() {
                self.waiting.pop_front();
                self.fail_unsent(request, evenkeel_model::Answer::Dns, now);
            } else if let Some(at) = self.pool.take_idle() {
                self.waiting.pop_front();
                self.send_on(at, request, now);
            } else if now >= self.connect_after
                && let Some(at) = self.pool.take_place()
            {
                self.waiting.pop_front();
                let exchange = self.count_sent(request, now);
                self.connect(at, vec![exchange], now, 0);
            } else if let Some(at) = self.pool.take_roomy() {
                self.waiting.pop_front();
                self.send_on(at, request, now);
            } else {
                break;
            }
        }
        self.dispatching = false;
    }

    /// Counts an arrival that leaves the queue unsent.
    fn miss(&mut self, request: Request, now: Moment) {
        match request.planned {
            true => self.waiting_planned -= 1,
            false => self.recorder.planned(),
        }
        self.recorder.missed();
        self.answered(&request, evenkeel_model::Answer::Timeout, now);
    }

    /// Nothing new is sent from here on.
    fn stop(&mut self) {
        let now = self.clock.now();
        self.admit(|at| at <= now);
        self.next.1 = None;
        while let Some(request) = self.waiting.pop_front() {
            if request.planned {
                self.waiting_planned -= 1;
                self.recorder.missed();
            }
        }
        self.users.send_home();
        self.visits.forget_all();
        self.end = now;
        self.drain_until = Some(now + self.timeout.min(DRAIN_MAX));
    }

    fn finished(&self, now: Moment) -> bool {
        let idle = self.exchanges.is_empty() && self.waiting.is_empty();
        let over = now >= self.end || (self.next.1.is_none() && self.users.all_have_gone());
        let asleep = self.visits.next_at().is_some_and(|_| now < self.end);
        (idle && over && !asleep) || self.drain_until.is_some_and(|it| now >= it)
    }

    /// When there is something to do though no socket says so.
    fn next_event(&self) -> Moment {
        let connect = self.pool.has_place().then_some(self.connect_after);
        let waiting = self.waiting.front().map(|it| {
            let missed = it.due + self.timeout;
            connect.map_or(missed, |it| it.min(missed))
        });
        let end = Some(self.drain_until.unwrap_or(self.end)).filter(|&it| it > self.clock.now());
        let (users, visits) = (self.users.next_at(), self.visits.next_at());
        [self.next.1, users, visits, self.next_deadline, waiting, end]
            .into_iter()
            .flatten()
            .fold(self.boundary(), Moment::min)
    }

    /// Writes down what the thread costs, now and then.
    fn account(&mut self, now: Moment) {
        if now >= self.cpu_next {
            self.cpu_next = now + CPU_EVERY;
            self.wire.spent(own_cpu());
        }
    }
}

/// Processor time of this thread.
fn own_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
