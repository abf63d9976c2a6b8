//! Watched: endpoints that are probed in the background, each of which hears how it is.

use std::sync::Arc;

use evenkeel_units::Moment;

use super::{Balancer, Endpoint};
use crate::sync::Mutex;
use crate::watch::{Health, Policy, PolicyError, Told, Watch, Watched};

/// Endpoints, and what their probes said so far.
struct Probed<T> {
    of: Vec<(Arc<Endpoint<T>>, Mutex<Watched>)>,
}

impl<T: Send + Sync> Told for Probed<T> {
    fn probed(&self, now: Moment, endpoint: usize, passed: bool) {
        let Some((endpoint, watched)) = self.of.get(endpoint) else { return };
        let mut watched = watched.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match watched.probed(now, passed) {
            Some(Health::Healthy) => endpoint.set_healthy(true),
            Some(Health::Unhealthy) => endpoint.set_healthy(false),
            _ => {}
        }
    }
}

impl<T: Send + Sync + 'static> Balancer<T> {
    /// Asks all endpoints that there are now how they are, for as long as the answer is held: `probe` makes a probe of one, and what
    /// is `Ok` within the timeout has passed. Who comes later is not asked: begin anew when endpoints were added or exchanged.
    ///
    /// # Errors
    /// Of a policy that cannot be followed; then nothing is asked.
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    ///
    /// ```
    /// use std::time::Duration;
    /// use evenkeel_resilience::{balance::{Balancer, Member, Policy}, time::now, watch};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let balancer = Balancer::try_new(Policy::default())?;
    /// balancer.replace(now(), [Member::new("a", 8080), Member::new("b", 8081)])?;
    /// let watch = balancer.watch(watch::Policy::default(), async |port| match **port {
    ///     8080 => Ok(()),
    ///     _ => Err("connection refused"),
    /// })?;
    /// tokio::time::sleep(watch::Policy::default().detects_within()).await;
    /// assert_eq!(balancer.pick(None).ok_or("nobody")?.endpoint().name(), "a");
    /// # drop(watch); Ok(()) }
    /// ```
    pub fn watch<F, R, E>(
        &self,
        policy: Policy,
        probe: impl Fn(Arc<Endpoint<T>>) -> F + Send + Sync + 'static,
    ) -> Result<Watch, PolicyError>
    where
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        let endpoints = self.endpoints();
        let of = endpoints.iter().map(|it| (Arc::clone(it), Mutex::new(Watched::new(&policy))));
        let told = Arc::new(Probed { of: of.collect() });
        let numbers = (0..endpoints.len()).map(|it| (it, policy));
        Watch::start(numbers, move |number| probe(Arc::clone(&endpoints[number])), told)
    }
}
