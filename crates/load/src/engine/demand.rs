//! Demand: what is due, whoever sends it: arrivals of the open model, users of the closed one, and the next steps
//! of visits that are under way. It also counts them.
//!
//! ```text
//! schedule ─▶ waiting (due times, first in first out) ─▶ taken ─▶ outcome
//! users    ─▶    └─▶ missed, when the timeout passes      └─▶ the next step of the visit
//! ```
//!
//! It knows no socket and no protocol: an engine takes from it what it can send, and says what has come of it.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::document::{LoadTest, Owner};
use evenkeel_model::{Answer, Frame};
use evenkeel_units::{Moment, Seed, SystemClock};

use super::places::Places;
use super::users::Ended;
use super::{Arrival, Arrivals, More, Slice, Users, Visits};
use crate::hand::FOREVER;
use crate::recorder::Recorder;
use crate::scenario::{Filled, Next, Program, Turns, Who};
use crate::schedule::Schedule;

/// What all workers are to do together.
#[derive(Clone)]
pub(crate) struct Agenda {
    pub(crate) program: Arc<Program>,
    pub(crate) schedule: Arc<Schedule>,
    /// How many routes and transactions are counted.
    pub(crate) routes: usize,
    pub(crate) transactions: usize,
    /// A request is given up so long after it was due.
    pub(crate) timeout: Duration,
    /// Whose connections are.
    pub(crate) owner: Owner,
    pub(crate) seed: Seed,
}

impl Agenda {
    /// What a test says, with how its users go about it and when.
    pub(crate) fn new(test: &LoadTest, seed: Seed, program: Program, schedule: Schedule) -> Self {
        Self {
            program: Arc::new(program),
            schedule: Arc::new(schedule),
            routes: test.routes.len(),
            transactions: test.transactions.len(),
            timeout: test.timeout,
            owner: test.sending.connection,
            seed,
        }
    }
}

/// One request that is due.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Request {
    /// When it was to be sent; its response time and its timeout count from here.
    pub(crate) due: Moment,
    /// Which route.
    pub(crate) route: u32,
    /// The visit it is a step of, when it is more than a request.
    pub(crate) visit: Option<u32>,
    /// In the closed model, the user who sends it.
    pub(super) user: Option<u32>,
    /// Whether it was counted as planned when it became due; else it is when it is sent.
    pub(super) planned: bool,
    /// Whether nothing was sent before it in its visit.
    pub(super) is_first: bool,
}

/// All that is due on one worker.
pub(crate) struct Demand {
    clock: SystemClock,
    program: Arc<Program>,
    seed: Seed,
    timeout: Duration,
    /// Whose rows are taken, by part of what this worker sends.
    turns: Vec<Turns>,
    arrivals: Arrivals,
    users: Users,
    visits: Visits,
    places: Places,
    pub(crate) recorder: Recorder,
    waiting: VecDeque<Request>,
    /// How many of those were counted as planned.
    waiting_planned: u64,
    /// Nothing that is due from here on may begin yet.
    until: Moment,
    end: Moment,
    /// Set by a stop: nothing begins any more.
    stopped: bool,
}

impl Demand {
    /// One worker's share, of which nothing that is due at `until` or later may begin yet.
    pub(crate) fn new(agenda: &Agenda, slice: Slice, until: Moment) -> Self {
        let Agenda { program, schedule, routes, transactions, timeout, owner, seed } =
            agenda.clone();
        // Where topics are only consumed, nobody does anything.
        let crowds = if program.is_empty() { &[][..] } else { schedule.crowds() };
        let mut demand = Self {
            clock: SystemClock::start(),
            program,
            seed,
            timeout,
            turns: Vec::new(),
            users: Users::new(crowds),
            visits: Visits::default(),
            places: Places::new(owner),
            recorder: Recorder::new(routes, transactions),
            waiting: VecDeque::new(),
            waiting_planned: 0,
            until,
            end: Moment::at(schedule.length()),
            stopped: false,
            arrivals: Arrivals::new(schedule),
        };
        demand.join(More { slice, from: Moment::START, connections: 0 });
        demand
    }

