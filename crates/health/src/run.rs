//! Run: asks each check in time, in the background.
//!
//! Each check has a task that asks, waits and notes, and never asks twice at once. Each run has a task of its own too, so that one
//! that blocks a thread, or panics, takes nothing with it: it is given up at its timeout, and as long as it has not come back
//! nothing new is started in its place.
//!
//! One more task is the heart. It beats twice a second, notes how late its timer fired, and says anew what holds whenever that
//! changes because nothing happened.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};

use crate::check::AnyCheck;
use crate::health::Shared;
use crate::{Finding, Policy};

/// How far apart the beats of the heart are.
pub(crate) const BEAT: Duration = Duration::from_millis(500);

/// As far apart as two runs can be; what is further is beyond the clock of the system.
const FAR: Duration = Duration::from_hours(24 * 365);

/// Starts all tasks.
pub(crate) fn start(
    shared: &Arc<Shared>,
    checks: Vec<(String, Policy, Arc<dyn AnyCheck>)>,
    lag: Vec<(String, Policy, Duration)>,
) {
    let eyes = Arc::downgrade(shared);
    shared.keep(tokio::spawn(heart(eyes.clone())).abort_handle());
    let lag = lag.into_iter().map(|(_, policy, limit)| (policy, of_lag(eyes.clone(), limit)));
    let checks = checks.into_iter().map(|(_, policy, check)| (policy, check));
    for (index, (policy, check)) in checks.chain(lag).enumerate() {
        shared.keep(tokio::spawn(watch(eyes.clone(), index, policy, check)).abort_handle());
    }
}

/// The heart. Ends with what it beats for.
async fn heart(eyes: Weak<Shared>) {
    let Some(origin) = eyes.upgrade().map(|it| it.origin()) else { return };
    loop {
        let due = origin.now() + BEAT;
        let Some(shared) = eyes.upgrade() else { return };
        let turn = shared.beat().map_or(due, |it| it.min(due));
        drop(shared);
        sleep_until(origin.instant(turn)).await;
        let late = origin.now() - turn;
        if let Some(shared) = eyes.upgrade() {
            let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            shared.lag.fetch_max(late, Ordering::Relaxed);
        }
    }
}

/// How late the heart was since the last time that somebody asked.
fn of_lag(eyes: Weak<Shared>, limit: Duration) -> Arc<dyn AnyCheck> {
    Arc::new(move || {
        let late = eyes.upgrade().map_or(Duration::ZERO, |it| it.take_lag());
        std::future::ready(judge_lag(late, limit))
    })
}

fn judge_lag(late: Duration, limit: Duration) -> Finding {
    let human = evenkeel_units::Human;
    let says = || format!("a timer fired {} too late, limit {}", human(late), human(limit));
    let finding = match late {
        it if it >= limit => Finding::fail(says()),
        it if it >= limit / 2 => Finding::warn(says()),
        _ => Finding::pass(),
    };
    finding.with_value(late.as_micros() as f64 / 1_000.0, "ms")
}

/// Asks one check for ever.
async fn watch(eyes: Weak<Shared>, index: usize, policy: Policy, check: Arc<dyn AnyCheck>) {
    let mut due = interval(policy.every.min(FAR));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut hung: Option<Run> = None;
    loop {
        due.tick().await;
        let Some(origin) = eyes.upgrade().map(|it| it.origin()) else { return };
        let begun = origin.now();
        let mut run =
            hung.take().filter(|it| !it.0.is_finished()).unwrap_or_else(|| Run::of(&check));
        let finding = match timeout(policy.timeout, &mut run.0).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(error)) if error.is_panic() => Finding::fail("the check panicked"),
            Ok(Err(_)) => Finding::fail("the check came back only after it was given up"),
            Err(_) => {
                run.0.abort();
                hung = Some(run);
                let limit = evenkeel_units::Human(policy.timeout);
                Finding::fail(format!("no answer within {limit}"))
            }
        };
        let Some(shared) = eyes.upgrade() else { return };
        shared.record(index, origin.now() - begun, finding);
    }
}

/// One run of a check, which ends with whoever waits for it.
struct Run(JoinHandle<Finding>);

impl Run {
    fn of(check: &Arc<dyn AnyCheck>) -> Self {
        let check = Arc::clone(check);
        Self(tokio::spawn(async move { check.ask_boxed().await }))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    #[test]
    fn a_lag_warns_at_half_of_its_limit() {
        let limit = Duration::from_millis(100);
        let status = |late| judge_lag(Duration::from_millis(late), limit).status();
        assert_eq!(
            [status(49), status(50), status(100)],
            [Status::Pass, Status::Warn, Status::Fail]
        );
        assert_eq!(judge_lag(Duration::from_micros(1_500), limit).value(), Some((1.5, "ms")));
    }
}
