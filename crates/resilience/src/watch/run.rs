//! Run: the tasks that ask endpoints, by tokio's clock.

use std::hash::{BuildHasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_units::chance::{GOLDEN, mix, part};
use evenkeel_units::{Moment, locked};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Health, Policy, PolicyError, Watched};
use crate::time;

/// Who is told how each probe ended: a [`Failover`](crate::Failover), or any `Fn(Moment, usize, bool)`.
pub trait Told: Send + Sync {
    /// A probe of an endpoint, by the number it was given, ended now.
    fn probed(&self, now: Moment, endpoint: usize, passed: bool);
}

impl<F: Fn(Moment, usize, bool) + Send + Sync> Told for F {
    fn probed(&self, now: Moment, endpoint: usize, passed: bool) {
        self(now, endpoint, passed);
    }
}

/// Asks endpoints for as long as it is held. Dropped, it asks no more, and gives up what it asks now.
///
/// Each endpoint has a task, and so has each probe, so that one that hangs or panics takes nothing with it: both are failures.
/// The first probe of an endpoint comes at a random moment of its first interval, so that many clients that start together do not
/// ask together ever after.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::time::Duration;
/// use evenkeel_resilience::watch::{Policy, Watch};
/// use evenkeel_resilience::Moment;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let failures = Arc::new(AtomicUsize::new(0));
/// let told = {
///     let failures = Arc::clone(&failures);
///     move |_: Moment, _: usize, passed: bool| {
///         failures.fetch_add(usize::from(!passed), Ordering::Relaxed);
///     }
/// };
/// let ask = |endpoint| async move {
///     if endpoint == 0 { Ok(()) } else { Err("connection refused") }
/// };
/// let watch = Watch::start([(0, Policy::default()), (1, Policy::default())], ask, Arc::new(told))?;
/// tokio::time::sleep(Duration::from_secs(17)).await;
/// assert!(failures.load(Ordering::Relaxed) >= 3);
/// # drop(watch);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "dropped, it asks no more"]
pub struct Watch {
    tasks: Vec<AbortHandle>,
}

impl Watch {
    /// Begins to ask the endpoints with these numbers. `probe` makes a probe of one: what is `Ok` within the timeout has passed.
    ///
    /// # Errors
    /// Of a policy that cannot be followed; then nothing is asked.
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    pub fn start<P, F, T, E>(
        endpoints: impl IntoIterator<Item = (usize, Policy)>,
        probe: P,
        told: Arc<dyn Told>,
    ) -> Result<Self, PolicyError>
    where
        P: Fn(usize) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        Self::seeded(RandomState::new().hash_one(0u8), endpoints, probe, told)
    }

    /// The same, where a number decides when each endpoint is asked first.
    ///
    /// # Errors
    /// As of [`start`](Self::start).
    ///
    /// # Panics
    /// As of [`start`](Self::start).
    pub fn seeded<P, F, T, E>(
        seed: u64,
        endpoints: impl IntoIterator<Item = (usize, Policy)>,
        probe: P,
        told: Arc<dyn Told>,
    ) -> Result<Self, PolicyError>
    where
        P: Fn(usize) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let endpoints: Vec<_> = endpoints.into_iter().collect();
        endpoints.iter().try_for_each(|(_, policy)| policy.check())?;
        let probe = Arc::new(move |endpoint| {
            let asked = probe(endpoint);
            async move { asked.await.is_ok() }
        });
        let tasks = endpoints.into_iter().map(|(endpoint, policy)| {
            let (probe, told) = (Arc::clone(&probe), Arc::clone(&told));
            let first = policy.interval.mul_f64(share(seed, endpoint));
            tokio::spawn(ask(endpoint, policy, first, probe, told)).abort_handle()
        });
        Ok(Self { tasks: tasks.collect() })
    }
}

