//! Core: what of a circuit is behind its lock, for some dozens of instructions a call.

use std::time::Duration;

use evenkeel_units::chance::{GOLDEN, mix};
use evenkeel_units::{Moment, nanos};

use super::policy::{Policy, PolicyError};
use super::running::{Mark, Overdue};
use super::shared::{Shared, limit_while_running};
use super::view::{Event, Reason, Snapshot};
use super::window::{Counts, Outcomes, reaches};
use super::word::State;
use super::{Outcome, Pass};

/// What is behind the lock.
#[derive(Debug)]
pub(super) struct Core {
    policy: Policy,
    seed: u64,
    window: Outcomes,
    overdue: Overdue,
    consecutive: u32,
    /// Trials under way, and how those that ended went.
    trials: Vec<Trial>,
    tried: Counts,
    /// Whether what there is to see is of the trials and not of the window.
    shows_trials: bool,
    trial: u32,
    since: Moment,
    reason: Option<Reason>,
    /// How often it opened since it was closed.
    opened: u32,
    failed: u64,
    slow: u64,
    ignored: u64,
    late: u64,
}

#[derive(Copy, Clone, Debug)]
struct Trial {
    number: u32,
    started: Moment,
    until: Moment,
}

/// What counting a call has left to do.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Nothing.
    Whole,
    /// It was counted, and the circuit has to open.
    Due,
    /// It was not counted: it is a trial, or of another state.
    Not,
}

/// What becomes of a call that asks.
pub(super) type Answer = Result<Pass, Option<Moment>>;

impl Core {
    pub(super) fn new(policy: Policy, seed: u64) -> Self {
        Self {
            window: Outcomes::new(policy.window),
            trials: Vec::with_capacity(policy.trials.permits as usize),
            policy,
            seed,
            overdue: Overdue::default(),
            consecutive: 0,
            tried: Counts::default(),
            shows_trials: false,
            trial: 0,
            since: Moment::START,
            reason: None,
            opened: 0,
            failed: 0,
            slow: 0,
            ignored: 0,
            late: 0,
        }
    }

    pub(super) const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Lets a call in, or not, where that takes more than a look.
    pub(super) fn admit(&mut self, shared: &Shared, now: Moment, events: &mut Events) -> Answer {
        let word = shared.word();
        match word.state() {
            State::Closed | State::MetricsOnly => {
                if let Some(until) = self.turn(shared, now, events) {
                    return Err(Some(until));
                }
                let mark = shared.running.begin(now).unwrap_or(Mark::NOWHERE);
                Ok(Pass { mark, ..Pass::of(word.generation()) })
            }
            State::Disabled => Ok(Pass::of(word.generation())),
            State::ForcedOpen => Err(None),
            State::Open => {
                let until = Moment::at(Duration::from_nanos(shared.until()));
                if now <= until {
                    return Err(Some(until));
                }
                self.half_open(shared, now, events);
                self.admit_trial(shared, now, events)
            }
            State::HalfOpen => self.admit_trial(shared, now, events),
        }
    }

    /// Counts the calls that are overdue by now; until when it opens, if they are too many.
    fn turn(&mut self, shared: &Shared, now: Moment, events: &mut Events) -> Option<Moment> {
        shared.running.turn(now, &mut self.overdue);
        self.look(shared);
        if shared.word().state() != State::Closed || self.overdue.calls == 0 {
            return None;
        }
        let counts = self.window.counts(now);
        self.reason_to_open(counts).map(|it| self.open(shared, now, it, events))
    }

    /// Sees a call that began then while it runs, although that is the first of its time.
    #[cold]
    pub(super) fn linger(&mut self, shared: &Shared, started: Moment, events: &mut Events) -> Mark {
        self.turn(shared, started, events);
        shared.running.begin(started).unwrap_or(Mark::NOWHERE)
    }

    fn admit_trial(&mut self, shared: &Shared, now: Moment, events: &mut Events) -> Answer {
        let reason = match self.trials_end() {
            Some(end) if end < now => Some(Reason::Undecided),
            _ => self.reason_to_open_again(now),
        };
        if let Some(reason) = reason {
            return Err(Some(self.open(shared, now, reason, events)));
        }
        self.trials.retain(|it| now <= it.until);
        if self.permits() == 0 {
            let until = self.next_look(now);
            shared.set_until(nanos(until.elapsed()));
            return Err(Some(until));
        }
        self.trial = self.trial.wrapping_add(1);
        let until = now + self.policy.trials.lease;
        self.trials.push(Trial { number: self.trial, started: now, until });
        shared.set_until(nanos(self.next_look(now).elapsed()));
        let word = shared.word().with_permits(self.permits());
        shared.set(word);
        Ok(Pass { trial: self.trial, ..Pass::of(word.generation()) })
    }

    /// How many trials may still come.
    fn permits(&self) -> u16 {
        let came = self.tried.total.saturating_add(self.trials.len() as u32);
        self.policy.trials.permits.saturating_sub(came) as u16
    }

