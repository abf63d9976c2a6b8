//! Tests of the balancer: who gets how much.

use std::collections::BTreeMap;

use evenkeel_units::chance::part;
use proptest::prelude::*;

use super::{Strategy, *};

fn weighted(policy: Policy, weights: &[u32]) -> Balancer<usize> {
    let balancer = Balancer::seeded(policy, Seed(11)).unwrap();
    let members = weights
        .iter()
        .enumerate()
        .map(|(index, it)| Member::new(format!("10.0.0.{index}:80"), index).weight(*it));
    balancer.replace(at(0), members).unwrap();
    balancer
}

fn counts(calls: impl IntoIterator<Item = usize>) -> BTreeMap<usize, u32> {
    let mut counts = BTreeMap::new();
    calls.into_iter().for_each(|it| *counts.entry(it).or_insert(0) += 1);
    counts
}

/// The algorithm of nginx, as it is told.
fn nginx(weights: &[u32], picks: usize) -> Vec<usize> {
    let total: i64 = weights.iter().map(|it| i64::from(*it)).sum();
    let mut saved = vec![0; weights.len()];
    let pick = |_| {
        saved.iter_mut().zip(weights).for_each(|(saved, it)| *saved += i64::from(*it));
        // The first of the largest.
        let best = (0..saved.len()).rev().max_by_key(|it| saved[*it]).unwrap();
        saved[best] -= total;
        best
    };
    (0..picks).map(pick).collect()
}

/// The endpoint that each of a thousand keys goes to.
fn owners(balancer: &Balancer<usize>, now: Moment) -> Vec<usize> {
    let owner = |key: u64| *balancer.admit(now, Some(key)).unwrap().endpoint().value();
    (0..1_000).map(owner).collect()
}

proptest! {
    #[test]
    fn a_weighted_rotation_is_that_of_nginx_and_exact_in_each_cycle(
        weights in prop::collection::vec(1u32..10, 1..8),
    ) {
        let balancer = weighted(Policy::of(Strategy::RoundRobin), &weights);
        let cycle = weights.iter().sum::<u32>() as usize;
        let calls = called(&balancer, at(1), 2 * cycle);
        prop_assert_eq!(&calls, &nginx(&weights, 2 * cycle));
        let shares: Vec<u32> = counts(calls[cycle..].iter().copied()).into_values().collect();
        prop_assert_eq!(shares, weights);
    }

    #[test]
    fn the_fewest_calls_by_weight_are_found(
        weights in prop::collection::vec(1u32..5, 1..8), ends in prop::collection::vec(any::<prop::sample::Index>(), 1..80),
        seed: u64,
    ) {
        let balancer = Balancer::seeded(Policy::of(Strategy::LeastConnections), Seed(seed)).unwrap();
        let members = (0..).zip(&weights).map(|(it, of)| Member::new(it.to_string(), it).weight(*of));
        balancer.replace(at(0), members).unwrap();
        let mut under_way: Vec<Ticket<usize>> = Vec::new();
        for end in ends {
            let mut loads = vec![0u32; weights.len()];
            under_way.iter().for_each(|it| loads[*it.endpoint().value()] += 1);
            let load = |it: usize| f64::from(loads[it]) / f64::from(weights[it]);
            let ticket = balancer.admit(at(1), None).unwrap();
            let (chosen, least) = (load(*ticket.endpoint().value()), (0..loads.len()).map(load).fold(f64::MAX, f64::min));
            prop_assert!(chosen <= least, "{chosen} of {loads:?} by {weights:?}");
            under_way.push(ticket);
            if end.index(3) == 0 {
                balancer.record(at(1), under_way.swap_remove(end.index(under_way.len())), Outcome::Success);
            }
        }
    }
}

#[test]
fn among_equals_the_fewest_calls_are_a_matter_of_chance_by_weight() {
    let balancer = weighted(Policy::of(Strategy::LeastConnections), &[1, 1, 2]);
    let counts = counts(called(&balancer, at(1), 4_000));
    let near = |index, wanted: u32| counts[&index].abs_diff(wanted) < 150;
    assert!(near(0, 1_000) && near(1, 1_000) && near(2, 2_000), "{counts:?}");
}

