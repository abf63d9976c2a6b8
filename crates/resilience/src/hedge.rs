//! Hedge: who waits longer than most asks a second time, and takes the answer that comes first.
//!
//! ```text
//!  first    ├────────────────────────────────────────── …   dropped: the other was first
//!  delay    ├──────────────┤  as long as 95 % of the calls took of late
//!  second                  ├──────────┤ answer ──────────▶ it stands
//!                          ▲
//!       may it happen twice? budget has a token? ──no───▶ the first is waited for
//! ```
//!
//! Where a page asks a hundred servers, of which each is slow once in a hundred times, two pages out of three are slow. The slow
//! ones are rarely slow twice: to ask another server after the time in which most answers come costs a few per cent of load,
//! and cuts the tail to about twice that time.
//!
//! **When to use it.** For reads whose latency matters, from several servers that are slow by chance and independently of one another:
//! a pause of a collector, a cold cache, a busy disk.
//!
//! **When not.** For what must not happen twice, or is safe by a key only (neither is hedged here, see [`Idempotency`]); where there is one server, which a
//! second question makes slower; where the slow calls are those that ask for more, since these are slow every time.
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_resilience::{Error, Hedge, hedge::Policy};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
//! let hedge = Hedge::try_new(Policy::after(Duration::from_millis(50)))?;
//! let mut servers = [Duration::from_secs(3), Duration::from_millis(10)].into_iter();
//! let before = tokio::time::Instant::now();
//! let answer = hedge.call(|| {
//!     let takes = servers.next().unwrap_or_default();
//!     async move { tokio::time::sleep(takes).await; Ok::<_, Error<()>>(takes) }
//! });
//! assert_eq!(answer.await, Ok(Duration::from_millis(10)));
//! assert_eq!(before.elapsed(), Duration::from_millis(60));
//! # Ok::<(), evenkeel_resilience::hedge::PolicyError>(()) }).unwrap();
//! ```
//!
//! **The delay** is a [percentile](Percentile) of the latencies of late, at most 6.25 % too long, or [fixed](Delay::Fixed).
//! One latency is known of each call, that of its first attempt. A first attempt that is dropped since a hedge was faster, since it
//! failed or since the caller went away counts with the time that it had taken, if that was more than the delay: it says that one more was
//! slow. Without that the slow ones would be missing, and the delay would shrink until every call is hedged.
//!
//! **The budget** is that of retries: each call earns a share of a hedge. Without a token the first attempt is waited for; that is no
//! error. So a neighbour that becomes slow for everybody is asked a tenth more often, and not twice as often.
//!
//! **Where it stands.** Inside retry and the deadline of the whole call; outside of breaker, bulkhead, the limit of an attempt and
//! the balancer, so that each attempt is counted and goes to another server. Attempts that lose are dropped, so what they held
//! (a place, a connection) is free at once.
//!
//! **Errors.** None of its own. When all attempts fail, the error of the last one stands; an error that would come again
//! ([`Verdict::Permanent`]) stands at once. An attempt that a guard inside refuses (a full bulkhead, an open circuit) was not made: those
//! that are under way are waited for, and there are no more.
//!
//! Sources: J. Dean and L. A. Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013; gRPC proposal A6, "gRPC
//! Retry Design", on hedging: fatal and other errors, throttling, what a server says against it.

mod latencies;
mod policy;
#[cfg(feature = "tower")]
mod race;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::{Moment, Ratio, nanos};

use crate::retry::{BudgetSnapshot, Idempotency, RetryBudget, Verdict};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use crate::sync::{Mutex, MutexGuard, locked};

pub use policy::{ATTEMPTS_MAX, Delay, OnFailure, Percentile, Policy, PolicyError};
#[cfg(feature = "tower")]
pub(crate) use race::{Another, Race, Running};

use latencies::Latencies;

/// What happened, for a listener.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Another attempt begins beside those before.
    Hedged {
        /// When.
        at: Moment,
        /// How long after the first one.
        after: Duration,
        /// Attempts begun so far, with this one.
        begun: u32,
    },
    /// Another attempt was due, and the budget was empty.
    OverBudget {
        /// When.
        at: Moment,
    },
    /// Another attempt than the first was good first.
    Won {
        /// When.
        at: Moment,
        /// How long after the call began.
        after: Duration,
    },
}

