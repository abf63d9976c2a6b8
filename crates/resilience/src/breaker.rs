//! Circuit breaker: stop calling what keeps failing, then try again carefully.
//!
//! ```text
//!            failures reach the limit
//!   Closed ───────────────────────────▶ Open ◀──────────┐
//!     ▲                                  │ rest is over  │ a trial fails
//!     │ enough trials succeed            ▼               │
//!     └───────────────────────────── HalfOpen ───────────┘
//! ```
//!
//! While half-open, a bounded number of trials is under way at once: a dependency that is just
//! getting up must not meet the whole queue. A trial is a *lease*: if its outcome is not recorded in
//! time (its caller was cancelled, its thread died), its place is free again, so that a lost permit
//! cannot keep the circuit half-open for ever.
//!
//! When not to use it: for a dependency without which there is no answer at all and no cheaper one.
//! There, a breaker turns a slow failure into a fast one and nothing more.

use std::time::Duration;

use evenkeel_units::Moment;

/// When to open, and how to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Consecutive failures that open the circuit. At least 1.
    pub failures_to_open: u32,
    /// How long an open circuit rejects calls; a trial is admitted strictly after it.
    pub rest: Duration,
    /// Successful trials that close the circuit. At least 1.
    pub trials_to_close: u32,
    /// Trials under way at the same time while half-open. At least 1.
    pub trials_at_once: u32,
    /// How long a trial may take to report before its place goes to another.
    pub lease: Duration,
}

impl Default for Policy {
    /// Five failures open it for 5 s; then two good trials, one at a time, close it.
    fn default() -> Self {
        Self {
            failures_to_open: 5,
            rest: Duration::from_secs(5),
            trials_to_close: 2,
            trials_at_once: 1,
            lease: Duration::from_secs(10),
        }
    }
}

impl Policy {
    /// The default with another limit of consecutive failures.
    pub fn consecutive(failures_to_open: u32) -> Self {
        Self { failures_to_open, ..Self::default() }
    }

    /// The same policy with another rest.
    pub fn rest(self, rest: Duration) -> Self {
        Self { rest, ..self }
    }

    /// The same policy with `to_close` good trials, `at_once` at a time, each leased for `lease`.
    pub fn trials(self, to_close: u32, at_once: u32, lease: Duration) -> Self {
        Self { trials_to_close: to_close, trials_at_once: at_once, lease, ..self }
    }
}

/// What became of an admitted call.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The call counted as good.
    Success,
    /// The call counted against the circuit.
    Failure,
}

impl Outcome {
    /// `Success` when `ok`.
    pub const fn from_ok(ok: bool) -> Self {
        if ok { Self::Success } else { Self::Failure }
    }
}

/// The call was not made because the circuit is open.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circuit is open until {until}")]
pub struct Rejected {
    /// When a trial may next be admitted, unless one under way reports earlier.
    pub until: Moment,
}

/// Leave to make one call. Give it back with [`Breaker::record`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an outcome that is never recorded cannot open the circuit"]
pub struct Permit {
    era: u64,
    trial: u64,
}

/// What the circuit does with calls, for dashboards.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// Calls go through.
    Closed,
    /// A few trials go through.
    HalfOpen,
    /// Calls are rejected.
    Open,
}

/// A circuit breaker for one dependency.
#[derive(Debug)]
pub struct Breaker {
    policy: Policy,
    state: State,
    /// Counts transitions, so that outcomes of calls admitted before one can be told apart.
    era: u64,
    /// Numbers the trials, so that one whose lease ran out can be told from the one that took its place.
    trials: u64,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Moment },
    HalfOpen { successes: u32, under_way: Vec<Trial> },
}

#[derive(Debug)]
struct Trial {
    number: u64,
    until: Moment,
}

impl Breaker {
    /// A closed breaker. Limits of zero are taken as one.
    pub fn new(policy: Policy) -> Self {
        let policy = Policy {
            failures_to_open: policy.failures_to_open.max(1),
            trials_to_close: policy.trials_to_close.max(1),
            trials_at_once: policy.trials_at_once.max(1),
            ..policy
        };
        Self { policy, state: State::Closed { failures: 0 }, era: 0, trials: 0 }
    }

