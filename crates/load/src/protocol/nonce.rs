//! Nonces: numbers that nobody else can guess.
//!
//! Keys and masks of WebSocket and numbers of DNS queries protect against others on the way, so they do not
//! come from the seed of a run. Nothing that is counted depends on them.

use std::hash::{BuildHasher, RandomState};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A source of its own for each worker. What the standard library seeds its hash maps with is from the system.
pub(super) fn source() -> ChaCha8Rng {
    let mut seed = [0; 32];
    for (number, word) in seed.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&RandomState::new().hash_one(number).to_le_bytes());
    }
    ChaCha8Rng::from_seed(seed)
}