impl Watch {
    /// The same for endpoints that are numbered from 0 and judged here: `told` hears only of changes. So a balancer is told who is
    /// not to be called.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use std::time::Duration;
    /// use evenkeel_resilience::watch::{Health, Policy, Watch};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let is_called = [true, true].map(AtomicBool::new);
    /// let is_called = Arc::new(is_called);
    /// let tell = Arc::clone(&is_called);
    /// let ask = |endpoint| async move {
    ///     if endpoint == 0 { Ok(()) } else { Err("connection refused") }
    /// };
    /// let watch = Watch::judged([Policy::default(); 2], ask, move |_, endpoint, health| {
    ///     tell[endpoint].store(health != Health::Unhealthy, Ordering::Relaxed);
    /// })?;
    /// tokio::time::sleep(Duration::from_secs(17)).await;
    /// assert!(is_called[0].load(Ordering::Relaxed) && !is_called[1].load(Ordering::Relaxed));
    /// # drop(watch);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As of [`start`](Self::start).
    ///
    /// # Panics
    /// As of [`start`](Self::start).
    pub fn judged<P, F, T, E>(
        endpoints: impl IntoIterator<Item = Policy>,
        probe: P,
        told: impl Fn(Moment, usize, Health) + Send + Sync + 'static,
    ) -> Result<Self, PolicyError>
    where
        P: Fn(usize) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let endpoints: Vec<_> = endpoints.into_iter().collect();
        let watched: Vec<_> = endpoints.iter().map(|it| Mutex::new(Watched::new(it))).collect();
        let judge = move |now: Moment, endpoint: usize, passed: bool| {
            let watched = watched.get(endpoint).map(|it| locked(it).probed(now, passed));
            if let Some(health) = watched.flatten() {
                told(now, endpoint, health);
            }
        };
        Self::start(endpoints.into_iter().enumerate(), probe, Arc::new(judge))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// A share of an interval, at least 0 and less than 1, that differs from endpoint to endpoint.
fn share(seed: u64, endpoint: usize) -> f64 {
    part(mix(seed.wrapping_add((endpoint as u64).wrapping_mul(GOLDEN))))
}

/// Asks one endpoint for ever.
async fn ask<P, F>(
    endpoint: usize,
    policy: Policy,
    first: Duration,
    probe: Arc<P>,
    told: Arc<dyn Told>,
) where
    P: Fn(usize) -> F + Send + Sync + 'static,
    F: Future<Output = bool> + Send + 'static,
{
    let mut due = Instant::now() + first;
    loop {
        sleep_until(due).await;
        let probe = Arc::clone(&probe);
        let mut run = Run(tokio::spawn(async move { probe(endpoint).await }));
        let passed = matches!(timeout(policy.timeout, &mut run.0).await, Ok(Ok(true)));
        drop(run);
        let now = time::now();
        // Who panics when told is heard of through the panic; the endpoint must be watched all the same.
        let heard = catch_unwind(AssertUnwindSafe(|| told.probed(now, endpoint, passed)));
        drop(heard);
        // A process that was stopped for a while asks once, and not once for each interval it missed.
        due = (due + policy.interval).max(Instant::now());
    }
}

/// One probe, which ends with whoever waits for it.
struct Run(JoinHandle<bool>);

impl Drop for Run {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    type Heard = Arc<Mutex<Vec<(Duration, usize, bool)>>>;

