//! Run: calls, again and again, on one thread or several at once.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use tokio::runtime;

use crate::count;

/// How often something is done, so that caches, branches and lazy statics are warm.
const WARM: u64 = 1_000;

/// What was measured, by name.
pub(crate) type Figures = Vec<(&'static str, f64)>;

/// How many calls.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Plan {
    /// Of each thread.
    pub(crate) calls: u64,
    pub(crate) threads: usize,
}

/// Whether calls are to be answered, or to be refused.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Answers,
    Refusals,
}

/// Makes the calls of a plan; `caller` gives whoever makes those of one thread, and says of each whether it was answered. What a
/// thread waits for goes by a runtime of its own.
pub(crate) fn calls<C>(plan: Plan, expect: Expect, caller: impl Fn() -> C) -> Result<Figures>
where
    C: AsyncFnMut(u64) -> bool + Send,
{
    let callers: Vec<C> = (0..plan.threads).map(|_| caller()).collect();
    let begin = Barrier::new(plan.threads);
    let all: Vec<Result<One>> = thread::scope(|scope| {
        let begun: Vec<_> =
            callers.into_iter().map(|caller| scope.spawn(|| one(plan, caller, &begin))).collect();
        begun.into_iter().filter_map(|it| it.join().ok()).collect()
    });
    ensure!(all.len() == plan.threads, "a thread panicked");
    let (mut seconds, mut allocations) = (0.0, 0);
    for one in all {
        let one = one?;
        let wanted = if expect == Expect::Answers { plan.calls } else { 0 };
        ensure!(one.answered == wanted, "{} of {} calls were answered", one.answered, plan.calls);
        seconds += one.seconds;
        allocations += one.allocations;
    }
    let calls = plan.calls as f64 * plan.threads as f64;
    Ok(vec![
        ("seconds_per_call", seconds / calls),
        ("allocations_per_call", allocations as f64 / calls),
    ])
}

/// What one thread found.
struct One {
    seconds: f64,
    allocations: u64,
    answered: u64,
}

fn one(plan: Plan, mut call: impl AsyncFnMut(u64) -> bool, begin: &Barrier) -> Result<One> {
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    runtime.context("there is no runtime")?.block_on(async {
        for number in 0..WARM {
            black_box(call(black_box(number)).await);
        }
        begin.wait();
        let (before, start) = (count::allocations(), now());
        let mut answered = 0;
        for number in 0..plan.calls {
            answered += u64::from(call(black_box(number)).await);
        }
        let seconds = start.elapsed().as_secs_f64();
        Ok(One { seconds, allocations: count::allocations() - before, answered })
    })
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