    /// From here on there is more. Says how many connections more it takes.
    pub(crate) fn join(&mut self, more: More) -> usize {
        let More { slice, from, connections } = more;
        if self.program.is_empty() {
            return connections;
        }
        let (part, chance) = (self.turns.len() as u32, self.seed.choices("load/visits"));
        // Each arrival takes a row at most, so that rows beyond those that came before have been taken by nobody.
        let used = self.arrivals.before(from);
        self.turns.push(Turns::new(&self.program, slice, used, chance));
        self.users.join(slice, part, from);
        self.arrivals.join(slice, from);
        // Users who have a connection of their own must have one, however connections and users are dealt out.
        let users = if self.places.are_of_users() { self.users.most_of(slice) } else { 0 };
        connections.max(users)
    }

    /// From here on, what is due before `until` may begin.
    pub(crate) fn allow(&mut self, until: Moment) {
        self.until = until;
    }

    /// From here on, moments count from when `clock` was started.
    pub(crate) fn start(&mut self, clock: SystemClock) {
        self.clock = clock;
    }

    /// When the present second ends.
    pub(crate) fn boundary(&self) -> Moment {
        Moment::at(Duration::from_secs(self.recorder.second() + 1))
    }

    /// The frame of the present second, in which so many requests are under way and which has cost so much.
    pub(crate) fn close(&mut self, in_flight: u64, cpu: Duration) -> Frame {
        self.recorder.cost(cpu);
        self.recorder.close(in_flight, self.waiting_planned)
    }

    /// Whether the present second has anything in it.
    pub(crate) fn has_begun(&self) -> bool {
        let second = Moment::at(Duration::from_secs(self.recorder.second()));
        second < self.end || !self.recorder.is_empty()
    }

    /// Lets everything wait that has become due.
    pub(crate) fn admit(&mut self, is_due: impl Fn(Moment) -> bool) {
        let until = self.until;
        let may_begin = |at| at < until && is_due(at);
        while let Some(arrival) = self.arrivals.next(may_begin) {
            self.recorder.planned();
            self.arrive(arrival);
        }
        while let Some((due, user)) = self.users.next(may_begin) {
            self.begin_again(user, due);
        }
        while let Some((due, visit)) = self.visits.next_awake(&is_due) {
            self.go_on(visit, due);
        }
    }

    /// Gives up what has waited too long.
    pub(crate) fn expire(&mut self, now: Moment) {
        while let Some(request) = self.waiting.front()
            && now >= request.due + self.timeout
            && let Some(request) = self.pop()
        {
            self.recorder.missed();
            self.answered(&request, Answer::Timeout, now);
        }
    }

    /// What has waited longest. A user whose time is over takes its request back before.
    pub(crate) fn front(&mut self, now: Moment) -> Option<Request> {
        loop {
            let request = *self.waiting.front()?;
            let gone = request.user.filter(|it| !self.users.is_active(*it, now));
            let Some(user) = gone else { return Some(request) };
            self.waiting.pop_front();
            if let Some(visit) = request.visit {
                self.break_off(visit, None, now);
            }
            self.leave(user, now);
        }
    }

    /// Since when what has waited longest is due.
    pub(crate) fn waits_since(&self) -> Option<Moment> {
        self.waiting.front().map(|it| it.due)
    }

    /// What has waited longest, which counts as sent now.
    pub(crate) fn take(&mut self, now: Moment) -> Option<Request> {
        let request = self.pop()?;
        self.recorder.sent(now - request.due);
        Some(request)
    }

    /// Takes a request out of the queue: it counts as planned from here on, if it did not before.
    fn pop(&mut self) -> Option<Request> {
        let request = self.waiting.pop_front()?;
        match request.planned {
            true => self.waiting_planned -= 1,
            false => self.recorder.planned(),
        }
        Some(request)
    }

