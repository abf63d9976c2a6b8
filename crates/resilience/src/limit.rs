//! Rate limiter: so many calls a second, evenly, with a burst.
//!
//! ```text
//!  allowed at   ├──┬──┬──┬──┬──┬──▶ one call for each interval (`per / limit`)
//!                     now ──▶ │
//!               ◀── burst ──▶ calls that were not made are kept for later, at most `burst` of them
//! ```
//!
//! The generic cell rate algorithm: all that is kept is one moment, the one at which the next call would be due if calls
//! came exactly as fast as allowed. A call conforms while that moment is not further ahead than the burst; then it moves
//! on by one interval. No window has an edge at which twice the limit gets through, and no timer refills anything. In any
//! span of time `t`, at most `burst + t / interval` calls are let through.
//!
//! **When to use it**: before a neighbour that counts your calls (a paid interface, a quota), and at your own door, with
//! [`keyed::Limiter`] for each tenant, token or address. **When not**: to protect a service from more than it can
//! bear: what it can bear is a number of calls *at once* ([`bulkhead`](crate::bulkhead)), which does not change with every
//! release.
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_resilience::limit::{Limiter, Policy};
//! use evenkeel_resilience::Moment;
//!
//! // 2 a second, and 2 that come together.
//! let limiter = Limiter::try_new(Policy::per_second(2))?;
//! let at = |millis| Moment::at(Duration::from_millis(millis));
//! assert!(limiter.try_take(at(0)).is_ok());
//! assert!(limiter.try_take(at(0)).is_ok());
//! let limited = limiter.try_take(at(100)).unwrap_err();
//! assert_eq!(limited.retry_after, Duration::from_millis(400));
//! assert!(limiter.try_take(at(500)).is_ok());
//! # Ok::<(), evenkeel_resilience::limit::PolicyError>(())
//! ```
//!
//! Source: ITU-T I.371 (2004), annex A, the virtual scheduling algorithm.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::Moment;

use crate::Error;
use crate::sync::atomic::{AtomicU64, Ordering};

pub mod keyed;
#[cfg(feature = "tower")]
mod take;

#[cfg(feature = "tower")]
pub use take::Take;

/// How many calls in which time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policy {
    /// Calls in each `per`, at least 1.
    pub limit: u32,
    /// The time in which that many are allowed. `per / limit` is the interval: from a microsecond to a year.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub per: Duration,
    /// Calls that may come together after a time of silence, at least 1.
    pub burst: u32,
    /// For how long a call may wait for its turn, where it can; zero refuses at once.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub wait: Duration,
}

impl Default for Policy {
    /// 100 a second, of which a tenth of a second may come together, since clients that are synchronised by chance are no
    /// abuse; nobody waits, since who is over the limit is told so.
    fn default() -> Self {
        Self { limit: 100, per: Duration::from_secs(1), burst: 10, wait: Duration::ZERO }
    }
}

impl Policy {
    /// So many a second, a second's worth of which may come together.
    pub const fn per_second(limit: u32) -> Self {
        Self { limit, per: Duration::from_secs(1), burst: limit, wait: Duration::ZERO }
    }

    /// Whether the values go together.
    ///
    /// # Errors
    /// The field that does not fit, and what to write instead.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.limit == 0 {
            return Err(PolicyError::NoLimit);
        }
        if self.burst == 0 {
            return Err(PolicyError::NoBurst);
        }
        let interval = self.interval();
        if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
            return Err(PolicyError::Interval { interval });
        }
        if interval.saturating_mul(self.burst) > INTERVAL_MAX {
            return Err(PolicyError::LongBurst { burst: self.burst });
        }
        Ok(())
    }

    /// Between two calls, rounded up, so that never more get through than was said.
    fn interval(&self) -> Duration {
        let nanos = self.per.as_nanos().div_ceil(u128::from(self.limit));
        Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX))
    }
}

/// So that to round up to a whole nanosecond changes a thousandth at most.
const INTERVAL_MIN: Duration = Duration::from_micros(1);
const INTERVAL_MAX: Duration = Duration::from_hours(24 * 365);

