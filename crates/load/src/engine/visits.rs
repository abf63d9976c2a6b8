//! Visits: what comes after an answer, a pause or an arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use evenkeel_model::Answer;
use evenkeel_units::Moment;

use super::{Engine, Request};
use crate::protocol::Protocol;
use crate::scenario::{Next, Visit, Who};

/// The iterations that are under way.
#[derive(Default)]
pub(crate) struct Visits {
    all: Vec<Visit>,
    free: Vec<u32>,
    /// When each that pauses goes on.
    asleep: BinaryHeap<Reverse<(Moment, u32)>>,
}

impl Visits {
    pub(crate) fn get(&self, visit: u32) -> &Visit {
        &self.all[visit as usize]
    }

    pub(crate) fn get_mut(&mut self, visit: u32) -> &mut Visit {
        &mut self.all[visit as usize]
    }

    /// One that is free.
    pub(crate) fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.all.push(Visit::default());
            self.all.len() as u32 - 1
        })
    }

    /// The next visit whose pause is over.
    pub(crate) fn next_awake(&mut self, is_due: impl Fn(Moment) -> bool) -> Option<(Moment, u32)> {
        let &Reverse(next) = self.asleep.peek()?;
        is_due(next.0).then(|| {
            self.asleep.pop();
            next
        })
    }

    /// When the next pause is over.
    pub(crate) fn next_at(&self) -> Option<Moment> {
        self.asleep.peek().map(|&Reverse((at, _))| at)
    }

    /// A visit pauses.
    pub(crate) fn sleep(&mut self, visit: u32, until: Moment) {
        self.asleep.push(Reverse((until, visit)));
    }

    /// A visit is over.
    pub(crate) fn give_back(&mut self, visit: u32) {
        self.free.push(visit);
    }

    /// None goes on any more.
    pub(crate) fn forget_all(&mut self) {
        self.asleep.clear();
    }
}

impl<P: Protocol> Engine<P> {
    /// Arrival `n` of the open model, which was counted as planned.
    pub(super) fn arrive(&mut self, due: Moment, n: u64) {
        let script = self.program.choose(n);
        match self.program.scripts[script as usize].bare {
            Some(route) => self.wait(Request {
                due,
                route,
                visit: None,
                user: None,
                planned: true,
                retried: false,
            }),
            None => {
                self.begin_visit(script, Who { user: None, number: n, iteration: 0 }, due, true);
            }
        }
    }

    /// A user begins its next iteration.
    pub(super) fn begin_again(&mut self, user: u32, due: Moment) {
        let who = Who {
            user: Some(user),
            number: self.users.number(user),
            iteration: self.users.iterations(user),
        };
        // Every iteration has a number of its own, whoever makes it.
        let script = self.program.choose(who.iteration << 20 ^ who.number);
        match self.program.scripts[script as usize].bare {
            Some(route) => self.wait(Request {
                due,
                route,
                visit: None,
                user: Some(user),
                planned: false,
                retried: false,
            }),
            None => self.begin_visit(script, who, due, false),
        }
    }

    fn begin_visit(&mut self, script: u32, who: Who, due: Moment, planned: bool) {
        let visit = self.visits.take();
        let begun = self.visits.get_mut(visit).begin(&self.program, script, who, &mut self.turns);
        if begun {
            self.step(visit, due, planned);
            return;
        }
        // The data has been used up: the arrival cannot be sent, and a user has nothing more to do.
        self.visits.free.push(visit);
        if planned {
            self.recorder.missed();
        }
        if let Some(user) = who.user {
            self.users.leave_for_good(user);
        }
    }

    /// A visit goes on after a pause.
    pub(super) fn go_on(&mut self, visit: u32, due: Moment) {
        let user = self.visits.get(visit).user;
        match user.filter(|it| !self.users.is_active(*it, due)) {
            Some(user) => {
                self.break_off(visit, None, due);
                self.users.leave(user, due);
            }
            None => self.step(visit, due, false),
        }
    }

    /// The next step of a visit, which is ready for it since `due`.
    fn step(&mut self, visit: u32, due: Moment, planned: bool) {
        let recorder = &mut self.recorder;
        let here = &mut self.visits.all[visit as usize];
        let ended = |number, time| recorder.transaction(number, Answer::Ok, time);
        match here.next(&self.program, due, &self.clock, ended) {
            Next::Send(route) => {
                let user = here.user;
                self.wait(Request {
                    due,
                    route,
                    visit: Some(visit),
                    user,
                    planned,
                    retried: false,
                });
            }
            Next::Wait(until) => {
                self.visits.asleep.push(Reverse((until, visit)));
                if planned {
                    // It was to be sent now, and will be later: then it is counted anew.
                    self.recorder.unplanned();
                }
            }
            Next::Over => {
                // A user whose iteration came to no request must not begin the next one at once, without end.
                let (user, idle) = (here.user, !here.has_sent());
                self.visits.free.push(visit);
                if planned {
                    self.recorder.unplanned();
                }
                if let Some(user) = user {
                    self.user_ended(user, due, idle);
                }
            }
        }
    }

    /// A request has its answer, or will never have one.
    pub(super) fn answered(&mut self, request: &Request, answer: Answer, now: Moment) {
        match (request.visit, request.user) {
            (Some(visit), _) if answer.is_ok() && self.drain_until.is_none() => {
                self.step(visit, now, false);
            }
            (Some(visit), user) => {
                // A stop is no failure: what it cuts off has no outcome.
                self.break_off(visit, Some(answer).filter(|it| !it.is_ok()), now);
                if let Some(user) = user {
                    self.user_ended(user, now, is_turned_away(answer));
                }
            }
            (None, Some(user)) => {
                self.user_ended(user, now, is_turned_away(answer));
            }
            (None, None) => {}
        }
    }

    fn user_ended(&mut self, user: u32, now: Moment, turned_away: bool) {
        if self.users.ended(user, now, turned_away) && self.drain_until.is_none() {
            self.begin_again(user, now);
        }
    }

    /// A visit ends before its last step.
    pub(super) fn break_off(&mut self, visit: u32, answer: Option<Answer>, now: Moment) {
        let recorder = &mut self.recorder;
        for (number, time) in self.visits.all[visit as usize].broken_off(now) {
            if let Some(answer) = answer {
                recorder.transaction(number, answer, time);
            }
        }
        self.visits.free.push(visit);
    }

    /// A request waits for a connection.
    fn wait(&mut self, request: Request) {
        self.waiting_planned += u64::from(request.planned);
        self.waiting.push_back(request);
    }

    /// A user whose time is over takes its request back.
    pub(super) fn leave(&mut self, request: Request, now: Moment) {
        if let Some(visit) = request.visit {
            self.break_off(visit, None, now);
        }
        if let Some(user) = request.user {
            self.users.leave(user, now);
        }
    }
}

/// Whether an answer may come as fast as it is asked for.
fn is_turned_away(answer: Answer) -> bool {
    matches!(answer, Answer::Connect | Answer::Reset | Answer::Dns)
}
