//! Chance: every random choice of a run comes from one seed, which every report prints.

use std::fmt;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The seed of a run. The same seed gives the same arrivals, targets and jitter.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// A generator for one purpose, named so that adding a choice elsewhere does not move this one.
    pub fn stream(self, purpose: &str) -> ChaCha8Rng {
        // FNV-1a: stable across versions and platforms, which a hasher of the standard library is not.
        let stream = purpose.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        rng.set_stream(stream);
        rng
    }

    /// Numbered choices for one purpose: whoever makes the `n`-th one, on whatever machine, makes the same.
    pub fn choices(self, purpose: &str) -> Choices {
        Choices { key: self.stream(purpose).next_u64() }
    }
}

/// Choices that are told apart by a number.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Choices {
    key: u64,
}

impl Choices {
    /// 64 random bits for choice `n`: SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom
    /// number generators", OOPSLA 2014).
    pub const fn bits(self, n: u64) -> u64 {
        mix(self.key.wrapping_add(n.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// A number below `limit` for choice `n`, each within 2⁻⁶⁴ of its share; 0 when `limit` is 0.
    pub const fn below(self, n: u64, limit: u64) -> u64 {
        scale(self.bits(n), limit)
    }

    /// Choices of choices: a stream of its own for each `n`.
    pub const fn of(self, n: u64) -> Self {
        Self { key: self.bits(n) }
    }
}

/// 2⁶⁴ by the golden ratio: multiples of it are far from one another.
pub const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Spreads a number over all bits, so that those of neighbours say nothing of each other: the finisher of SplitMix64. Every number
/// has one of its own, and 0 has 0.
#[inline]
pub const fn mix(of: u64) -> u64 {
    let of = (of ^ (of >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let of = (of ^ (of >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    of ^ (of >> 31)
}

/// Scales 64 random bits to a number below `limit`, which a remainder would do less evenly; 0 when `limit` is 0.
#[inline]
pub const fn scale(bits: u64, limit: u64) -> u64 {
    ((bits as u128 * limit as u128) >> 64) as u64
}

/// 64 random bits as a number from 0 to below 1, in steps of 2⁻⁵³.
#[inline]
pub const fn part(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_purpose_give_the_same_numbers_and_another_purpose_others() {
        let first = |purpose| Seed(7).stream(purpose).next_u64();
        assert_eq!(first("targets"), first("targets"));
        assert_ne!(first("targets"), first("jitter"));
    }

    #[test]
    fn numbered_choices_are_even_and_do_not_depend_on_who_makes_them() {
        let choices = Seed(7).choices("routes");
        let mut counts = [0u32; 10];
        (0..10_000).for_each(|n| counts[choices.below(n, 10) as usize] += 1);
        assert!(counts.iter().all(|it| it.abs_diff(1_000) < 150), "{counts:?}");
        assert_eq!(choices.bits(77), Seed(7).choices("routes").bits(77));
        assert_ne!(choices.of(1).bits(0), choices.of(2).bits(0));
        assert_eq!(choices.below(3, 0), 0);
    }
}
