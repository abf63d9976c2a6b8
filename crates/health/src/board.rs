//! Board: what is known of a service, and what that means for who asks.
//!
//! ```text
//!   fatal, or no heartbeat          live: dead
//!   a step of the start is open     startup: starting   ready: no
//!   drained                                             ready: no
//!   a critical check fails                              ready: no   overall: unhealthy
//!   a critical check is unknown                         ready: no   overall: unknown
//!   any other check does not pass                       ready: yes  overall: degraded
//! ```
//!
//! Liveness never looks at a check: to be restarted heals no database, and a service that is restarted because its database
//! is away does not come back any sooner.

use std::time::Duration;

use evenkeel_units::Moment;

use crate::answer::Endpoint;
use crate::said::Said;
use crate::{Judge, Status, Weight};

/// What is known of a service. It is told the time.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) checks: Vec<Entry>,
    pub(crate) steps: Vec<Step>,
    started: bool,
    draining: bool,
    closing: bool,
    fatal: Option<String>,
    beat: Moment,
    stall: Duration,
}

/// A check by its name.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) judge: Judge,
}

/// Something that must be done before the service has started.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) done: bool,
}

/// What is said to whoever asks, of each kind.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) live: Said,
    pub(crate) ready: Said,
    pub(crate) startup: Said,
    pub(crate) overall: Said,
}

impl Verdict {
    /// What is said at one of them.
    pub(crate) const fn at(self, endpoint: Endpoint) -> Said {
        match endpoint {
            Endpoint::Overall => self.overall,
            Endpoint::Live => self.live,
            Endpoint::Ready => self.ready,
            Endpoint::Startup => self.startup,
        }
    }
}

impl Board {
    /// Of a service that begins at `now`, and is taken for stuck when its heart did not beat for `stall`.
    pub(crate) fn new(checks: Vec<Entry>, steps: Vec<Step>, now: Moment, stall: Duration) -> Self {
        let (started, draining, closing, fatal) = (false, false, false, None);
        let mut board = Self { checks, steps, started, draining, closing, fatal, beat: now, stall };
        board.latch();
        board
    }

    /// Takes in that the runtime still gives us our turn.
    pub(crate) fn beat(&mut self, now: Moment) {
        self.beat = self.beat.max(now);
    }

    /// Takes in an answer of a check.
    pub(crate) fn record(
        &mut self,
        check: usize,
        now: Moment,
        took: Duration,
        finding: crate::Finding,
    ) {
        if let Some(entry) = self.checks.get_mut(check) {
            entry.judge.record(now, took, finding);
        }
        self.latch();
    }

    /// Takes in that a step of the start is done.
    pub(crate) fn done(&mut self, step: usize) {
        if let Some(it) = self.steps.get_mut(step) {
            it.done = true;
        }
        self.latch();
    }

    /// From here on no more requests are wanted. There is no way back.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// From here on nothing more is accepted either.
    pub(crate) fn close(&mut self) {
        self.draining = true;
        self.closing = true;
    }

    /// Only a restart helps. The first reason stays.
    pub(crate) fn fatal(&mut self, why: String) {
        self.fatal.get_or_insert(why);
    }

    /// Why only a restart helps, if so.
    pub(crate) fn deadly(&self, now: Moment) -> Option<&str> {
        let stalls = now >= self.stalls_at();
        self.fatal.as_deref().or_else(|| stalls.then_some("the runtime gives nobody a turn"))
    }

    /// The start is over once each step is done and each critical check worked once. It never starts again.
    fn latch(&mut self) {
        let critical = |it: &&Entry| it.judge.policy().weight == Weight::Critical;
        self.started |= self.steps.iter().all(|it| it.done)
            && self.checks.iter().filter(critical).all(|it| it.judge.has_passed());
    }

    /// What is said at a moment.
    pub(crate) fn verdict(&self, now: Moment) -> Verdict {
        let critical = self.worst(now, Weight::Critical);
        let other = self.worst(now, Weight::Degrading);
        let live = if self.deadly(now).is_none() { Said::Alive } else { Said::Dead };
        let startup = if self.started { Said::Started } else { Said::Starting };
        let ready = match critical {
            _ if live == Said::Dead => Said::NotReady,
            _ if self.draining => Said::ReadyDraining,
            _ if !self.started => Said::ReadyStarting,
            Status::Fail => Said::NotReady,
            Status::Unknown => Said::ReadyUnknown,
            Status::Pass | Status::Warn => Said::Ready,
        };
        let overall = match critical {
            _ if live == Said::Dead => Said::Unhealthy,
            _ if self.draining => Said::HealthDraining,
            Status::Fail => Said::Unhealthy,
            Status::Unknown => Said::HealthUnknown,
            _ if !self.started => Said::HealthStarting,
            Status::Warn => Said::Degraded,
            Status::Pass if other != Status::Pass => Said::Degraded,
            Status::Pass => Said::Healthy,
        };
        Verdict { live, ready, startup, overall }
    }

    /// Until when what is said at a moment holds, if nothing happens: then an answer gets too old, or the heart has stood still
    /// for too long.
    pub(crate) fn holds_until(&self, now: Moment) -> Option<Moment> {
        let turns = self.checks.iter().filter_map(|it| it.judge.stale_at());
        turns.chain([self.stalls_at()]).filter(|it| *it > now).min()
    }

