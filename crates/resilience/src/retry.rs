//! Retry: try again a little later, but never so often that the retries are the outage.
//!
//! ```text
//!  attempt ──▶ classify ──▶ good, or bad for good? ───────────────────────▶ it stands
//!     ▲                          │ transient
//!     │                          ▼
//!     │        attempts left? may it happen twice? time left? ──no──────▶ it stands
//!     │                          │ yes
//!     │                          ▼
//!     └── wait: jitter ◀──── budget has a token? ──no────────────────────▶ it stands
//!         (+ Retry-After)
//! ```
//!
//! ```text
//! backoff      Backoff, Jitter: how long to wait (full, equal, decorrelated, plus-minus; all under the cap)
//! budget       RetryBudget: how many retries the dependency can bear (20 % of the calls and 10 a second)
//! classify     Classify, Verdict: which results are worth another attempt (408, 429, 500, 502, 503, 504; not other 4xx)
//! after        parse_retry_after: how long an answer asks us to wait
//! idempotency  Idempotency, Key: whether it may happen twice, and what makes it so
//! ```
//!
//! **When to use it.** For failures that pass by themselves within the time that the caller has: a lost connection, a restart, a
//! leader that is being elected, 503 while a fleet grows.
//!
//! **When not.** For what is not idempotent and carries no key; when the answer says that the request is wrong; at more than one
//! height of a stack of services (three attempts at each of four heights are 81); instead of a queue, for what may wait for hours.
//!
//! ```
//! use evenkeel_resilience::{Error, Retry, retry::Policy};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
//! let retry = Retry::try_new(Policy::default())?;
//! let mut weather = ["storm", "storm", "calm"].into_iter();
//! let answer = retry.call(|| {
//!     let weather = weather.next();
//!     async move { weather.filter(|it| *it == "calm").ok_or(Error::Inner("lost at sea")) }
//! });
//! assert_eq!(answer.await, Ok("calm"));
//! assert_eq!(retry.snapshot(evenkeel_resilience::time::now()).retries, 2);
//! # Ok::<(), evenkeel_resilience::retry::PolicyError>(()) }).unwrap();
//! ```
//!
//! **Errors.** The last one stands as it is; a retry adds none of its own. Why there was no other attempt is counted in the
//! [`Snapshot`] and told to the listener.
//!
//! **Where it stands.** Inside the deadline of the whole call, so that waits end in time; outside the breaker, so that each attempt
//! is counted and the open circuit ends the retries.

mod after;
mod backoff;
mod budget;
#[cfg(feature = "tower")]
mod call;
mod classify;
mod idempotency;
#[cfg(feature = "serde")]
mod written;

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::{Choices, Moment, Seed};

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::sync::{Mutex, locked};

pub use after::parse_retry_after;
pub use backoff::{Backoff, Jitter};
pub use budget::{BudgetPolicy, BudgetSnapshot, RetryBudget};
pub use classify::{Classify, Errors, TRANSIENT, Verdict, is_transient_status};
pub use idempotency::{IDEMPOTENCY_KEY, Idempotency, Key};

/// When to try again.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(try_from = "written::Written"))]
pub struct Policy {
    /// Attempts in all, the first included. 1 means never again.
    pub attempts: u32,
    /// How long to wait before each further attempt.
    pub backoff: Backoff,
    /// The longest wait that the other side may ask for. When it asks for a longer one, its answer stands: to come earlier
    /// would be what it asked us not to do.
    pub retry_after_max: Duration,
    /// How many retries there may be over all calls; `None` for as many as there are attempts, which is how outages last.
    pub budget: Option<BudgetPolicy>,
}

impl Default for Policy {
    /// Three attempts with the default [`Backoff`], within the default [`BudgetPolicy`]: if two more attempts did not help, the
    /// dependency is not having a hiccup. `Retry-After` is honoured up to 30 s, the usual deadline of a whole request.
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff::default(),
            retry_after_max: Duration::from_secs(30),
            budget: Some(BudgetPolicy::default()),
        }
    }
}

impl Policy {
    /// Tells what contradicts itself.
    ///
    /// # Errors
    /// The first contradiction, with its remedy.
    pub fn check(&self) -> Result<(), PolicyError> {
        let Self { attempts, backoff, budget, .. } = self;
        match () {
            () if *attempts == 0 => Err(PolicyError::NoAttempts),
            () if backoff.factor == 0 => Err(PolicyError::NoFactor),
            () if backoff.cap < backoff.base => {
                Err(PolicyError::CapBelowBase { base: backoff.base, cap: backoff.cap })
            }
            () if backoff.base.is_zero() && *attempts > 1 => Err(PolicyError::NoWait),
            () if budget.is_some_and(|it| it.saved_max == 0) => Err(PolicyError::NothingSaved),
            () => Ok(()),
        }
    }
}

