//! Adaptive concurrency: what becomes of the limit before a server that is simulated.
//!
//! The server works on so many requests at once and has a queue for the rest, without end. Clients ask at a steady mean rate, whatever becomes of
//! what they asked. All is drawn from a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use evenkeel_resilience::Adaptive;
use evenkeel_resilience::adaptive::{Algorithm, Gradient, Policy, Signal};
use evenkeel_units::{Moment, Seed};
use rand::Rng;

/// A server, and how much is asked of it.
#[derive(Copy, Clone)]
struct Phase {
    seconds: u64,
    /// Requests that it works on at once.
    servers: u32,
    /// What each takes in the mean, in milliseconds; between half as long and half as long again.
    millis: u64,
    calls_per_second: f64,
}

/// What was seen in a second.
#[derive(Copy, Clone, Debug, Default)]
struct Second {
    done: u32,
    latencies: Duration,
    limit: u32,
}

impl Second {
    fn latency(self) -> Duration {
        self.latencies / self.done.max(1)
    }
}

fn play(policy: Policy, seed: Seed, phases: &[Phase]) -> Vec<Second> {
    let adaptive = Adaptive::try_new(policy).unwrap();
    let mut chance = seed.stream("calls");
    let mut part = move || (chance.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut seconds = Vec::new();
    // When calls come, and when answers do; who has a place, by number.
    let mut due = BinaryHeap::from([Reverse((Moment::START, 0))]);
    let mut calls = std::collections::BTreeMap::new();
    let mut free_at: BinaryHeap<Reverse<Moment>> = BinaryHeap::new();
    let (mut number, mut second) = (0, Second::default());
    let mut ends = 0;
    for phase in phases {
        ends += phase.seconds;
        free_at =
            free_at.into_sorted_vec().into_iter().rev().take(phase.servers as usize).collect();
        let now = Moment::at(Duration::from_secs(ends - phase.seconds));
        while free_at.len() < phase.servers as usize {
            free_at.push(Reverse(now));
        }
        while let Some(Reverse((now, id))) = due.pop() {
            while now.elapsed().as_secs() > seconds.len() as u64 {
                second.limit = adaptive.snapshot().bulkhead.limit;
                seconds.push(std::mem::take(&mut second));
            }
            if now.elapsed().as_secs() >= ends {
                due.push(Reverse((now, id)));
                break;
            }
            if id > 0 {
                let (started, began, permit) = calls.remove(&id).unwrap();
                adaptive.end(now, started, Signal::Latency);
                drop::<evenkeel_resilience::bulkhead::Permit<_>>(permit);
                second.done += 1;
                second.latencies += now - began;
                continue;
            }
            let apart = -(1.0 - part()).ln() / phase.calls_per_second;
            due.push(Reverse((now + Duration::from_secs_f64(apart), 0)));
            let Ok(permit) = adaptive.bulkhead().try_enter() else { continue };
            let Some(Reverse(free)) = free_at.pop() else { unreachable!("there are servers") };
            let takes = Duration::from_millis(phase.millis).mul_f64(0.5 + part());
            let done = free.max(now) + takes;
            free_at.push(Reverse(done));
            number += 1;
            calls.insert(number, (adaptive.begin(now), now, permit));
            due.push(Reverse((done, number)));
        }
    }
    seconds
}

/// 40 at once, 200 ms each: 200 a second; and twice as much is asked for.
const BUSY: Phase = Phase { seconds: 120, servers: 40, millis: 200, calls_per_second: 400.0 };

fn mean(seconds: &[Second], of: impl Fn(&Second) -> f64) -> f64 {
    seconds.iter().map(of).sum::<f64>() / seconds.len() as f64
}

fn rate(seconds: &[Second]) -> f64 {
    mean(seconds, |it| f64::from(it.done))
}

fn limit(seconds: &[Second]) -> f64 {
    mean(seconds, |it| f64::from(it.limit))
}

/// Without a probe for as long as any of these lasts.
fn without_probes() -> Policy {
    let gradient = Gradient { probe_every: Duration::from_hours(24), ..Gradient::default() };
    Policy { algorithm: Algorithm::Gradient(gradient), ..Policy::default() }
}

#[test]
fn the_limit_comes_near_what_the_server_can_do_at_once() {
    for seed in 1..4 {
        let seconds = play(Policy::default(), Seed(seed), &[BUSY]);
        let settled = &seconds[30..];
        assert!(rate(settled) > 0.97 * 200.0, "seed {seed}: {seconds:?}");
        assert!((40.0..90.0).contains(&limit(settled)), "seed {seed}: {}", limit(settled));
        let latency = mean(settled, |it| it.latency().as_secs_f64());
        assert!(latency < 0.4, "seed {seed}: {latency}");
    }
}

#[test]
fn an_overload_without_end_does_not_become_usual() {
    let long = Phase { seconds: 240, ..BUSY };
    let last = |policy| limit(&play(policy, Seed(1), &[long])[210..]);
    assert!(last(Policy::default()) < 90.0);
    assert!(last(without_probes()) > 200.0, "the test bites");
}

#[test]
fn a_server_that_is_slower_for_good_is_used_again_within_two_minutes() {
    // Ten times as slow: 20 a second.
    let slower = Phase { seconds: 150, millis: 2_000, ..BUSY };
    let phases = [Phase { seconds: 30, ..BUSY }, slower];
    for seed in 1..4 {
        let seconds = play(Policy::default(), Seed(seed), &phases);
        assert!(rate(&seconds[150..]) > 0.95 * 20.0, "seed {seed}: {seconds:?}");
    }
    let seconds = play(without_probes(), Seed(1), &phases);
    assert!(rate(&seconds[150..]) < 0.5 * 20.0, "the test bites: {seconds:?}");
}

#[test]
fn a_server_that_loses_most_of_its_capacity_is_relieved_within_seconds() {
    let crippled = Phase { seconds: 30, servers: 8, ..BUSY };
    for seed in 1..4 {
        let seconds = play(Policy::default(), Seed(seed), &[BUSY, crippled, BUSY]);
        let before = limit(&seconds[60..120]);
        assert!(f64::from(seconds[126].limit) < before / 2.0, "seed {seed}: {seconds:?}");
        // It goes on to do what it can, and does more when it can again.
        assert!(rate(&seconds[130..150]) > 0.9 * 40.0, "seed {seed}: {seconds:?}");
        assert!(rate(&seconds[180..]) > 0.95 * 200.0, "seed {seed}: {seconds:?}");
    }
}

#[test]
fn the_limit_does_not_grow_while_few_calls_come() {
    let quiet = Phase { seconds: 300, calls_per_second: 10.0, ..BUSY };
    let seconds = play(Policy::default(), Seed(1), &[quiet]);
    assert!(seconds.iter().all(|it| it.limit == 20), "{seconds:?}");
}

#[test]
fn up_by_one_and_down_by_a_tenth_keeps_latency_where_it_was_asked_to_be() {
    for seed in 1..4 {
        let policy = Policy::aimd(Duration::from_millis(300));
        let seconds = play(policy, Seed(seed), &[BUSY]);
        let settled = &seconds[30..];
        assert!(rate(settled) > 0.97 * 200.0, "seed {seed}: {seconds:?}");
        let latency = mean(settled, |it| it.latency().as_secs_f64());
        assert!((0.2..0.32).contains(&latency), "seed {seed}: {latency}");
    }
}
