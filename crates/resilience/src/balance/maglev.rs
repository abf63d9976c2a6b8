//! Maglev: a table that says for each key which endpoint it belongs to.
//!
//! Every endpoint has its own order in which it likes the places of the table, by its name; in turns, each takes the first in its order that
//! is free. So shares are even, keys that stay with an endpoint are almost all when another comes or goes, and all who know
//! the same endpoints agree, whatever order they know them in. (D. Eisenbud et al., *Maglev: A Fast and Reliable Software
//! Network Load Balancer*, 2016, section 3.4; weights as turns are Envoy's.)

use evenkeel_units::chance::mix;

pub(super) const TABLE_MIN: u32 = 101;
pub(super) const TABLE_MAX: u32 = 1_000_003;

/// A hash that is the same in every process and version: FNV-1a, mixed.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

/// By trial: there are few divisors below the root of the largest table.
pub(super) const fn is_prime(of: u32) -> bool {
    let mut divisor = 2;
    while divisor * divisor <= of {
        if of.is_multiple_of(divisor) {
            return false;
        }
        divisor += 1;
    }
    of > 1
}

/// An endpoint that has taken some places.
struct Claim {
    index: u16,
    /// Which place is the next in its order.
    place: u32,
    /// From one place to the next in its order; less than the size of the table, which is prime, so that it comes to all.
    step: u32,
    weight: u64,
    /// Takes a turn when the weights of all rounds so far reach this.
    due: u64,
}

/// Which endpoint each of `size` places belongs to; `of` are hash of the name, and weight, in the order in which they are numbered.
/// Empty for none.
pub(super) fn table(of: &[(u64, u32)], size: u32) -> Box<[u16]> {
    const FREE: u16 = u16::MAX;
    let heaviest = of.iter().map(|it| u64::from(it.1)).max().unwrap_or(0);
    let mut claims: Vec<Claim> = (0u16..)
        .zip(of)
        .map(|(index, (hash, weight))| Claim {
            index,
            place: (hash % u64::from(size)) as u32,
            step: (mix(hash.wrapping_add(1)) % u64::from(size - 1)) as u32 + 1,
            weight: (*weight).into(),
            due: heaviest,
        })
        .collect();
    if claims.is_empty() {
        return Box::default();
    }
    // Who comes first must not depend on the order in which they were told.
    claims.sort_by_key(|it| (of[usize::from(it.index)].0, it.index));
    let mut table = vec![FREE; size as usize];
    let mut free = size;
    for round in 1.. {
        for claim in &mut claims {
            if round * claim.weight < claim.due {
                continue;
            }
            claim.due += heaviest;
            while table[claim.place as usize] != FREE {
                claim.place = (claim.place + claim.step) % size;
            }
            table[claim.place as usize] = claim.index;
            free -= 1;
            if free == 0 {
                return table.into();
            }
        }
    }
    unreachable!("the heaviest takes a place in each round")
}

/// What a key thinks of an endpoint: the best of those that may be called has it while its own may not. Keys of one endpoint
/// spread over all others by weight, and no other key moves. (*Weighted rendezvous hashing*: J. Schindelhauer,
/// G. Schomaker, *Weighted Distributed Hash Tables*, 2005.)
pub(super) fn liking(key: u64, hash: u64, weight: u32) -> f64 {
    // In the open interval from 0 to 1.
    let part = ((mix(key ^ hash.rotate_left(32)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    f64::from(weight) / -part.ln()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn named(names: impl IntoIterator<Item = (u32, u32)>) -> Vec<(u64, u32)> {
        names
            .into_iter()
            .map(|(name, weight)| (hash(format!("10.0.0.{name}:80").as_bytes()), weight))
            .collect()
    }

    #[test]
    fn primes_are_told_from_other_numbers() {
        let primes: Vec<u32> = (0..30).filter(|it| is_prime(*it)).collect();
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        assert!([TABLE_MIN, 65_537, TABLE_MAX].into_iter().all(is_prime));
        assert!(!is_prime(65_536) && !is_prime(u32::MAX));
    }

    #[test]
    fn no_endpoint_makes_an_empty_table_and_one_has_it_all() {
        assert!(table(&[], 101).is_empty());
        assert!(table(&named([(1, 1)]), 101).iter().all(|it| *it == 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn shares_are_those_of_the_weights(weights in prop::collection::vec(1u32..=8, 1..=20)) {
            let size = 10_007;
            let all: u32 = weights.iter().sum();
            let mut counts = BTreeMap::new();
            for index in table(&named((0..).zip(weights.iter().copied())), size) {
                *counts.entry(usize::from(index)).or_insert(0u32) += 1;
            }
            for (index, weight) in weights.iter().enumerate() {
                let (has, fair) = (f64::from(counts[&index]), f64::from(size * weight) / f64::from(all));
                prop_assert!((has - fair).abs() <= fair * 0.02 + 9.0, "{has} of {fair}");
            }
        }

        #[test]
        fn one_endpoint_more_moves_little_beyond_its_own_share(endpoints in 1u32..=20) {
            let size = 10_007;
            let before = table(&named((0..endpoints).map(|it| (it, 1))), size);
            let after = table(&named((0..=endpoints).map(|it| (it, 1))), size);
            let moved = before.iter().zip(&after).filter(|(one, other)| one != other).count();
            let own = after.iter().filter(|it| u32::from(**it) == endpoints).count();
            prop_assert!(moved - own <= size as usize / 20, "{moved} moved for {own}");
        }

        #[test]
        fn all_who_know_the_same_endpoints_agree(
            endpoints in Just((0u32..12).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let names = |of: Vec<u32>| {
                let table = table(&named(of.iter().map(|it| (*it, 1))), 1_009);
                table.iter().map(|it| of[usize::from(*it)]).collect::<Vec<_>>()
            };
            prop_assert_eq!(names(endpoints), names((0..12).collect()));
        }
    }
}