    /// Asks to make one call.
    pub fn admit(&mut self, now: Moment) -> Result<Permit, Rejected> {
        match &self.state {
            State::Closed { .. } => return Ok(Permit { era: self.era, trial: 0 }),
            State::Open { until } if now <= *until => return Err(Rejected { until: *until }),
            State::Open { .. } => {
                self.enter(State::HalfOpen { successes: 0, under_way: Vec::new() });
            }
            State::HalfOpen { .. } => {}
        }
        self.admit_trial(now)
    }

    /// Tells the breaker how an admitted call went.
    pub fn record(&mut self, now: Moment, permit: Permit, outcome: Outcome) {
        let Permit { era, trial } = permit;
        if era != self.era {
            return; // A straggler from before the last transition proves nothing now.
        }
        match &mut self.state {
            State::Closed { failures } => match outcome {
                Outcome::Success => *failures = 0,
                Outcome::Failure => {
                    *failures += 1;
                    if *failures >= self.policy.failures_to_open {
                        self.open(now);
                    }
                }
            },
            State::HalfOpen { successes, under_way } => {
                let Some(place) = under_way.iter().position(|it| it.number == trial) else {
                    return; // Its lease ran out and another trial speaks for the dependency now.
                };
                under_way.swap_remove(place);
                match outcome {
                    Outcome::Failure => self.open(now),
                    Outcome::Success => {
                        *successes += 1;
                        if *successes >= self.policy.trials_to_close {
                            self.enter(State::Closed { failures: 0 });
                        }
                    }
                }
            }
            State::Open { .. } => unreachable!("an open circuit hands out no permits"),
        }
    }

    /// What the circuit does with a call that comes now.
    pub fn position(&self, now: Moment) -> Position {
        match &self.state {
            State::Closed { .. } => Position::Closed,
            State::Open { until } if now <= *until => Position::Open,
            State::Open { .. } | State::HalfOpen { .. } => Position::HalfOpen,
        }
    }

    fn admit_trial(&mut self, now: Moment) -> Result<Permit, Rejected> {
        let State::HalfOpen { under_way, .. } = &mut self.state else {
            unreachable!("only a half-open circuit admits trials");
        };
        under_way.retain(|it| now <= it.until);
        if under_way.len() >= self.policy.trials_at_once as usize {
            let until = under_way.iter().map(|it| it.until).min().unwrap_or(now);
            return Err(Rejected { until });
        }
        self.trials += 1;
        under_way.push(Trial { number: self.trials, until: now + self.policy.lease });
        Ok(Permit { era: self.era, trial: self.trials })
    }

    fn open(&mut self, now: Moment) {
        self.enter(State::Open { until: now + self.policy.rest });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: u64) -> Moment {
        Moment::at(Duration::from_secs(second))
    }

    fn policy() -> Policy {
        Policy::consecutive(2).rest(Duration::from_secs(10)).trials(1, 1, Duration::from_secs(5))
    }