/// What was done so far, for dashboards. All counts only grow.
#[derive(Copy, Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Calls, whatever the number of their attempts.
    pub calls: u64,
    /// Further attempts.
    pub hedges: u64,
    /// Calls that a further attempt answered.
    pub won: u64,
    /// Further attempts that the budget refused.
    pub over_budget: u64,
    /// How long an attempt is waited for now.
    pub delay: Duration,
    /// Latencies that are known of late; none where the delay is fixed.
    pub samples: usize,
    /// The budget.
    pub budget: BudgetSnapshot,
}

/// One call and its attempts.
#[derive(Copy, Clone, Debug)]
pub struct Course {
    began: Moment,
    delay: Duration,
    begun: u32,
    left: u32,
    under_way: u32,
    is_first_open: bool,
    next: Option<Moment>,
}

impl Course {
    /// When the next attempt is due, if one is.
    pub const fn next(&self) -> Option<Moment> {
        self.next
    }

    /// Attempts begun so far.
    pub const fn begun(&self) -> u32 {
        self.begun
    }

    /// Whether no attempt is under way and none is due.
    pub const fn is_over(&self) -> bool {
        self.under_way == 0 && self.next.is_none()
    }

    /// Begins no further attempt, as when a request cannot be copied again.
    pub const fn no_more(&mut self) {
        self.left = 0;
        self.next = None;
    }
}

/// Who listens to events. It is called where they happen, so it must be quick.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    hedges: AtomicU64,
    won: AtomicU64,
    over_budget: AtomicU64,
}

/// Hedges for one dependency. Shared by all its calls; see the [module](self).
pub struct Hedge {
    policy: Mutex<Policy>,
    /// Of the policy, for each call.
    attempts: AtomicU32,
    /// The delay now, in nanoseconds. Written under the lock of the policy.
    delay: AtomicU64,
    /// When the delay is to be found anew, in nanoseconds; [`NEVER`] where it is fixed.
    due: AtomicU64,
    latencies: Latencies,
    budget: RetryBudget,
    counters: Counters,
    listener: Option<Listener>,
}

