//! Shared: what of a circuit is read without its lock, so that most calls need none.

use std::time::Duration;

use evenkeel_units::nanos;

use super::policy::Policy;
use super::running::Running;
use super::word::Word;
use super::{Outcome, Pass};
use crate::sync::atomic::{AtomicU64, Ordering};

/// What is read without the lock, and written under it.
#[derive(Debug)]
pub(super) struct Shared {
    word: AtomicU64,
    /// Until when, included, the lock is not worth taking to ask for admission while there is no permit: nanoseconds.
    /// Written before `word`.
    until: AtomicU64,
    /// From how many nanoseconds on a call is slow, not included.
    slow_after: AtomicU64,
    /// Calls that went well, ever.
    succeeded: AtomicU64,
    pub(super) running: Running,
}

impl Shared {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            word: AtomicU64::new(Word::closed(policy.is_timed()).bits()),
            until: AtomicU64::new(0),
            slow_after: AtomicU64::new(slow_after(policy)),
            succeeded: AtomicU64::new(0),
            running: Running::new(limit_while_running(policy)),
        }
    }

    pub(super) fn word(&self) -> Word {
        Word::of(self.word.load(Ordering::Acquire))
    }

    pub(super) fn until(&self) -> u64 {
        self.until.load(Ordering::Acquire)
    }

    /// Counts a call that ends, if it went well and a window full of such calls stays what it is: then there is nothing to do under
    /// the lock. It happens when the word is read.
    #[inline]
    pub(super) fn count(&self, pass: Pass, outcome: Outcome, is_slow: bool) -> bool {
        let word = self.word();
        let is_counted = word.is_spotless()
            && word.generation() == pass.generation
            && outcome == Outcome::Success
            && !is_slow
            && self.running.end_in_time(pass.mark);
        if is_counted {
            self.succeeded.fetch_add(1, Ordering::Relaxed);
        }
        is_counted
    }

    /// Counts calls that went well under the lock.
    pub(super) fn add_succeeded(&self, calls: u64) {
        self.succeeded.fetch_add(calls, Ordering::Relaxed);
    }

    pub(super) fn succeeded(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// The limits of another policy.
    pub(super) fn follow(&self, policy: &Policy) {
        self.slow_after.store(slow_after(policy), Ordering::Relaxed);
        self.set(self.word().timed(policy.is_timed()));
    }

    /// Whether a call of this duration is slow: strictly longer than the limit.
    #[inline]
    pub(super) fn is_slow(&self, took: Duration) -> bool {
        nanos(took) > self.slow_after.load(Ordering::Relaxed)
    }

    /// Whatever is set is set under the lock.
    pub(super) fn set(&self, word: Word) {
        self.word.store(word.bits(), Ordering::Release);
    }

    pub(super) fn set_until(&self, until: u64) {
        self.until.store(until, Ordering::Release);
    }
}

fn slow_after(policy: &Policy) -> u64 {
    policy.slow.map_or(u64::MAX, |it| nanos(it.after))
}

pub(super) fn limit_while_running(policy: &Policy) -> Option<Duration> {
    policy.slow.filter(|it| it.while_running).map(|it| it.after)
}