    /// Plays `script` (`<second> ok|fail|lost`, one call a line) and renders what the breaker answered.
    fn play(script: &str) -> String {
        let mut breaker = Breaker::new(policy());
        let mut out = Vec::new();
        for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let (second, outcome) = line.split_once(' ').unwrap();
            let now = at(second.parse().unwrap());
            let answer = match breaker.admit(now) {
                Err(rejected) => rejected.to_string(),
                Ok(_permit) if outcome == "lost" => "called and lost".to_owned(),
                Ok(permit) => {
                    breaker.record(now, permit, Outcome::from_ok(outcome == "ok"));
                    "called".to_owned()
                }
            };
            out.push(format!("{second} {answer}"));
        }
        out.join("\n")
    }

    #[test]
    fn opens_after_consecutive_failures_and_recovers_by_one_trial_strictly_after_its_rest() {
        let answers = play("0 fail\n1 fail\n2 ok\n11 ok\n12 ok\n13 ok");
        assert_eq!(
            answers,
            "0 called\n1 called\n2 circuit is open until +11s\n11 circuit is open until +11s\n\
             12 called\n13 called"
        );
    }

    #[test]
    fn a_success_in_between_forgives_earlier_failures() {
        assert!(!play("0 fail\n1 ok\n2 fail\n3 ok").contains("open"));
    }

    #[test]
    fn a_failed_trial_opens_again_for_a_whole_rest() {
        assert!(play("0 fail\n1 fail\n12 fail\n13 ok").ends_with("13 circuit is open until +22s"));
    }

    #[test]
    fn a_lost_trial_gives_its_place_back_when_its_lease_is_over() {
        let answers = play("0 fail\n1 fail\n12 lost\n13 ok\n17 ok\n18 ok\n19 ok");
        assert_eq!(
            answers.lines().skip(2).collect::<Vec<_>>(),
            [
                "12 called and lost",
                "13 circuit is open until +17s",
                "17 circuit is open until +17s",
                "18 called",
                "19 called"
            ]
        );
    }

    #[test]
    fn an_outcome_from_before_the_transition_changes_nothing() {
        let mut breaker = Breaker::new(policy());
        let straggler = breaker.admit(at(0)).unwrap();
        for second in 0..2 {
            let permit = breaker.admit(at(second)).unwrap();
            breaker.record(at(second), permit, Outcome::Failure);
        }
        let trial = breaker.admit(at(12)).unwrap();
        breaker.record(at(12), straggler, Outcome::Success);
        assert_eq!(breaker.position(at(12)), Position::HalfOpen);
        breaker.record(at(13), trial, Outcome::Success);
        assert_eq!(breaker.position(at(13)), Position::Closed);
    }

    #[test]
    fn the_late_outcome_of_an_expired_trial_does_not_speak_for_its_successor() {
        let mut breaker = Breaker::new(policy());
        for second in 0..2 {
            let permit = breaker.admit(at(second)).unwrap();
            breaker.record(at(second), permit, Outcome::Failure);
        }
        let late = breaker.admit(at(12)).unwrap();
        let current = breaker.admit(at(18)).unwrap();
        breaker.record(at(19), late, Outcome::Success);
        assert_eq!(breaker.position(at(19)), Position::HalfOpen);
        breaker.record(at(19), current, Outcome::Failure);
        assert_eq!(breaker.position(at(19)), Position::Open);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Wait(u64),
        Admit,
        Report { which: usize, ok: bool },
        Lose { which: usize },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0u64..8).prop_map(Step::Wait),
            Just(Step::Admit),
            Just(Step::Admit),
            (0usize..8, any::<bool>()).prop_map(|(which, ok)| Step::Report { which, ok }),
            (0usize..8).prop_map(|which| Step::Lose { which }),
        ];
        prop::collection::vec(step, 1..120)
    }

    proptest! {
        #[test]
        fn never_rejects_longer_than_a_rest_or_a_lease(steps in steps(), at_once in 1u32..4) {
            let (rest, lease) = (Duration::from_secs(10), Duration::from_secs(5));
            let mut breaker =
                Breaker::new(Policy::consecutive(3).rest(rest).trials(2, at_once, lease));
            let mut now = Moment::START;
            let mut permits = Vec::new();
            for step in steps {
                match step {
                    Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                    Step::Admit => match breaker.admit(now) {
                        Ok(permit) => permits.push(permit),
                        Err(rejected) => {
                            prop_assert!(rejected.until >= now);
                            prop_assert!(rejected.until - now <= rest.max(lease));
                        }
                    },
                    Step::Report { which, ok } if which < permits.len() => {
                        breaker.record(now, permits.swap_remove(which), Outcome::from_ok(ok));
                    }
                    Step::Lose { which } if which < permits.len() => {
                        drop(permits.swap_remove(which));
                    }
                    Step::Report { .. } | Step::Lose { .. } => {}
                }
            }
            // Whatever was lost on the way: after the longest wait a call is admitted.
            prop_assert!(breaker.admit(now + rest + lease + Duration::from_nanos(1)).is_ok());
        }

        #[test]
        fn half_open_never_has_more_trials_under_way_than_allowed(at_once in 1u32..6, calls in 1usize..20) {
            let mut breaker = Breaker::new(
                Policy::consecutive(1).rest(Duration::from_secs(1)).trials(9, at_once, Duration::from_secs(5)),
            );
            let permit = breaker.admit(at(0)).unwrap();
            breaker.record(at(0), permit, Outcome::Failure);
            let admitted = (0..calls).filter(|_| breaker.admit(at(2)).is_ok()).count();
            prop_assert_eq!(admitted, calls.min(at_once as usize));
        }
    }
}