/// What contradicts itself in a [`Policy`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not even a first attempt.
    #[error("`attempts` is 0: the first attempt counts, so write 1 for no retries")]
    NoAttempts,
    /// The second wait would be nothing.
    #[error("`backoff.factor` is 0: write 2 to double the waits, or 1 to keep them equal")]
    NoFactor,
    /// The first wait would already be cut.
    #[error("`backoff.cap` of {cap:?} is shorter than `backoff.base` of {base:?}: raise the cap")]
    CapBelowBase {
        /// The first wait.
        base: Duration,
        /// The longest.
        cap: Duration,
    },
    /// Attempts without a pause between them.
    #[error("`backoff.base` is 0: what just failed needs a moment; write at least `1ms`")]
    NoWait,
    /// A budget that can never pay.
    #[error(
        "`budget.saved_max` is 0, which allows no retry ever: write at least 1, or `attempts: 1`"
    )]
    NothingSaved,
}

/// Why there was no further attempt.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GaveUp {
    /// It would fail again.
    Permanent,
    /// There is no copy of it, as of a body that is a stream.
    NoCopy,
    /// It may have had its effect, and must not have it twice.
    Unsafe,
    /// All attempts were made.
    Attempts,
    /// The other side asked for a longer wait than we wait.
    RetryAfter,
    /// The wait would have outlasted the deadline.
    Deadline,
    /// The budget was empty.
    Budget,
}

impl fmt::Display for GaveUp {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Permanent => "it would fail again",
            Self::NoCopy => "there is no copy to send again",
            Self::Unsafe => "it must not happen twice",
            Self::Attempts => "all attempts were made",
            Self::RetryAfter => "we were asked to wait for longer than we do",
            Self::Deadline => "there is no time for another",
            Self::Budget => "the retry budget is empty",
        })
    }
}

/// What happened, for a listener.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Another attempt follows.
    Retry {
        /// When that was decided.
        at: Moment,
        /// Attempts made so far.
        made: u32,
        /// Until the next one.
        wait: Duration,
    },
    /// The error stands.
    GaveUp {
        /// When that was decided.
        at: Moment,
        /// Attempts made.
        made: u32,
        /// Why there is no other.
        why: GaveUp,
    },
}

/// What was done so far, for dashboards. All counts only grow.
#[derive(Copy, Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Calls, whatever the number of their attempts.
    pub calls: u64,
    /// Further attempts.
    pub retries: u64,
    /// Calls that were good by a further attempt.
    pub recovered: u64,
    /// Calls whose error would have come again.
    pub permanent: u64,
    /// Calls whose request could not be copied.
    pub no_copy: u64,
    /// Calls that must not happen twice, and may have happened.
    pub not_idempotent: u64,
    /// Calls that failed in all attempts.
    pub exhausted: u64,
    /// Calls that were to be tried again later than we wait.
    pub retry_after: u64,
    /// Calls whose deadline was too near for a wait.
    pub over_deadline: u64,
    /// Calls whose retry the budget refused.
    pub over_budget: u64,
    /// The budget, if there is one.
    pub budget: Option<BudgetSnapshot>,
}

/// One call on its way through its attempts.
#[derive(Copy, Clone, Debug)]
pub struct Course {
    idempotency: Idempotency,
    made: u32,
    previous: Duration,
    has_copy: bool,
}

impl Course {
    /// Attempts made so far.
    pub const fn made(&self) -> u32 {
        self.made
    }

    /// Makes no further attempt, as when a request cannot be copied again.
    pub const fn no_more(&mut self) {
        self.has_copy = false;
    }
}

/// Who listens to events. It is called where they happen, so it must be quick.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    retries: AtomicU64,
    recovered: AtomicU64,
    gave_up: [AtomicU64; 7],
}

/// Retries for one dependency. Shared by all its calls; `C` tells which results are worth another attempt.
pub struct Retry<C = Errors> {
    policy: Mutex<Policy>,
    budget: Arc<RetryBudget>,
    #[cfg_attr(not(feature = "tower"), expect(dead_code, reason = "what calls it is async"))]
    classify: C,
    choices: Choices,
    chosen: AtomicU64,
    counters: Counters,
    listener: Option<Listener>,
}

impl Retry {
    /// By this policy, with jitter by a seed of its own.
    ///
    /// # Errors
    /// As [`Policy::check`].
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        // Jitter has to differ between processes, not to repeat; the standard library seeds its maps from the system.
        Self::seeded(policy, Seed(RandomState::new().build_hasher().finish()))
    }

    /// The same with jitter that repeats for the same seed.
    ///
    /// # Errors
    /// As [`Policy::check`].
    pub fn seeded(policy: Policy, seed: Seed) -> Result<Self, PolicyError> {
        policy.check()?;
        Ok(Self {
            policy: Mutex::new(policy),
            budget: Arc::new(RetryBudget::new(policy.budget.unwrap_or_default())),
            classify: Errors::default(),
            choices: seed.choices("retry"),
            chosen: AtomicU64::new(0),
            counters: Counters::default(),
            listener: None,
        })
    }
}

