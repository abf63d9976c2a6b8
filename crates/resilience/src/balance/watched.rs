//! Watched: endpoints that are probed in the background, each of which hears how it is.

use std::sync::Arc;

use super::{Balancer, Endpoint};
use crate::watch::{Health, Policy, PolicyError, Watch};

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
        let told = endpoints.clone();
        Watch::judged(
            endpoints.iter().map(|_| policy).collect::<Vec<_>>(),
            move |number| probe(Arc::clone(&endpoints[number])),
            move |_, number, health| told[number].set_healthy(health == Health::Healthy),
        )
    }
}
