//! Said: the few answers that strangers get, rendered long before anybody asks.
//!
//! Without details there are only fifteen of them. Which one holds is a number, and lies in one atomic word together with the
//! moment until which it holds. So an answer is one load, one look at the clock and one slice of constant bytes. What holds no
//! longer is never said: should everything be stuck that says anew what does, whoever asks does so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evenkeel_units::Moment;

/// An answer without details.
#[repr(u8)]
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Alive,
    Dead,
    Ready,
    NotReady,
    ReadyStarting,
    ReadyUnknown,
    ReadyDraining,
    Started,
    Starting,
    Healthy,
    Degraded,
    Unhealthy,
    HealthStarting,
    HealthUnknown,
    HealthDraining,
}

/// In the order of [`Said`]: what holds, whether that is good, the word for it, and all of the body.
const TABLE: [(Said, bool, &str, &str); 15] = [
    (Said::Alive, true, "alive", r#"{"status":"alive"}"#),
    (Said::Dead, false, "dead", r#"{"status":"dead"}"#),
    (Said::Ready, true, "ready", r#"{"status":"ready"}"#),
    (Said::NotReady, false, "not_ready", r#"{"status":"not_ready"}"#),
    (Said::ReadyStarting, false, "not_ready", r#"{"status":"not_ready","reason":"starting"}"#),
    (Said::ReadyUnknown, false, "not_ready", r#"{"status":"not_ready","reason":"unknown"}"#),
    (Said::ReadyDraining, false, "not_ready", r#"{"status":"not_ready","reason":"draining"}"#),
    (Said::Started, true, "started", r#"{"status":"started"}"#),
    (Said::Starting, false, "starting", r#"{"status":"starting"}"#),
    (Said::Healthy, true, "healthy", r#"{"status":"healthy"}"#),
    (Said::Degraded, true, "degraded", r#"{"status":"degraded"}"#),
    (Said::Unhealthy, false, "unhealthy", r#"{"status":"unhealthy"}"#),
    (Said::HealthStarting, false, "unhealthy", r#"{"status":"unhealthy","reason":"starting"}"#),
    (Said::HealthUnknown, false, "unhealthy", r#"{"status":"unhealthy","reason":"unknown"}"#),
    (Said::HealthDraining, false, "unhealthy", r#"{"status":"unhealthy","reason":"draining"}"#),
];

impl Said {
    /// All of them.
    #[cfg(any(test, feature = "server"))]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|it| it.0)
    }

    /// Whether who asks may be glad.
    pub(crate) const fn is_good(self) -> bool {
        TABLE[self as usize].1
    }

    /// The status of HTTP: 200, or 503.
    pub(crate) const fn code(self) -> u16 {
        if self.is_good() { 200 } else { 503 }
    }

    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        TABLE[self as usize].2
    }

    /// Why, in a word, where the status is not all there is to it.
    pub(crate) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::ReadyStarting | Self::HealthStarting => Some("starting"),
            Self::ReadyUnknown | Self::HealthUnknown => Some("unknown"),
            Self::ReadyDraining | Self::HealthDraining => Some("draining"),
            _ => None,
        }
    }

    /// All of the body.
    pub(crate) const fn body(self) -> &'static str {
        TABLE[self as usize].3
    }

    const fn of(number: u8) -> Self {
        // A number that is none of ours is never written; were it, the first would be the least harm.
        TABLE[if (number as usize) < TABLE.len() { number as usize } else { 0 }].0
    }
}

/// What holds and until when, which anybody reads with one load.
///
/// Bits, from the top: 8 for what holds, 56 for the milliseconds until it does no longer (two million years; all ones for never).
#[derive(Debug)]
pub(crate) struct Word(AtomicU64);

const NEVER: u64 = (1 << 56) - 1;

impl Word {
    /// That this holds, until then if that is ever over.
    pub(crate) fn new(said: Said, until: Option<Moment>) -> Self {
        Self(AtomicU64::new(pack(said, until)))
    }

    /// From here on holds this.
    pub(crate) fn set(&self, said: Said, until: Option<Moment>) {
        self.0.store(pack(said, until), Ordering::Release);
    }

    /// What holds at a moment; `None` if what held is over and nobody said anew what does.
    pub(crate) fn get(&self, now: Moment) -> Option<Said> {
        let word = self.0.load(Ordering::Acquire);
        let until = word & NEVER;
        let is_over = until != NEVER && millis(now.elapsed()) >= until;
        (!is_over).then(|| Said::of((word >> 56) as u8))
    }
}

/// Ends are rounded up, so that what holds is never cut short.
fn pack(said: Said, until: Option<Moment>) -> u64 {
    let until = until.map_or(NEVER, |it| {
        millis(it.elapsed().saturating_add(Duration::from_nanos(999_999))).min(NEVER)
    });
    u64::from(said as u8) << 56 | until
}

fn millis(it: Duration) -> u64 {
    u64::try_from(it.as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_stands_at_its_own_number_and_its_body_says_its_word() {
        for (number, said) in (0..).zip(Said::all()) {
            assert_eq!(said as u8, number);
            assert_eq!(Said::of(number), said);
            let body: serde_json::Value = serde_json::from_str(said.body()).unwrap();
            assert_eq!(body["status"], said.word());
            assert_eq!(body.get("reason").and_then(|it| it.as_str()), said.reason());
        }
    }

    #[test]
    fn what_nobody_renews_is_over_in_time() {
        let at = |millis| Moment::at(Duration::from_millis(millis));
        let word = Word::new(Said::Alive, None);
        assert_eq!(word.get(at(u64::from(u32::MAX))), Some(Said::Alive));
        word.set(Said::HealthDraining, Some(at(1_500)));
        assert_eq!(word.get(at(1_499)), Some(Said::HealthDraining));
        assert_eq!(word.get(at(1_500)), None);
    }

    #[test]
    fn an_end_beyond_all_time_is_never() {
        let word = Word::new(Said::Ready, Some(Moment::at(Duration::MAX)));
        assert_eq!(word.get(Moment::at(Duration::from_secs(1 << 30))), Some(Said::Ready));
    }
}
