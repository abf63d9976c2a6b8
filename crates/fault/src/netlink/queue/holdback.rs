//! Holdback: which packet is held back for how long, lost or damaged; told the time, with chance from a seed.
//!
//! ```text
//!   on(packet) ──▶ lost: its verdict at once
//!        │
//!        └──▶ due at arrival + delay ± jitter ──▶ release(now): verdicts for all that are due, in order of
//!             their time, as few as will do
//! ```
//!
//! Jitter is uniform. Where order is kept, a packet that would overtake leaves together with the one before it;
//! else it overtakes, as netem does it. A share of packets can skip the queue; these overtake in any case.
//! Packets are told apart by their number since the start, so that the same seed treats the same packets alike.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use evenkeel_stats::Histogram;
use evenkeel_units::{Choices, Moment, Ratio};
use serde::{Deserialize, Serialize};

use super::damage::damaged;
use super::packet::{Packet, Verdict};

/// What is done to packets.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Treatment {
    /// How long each is held back, in seconds.
    #[serde(with = "evenkeel_units::duration::seconds")]
    pub(crate) delay: Duration,
    /// By how much that may be more or less, but never less than nothing.
    #[serde(with = "evenkeel_units::duration::seconds")]
    pub(crate) jitter: Duration,
    pub(crate) order: Order,
    /// The share that is lost.
    pub(crate) loss: Ratio,
    /// The share of the rest that is not held back, and so overtakes what is.
    pub(crate) reorder: Ratio,
    /// The share of the rest in which one bit is turned.
    pub(crate) corrupt: Ratio,
}

impl Treatment {
    /// Whether packets are held back at all.
    pub(crate) fn takes_time(&self) -> bool {
        self.delay > Duration::ZERO || self.jitter > Duration::ZERO
    }

    /// Whether some are lost or damaged.
    pub(crate) fn does_harm(&self) -> bool {
        self.loss > Ratio::ZERO || self.corrupt > Ratio::ZERO
    }

    /// The part of it that takes time.
    pub(crate) const fn delays(self) -> Self {
        Self { loss: Ratio::ZERO, corrupt: Ratio::ZERO, ..self }
    }

    /// The part of it that does harm.
    pub(crate) fn harms(self) -> Self {
        Self { loss: self.loss, corrupt: self.corrupt, ..Self::default() }
    }
}

/// Whether jitter may change the order of packets.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Order {
    /// Packets leave in the order in which they came, as on a line.
    #[default]
    Kept,
    /// Each leaves at its own time.
    Free,
}

/// What was done so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) reordered: u64,
    pub(crate) corrupted: u64,
    /// How long packets were held back that were to be.
    pub(crate) delays: Histogram,
}

#[derive(Debug)]
pub(crate) struct Holdback {
    treatment: Treatment,
    chance: Chance,
    /// Packets in the order of their arrival, from the oldest that has no verdict yet.
    line: VecDeque<Place>,
    /// How many have left the line at its front.
    left: u64,
    /// Who is due when, by number.
    due: BinaryHeap<Reverse<(Moment, u64)>>,
    last_due: Moment,
    done: Done,
}

#[derive(Debug)]
struct Chance {
    loss: Choices,
    jitter: Choices,
    reorder: Choices,
    corrupt: Choices,
    bit: Choices,
}

#[derive(Debug)]
struct Place {
    id: u32,
    since: Moment,
    is_delayed: bool,
    /// Other contents than it came with.
    payload: Option<Vec<u8>>,
    has_verdict: bool,
}

impl Done {
    /// Both of them together.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.delays.merge(&other.delays);
    }
}

impl Holdback {
    /// Packets are treated alike by the same treatment and chance.
    pub(crate) fn new(treatment: Treatment, chance: Choices) -> Self {
        let [loss, jitter, reorder, corrupt, bit] = [0, 1, 2, 3, 4].map(|it| chance.of(it));
        Self {
            treatment,
            chance: Chance { loss, jitter, reorder, corrupt, bit },
            line: VecDeque::new(),
            left: 0,
            due: BinaryHeap::new(),
            last_due: Moment::START,
            done: Done::default(),
        }
    }

