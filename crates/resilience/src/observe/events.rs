//! Events: what happens to any machine, by its name, for logs.

use std::fmt;
use std::sync::Arc;

use crate::{
    TimeLimit, adaptive, balance, breaker, bulkhead, deadline, failover, fallback, hedge, limit,
    retry, shed,
};

/// What happened to a machine. Its `Display` says it in a few words, to stand behind the name.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A circuit changed its state.
    Breaker(breaker::Event),
    /// A bulkhead had no place.
    Bulkhead(bulkhead::Event),
    /// A bulkhead that finds its own size had no place, found another size, or looks for one.
    Adaptive(adaptive::Event),
    /// A rate limit was exceeded.
    Limit(limit::Event),
    /// The rate limit of a key was exceeded, or a key forgotten.
    KeyedLimit(limit::keyed::Event<String>),
    /// A call gave way.
    Shed(shed::Event),
    /// A call is tried again, or not any more.
    Retry(retry::Event),
    /// A limit of time was exceeded.
    Deadline(deadline::Event),
    /// A call is asked for a second time.
    Hedge(hedge::Event),
    /// A second way was taken.
    Fallback(fallback::Event),
    /// A member failed or healed, or another is active.
    Failover(failover::Event),
    /// An endpoint is put aside or called again, or so few are left that all are called.
    Balance(balance::Event),
}

macro_rules! from {
    ($($pattern:ident: $module:ident),*) => {$(
        impl From<$module::Event> for Event {
            fn from(event: $module::Event) -> Self {
                Self::$pattern(event)
            }
        }
    )*};
}

from!(
    Breaker: breaker,
    Bulkhead: bulkhead,
    Adaptive: adaptive,
    Limit: limit,
    Shed: shed,
    Retry: retry,
    Deadline: deadline,
    Hedge: hedge,
    Fallback: fallback,
    Failover: failover,
    Balance: balance
);

/// With the key as it is shown.
impl<K: fmt::Display> From<limit::keyed::Event<K>> for Event {
    fn from(event: limit::keyed::Event<K>) -> Self {
        use limit::keyed::Event::{Evicted, Limited};
        Self::KeyedLimit(match event {
            Limited { key, retry_after } => Limited { key: key.to_string(), retry_after },
            Evicted { key } => Evicted { key: key.to_string() },
        })
    }
}