    /// When the next thing happens to the trials by the mere passing of time.
    fn next_look(&self, now: Moment) -> Moment {
        let limit = limit_while_running(&self.policy);
        let of_trial = |it: &Trial| [Some(it.until), limit.map(|limit| it.started + limit)];
        let all = self.trials.iter().flat_map(of_trial).chain([self.trials_end()]).flatten();
        all.filter(|it| *it >= now).min().unwrap_or(now)
    }

    fn trials_end(&self) -> Option<Moment> {
        self.policy.trials.max_wait.map(|it| self.since + it)
    }

    /// Counts a call that ends, where that is all there is to do: then it is whole, and nothing happens. The time is asked for where
    /// it matters.
    #[inline]
    pub(super) fn count(
        &mut self,
        shared: &Shared,
        now: impl FnOnce() -> Moment,
        pass: Pass,
        outcome: Outcome,
        is_slow: bool,
    ) -> Counted {
        shared.running.end(pass.mark, &mut self.overdue);
        let word = shared.word();
        if word.generation() != pass.generation || !word.counts() {
            return Counted::Not;
        }
        let failed = outcome == Outcome::Failure;
        self.add(shared, failed, is_slow);
        self.consecutive = if failed { self.consecutive.saturating_add(1) } else { 0 };
        let counts = self.window.record(now, failed, is_slow);
        self.look(shared);
        match word.state() == State::Closed && self.reason_to_open(counts).is_some() {
            true => Counted::Due,
            false => Counted::Whole,
        }
    }

    /// Does what is left to do for a call.
    pub(super) fn settle(
        &mut self,
        shared: &Shared,
        now: Moment,
        (counted, pass): (Counted, Pass),
        outcome: Outcome,
        is_slow: bool,
        events: &mut Events,
    ) {
        let word = shared.word();
        let is_of_now = word.generation() == pass.generation;
        match counted {
            Counted::Whole => {}
            Counted::Due => {
                let counts = self.window.counts(now);
                if let Some(reason) = self.reason_to_open(counts) {
                    self.open(shared, now, reason, events);
                }
            }
            Counted::Not
                if is_of_now && word.state() == State::HalfOpen && self.take_trial(pass.trial) =>
            {
                let failed = outcome == Outcome::Failure;
                self.add(shared, failed, is_slow);
                self.tried.add(failed, is_slow);
                self.decide(shared, now, events);
            }
            Counted::Not => self.late += u64::from(word.state() != State::Disabled),
        }
    }

    /// Whether the trials that have ended are enough to close it, or to open it again.
    fn decide(&mut self, shared: &Shared, now: Moment, events: &mut Events) {
        if let Some(reason) = self.reason_to_open_again(now) {
            self.open(shared, now, reason, events);
        } else if self.tried.total >= self.policy.trials_to_decide() {
            let reason = Reason::Recovered { counts: self.tried };
            self.enter(shared, State::Closed, 0, now, reason, events);
        }
    }

    /// Says whether what goes well from now on has to be counted here.
    #[inline]
    fn look(&self, shared: &Shared) {
        let word = shared.word();
        let is_spotless = word.counts() && self.overdue.calls == 0 && self.window.is_spotless();
        if is_spotless != word.is_spotless() {
            shared.set(word.spotless(is_spotless));
        }
    }

    fn add(&mut self, shared: &Shared, failed: bool, slow: bool) {
        shared.add_succeeded(u64::from(!failed));
        self.failed += u64::from(failed);
        self.slow += u64::from(slow);
    }

    /// Takes back what was handed out for a call that has no outcome.
    pub(super) fn release(&mut self, shared: &Shared, pass: Pass) {
        shared.running.end(pass.mark, &mut self.overdue);
        let word = shared.word();
        self.ignored += 1;
        if word.generation() == pass.generation
            && word.state() == State::HalfOpen
            && self.take_trial(pass.trial)
        {
            shared.set(word.with_permits(self.permits()));
        }
    }

    fn take_trial(&mut self, number: u32) -> bool {
        let place = self.trials.iter().position(|it| it.number == number);
        place.map(|it| self.trials.swap_remove(it)).is_some()
    }

    #[inline]
    fn reason_to_open(&self, counts: Counts) -> Option<Reason> {
        if self.policy.consecutive.is_some_and(|most| self.consecutive >= most) {
            return Some(Reason::Consecutive { failures: self.consecutive });
        }
        self.reason_by_share(counts, self.overdue.calls, self.policy.min_calls)
    }

    fn reason_to_open_again(&self, now: Moment) -> Option<Reason> {
        let counts = self.tried;
        if self.policy.failures.is_none() && self.policy.slow.is_none() {
            return (counts.failed > 0).then_some(Reason::Failures { counts });
        }
        let overdue = limit_while_running(&self.policy).map_or(0, |limit| {
            self.trials.iter().filter(|it| now - it.started > limit).count() as u32
        });
        self.reason_by_share(counts, overdue, self.policy.trials_to_decide())
    }

