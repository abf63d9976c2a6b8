//! Chance: every random choice of a run comes from one seed, which every report prints.

use std::fmt;

use rand::SeedableRng;
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
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn the_same_seed_and_purpose_give_the_same_numbers_and_another_purpose_others() {
        let first = |purpose| Seed(7).stream(purpose).next_u64();
        assert_eq!(first("targets"), first("targets"));
        assert_ne!(first("targets"), first("jitter"));
    }
}
