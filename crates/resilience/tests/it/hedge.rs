//! Hedges: what they do to the tail, and what they cost, in paused time.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_resilience::hedge::{Hedge, Policy, Snapshot};
use evenkeel_resilience::{Error, time};
use evenkeel_units::Seed;
use rand::Rng;
use tokio::task::JoinSet;

const CALLS: u64 = 5_000;

/// Calls every 5 ms, whose attempts take `10..20` ms, but for a share of `slow` hundredths that takes a second; gives the
/// sorted latencies from the second half on, when the delay has been learned.
async fn play(seed: Seed, policy: Policy, slow: u64) -> (Vec<Duration>, Snapshot) {
    let hedge = Arc::new(Hedge::try_new(policy).unwrap());
    let mut chance = seed.stream("latencies");
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        let mut attempts = [0; 3].map(|_| match chance.next_u64() % 100 < slow {
            true => Duration::from_secs(1),
            false => Duration::from_micros(10_000 + chance.next_u64() % 10_000),
        });
        let hedge = Arc::clone(&hedge);
        calls.spawn(async move {
            let begun = time::now();
            let mut attempts = attempts.iter_mut();
            let call = hedge.call(|| {
                let takes = *attempts.next().unwrap();
                async move {
                    tokio::time::sleep(takes).await;
                    Ok::<_, Error<()>>(())
                }
            });
            call.await.unwrap();
            (number, time::now() - begun)
        });
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ended = calls.join_all().await;
    let late = ended.into_iter().filter(|(number, _)| *number > CALLS / 2);
    let mut latencies: Vec<_> = late.map(|(_, latency)| latency).collect();
    latencies.sort_unstable();
    (latencies, hedge.snapshot(time::now()))
}

fn percentile(sorted: &[Duration], thousandths: usize) -> Duration {
    sorted[(sorted.len() * thousandths).div_ceil(1000) - 1]
}

#[tokio::test(start_paused = true)]
async fn the_tail_is_cut_to_twice_the_usual_for_a_few_per_cent_of_calls() {
    for seed in 1..4 {
        let (latencies, _) = play(Seed(seed), Policy { attempts: 1, ..Policy::default() }, 3).await;
        assert!(percentile(&latencies, 990) >= Duration::from_secs(1), "the test bites");
        let (latencies, snapshot) = play(Seed(seed), Policy::default(), 3).await;
        let tail = percentile(&latencies, 990);
        assert!(tail < Duration::from_millis(45), "seed {seed}: {tail:?}, {snapshot:?}");
        let share = snapshot.hedges as f64 / CALLS as f64;
        assert!((0.02..0.07).contains(&share), "seed {seed}: {snapshot:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_that_is_slow_for_everybody_is_asked_a_tenth_more_often() {
    let policy = Policy::after(Duration::from_millis(50));
    let (_, snapshot) = play(Seed(1), policy, 100).await;
    // A tenth of the calls, one a second for 25 s, and what was saved.
    assert!(snapshot.hedges <= CALLS / 10 + 26 + 10, "{snapshot:?}");
    assert!(snapshot.over_budget > CALLS * 8 / 10, "{snapshot:?}");
}
