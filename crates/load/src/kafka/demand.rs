//! Demand: what is due, whoever sends it: arrivals of the open model, users of the closed one, and the next steps
//! of visits that are under way. It also counts them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::{Answer, Frame};
use evenkeel_units::{Moment, SystemClock};

use super::Basis;
use crate::engine::{Slice, Users, Visits};
use crate::recorder::Recorder;
use crate::scenario::{Filled, Next, Program, Turns, Who};
use crate::schedule::Schedule;
use crate::template::{NoValues, Template};

/// Steps that need no request are gone through at most so many at a time.
const STEPS_MAX: u32 = 1000;

/// How long a visit yields then.
const YIELD: Duration = Duration::from_millis(1);

/// One record that is due.
#[derive(Copy, Clone, Debug)]
pub(super) struct Request {
    /// When it was to be sent; its response time and its timeout count from here.
    pub(super) due: Moment,
    /// Which route.
    pub(super) route: u32,
    /// The visit it is a step of, when it is more than a request.
    visit: Option<u32>,
    /// In the closed model, the user who sends it.
    user: Option<u32>,
    /// Whether it was counted as planned when it became due; else it is when it is sent.
    planned: bool,
}

/// Where in its visit a step is.
#[derive(Copy, Clone, Default)]
struct Place {
    /// It was counted as planned.
    planned: bool,
    /// Nothing was sent before it.
    first: bool,
}

/// All that is due on one worker.
pub(super) struct Demand {
    clock: SystemClock,
    basis: Arc<Basis>,
    program: Arc<Program>,
    schedule: Arc<Schedule>,
    slice: Slice,
    turns: Turns,
    users: Users,
    visits: Visits,
    pub(super) recorder: Recorder,
    /// Number and time of the next arrival of the open model.
    next: (u64, Option<Moment>),
    waiting: VecDeque<Request>,
    /// How many of those were counted as planned.
    waiting_planned: u64,
    end: Moment,
    /// Set by a stop: nothing begins any more.
    stopped: bool,
}

impl Demand {
    pub(super) fn new(basis: &Arc<Basis>, slice: Slice) -> Self {
        let (program, schedule) = (Arc::clone(&basis.program), Arc::clone(&basis.schedule));
        let chance = basis.seed.choices("load/visits");
        let first = slice.first();
        // Where topics are only consumed, nobody does anything.
        let (crowds, due) = match program.is_empty() {
            true => (&[][..], None),
            false => (schedule.crowds(), schedule.due(first)),
        };
        Self {
            clock: SystemClock::start(),
            slice,
            turns: Turns::new(&program, slice.worker, slice.workers, chance),
            users: Users::new(crowds, slice.worker, slice.workers),
            visits: Visits::default(),
            recorder: Recorder::new(basis.routes.len(), basis.transactions),
            next: (first, due),
            waiting: VecDeque::new(),
            waiting_planned: 0,
            end: Moment::at(schedule.length()),
            stopped: false,
            basis: Arc::clone(basis),
            program,
            schedule,
        }
    }

    /// From here on, moments count from when `clock` was started.
    pub(super) fn start(&mut self, clock: SystemClock) {
        self.clock = clock;
    }

    /// When the present second ends.
    pub(super) fn boundary(&self) -> Moment {
        Moment::at(Duration::from_secs(self.recorder.second() + 1))
    }

    /// The frame of the present second, in which so many requests are under way.
    pub(super) fn close(&mut self, in_flight: u64) -> Frame {
        self.recorder.close(in_flight, self.waiting_planned)
    }

    /// Whether the present second has anything in it.
    pub(super) fn has_begun(&self) -> bool {
        let second = Moment::at(Duration::from_secs(self.recorder.second()));
        second < self.end || !self.recorder.is_empty()
    }