#[test]
fn two_choices_are_even_among_equals_and_follow_weights() {
    for weights in [[1u32, 1, 1, 1], [8, 1, 1, 2], [1, 10_000, 1, 1]] {
        let balancer = weighted(Policy::default(), &weights);
        // What is known of each is alike.
        let tickets: Vec<_> = (0..100).map(|_| balancer.admit(at(1), None).unwrap()).collect();
        tickets.into_iter().for_each(|it| balancer.release(it));
        for index in 0..weights.len() {
            let endpoint = balancer.endpoint(&format!("10.0.0.{index}:80")).unwrap();
            let ticket = Balancer::begin(at(1), endpoint);
            balancer.record(at(2), ticket, Outcome::Success);
        }
        let pick = |_| {
            let ticket = balancer.admit(at(2), None).unwrap();
            let index = *ticket.endpoint().value();
            balancer.release(ticket);
            index
        };
        let counts = counts((0..12_000).map(pick));
        let all: u32 = weights.iter().sum();
        for (index, weight) in weights.iter().enumerate() {
            let (has, wanted) = (
                f64::from(counts.get(&index).copied().unwrap_or(0)),
                12_000.0 * f64::from(*weight) / f64::from(all),
            );
            assert!(
                (has - wanted).abs() < 250.0,
                "{has} and not {wanted}: {counts:?} by {weights:?}"
            );
        }
    }
}

/// Calls that come by chance and take 100 ms, whoever is called; gives how many each got.
fn load(balancer: &Balancer<usize>, calls_per_second: f64, calls: u32) -> BTreeMap<usize, u32> {
    let chance = Seed(5).choices("load");
    let mut under_way: BTreeMap<(Moment, u64), Ticket<usize>> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    let mut now = at(10_000);
    for nth in 0..u64::from(calls) {
        now =
            now + Duration::from_secs_f64(-(1.0 - part(chance.bits(nth))).ln() / calls_per_second);
        while let Some(first) = under_way.first_entry().filter(|it| it.key().0 <= now) {
            let ((ends, _), ticket) = first.remove_entry();
            balancer.record(ends, ticket, Outcome::Success);
        }
        let ticket = balancer.admit(now, None).unwrap();
        *counts.entry(*ticket.endpoint().value()).or_insert(0) += 1;
        under_way.insert((now + Duration::from_millis(100), nth), ticket);
    }
    under_way.into_values().for_each(|it| balancer.release(it));
    counts
}

#[test]
fn two_choices_follow_weights_however_many_calls_are_under_way() {
    for (weights, rates) in [([8u32, 1, 1, 2], [50.0, 500.0]), ([1, 30, 1, 1], [500.0, 2_000.0])] {
        for calls_per_second in rates {
            let balancer = weighted(Policy::default(), &weights);
            let counts = load(&balancer, calls_per_second, 20_000);
            let all: u32 = weights.iter().sum();
            for (index, weight) in weights.iter().enumerate() {
                let has = f64::from(counts.get(&index).copied().unwrap_or(0)) / 20_000.0;
                let wanted = f64::from(*weight) / f64::from(all);
                let near = wanted * 0.2 + 0.01;
                assert!(
                    (has - wanted).abs() < near,
                    "{counts:?} by {weights:?} at {calls_per_second}/s"
                );
            }
        }
    }
}

#[test]
fn a_weighted_rotation_goes_on_where_it_was_when_others_come_and_go() {
    let balancer = weighted(Policy::of(Strategy::RoundRobin), &[5, 1, 1]);
    let mut calls = Vec::new();
    for nth in 0..70 {
        // Discovery tells the same again, and health comes and goes, more often than a cycle is long.
        let members = [5, 1, 1].into_iter().enumerate();
        let members = members.map(|(it, of)| Member::new(format!("10.0.0.{it}:80"), it).weight(of));
        balancer.replace(at(1), members).unwrap();
        balancer.insert(at(1), Member::new("guest", 9).weight(1 + nth % 2)).unwrap();
        balancer.remove(at(1), "guest").unwrap();
        calls.extend(called(&balancer, at(1), 1));
    }
    assert_eq!(counts(calls), BTreeMap::from([(0, 50), (1, 10), (2, 10)]));
}

#[test]
fn of_two_the_one_that_answers_sooner_is_called_and_a_new_one_gets_one_call_first() {
    let balancer = weighted(Policy::default(), &[1, 1]);
    let first = balancer.admit(at(1), None).unwrap();
    let second = balancer.admit(at(1), None).unwrap();
    assert_ne!(first.endpoint().name(), second.endpoint().name());
    let quick = first.endpoint().name().to_owned();
    balancer.record(at(2), first, Outcome::Success);
    balancer.record(at(6), second, Outcome::Success);
    // 1 s to 5 s, so that up to four calls are better off with the quick one.
    let tickets: Vec<_> = (0..4).map(|_| balancer.admit(at(6), None).unwrap()).collect();
    assert!(tickets.iter().all(|it| it.endpoint().name() == quick), "{tickets:?}");
}