/// Why a [`Policy`] cannot be followed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A limit of nothing.
    #[error(
        "`limit` is 0, which lets no call through: write at least 1 (to stop all calls, force a breaker open)"
    )]
    NoLimit,
    /// A burst of nothing.
    #[error("`burst` is 0, which lets no call through: write 1 for calls that never come together")]
    NoBurst,
    /// Too fast or too slow to be counted.
    #[error(
        "`limit` in `per` is one call every {interval:?}: write values that make it between 1 µs and a year"
    )]
    Interval {
        /// What was asked for.
        interval: Duration,
    },
    /// A burst that takes longer than a year to be earned again.
    #[error("`burst` of {burst} takes more than a year to be earned: write a smaller one")]
    LongBurst {
        /// What was asked for.
        burst: u32,
    },
    /// No room for keys.
    #[error(
        "`keys` is 0, which leaves no room for any key: write how many are told apart, at least 1"
    )]
    NoKeys,
}

/// There were too many calls.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many calls: the next may come in {retry_after:?}")]
pub struct Limited {
    /// When the call would conform, if no other comes first.
    pub retry_after: Duration,
}

impl Limited {
    /// As the error of a call that was not made.
    pub const fn into_error<E>(self) -> Error<E> {
        Error::Limited { retry_after: self.retry_after }
    }
}

/// What happened, for a listener.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A call was refused.
    Limited {
        /// When it would conform, if no other comes first.
        retry_after: Duration,
    },
}

/// Who is told, on the thread of the call, without a lock. It must be quick.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// What a dashboard wants to know.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Calls that would be let through now, one after the other.
    pub available: u32,
    /// Calls that were ever let through, with those that waited.
    pub admitted: u64,
    /// Those of them that had to wait for their turn.
    pub delayed: u64,
    /// Turns that were booked, not used, and given back in time for others.
    pub given_back: u64,
    /// Calls that were refused.
    pub limited: u64,
}

/// What calls cost, in nanoseconds.
#[derive(Copy, Clone, Debug)]
struct Cell {
    interval: u64,
    /// How far ahead the next due moment may be.
    ahead: u64,
}

impl Cell {
    fn of(policy: &Policy) -> Self {
        let interval = nanos(policy.interval());
        Self { interval, ahead: interval.saturating_mul(policy.burst.into()) }
    }

    /// When the next call will be due after one at `now`; or for how long that is too far ahead.
    #[inline]
    const fn next(self, due: u64, now: u64) -> Result<u64, u64> {
        let start = if due > now { due } else { now };
        // Neither is more than a year, and no moment is later than `END`.
        let (next, latest) = (start + self.interval, now + self.ahead);
        if next <= latest { Ok(next) } else { Err(next - latest) }
    }

    /// How many calls are allowed at once.
    const fn available(self, due: u64, now: u64) -> u32 {
        (self.ahead.saturating_sub(due.saturating_sub(now)) / self.interval) as u32
    }
}

/// What calls cost now.
#[derive(Debug)]
struct Pace {
    interval: AtomicU64,
    ahead: AtomicU64,
}

impl Pace {
    fn of(policy: &Policy) -> Self {
        let Cell { interval, ahead } = Cell::of(policy);
        Self { interval: AtomicU64::new(interval), ahead: AtomicU64::new(ahead) }
    }

    fn follow(&self, policy: &Policy) {
        let Cell { interval, ahead } = Cell::of(policy);
        self.interval.store(interval, Ordering::Relaxed);
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    #[inline]
    fn cell(&self) -> Cell {
        Cell {
            interval: self.interval.load(Ordering::Relaxed),
            ahead: self.ahead.load(Ordering::Relaxed),
        }
    }

    fn policy(&self, wait: Duration) -> Policy {
        let Cell { interval, ahead } = self.cell();
        Policy {
            limit: 1,
            per: Duration::from_nanos(interval),
            burst: (ahead / interval) as u32,
            wait,
        }
    }
}

/// Limits calls in time. Share it by an `Arc`; see the [module](self).
pub struct Limiter {
    /// When the next call is due, were calls to come as fast as allowed; in nanoseconds.
    due: AtomicU64,
    admitted: AtomicU64,
    pace: Pace,
    wait: AtomicU64,
    delayed: AtomicU64,
    given_back: AtomicU64,
    limited: AtomicU64,
    listener: Option<Listener>,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Limiter").field("policy", &self.policy()).finish_non_exhaustive()
    }
}