    /// Lets everything wait that has become due.
    pub(super) fn admit(&mut self, is_due: impl Fn(Moment) -> bool) {
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

    /// Gives up what has waited too long.
    pub(super) fn expire(&mut self, now: Moment) {
        while let Some(&request) = self.waiting.front()
            && now >= request.due + self.basis.timeout
        {
            self.waiting.pop_front();
            match request.planned {
                true => self.waiting_planned -= 1,
                false => self.recorder.planned(),
            }
            self.recorder.missed();
            self.answered(&request, Answer::Timeout, now);
        }
    }

    /// The next that is to be sent, which counts as sent now.
    pub(super) fn take(&mut self, now: Moment) -> Option<Request> {
        loop {
            let request = self.waiting.pop_front()?;
            if request.user.is_none_or(|it| self.users.is_active(it, now)) {
                match request.planned {
                    true => self.waiting_planned -= 1,
                    false => self.recorder.planned(),
                }
                self.recorder.sent(now - request.due);
                return Some(request);
            }
            // A user whose time is over takes its request back.
            if let Some(visit) = request.visit {
                self.break_off(visit, None, now);
            }
            if let Some(user) = request.user {
                self.users.leave(user, now);
            }
        }
    }

    /// Appends a text of the request, as it is for its visit.
    pub(super) fn render(&self, request: &Request, template: &Template) -> Vec<u8> {
        let mut out = Vec::new();
        match request.visit {
            None => template.render(&NoValues, &mut out),
            Some(visit) => {
                let visit = self.visits.get(visit);
                let values = Filled { program: &self.program, visit, clock: &self.clock };
                template.render(&values, &mut out);
            }
        }
        out
    }

    /// A request has its answer: it is counted, and what comes after it begins.
    pub(super) fn outcome(
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
    pub(super) fn stop(&mut self, now: Moment) {
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
        self.stopped = true;
    }

    /// Whether nothing is due any more, now or later. What is under way may still bring something.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        let over = now >= self.end || (self.next.1.is_none() && self.users.all_have_gone());
        let asleep = self.visits.next_at().is_some_and(|_| now < self.end);
        self.waiting.is_empty() && over && !asleep
    }

    /// When something becomes due, or has waited too long, or the second ends.
    pub(super) fn next_event(&self, now: Moment) -> Moment {
        let missed = self.waiting.front().map(|it| it.due + self.basis.timeout);
        let end = Some(self.end).filter(|it| *it > now);
        [self.next.1, self.users.next_at(), self.visits.next_at(), missed, end]
            .into_iter()
            .flatten()
            .fold(self.boundary(), Moment::min)
    }

    fn arrive(&mut self, due: Moment, n: u64) {
        let script = self.program.choose(n);
        match self.program.scripts[script as usize].bare {
            Some(route) => {
                self.wait(Request { due, route, visit: None, user: None, planned: true });
            }
            None => {
                self.begin_visit(script, Who { user: None, number: n, iteration: 0 }, due, true);
            }
        }
    }

    fn begin_again(&mut self, user: u32, due: Moment) {
        let (number, iteration) = (self.users.number(user), self.users.iterations(user));
        // Every iteration has a number of its own, whoever makes it.
        let script = self.program.choose(iteration << 20 ^ number);
        let user = Some(user);
        match self.program.scripts[script as usize].bare {
            Some(route) => self.wait(Request { due, route, visit: None, user, planned: false }),
            None => self.begin_visit(script, Who { user, number, iteration }, due, false),
        }
    }

    fn begin_visit(&mut self, script: u32, who: Who, due: Moment, planned: bool) {
        let visit = self.visits.take();
        if self.visits.get_mut(visit).begin(&self.program, script, who, &mut self.turns) {
            self.step(visit, due, Place { planned, first: true });
            return;
        }
        // The data has been used up: the arrival cannot be sent, and a user has nothing more to do.
        self.visits.give_back(visit);
        if planned {
            self.recorder.missed();
        }
        if let Some(user) = who.user {
            self.users.leave_for_good(user);
        }
    }

    fn go_on(&mut self, visit: u32, due: Moment) {
        let user = self.visits.get(visit).user;
        match user.filter(|it| !self.users.is_active(*it, due)) {
            Some(user) => {
                self.break_off(visit, None, due);
                self.users.leave(user, due);
            }
            None => self.step(visit, due, Place::default()),
        }
    }

    /// The next step of a visit, which is ready for it since `due`.
    fn step(&mut self, visit: u32, due: Moment, Place { planned, first }: Place) {
        let here = self.visits.get_mut(visit);
        let user = here.user;
        let recorder = &mut self.recorder;
        let mut next = Next::Wait(due + YIELD);
        for _ in 0..STEPS_MAX {
            let ended = |number, time| recorder.transaction(number, Answer::Ok, time);
            match here.next(&self.program, due, &self.clock, ended) {
                // That goes on in the background, whoever is where.
                Next::Send(route) if !self.basis.routes[route as usize].produces() => {}
                other => {
                    next = other;
                    break;
                }
            }
        }
        match next {
            Next::Send(route) => {
                self.wait(Request { due, route, visit: Some(visit), user, planned });
                return;
            }
            Next::Wait(until) => self.visits.sleep(visit, until),
            Next::Over => {
                self.visits.give_back(visit);
                if let Some(user) = user {
                    // One who has nothing to send must not spin.
                    self.user_ended(user, due, first);
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
                self.step(visit, now, Place::default());
                return;
            }
            // A stop is no failure: what it cuts off has no outcome.
            self.break_off(visit, Some(answer).filter(|it| !it.is_ok()), now);
        }
        if let Some(user) = request.user {
            let turned_away = matches!(answer, Answer::Connect | Answer::Reset | Answer::Dns);
            self.user_ended(user, now, turned_away);
        }
    }

    fn user_ended(&mut self, user: u32, now: Moment, turned_away: bool) {
        if self.users.ended(user, now, turned_away) && !self.stopped {
            self.begin_again(user, now);
        }
    }

    /// A visit ends before its last step.
    fn break_off(&mut self, visit: u32, answer: Option<Answer>, now: Moment) {
        for (number, time) in self.visits.get_mut(visit).broken_off(now) {
            if let Some(answer) = answer {
                self.recorder.transaction(number, answer, time);
            }
        }
        self.visits.give_back(visit);
    }

    fn wait(&mut self, request: Request) {
        self.waiting_planned += u64::from(request.planned);
        self.waiting.push_back(request);
    }
}
