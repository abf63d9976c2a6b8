//! Machines: what follows policies, and goes on by others.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use evenkeel_units::Moment;

use super::{AllWrong, Policies};
use crate::balance::Balancer;
use crate::breaker::{self, Breaker};
use crate::failover::Failover;
use crate::observe::{Events, Machine, Registry, Taken};
use crate::stale_cache::StaleCache;
use crate::{Adaptive, Bulkhead, Deadlines, Hedge, Limiter, Retry, Shed};

/// The machines of the calls to one neighbour, for a [`Pipeline`](crate::pipeline::Pipeline) or for `call`s by hand.
#[derive(Default)]
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
    /// Those of the program's own.
    others: Vec<Box<dyn Follow>>,
}

/// What the program makes by itself, as it is of the program's own types, and what goes on by a file nevertheless: see
/// [`Machines::follow`].
pub trait Follow: Send + Sync {
    /// The pattern that it follows, as its field in [`Policies`] is called.
    fn pattern(&self) -> &'static str;

    /// Goes on by its policy among these, which have been checked; if it is not there, as before.
    ///
    /// # Errors
    /// What is wrong nevertheless.
    fn go_on(&self, now: Moment, policies: &Policies) -> Result<(), String>;
}

impl<F: Follow + ?Sized> Follow for Arc<F> {
    fn pattern(&self) -> &'static str {
        (**self).pattern()
    }

    fn go_on(&self, now: Moment, policies: &Policies) -> Result<(), String> {
        (**self).go_on(now, policies)
    }
}

/// A machine that takes its policy by `reload`.
macro_rules! follows {
    ($pattern:ident, [$($of:tt)*] $machine:ty, |$it:ident, $now:ident, $policy:ident| $reload:expr) => {
        impl<$($of)*> Follow for $machine {
            fn pattern(&self) -> &'static str {
                stringify!($pattern)
            }

            fn go_on(&self, $now: Moment, policies: &Policies) -> Result<(), String> {
                let ($it, Some($policy)) = (self, &policies.$pattern) else { return Ok(()) };
                $reload.map_err(|it| it.to_string())
            }
        }
    };
}

follows!(deadlines, [] Deadlines, |it, _now, policy| it.reload(*policy));
follows!(shed, [] Shed, |it, _now, policy| it.reload(policy));
follows!(retry, [C: Send + Sync] Retry<C>, |it, now, policy| it.reload(now, *policy));
follows!(hedge, [] Hedge, |it, now, policy| it.reload(now, *policy));
follows!(limit, [] Limiter, |it, _now, policy| it.reload(policy));
follows!(breaker, [] Breaker, |it, now, policy| it.reload(now, policy.clone()));
follows!(bulkhead, [] Bulkhead, |it, _now, policy| it.reload(policy));
follows!(adaptive, [] Adaptive, |it, _now, policy| it.reload(policy.clone()));
follows!(
    cache,
    [K: Send + Sync, V: Send + Sync, E: Send + Sync, S: Send + Sync] StaleCache<K, V, E, S>,
    |it, now, policy| it.reload(now, policy)
);
follows!(failover, [M: Send + Sync] Failover<M>, |it, now, policy| it.reload(now, policy.clone()));
follows!(balancer, [T: Send + Sync] Balancer<T>, |it, now, policy| it.reload(now, policy.clone()));
follows!(
    breaker,
    [K: Ord + Clone + Send] breaker::Registry<K>,
    |it, now, policy| it.reload(now, policy.clone())
);

impl Policies {
    /// The machines that follow them. Nobody is told what happens to them: see [`build_with`](Self::build_with).
    ///
    /// # Errors
    /// What contradicts itself: the first of each pattern.
    pub fn build(&self) -> Result<Machines, AllWrong> {
        self.make(None)
    }

