//! Policy: when a circuit opens, for how long, and what closes it again.

use std::time::Duration;

use evenkeel_units::Ratio;
use evenkeel_units::chance::part;

/// When a circuit opens, for how long, and what closes it again.
///
/// The reasons to open are independent: the first that holds opens the circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(try_from = "super::written::Written")
)]
pub struct Policy {
    /// Failures in a row that open the circuit; at least 1. `None` by default.
    pub consecutive: Option<u32>,
    /// The share of failed calls in the window that opens the circuit, when it is reached. 50 % by default.
    pub failures: Option<Ratio>,
    /// When calls are too slow, and the share of such calls that opens the circuit. 80 % over 2 s by default.
    pub slow: Option<Slow>,
    /// Of which calls the shares are. The last 100 by default.
    pub window: Window,
    /// Shares of fewer calls than this say nothing; at least 1, 20 by default.
    pub min_calls: u32,
    /// How long an open circuit rejects calls.
    pub wait: Wait,
    /// How calls are tried afterwards.
    pub trials: Trials,
}

/// When calls are too slow.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Slow {
    /// A call that takes longer than this is slow.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub after: Duration,
    /// The share of slow calls that opens the circuit, when it is reached.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub share: Ratio,
    /// Whether a call counts as slow as soon as it is, and not only when it ends: of calls that hang, none ends. It is
    /// then noticed within a quarter of `after`, when the next call comes.
    pub while_running: bool,
}

/// Of which calls the shares are.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum Window {
    /// Exactly the last ones; 1 to 1,000,000. Right where calls come at a steady rate, or rarely.
    Calls(u32),
    /// Those of the last `buckets` stretches of time, the present one included. Stretches begin at whole multiples of
    /// `width`. What a call costs does not depend on how many there are. Right where the rate of calls varies.
    Time {
        /// How many; 1 to 10,000.
        buckets: u32,
        /// How long each is; at least 1 ms.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
        width: Duration,
    },
}

/// How long an open circuit rejects calls.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Wait {
    /// When it opens for the first time since it was closed. 5 s by default.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub first: Duration,
    /// It doubles each time that trials fail, up to this. 60 s by default; `first` for a wait that stays.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub cap: Duration,
    /// Up to this share of it is taken off by chance, so that many clients do not come back together. 10 % by default.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))]
    pub jitter: Ratio,
}

/// How calls are tried after the wait.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Trials {
    /// How many are admitted until it is decided; 1 to 1,000. 5 by default. The decision falls by the shares of `Policy`
    /// as soon as as many as these, or [`Policy::min_calls`] if it is less, have ended. Where only failures in a row
    /// count, all must succeed.
    pub permits: u32,
    /// A trial that has not ended after this gives its place to another, so that lost calls cannot hold all of them for
    /// ever; what it answers later is not counted. 10 s by default; longer than a good call takes, and not less than
    /// [`Slow::after`].
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub lease: Duration,
    /// What is not decided after this is decided against: the circuit opens again. A minute by default; `None` for never.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration_option"))]
    pub max_wait: Option<Duration>,
}

impl Default for Policy {
    /// Half of the last 100 calls, as in resilience4j: with half of all answers a caller is served worse than by a quick error. Judged from 20 calls
    /// on, where resilience4j waits for 100: who makes ten calls a second should not fail for ten seconds first. Failures in a row do not
    /// count by themselves, since among enough calls any number of them comes by chance.
    fn default() -> Self {
        Self {
            consecutive: None,
            failures: Some(Ratio::percent(50)),
            slow: Some(Slow::default()),
            window: Window::Calls(100),
            min_calls: 20,
            wait: Wait::default(),
            trials: Trials::default(),
        }
    }
}

impl Default for Slow {
    /// 80 % of the calls over 2 s: longer than a person waits gladly, and so many that it is not the odd large answer.
    fn default() -> Self {
        Self { after: Duration::from_secs(2), share: Ratio::percent(80), while_running: true }
    }
}

impl Default for Wait {
    /// 5 s, doubling up to a minute: a restart is over by then, and an outage is not knocked at all the time.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(5),
            cap: Duration::from_mins(1),
            jitter: Ratio::percent(10),
        }
    }
}

impl Wait {
    /// Always the same.
    pub const fn fixed(wait: Duration) -> Self {
        Self { first: wait, cap: wait, jitter: Ratio::ZERO }
    }

    /// After `opened` times in a row before, with `chance` from the whole range of numbers.
    pub(super) fn after(&self, opened: u32, chance: u64) -> Duration {
        let factor = 1u32.checked_shl(opened).unwrap_or(u32::MAX);
        let wait = self.first.saturating_mul(factor).min(self.cap);
        if self.jitter == Ratio::ZERO {
            return wait;
        }
        wait.saturating_sub(wait.mul_f64(part(chance) * self.jitter.get()))
    }
}

