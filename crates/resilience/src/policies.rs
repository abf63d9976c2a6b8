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
//! **When not.** Which patterns there are, and in which order, is code: a [`Pipeline`](crate::pipeline::Pipeline) puts them around a call. A
//! reload that adds or takes away one is refused, since no call would go through it.
//!
//! ```
//! use evenkeel_resilience::{bulkhead, policies::Policies, retry};
//! use evenkeel_units::Moment;
//!
//! let policies = Policies { retry: Some(retry::Policy::default()), ..Policies::default() };
//! let machines = policies.build().map_err(|wrong| wrong[0].to_string())?;
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

use std::fmt;
use std::sync::Arc;

use evenkeel_units::Moment;

use crate::deadline::Limits;
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

/// Collects what is wrong.
#[derive(Default)]
struct Report(Vec<Wrong>);

impl Report {
    fn add<T, E: fmt::Display>(
        &mut self,
        pattern: &'static str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|it| self.0.push(Wrong { pattern, problem: it.to_string() })).ok()
    }

    fn end<T>(self, value: T) -> Result<T, Vec<Wrong>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

impl Policies {
    /// Tells what contradicts itself: the first of each pattern.
    ///
    /// # Errors
    /// All of them.
    pub fn check(&self) -> Result<(), Vec<Wrong>> {
        self.build().map(drop)
    }