impl Hedge {
    /// By this policy.
    ///
    /// # Errors
    /// As [`Policy::check`].
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        policy.check()?;
        let (delay, due) = first_delay(&policy);
        Ok(Self {
            policy: Mutex::new(policy),
            attempts: AtomicU32::new(policy.attempts),
            delay: AtomicU64::new(delay),
            due: AtomicU64::new(due),
            latencies: Latencies::new(),
            budget: RetryBudget::new(policy.budget),
            counters: Counters::default(),
            listener: None,
        })
    }

    /// The same with somebody who listens.
    pub fn listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Begins a call and its first attempt.
    #[inline]
    pub fn begin(&self, now: Moment, idempotency: Idempotency) -> Course {
        self.counters.calls.fetch_add(1, Relaxed);
        self.budget.deposit();
        if self.is_due(now) {
            self.find_delay(now);
        }
        let delay = Duration::from_nanos(self.delay.load(Relaxed));
        let left = match idempotency {
            Idempotency::Safe => self.attempts.load(Relaxed) - 1,
            Idempotency::Keyed | Idempotency::Unsafe => 0,
        };
        let next = (left > 0).then(|| now + delay);
        Course { began: now, delay, begun: 1, left, under_way: 1, is_first_open: true, next }
    }

    /// Begins the attempt that is [due](Course::next), or says that there is to be none. Then the call is
    /// [over](Course::is_over), with its last error, if nothing else is under way.
    pub fn start(&self, now: Moment, course: &mut Course) -> bool {
        course.next = None;
        if course.left == 0 {
            return false;
        }
        if !self.budget.withdraw(now) {
            course.no_more();
            self.counters.over_budget.fetch_add(1, Relaxed);
            self.tell(&Event::OverBudget { at: now });
            return false;
        }
        self.counters.hedges.fetch_add(1, Relaxed);
        course.left -= 1;
        course.begun += 1;
        course.under_way += 1;
        course.next = (course.left > 0).then(|| now + course.delay);
        let after = now - course.began;
        self.tell(&Event::Hedged { at: now, after, begun: course.begun });
        true
    }

    /// Tells how an attempt went, of which the first has number 0. True means that its result stands, and that all other attempts
    /// are to be dropped. One that was not made ([`Error::is_rejection`](crate::Error::is_rejection)) is no reason to drop those that
    /// were: while others are under way, its verdict is [`Verdict::Unsent`].
    pub fn ended(&self, now: Moment, course: &mut Course, number: u32, verdict: Verdict) -> bool {
        course.under_way = course.under_way.saturating_sub(1);
        let is_good = verdict == Verdict::Success;
        if number == 0 {
            self.first_ended(now, course, is_good);
        }
        match verdict {
            Verdict::Success | Verdict::Permanent => {
                if is_good && number > 0 {
                    self.counters.won.fetch_add(1, Relaxed);
                    self.tell(&Event::Won { at: now, after: now - course.began });
                }
                self.abandoned(now, course);
                course.no_more();
                true
            }
            Verdict::Transient { retry_after } | Verdict::Unsent { retry_after } => {
                if retry_after.is_some() {
                    // Who asks to be left alone for a while is not asked at once.
                    course.no_more();
                } else if self.policy().on_failure == OnFailure::Next && course.left > 0 {
                    course.next = Some(now);
                } else if course.under_way == 0 {
                    course.no_more();
                }
                course.is_over()
            }
        }
    }

    /// Tells that the call was dropped before its end.
    pub fn abandoned(&self, now: Moment, course: &mut Course) {
        if course.is_first_open {
            self.first_ended(now, course, false);
        }
    }

    fn first_ended(&self, now: Moment, course: &mut Course, is_good: bool) {
        course.is_first_open = false;
        let latency = now - course.began;
        let is_told = is_good || latency >= course.delay;
        if is_told && self.due.load(Relaxed) != NEVER {
            self.latencies.record(latency);
        }
    }

    #[inline]
    fn is_due(&self, now: Moment) -> bool {
        nanos(now.elapsed()) >= self.due.load(Relaxed)
    }

    /// Finds the delay anew.
    #[cold]
    fn find_delay(&self, now: Moment) {
        // One does it, and the others go on with the delay that was.
        let Ok(policy) = self.policy.try_lock() else { return };
        let Delay::Percentile(percentile) = policy.delay else { return };
        if !self.is_due(now) {
            return;
        }
        let next = now + percentile.window / REFRESHES;
        self.due.store(nanos(next.elapsed()).min(NEVER - 1), Relaxed);
        self.latencies.turn(now, percentile.window / 2);
        let (samples, found) = self.latencies.percentile(percentile.share);
        let delay = match samples >= percentile.samples_min as usize {
            true => found.clamp(percentile.least, percentile.most),
            false => percentile.most,
        };
        self.delay.store(nanos(delay), Relaxed);
    }

    /// The policy now.
    pub fn policy(&self) -> Policy {
        *self.lock()
    }

    /// Goes on by another policy; counts, known latencies, and what the budget has saved, stay.
    ///
    /// # Errors
    /// As [`Policy::check`]; then the old policy stays.
    pub fn reload(&self, now: Moment, policy: Policy) -> Result<(), PolicyError> {
        policy.check()?;
        self.budget.reload(now, policy.budget);
        let mut current = self.lock();
        *current = policy;
        self.attempts.store(policy.attempts, Relaxed);
        let (delay, due) = first_delay(&policy);
        self.delay.store(delay, Relaxed);
        self.due.store(due, Relaxed);
        Ok(())
    }

    /// What was done so far.
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        Snapshot {
            calls: self.counters.calls.load(Relaxed),
            hedges: self.counters.hedges.load(Relaxed),
            won: self.counters.won.load(Relaxed),
            over_budget: self.counters.over_budget.load(Relaxed),
            delay: Duration::from_nanos(self.delay.load(Relaxed)),
            samples: self.latencies.percentile(Ratio::ONE).0,
            budget: self.budget.snapshot(now),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Policy> {
        // A copy cannot be left half done, whoever panicked.
        locked(&self.policy)
    }

    fn tell(&self, event: &Event) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }
}

impl fmt::Debug for Hedge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge").field("policy", &self.policy()).finish_non_exhaustive()
    }
}

/// So often in each window the delay is found anew, by the first call that comes then.
const REFRESHES: u32 = 64;

/// When a delay is found that is fixed.
const NEVER: u64 = u64::MAX;

/// The delay at first, and when it is found anew.
fn first_delay(policy: &Policy) -> (u64, u64) {
    match policy.delay {
        Delay::Fixed(delay) => (nanos(delay), NEVER),
        Delay::Percentile(Percentile { most, .. }) => (nanos(most), 0),
    }
}

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;
