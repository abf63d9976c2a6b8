//! Idempotency: whether doing something twice does the same as doing it once, and the key that makes it so.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use rand::Rng;

/// The header by which a client tells the server that two requests are one (draft-ietf-httpapi-idempotency-key-header).
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Whether a call may be made again after it may have had its effect.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// Twice is as once, by its nature.
    Safe,
    /// Twice is as once for a server that knows it by a key, one after the other: it is tried again, but not [hedged](crate::hedge), as
    /// who comes while the first is under way is told so (409) and not answered; nor sent to another service, which may know other keys.
    Keyed,
    /// Twice is not as once. It is tried again only if it was certainly never done.
    Unsafe,
}

impl Idempotency {
    /// Of a request of HTTP: safe by its method (RFC 9110, section 9.2.2: GET, HEAD, OPTIONS, TRACE, PUT, DELETE), or by the
    /// key that it carries. Methods that are not known are unsafe without one.
    pub fn of_method(method: &str, has_key: bool) -> Self {
        match method {
            "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE" => Self::Safe,
            _ if has_key => Self::Keyed,
            _ => Self::Unsafe,
        }
    }
}

/// A key that tells a server which requests are one: 122 random bits, written as a UUID of version 4.
///
/// Make one for each thing that is to happen once, *before* the first attempt, and send it with every attempt.
///
/// ```
/// use evenkeel_resilience::retry::Key;
///
/// let key = Key::random();
/// assert_eq!(key.to_string().len(), 36);
/// assert_ne!(key, Key::random());
/// ```
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u128);

impl Key {
    /// A new key, from the source by which the standard library seeds its maps, which is the system's. It is like no other; that nobody
    /// could guess it is not promised.
    pub fn random() -> Self {
        let source = RandomState::new();
        Self::of([0, 1].map(|half: u8| source.hash_one(half)))
    }

    /// The same by a generator, for tests and simulations that repeat. Elsewhere it has to be one whose seed nobody else has: keys that
    /// repeat make two orders one.
    pub fn new(chance: &mut impl Rng) -> Self {
        Self::of([(); 2].map(|()| chance.next_u64()))
    }

    fn of([first, second]: [u64; 2]) -> Self {
        let bits = u128::from(first) << 64 | u128::from(second);
        // Version 4, variant 10 (RFC 9562, section 5.4).
        Self(bits & !(0xf << 76) & !(0b11 << 62) | 0x4 << 76 | 0b10 << 62)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bits) = self;
        let (first, last) = (bits >> 96, bits & 0xffff_ffff_ffff);
        let [second, third, fourth] = [80, 64, 48].map(|it| bits >> it & 0xffff);
        write!(f, "{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{last:012x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_units::Seed;

    #[test]
    fn a_method_that_is_not_safe_by_itself_is_so_with_a_key_only() {
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
            assert_eq!(Idempotency::of_method(method, false), Idempotency::Safe, "{method}");
            assert_eq!(Idempotency::of_method(method, true), Idempotency::Safe, "{method}");
        }
        for method in ["POST", "PATCH", "CONNECT", "get", ""] {
            assert_eq!(Idempotency::of_method(method, false), Idempotency::Unsafe, "{method}");
            assert_eq!(Idempotency::of_method(method, true), Idempotency::Keyed, "{method}");
        }
    }

    #[test]
    fn keys_are_uuids_of_version_4_and_differ() {
        let mut chance = Seed(7).stream("keys");
        let seeded = (0..100).map(|_| Key::new(&mut chance).to_string());
        let random = (0..100).map(|_| Key::random().to_string());
        let keys: std::collections::BTreeSet<_> = seeded.chain(random).collect();
        assert_eq!(keys.len(), 200);
        for key in keys {
            let parts: Vec<_> = key.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12]);
            assert_eq!(key.as_bytes()[14], b'4', "{key}");
            assert!(b"89ab".contains(&key.as_bytes()[19]), "{key}");
        }
    }
}
