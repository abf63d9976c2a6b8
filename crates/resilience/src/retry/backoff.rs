//! Backoff: how long to wait before the next attempt.
//!
//! ```text
//!  raw     base · factorⁿ, n = 0, 1, 2 …
//!
//!  Full          [0, raw]                      spreads the most, waits the least on average
//!  Equal         [raw/2, raw]                  never comes back at once
//!  Decorrelated  [base, 3 · the wait before]   each client wanders on its own
//!  PlusMinus(r)  [raw·(1-r), raw·(1+r)]        close to the schedule, for few clients
//!  None          raw                           for tests, and where one client is all there is
//! ```
//!
//! A wait is drawn evenly from its interval, both ends included, and the interval is cut at the cap *before* the draw. Cutting
//! the wait that was drawn would put every long wait on the cap, where the clients meet again.
//!
//! Sources: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, for the first three.

use std::time::Duration;

use evenkeel_units::{Ratio, nanos};
use rand::Rng;

/// How waits are spread, so that clients that failed together do not come back together.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum Jitter {
    /// Evenly between nothing and the whole wait.
    #[default]
    Full,
    /// Evenly over the upper half of the wait.
    Equal,
    /// Evenly between the base and three times the wait before; the factor is not used.
    Decorrelated,
    /// Evenly around the wait, by this share of it to both sides.
    PlusMinus(#[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::ratio"))] Ratio),
    /// None at all.
    None,
}

/// How long to wait before each further attempt.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Backoff {
    /// The wait before the second attempt, before jitter.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub base: Duration,
    /// What each wait is multiplied by for the next; 1 keeps it as it is.
    pub factor: u32,
    /// No wait is longer than this, jitter included.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::text::duration"))]
    pub cap: Duration,
    /// How waits are spread.
    pub jitter: Jitter,
}

impl Default for Backoff {
    /// 50 ms doubled each time, never more than 2 s, with full jitter: a short hiccup is over by the second wait, and a
    /// caller who waits for the answer is still there after the third.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(50),
            factor: 2,
            cap: Duration::from_secs(2),
            jitter: Jitter::Full,
        }
    }
}

impl Backoff {
    /// The default from `base` to `cap`.
    pub fn between(base: Duration, cap: Duration) -> Self {
        Self { base, cap, ..Self::default() }
    }

    /// The same with another jitter.
    pub const fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// The wait after `made` failed attempts, of which the last was preceded by a wait of `previous` (zero for the first).
    pub fn wait(&self, made: u32, previous: Duration, chance: &mut impl Rng) -> Duration {
        self.draw(made, previous, chance.next_u64())
    }

    /// The same by 64 random bits, for who has numbered choices ([`evenkeel_units::Choices`]) instead of a generator.
    pub fn draw(&self, made: u32, previous: Duration, bits: u64) -> Duration {
        let (least, most) = self.bounds(made, previous);
        let (least, most) = (nanos(least), nanos(most));
        // Scaled by multiplication: each wait within 2⁻⁶⁴ of its share.
        let span = u128::from(most - least) + 1;
        let part = (u128::from(bits) * span) >> 64;
        Duration::from_nanos(least + u64::try_from(part).unwrap_or(u64::MAX))
    }

    /// The shortest and the longest wait that may follow after `made` failed attempts and a wait of `previous`.
    pub fn bounds(&self, made: u32, previous: Duration) -> (Duration, Duration) {
        let raw = self.raw(made);
        let (least, most) = match self.jitter {
            Jitter::Full => (Duration::ZERO, raw),
            Jitter::Equal => (raw / 2, raw),
            Jitter::Decorrelated => (self.base, previous.max(self.base).saturating_mul(3)),
            Jitter::PlusMinus(share) => {
                let aside = part(raw, share);
                (raw.saturating_sub(aside), raw.saturating_add(aside))
            }
            Jitter::None => (raw, raw),
        };
        (least.min(self.cap), most.min(self.cap))
    }

