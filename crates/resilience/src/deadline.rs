//! Deadline: how long a call may take, as a whole and in its parts, here and at whoever is asked further on.
//!
//! ```text
//!  total   ├──────────────────────────────────────────────┤   of all attempts and the waits between them
//!  attempt ├───────────┤  wait  ├───────────┤                 of one attempt
//!  connect ├──┤                 ├──┤                          until a connection stands
//!  read       ├─┤├──┤├─┤           ├──┤├─┤                    until the next bytes come
//! ```
//!
//! A limit is asked for by a duration and held as a moment, the [`Deadline`], so that what was spent on one step is not there for
//! the next. What is inside a limit inherits it: [`Deadline::current`] is the earliest of all that stand around, and
//! [`Deadline::to_grpc`] or [`Deadline::to_millis`] send it on, so that nobody works on an answer that nobody waits for any more.
//!
//! However many limits stand around a call, and waits of a [retry](crate::retry) between them, one timer serves them all, and it
//! is armed only once there is something to wait for: an answer that is there at once costs none.
//!
//! **When to use it.** Around every call that leaves the process, always with a total.
//!
//! **When not.** Around what must not stop half-way: a future that runs into its limit is dropped where it stands. Give such work
//! a task of its own and limit the wait for it.
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_resilience::{Error, TimeLimit, deadline::{Deadline, Deadlines, Limits}};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
//! let deadlines = Deadlines::try_new(Limits::total(Duration::from_millis(250)))?;
//! let slow = deadlines.call(TimeLimit::Total, || async {
//!     assert_eq!(Deadline::current().unwrap().to_millis(evenkeel_resilience::time::now()), 250);
//!     tokio::time::sleep(Duration::from_secs(3)).await;
//!     Ok::<_, Error<()>>("too late")
//! });
//! assert_eq!(slow.await, Err(Error::Timeout(TimeLimit::Total)));
//! # Ok::<(), evenkeel_resilience::deadline::LimitsError>(()) }).unwrap();
//! ```
//!
//! **From service to service.** Who asks sends what is left as a header; who is asked makes it the limit of all that it does, so that it
//! is what is left there, too:
//!
//! ```
//! use evenkeel_resilience::deadline::{DEADLINE_MS, Deadline, until};
//! use evenkeel_resilience::{Error, TimeLimit, time::now};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let header_of_request = |name: &str| (name == DEADLINE_MS).then_some("250");
//! let asked = Deadline::of_headers(now(), header_of_request)?.ok_or("no deadline")?;
//! let answer = until(TimeLimit::Total, asked, async {
//!     tokio::time::sleep(std::time::Duration::from_millis(100)).await;
//!     let header_of_next_request = Deadline::current().map(|it| it.to_millis(now()));
//!     Ok::<_, Error<()>>(header_of_next_request)
//! });
//! assert_eq!(answer.await, Ok(Some(150)));
//! # Ok(()) }
//! ```
//!
//! **Errors.** [`Error::Timeout`](crate::Error::Timeout) with the [`TimeLimit`] that was exceeded.
//!
//! **Precision.** That of tokio's timers: a call ends within 1 ms after its limit, if the thread is not kept busy.

mod gather;
mod header;
#[cfg(feature = "tower")]
mod within;
#[cfg(feature = "serde")]
mod written;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_units::{Moment, nanos};

use crate::TimeLimit;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use gather::{Branch, Gathered};
#[cfg(feature = "tower")]
pub use gather::{Gather, gather};
pub use header::{DEADLINE_MS, GRPC_TIMEOUT, GrpcTimeout, HeaderError};
#[cfg(feature = "tower")]
pub use within::{Within, until, within};

/// When something has to have ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Moment);

impl Deadline {
    /// At a moment.
    pub const fn at(moment: Moment) -> Self {
        Self(moment)
    }

    /// `limit` from now.
    pub fn after(now: Moment, limit: Duration) -> Self {
        Self(now + limit)
    }

    /// The deadline of what is polled or called now: the earliest of all limits that stand around it in this task, and `None`
    /// where none does. It is not inherited by tasks that are spawned; hand it to them.
    #[cfg(feature = "tower")]
    pub fn current() -> Option<Self> {
        crate::timer::deadline().map(Self)
    }

