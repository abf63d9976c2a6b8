//! Policies: what is asked of one neighbour, pattern by pattern, as it stands in a file; and the machines that follow it.
//!
//! ```yaml
//! deadlines: {total: 2s, attempt: 500ms, connect: 100ms, read: 500ms}
//! retry: {attempts: 3, backoff: {base: 50ms, cap: 500ms}}
//! breaker: {failures: 50%, min_calls: 20}
//! bulkhead: {limit: 10, queue: 50, wait: 100ms}
//! cache: {ttl: 5s, stale_if_error: 10m}
//! ```
//!
//! A pattern that is not named is not there; a field that is not named has its default. With the feature `serde` [`Policies`] are read
//! from any format that serde knows. Durations carry their unit, shares are `50%` or 0.5, and what nobody knows is refused.
//!
//! **When to use it.** Where people who do not build the service tune it, or it is to be tuned while it runs: [`Machines::reload`] lets every
//! machine go on by another policy, with its window, its counts and what it has saved.
//!
//! **When not.** In which order they stand is code: a [`Pipeline`](crate::pipeline::Pipeline) puts them around a call. A
//! reload that adds or takes away one is refused, since no call would go through it. So is what a [`Fallback`](crate::Fallback) answers,
//! and whom a balancer or a failover calls: that says discovery, or a [`LoadBalancer`](crate::failover::LoadBalancer) document.
//!
//! ```
//! use evenkeel_resilience::{bulkhead, policies::Policies, retry};
//! use evenkeel_resilience::Moment;
//!
//! let policies = Policies { retry: Some(retry::Policy::default()), ..Policies::default() };
//! let machines = policies.build()?;
//! let retry = machines.retry.clone().ok_or("no retry")?;
//!
//! let fewer = retry::Policy { attempts: 2, ..retry::Policy::default() };
//! let reloaded = Policies { retry: Some(fewer), ..Policies::default() };
//! assert_eq!(machines.reload(Moment::START, &reloaded), Ok(()));
//! assert_eq!(retry.policy().attempts, 2);
//!
//! let bulkhead = Policies { bulkhead: Some(bulkhead::Policy::default()), ..reloaded };
//! assert!(machines.reload(Moment::START, &bulkhead).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where the file says which patterns there are, tower's `option_layer` leaves a place empty or fills it:
//!
//! ```
//! # #[cfg(feature = "tower")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use evenkeel_resilience::layer::{BreakerLayer, BulkheadLayer, RetryLayer};
//! use evenkeel_resilience::{Pipeline, bulkhead, observe::Registry, policies::Policies};
//! use tower::util::option_layer;
//!
//! let policies = Policies { bulkhead: Some(bulkhead::Policy::at_once(10)), ..Policies::default() };
//! let machines = policies.build()?;
//! let prices = Pipeline::new()
//!     .retry(option_layer(machines.retry.clone().map(RetryLayer::new)))
//!     .breaker(option_layer(machines.breaker.clone().map(BreakerLayer::new)))
//!     .bulkhead(option_layer(machines.bulkhead.clone().map(BulkheadLayer::new)));
//! let price = prices.call(|| async { "42".parse::<u32>() }).await;
//! assert!(matches!(price, Ok(42)));
//!
//! let registry = Registry::new();
//! machines.register(&registry, "prices")?;
//! # Ok(()) }
//! # #[cfg(not(feature = "tower"))]
//! # fn main() {}
//! ```
//!
//! **A cache, a balancer, a failover and the circuits of endpoints** are of types of the program's own: keys, answers, clients. The program
//! makes them by the policy from the file, and lets them [follow](Machines::follow) it:
//!
//! ```
//! use std::sync::Arc;
//! use evenkeel_resilience::{StaleCache, policies::Policies, stale_cache};
//! use evenkeel_resilience::Moment;
//!
//! # let read_file = || Policies { cache: Some(stale_cache::Policy::default()), ..Policies::default() };
//! let policies: Policies = read_file();
//! let mut machines = policies.build()?;
//! if let Some(policy) = &policies.cache {
//!     let prices: Arc<StaleCache<String, u32>> = Arc::new(StaleCache::try_new(policy.clone())?);
//!     machines.follow(Arc::clone(&prices));
//! }
//! assert_eq!(machines.reload(Moment::START, &policies), Ok(()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use crate::deadline::Limits;
use crate::pipeline::{Finding, Stage, lint};
use crate::{
    TimeLimit, adaptive, balance, breaker, bulkhead, failover, hedge, limit, retry, shed,
    stale_cache,
};

mod machines;
#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;

pub use machines::{Follow, Machines};

