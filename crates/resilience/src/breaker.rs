//! Circuit breaker: stop calling what keeps failing, then try again carefully.
//!
//! ```text
//!         too many calls fail, or are slow
//!   Closed ──────────────────────────────▶ Open ◀────────────┐
//!     ▲                                     │ the wait is over, │ trials fail, are slow,
//!     │ trials go well                      ▼ and a call comes  │ or take too long to decide
//!     └───────────────────────────────── HalfOpen ───────────┘
//! ```
//!
//! **When to use it**: around each endpoint of a neighbour that has an answer of its own for the time without it: a fallback,
//! a cache, another endpoint, or a quick and honest error. **When not**: where there is no cheaper answer and nobody who
//! waits is freed by a quick failure; and not around many endpoints at once, as one sick replica then closes the way to all.
//! Inside a retry (each attempt is counted), outside the time limit of an attempt (it sees that as a failure).
//!
//! ```
//! use std::time::Duration;
//! use evenkeel_resilience::breaker::{Breaker, Outcome, Policy, State, Wait};
//! use evenkeel_resilience::Moment;
//!
//! let policy = Policy::consecutive(2).wait(Wait::fixed(Duration::from_secs(10)));
//! let breaker = Breaker::try_new(policy)?;
//! let now = Moment::at(Duration::from_secs(1));
//! for _ in 0..2 {
//!     let ticket = breaker.admit(now)?;
//!     // … the call itself happens out here, under a time limit …
//!     breaker.record(now, ticket, Outcome::Failure);
//! }
//! assert_eq!(breaker.state(), State::Open);
//! assert_eq!(breaker.admit(now).unwrap_err().retry_after, Some(Duration::from_secs(10)));
//! assert_eq!(
//!     breaker.explain(now).to_string(),
//!     "open since +1s, because 2 calls failed in a row; for 10s more, every call is rejected; \
//!      then it closes when 5 trials have ended and none of them failed"
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is exact: the window has the last calls of the present state and no others; outcomes of calls that were admitted
//! before a change of state count for nothing; not more trials are under way than permitted, but for those whose lease is
//! over. The constants are those of resilience4j (a share opens when it is *reached*; a call is slow when it takes
//! *longer* than the limit; trials begin *after* the wait), which its recorded traces check.
//!
//! What it costs: a closed circuit is one load when a call begins. When it ends, it is one addition as long as all calls in the
//! window went well, and else one short lock, whatever the window; nothing is allocated. The clock is read only where the policy
//! counts slow calls, or calls by time. A rejection takes no lock.

#[cfg(feature = "tower")]
mod call;
mod core;
mod guard;
mod judge;
mod policy;
mod registry;
mod running;
mod shared;
mod stopwatch;
#[cfg(test)]
mod tests;
mod view;
mod window;
mod word;
#[cfg(feature = "serde")]
mod written;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use evenkeel_units::{Moment, nanos};

pub use self::guard::Permit;
pub use self::judge::{Errors, Judge};
pub use self::policy::{Policy, PolicyError, Slow, Trials, Wait, Window};
pub use self::registry::Registry;
pub use self::stopwatch::Stopwatch;
pub use self::view::{Event, Explanation, Listener, Reason, Snapshot};
pub use self::window::Counts;
pub use self::word::State;

use self::core::{Core, Counted, Events};
use self::running::Mark;
use self::shared::Shared;
use self::word::Word;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, locked};

/// What became of an admitted call.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
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
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The last moment at which calls are rejected for sure, unless a trial under way ends earlier; `None` if somebody
    /// keeps it open.
    pub until: Option<Moment>,
    /// How long to wait before there is a point in asking again, if that is known.
    pub retry_after: Option<Duration>,
}

impl Rejected {
    /// As the error of a call.
    pub const fn into_error<E>(self) -> crate::Error<E> {
        crate::Error::Open { retry_after: self.retry_after }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => write!(to, "circuit is open until {until}"),
            None => write!(to, "circuit is kept open"),
        }
    }
}

