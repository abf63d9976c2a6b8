//! What is held back, for how long, and in which order it leaves.

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
    Packet { id, came: None, payload: &[0x45; 40], length: 40 }
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
fn under_a_rate_packets_leave_one_after_the_other_and_a_full_queue_loses_them() {
    // 40 bytes take 40 ms.
    let rate = Treatment { rate: Some(Bytes(1000)), ..Treatment::default() };
    let mut holdback = Holdback::new(rate, chance(1));
    let lost = (0..100).filter(|id| holdback.on(at(0), packet(*id)).is_some()).count();
    assert_eq!(lost, 100 - 13);
    assert_eq!(released(&mut holdback, at(0)), [Verdict::UpTo(0)]);
    assert_eq!(released(&mut holdback, at(79)), [Verdict::UpTo(1)]);
    assert_eq!(released(&mut holdback, at(520)), [Verdict::UpTo(12)]);
    let done = holdback.done();
    assert_eq!((done.rated_bytes, done.lost, done.delays.count()), (13 * 40, 87, 12));
    // The line is free again, and nobody waits.
    assert_eq!(holdback.on(at(1000), packet(100)), None);
    assert_eq!(released(&mut holdback, at(1000)), [Verdict::UpTo(100)]);
    assert_eq!(holdback.done().delays.count(), 12);
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
        let lost: Vec<_> = (0..10_000).filter_map(|id| holdback.on(at(0), packet(id))).collect();
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
        Verdict::UpTo(id) | Verdict::One(id) | Verdict::Drop(id) | Verdict::Changed(id, _) => *id,
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
        let rate = None;
        let [delay, jitter] = [delay, jitter].map(|it| MS * it);
        Treatment { delay, jitter, order, rate, loss, reorder, corrupt }
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
