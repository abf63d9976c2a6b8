//! Set: all endpoints as they are at one moment, and how the next one is chosen among them.
//!
//! It is made anew when somebody comes, goes, is put aside or comes back, and not looked over at each pick: what a pick reads does not change
//! but for the counts of the endpoints.

use std::cmp::Ordering;
use std::sync::Arc;

use evenkeel_units::Moment;
use evenkeel_units::chance::{mix, part, scale};

use super::endpoint::Endpoint;
use super::latency::Decay;
use super::maglev;
use super::policy::{ConsistentHash, SlowStart, Strategy};
use crate::sync::atomic::Ordering::Relaxed;
use crate::sync::{Mutex, locked};

/// One endpoint in a set.
pub(super) struct Slot<T> {
    pub(super) endpoint: Arc<Endpoint<T>>,
    pub(super) weight: u32,
    /// Since when it may be called, for slow start.
    pub(super) since: Moment,
    /// Of the name.
    pub(super) hash: u64,
    pub(super) is_usable: bool,
}

impl<T> Slot<T> {
    fn in_flight(&self) -> u32 {
        self.endpoint.in_flight()
    }
}

/// Who warms up, if somebody does.
struct Warming {
    slow_start: SlowStart,
    /// Since when the endpoint may be called that may be for longest.
    eldest: Moment,
    /// When nobody does any more.
    until: Moment,
}

impl Warming {
    /// The share of its weight that counts, beside that of the eldest.
    fn factor<T>(&self, slot: &Slot<T>, now: Moment) -> f64 {
        match slot.since == self.eldest {
            true => 1.0,
            false => {
                let [ours, theirs] =
                    [slot.since, self.eldest].map(|it| self.slow_start.factor(now - it));
                ours / theirs
            }
        }
    }
}

pub(super) struct Set<T> {
    strategy: Strategy,
    decay: Decay,
    slots: Vec<Slot<T>>,
    /// Which slots may be called.
    usable: Vec<u16>,
    /// The weights of those that may be called up to and including each; empty where all are equal.
    sums: Vec<u64>,
    warming: Option<Warming>,
    /// Whose turn it is, of a weighted rotation: guards what the endpoints have saved up.
    rotation: Mutex<()>,
    /// Of a consistent hash: which slot each place belongs to.
    table: Arc<[u16]>,
    pub(super) is_panic: bool,
}

/// A weight counts for so many while nobody warms up.
const FULL: u64 = 1_000;

/// How often one that warms up is passed over at the most, so that a pick has an end.
const PASSED_MAX: u32 = 32;

/// What a set is made of.
pub(super) struct Parts<T> {
    pub(super) strategy: Strategy,
    pub(super) decay: Decay,
    pub(super) slow_start: Option<SlowStart>,
    pub(super) slots: Vec<Slot<T>>,
    pub(super) table: Arc<[u16]>,
    pub(super) is_panic: bool,
}

impl<T> Set<T> {
    pub(super) fn new(parts: Parts<T>) -> Self {
        let Parts { strategy, decay, slow_start, slots, table, is_panic } = parts;
        let usable: Vec<u16> =
            (0u16..).zip(&slots).filter(|(_, it)| it.is_usable).map(|(index, _)| index).collect();
        let of = |index: &u16| &slots[usize::from(*index)];
        let first = usable.first().map(|it| of(it).weight);
        let sums = match usable.iter().all(|it| Some(of(it).weight) == first) {
            true => Vec::new(),
            false => usable
                .iter()
                .scan(0u64, |sum, it| {
                    *sum += u64::from(of(it).weight);
                    Some(*sum)
                })
                .collect(),
        };
        let since = || usable.iter().map(|it| of(it).since);
        let warming = slow_start.zip(since().min()).zip(since().max()).map(
            |((slow_start, eldest), youngest)| {
                let until = youngest + slow_start.window;
                Warming { slow_start, eldest, until }
            },
        );
        let rotation = Mutex::new(());
        Self { strategy, decay, slots, usable, sums, warming, rotation, table, is_panic }
    }

    /// Without an endpoint.
    pub(super) fn empty(strategy: Strategy, decay: Decay) -> Self {
        let (slots, table) = (Vec::new(), Arc::default());
        Self::new(Parts { strategy, decay, slow_start: None, slots, table, is_panic: false })
    }

    /// Those that may be called, from one on, once round.
    #[cfg(feature = "tower")]
    pub(super) fn round(&self, from: usize) -> impl Iterator<Item = &Arc<Endpoint<T>>> {
        let (before, after) = self.usable.split_at(from % self.usable.len().max(1));
        after.iter().chain(before).map(|it| &self.slots[usize::from(*it)].endpoint)
    }

    /// Whether it may be called.
    #[cfg(feature = "tower")]
    pub(super) fn has(&self, endpoint: &Arc<Endpoint<T>>) -> bool {
        self.slots.iter().any(|it| it.is_usable && Arc::ptr_eq(&it.endpoint, endpoint))
    }