    /// The place among the connections that whoever sends this has for itself.
    pub(crate) fn place(&self, request: &Request) -> Option<usize> {
        self.places.of(request)
    }

    /// Whoever sends this has the place for itself from here on. Says no when places are nobody's.
    pub(crate) fn keep_place(&mut self, request: &Request, place: usize) -> bool {
        let are_owned = self.places.are_owned();
        if are_owned {
            self.places.keep(request, place);
        }
        are_owned
    }

    /// A place that nobody has for itself any more.
    pub(crate) fn place_let_go(&mut self) -> Option<usize> {
        self.places.let_go.pop()
    }

    /// The values of a visit at this moment.
    pub(crate) fn values(&self, visit: u32) -> Filled<'_> {
        let visit = self.visits.get(visit);
        Filled { program: &self.program, visit, clock: &self.clock }
    }

    /// Keeps a value of an answer for later steps of a visit.
    pub(crate) fn keep(&mut self, visit: u32, variable: u32, value: &[u8]) {
        self.visits.get_mut(visit).keep(variable, value);
    }

    /// Keeps a cookie of an answer for later steps of a visit.
    pub(crate) fn set_cookie(&mut self, visit: u32, value: &[u8]) {
        self.visits.get_mut(visit).set_cookie(&self.program, value);
    }

    /// A request has its answer, or will never have one: it is counted, and what comes after it begins.
    pub(crate) fn outcome(
        &mut self,
        request: &Request,
        answer: Answer,
        service: Option<Duration>,
        now: Moment,
    ) {
        self.recorder.outcome(request.route, answer, now - request.due, service);
        self.answered(request, answer, now);
    }

    /// Nothing new is sent from here on.
    pub(crate) fn stop(&mut self, now: Moment) {
        self.admit(|at| at <= now);
        self.arrivals.end();
        while let Some(request) = self.waiting.pop_front() {
            if request.planned {
                self.waiting_planned -= 1;
                self.recorder.missed();
            }
        }
        self.users.send_home();
        self.visits.forget_all();
        self.end = now;
        self.stopped = true;
    }

    /// Whether nothing is due any more, now or later. What is under way may still bring something.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        // To somebody who may not send all, there may still come more.
        let all_came = self.users.all_have_gone() && self.until == FOREVER;
        let over = self.arrivals.next_at().is_none() && (now >= self.end || all_came);
        let asleep = self.visits.next_at().is_some_and(|_| now < self.end);
        self.waiting.is_empty() && over && !asleep
    }

    /// When something becomes due, or has waited too long, or the second ends.
    pub(crate) fn next_event(&self, now: Moment) -> Moment {
        let missed = self.waits_since().map(|it| it + self.timeout);
        let end = Some(self.end).filter(|it| *it > now);
        let begins = self.arrivals.next_at().into_iter().chain(self.users.next_at()).min();
        let begins = begins.filter(|it| *it < self.until);
        [begins, self.visits.next_at(), missed, end]
            .into_iter()
            .flatten()
            .fold(self.boundary(), Moment::min)
    }

    /// An arrival of the open model, which was counted as planned.
    fn arrive(&mut self, Arrival { due, number, part }: Arrival) {
        let script = self.program.choose(number);
        match self.program.scripts[script as usize].bare {
            Some(route) => {
                let (visit, user, planned, is_first) = (None, None, true, true);
                self.wait(Request { due, route, visit, user, planned, is_first });
            }
            None => {
                let who = Who { user: None, number, iteration: 0 };
                self.begin_visit(script, who, part, due, true);
            }
        }
    }

    /// A user begins its next iteration.
    fn begin_again(&mut self, user: u32, due: Moment) {
        let (number, iteration) = (self.users.number(user), self.users.iterations(user));
        let part = self.users.part(user);
        // Every iteration has a number of its own, whoever makes it.
        let script = self.program.choose(iteration << 20 ^ number);
        let user = Some(user);
        match self.program.scripts[script as usize].bare {
            Some(route) => {
                let (visit, planned, is_first) = (None, false, true);
                self.wait(Request { due, route, visit, user, planned, is_first });
            }
            None => {
                let who = Who { user, number, iteration };
                self.begin_visit(script, who, part, due, false);
            }
        }
    }

    fn begin_visit(&mut self, script: u32, who: Who, part: usize, due: Moment, planned: bool) {
        let (visit, turns) = (self.visits.take(), &mut self.turns[part]);
        if self.visits.get_mut(visit).begin(&self.program, script, who, turns) {
            self.step(visit, due, planned);
            return;
        }
        // The data has been used up: the arrival cannot be sent, and a user has nothing more to do.
        self.visits.give_back(visit);
        if planned {
            self.recorder.missed();
        }
        if let Some(user) = who.user {
            self.places.user_left(user);
            self.users.leave_for_good(user);
        }
    }

    /// A visit goes on after a pause.
    fn go_on(&mut self, visit: u32, due: Moment) {
        let user = self.visits.get(visit).user;
        match user.filter(|it| !self.users.is_active(*it, due)) {
            Some(user) => {
                self.break_off(visit, None, due);
                self.leave(user, due);
            }
            None => self.step(visit, due, false),
        }
    }

    /// The next step of a visit, which is ready for it since `due`.
    fn step(&mut self, visit: u32, due: Moment, planned: bool) {
        let recorder = &mut self.recorder;
        let here = self.visits.get_mut(visit);
        let (user, is_first) = (here.user, !here.has_sent());
        let ended = |number, time| recorder.transaction(number, Answer::Ok, time);
        match here.next(&self.program, due, &self.clock, ended) {
            Next::Send(route) => {
                self.wait(Request { due, route, visit: Some(visit), user, planned, is_first });
                return;
            }
            Next::Wait(until) => self.visits.sleep(visit, until),
            Next::Over => {
                self.visit_ended(visit);
                if let Some(user) = user {
                    // One whose iteration came to no request must not begin the next at once, without end.
                    self.user_ended(user, due, is_first);
                }
            }
        }
        if planned {
            // It was to be sent now; what comes later is counted anew.
            self.recorder.unplanned();
        }
    }

    fn answered(&mut self, request: &Request, answer: Answer, now: Moment) {
        if let Some(visit) = request.visit {
            if answer.is_ok() && !self.stopped {
                self.step(visit, now, false);
                return;
            }
            // A stop is no failure: what it cuts off has no outcome.
            self.break_off(visit, Some(answer).filter(|it| !it.is_ok()), now);
        }
        if let Some(user) = request.user {
            // Such an answer may come as fast as it is asked for.
            let turned_away = matches!(answer, Answer::Connect | Answer::Reset | Answer::Dns);
            self.user_ended(user, now, turned_away);
        }
    }

    fn user_ended(&mut self, user: u32, now: Moment, turned_away: bool) {
        match self.users.ended(user, now, turned_away) {
            Ended::Now if self.stopped => {}
            Ended::Now if now < self.until => self.begin_again(user, now),
            Ended::Now => self.users.wait(user, now),
            Ended::Later => {}
            Ended::Left => self.places.user_left(user),
        }
    }

    /// A user leaves in the middle of an iteration.
    fn leave(&mut self, user: u32, now: Moment) {
        self.places.user_left(user);
        self.users.leave(user, now);
    }

    /// A visit ends before its last step.
    fn break_off(&mut self, visit: u32, answer: Option<Answer>, now: Moment) {
        for (number, time) in self.visits.get_mut(visit).broken_off(now) {
            if let Some(answer) = answer {
                self.recorder.transaction(number, answer, time);
            }
        }
        self.visit_ended(visit);
    }

    fn visit_ended(&mut self, visit: u32) {
        self.places.visit_ended(visit);
        self.visits.give_back(visit);
    }

    fn wait(&mut self, request: Request) {
        self.waiting_planned += u64::from(request.planned);
        match self.places.of(&request) {
            // It waits for nobody.
            Some(_) => self.waiting.push_front(request),
            None => self.waiting.push_back(request),
        }
    }
}