    /// The wait after `made` failed attempts, before jitter, and not above the cap.
    fn raw(&self, made: u32) -> Duration {
        let factor = u64::from(self.factor).saturating_pow(made.saturating_sub(1));
        Duration::from_nanos(nanos(self.base).saturating_mul(factor)).min(self.cap)
    }
}

fn part(of: Duration, share: Ratio) -> Duration {
    let part = u128::from(nanos(of)) * u128::from(share.billionths()) / 1_000_000_000;
    Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_units::Seed;
    use proptest::prelude::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let backoff = Backoff::between(ms(100), ms(350)).jitter(Jitter::None);
        let waits: Vec<_> =
            (1..6).map(|made| backoff.draw(made, ms(0), u64::MAX).as_millis()).collect();
        assert_eq!(waits, [100, 200, 350, 350, 350]);
    }

    #[test]
    fn each_jitter_has_its_interval() {
        let of = |jitter, made, previous| {
            let backoff = Backoff::between(ms(100), ms(1_000)).jitter(jitter);
            let (least, most) = backoff.bounds(made, ms(previous));
            (least.as_millis(), most.as_millis())
        };
        assert_eq!(of(Jitter::Full, 2, 0), (0, 200));
        assert_eq!(of(Jitter::Equal, 2, 0), (100, 200));
        assert_eq!(of(Jitter::Decorrelated, 1, 0), (100, 300));
        assert_eq!(of(Jitter::Decorrelated, 2, 250), (100, 750));
        assert_eq!(of(Jitter::Decorrelated, 3, 900), (100, 1_000));
        assert_eq!(of(Jitter::PlusMinus(Ratio::percent(50)), 2, 0), (100, 300));
        assert_eq!(of(Jitter::PlusMinus(Ratio::percent(50)), 9, 0), (500, 1_000));
    }

    #[test]
    fn full_jitter_spreads_over_the_whole_wait() {
        let backoff = Backoff::between(ms(1_000), ms(1_000));
        let mut chance = Seed(7).stream("retry");
        let waits: Vec<_> =
            (0..1000).map(|_| backoff.wait(1, ms(0), &mut chance).as_secs_f64()).collect();
        let mean = waits.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(waits.iter().any(|it| *it < 0.05) && waits.iter().any(|it| *it > 0.95));
    }

    #[test]
    fn few_of_the_long_waits_are_the_cap_itself() {
        for jitter in [Jitter::Decorrelated, Jitter::PlusMinus(Ratio::percent(50))] {
            let backoff = Backoff::between(ms(100), ms(1_000)).jitter(jitter);
            let mut chance = Seed(7).stream("retry");
            let at_cap =
                (0..1000).filter(|_| backoff.wait(9, ms(900), &mut chance) > ms(999)).count();
            assert!(at_cap < 20, "{jitter:?}: {at_cap}");
        }
    }

    fn any_jitter() -> impl Strategy<Value = Jitter> {
        prop_oneof![
            Just(Jitter::Full),
            Just(Jitter::Equal),
            Just(Jitter::Decorrelated),
            (0u32..=100).prop_map(|it| Jitter::PlusMinus(Ratio::percent(it))),
            Just(Jitter::None),
        ]
    }

    proptest! {
        #[test]
        fn a_wait_is_within_its_bounds_and_never_above_the_cap(
            base: u64, cap: u64, factor: u32, made: u32, previous: u64, bits: u64,
            jitter in any_jitter(),
        ) {
            let (base, cap) = (Duration::from_nanos(base), Duration::from_nanos(cap));
            let backoff = Backoff { base, factor, cap, jitter };
            let previous = Duration::from_nanos(previous);
            let (least, most) = backoff.bounds(made, previous);
            let wait = backoff.draw(made, previous, bits);
            prop_assert!(least <= wait && wait <= most && most <= cap);
            prop_assert_eq!(backoff.draw(made, previous, 0), least);
            prop_assert_eq!(backoff.draw(made, previous, u64::MAX), most);
        }
    }
}
