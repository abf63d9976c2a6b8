//! Caches that hold the answer: a hit costs a look-up and a clone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_resilience::Error;
use evenkeel_resilience::stale_cache::{Policy, StaleCache};

use crate::inner::{Failed, answer, answer_as_ours};
use crate::run::{Expect, Figures, Plan, calls};

pub(crate) const SUBJECTS: &[crate::Subject] = &[("cache/ours", ours), ("cache/moka", moka)];

/// Keys, which are asked for in turns.
const KEYS: u64 = 1_000;
const CAPACITY: usize = 10_000;
/// Longer than any run.
const TTL: Duration = Duration::from_hours(1);

fn ours(plan: Plan) -> Result<Figures> {
    let policy = Policy { capacity: CAPACITY, ttl: TTL, ..Policy::default() };
    let cache: Arc<StaleCache<u64, u64, Failed>> = Arc::new(StaleCache::try_new(policy)?);
    calls(plan, Expect::Answers, || {
        let cache = Arc::clone(&cache);
        async move |it| {
            let key = it % KEYS;
            let got: Result<u64, Error<Failed>> =
                cache.get_with(&key, || answer_as_ours(key)).await;
            got.is_ok()
        }
    })
}

fn moka(plan: Plan) -> Result<Figures> {
    let cache =
        moka::future::Cache::builder().max_capacity(CAPACITY as u64).time_to_live(TTL).build();
    calls(plan, Expect::Answers, || {
        let cache = cache.clone();
        async move |it| {
            let key = it % KEYS;
            cache.get_with(key, async { answer(key).await.unwrap_or_default() }).await == key
        }
    })
}