    /// Whom to call. `turn` counts the picks, `chance` is a number for each.
    #[inline]
    pub(super) fn choose(
        &self,
        now: Moment,
        turn: u64,
        chance: u64,
        key: Option<u64>,
    ) -> Option<&Slot<T>> {
        let index = match self.usable.as_slice() {
            [] => return None,
            [only] => usize::from(*only),
            usable => {
                let warming = self.warming.as_ref().filter(|it| now < it.until);
                match self.strategy {
                    Strategy::PeakEwma(_) => self.two_choices(now, warming, chance),
                    Strategy::RoundRobin if self.sums.is_empty() && warming.is_none() => {
                        usize::from(usable[(turn % usable.len() as u64) as usize])
                    }
                    Strategy::RoundRobin => self.rotate(now, warming),
                    Strategy::LeastConnections => self.least(now, warming, chance),
                    Strategy::ConsistentHash(policy) => self.owner(key.unwrap_or(chance), policy),
                }
            }
        };
        self.slots.get(index)
    }

    /// Its weight now; 1,000 times what it is.
    pub(super) fn weight(&self, slot: &Slot<T>, now: Moment) -> u64 {
        self.weight_in(slot, now, self.warming.as_ref().filter(|it| now < it.until))
    }

    fn weight_in(&self, slot: &Slot<T>, now: Moment, warming: Option<&Warming>) -> u64 {
        let full = u64::from(slot.weight) * FULL;
        match (self.strategy, warming) {
            (Strategy::ConsistentHash(_), _) | (_, None) => full,
            (_, Some(Warming { slow_start, .. })) => {
                ((full as f64 * slow_start.factor(now - slot.since)) as u64).max(1)
            }
        }
    }

    /// Smooth weighted round robin, as in nginx: each saves up its weight, who has most is called and pays the weights of all.
    fn rotate(&self, now: Moment, warming: Option<&Warming>) -> usize {
        let _turn = locked(&self.rotation);
        let (mut total, mut best, mut most) = (0, 0, i64::MIN);
        for index in &self.usable {
            let slot = &self.slots[usize::from(*index)];
            let weight = self.weight_in(slot, now, warming).cast_signed();
            let saved = slot.endpoint.saved.load(Relaxed) + weight;
            slot.endpoint.saved.store(saved, Relaxed);
            total += weight;
            if saved > most {
                (best, most) = (usize::from(*index), saved);
            }
        }
        self.slots[best].endpoint.saved.store(most - total, Relaxed);
        best
    }

    /// The fewest calls under way by weight. Among equals each has the chance of its weight.
    ///
    /// Who warms up has few calls under way, and would be called all the more: it takes part in as many picks as are its share now, and
    /// there it comes first among equals.
    fn least(&self, now: Moment, warming: Option<&Warming>, chance: u64) -> usize {
        let (mut best, mut equals) = (None::<(u16, Load)>, 0);
        let mut guest = None::<(u16, Load)>;
        let mut chance = chance;
        for index in &self.usable {
            let slot = &self.slots[usize::from(*index)];
            let load = Load { in_flight: slot.in_flight(), weight: slot.weight };
            let weight = u64::from(slot.weight);
            let factor = warming.map_or(1.0, |it| it.factor(slot, now));
            if factor < 1.0 {
                chance = mix(chance.wrapping_add(1));
                let takes_part =
                    part(chance) * (self.all_weights() as f64) < factor * weight as f64;
                if takes_part && guest.is_none_or(|it| load.cmp(it.1).is_lt()) {
                    guest = Some((*index, load));
                }
                continue;
            }
            match best.map_or(Ordering::Less, |it| load.cmp(it.1)) {
                Ordering::Less => (best, equals) = (Some((*index, load)), weight),
                Ordering::Equal => {
                    equals += weight;
                    chance = mix(chance.wrapping_add(1));
                    if scale(chance, equals) < weight {
                        best = Some((*index, load));
                    }
                }
                Ordering::Greater => {}
            }
        }
        let guest = guest.filter(|guest| best.is_none_or(|it| guest.1.cmp(it.1).is_le()));
        guest.or(best).map_or(0, |it| it.0.into())
    }

    fn all_weights(&self) -> u64 {
        let even = || {
            self.usable.len() as u64
                * self.usable.first().map_or(0, |it| self.slots[usize::from(*it)].weight.into())
        };
        self.sums.last().copied().unwrap_or_else(even)
    }