    /// As a moment.
    pub const fn moment(self) -> Moment {
        self.0
    }

    /// What is left; zero once it is over.
    pub fn left(self, now: Moment) -> Duration {
        self.0 - now
    }

    /// Whether nothing is left.
    pub fn is_over(self, now: Moment) -> bool {
        now >= self.0
    }

    /// The earlier of two.
    pub fn earlier(self, other: Self) -> Self {
        self.min(other)
    }
}

/// How long the parts of a call may take. None is longer than what it is a part of.
///
/// In a file a limit that is not named is that of [`Limits::default`], but no longer than the one around it: `{total: 1s}` is enough.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(from = "written::Written"))]
pub struct Limits {
    /// All attempts together, with the waits between them.
    pub total: Duration,
    /// One attempt.
    pub attempt: Duration,
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the next bytes come.
    pub read: Duration,
}

impl Default for Limits {
    /// 30 s in all, 9 s for an attempt, so that three with the waits between them fit, 5 s for a read and 3 s for a connection, in which
    /// one lost packet is sent again: wide enough for a request of a browser, and an end where the defaults of most clients have none. For calls between services 1 s in all is a better start: take the
    /// 99.9th percentile of what is usual, and half as much again.
    fn default() -> Self {
        Self {
            total: Duration::from_secs(30),
            attempt: Duration::from_secs(9),
            connect: Duration::from_secs(3),
            read: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// This in all; the others as by default, but none longer than that.
    ///
    /// ```
    /// use std::time::Duration;
    /// use evenkeel_resilience::deadline::Limits;
    ///
    /// let limits = Limits::total(Duration::from_secs(4));
    /// assert_eq!((limits.attempt.as_secs(), limits.connect.as_secs(), limits.read.as_secs()), (4, 3, 4));
    /// ```
    pub fn total(total: Duration) -> Self {
        let Self { attempt, connect, read, .. } = Self::default();
        Self {
            total,
            attempt: attempt.min(total),
            connect: connect.min(total),
            read: read.min(total),
        }
    }

    /// The same limit for everything.
    pub const fn uniform(limit: Duration) -> Self {
        Self { total: limit, attempt: limit, connect: limit, read: limit }
    }

    /// One of them.
    pub const fn of(&self, limit: TimeLimit) -> Duration {
        match limit {
            TimeLimit::Total => self.total,
            TimeLimit::Attempt => self.attempt,
            TimeLimit::Connect => self.connect,
            TimeLimit::Read => self.read,
        }
    }

    /// Tells what contradicts itself.
    ///
    /// # Errors
    /// The first contradiction, with its remedy.
    pub fn check(&self) -> Result<(), LimitsError> {
        let inside = [
            ("attempt", self.attempt, "total", self.total),
            ("connect", self.connect, "attempt", self.attempt),
            ("read", self.read, "attempt", self.attempt),
        ];
        for (name, limit, around, most) in inside {
            if limit.is_zero() {
                return Err(LimitsError::Nothing { name });
            }
            if limit > most {
                return Err(LimitsError::Never { name, limit, around, most });
            }
        }
        Ok(())
    }
}

/// What contradicts itself in [`Limits`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitsError {
    /// No call can be made in no time.
    #[error("`{name}` is 0, in which nothing can be done: write at least `1ms`")]
    Nothing {
        /// The limit.
        name: &'static str,
    },
    /// A limit that another one always reaches first.
    #[error(
        "`{name}` of {limit:?} is longer than `{around}` of {most:?} and can never be reached: lower it to at most {most:?}"
    )]
    Never {
        /// The limit.
        name: &'static str,
        /// How long it is.
        limit: Duration,
        /// The limit around it.
        around: &'static str,
        /// How long that is.
        most: Duration,
    },
}

/// How often each limit was reached, for dashboards. All counts only grow.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The limits now.
    pub limits: Limits,
    /// Calls that reached their total.
    pub total: u64,
    /// Attempts that took too long.
    pub attempt: u64,
    /// Connections that did not stand in time.
    pub connect: u64,
    /// Reads that took too long.
    pub read: u64,
}

