//! Rate limiters that let each call through. All ask the system's monotonic clock at each call.

use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use evenkeel_resilience::limit::{Limiter, Policy};
use evenkeel_resilience::time;
use governor::clock::MonotonicClock;
use governor::{Quota, RateLimiter};

use crate::run::{Expect, Figures, Plan, calls};

pub(crate) const SUBJECTS: &[crate::Subject] =
    &[("limit/ours", ours), ("limit/governor", governor)];

const PER_SECOND: u32 = 1_000_000;
/// More than are ever asked for.
const BURST: u32 = 1_000_000_000;

fn ours(plan: Plan) -> Result<Figures> {
    let policy = Policy { burst: BURST, ..Policy::per_second(PER_SECOND) };
    let limiter = Arc::new(Limiter::try_new(policy)?);
    calls(plan, Expect::Answers, || {
        let limiter = Arc::clone(&limiter);
        async move |_| limiter.try_take(time::now()).is_ok()
    })
}

fn governor(plan: Plan) -> Result<Figures> {
    let [rate, burst] = [PER_SECOND, BURST].map(NonZeroU32::new);
    let quota = Quota::per_second(rate.context("no rate")?).allow_burst(burst.context("no burst")?);
    let limiter = Arc::new(RateLimiter::direct_with_clock(quota, MonotonicClock));
    calls(plan, Expect::Answers, || {
        let limiter = Arc::clone(&limiter);
        async move |_| limiter.check().is_ok()
    })
}
