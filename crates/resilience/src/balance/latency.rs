//! Latency: the peak EWMA of one endpoint, in one atomic word.
//!
//! The upper half is the estimate in nanoseconds as an `f32`, all zeros where nothing is known; the lower half says when it was made,
//! in ticks of 2¹⁶ ns, which come round after 78 hours. Answers within one tick count as one, but for the worst.

use std::time::Duration;

use evenkeel_units::Moment;

use super::policy::PeakEwma;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a [`PeakEwma`] says, in the units of here.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Decay {
    /// In ticks.
    after: f32,
    /// In nanoseconds.
    first: f32,
}

impl Decay {
    /// In one word, to be shared.
    pub(super) fn bits(self) -> u64 {
        u64::from(self.after.to_bits()) << 32 | u64::from(self.first.to_bits())
    }

    pub(super) fn of_bits(bits: u64) -> Self {
        Self { after: f32::from_bits((bits >> 32) as u32), first: f32::from_bits(bits as u32) }
    }
}

impl From<PeakEwma> for Decay {
    fn from(of: PeakEwma) -> Self {
        Self { after: nanos(of.decay) / TICK, first: nanos(of.first) }
    }
}

const TICK: f32 = 65_536.0;

/// What a call says.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It was answered.
    Answer,
    /// It failed, and how quickly it did is no merit.
    Failure,
    /// It was given up after so long without an answer.
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct Latency {
    word: AtomicU64,
}

impl Latency {
    /// Takes in how long a call took.
    pub(super) fn observe(&self, now: Moment, took: Duration, said: Said, decay: Decay) {
        let (at, took) = (tick(now), nanos(took).max(1.0));
        let mut word = self.word.load(Relaxed);
        loop {
            let next = match unpack(word) {
                None if said == Said::Answer => took,
                // What has not answered so far is not known to be quick.
                None => took.max(decay.first),
                Some((estimate, _)) if took >= estimate => took,
                Some((estimate, then)) => match said {
                    Said::Nothing => return,
                    Said::Failure => estimate,
                    Said::Answer => match elapsed(at, then) {
                        0 => return,
                        ticks => {
                            let keeps = (-(ticks as f32) / decay.after).exp();
                            estimate * keeps + took * (1.0 - keeps)
                        }
                    },
                },
            };
            let next = u64::from(next.to_bits()) << 32 | u64::from(at);
            match self.word.compare_exchange_weak(word, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => word = other,
            }
        }
    }

    /// What one more call costs, beside those under way, which are a load of so many to it. It falls with time only while none is: silence
    /// is no good news.
    pub(super) fn cost(&self, now: Moment, (in_flight, load): (u32, u64), decay: Decay) -> f32 {
        let calls = load as f32 + 1.0;
        match unpack(self.word.load(Relaxed)) {
            None if in_flight == 0 => 0.0,
            None => decay.first * calls,
            Some((estimate, then)) if in_flight == 0 => match elapsed(tick(now), then) {
                0 => estimate,
                ticks => estimate * (-(ticks as f32) / decay.after).exp(),
            },
            Some((estimate, _)) => estimate * calls,
        }
    }

    /// The estimate as it was last made.
    pub(super) fn estimate(&self) -> Option<Duration> {
        let (estimate, _) = unpack(self.word.load(Relaxed))?;
        Some(Duration::from_nanos(estimate as u64))
    }
}

fn unpack(word: u64) -> Option<(f32, u32)> {
    let estimate = (word >> 32) as u32;
    (estimate != 0).then(|| (f32::from_bits(estimate), word as u32))
}

fn tick(of: Moment) -> u32 {
    let at = of.elapsed();
    let nanos = at.as_secs().wrapping_mul(1_000_000_000).wrapping_add(at.subsec_nanos().into());
    (nanos >> 16) as u32
}

/// From then to now; nothing where another thread has been later.
fn elapsed(now: u32, then: u32) -> u32 {
    let ticks = now.wrapping_sub(then);
    if ticks > u32::MAX / 2 { 0 } else { ticks }
}

fn nanos(of: Duration) -> f32 {
    of.as_secs_f32() * 1e9
}

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::at(Duration::from_millis(millis))
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn decay() -> Decay {
        PeakEwma::default().into()
    }

    fn known(latency: &Latency) -> u64 {
        latency.estimate().unwrap().as_millis() as u64
    }

    #[test]
    fn the_estimate_jumps_up_and_comes_down_by_a_part_of_time() {
        let latency = Latency::default();
        assert_eq!(latency.estimate(), None);
        latency.observe(at(0), millis(100), Said::Answer, decay());
        latency.observe(at(1), millis(900), Said::Answer, decay());
        assert_eq!(known(&latency), 900);
        latency.observe(at(10_001), millis(100), Said::Answer, decay());
        // 100 + 800 / e
        assert!(known(&latency).abs_diff(394) <= 1, "{}", known(&latency));
    }

    #[test]
    fn a_failure_or_a_call_given_up_is_never_good_news() {
        let latency = Latency::default();
        latency.observe(at(0), millis(1), Said::Failure, decay());
        assert_eq!(known(&latency), 1_000);
        latency.observe(at(20_000), millis(1), Said::Failure, decay());
        latency.observe(at(20_000), millis(1), Said::Nothing, decay());
        assert_eq!(known(&latency), 1_000);
        latency.observe(at(20_000), millis(3_000), Said::Nothing, decay());
        assert_eq!(known(&latency), 3_000);
    }

    #[test]
    fn an_idle_endpoint_gets_another_chance_and_a_silent_one_does_not() {
        let latency = Latency::default();
        latency.observe(at(0), millis(1_000), Said::Answer, decay());
        let cost =
            |now, calls: u32| (latency.cost(at(now), (calls, calls.into()), decay()) / 1e6) as u64;
        assert_eq!(cost(0, 0), 1_000);
        assert!(cost(100_000, 0) < 1);
        assert_eq!(cost(100_000, 1), 2_000);
    }

    #[test]
    fn what_nothing_is_known_of_gets_one_call_and_no_other() {
        let latency = Latency::default();
        assert!(latency.cost(at(0), (0, 0), decay()) < 1.0);
        assert!((latency.cost(at(0), (1, 1), decay()) - 2e9).abs() < 1e3);
    }

    #[test]
    fn a_clock_that_another_thread_has_seen_later_changes_nothing_for_the_worse() {
        let latency = Latency::default();
        latency.observe(at(5_000), millis(100), Said::Answer, decay());
        latency.observe(at(4_000), millis(10), Said::Answer, decay());
        assert_eq!(known(&latency), 100);
        assert_eq!((latency.cost(at(4_000), (0, 0), decay()) / 1e6) as u64, 100);
    }
}