/// What happened, for a listener.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Something took too long.
    Exceeded {
        /// Which limit it ran into.
        limit: TimeLimit,
    },
}

/// Who is told, on the thread of the call, without a lock. It must be quick.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// The limits of the calls to one dependency, and how often they were reached. Shared by all its calls.
pub struct Deadlines {
    /// In nanoseconds, in the order of [`LIMITS`].
    limits: [AtomicU64; 4],
    reached: [AtomicU64; 4],
    listener: Option<Listener>,
}

impl fmt::Debug for Deadlines {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Deadlines").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}

const LIMITS: [TimeLimit; 4] =
    [TimeLimit::Total, TimeLimit::Attempt, TimeLimit::Connect, TimeLimit::Read];

impl Deadlines {
    /// By these limits.
    ///
    /// # Errors
    /// As [`Limits::check`].
    pub fn try_new(limits: Limits) -> Result<Self, LimitsError> {
        limits.check()?;
        Ok(Self {
            limits: LIMITS.map(|it| AtomicU64::new(nanos(limits.of(it)))),
            reached: LIMITS.map(|_| AtomicU64::new(0)),
            listener: None,
        })
    }

    /// The same with somebody who is told of limits that were reached.
    pub fn listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// One of the limits.
    pub fn limit(&self, limit: TimeLimit) -> Duration {
        Duration::from_nanos(self.limits[limit as usize].load(Relaxed))
    }

    /// One of the limits, in nanoseconds.
    #[cfg(feature = "tower")]
    #[inline]
    pub(crate) fn nanos(&self, limit: TimeLimit) -> u64 {
        self.limits[limit as usize].load(Relaxed)
    }

    /// When what begins now has to have ended.
    pub fn deadline(&self, now: Moment, limit: TimeLimit) -> Deadline {
        Deadline::after(now, self.limit(limit))
    }

    /// Tells that a limit was reached.
    pub fn reached(&self, limit: TimeLimit) {
        self.reached[limit as usize].fetch_add(1, Relaxed);
        if let Some(listener) = &self.listener {
            listener(&Event::Exceeded { limit });
        }
    }

    /// Goes on by other limits, for calls that begin from now on.
    ///
    /// # Errors
    /// As [`Limits::check`]; then the old limits stay.
    pub fn reload(&self, limits: Limits) -> Result<(), LimitsError> {
        limits.check()?;
        for limit in LIMITS {
            self.limits[limit as usize].store(nanos(limits.of(limit)), Relaxed);
        }
        Ok(())
    }

    /// What was reached so far.
    pub fn snapshot(&self) -> Snapshot {
        let [total, attempt, connect, read] = LIMITS.map(|it| self.limit(it));
        let limits = Limits { total, attempt, connect, read };
        let [total, attempt, connect, read] =
            LIMITS.map(|it| self.reached[it as usize].load(Relaxed));
        Snapshot { limits, total, attempt, connect, read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_can_never_be_reached_is_refused_with_the_remedy() {
        let limits = Limits { attempt: Duration::from_secs(40), ..Limits::default() };
        assert_eq!(
            limits.check().unwrap_err().to_string(),
            "`attempt` of 40s is longer than `total` of 30s and can never be reached: lower it to at most 30s"
        );
        let limits = Limits { read: Duration::ZERO, ..Limits::default() };
        assert_eq!(limits.check(), Err(LimitsError::Nothing { name: "read" }));
    }

    #[test]
    fn other_limits_keep_the_counts() {
        let deadlines = Deadlines::try_new(Limits::default()).unwrap();
        deadlines.reached(TimeLimit::Read);
        deadlines.reload(Limits::uniform(Duration::from_secs(1))).unwrap();
        assert!(deadlines.reload(Limits::uniform(Duration::ZERO)).is_err());
        let snapshot = deadlines.snapshot();
        assert_eq!((snapshot.read, snapshot.total), (1, 0));
        assert_eq!(snapshot.limits, Limits::uniform(Duration::from_secs(1)));
    }
}
