//! Stage: one pattern of a stack, with what of its policy matters to the others.

use std::fmt;
use std::time::Duration;

use super::{Finding, lint};
use crate::{TimeLimit, breaker, bulkhead, limit, retry};

/// One pattern of a stack, with what of its policy matters to the others.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Stage {
    /// Something less good than the answer.
    Fallback,
    /// A cache of answers.
    Cache {
        /// How long a call for one may take.
        call_max: Duration,
    },
    /// What matters less gives way.
    Shed,
    /// A limit of time.
    Timeout {
        /// Which.
        limit: TimeLimit,
        /// How long.
        time: Duration,
    },
    /// What fails is tried again.
    Retry(retry::Policy),
    /// What is slow is asked for a second time.
    Hedge {
        /// After so long.
        delay: Duration,
    },
    /// So many calls a second.
    Limit(limit::Policy),
    /// A choice among endpoints.
    Balance,
    /// A circuit.
    Breaker(breaker::Policy),
    /// So many calls at once.
    Bulkhead(bulkhead::Policy),
}

impl Stage {
    /// As in messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fallback => "fallback",
            Self::Cache { .. } => "cache",
            Self::Shed => "load shedding",
            Self::Timeout { limit: TimeLimit::Total, .. } => "total time limit",
            Self::Timeout { limit: TimeLimit::Attempt, .. } => "attempt time limit",
            Self::Timeout { limit: TimeLimit::Connect, .. } => "connect time limit",
            Self::Timeout { limit: TimeLimit::Read, .. } => "read time limit",
            Self::Retry(_) => "retry",
            Self::Hedge { .. } => "hedge",
            Self::Limit(_) => "rate limit",
            Self::Balance => "balancer",
            Self::Breaker(_) => "breaker",
            Self::Bulkhead(_) => "bulkhead",
        }
    }

    /// For how long a call may wait in it before it is made.
    pub(super) fn wait(&self) -> Duration {
        match self {
            Self::Limit(policy) => policy.wait,
            Self::Bulkhead(policy) if policy.queue > 0 => policy.wait,
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

/// A service that can say which patterns stand around the call, so that a [`lint`](Stages::lint) can look at them.
///
/// Those of [`layer`](crate::layer) can; [`Base`](crate::layer::Base) ends the list, whatever stands inside. A service of your
/// own that stands between them says those of the one inside:
///
/// ```
/// use evenkeel_resilience::pipeline::{Stage, Stages};
///
/// struct Traced<S>(S);
///
/// impl<S: Stages> Stages for Traced<S> {
///     fn stages(&self, found: &mut Vec<Stage>) {
///         self.0.stages(found);
///     }
/// }
/// ```
pub trait Stages {
    /// Adds its own stage, then those inside.
    fn stages(&self, found: &mut Vec<Stage>);

    /// What is wrong with their order, or with durations that contradict each other.
    fn lint(&self) -> Vec<Finding> {
        let mut stages = Vec::new();
        self.stages(&mut stages);
        lint(&stages)
    }
}
