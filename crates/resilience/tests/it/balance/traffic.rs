//! Traffic: minutes of calls to endpoints that get slow, hang, fail or are new, in virtual time and by seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use evenkeel_resilience::balance::{
    Balancer, Member, Outliers, Policy, SlowStart, Strategy, Ticket,
};
use evenkeel_resilience::breaker::Outcome;
use evenkeel_units::{Moment, Seed};
use rand::Rng as _;

const CALLS_PER_SECOND: f64 = 200.0;

fn at(second: u64) -> Moment {
    Moment::at(Duration::from_secs(second))
}

/// What a call to an endpoint at a moment needs, and whether it is answered well.
type Answers = fn(endpoint: usize, now: Moment) -> (Duration, bool);

/// What became of the calls of one second.
#[derive(Clone, Debug, Default)]
struct Second {
    begun: BTreeMap<usize, u32>,
    failed: u32,
    /// Of the answers, in milliseconds.
    took: Vec<u64>,
}

impl Second {
    fn share(&self, endpoint: usize) -> f64 {
        let all: u32 = self.begun.values().sum();
        f64::from(self.begun.get(&endpoint).copied().unwrap_or(0)) / f64::from(all.max(1))
    }
}

/// Calls arrive by chance; a time limit of 2 s cuts them off.
fn traffic(balancer: &Balancer<usize>, seconds: u64, seed: Seed, answers: Answers) -> Vec<Second> {
    traffic_from(0, balancer, seconds, seed, answers)
}