/// The policies of the calls to one neighbour. What is `None` is not there.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policies {
    /// How long answers are kept, and used when they are stale. In files also `stale_cache`.
    #[cfg_attr(feature = "serde", serde(alias = "stale_cache"))]
    pub cache: Option<stale_cache::Policy>,
    /// How long calls may take. In files also `timeouts`.
    #[cfg_attr(feature = "serde", serde(alias = "timeouts"))]
    pub deadlines: Option<Limits>,
    /// Which calls give way first under overload.
    pub shed: Option<shed::Policy>,
    /// When calls are tried again.
    pub retry: Option<retry::Policy>,
    /// When calls are made a second time since the first is slow.
    pub hedge: Option<hedge::Policy>,
    /// How many calls a second. In files also `rate_limit`.
    #[cfg_attr(feature = "serde", serde(alias = "rate_limit"))]
    pub limit: Option<limit::Policy>,
    /// When another member takes over.
    pub failover: Option<failover::Policy>,
    /// How calls are spread over endpoints, and which of these get none.
    pub balancer: Option<balance::Policy>,
    /// When the circuit opens. In files also `circuit_breaker`.
    #[cfg_attr(feature = "serde", serde(alias = "circuit_breaker"))]
    pub breaker: Option<breaker::Policy>,
    /// How many calls at once.
    pub bulkhead: Option<bulkhead::Policy>,
    /// How the number of calls at once is found; instead of `bulkhead`.
    pub adaptive: Option<adaptive::Policy>,
}

/// What is wrong with a policy, or with its being there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The pattern, as its field is called.
    pub pattern: &'static str,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {}", self.pattern, self.problem)
    }
}

impl std::error::Error for Wrong {}

/// All that is wrong with policies, of each pattern the first. Its `Display` says one on each line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllWrong(pub Vec<Wrong>);

impl fmt::Display for AllWrong {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, it) in self.0.iter().enumerate() {
            let between = if number == 0 { "" } else { "\n" };
            write!(to, "{between}{it}")?;
        }
        Ok(())
    }
}

impl std::error::Error for AllWrong {}

impl AllWrong {
    fn add<T, E: fmt::Display>(
        &mut self,
        pattern: &'static str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|it| self.0.push(Wrong { pattern, problem: it.to_string() })).ok()
    }

    fn end<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// Does the same for every pattern: `$each!(field)`.
macro_rules! every {
    ($each:ident) => {
        [
            $each!(cache),
            $each!(deadlines),
            $each!(shed),
            $each!(retry),
            $each!(hedge),
            $each!(limit),
            $each!(failover),
            $each!(balancer),
            $each!(breaker),
            $each!(bulkhead),
            $each!(adaptive),
        ]
    };
}

impl Policies {
    /// Tells what contradicts itself: the first of each pattern.
    ///
    /// # Errors
    /// All of them.
    pub fn check(&self) -> Result<(), AllWrong> {
        let mut to = AllWrong::default();
        if self.bulkhead.is_some() && self.adaptive.is_some() {
            let both =
                "stands beside `bulkhead`, which is what it finds the size of: leave that out";
            to.add("adaptive", Err::<(), _>(both));
        }
        macro_rules! check {
            ($pattern:ident) => {
                self.$pattern.as_ref().map(|it| to.add(stringify!($pattern), it.check()))
            };
        }
        every!(check);
        to.end(())
    }

    /// The patterns that are there, by the names of their fields.
    pub fn patterns(&self) -> impl Iterator<Item = &'static str> + use<> {
        macro_rules! is_there {
            ($pattern:ident) => {
                self.$pattern.is_some().then_some(stringify!($pattern))
            };
        }
        every!(is_there).into_iter().flatten()
    }

    /// The stages in the order of a [`Pipeline`](crate::pipeline::Pipeline), each with the name of its field.
    fn stages(&self) -> (Vec<&'static str>, Vec<Stage>) {
        let timeout = |limit| {
            let time = |it: &Limits| Stage::Timeout { limit, time: it.of(limit) };
            ("deadlines", self.deadlines.as_ref().map(time))
        };
        let cache = |it: &stale_cache::Policy| Stage::Cache { call_max: it.call_max };
        let delay = |it: &hedge::Policy| Stage::Hedge { delay: it.delay.least() };
        let found = |it: &adaptive::Policy| {
            let (limit, queue, wait) = (it.initial, it.queue, it.wait);
            Stage::Bulkhead(bulkhead::Policy { limit, queue, wait })
        };
        let all = [
            ("shed", self.shed.as_ref().map(|_| Stage::Shed)),
            ("cache", self.cache.as_ref().map(cache)),
            timeout(TimeLimit::Total),
            ("retry", self.retry.map(Stage::Retry)),
            ("hedge", self.hedge.as_ref().map(delay)),
            ("limit", self.limit.clone().map(Stage::Limit)),
            ("failover", self.failover.as_ref().map(|_| Stage::Balance)),
            ("balancer", self.balancer.as_ref().map(|_| Stage::Balance)),
            ("breaker", self.breaker.clone().map(Stage::Breaker)),
            ("bulkhead", self.bulkhead.clone().map(Stage::Bulkhead)),
            ("adaptive", self.adaptive.as_ref().map(found)),
            timeout(TimeLimit::Attempt),
        ];
        all.into_iter().filter_map(|(name, stage)| Some((name, stage?))).unzip()
    }

    /// What of them contradicts the others, as durations do that can never be reached; each with the pattern that it is about.
    pub fn lint(&self) -> Vec<(&'static str, Finding)> {
        let (names, stages) = self.stages();
        let about = |it: &Finding| {
            // The limit of time is what most of them are about as well.
            let mut names = it.places.iter().rev().filter_map(|it| names.get(*it)).copied();
            names.find(|it| *it != "deadlines").unwrap_or("deadlines")
        };
        lint(&stages).into_iter().map(|it| (about(&it), it)).collect()
    }
}