#[test]
fn slow_start_lets_a_new_endpoint_come_to_its_share_by_each_strategy() {
    let strategies = [Strategy::RoundRobin, Strategy::LeastConnections, Strategy::default()];
    for strategy in strategies {
        let policy = Policy {
            slow_start: Some(SlowStart::over(Duration::from_secs(100))),
            ..Policy::of(strategy)
        };
        let balancer = weighted(policy, &[1; 4]);
        called(&balancer, at(1_000), 100);
        balancer.insert(at(1_000), Member::new("new", 4)).unwrap();
        let share = |now| {
            let calls = called(&balancer, at(now), 8_000);
            let new = calls.iter().filter(|it| **it == 4).count();
            // Of what the others have.
            new as f64 * 4.0 / (8_000 - new) as f64
        };
        let shares = [1_001, 1_025, 1_050, 1_100].map(share);
        for (share, wanted) in shares.into_iter().zip([0.1, 0.25, 0.5, 1.0]) {
            assert!((share - wanted).abs() < 0.08 + wanted / 8.0, "{shares:.2?} by {strategy:?}");
        }
    }
}

#[test]
fn when_all_are_new_slow_start_changes_nothing() {
    let slow_start = Some(SlowStart::over(Duration::from_secs(100)));
    let balancer = weighted(Policy { slow_start, ..Policy::of(Strategy::RoundRobin) }, &[1; 3]);
    assert_eq!(called(&balancer, at(1), 6), [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_key_stays_with_its_endpoint_unless_that_may_not_be_called() {
    let balancer = weighted(Policy::of(Strategy::consistent_hash()), &[1; 10]);
    let before = owners(&balancer, at(1));
    let seven = balancer.endpoint("10.0.0.7:80").unwrap();
    seven.set_healthy(false);
    let meanwhile = owners(&balancer, at(2));
    let mut heirs = BTreeMap::new();
    for (before, meanwhile) in before.iter().zip(&meanwhile) {
        match before {
            7 => *heirs.entry(*meanwhile).or_insert(0) += 1,
            _ => assert_eq!(before, meanwhile),
        }
    }
    assert!(heirs.len() >= 8 && !heirs.contains_key(&7), "{heirs:?}");
    seven.set_healthy(true);
    assert_eq!(owners(&balancer, at(3)), before);
}

#[test]
fn keys_whose_endpoint_may_not_be_called_spread_over_the_others_by_weight() {
    let balancer = weighted(Policy::of(Strategy::consistent_hash()), &[8, 1, 3]);
    let before = owners(&balancer, at(1));
    balancer.endpoint("10.0.0.0:80").unwrap().set_healthy(false);
    let heirs = before.into_iter().zip(owners(&balancer, at(2))).filter(|it| it.0 == 0);
    let heirs = counts(heirs.map(|it| it.1));
    let part = f64::from(heirs[&2]) / f64::from(heirs[&1] + heirs[&2]);
    assert!((part - 0.75).abs() < 0.06, "{heirs:?}");
}

#[test]
fn another_endpoint_takes_its_share_of_the_keys_and_hardly_more_move() {
    let balancer = weighted(Policy::of(Strategy::consistent_hash()), &[1; 10]);
    let before = owners(&balancer, at(1));
    balancer.insert(at(2), Member::new("10.0.0.10:80", 10)).unwrap();
    let after = owners(&balancer, at(2));
    let moved = before.iter().zip(&after).filter(|(one, other)| one != other).count();
    let own = after.iter().filter(|it| **it == 10).count();
    // An eleventh of a thousand is 91.
    assert!(own.abs_diff(91) < 30 && moved <= own + 40, "{moved} moved, {own} of them to it");
}

#[test]
fn a_hot_key_goes_elsewhere_when_its_endpoint_has_more_than_its_share() {
    let hash = ConsistentHash { load_max_percent: Some(125), ..ConsistentHash::default() };
    let balancer = weighted(Policy::of(Strategy::ConsistentHash(hash)), &[1; 4]);
    let tickets: Vec<_> = (0..100).map(|_| balancer.admit(at(1), Some(7)).unwrap()).collect();
    let counts = counts(tickets.iter().map(|it| *it.endpoint().value()));
    // The most is 125 % of 25, rounded up.
    assert_eq!(counts.values().max(), Some(&32), "{counts:?}");
    let free = weighted(Policy::of(Strategy::consistent_hash()), &[1; 4]);
    let tickets: Vec<_> = (0..100).map(|_| free.admit(at(1), Some(7)).unwrap()).collect();
    assert!(tickets.iter().all(|it| it.endpoint().name() == tickets[0].endpoint().name()));
}

#[test]
fn keys_are_the_same_in_every_process() {
    assert_eq!(key(b"alice"), 0xc5d1_556d_6677_4a5c);
    assert_ne!(key(b"alice"), key(b"bob"));
}