    /// How everything stands at a moment.
    #[cfg(feature = "grpc")]
    pub(crate) fn stand(&self, now: Moment) -> Stand {
        Stand {
            verdict: self.verdict(now),
            is_draining: self.draining,
            is_closing: self.closing,
            checks: self.checks.iter().map(|it| it.judge.status(now)).collect(),
        }
    }

    fn stalls_at(&self) -> Moment {
        self.beat + self.stall
    }

    fn worst(&self, now: Moment, weight: Weight) -> Status {
        let of_weight = self.checks.iter().filter(|it| it.judge.policy().weight == weight);
        of_weight.map(|it| it.judge.status(now)).max().unwrap_or(Status::Pass)
    }
}

/// How everything stands, each check in its order.
#[cfg(feature = "grpc")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) verdict: Verdict,
    pub(crate) is_draining: bool,
    pub(crate) is_closing: bool,
    pub(crate) checks: Vec<Status>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Finding, Policy};

    const QUICK: Duration = Duration::from_millis(3);

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn entry(name: &str, policy: Policy) -> Entry {
        Entry { name: name.to_owned(), judge: Judge::new(policy) }
    }

    /// A critical database and a cache that degrades; one step of the start.
    fn board() -> Board {
        let checks = vec![entry("database", Policy::critical()), entry("cache", Policy::default())];
        let steps = vec![Step { name: "migrations".to_owned(), done: false }];
        Board::new(checks, steps, at(0), Duration::from_hours(1))
    }

    fn started() -> Board {
        let mut board = board();
        board.done(0);
        board.record(0, at(0), QUICK, Finding::pass());
        board.record(1, at(0), QUICK, Finding::pass());
        board
    }

    #[test]
    fn nothing_is_ready_before_the_first_answer_and_the_last_step() {
        let mut board = board();
        let said = board.verdict(at(0));
        assert_eq!((said.ready, said.startup), (Said::ReadyStarting, Said::Starting));
        assert_eq!((said.live, said.overall), (Said::Alive, Said::HealthUnknown));
        board.record(0, at(1), QUICK, Finding::pass());
        assert_eq!(board.verdict(at(1)).ready, Said::ReadyStarting);
        assert_eq!(board.verdict(at(1)).overall, Said::HealthStarting);
        board.done(0);
        let said = board.verdict(at(1));
        assert_eq!((said.ready, said.startup), (Said::Ready, Said::Started));
    }

    #[test]
    fn a_service_without_checks_and_steps_is_ready_at_once() {
        let board = Board::new(Vec::new(), Vec::new(), at(0), Duration::from_secs(30));
        let said = board.verdict(at(0));
        assert_eq!((said.ready, said.overall), (Said::Ready, Said::Healthy));
    }

    #[test]
    fn a_dependency_that_degrades_leaves_the_service_ready() {
        let mut board = started();
        for turn in 1..4 {
            board.record(0, at(turn), QUICK, Finding::pass());
            board.record(1, at(turn), QUICK, Finding::fail("refused"));
        }
        let said = board.verdict(at(4));
        assert_eq!((said.ready, said.overall), (Said::Ready, Said::Degraded));
    }

    #[test]
    fn a_critical_failure_takes_it_out_but_never_restarts_it_nor_starts_it_again() {
        let mut board = started();
        for turn in 1..4 {
            board.record(0, at(turn), QUICK, Finding::fail("refused"));
        }
        let said = board.verdict(at(4));
        assert_eq!((said.ready, said.overall), (Said::NotReady, Said::Unhealthy));
        assert_eq!((said.live, said.startup), (Said::Alive, Said::Started));
    }

    #[test]
    fn what_is_said_holds_until_silence_begins_to_say_nothing() {
        let board = started();
        assert_eq!(board.holds_until(at(1)), Some(at(30)));
        assert_eq!(board.verdict(at(29)).ready, Said::Ready);
        assert_eq!(board.verdict(at(30)).ready, Said::ReadyUnknown);
        assert_eq!(board.holds_until(at(30)), Some(at(3_600)));
        assert_eq!(board.verdict(at(3_600)).live, Said::Dead);
        assert_eq!(board.holds_until(at(3_600)), None);
    }

    #[test]
    fn draining_outranks_everything_but_death() {
        let mut board = started();
        board.drain();
        let said = board.verdict(at(1));
        assert_eq!((said.ready, said.overall), (Said::ReadyDraining, Said::HealthDraining));
        assert_eq!((said.live, said.startup), (Said::Alive, Said::Started));
        board.fatal("the log is corrupt".to_owned());
        board.fatal("and more".to_owned());
        assert_eq!(board.verdict(at(1)).live, Said::Dead);
        assert_eq!(board.deadly(at(1)), Some("the log is corrupt"));
    }

    #[test]
    fn a_heart_that_stands_still_is_dead_until_it_beats_again() {
        let mut board = Board::new(Vec::new(), Vec::new(), at(0), Duration::from_secs(30));
        assert_eq!(board.holds_until(at(1)), Some(at(30)));
        assert_eq!(board.verdict(at(30)).live, Said::Dead);
        assert_eq!(board.deadly(at(30)), Some("the runtime gives nobody a turn"));
        board.beat(at(31));
        assert_eq!(board.verdict(at(31)).live, Said::Alive);
    }
}
