//! Judge: what the answers of one check add up to.
//!
//! ```text
//!                       first answer decides at once
//!   unknown ──────────────────────────────────────────────▶ up or down
//!      ▲                                                      │
//!      └──────────── no answer for `stale_after` ─────────────┘
//!
//!   up   ── `fall` failures in a row ──▶ down
//!   down ── `rise` successes in a row ─▶ up
//! ```
//!
//! Between pass and warn, both up, the last answer decides: a warning takes nothing out of service, so there is nothing to
//! protect against flapping.

use std::time::Duration;

use evenkeel_units::Moment;

use crate::{Finding, Policy, Status};

/// What the answers of one check add up to. It is told the time.
///
/// ```
/// use std::time::Duration;
/// use evenkeel_health::{Finding, Judge, Policy, Status};
/// use evenkeel_health::Moment;
///
/// let at = |seconds| Moment::at(Duration::from_secs(seconds));
/// let quick = Duration::from_millis(3);
/// let mut database = Judge::new(Policy::default());
/// assert_eq!(database.status(at(0)), Status::Unknown);
/// database.record(at(0), quick, Finding::pass());
/// database.record(at(10), quick, Finding::fail("connection refused"));
/// assert_eq!(database.status(at(10)), Status::Pass); // one failure is no outage
/// assert_eq!(database.status(at(41)), Status::Unknown); // but silence says nothing
/// ```
#[derive(Clone, Debug)]
pub struct Judge {
    policy: Policy,
    settled: Option<Settled>,
    /// How many answers in a row contradict what is settled.
    against: u32,
    last: Option<Answer>,
    has_passed: bool,
    runs: u64,
    failures: u64,
}

#[derive(Copy, Clone, Debug)]
struct Settled {
    status: Status,
    since: Moment,
}

/// The last answer of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// When it came.
    pub at: Moment,
    /// How long the run took.
    pub took: Duration,
    /// What it found.
    pub finding: Finding,
}

impl Judge {
    /// Of a check that has not been asked yet.
    pub const fn new(policy: Policy) -> Self {
        Self {
            policy,
            settled: None,
            against: 0,
            last: None,
            has_passed: false,
            runs: 0,
            failures: 0,
        }
    }

    /// Takes in an answer that came just now.
    pub fn record(&mut self, now: Moment, took: Duration, finding: Finding) {
        let said = finding.status();
        self.runs += 1;
        self.failures += u64::from(!said.is_up());
        self.has_passed |= said.is_up();
        let settled = self.settled.filter(|_| !self.is_stale(now));
        let needed = if said.is_up() { self.policy.rise } else { self.policy.fall };
        match settled {
            Some(it) if it.status.is_up() != said.is_up() && self.against + 1 < needed => {
                self.against += 1;
            }
            _ => {
                let since = settled.filter(|it| it.status == said).map_or(now, |it| it.since);
                self.settled = Some(Settled { status: said, since });
                self.against = 0;
            }
        }
        self.last = Some(Answer { at: now, took, finding });
    }

    /// How the check stands.
    pub fn status(&self, now: Moment) -> Status {
        match self.settled {
            Some(it) if !self.is_stale(now) => it.status,
            _ => Status::Unknown,
        }
    }

    /// Since when it stands so; `None` for a check that never answered.
    pub fn since(&self, now: Moment) -> Option<Moment> {
        if self.is_stale(now) { self.stale_at() } else { self.settled.map(|it| it.since) }
    }

    /// From when on the last answer says nothing any more, unless another comes.
    pub fn stale_at(&self) -> Option<Moment> {
        self.last.as_ref().map(|it| it.at + self.policy.stale_after)
    }

    /// The last answer, whatever the check stands at.
    pub const fn last(&self) -> Option<&Answer> {
        self.last.as_ref()
    }

    /// How many answers in a row contradict how it stands: it is about to change.
    pub const fn against(&self) -> u32 {
        self.against
    }

    /// Whether it was ever found to work.
    pub const fn has_passed(&self) -> bool {
        self.has_passed
    }

    /// How often it was asked, and how often that failed.
    pub const fn counts(&self) -> (u64, u64) {
        (self.runs, self.failures)
    }

    /// What it judges by.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    fn is_stale(&self, now: Moment) -> bool {
        self.stale_at().is_some_and(|it| now >= it)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUICK: Duration = Duration::from_millis(3);

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    /// Answers every ten seconds, `+` for a success, `-` for a failure, `!` for a warning, and how the check stands after each.
    fn script(answers: &str) -> String {
        let mut judge = Judge::new(Policy::default());
        let stand = answers.chars().zip(0..).map(|(it, turn)| {
            let finding = match it {
                '+' => Finding::pass(),
                '!' => Finding::warn("look"),
                _ => Finding::fail("no"),
            };
            judge.record(at(turn * 10), QUICK, finding);
            match judge.status(at(turn * 10)) {
                Status::Pass => '+',
                Status::Warn => '!',
                Status::Unknown => '?',
                Status::Fail => '-',
            }
        });
        stand.collect()
    }

    #[test]
    fn the_first_answer_decides() {
        assert_eq!(script("+"), "+");
        assert_eq!(script("-"), "-");
    }

    #[test]
    fn three_failures_in_a_row_fail_and_two_successes_bring_back() {
        assert_eq!(script("+--+---+-++"), "++++++----+");
    }

    #[test]
    fn a_warning_shows_at_once_and_goes_at_once() {
        assert_eq!(script("+!+"), "+!+");
        assert_eq!(script("-!!"), "--!");
    }

    #[test]
    fn an_answer_that_is_too_old_is_unknown_and_the_next_one_decides() {
        let mut judge = Judge::new(Policy::default());
        judge.record(at(0), QUICK, Finding::fail("no"));
        assert_eq!(judge.status(at(29)), Status::Fail);
        assert_eq!(judge.status(at(30)), Status::Unknown);
        assert_eq!(judge.since(at(31)), Some(at(30)));
        judge.record(at(40), QUICK, Finding::pass());
        assert_eq!(judge.status(at(40)), Status::Pass);
    }

    #[test]
    fn since_is_the_moment_of_the_last_change() {
        let mut judge = Judge::new(Policy::default());
        for turn in 0..5 {
            judge.record(at(turn * 10), QUICK, Finding::from(turn < 2));
        }
        assert_eq!((judge.status(at(40)), judge.since(at(40))), (Status::Fail, Some(at(40))));
        assert_eq!(judge.counts(), (5, 3));
    }

    proptest! {
        /// Reference: with every answer on file, look back.
        #[test]
        fn it_stands_as_a_naive_look_back_says(
            answers in proptest::collection::vec((any::<bool>(), 1_u64..40), 1..60),
            rise in 1_u32..4,
            fall in 1_u32..4,
        ) {
            let policy = Policy { rise, fall, ..Policy::default() };
            let mut judge = Judge::new(policy);
            let (mut now, mut up, mut last) = (0, None, None::<u64>);
            let mut run = (true, 0_u32);
            for (passes, wait) in answers {
                now += wait;
                judge.record(at(now), QUICK, Finding::from(passes));
                if last.is_some_and(|it| now - it >= 30) {
                    up = None;
                }
                if up.is_none() {
                    run = (passes, 0);
                }
                run = if run.0 == passes { (passes, run.1 + 1) } else { (passes, 1) };
                let enough = run.1 >= if passes { rise } else { fall };
                if up.is_none() || enough {
                    up = Some(passes);
                }
                last = Some(now);
                let wanted = if up == Some(true) { Status::Pass } else { Status::Fail };
                prop_assert_eq!(judge.status(at(now)), wanted);
            }
        }
    }
}
