//! Policies: what is asked of one neighbour, pattern by pattern, as it stands in a file; and the machines that follow it.
//!
//! ```yaml
//! deadlines: {total: 2s, attempt: 500ms, connect: 100ms, read: 500ms}
//! retry: {attempts: 3, backoff: {base: 50ms, cap: 500ms}}
//! breaker: {failures: 50%, min_calls: 20}
//! bulkhead: {limit: 10, queue: 50, wait: 100ms}
//! ```
//!
//! A pattern that is not named is not there; a field that is not named has its default. With the feature `serde` [`Policies`] are read
//! from any format that serde knows. Durations carry their unit, shares are `50%` or 0.5, and what nobody knows is refused.
//!
//! **When to use it.** Where people who do not build the service tune it, or it is to be tuned while it runs: [`Machines::reload`] lets every
//! machine go on by another policy, with its window, its counts and what it has saved.
//!
//! **When not.** In which order they stand is code: a [`Pipeline`](crate::pipeline::Pipeline) puts them around a call. A
//! reload that adds or takes away one is refused, since no call would go through it.
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

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;

use std::fmt;
use std::sync::Arc;

use evenkeel_units::Moment;

use crate::deadline::Limits;
use crate::observe::{Machine, Registry, Taken};
use crate::pipeline::{Finding, Stage, lint};
use crate::{
    Adaptive, Breaker, Bulkhead, Deadlines, Hedge, Limiter, Retry, Shed, TimeLimit, adaptive,
    breaker, bulkhead, hedge, limit, retry, shed,
};

/// The policies of the calls to one neighbour. What is `None` is not there.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Policies {
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

/// The machines of the calls to one neighbour, for a [`Pipeline`](crate::pipeline::Pipeline) or for `call`s by hand.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Machines {
    /// Limits of time.
    pub deadlines: Option<Arc<Deadlines>>,
    /// What gives way.
    pub shed: Option<Arc<Shed>>,
    /// Further attempts.
    pub retry: Option<Arc<Retry>>,
    /// Second calls.
    pub hedge: Option<Arc<Hedge>>,
    /// Calls a second.
    pub limit: Option<Arc<Limiter>>,
    /// The circuit.
    pub breaker: Option<Arc<Breaker>>,
    /// Calls at once.
    pub bulkhead: Option<Arc<Bulkhead>>,
    /// Calls at once, found.
    pub adaptive: Option<Arc<Adaptive>>,
}

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

impl Policies {
    /// Tells what contradicts itself: the first of each pattern.
    ///
    /// # Errors
    /// All of them.
    pub fn check(&self) -> Result<(), AllWrong> {
        self.build().map(drop)
    }

    /// The machines that follow them.
    ///
    /// # Errors
    /// What contradicts itself: the first of each pattern.
    pub fn build(&self) -> Result<Machines, AllWrong> {
        let mut to = AllWrong::default();
        if self.bulkhead.is_some() && self.adaptive.is_some() {
            let both =
                "stands beside `bulkhead`, which is what it finds the size of: leave that out";
            to.add("adaptive", Err::<(), _>(both));
        }
        let machines = Machines {
            deadlines: self
                .deadlines
                .and_then(|it| to.add("deadlines", Deadlines::try_new(it)))
                .map(Arc::new),
            shed: self.shed.clone().and_then(|it| to.add("shed", Shed::new(it))).map(Arc::new),
            retry: self.retry.and_then(|it| to.add("retry", Retry::try_new(it))).map(Arc::new),
            hedge: self.hedge.and_then(|it| to.add("hedge", Hedge::try_new(it))).map(Arc::new),
            limit: self
                .limit
                .clone()
                .and_then(|it| to.add("limit", Limiter::new(it)))
                .map(Arc::new),
            breaker: self
                .breaker
                .clone()
                .and_then(|it| to.add("breaker", Breaker::try_new(it)))
                .map(Arc::new),
            bulkhead: self
                .bulkhead
                .clone()
                .and_then(|it| to.add("bulkhead", Bulkhead::new(it)))
                .map(Arc::new),
            adaptive: self
                .adaptive
                .clone()
                .and_then(|it| to.add("adaptive", Adaptive::try_new(it)))
                .map(Arc::new),
        };
        to.end(machines)
    }