impl Limiter {
    /// Under a policy, with the whole burst at hand.
    ///
    /// # Errors
    /// When its values do not go together.
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        policy.check()?;
        Ok(Self {
            due: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            pace: Pace::of(&policy),
            wait: AtomicU64::new(nanos(policy.wait)),
            delayed: AtomicU64::new(0),
            given_back: AtomicU64::new(0),
            limited: AtomicU64::new(0),
            listener: None,
        })
    }

    /// The same with somebody who is told of calls that were refused.
    pub fn listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Lets one call through, if it conforms.
    ///
    /// # Errors
    /// When it would; nothing was taken then.
    #[inline]
    pub fn try_take(&self, now: Moment) -> Result<(), Limited> {
        match self.book(nanos(now.elapsed()), 0) {
            Ok(_) => Ok(()),
            Err(short) => Err(self.refuse(short)),
        }
    }

    /// Books the next turn for a call, and says when that is: at once, or after a wait within the policy's.
    ///
    /// # Errors
    /// When the wait would be longer than allowed; nothing was booked then.
    pub fn reserve(&self, now: Moment) -> Result<Turn, Limited> {
        let now = nanos(now.elapsed());
        match self.book(now, self.wait.load(Ordering::Relaxed)) {
            Ok(next) => {
                let at = next.saturating_sub(self.pace.ahead.load(Ordering::Relaxed)).max(now);
                if at > now {
                    self.delayed.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Turn { at: Moment::at(Duration::from_nanos(at)), next })
            }
            Err(short) => Err(self.refuse(short)),
        }
    }

    /// Gives a turn back that was not used, as its call was cancelled. It can be used by others if nobody has booked a later one;
    /// else it is lost, since who waits was told its time already.
    pub fn give_back(&self, turn: Turn) {
        let before = turn.next.saturating_sub(self.pace.interval.load(Ordering::Relaxed));
        let given =
            self.due.compare_exchange(turn.next, before, Ordering::Relaxed, Ordering::Relaxed);
        if given.is_ok() {
            self.given_back.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Follows another policy from now on; what was taken stays taken.
    ///
    /// # Errors
    /// When its values do not go together; nothing has changed then.
    pub fn reload(&self, policy: &Policy) -> Result<(), PolicyError> {
        policy.check()?;
        self.pace.follow(policy);
        self.wait.store(nanos(policy.wait), Ordering::Relaxed);
        Ok(())
    }

    /// The policy now, as one call each interval.
    pub fn policy(&self) -> Policy {
        self.pace.policy(Duration::from_nanos(self.wait.load(Ordering::Relaxed)))
    }

    /// What it is doing and has done.
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        Snapshot {
            available: self
                .pace
                .cell()
                .available(self.due.load(Ordering::Relaxed), nanos(now.elapsed())),
            admitted: self.admitted.load(Ordering::Relaxed),
            delayed: self.delayed.load(Ordering::Relaxed),
            given_back: self.given_back.load(Ordering::Relaxed),
            limited: self.limited.load(Ordering::Relaxed),
        }
    }

    /// Takes a turn that comes within `wait`; gives the due moment after it, or by how much it was too late.
    #[inline]
    fn book(&self, now: u64, wait: u64) -> Result<u64, u64> {
        let cell = self.pace.cell();
        let mut due = self.due.load(Ordering::Relaxed);
        loop {
            // To wait is to ask as if it were later.
            let next = cell.next(due, now).or_else(|short| {
                if short <= wait {
                    Ok(due.max(now).saturating_add(cell.interval))
                } else {
                    Err(short)
                }
            })?;
            match self.due.compare_exchange_weak(due, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    self.admitted.fetch_add(1, Ordering::Relaxed);
                    return Ok(next);
                }
                Err(other) => due = other,
            }
        }
    }

    #[cold]
    fn refuse(&self, short: u64) -> Limited {
        self.limited.fetch_add(1, Ordering::Relaxed);
        let retry_after = Duration::from_nanos(short);
        if let Some(listener) = &self.listener {
            listener(&Event::Limited { retry_after });
        }
        Limited { retry_after }
    }
}

/// A booked turn: see [`Limiter::reserve`].
#[must_use = "a turn that is not used is to be given back"]
#[derive(Debug)]
pub struct Turn {
    at: Moment,
    next: u64,
}

impl Turn {
    /// When the call may be made; not before.
    pub const fn at(&self) -> Moment {
        self.at
    }
}

/// The latest second that is told from the next: 127 years, so that nothing that is added to it overflows.
const END: u64 = 4_000_000_000;

#[inline]
fn nanos(of: Duration) -> u64 {
    match of.as_secs() < END {
        true => of.as_secs() * 1_000_000_000 + u64::from(of.subsec_nanos()),
        false => END * 1_000_000_000,
    }
}

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;