/// The same from a second on; those before are empty.
fn traffic_from(
    from: u64,
    balancer: &Balancer<usize>,
    seconds: u64,
    seed: Seed,
    answers: Answers,
) -> Vec<Second> {
    const LIMIT: Duration = Duration::from_secs(2);
    let mut chance = seed.stream("arrivals");
    let mut part = move || (chance.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut calls: BTreeMap<u64, (Ticket<usize>, Moment, bool, bool)> = BTreeMap::new();
    let mut due = BinaryHeap::from([Reverse((at(from), 0))]);
    let mut serial = 0;
    let mut seen = vec![Second::default(); seconds as usize];
    while let Some(Reverse((now, id))) = due.pop() {
        let second = now.elapsed().as_secs() as usize;
        if second >= seen.len() {
            break;
        }
        // Number 0 is the next caller, who has to come again.
        if id > 0 {
            let (ticket, began, ok, is_cut) = calls.remove(&id).unwrap();
            seen[second].failed += u32::from(!ok || is_cut);
            seen[second].took.push((now - began).as_millis() as u64);
            match is_cut {
                true => balancer.abandon(now, ticket),
                false => balancer.record(now, ticket, Outcome::from_ok(ok)),
            }
            continue;
        }
        let apart = -(1.0 - part()).ln() / CALLS_PER_SECOND;
        due.push(Reverse((now + Duration::from_secs_f64(apart), 0)));
        let ticket = balancer.admit(now, None).unwrap();
        let endpoint = *ticket.endpoint().value();
        *seen[second].begun.entry(endpoint).or_insert(0) += 1;
        let (needs, ok) = answers(endpoint, now);
        // Half of it to one and a half.
        let takes = needs.mul_f64(0.5 + part());
        serial += 1;
        calls.insert(serial, (ticket, now, ok, takes > LIMIT));
        due.push(Reverse((now + takes.min(LIMIT), serial)));
    }
    // What is under way when time is over says nothing.
    calls.into_values().for_each(|(ticket, ..)| balancer.release(ticket));
    seen
}

fn five(policy: Policy, seed: Seed) -> Balancer<usize> {
    let balancer = Balancer::seeded(policy, seed).unwrap();
    balancer.replace(at(0), (0..5).map(|it| Member::new(it.to_string(), it))).unwrap();
    balancer
}

fn without_outliers(strategy: Strategy) -> Policy {
    Policy { outliers: None, ..Policy::of(strategy) }
}

fn mean(of: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = of.len() as f64;
    of.sum::<f64>() / count
}

/// Of the answers of some seconds, in milliseconds.
fn p99(of: &[Second]) -> u64 {
    let mut all: Vec<u64> = of.iter().flat_map(|it| it.took.iter().copied()).collect();
    all.sort_unstable();
    all[all.len() * 99 / 100]
}

/// Endpoint 3 is twenty times as slow for 30 s.
fn slow_for_a_while(endpoint: usize, now: Moment) -> (Duration, bool) {
    let is_slow = endpoint == 3 && (20..50).contains(&now.elapsed().as_secs());
    (Duration::from_millis(if is_slow { 400 } else { 20 }), true)
}

#[test]
fn peak_ewma_takes_load_off_an_endpoint_that_gets_slow_and_gives_it_back() {
    for seed in 1..4 {
        let balancer = five(without_outliers(Strategy::default()), Seed(seed));
        let seen = traffic(&balancer, 110, Seed(seed), slow_for_a_while);
        let share = |from: usize, to: usize| mean(seen[from..to].iter().map(|it| it.share(3)));
        let shares = [share(5, 20), share(22, 50), share(80, 110)];
        assert!((0.15..0.25).contains(&shares[0]), "seed {seed}: {shares:.3?}");
        assert!(shares[1] < 0.04, "seed {seed}: {shares:.3?}");
        assert!((0.13..0.27).contains(&shares[2]), "seed {seed}: {shares:.3?}");

        let blind = five(without_outliers(Strategy::RoundRobin), Seed(seed));
        let blind = traffic(&blind, 60, Seed(seed), slow_for_a_while);
        let (ours, theirs) = (p99(&seen[22..50]), p99(&blind[22..50]));
        assert!(theirs > 550 && ours < 450, "seed {seed}: {ours} ms, and {theirs} ms in rotation");
    }
}

#[test]
fn an_endpoint_that_hangs_gets_next_to_nothing_without_any_verdict_on_it() {
    let hangs: Answers = |endpoint, _| match endpoint {
        3 => (Duration::from_hours(1), true),
        _ => (Duration::from_millis(20), true),
    };
    for seed in 1..4 {
        let balancer = five(without_outliers(Strategy::default()), Seed(seed));
        let seen = traffic(&balancer, 60, Seed(seed), hangs);
        let share = mean(seen[5..].iter().map(|it| it.share(3)));
        assert!(share < 0.02, "seed {seed}: {share}");
    }
}

#[test]
fn an_endpoint_that_fails_fast_draws_no_load_and_is_ejected() {
    let fails: Answers = |endpoint, _| match endpoint {
        3 => (Duration::from_millis(1), false),
        _ => (Duration::from_millis(20), true),
    };
    for seed in 1..4 {
        let balancer = five(without_outliers(Strategy::default()), Seed(seed));
        let seen = traffic(&balancer, 60, Seed(seed), fails);
        let share = mean(seen[5..].iter().map(|it| it.share(3)));
        assert!(share < 0.25, "seed {seed}: {share}");

        let policy = Policy { outliers: Some(Outliers::consecutive(5)), ..Policy::default() };
        let balancer = five(policy, Seed(seed));
        let failed: u32 =
            traffic(&balancer, 90, Seed(seed), fails).iter().map(|it| it.failed).sum();
        // Five until it is ejected, what was under way then, and some when it is back.
        assert!((5..25).contains(&failed), "seed {seed}: {failed}");
    }
}

#[test]
fn an_endpoint_that_is_back_comes_to_its_share_slowly() {
    let well: Answers = |_, _| (Duration::from_millis(20), true);
    for strategy in [Strategy::RoundRobin, Strategy::LeastConnections, Strategy::default()] {
        let slow_start = Some(SlowStart::over(Duration::from_mins(1)));
        let balancer = five(Policy { slow_start, ..Policy::of(strategy) }, Seed(1));
        balancer.endpoint("3").unwrap().set_healthy(false);
        // Told at the first call; the others are warm after a minute, when it comes back.
        let before = traffic(&balancer, 100, Seed(1), well);
        assert!(before.iter().all(|it| it.share(3) <= 0.0));
        balancer.endpoint("3").unwrap().set_healthy(true);
        balancer.tick(at(100));
        let seen = traffic_from(100, &balancer, 180, Seed(2), well);
        let share = |middle: usize| {
            let around = &seen[middle - 4..middle + 4];
            mean(around.iter().map(|it| it.share(3))) / 0.2
        };
        let shares = [104, 130, 152, 175].map(share);
        // Of two choices the less loaded one is taken, and one that was not asked for long is asked again.
        let noise = if strategy == Strategy::default() { 0.35 } else { 0.15 };
        let near = |share: f64, wanted: f64| {
            (wanted * 0.65 - 0.05..wanted * (1.0 + noise) + 0.1).contains(&share)
        };
        let wanted = [0.1, 0.55, 0.9, 1.0];
        let is_near = shares.iter().zip(wanted).all(|(share, wanted)| near(*share, wanted));
        assert!(is_near, "{shares:.2?} by {strategy:?}");
    }
}