impl std::error::Error for Rejected {}

/// Leave to make one call. Give it back with [`Breaker::record`], [`Breaker::release`] or [`Breaker::abandon`]: one that is
/// lost counts as a call that runs for ever, or holds the place of a trial until its lease is over. A [`Permit`] gives
/// itself back.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an outcome that is never recorded cannot open the circuit"]
pub struct Ticket {
    pass: Pass,
    /// `None` where nobody asks how long the call takes.
    started: Option<Moment>,
}

impl Ticket {
    fn took(&self, now: Moment) -> Duration {
        self.started.map_or(Duration::ZERO, |it| now - it)
    }
}

/// What a circuit knows of a call that it let in.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Pass {
    generation: u32,
    /// Which trial it is; 0 of a closed circuit.
    trial: u32,
    mark: Mark,
}

impl Pass {
    const fn of(generation: u32) -> Self {
        Self { generation, trial: 0, mark: Mark::NOWHERE }
    }
}

/// A circuit breaker for one endpoint. To be shared: every method takes `&self`.
pub struct Breaker {
    shared: Shared,
    core: Mutex<Core>,
    rejected: AtomicU64,
    listener: Option<Listener>,
}

impl fmt::Debug for Breaker {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Breaker").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Breaker {
    /// A closed breaker, whose waits differ from those of every other.
    ///
    /// # Errors
    /// When the policy contradicts itself: the field, and what to write instead.
    pub fn try_new(policy: Policy) -> Result<Self, PolicyError> {
        Self::seeded(policy, chance())
    }

    /// A closed breaker, whose waits are decided by a number.
    ///
    /// # Errors
    /// As of [`try_new`](Self::try_new).
    pub fn seeded(policy: Policy, seed: u64) -> Result<Self, PolicyError> {
        policy.check()?;
        Ok(Self::unchecked(policy, seed))
    }

    fn unchecked(policy: Policy, seed: u64) -> Self {
        Self {
            shared: Shared::new(&policy),
            core: Mutex::new(Core::new(policy, seed)),
            rejected: AtomicU64::new(0),
            listener: None,
        }
    }

