//! Stale cache: yesterday's answer is better than none, up to a point.
//!
//! ```text
//!  age     0 ────────── ttl ─────────────────── stale ttl ─────────▶
//!          │   Fresh     │        Stale            │     Missing
//!          │ use it,     │ ask the owner first;    │ nothing to fall
//!          │ do not ask  │ use it if that fails    │ back on
//! ```
//!
//! For answers that age gracefully (recommendations, profiles, prices for display). Not for what must
//! be right or absent, such as stock at the moment of sale, balances or permissions.
//!
//! What it holds is bounded: beyond the capacity the entry that was used longest ago makes room. A
//! slow fetch that began before the entry it would replace does not overwrite it, because the age of
//! an answer is counted from when it was *asked for*, which is never later than when it was true.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_units::Moment;

/// What the cache has under a key.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Lookup<'a, V> {
    /// Young enough to be used without asking.
    Fresh(&'a V),
    /// To be used only if its owner cannot be asked.
    Stale {
        /// The last known answer.
        value: &'a V,
        /// How old it is.
        age: Duration,
    },
    /// Nothing, or nothing young enough.
    Missing,
}

/// A bounded cache that tells fresh from stale.
#[derive(Debug)]
pub struct StaleCache<K, V> {
    ttl: Duration,
    stale_ttl: Duration,
    capacity: usize,
    entries: BTreeMap<K, Entry<V>>,
    /// Keys by the number of their last use, the longest unused first.
    by_use: BTreeMap<u64, K>,
    uses: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    asked_at: Moment,
    used: u64,
}

impl<K: Ord + Clone, V> StaleCache<K, V> {
    /// A cache whose answers are fresh for `ttl` and usable in need for `stale_ttl` (both counted from
    /// when they were asked for), and that holds at most `capacity` of them.
    pub fn new(ttl: Duration, stale_ttl: Duration, capacity: usize) -> Self {
        let stale_ttl = stale_ttl.max(ttl);
        let (entries, by_use) = (BTreeMap::new(), BTreeMap::new());
        Self { ttl, stale_ttl, capacity, entries, by_use, uses: 0 }
    }

    /// What there is for `key`.
    pub fn look(&mut self, now: Moment, key: &K) -> Lookup<'_, V> {
        let Some(age) = self.entries.get(key).map(|it| now - it.asked_at) else {
            return Lookup::Missing;
        };
        if age >= self.stale_ttl {
            self.remove(key);
            return Lookup::Missing;
        }
        self.touch(key);
        match self.entries.get(key) {
            Some(entry) if age < self.ttl => Lookup::Fresh(&entry.value),
            Some(entry) => Lookup::Stale { value: &entry.value, age },
            None => unreachable!("a key that was just touched is there"),
        }
    }

    /// Keeps an answer that was asked for at `asked_at`, unless a younger one is already here.
    pub fn insert(&mut self, asked_at: Moment, key: K, value: V) {
        if self.capacity == 0 || self.entries.get(&key).is_some_and(|it| it.asked_at > asked_at) {
            return;
        }
        self.remove(&key);
        if self.entries.len() >= self.capacity
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        self.entries.insert(key, Entry { value, asked_at, used: self.uses });
    }

    /// How many answers it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn touch(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            self.uses += 1;
            if let Some(key) = self.by_use.remove(&entry.used) {
                self.by_use.insert(self.uses, key);
            }
            entry.used = self.uses;
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: u64) -> Moment {
        Moment::at(Duration::from_secs(second))
    }

    fn cache(capacity: usize) -> StaleCache<u8, u32> {
        StaleCache::new(Duration::from_secs(10), Duration::from_mins(1), capacity)
    }

    /// Plays `script` (`<second> put|look <key>`; a put stores the second) and renders the answers.
    fn play(capacity: usize, script: &str) -> String {
        let mut cache = cache(capacity);
        let mut out = Vec::new();
        for line in script.lines().map(str::trim) {
            let words: Vec<_> = line.split(' ').collect();
            let (second, key): (u64, u8) = (words[0].parse().unwrap(), words[2].parse().unwrap());
            match words[1] {
                "put" => cache.insert(at(second), key, u32::try_from(second).unwrap()),
                _ => out.push(match cache.look(at(second), &key) {
                    Lookup::Fresh(value) => format!("{second} fresh {value}"),
                    Lookup::Stale { value, age } => format!("{second} stale {value} of {age:?}"),
                    Lookup::Missing => format!("{second} missing"),
                }),
            }
        }
        out.join("\n")
    }

    #[test]
    fn an_answer_is_fresh_then_stale_then_gone() {
        assert_eq!(
            play(4, "0 look 1\n0 put 1\n9 look 1\n10 look 1\n59 look 1\n60 look 1"),
            "0 missing\n9 fresh 0\n10 stale 0 of 10s\n59 stale 0 of 59s\n60 missing"
        );
    }

    #[test]
    fn the_answer_unused_for_longest_makes_room() {
        assert_eq!(
            play(2, "0 put 1\n1 put 2\n2 look 1\n3 put 3\n4 look 1\n4 look 2\n4 look 3"),
            "2 fresh 0\n4 fresh 0\n4 missing\n4 fresh 3"
        );
    }

    #[test]
    fn a_slow_fetch_does_not_overwrite_a_younger_answer() {
        assert_eq!(play(2, "5 put 1\n3 put 1\n6 look 1"), "6 fresh 5");
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_model_and_stays_within_its_capacity(
            steps in prop::collection::vec((0u64..6, 0u8..6, any::<bool>()), 1..200),
            capacity in 0usize..5,
        ) {
            let mut cache = cache(capacity);
            // (key, asked at), most recently used last.
            let mut naive: Vec<(u8, u64)> = Vec::new();
            let mut now = 0;
            for (wait, key, is_put) in steps {
                now += wait;
                let known = naive.iter().position(|(it, _)| *it == key).map(|it| naive.remove(it));
                if is_put {
                    cache.insert(at(now), key, u32::try_from(now).unwrap());
                    if capacity > 0 {
                        if naive.len() >= capacity { naive.remove(0); }
                        naive.push((key, now));
                    }
                } else {
                    let found = known.filter(|(_, asked)| now - asked < 60);
                    naive.extend(found);
                    match (cache.look(at(now), &key), found) {
                        (Lookup::Missing, None) => {}
                        (Lookup::Fresh(value), Some((_, asked))) => {
                            prop_assert!(now - asked < 10);
                            prop_assert_eq!(u64::from(*value), asked);
                        }
                        (Lookup::Stale { value, .. }, Some((_, asked))) => {
                            prop_assert!(now - asked >= 10);
                            prop_assert_eq!(u64::from(*value), asked);
                        }
                        (got, want) => prop_assert!(false, "{got:?} but {want:?}"),
                    }
                }
                prop_assert!(cache.len() <= capacity);
                prop_assert_eq!(cache.len(), naive.len());
            }
        }
    }
}