    /// A packet has come. Those that are lost have their verdict at once.
    pub(crate) fn on(&mut self, now: Moment, packet: Packet<'_>) -> Option<Verdict> {
        let number = self.done.packets;
        self.done.packets += 1;
        let mut place = Place {
            id: packet.id,
            since: now,
            is_delayed: false,
            payload: None,
            has_verdict: false,
        };
        let is_lost = within(self.treatment.loss, self.chance.loss, number);
        if is_lost {
            self.done.lost += 1;
            place.has_verdict = true;
        } else {
            place.is_delayed = !within(self.treatment.reorder, self.chance.reorder, number);
            let due = if place.is_delayed { self.due_of(now, number) } else { now };
            self.done.reordered += u64::from(!place.is_delayed);
            if within(self.treatment.corrupt, self.chance.corrupt, number) {
                place.payload = damaged(packet.payload, self.chance.bit.bits(number));
                self.done.corrupted += u64::from(place.payload.is_some());
            }
            self.due.push(Reverse((due, number)));
        }
        self.line.push_back(place);
        is_lost.then_some(Verdict::Drop(packet.id))
    }

    fn due_of(&mut self, now: Moment, number: u64) -> Moment {
        let Treatment { delay, jitter, order, .. } = self.treatment;
        let width = u64::try_from(jitter.as_nanos()).map_or(u64::MAX, |it| it.saturating_mul(2));
        let more = Duration::from_nanos(self.chance.jitter.below(number, width.saturating_add(1)));
        let due = now + (delay.saturating_add(more)).saturating_sub(jitter);
        match order {
            Order::Free => due,
            Order::Kept => {
                self.last_due = due.max(self.last_due);
                self.last_due
            }
        }
    }

    /// When the next packet is due; never before the one that was said last, unless packets came.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    /// Says the verdicts on all packets that are due, in order.
    pub(crate) fn release(&mut self, now: Moment, say: impl FnMut(Verdict)) {
        self.release_up_to(now, now, say);
    }

    /// The same for all packets, due or not: the end.
    pub(crate) fn let_go(&mut self, now: Moment, say: impl FnMut(Verdict)) {
        self.treatment = Treatment::default();
        self.last_due = now;
        self.release_up_to(now, Moment::at(Duration::MAX), say);
    }

    fn release_up_to(&mut self, now: Moment, limit: Moment, mut say: impl FnMut(Verdict)) {
        // All up to the oldest can be said in one; as long as the next one is the oldest, too, they grow.
        let mut up_to = None;
        while let Some(Reverse((due, number))) = self.due.peek().copied() {
            if due > limit {
                break;
            }
            self.due.pop();
            self.skip_verdicts();
            let at = usize::try_from(number - self.left).unwrap_or(usize::MAX);
            let Some(place) = self.line.get_mut(at) else { continue };
            place.has_verdict = true;
            if place.is_delayed {
                self.done.delays.record(now - place.since);
            }
            match place.payload.take() {
                None if at == 0 => up_to = Some(place.id),
                other => {
                    up_to.take().map(Verdict::UpTo).into_iter().for_each(&mut say);
                    say(match other {
                        Some(payload) => Verdict::Changed(place.id, payload),
                        None => Verdict::One(place.id),
                    });
                }
            }
        }
        self.skip_verdicts();
        up_to.map(Verdict::UpTo).into_iter().for_each(say);
    }

    fn skip_verdicts(&mut self) {
        while self.line.front().is_some_and(|it| it.has_verdict) {
            self.line.pop_front();
            self.left += 1;
        }
    }

    pub(crate) const fn done(&self) -> &Done {
        &self.done
    }
}