impl Event {
    /// The pattern, as in the names of metrics.
    pub const fn pattern(&self) -> &'static str {
        match self {
            Self::Breaker(_) => "circuit_breaker",
            Self::Bulkhead(_) | Self::Adaptive(_) => "bulkhead",
            Self::Limit(_) => "rate_limiter",
            Self::KeyedLimit(_) => "keyed_rate_limiter",
            Self::Shed(_) => "load_shedder",
            Self::Retry(_) => "retry",
            Self::Deadline(_) => "time_limit",
            Self::Hedge(_) => "hedge",
            Self::Fallback(_) => "fallback",
            Self::Failover(_) => "failover",
            Self::Balance(_) => "balancer",
        }
    }

    /// Whether it is of one call: under load there may be as many as calls. What is not is a change of the machine, and rare.
    pub const fn is_of_a_call(&self) -> bool {
        match self {
            Self::Adaptive(event) => matches!(event, adaptive::Event::Rejected { .. }),
            Self::Breaker(_) | Self::Failover(_) | Self::Balance(_) => false,
            _ => true,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        use evenkeel_units::Human;
        match self {
            Self::Breaker(breaker::Event { from, to: into, reason, .. }) => {
                write!(to, "{} after {}: {reason}", into.name(), from.name())
            }
            Self::Bulkhead(bulkhead::Event::Rejected { why }) => why.fmt(to),
            Self::Adaptive(event) => match event {
                adaptive::Event::Limit { from, to: into, .. } => {
                    write!(to, "{into} calls at once instead of {from}")
                }
                adaptive::Event::Probe { limit, .. } => {
                    write!(to, "{limit} calls at once, to measure what is usual")
                }
                adaptive::Event::Probed { usual, .. } => {
                    write!(to, "calls usually take {}", Human(*usual))
                }
                adaptive::Event::Rejected { why } => why.fmt(to),
            },
            Self::Limit(limit::Event::Limited { retry_after }) => {
                write!(to, "too many calls: the next may come in {}", Human(*retry_after))
            }
            // A key is what a stranger wrote: no control character of it reaches a terminal.
            Self::KeyedLimit(event) => match event {
                limit::keyed::Event::Limited { key, retry_after } => {
                    let wait = Human(*retry_after);
                    write!(to, "too many calls of {key:?}: the next may come in {wait}")
                }
                limit::keyed::Event::Evicted { key } => {
                    write!(to, "{key:?} was forgotten while it was in use")
                }
            },
            Self::Shed(shed::Event::Shed { priority }) => {
                write!(to, "a call of priority {} gave way", priority.name())
            }
            Self::Retry(event) => match event {
                retry::Event::Retry { made, wait, .. } => {
                    write!(to, "attempt {} follows in {}", made + 1, Human(*wait))
                }
                retry::Event::GaveUp { made, why, .. } => {
                    write!(to, "gave up after {made} attempts: {why}")
                }
            },
            Self::Deadline(deadline::Event::Exceeded { limit }) => write!(
                to,
                "no answer within the time limit of {}",
                match limit {
                    TimeLimit::Total => "the call",
                    TimeLimit::Attempt => "an attempt",
                    TimeLimit::Connect => "a connection",
                    TimeLimit::Read => "a read",
                }
            ),
            Self::Hedge(event) => match event {
                hedge::Event::Hedged { after, begun, .. } => {
                    write!(to, "attempt {begun} begins beside the others after {}", Human(*after))
                }
                hedge::Event::OverBudget { .. } => {
                    to.write_str("no attempt beside the first: the budget is empty")
                }
                hedge::Event::Won { after, .. } => {
                    write!(to, "another attempt than the first answered after {}", Human(*after))
                }
            },
            Self::Fallback(event) => to.write_str(match event {
                fallback::Event::Used => "the second way answered",
                fallback::Event::Failed => "the second way failed, too",
            }),
            Self::Failover(event) => event.fmt(to),
            Self::Balance(event) => match event {
                balance::Event::Ejected { endpoint, reason, at, until, .. } => {
                    write!(to, "{endpoint} is put aside for {}: {reason}", Human(*until - *at))
                }
                balance::Event::Readmitted { endpoint, .. } => {
                    write!(to, "{endpoint} is called again")
                }
                balance::Event::Unhealthy { endpoint, .. } => write!(to, "{endpoint} is unhealthy"),
                balance::Event::Healthy { endpoint, .. } => write!(to, "{endpoint} is healthy"),
                balance::Event::PanicBegan { available, total, .. } => {
                    write!(to, "{available} of {total} endpoints are left: all are called")
                }
                balance::Event::PanicEnded { available, total, .. } => {
                    write!(to, "{available} of {total} endpoints are well: only these are called")
                }
            },
        }
    }
}

/// Makes listeners for machines of every pattern, which tell one function what happens, and to whom.
///
/// The function is called where it happens, on the thread of a call, so it must be quick: to log is, to send is not.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use evenkeel_resilience::{Bulkhead, Shed, bulkhead, observe::Events, shed};
///
/// let log = Arc::new(Mutex::new(Vec::new()));
/// let events = Events::new({
///     let log = Arc::clone(&log);
///     move |name, event| log.lock().unwrap().push(format!("{} {name}: {event}", event.pattern()))
/// });
///
/// let prices = Bulkhead::try_new(bulkhead::Policy::at_once(1))?.listener(events.of("prices"));
/// let door = Shed::try_new(shed::Policy { capacity: 1, ..Default::default() })?.listener(events.of("door"));
/// let held = (prices.try_enter()?, door.try_enter(shed::Priority::Critical)?);
/// assert!(prices.try_enter().is_err() && door.try_enter(shed::Priority::Sheddable).is_err());
/// assert_eq!(
///     *log.lock().unwrap(),
///     [
///         "bulkhead prices: as many calls are under way, and wait, as may",
///         "load_shedder door: a call of priority sheddable gave way",
///     ]
/// );
/// # drop(held); Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Events {
    tell: Arc<Tell>,
}

type Tell = dyn Fn(&str, &Event) + Send + Sync;

impl Events {
    /// That tell this function.
    pub fn new(tell: impl Fn(&str, &Event) + Send + Sync + 'static) -> Self {
        Self { tell: Arc::new(tell) }
    }

    /// A listener for a machine of this name, of whichever pattern it is asked for.
    pub fn of<T>(&self, name: impl Into<Arc<str>>) -> Arc<dyn Fn(&T) + Send + Sync>
    where
        T: Clone + Into<Event> + 'static,
    {
        let (name, tell) = (name.into(), Arc::clone(&self.tell));
        Arc::new(move |event| tell(&name, &event.clone().into()))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Events").finish_non_exhaustive()
    }
}