    /// Two by chance, and of them the one that costs less.
    ///
    /// Where weights differ, an endpoint of weight 8 is as eight of weight 1, over which its calls are spread evenly: both are drawn by
    /// weight, and one compares what is under way at one of the eight, drawn as well. So shares are those of the weights
    /// as long as latencies are alike, however many calls are under way, and a small endpoint is not flooded when a large one gets slow.
    /// Only where there is next to nothing to do, small ones get more: who has not been asked for long is asked again.
    fn two_choices(&self, now: Moment, warming: Option<&Warming>, chance: u64) -> usize {
        if self.sums.is_empty() && warming.is_none() {
            let others = self.usable.len() as u64 - 1;
            let first = scale(chance << 32, others + 1) as usize;
            let mut second = scale(chance & (u64::MAX << 32), others) as usize;
            second += usize::from(second >= first);
            let cost = |nth: usize| {
                let slot = &self.slots[usize::from(self.usable[nth])];
                let calls = slot.in_flight();
                slot.endpoint.latency.cost(now, (calls, calls.into()), self.decay)
            };
            let nth = if cost(second) < cost(first) { second } else { first };
            return self.usable[nth].into();
        }
        let [first, second] = [chance, !chance].map(|it| self.drawn(now, warming, it));
        let cost = |nth: usize, chance: u64| {
            let slot = &self.slots[usize::from(self.usable[nth])];
            let (calls, weight) = (slot.in_flight(), self.weight_in(slot, now, warming));
            let load = (u64::from(calls) * FULL + scale(mix(chance), weight)) / weight;
            slot.endpoint.latency.cost(now, (calls, load), self.decay)
        };
        let nth = match first == second || cost(first, chance) <= cost(second, !chance) {
            true => first,
            false => second,
        };
        self.usable[nth].into()
    }

    /// One of those that may be called, by weight; who warms up is passed over accordingly.
    fn drawn(&self, now: Moment, warming: Option<&Warming>, chance: u64) -> usize {
        let mut chance = chance;
        let mut drawn = 0;
        for _ in 0..PASSED_MAX {
            chance = mix(chance.wrapping_add(1));
            drawn = match self.sums.last() {
                None => scale(chance, self.usable.len() as u64) as usize,
                Some(all) => {
                    let at = scale(chance, *all);
                    self.sums.partition_point(|sum| *sum <= at)
                }
            };
            let Some(warming) = warming else { break };
            chance = mix(chance.wrapping_add(1));
            if part(chance) < warming.factor(&self.slots[usize::from(self.usable[drawn])], now) {
                break;
            }
        }
        drawn
    }

    /// Whom the key belongs to, or whom it likes best of those that may be called and have room.
    fn owner(&self, key: u64, policy: ConsistentHash) -> usize {
        // The upper bits choose, so they have to be good whatever the key.
        let key = mix(key);
        let owner = self.table.get(scale(key, self.table.len() as u64) as usize).copied();
        let room = policy.load_max_percent.map(|it| self.room(it));
        let has_room = |slot: &Slot<T>| room.is_none_or(|it| it.has(slot));
        let owner = owner.map(usize::from);
        if let Some(index) =
            owner.filter(|it| self.slots[*it].is_usable && has_room(&self.slots[*it]))
        {
            return index;
        }
        let liking = |index: &u16| {
            let slot = &self.slots[usize::from(*index)];
            maglev::liking(key, slot.hash, slot.weight)
        };
        let most = |of: &mut dyn Iterator<Item = &u16>| {
            of.max_by(|one, other| liking(one).total_cmp(&liking(other))).copied()
        };
        most(&mut self.usable.iter().filter(|it| has_room(&self.slots[usize::from(**it)])))
            // Calls that came meanwhile have taken all room.
            .or_else(|| most(&mut self.usable.iter()))
            .map_or(0, usize::from)
    }

    fn room(&self, percent: u32) -> Room {
        let of = |index: &u16| &self.slots[usize::from(*index)];
        let weights: u128 = self.usable.iter().map(|it| u128::from(of(it).weight)).sum();
        let calls: u128 = self.usable.iter().map(|it| u128::from(of(it).in_flight())).sum();
        Room { calls: (calls + 1) * u128::from(percent), weights: 100 * weights }
    }

    pub(super) fn slots(&self) -> &[Slot<T>] {
        &self.slots
    }
}

/// Calls under way, for a weight.
#[derive(Copy, Clone)]
struct Load {
    in_flight: u32,
    weight: u32,
}

impl Load {
    fn cmp(self, other: Self) -> Ordering {
        let by = |it: Self, weight: u32| u64::from(it.in_flight) * u64::from(weight);
        by(self, other.weight).cmp(&by(other, self.weight))
    }
}

/// How many calls each may have under way: its share of all of them, the next one included, and somewhat more.
#[derive(Copy, Clone)]
struct Room {
    calls: u128,
    weights: u128,
}

impl Room {
    fn has<T>(self, slot: &Slot<T>) -> bool {
        let most = (self.calls * u128::from(slot.weight)).div_ceil(self.weights.max(1));
        u128::from(slot.in_flight()) < most
    }
}