fn within(share: Ratio, choices: Choices, number: u64) -> bool {
    choices.below(number, Ratio::ONE.billionths().into()) < share.billionths().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use evenkeel_units::Seed;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn chance(seed: u64) -> Choices {
        Seed(seed).choices("packets")
    }

    fn at(ms: u32) -> Moment {
        Moment::at(MS * ms)
    }

    fn delay(ms: u32) -> Treatment {
        Treatment { delay: MS * ms, ..Treatment::default() }
    }

    /// A packet with contents, as a queue that damages gets it.
    fn packet(id: u32) -> Packet<'static> {
        Packet { id, payload: &[0x45; 40] }
    }

    fn released(holdback: &mut Holdback, now: Moment) -> Vec<Verdict> {
        let mut said = Vec::new();
        holdback.release(now, |it| said.push(it));
        said
    }

    #[test]
    fn a_packet_leaves_when_its_delay_has_passed_and_not_before() {
        let mut holdback = Holdback::new(delay(5), chance(1));
        assert_eq!(holdback.on(at(0), packet(1)), None);
        assert_eq!(holdback.on(at(2), packet(2)), None);
        assert_eq!(holdback.next(), Some(at(5)));
        assert_eq!(released(&mut holdback, at(4)), []);
        assert_eq!(released(&mut holdback, at(5)), [Verdict::UpTo(1)]);
        assert_eq!(holdback.next(), Some(at(7)));
        assert_eq!(released(&mut holdback, at(9)), [Verdict::UpTo(2)]);
        assert_eq!(holdback.next(), None);
        let delays = &holdback.done().delays;
        assert_eq!((delays.count_at_most(MS * 5), delays.count_at_most(MS * 8)), (1, 2));
    }

    #[test]
    fn packets_that_are_due_together_need_one_verdict() {
        let mut holdback = Holdback::new(delay(5), chance(1));
        (0..100).for_each(|id| assert_eq!(holdback.on(at(0), packet(id)), None));
        assert_eq!(released(&mut holdback, at(5)), [Verdict::UpTo(99)]);
    }

    #[test]
    fn the_numbers_of_packets_may_turn_over() {
        let mut holdback = Holdback::new(delay(5), chance(1));
        for (after, id) in [u32::MAX - 1, u32::MAX, 0, 1].into_iter().enumerate() {
            holdback.on(at(after as u32), packet(id));
        }
        assert_eq!(released(&mut holdback, at(6)), [Verdict::UpTo(u32::MAX)]);
        assert_eq!(released(&mut holdback, at(8)), [Verdict::UpTo(1)]);
    }

    #[test]
    fn a_share_is_lost_at_once_and_the_same_packets_with_the_same_seed() {
        let treatment = Treatment { loss: Ratio::percent(20), ..delay(5) };
        let lost = |seed| {
            let mut holdback = Holdback::new(treatment, chance(seed));
            let lost: Vec<_> =
                (0..10_000).filter_map(|id| holdback.on(at(0), packet(id))).collect();
            assert_eq!(holdback.done().lost, lost.len() as u64);
            assert_eq!(released(&mut holdback, at(5)).len(), 1);
            lost
        };
        // Five standard deviations of 10 000 draws at 20 % are 200.
        assert!(lost(7).len().abs_diff(2_000) < 200, "{}", lost(7).len());
        assert!(lost(7).iter().all(|it| matches!(it, Verdict::Drop(_))));
        assert_eq!(lost(7), lost(7));
        assert_ne!(lost(7), lost(8));
    }

    #[test]
    fn packets_that_skip_the_queue_overtake_it() {
        let treatment = Treatment { reorder: Ratio::percent(50), ..delay(5) };
        let mut holdback = Holdback::new(treatment, chance(3));
        (0..100).for_each(|id| assert_eq!(holdback.on(at(0), packet(id)), None));
        released(&mut holdback, at(0));
        let skipped = holdback.done().reordered;
        assert!((25..75).contains(&skipped), "{skipped}");
        assert_eq!(holdback.next(), Some(at(5)));
        released(&mut holdback, at(5));
        assert_eq!(holdback.done().delays.count(), 100 - skipped);
    }

    #[test]
    fn a_damaged_packet_keeps_its_place() {
        let treatment = Treatment { corrupt: Ratio::percent(50), ..delay(5) };
        let mut holdback = Holdback::new(treatment, chance(3));
        (0..100).for_each(|id| assert_eq!(holdback.on(at(0), packet(id)), None));
        let said = released(&mut holdback, at(5));
        let ids: Vec<u32> = said.iter().map(id_of).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        let changed = said.iter().filter(|it| matches!(it, Verdict::Changed(..))).count();
        assert_eq!(changed as u64, holdback.done().corrupted);
        assert!((25..75).contains(&changed), "{changed}");
    }

    #[test]
    fn at_the_end_all_packets_leave_at_once_and_later_ones_are_left_alone() {
        let treatment = Treatment { loss: Ratio::ONE, ..delay(5) };
        let mut holdback = Holdback::new(Treatment { loss: Ratio::ZERO, ..treatment }, chance(1));
        (0..3).for_each(|id| assert_eq!(holdback.on(at(0), packet(id)), None));
        let mut said = Vec::new();
        holdback.let_go(at(1), |it| said.push(it));
        assert_eq!(said, [Verdict::UpTo(2)]);
        assert_eq!(holdback.on(at(2), packet(3)), None);
        assert_eq!(released(&mut holdback, at(2)), [Verdict::UpTo(3)]);
    }

    fn id_of(verdict: &Verdict) -> u32 {
        match verdict {
            Verdict::UpTo(id) | Verdict::One(id) | Verdict::Drop(id) | Verdict::Changed(id, _) => {
                *id
            }
        }
    }

    /// The kernel's queue: takes verdicts, and says which packets leave by them.
    #[derive(Default)]
    struct Kernel(BTreeSet<u32>);

    impl Kernel {
        fn leave(&mut self, verdict: &Verdict) -> Vec<u32> {
            match verdict {
                Verdict::UpTo(id) => {
                    let stay = self.0.split_off(&(id + 1));
                    std::mem::replace(&mut self.0, stay).into_iter().collect()
                }
                other => {
                    assert!(self.0.remove(&id_of(other)), "{other:?} names nobody");
                    vec![id_of(other)]
                }
            }
        }
    }

    fn treatment() -> impl Strategy<Value = Treatment> {
        let shares = prop::array::uniform3(0u32..=100);
        let order = prop_oneof![Just(Order::Kept), Just(Order::Free)];
        (0u32..20, 0u32..20, order, shares).prop_map(|(delay, jitter, order, shares)| {
            let [loss, reorder, corrupt] = shares.map(|it| Ratio::percent(it / 2));
            Treatment { delay: MS * delay, jitter: MS * jitter, order, loss, reorder, corrupt }
        })
    }

    proptest! {
        #[test]
        fn each_packet_leaves_once_in_its_time_and_in_order_where_it_is_kept(
            treatment in treatment(), gaps in proptest::collection::vec(0u32..5, 1..60), seed: u64,
        ) {
            let mut holdback = Holdback::new(treatment, chance(seed));
            let (mut kernel, mut now) = (Kernel::default(), 0);
            let (mut arrivals, mut left) = (Vec::new(), Vec::new());
            let mut turn = |holdback: &mut Holdback, kernel: &mut Kernel, now: u32| {
                for verdict in released(holdback, at(now)) {
                    left.extend(kernel.leave(&verdict).into_iter().map(|id| (id, now)));
                }
            };
            for (id, gap) in gaps.iter().enumerate() {
                for _ in 0..*gap {
                    now += 1;
                    turn(&mut holdback, &mut kernel, now);
                }
                kernel.0.insert(id as u32);
                arrivals.push(now);
                if let Some(verdict) = holdback.on(at(now), packet(id as u32)) {
                    prop_assert_eq!(kernel.leave(&verdict), vec![id as u32]);
                }
                turn(&mut holdback, &mut kernel, now);
            }
            (0..60).for_each(|more| turn(&mut holdback, &mut kernel, now + more));
            prop_assert!(kernel.0.is_empty() && holdback.line.is_empty() && holdback.next().is_none());
            prop_assert_eq!(left.len() as u64 + holdback.done().lost, gaps.len() as u64);
            let longest = (treatment.delay + treatment.jitter).as_millis() as u32;
            for (id, when) in &left {
                let held = when - arrivals[*id as usize];
                prop_assert!(held <= longest + 1, "packet {} was held for {} ms", id, held);
            }
            if treatment.order == Order::Kept && treatment.reorder == Ratio::ZERO {
                prop_assert!(left.is_sorted(), "{:?}", left);
            }
        }

        #[test]
        fn jitter_is_even_around_the_delay(seed: u64) {
            let treatment = Treatment { jitter: MS * 4, order: Order::Free, ..delay(5) };
            let mut holdback = Holdback::new(treatment, chance(seed));
            (0..1_000).for_each(|id| assert_eq!(holdback.on(at(0), packet(id)), None));
            let mut sum = 0.0;
            while let Some(due) = holdback.next() {
                prop_assert!((0.001..=0.009).contains(&due.as_secs_f64()));
                let count = holdback.due.len();
                released(&mut holdback, due);
                sum += due.as_secs_f64() * (count - holdback.due.len()) as f64;
            }
            // The mean of 1000 draws from ± 4 ms deviates by 0.073 ms; this is more than six of them.
            prop_assert!((sum / 1_000.0 - 0.005).abs() < 0.000_5, "{}", sum);
        }
    }
}
