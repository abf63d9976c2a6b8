//! Sip: the hash of keys that strangers may choose.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use evenkeel_units::Seed;

/// SipHash-1-3 with a secret key: who does not know it cannot make keys collide (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast
/// short-input PRF", INDOCRYPT 2012).
///
/// The function of the standard library's [`RandomState`], which is built for input of any length in any pieces. This one is for keys,
/// which are short and come in few pieces, and takes three fifths of the instructions for a name of eleven bytes (122 of 211).
#[derive(Clone)]
pub struct SipKeys {
    keys: [u64; 2],
}

impl SipKeys {
    /// With keys that nobody knows, from the source of the standard library's.
    pub fn random() -> Self {
        let source = RandomState::new();
        Self { keys: [0, 1].map(|it: u8| source.hash_one(it)) }
    }

    /// With a key that is no secret: a function of the seed.
    pub(super) const fn of(Seed(seed): Seed) -> Self {
        Self { keys: [seed, 0] }
    }
}

impl Default for SipKeys {
    fn default() -> Self {
        Self::random()
    }
}

impl BuildHasher for SipKeys {
    type Hasher = SipHasher;

    #[inline]
    fn build_hasher(&self) -> SipHasher {
        let [low, high] = self.keys;
        SipHasher {
            v: [
                low ^ 0x736f_6d65_7073_6575,
                high ^ 0x646f_7261_6e64_6f6d,
                low ^ 0x6c79_6765_6e65_7261,
                high ^ 0x7465_6462_7974_6573,
            ],
            tail: 0,
            tail_bits: 0,
            length: 0,
        }
    }
}

/// One key being hashed by [`SipKeys`].
#[derive(Clone)]
pub struct SipHasher {
    v: [u64; 4],
    /// The bytes that are no whole word yet, the first lowest.
    tail: u64,
    /// How many bits these are, below 64.
    tail_bits: u32,
    length: u64,
}

#[inline]
const fn round([mut v0, mut v1, mut v2, mut v3]: [u64; 4]) -> [u64; 4] {
    v0 = v0.wrapping_add(v1);
    v2 = v2.wrapping_add(v3);
    v1 = v1.rotate_left(13) ^ v0;
    v3 = v3.rotate_left(16) ^ v2;
    v0 = v0.rotate_left(32);
    v2 = v2.wrapping_add(v1);
    v0 = v0.wrapping_add(v3);
    v1 = v1.rotate_left(17) ^ v2;
    v3 = v3.rotate_left(21) ^ v0;
    [v0, v1, v2.rotate_left(32), v3]
}

impl SipHasher {
    #[inline]
    fn word(&mut self, word: u64) {
        self.v[3] ^= word;
        self.v = round(self.v);
        self.v[0] ^= word;
    }

    /// Takes the lowest bytes of `word`, whose others are zero: so many bits of it, up to 64.
    #[inline]
    fn push(&mut self, word: u64, bits: u32) {
        let whole = self.tail | word << self.tail_bits;
        let filled = self.tail_bits + bits;
        if filled < 64 {
            (self.tail, self.tail_bits) = (whole, filled);
        } else {
            // What did not fit; in two steps, as it may be nothing.
            let rest = (word >> 1) >> (63 - self.tail_bits);
            self.word(whole);
            (self.tail, self.tail_bits) = (rest, filled - 64);
        }
    }

    #[inline]
    fn number(&mut self, number: u64, bits: u32) {
        self.length += u64::from(bits / 8);
        self.push(number, bits);
    }
}

/// At most seven bytes as a word, and how many bits these are. Of overlapping pieces, as what they have in common is the same.
#[inline]
fn gathered(bytes: &[u8]) -> (u64, u32) {
    let bits = bytes.len() as u32 * 8;
    let word = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>(), bytes) {
        (Some(first), Some(last), _) => {
            let [first, last] = [*first, *last].map(u32::from_le_bytes).map(u64::from);
            first | last << (bits - 32)
        }
        (_, _, [first, .., last]) => {
            let middle = bytes.len() / 2;
            let middle = u64::from(bytes[middle]) << (middle * 8);
            u64::from(*first) | middle | u64::from(*last) << (bits - 8)
        }
        (_, _, [byte]) => u64::from(*byte),
        _ => 0,
    };
    (word, bits)
}

impl Hasher for SipHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let (words, rest) = bytes.as_chunks::<8>();
        if self.tail_bits == 0 {
            // The name that is the whole key, or its first part.
            words.iter().for_each(|it| self.word(u64::from_le_bytes(*it)));
            (self.tail, self.tail_bits) = gathered(rest);
        } else {
            words.iter().for_each(|it| self.push(u64::from_le_bytes(*it), 64));
            let (word, bits) = gathered(rest);
            self.push(word, bits);
        }
    }

    #[inline]
    fn write_u8(&mut self, it: u8) {
        self.number(u64::from(it), 8);
    }

    #[inline]
    fn write_u16(&mut self, it: u16) {
        self.number(u64::from(it), 16);
    }

    #[inline]
    fn write_u32(&mut self, it: u32) {
        self.number(u64::from(it), 32);
    }

    #[inline]
    fn write_u64(&mut self, it: u64) {
        self.number(it, 64);
    }

    #[inline]
    fn write_usize(&mut self, it: usize) {
        self.number(it as u64, 64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        let mut last = self.clone();
        last.word(self.length << 56 | self.tail);
        last.v[2] ^= 0xff;
        round(round(round(last.v))).into_iter().fold(0, |hash, it| hash ^ it)
    }
}

impl fmt::Debug for SipKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The keys are a secret.
        f.debug_struct("SipKeys").finish_non_exhaustive()
    }
}

impl fmt::Debug for SipHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SipHasher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(keys: [u64; 2], pieces: &[&[u8]]) -> u64 {
        let mut hasher = SipKeys { keys }.build_hasher();
        pieces.iter().for_each(|it| hasher.write(it));
        hasher.finish()
    }

    #[test]
    fn it_is_siphash_1_3() {
        // The first of the vectors of the reference implementation: key 00 01 … 0f, no message.
        let keys = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let bytes = [0xdc, 0xc4, 0x0f, 0x05, 0x58, 0x01, 0xac, 0xab];
        assert_eq!(hash(keys, &[]).to_le_bytes(), bytes);
    }

    fn of_std(bytes: &[u8]) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(bytes);
        hasher.finish()
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_standard_library_however_it_is_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0usize..80, then in 0usize..80,
        ) {
            let (first, rest) = bytes.split_at(at.min(bytes.len()));
            let (second, third) = rest.split_at(then.min(rest.len()));
            prop_assert_eq!(hash([0, 0], &[first, second, third]), of_std(&bytes));
        }

        #[test]
        fn numbers_are_their_bytes(numbers in any::<(u8, u16, u32, u64, u128)>()) {
            let (a, b, c, d, e) = numbers;
            let mut hasher = SipKeys { keys: [0, 0] }.build_hasher();
            hasher.write_u8(a);
            hasher.write_u16(b);
            hasher.write_u32(c);
            hasher.write_u64(d);
            hasher.write_u128(e);
            let mut bytes = vec![a];
            bytes.extend(b.to_le_bytes());
            bytes.extend(c.to_le_bytes());
            bytes.extend(d.to_le_bytes());
            bytes.extend(e.to_ne_bytes());
            prop_assert_eq!(hasher.finish(), of_std(&bytes));
        }
    }
}