    /// The same, whose [`Events`] are told under a name, which is mostly that of the neighbour.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with(&self, name: &str, events: &Events) -> Result<Machines, AllWrong> {
        self.make(Some((name, events)))
    }

    fn make(&self, listener: Option<(&str, &Events)>) -> Result<Machines, AllWrong> {
        self.check()?;
        let mut to = AllWrong::default();
        macro_rules! made {
            ($pattern:ident, $new:expr) => {{
                let made = Clone::clone(&self.$pattern).map($new);
                made.and_then(|it| to.add(stringify!($pattern), it)).map(|it| {
                    Arc::new(match listener {
                        Some((name, events)) => it.listener(events.of(name)),
                        None => it,
                    })
                })
            }};
        }
        let machines = Machines {
            deadlines: made!(deadlines, Deadlines::try_new),
            shed: made!(shed, Shed::try_new),
            retry: made!(retry, Retry::try_new),
            hedge: made!(hedge, Hedge::try_new),
            limit: made!(limit, Limiter::try_new),
            breaker: made!(breaker, Breaker::try_new),
            bulkhead: made!(bulkhead, Bulkhead::try_new),
            adaptive: made!(adaptive, Adaptive::try_new),
            others: Vec::new(),
        };
        to.end(machines)
    }
}

const TAKEN_AWAY: &str = "it is at work, and cannot be taken away while calls go on: restart";
const ADDED: &str = "it was not there at the start, and no call goes through it: restart";

impl Machines {
    /// Lets a machine of the program's own go on by the same file from now on: mostly an `Arc` of a [`StaleCache`], a [`Balancer`], a
    /// [`Failover`], or of the circuits of endpoints ([`breaker::Registry`]), made by the policy that was there at the start.
    pub fn follow(&mut self, machine: impl Follow + 'static) {
        self.others.push(Box::new(machine));
    }

    /// Adds all but those of the program's own to a registry, by the name of the neighbour, so that their numbers are scraped.
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

    /// Goes on by other policies. Windows, counts, what budgets have saved and what is kept stay.
    ///
    /// # Errors
    /// What is wrong with the policies, or that other patterns are there than these; then all go on as before.
    pub fn reload(&self, now: Moment, policies: &Policies) -> Result<(), AllWrong> {
        policies.check()?;
        let mut to = AllWrong::default();
        self.compare(policies, &mut to);
        to.end(())?;
        let mut to = AllWrong::default();
        for it in self.all() {
            to.add(it.pattern(), it.go_on(now, policies));
        }
        to.end(())
    }

    /// All that follow.
    fn all(&self) -> impl Iterator<Item = &dyn Follow> {
        fn of<F: Follow>(it: Option<&Arc<F>>) -> Option<&dyn Follow> {
            Some(it? as &dyn Follow)
        }
        let common = [
            of(self.deadlines.as_ref()),
            of(self.shed.as_ref()),
            of(self.retry.as_ref()),
            of(self.hedge.as_ref()),
            of(self.limit.as_ref()),
            of(self.breaker.as_ref()),
            of(self.bulkhead.as_ref()),
            of(self.adaptive.as_ref()),
        ];
        common.into_iter().flatten().chain(self.others.iter().map(|it| &**it))
    }

    /// Tells which patterns are at work and not asked for, or the other way round.
    fn compare(&self, policies: &Policies, to: &mut AllWrong) {
        let (at_work, asked_for) = (self.patterns(), policies.patterns().collect::<BTreeSet<_>>());
        for pattern in at_work.difference(&asked_for) {
            to.add(pattern, Err::<(), _>(TAKEN_AWAY));
        }
        for pattern in asked_for.difference(&at_work) {
            to.add(pattern, Err::<(), _>(ADDED));
        }
    }

    /// The patterns that are at work.
    fn patterns(&self) -> BTreeSet<&'static str> {
        self.all().map(Follow::pattern).collect()
    }
}

impl fmt::Debug for Machines {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_set().entries(self.patterns()).finish()
    }
}
