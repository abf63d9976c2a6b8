//! Drain: how a service ends without dropping a request.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use evenkeel_units::Human;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::Health;

/// How long each part of the end may take.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct DrainPolicy {
    /// From the signal until nothing more is accepted. 15 s, as long as the slowest of those who usually send requests takes to
    /// notice: a readiness probe of 5 s × 2 needs 10 s, a balancer that asks every 5 s and counts to three 15 s, and an address
    /// that is taken out of a cluster's tables one to five. Half of the grace is left for requests.
    pub delay: Duration,
    /// From the signal until the platform kills: `terminationGracePeriodSeconds`. 30 s, as there.
    pub grace: Duration,
    /// How much of that is kept for the end itself: to flush, to close, to exit. 2 s.
    pub reserve: Duration,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(15),
            grace: Duration::from_secs(30),
            reserve: Duration::from_secs(2),
        }
    }
}

/// Why a policy of the end cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`delay` of {} and `reserve` of {} leave nothing of the `grace` of {} to finish what is under way",
    Human(.0.delay), Human(.0.reserve), Human(.0.grace)
)]
pub struct NoTimeLeft(DrainPolicy);

/// Where the end has got to.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It has not begun.
    Serving,
    /// Not ready any more, still accepting.
    Begun,
    /// Accepting nothing more.
    Closing,
    /// Nothing is under way, or the time is over.
    Over,
}

/// How it ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How much was still under way, and is cut off: requests, or whatever [`Drain::hold`] was called for.
    pub cut_off: usize,
}

/// The end of a service, without a dropped request. A clone is the same one.
///
/// ```text
///   SIGTERM   begun     not ready any more, still accepting: balancers need a moment to hear of it
///   + delay   closing   stop accepting, end idle connections, finish what is under way
///   + limit   over      whatever is still under way is cut off
/// ```
///
/// Kubernetes sends SIGTERM and takes the address out of its endpoints at the same time, and the second takes longer to arrive
/// everywhere: a service that stops to accept at once drops what is sent to it meanwhile. So the delay must be at least as long as it
/// takes the slowest balancer to notice: `periodSeconds × failureThreshold` of the readiness probe, if it goes by that. A `preStop`
/// hook that sleeps does the same from the outside; then the delay here may be short.
///
/// Liveness stays good throughout: nobody may restart what is ending anyway.
///
/// ```no_run
/// # async fn serve(_: tokio::net::TcpStream) {}
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use evenkeel_health::{Drain, DrainPolicy, Health};
///
/// let health = Health::builder().start()?;
/// let drain = Drain::try_new(DrainPolicy::default())?;
/// tokio::spawn(drain.clone().on_sigterm(health)?);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     // Held before anybody is there, and not by its task: the end may come at any moment in between.
///     let under_way = drain.hold();
///     let (stream, _) = tokio::select! {
///         () = drain.closing() => break,
///         accepted = listener.accept() => accepted?,
///     };
///     tokio::spawn(async move {
///         serve(stream).await;
///         drop(under_way);
///     });
/// }
/// drain.finished().await;
/// # Ok(())
/// # }
/// ```
///
/// What to hold for is whatever must not be cut off. A server that ends its connections by itself, as those of axum, hyper and tonic
/// do, knows best when the last byte is written: hold once, around all of it.
///
/// ```no_run
/// # async fn run(app: axum::Router, listener: tokio::net::TcpListener) -> Result<(), Box<dyn std::error::Error>> {
/// # use evenkeel_health::{Drain, DrainPolicy, Health};
/// # let health = Health::builder().start()?;
/// # let drain = Drain::try_new(DrainPolicy::default())?;
/// let _serving = drain.hold();
/// let end = tokio::spawn(drain.clone().on_sigterm(health)?);
/// tokio::select! {
///     served = axum::serve(listener, app).with_graceful_shutdown(drain.closing()) => served?,
///     _ = end => {} // the time is over
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Drain(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    policy: DrainPolicy,
    begun: OnceLock<Instant>,
    phase: watch::Sender<Phase>,
    /// Counted with each request, so it is a number and nobody is told; but for the last one.
    under_way: AtomicUsize,
    none: Notify,
}

/// Something that is under way, until it is dropped.
#[derive(Debug)]
#[must_use = "what is under way counts as over when this is dropped"]
pub struct UnderWay(Arc<Shared>);

impl UnderWay {
    /// Whether its answer should say `Connection: close`.
    #[cfg(feature = "http")]
    pub(crate) fn is_among_the_last(&self) -> bool {
        *self.0.phase.borrow() >= Phase::Begun
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

impl Shared {
    /// Waits until nothing is under way.
    async fn none_under_way(&self) {
        loop {
            let mut told = pin!(self.none.notified());
            // Listens before it looks, so that the last one does not end in between.
            told.as_mut().enable();
            if self.under_way.load(Ordering::Acquire) == 0 {
                return;
            }
            told.await;
        }
    }
}

impl Drain {
    /// Of a service that has not begun to end.
    ///
    /// # Errors
    /// The policy leaves no time to finish what is under way.
    pub fn try_new(policy: DrainPolicy) -> Result<Self, NoTimeLeft> {
        if policy.delay.saturating_add(policy.reserve) >= policy.grace {
            return Err(NoTimeLeft(policy));
        }
        let phase = watch::Sender::new(Phase::Serving);
        let under_way = AtomicUsize::new(0);
        let (begun, none) = (OnceLock::new(), Notify::new());
        Ok(Self(Arc::new(Shared { policy, begun, phase, under_way, none })))
    }

    /// Counts something as under way until what this gives is dropped: a request, a connection, or a server with all of its own.
    pub fn hold(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(&self.0))
    }

    /// Where the end has got to.
    pub fn phase(&self) -> Phase {
        *self.0.phase.borrow()
    }

    /// Whether answers should say `Connection: close`: clients then come back elsewhere.
    pub fn has_begun(&self) -> bool {
        self.phase() >= Phase::Begun
    }

    /// Whether nothing more may be accepted.
    pub fn is_closing(&self) -> bool {
        self.phase() >= Phase::Closing
    }

    /// Waits for the signal: from here on the service is not ready.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + use<> {
        self.until(Phase::Begun)
    }