    /// The stages in the order of a [`Pipeline`](crate::pipeline::Pipeline), each with the name of its field.
    fn stages(&self) -> (Vec<&'static str>, Vec<Stage>) {
        let timeout = |limit| {
            let time = |it: &Limits| Stage::Timeout { limit, time: it.of(limit) };
            ("deadlines", self.deadlines.as_ref().map(time))
        };
        let delay = |it: &hedge::Policy| Stage::Hedge { delay: it.delay.least() };
        let found = |it: &adaptive::Policy| {
            let (limit, queue, wait) = (it.initial, it.queue, it.wait);
            Stage::Bulkhead(bulkhead::Policy { limit, queue, wait })
        };
        let all = [
            ("shed", self.shed.as_ref().map(|_| Stage::Shed)),
            timeout(TimeLimit::Total),
            ("retry", self.retry.map(Stage::Retry)),
            ("hedge", self.hedge.as_ref().map(delay)),
            ("limit", self.limit.clone().map(Stage::Limit)),
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

impl Machines {
    /// Goes on by other policies. Windows, counts, and what budgets have saved, stay.
    ///
    /// # Errors
    /// What is wrong with the policies, or that other patterns are there than these; then all go on as before.
    pub fn reload(&self, now: Moment, policies: &Policies) -> Result<(), AllWrong> {
        policies.check()?;
        let mut to = AllWrong::default();
        self.compare(policies, &mut to);
        if !to.0.is_empty() {
            return to.end(());
        }
        if let (Some(it), Some(policy)) = (&self.deadlines, policies.deadlines) {
            to.add("deadlines", it.reload(policy));
        }
        if let (Some(it), Some(policy)) = (&self.shed, &policies.shed) {
            to.add("shed", it.reload(policy));
        }
        if let (Some(it), Some(policy)) = (&self.retry, policies.retry) {
            to.add("retry", it.reload(now, policy));
        }
        if let (Some(it), Some(policy)) = (&self.hedge, policies.hedge) {
            to.add("hedge", it.reload(now, policy));
        }
        if let (Some(it), Some(policy)) = (&self.limit, &policies.limit) {
            to.add("limit", it.reload(policy));
        }
        if let (Some(it), Some(policy)) = (&self.breaker, policies.breaker.clone()) {
            to.add("breaker", it.reload(now, policy));
        }
        if let (Some(it), Some(policy)) = (&self.bulkhead, &policies.bulkhead) {
            to.add("bulkhead", it.reload(policy));
        }
        if let (Some(it), Some(policy)) = (&self.adaptive, policies.adaptive.clone()) {
            to.add("adaptive", it.reload(policy));
        }
        to.end(())
    }

    /// Adds all of them to a registry, by the name of the neighbour, so that their numbers are scraped.
    ///
    /// # Errors
    /// When there is a machine of one of these patterns and of that name already; none is added then.
    pub fn register(&self, registry: &Registry, name: impl Into<Arc<str>>) -> Result<(), Taken> {
        fn of<M: Machine + 'static>(it: Option<&Arc<M>>) -> Option<Arc<dyn Machine>> {
            Some(Arc::clone(it?) as Arc<dyn Machine>)
        }
        let all = [
            of(self.deadlines.as_ref()),
            of(self.shed.as_ref()),
            of(self.retry.as_ref()),
            of(self.hedge.as_ref()),
            of(self.limit.as_ref()),
            of(self.breaker.as_ref()),
            of(self.bulkhead.as_ref()),
            of(self.adaptive.as_ref()),
        ];
        registry.add_all(&name.into(), all.into_iter().flatten().collect())
    }

    /// Tells which patterns are at work and not asked for, or the other way round.
    fn compare(&self, policies: &Policies, to: &mut AllWrong) {
        let patterns = [
            ("deadlines", self.deadlines.is_some(), policies.deadlines.is_some()),
            ("shed", self.shed.is_some(), policies.shed.is_some()),
            ("retry", self.retry.is_some(), policies.retry.is_some()),
            ("hedge", self.hedge.is_some(), policies.hedge.is_some()),
            ("limit", self.limit.is_some(), policies.limit.is_some()),
            ("breaker", self.breaker.is_some(), policies.breaker.is_some()),
            ("bulkhead", self.bulkhead.is_some(), policies.bulkhead.is_some()),
            ("adaptive", self.adaptive.is_some(), policies.adaptive.is_some()),
        ];
        for (pattern, is_at_work, is_asked_for) in patterns {
            let problem = match (is_at_work, is_asked_for) {
                (true, false) => {
                    "it is at work, and cannot be taken away while calls go on: restart"
                }
                (false, true) => {
                    "it was not there at the start, and no call goes through it: restart"
                }
                _ => continue,
            };
            to.add(pattern, Err::<(), _>(problem));
        }
    }
}