    /// The same with somebody who is told of changes of state.
    pub fn listener(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    /// Asks to make one call.
    ///
    /// # Errors
    /// When the circuit is open, or as many trials are under way as may be.
    pub fn admit(&self, now: Moment) -> Result<Ticket, Rejected> {
        let (pass, started) = self.admit_seen(&|| now)?;
        Ok(Ticket { pass, started })
    }

    /// The same, by a clock that is read only where the time matters, and what it showed.
    fn admit_seen<W: Stopwatch>(&self, clock: &W) -> Result<(Pass, Option<W::Reading>), Rejected> {
        let (mut pass, started) = self.admit_by(clock)?;
        if let Some(at) = started
            && pass.mark == Mark::LATER
        {
            let now = clock.moment(at);
            match self.shared.running.begin(now) {
                Some(mark) => pass.mark = mark,
                None => pass = self.admit_locked(now)?,
            }
        }
        Ok((pass, started))
    }

    /// The same for a call that may be over at once: one that is timed is seen while it runs from [`Breaker::linger`] on. To read
    /// the clock costs more than all else here.
    #[inline]
    fn admit_by<W: Stopwatch>(&self, clock: &W) -> Result<(Pass, Option<W::Reading>), Rejected> {
        let word = self.shared.word();
        let pass = Pass::of(word.generation());
        match (word.counts(), word.is_timed()) {
            (true, false) => Ok((pass, None)),
            (true, true) => Ok((Pass { mark: Mark::LATER, ..pass }, Some(clock.read()))),
            (false, _) => self.admit_rest(word, clock),
        }
    }

    #[inline(never)]
    fn admit_rest<W: Stopwatch>(
        &self,
        word: Word,
        clock: &W,
    ) -> Result<(Pass, Option<W::Reading>), Rejected> {
        match word.state() {
            State::Disabled => return Ok((Pass::of(word.generation()), None)),
            State::ForcedOpen => return Err(self.reject(Moment::START, None)),
            _ => {}
        }
        let at = clock.read();
        let now = clock.moment(at);
        match self.shut_until(now) {
            Some(until) => Err(self.reject(now, Some(until))),
            None => Ok((self.admit_locked(now)?, Some(at))),
        }
    }

    /// Until when no call is let in for sure, where that is known without the lock.
    fn shut_until(&self, now: Moment) -> Option<Moment> {
        // Read before the word, as it is written before it: or the end of the first trial's lease would be taken for that of the
        // wait, and a call be rejected that there is a place for.
        let until = self.shared.until();
        let is_shut = self.shared.word().is_shut() && nanos(now.elapsed()) <= until;
        is_shut.then(|| Moment::at(Duration::from_nanos(until)))
    }

    #[cold]
    fn admit_locked(&self, now: Moment) -> Result<Pass, Rejected> {
        let answer = self.change(|core, events| core.admit(&self.shared, now, events));
        answer.map_err(|until| self.reject(now, until))
    }

    /// Whether it would reject a call that asked now; for who has something better to do then.
    pub fn rejects(&self, now: Moment) -> bool {
        self.state() == State::ForcedOpen || self.shut_until(now).is_some()
    }

    /// Rejects a call that was told that it would be.
    #[cfg(feature = "tower")]
    pub(crate) fn rejected(&self, now: Moment) -> Rejected {
        self.reject(now, self.shut_until(now))
    }

    fn reject(&self, now: Moment, until: Option<Moment>) -> Rejected {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        Rejected { until, retry_after: until.map(|it| it - now).filter(|it| !it.is_zero()) }
    }

    /// A call that began then is not over at once: from now on it is seen while it runs.
    #[cold]
    fn linger(&self, pass: &mut Pass, started: Moment) {
        pass.mark = self.shared.running.begin(started).unwrap_or_else(|| {
            self.change(|core, events| core.linger(&self.shared, started, events))
        });
    }

    /// Tells how an admitted call went, that ends now.
    pub fn record(&self, now: Moment, ticket: Ticket, outcome: Outcome) {
        self.settle(|| now, ticket.pass, outcome, ticket.took(now));
    }

    /// Tells how an admitted call went, that took so long by somebody else's clock.
    pub fn record_after(&self, now: Moment, ticket: Ticket, outcome: Outcome, took: Duration) {
        self.settle(|| now, ticket.pass, outcome, took);
    }

    /// Tells how a call went that began then, by a clock that is read only where the time matters.
    #[inline]
    fn record_by<W: Stopwatch>(
        &self,
        clock: &W,
        (pass, started): (Pass, Option<W::Reading>),
        outcome: Outcome,
    ) {
        // Not under the lock, where it can be known here that it matters.
        if self.shared.word().is_timed() {
            let end = clock.read();
            let took = started.map_or(Duration::ZERO, |begin| clock.between(begin, end));
            self.settle(|| clock.moment(end), pass, outcome, took);
        } else {
            self.settle(|| clock.moment(clock.read()), pass, outcome, Duration::ZERO);
        }
    }

    #[inline]
    fn settle(&self, now: impl Fn() -> Moment, pass: Pass, outcome: Outcome, took: Duration) {
        let is_slow = self.shared.is_slow(took);
        if !self.shared.count(pass, outcome, is_slow) {
            self.settle_locked(now, pass, outcome, is_slow);
        }
    }

    #[inline(never)]
    fn settle_locked(&self, now: impl Fn() -> Moment, pass: Pass, outcome: Outcome, is_slow: bool) {
        let mut core = self.lock();
        let counted = core.count(&self.shared, &now, pass, outcome, is_slow);
        if counted != Counted::Whole {
            self.settle_rest(core, now(), (counted, pass), outcome, is_slow);
        }
    }

    #[cold]
    fn settle_rest(
        &self,
        mut core: MutexGuard<'_, Core>,
        now: Moment,
        counted: (Counted, Pass),
        outcome: Outcome,
        is_slow: bool,
    ) {
        let mut events = Events::default();
        core.settle(&self.shared, now, counted, outcome, is_slow, &mut events);
        drop(core);
        self.tell_of(&events);
    }

    /// Gives back the leave of a call that says nothing of the neighbour: one that was not made after all, or a bad
    /// request.
    pub fn release(&self, ticket: Ticket) {
        self.give_back(ticket.pass);
    }

    fn give_back(&self, pass: Pass) {
        self.lock().release(&self.shared, pass);
    }

    /// Gives back the leave of a call that was cancelled now. One that was slow by then counts as failed and slow; any
    /// other counts as nothing.
    pub fn abandon(&self, now: Moment, ticket: Ticket) {
        self.cut_off(now, ticket.pass, ticket.took(now));
    }

    fn cut_off(&self, now: Moment, pass: Pass, took: Duration) {
        match self.shared.is_slow(took) {
            true => self.settle(|| now, pass, Outcome::Failure, took),
            false => self.give_back(pass),
        }
    }

    /// What it does with calls. Open stays open, however long the wait is over, until a call comes.
    pub fn state(&self) -> State {
        self.shared.word().state()
    }

    /// Rejects every call from now on, until [`Breaker::reset`].
    pub fn force_open(&self, now: Moment) {
        self.tell(now, State::ForcedOpen);
    }

    /// Lets every call through from now on, and counts none, until [`Breaker::reset`].
    pub fn disable(&self, now: Moment) {
        self.tell(now, State::Disabled);
    }

    /// Lets every call through from now on, and counts them, until [`Breaker::reset`]: to see what a policy would do.
    pub fn metrics_only(&self, now: Moment) {
        self.tell(now, State::MetricsOnly);
    }

    /// Closes it, and forgets what was counted in the window.
    pub fn reset(&self, now: Moment) {
        self.tell(now, State::Closed);
    }

    fn tell(&self, now: Moment, state: State) {
        self.change(|core, events| core.tell(&self.shared, now, state, events));
    }

    /// Takes another policy, from the next call on. State, generation and the outcomes in the window stay: of the latest
    /// calls as many as the new window has room for, of buckets each at its time. A wait that has begun stays as long as it
    /// was; trials that have ended count by the new policy. A call that began when nobody asked how long calls take is not slow, however long it takes.
    ///
    /// # Errors
    /// When the policy contradicts itself; nothing has changed then.
    pub fn reload(&self, now: Moment, policy: Policy) -> Result<(), PolicyError> {
        self.change(|core, events| core.reload(&self.shared, now, policy, events))
    }

    /// The policy now.
    pub fn policy(&self) -> Policy {
        self.lock().policy().clone()
    }

    /// All numbers.
    pub fn snapshot(&self, now: Moment) -> Snapshot {
        let rejected = self.rejected.load(Ordering::Relaxed);
        self.lock().snapshot(&self.shared, now, rejected)
    }

    /// Why it is in its state, and what would change it.
    pub fn explain(&self, now: Moment) -> Explanation {
        let rejected = self.rejected.load(Ordering::Relaxed);
        let mut core = self.lock();
        let snapshot = core.snapshot(&self.shared, now, rejected);
        Explanation { now, snapshot, policy: core.policy().clone() }
    }

    fn change<T>(&self, by: impl FnOnce(&mut Core, &mut Events) -> T) -> T {
        let mut events = Events::default();
        let answer = by(&mut self.lock(), &mut events);
        self.tell_of(&events);
        answer
    }

    fn tell_of(&self, events: &Events) {
        if let Some(listener) = &self.listener {
            events.iter().for_each(|it| listener(it));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // Nothing under the lock calls what others wrote, but for a clock, or leaves things half done.
        locked(&self.core)
    }
}

/// A number that differs from process to process, and from call to call.
fn chance() -> u64 {
    RandomState::new().hash_one(0u8)
}