    /// What was said, and when, counted from now.
    fn listener() -> (Heard, Arc<dyn Told>) {
        let heard = Heard::default();
        let (to, begun) = (Arc::clone(&heard), time::now());
        let told = move |now: Moment, endpoint, passed| {
            to.lock().unwrap().push((now - begun, endpoint, passed));
        };
        (heard, Arc::new(told))
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_delays_nobody_and_fails_at_its_timeout() {
        let (heard, told) = listener();
        let endpoints = [(0, Policy::default()), (1, Policy::default())];
        let probe = |endpoint| async move {
            if endpoint == 0 {
                pending::<()>().await;
            }
            Ok::<_, ()>(())
        };
        let watch = Watch::seeded(7, endpoints, probe, told).unwrap();
        tokio::time::sleep(50 * SECOND).await;
        drop(watch);
        let heard = heard.lock().unwrap().clone();
        let of = |it| heard.iter().filter(move |heard| heard.1 == it);
        assert!(of(0).all(|it| !it.2) && of(1).all(|it| it.2));
        let starts = |endpoint, took| {
            of(endpoint).map(move |it| it.0.saturating_sub(took)).collect::<Vec<_>>()
        };
        for starts in [starts(0, 2 * SECOND), starts(1, Duration::ZERO)] {
            assert!(starts[0] < 5 * SECOND && starts.len() >= 9, "{starts:?}");
            let apart = |it: &[Duration]| it[1].abs_diff(it[0]).abs_diff(5 * SECOND);
            assert!(starts.windows(2).all(|it| apart(it) <= Duration::from_millis(2)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn dropped_it_asks_no_more_and_gives_up_what_it_asks() {
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let (heard, told) = listener();
        let probe = move |_| {
            let held = Arc::clone(&held);
            async move {
                pending::<()>().await;
                drop(held);
                Ok::<_, ()>(())
            }
        };
        let watch = Watch::seeded(7, [(0, Policy::default())], probe, told).unwrap();
        tokio::time::sleep(11 * SECOND).await;
        drop(watch);
        tokio::time::sleep(SECOND).await;
        assert_eq!(Arc::strong_count(&alive), 1);
        let so_far = heard.lock().unwrap().len();
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(heard.lock().unwrap().len(), so_far);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_stop_each_is_asked_once_and_not_for_each_interval_that_was_missed() {
        let (heard, told) = listener();
        let probe = |_| async { Ok::<_, ()>(()) };
        let watch = Watch::seeded(7, [(0, Policy::default())], probe, told).unwrap();
        tokio::time::sleep(11 * SECOND).await;
        let before = heard.lock().unwrap().len();
        tokio::time::advance(600 * SECOND).await;
        tokio::time::sleep(SECOND).await;
        let asked = heard.lock().unwrap().len() - before;
        assert!((1..=2).contains(&asked), "{asked}");
        drop(watch);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_panics_has_failed_and_a_listener_that_panics_ends_nothing() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&heard);
        let told = move |_: Moment, _: usize, passed: bool| {
            to.lock().unwrap().push(passed);
            std::panic::resume_unwind(Box::new("a bug of whoever listens"));
        };
        let probe = |endpoint| async move {
            match endpoint {
                0 => std::panic::resume_unwind(Box::new("a bug of the probe")),
                _ => Ok::<(), ()>(()),
            }
        };
        let watch = Watch::seeded(7, [(0, Policy::default())], probe, Arc::new(told)).unwrap();
        tokio::time::sleep(11 * SECOND).await;
        drop(watch);
        assert!(matches!(heard.lock().unwrap()[..], [false, false, ..]));
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_policy_that_cannot_be_followed_nothing_is_asked() {
        let (heard, told) = listener();
        let bad = Policy { timeout: 6 * SECOND, ..Policy::default() };
        let probe = |_| async { Ok::<_, ()>(()) };
        let refused = Watch::start([(0, Policy::default()), (1, bad)], probe, told);
        assert!(matches!(refused, Err(PolicyError::TimeoutExceedsInterval { .. })));
        tokio::time::sleep(60 * SECOND).await;
        assert!(heard.lock().unwrap().is_empty());
    }

    #[test]
    fn endpoints_are_first_asked_at_different_shares_of_the_interval() {
        let shares: Vec<_> = (0..100).map(|it| share(7, it)).collect();
        assert!(shares.iter().all(|it| (0.0..1.0).contains(it)));
        let early = shares.iter().filter(|it| **it < 0.5).count();
        assert!((30..70).contains(&early), "{early}");
    }
}
