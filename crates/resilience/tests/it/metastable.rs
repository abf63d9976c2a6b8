//! Metastable: an outage that ends with its cause, and one that its retries keep alive.
//!
//! Clients ask a server at 90 % of what it can do. For ten seconds it refuses everything. Then it is well again, but to refuse
//! still costs it half of what serving costs (a connection, a handshake, a token to check), as it does everywhere. Three attempts
//! for everything are then 135 % of what it can do in refusals alone, so it does nothing else, and its clients go on to retry.
//! With a budget, calls and retries together cost it less than it has even while it refuses all of them, so it comes back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use evenkeel_resilience::Retry;
use evenkeel_resilience::retry::{
    Backoff, BudgetPolicy, Course, Idempotency, Policy, TRANSIENT, Verdict,
};
use evenkeel_units::{Moment, Seed};
use rand::Rng;

/// What the server can do is one request in this time.
const SERVING: Duration = Duration::from_millis(1);
const REFUSING: Duration = Duration::from_micros(500);
/// It refuses what would wait longer than this.
const QUEUE: Duration = Duration::from_millis(50);

const CALLS_PER_SECOND: f64 = 900.0;
const OUTAGE: std::ops::Range<u64> = 10..20;
const SECONDS: u64 = 60;

struct Server {
    /// When all that it has taken on is done.
    busy_until: Moment,
}

impl Server {
    /// When it answers, and whether it does what it was asked.
    fn ask(&mut self, now: Moment) -> (Moment, bool) {
        if OUTAGE.contains(&now.elapsed().as_secs()) {
            return (now, false);
        }
        let serves = self.busy_until - now <= QUEUE;
        let work = if serves { SERVING } else { REFUSING };
        self.busy_until = self.busy_until.max(now) + work;
        (if serves { self.busy_until } else { now }, serves)
    }
}

/// Three attempts, with waits of a quarter and half a second.
fn policy(budget: Option<BudgetPolicy>) -> Policy {
    let backoff = Backoff::between(Duration::from_millis(250), Duration::from_secs(2));
    Policy { backoff, budget, ..Policy::default() }
}

/// The share of the calls of each second that were answered in the end.
fn goodput(policy: Policy, seed: Seed) -> Vec<f64> {
    let retry = Retry::seeded(policy, seed).unwrap();
    let mut chance = seed.stream("arrivals");
    let mut server = Server { busy_until: Moment::START };
    let mut calls: BTreeMap<u64, (u64, Course)> = BTreeMap::new();
    let mut due = BinaryHeap::from([Reverse((Moment::START, 0))]);
    let mut serial = 0;
    let mut counts = vec![(0u32, 0u32); SECONDS as usize];
    while let Some(Reverse((now, id))) = due.pop() {
        let second = now.elapsed().as_secs();
        if second >= SECONDS {
            break;
        }
        // Number 0 is the next caller, who has to come again.
        let (began, mut course) = match id {
            0 => {
                let part = (chance.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
                let apart = -(1.0 - part).ln() / CALLS_PER_SECOND;
                due.push(Reverse((now + Duration::from_secs_f64(apart), 0)));
                counts[second as usize].0 += 1;
                (second, retry.begin(Idempotency::Safe))
            }
            _ => calls.remove(&id).unwrap(),
        };
        let (answered, ok) = server.ask(now);
        let verdict = if ok { Verdict::Success } else { TRANSIENT };
        counts[began as usize].1 += u32::from(ok);
        if let Some(wait) = retry.attempted(answered, None, &mut course, verdict) {
            serial += 1;
            calls.insert(serial, (began, course));
            due.push(Reverse((answered + wait, serial)));
        }
    }
    counts.into_iter().map(|(begun, good)| f64::from(good) / f64::from(begun.max(1))).collect()
}

/// Calls of the last second may still be under way when time is over.
fn judged(goodput: &[f64]) -> &[f64] {
    &goodput[OUTAGE.end as usize + 10..SECONDS as usize - 5]
}

#[test]
fn with_the_budget_an_outage_ends_within_ten_seconds_of_its_cause() {
    for seed in 1..4 {
        let goodput = goodput(policy(Some(BudgetPolicy::default())), Seed(seed));
        assert!(goodput[..8].iter().all(|it| *it > 0.999), "seed {seed}: {goodput:.2?}");
        assert!(goodput[11..18].iter().all(|it| *it < 0.01), "seed {seed}: {goodput:.2?}");
        assert!(judged(&goodput).iter().all(|it| *it >= 0.95), "seed {seed}: {goodput:.2?}");
    }
}

#[test]
fn without_a_budget_the_retries_keep_it_alive() {
    for seed in 1..4 {
        let goodput = goodput(policy(None), Seed(seed));
        assert!(goodput[..8].iter().all(|it| *it > 0.999), "seed {seed}: {goodput:.2?}");
        assert!(judged(&goodput).iter().all(|it| *it < 0.5), "seed {seed}: {goodput:.2?}");
    }
}

#[test]
fn without_retries_nothing_is_kept_alive_either() {
    let policy = Policy { attempts: 1, ..policy(None) };
    let goodput = goodput(policy, Seed(1));
    assert!(judged(&goodput).iter().all(|it| *it >= 0.95), "{goodput:.2?}");
}