    /// Waits until nothing more may be accepted. It borrows nothing, so that a server takes it as it is for its graceful shutdown.
    pub fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        self.until(Phase::Closing)
    }

    /// Waits until nothing is under way any more, or the time is over: exit now.
    pub fn finished(&self) -> impl Future<Output = ()> + Send + use<> {
        self.until(Phase::Over)
    }

    fn until(&self, phase: Phase) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.0);
        async move {
            // The sender lives as long as what is shared.
            drop(shared.phase.subscribe().wait_for(|it| *it >= phase).await);
        }
    }

    /// Goes through the end from here on, and says how it ended. Whoever calls again goes the rest of the same way, counted from the
    /// first call, also when that one was dropped.
    pub async fn run(&self, health: &Health) -> Drained {
        let begun = *self.0.begun.get_or_init(Instant::now);
        let left = |of: Duration| of.saturating_sub(begun.elapsed());
        let DrainPolicy { delay, grace, reserve } = self.0.policy;
        health.drain();
        self.advance(Phase::Begun);
        sleep(left(delay)).await;
        health.close();
        self.advance(Phase::Closing);
        // Both ends are good: nothing is under way, or the time is over.
        drop(timeout(left(grace.saturating_sub(reserve)), self.0.none_under_way()).await);
        self.advance(Phase::Over);
        Drained { cut_off: self.0.under_way.load(Ordering::Acquire) }
    }

    /// The same once SIGTERM comes. From this call on the signal no longer ends the process by itself.
    ///
    /// # Errors
    /// The signal cannot be listened for.
    #[cfg(unix)]
    pub fn on_sigterm(
        self,
        health: Health,
    ) -> std::io::Result<impl Future<Output = Drained> + Send> {
        let mut signals =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        Ok(async move {
            signals.recv().await;
            self.run(&health).await
        })
    }

    fn advance(&self, to: Phase) {
        self.0.phase.send_if_modified(|it| std::mem::replace(it, to.max(*it)) < to);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, advance};

    use super::*;
    use crate::answer::Endpoint;
    use crate::said::Said;

    /// Seconds from the start until something is there.
    async fn takes(what: impl Future<Output = ()>) -> u64 {
        let start = Instant::now();
        what.await;
        start.elapsed().as_secs()
    }

    fn drain() -> (Drain, Health) {
        (Drain::try_new(DrainPolicy::default()).unwrap(), Health::builder().start().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn balancers_have_fifteen_seconds_and_requests_until_two_before_the_end() {
        let (drain, health) = drain();
        let _slow = drain.hold();
        let (ours, theirs) = (drain.clone(), health.clone());
        let run = tokio::spawn(async move { ours.run(&theirs).await });
        assert_eq!(takes(drain.begun()).await, 0);
        assert_eq!(health.said(Endpoint::Ready), Said::ReadyDraining);
        assert!(health.is_live() && !drain.is_closing());
        assert_eq!(takes(drain.closing()).await, 15);
        assert_eq!(takes(drain.finished()).await, 13);
        assert_eq!(run.await.unwrap(), Drained { cut_off: 1 });
        assert!(health.is_live());
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_last_request() {
        let (drain, health) = drain();
        let slow = drain.hold();
        let quick = drain.hold();
        let ours = drain.clone();
        let run = tokio::spawn(async move { ours.run(&health).await });
        drain.closing().await;
        drop(quick);
        advance(Duration::from_secs(3)).await;
        assert_eq!(drain.phase(), Phase::Closing);
        drop(slow);
        assert_eq!(takes(drain.finished()).await, 0);
        assert_eq!(run.await.unwrap(), Drained { cut_off: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_goes_through_it_no_second_time() {
        let (drain, health) = drain();
        let both = async { tokio::join!(drain.run(&health), drain.run(&health)) };
        assert_eq!(takes(async { assert_eq!(both.await.0.cut_off, 0) }).await, 15);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_was_given_up_half_way_is_gone_through_by_the_next() {
        let (drain, health) = drain();
        let _slow = drain.hold();
        assert!(timeout(Duration::from_secs(10), drain.run(&health)).await.is_err());
        let both = async { tokio::join!(drain.closing(), drain.run(&health)) };
        assert_eq!(takes(async { assert_eq!(both.await.1.cut_off, 1) }).await, 18);
    }

    #[test]
    fn a_policy_without_time_for_requests_is_refused() {
        let hasty = DrainPolicy { delay: Duration::from_secs(28), ..DrainPolicy::default() };
        let error = Drain::try_new(hasty).unwrap_err().to_string();
        assert_eq!(
            error,
            "`delay` of 28s and `reserve` of 2s leave nothing of the `grace` of 30s to finish what is under way"
        );
    }
}