    #[inline]
    fn reason_by_share(&self, counts: Counts, running: u32, min: u32) -> Option<Reason> {
        let Counts { total, failed, slow } = counts;
        if let Some(share) = self.policy.failures
            && total >= min
            && reaches(failed, total, share)
        {
            return Some(Reason::Failures { counts });
        }
        let all = total.saturating_add(running);
        let limit = self.policy.slow?;
        (all >= min && reaches(slow.saturating_add(running), all, limit.share))
            .then_some(Reason::Slow { counts, running })
    }

    /// Gives the end of the wait.
    #[cold]
    fn open(
        &mut self,
        shared: &Shared,
        now: Moment,
        reason: Reason,
        events: &mut Events,
    ) -> Moment {
        let seed = self.seed ^ u64::from(shared.word().generation());
        let chance = mix(seed.wrapping_add(GOLDEN));
        let until = now + self.policy.wait.after(self.opened, chance);
        self.opened = self.opened.saturating_add(1);
        shared.set_until(nanos(until.elapsed()));
        self.enter(shared, State::Open, 0, now, reason, events);
        until
    }

    fn half_open(&mut self, shared: &Shared, now: Moment, events: &mut Events) {
        let permits = self.policy.trials.permits as u16;
        self.enter(shared, State::HalfOpen, permits, now, Reason::WaitOver, events);
    }

    /// Changes the state as somebody says.
    pub(super) fn tell(&mut self, shared: &Shared, now: Moment, state: State, events: &mut Events) {
        if shared.word().state() != state || state == State::Closed {
            self.enter(shared, state, 0, now, Reason::Told, events);
        }
    }

    #[cold]
    fn enter(
        &mut self,
        shared: &Shared,
        to: State,
        permits: u16,
        at: Moment,
        reason: Reason,
        events: &mut Events,
    ) {
        let before = shared.word();
        self.trials.clear();
        self.shows_trials =
            to == State::HalfOpen || (to == State::Open && before.state() == State::HalfOpen);
        match to {
            State::HalfOpen => self.tried = Counts::default(),
            State::Closed | State::MetricsOnly | State::Disabled => {
                self.window.clear();
                self.opened = 0;
                self.consecutive = 0;
            }
            State::Open | State::ForcedOpen => {}
        }
        let limit = limit_while_running(&self.policy);
        shared.running.restart(limit, &mut self.overdue);
        (self.since, self.reason) = (at, Some(reason));
        let word = before.next(to, permits);
        shared.set(word);
        let generation = word.generation();
        events.add(Event { at, from: before.state(), to, reason, generation });
    }

    /// Takes another policy. The window keeps what it has, as far as the new one has room.
    pub(super) fn reload(
        &mut self,
        shared: &Shared,
        now: Moment,
        policy: Policy,
        events: &mut Events,
    ) -> Result<(), PolicyError> {
        policy.check()?;
        if policy.window != self.policy.window {
            self.window.counts(now);
            self.window = self.window.resized(policy.window);
        }
        let limit = limit_while_running(&policy);
        if limit != limit_while_running(&self.policy) {
            shared.running.restart(limit, &mut self.overdue);
        }
        let more = (policy.trials.permits as usize).saturating_sub(self.trials.len());
        self.trials.reserve(more);
        shared.follow(&policy);
        self.policy = policy;
        self.look(shared);
        let word = shared.word();
        if word.state() == State::HalfOpen {
            // Or nobody would be left who decides, where more are needed now.
            shared.set(word.with_permits(self.permits()));
            self.decide(shared, now, events);
        }
        Ok(())
    }

    pub(super) fn snapshot(&mut self, shared: &Shared, now: Moment, rejected: u64) -> Snapshot {
        let word = shared.word();
        if matches!(word.state(), State::Closed | State::MetricsOnly) {
            shared.running.turn(now, &mut self.overdue);
            self.look(shared);
        }
        let (counts, min) = match self.shows_trials {
            true => (self.tried, self.policy.trials_to_decide()),
            false => (self.window.counts(now), self.policy.min_calls),
        };
        let is_open = word.state() == State::Open;
        Snapshot {
            state: word.state(),
            since: self.since,
            reason: self.reason,
            generation: word.generation(),
            counts,
            overdue: self.overdue.calls,
            consecutive: self.consecutive,
            is_judged: counts.total >= min,
            permits: word.permits(),
            trials: self.trials.len() as u32,
            until: is_open.then(|| Moment::at(Duration::from_nanos(shared.until()))),
            opened: self.opened,
            succeeded_total: shared.succeeded(),
            failed_total: self.failed,
            slow_total: self.slow,
            ignored_total: self.ignored,
            late_total: self.late,
            rejected_total: rejected,
        }
    }
}

/// What happened under the lock, to be told after it: opening and half-opening at once, at most.
#[derive(Debug, Default)]
pub(super) struct Events([Option<Event>; 2]);

impl Events {
    fn add(&mut self, event: Event) {
        let [first, second] = &mut self.0;
        *if first.is_none() { first } else { second } = Some(event);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.0.iter().flatten()
    }
}