impl<C> Retry<C> {
    /// The same with another classifier.
    pub fn classify<D>(self, classify: D) -> Retry<D> {
        let Self { policy, budget, classify: _, choices, chosen, counters, listener } = self;
        Retry { policy, budget, classify, choices, chosen, counters, listener }
    }

    /// The same with a budget that others draw on too: one dependency has one.
    pub fn budget(self, budget: Arc<RetryBudget>) -> Self {
        Self { budget, ..self }
    }

    /// The same with somebody who listens.
    pub fn listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Begins a call.
    #[inline]
    pub fn begin(&self, idempotency: Idempotency) -> Course {
        self.counters.calls.fetch_add(1, Relaxed);
        self.budget.deposit();
        Course { idempotency, made: 0, previous: Duration::ZERO, has_copy: true }
    }

    /// Tells how an attempt went. `Some` is how long to wait before the next one; `None` means that the result stands.
    /// No attempt is granted that could only begin at the `deadline` or later.
    pub fn attempted(
        &self,
        now: Moment,
        deadline: Option<Moment>,
        course: &mut Course,
        verdict: Verdict,
    ) -> Option<Duration> {
        if verdict == Verdict::Success {
            self.succeeded(course);
            return None;
        }
        course.made += 1;
        let made = course.made;
        match self.again(now, deadline, course, verdict) {
            Ok(wait) => {
                self.counters.retries.fetch_add(1, Relaxed);
                self.tell(&Event::Retry { at: now, made, wait });
                Some(wait)
            }
            Err(why) => {
                self.counters.gave_up[why as usize].fetch_add(1, Relaxed);
                self.tell(&Event::GaveUp { at: now, made, why });
                None
            }
        }
    }

    /// Tells that an attempt went well, which needs no clock.
    #[inline]
    pub(crate) fn succeeded(&self, course: &mut Course) {
        if course.made > 0 {
            self.counters.recovered.fetch_add(1, Relaxed);
        }
        course.made += 1;
    }

    fn again(
        &self,
        now: Moment,
        deadline: Option<Moment>,
        course: &mut Course,
        verdict: Verdict,
    ) -> Result<Duration, GaveUp> {
        let policy = self.policy();
        match verdict {
            Verdict::Success | Verdict::Permanent => return Err(GaveUp::Permanent),
            Verdict::Transient { .. } if course.idempotency == Idempotency::Unsafe => {
                return Err(GaveUp::Unsafe);
            }
            Verdict::Transient { .. } | Verdict::Unsent { .. } => {}
        }
        if course.made >= policy.attempts {
            return Err(GaveUp::Attempts);
        }
        if !course.has_copy {
            return Err(GaveUp::NoCopy);
        }
        let bits = self.choices.bits(self.chosen.fetch_add(1, Relaxed));
        let mut wait = policy.backoff.draw(course.made, course.previous, bits);
        course.previous = wait;
        if let Some(asked) = verdict.retry_after() {
            if asked > policy.retry_after_max {
                return Err(GaveUp::RetryAfter);
            }
            // On top, because everybody was asked for the same.
            wait = wait.saturating_add(asked);
        }
        if deadline.is_some_and(|it| now + wait >= it) {
            return Err(GaveUp::Deadline);
        }
        // Last, so that a token is only taken for an attempt that is made.
        if policy.budget.is_some() && !self.budget.withdraw(now) {
            return Err(GaveUp::Budget);
        }
        Ok(wait)
    }

    /// The policy now.
    pub fn policy(&self) -> Policy {
        // A copy cannot be left half done, whoever panicked.
        *locked(&self.policy)
    }

    /// Goes on by another policy; counts, and what the budget has saved, stay. A budget that [others draw on](Self::budget) follows
    /// only if that of the policy is another one than before, and then for all of them.
    ///
    /// # Errors
    /// As [`Policy::check`]; then the old policy stays.
    pub fn reload(&self, now: Moment, policy: Policy) -> Result<(), PolicyError> {
        policy.check()?;
        let before = std::mem::replace(&mut *locked(&self.policy), policy);
        if let Some(budget) = policy.budget
            && policy.budget != before.budget
        {
            self.budget.reload(now, budget);
        }
        Ok(())
    }

    /// What was done so far.
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        let count = |it: &AtomicU64| it.load(Relaxed);
        let gave_up = |why: GaveUp| count(&self.counters.gave_up[why as usize]);
        Snapshot {
            calls: count(&self.counters.calls),
            retries: count(&self.counters.retries),
            recovered: count(&self.counters.recovered),
            permanent: gave_up(GaveUp::Permanent),
            no_copy: gave_up(GaveUp::NoCopy),
            not_idempotent: gave_up(GaveUp::Unsafe),
            exhausted: gave_up(GaveUp::Attempts),
            retry_after: gave_up(GaveUp::RetryAfter),
            over_deadline: gave_up(GaveUp::Deadline),
            over_budget: gave_up(GaveUp::Budget),
            budget: self.policy().budget.map(|_| self.budget.snapshot(now)),
        }
    }

    fn tell(&self, event: &Event) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }
}

impl<C> fmt::Debug for Retry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("policy", &self.policy()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