    /// The machines that follow them.
    ///
    /// # Errors
    /// What contradicts itself: the first of each pattern.
    pub fn build(&self) -> Result<Machines, Vec<Wrong>> {
        let mut to = Report::default();
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
    pub fn reload(&self, now: Moment, policies: &Policies) -> Result<(), Vec<Wrong>> {
        policies.check()?;
        let mut to = Report::default();
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

    /// Tells which patterns are at work and not asked for, or the other way round.
    fn compare(&self, policies: &Policies, to: &mut Report) {
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

#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests {
    use std::time::Duration;

    use super::*;

    fn all() -> Policies {
        Policies {
            deadlines: Some(Limits::default()),
            shed: Some(shed::Policy::default()),
            retry: Some(retry::Policy::default()),
            hedge: Some(hedge::Policy::default()),
            limit: Some(limit::Policy::default()),
            breaker: Some(breaker::Policy::default()),
            bulkhead: Some(bulkhead::Policy::default()),
            adaptive: None,
        }
    }

    #[test]
    fn the_defaults_of_all_patterns_go_together() {
        assert_eq!(all().check(), Ok(()));
        let errors: Vec<_> = all()
            .lint()
            .into_iter()
            .filter(|(_, it)| it.severity == crate::pipeline::Severity::Error)
            .collect();
        assert_eq!(errors, []);
    }

    #[test]
    fn all_patterns_that_contradict_themselves_are_told_in_one_run() {
        let policies = Policies {
            retry: Some(retry::Policy { attempts: 0, ..retry::Policy::default() }),
            bulkhead: Some(bulkhead::Policy::at_once(0)),
            adaptive: Some(adaptive::Policy { min: 0, ..adaptive::Policy::default() }),
            ..all()
        };
        let wrong = policies.check().unwrap_err();
        let patterns: Vec<_> = wrong.iter().map(|it| it.pattern).collect();
        assert_eq!(patterns, ["adaptive", "retry", "bulkhead", "adaptive"]);
        assert!(wrong[1].to_string().starts_with("retry: `attempts` is 0"), "{}", wrong[1]);
    }

    #[test]
    fn durations_that_contradict_each_other_are_told_with_their_pattern() {
        let wait = Duration::from_secs(40);
        let bulkhead = bulkhead::Policy { wait, ..bulkhead::Policy::default() };
        let found = Policies { bulkhead: Some(bulkhead), ..all() }.lint();
        assert!(found.iter().any(|(pattern, _)| *pattern == "bulkhead"), "{found:?}");
    }

    #[test]
    fn a_hedge_whose_delay_is_learned_may_come_within_a_short_attempt() {
        let deadlines = Some(Limits::uniform(Duration::from_millis(200)));
        let hedge = Some(hedge::Policy::default());
        assert_eq!(Policies { deadlines, hedge, ..Policies::default() }.lint(), []);
        let hedge = Some(hedge::Policy::after(Duration::from_millis(200)));
        assert_eq!(Policies { deadlines, hedge, ..Policies::default() }.lint()[0].0, "hedge");
    }

    #[test]
    fn a_reload_keeps_what_is_known_and_refuses_other_patterns() {
        let machines = all().build().unwrap();
        let now = Moment::at(Duration::from_secs(1));
        let breaker = machines.breaker.clone().unwrap();
        let ticket = breaker.admit(now).unwrap();
        breaker.record(now, ticket, breaker::Outcome::Failure);
        let limit = limit::Policy::per_second(7);
        assert_eq!(machines.reload(now, &Policies { limit: Some(limit), ..all() }), Ok(()));
        assert_eq!(breaker.snapshot(now).failed_total, 1);
        assert_eq!(machines.limit.as_ref().unwrap().snapshot(now).available, 7);

        let fewer = Policies {
            hedge: None,
            retry: Some(retry::Policy { attempts: 9, ..retry::Policy::default() }),
            ..all()
        };
        let wrong = machines.reload(now, &fewer).unwrap_err();
        assert_eq!(wrong.iter().map(|it| it.pattern).collect::<Vec<_>>(), ["hedge"]);
        assert_eq!(machines.retry.as_ref().unwrap().policy().attempts, 3, "nothing has changed");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_file_says_what_differs_from_the_defaults() {
        let policies: Policies = serde_json::from_value(serde_json::json!({
            "timeouts": {"total": "2s", "attempt": "500ms", "connect": "100ms", "read": "500ms"},
            "retry": {"max_retries": 3, "base_delay": 1.0, "max_delay": 60, "jitter": true},
            "hedge": {"delay": {"percentile": {"share": "99%"}}, "on_failure": "next"},
            "circuit_breaker": {"failure_threshold": 3, "recovery_timeout": 30},
            "bulkhead": {"max_concurrent": 10, "queue_size": 50},
            "rate_limit": {"limit": 50, "per": "1m"},
            "shed": {},
        }))
        .unwrap();
        assert_eq!(policies.check(), Ok(()));
        assert_eq!(policies.retry.unwrap().attempts, 4);
        assert_eq!(policies.bulkhead.unwrap().queue, 50);
        assert_eq!(policies.breaker.unwrap().consecutive, Some(3));
        assert_eq!(policies.shed, Some(shed::Policy::default()));
        let aimd = serde_json::json!({"adaptive": {"algorithm": {"aimd": {"latency_max": "1s"}}}});
        let policies: Policies = serde_json::from_value(aimd).unwrap();
        assert_eq!(policies.adaptive, Some(adaptive::Policy::aimd(Duration::from_secs(1))));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn balancers_failovers_watches_and_caches_are_read_from_files_as_well() {
        use crate::{balance, failover, stale_cache, watch};
        let json = serde_json::json!({
            "strategy": {"peak_ewma": {"decay": "5s"}}, "panic": "30%",
            "outliers": {"failure_share": {"share": "90%"}, "success_rate": null},
            "slow_start": {"window": "30s", "aggression": 1, "least": "10%"},
        });
        let policy: balance::Policy = serde_json::from_value(json).unwrap();
        let decay = Duration::from_secs(5);
        let ewma = balance::PeakEwma { decay, ..balance::PeakEwma::default() };
        assert_eq!(policy.strategy, balance::Strategy::PeakEwma(ewma));
        assert_eq!(policy.slow_start, Some(balance::SlowStart::over(Duration::from_secs(30))));
        let json = serde_json::json!({"strategy": "round_robin"});
        let policy: balance::Policy = serde_json::from_value(json).unwrap();
        assert_eq!(policy, balance::Policy::of(balance::Strategy::RoundRobin));

        let json = serde_json::json!({"failback": {"automatic": {"after": "1m"}}});
        let policy: failover::Policy = serde_json::from_value(json).unwrap();
        assert_eq!(
            policy.failback,
            failover::Failback::Automatic { after: Duration::from_mins(1) }
        );
        let json = serde_json::json!({"failback": "manual", "hold": "1s"});
        assert!(serde_json::from_value::<failover::Policy>(json).is_ok());
        let watch: watch::Policy =
            serde_json::from_value(serde_json::json!({"interval": "10s"})).unwrap();
        assert_eq!((watch.interval.as_secs(), watch.unhealthy_threshold), (10, 3));
        let cache: stale_cache::Policy =
            serde_json::from_value(serde_json::json!({"ttl": "1m", "capacity": 10})).unwrap();
        assert_eq!((cache.ttl.as_secs(), cache.capacity), (60, 10));
        let wrong = serde_json::json!({"tlt": "1m"});
        assert!(serde_json::from_value::<stale_cache::Policy>(wrong).is_err());
    }
}