impl Default for Trials {
    /// Five calls, each for 10 s at most, and a minute for all: a dependency that gets up meets a handful, not the queue.
    fn default() -> Self {
        Self { permits: 5, lease: Duration::from_secs(10), max_wait: Some(Duration::from_mins(1)) }
    }
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}; {remedy}")]
pub struct PolicyError {
    /// Of which field, as it is written in a file.
    pub field: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Policy {
    /// Opens after so many failures in a row, and for no other reason. All trials have to succeed.
    pub fn consecutive(failures: u32) -> Self {
        Self { consecutive: Some(failures), failures: None, slow: None, ..Self::default() }
    }

    /// The same that waits otherwise.
    pub fn wait(self, wait: Wait) -> Self {
        Self { wait, ..self }
    }

    /// The same that tries otherwise.
    pub fn trials(self, trials: Trials) -> Self {
        Self { trials, ..self }
    }

    /// Says what contradicts itself, or can never be.
    ///
    /// # Errors
    /// The first of it, with the field and what to write instead.
    pub fn check(&self) -> Result<(), PolicyError> {
        let wrong = |field, problem: &str, remedy: &str| {
            Err(PolicyError { field, problem: problem.into(), remedy: remedy.into() })
        };
        if self.consecutive.is_none() && self.failures.is_none() && self.slow.is_none() {
            let remedy = "give at least one of `consecutive`, `failures` and `slow`";
            return wrong("failures", "there is no reason to open", remedy);
        }
        if self.consecutive == Some(0) {
            return wrong("consecutive", "no failure is no reason", "take 1 at least");
        }
        if self.failures == Some(Ratio::ZERO) {
            return wrong("failures", "0% opens without a failure", "take more than 0%");
        }
        if let Some(slow) = &self.slow {
            if slow.share == Ratio::ZERO {
                return wrong("slow.share", "0% opens without a slow call", "take more than 0%");
            }
            if slow.after < Duration::from_millis(1) || slow.after > DURATION_MAX {
                return wrong("slow.after", "is no duration of a call", "take 1ms to 7d");
            }
        }
        match self.window {
            Window::Calls(calls) if !(1..=1_000_000).contains(&calls) => {
                return wrong("window.calls", "cannot be kept", "take 1 to 1000000");
            }
            Window::Calls(calls) if self.min_calls > calls && self.counts_shares() => {
                let problem = format!("{} calls never are in a window of {calls}", self.min_calls);
                return wrong("min_calls", &problem, "take as many as the window has, at most");
            }
            Window::Time { buckets, width } => {
                if !(1..=10_000).contains(&buckets) {
                    return wrong("window.time.buckets", "cannot be kept", "take 1 to 10000");
                }
                if width < Duration::from_millis(1) || width > DURATION_MAX {
                    return wrong("window.time.width", "is no stretch of time", "take 1ms to 7d");
                }
            }
            Window::Calls(_) => {}
        }
        if self.min_calls == 0 {
            return wrong("min_calls", "a share of no calls says nothing", "take 1 at least");
        }
        if self.wait.first > self.wait.cap {
            return wrong("wait.cap", "is less than the first wait", "take `wait.first` at least");
        }
        if !(1..=1_000).contains(&self.trials.permits) {
            return wrong("trials.permits", "nothing could be tried", "take 1 to 1000");
        }
        if self.trials.lease.is_zero() {
            return wrong("trials.lease", "no trial could end in time", "take a call's time limit");
        }
        if let Some(slow) = self.slow.filter(|it| self.trials.lease < it.after) {
            let problem = format!("is over before a trial is slow, at {:?}", slow.after);
            return wrong("trials.lease", &problem, "take `slow.after` at least");
        }
        if self.trials.max_wait.is_some_and(|it| it.is_zero()) {
            let remedy = "take a few times a call's time limit, or leave it out";
            return wrong("trials.max_wait", "no trial could end in time", remedy);
        }
        Ok(())
    }

    /// Why a circuit with so many calls a second cannot open by a share, if it cannot.
    pub fn cannot_open_at(&self, calls_per_second: f64) -> Option<String> {
        let Window::Time { buckets, width } = self.window else { return None };
        let span = width.saturating_mul(buckets);
        let most = calls_per_second * span.as_secs_f64();
        (self.counts_shares() && most < f64::from(self.min_calls)).then(|| {
            format!(
                "at {calls_per_second} calls a second a window of {span:?} has {most:.0} calls, and less than min_calls = {} \
                 say nothing: take a longer window or a smaller min_calls",
                self.min_calls
            )
        })
    }

    fn counts_shares(&self) -> bool {
        self.failures.is_some() || self.slow.is_some()
    }

    /// Whether it matters when calls begin and end.
    pub(super) fn is_timed(&self) -> bool {
        self.slow.is_some() || matches!(self.window, Window::Time { .. })
    }

    /// Trials that must have ended to decide.
    pub(super) fn trials_to_decide(&self) -> u32 {
        match self.counts_shares() {
            true => self.min_calls.min(self.trials.permits),
            false => self.trials.permits,
        }
    }
}

const DURATION_MAX: Duration = Duration::from_hours(168);
