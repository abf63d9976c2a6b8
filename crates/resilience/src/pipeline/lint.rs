//! Lint: what is wrong with the order of a stack, or with durations that contradict each other.

use std::fmt;

use super::{Stage, durations};
use crate::TimeLimit;

/// How bad a finding is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It works, but less well than one may believe.
    Warning,
    /// A pattern does not do what it is there for.
    Error,
}

/// What is wrong with a stack. Its `Display` says it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The places of the stages it is about, the outermost first.
    pub places: Vec<usize>,
    /// What is wrong, and what comes of it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}; {}", self.problem, self.remedy)
    }
}

/// Looks for what is wrong with a stack; the first stage is the outermost one. First findings of the order, then of durations.
///
/// A stack whose patterns are nested by hand, by `call` in `call`, is told as a list; a service of layers knows its own: see
/// [`Stages::lint`](super::Stages::lint).
///
/// ```
/// use evenkeel_resilience::pipeline::{Severity, Stage, lint};
/// use evenkeel_resilience::{breaker, retry};
///
/// let breaker = Stage::Breaker(breaker::Policy::default());
/// let retry = Stage::Retry(retry::Policy { attempts: 1, ..retry::Policy::default() });
/// let found = lint(&[breaker, retry]);
/// assert_eq!(
///     found[0].to_string(),
///     "the breaker stands outside of the retry: it counts one call, and one failure, where several attempts were made; \
///      put the retry outside of the breaker"
/// );
/// assert_eq!(found[0].severity, Severity::Error);
/// ```
pub fn lint(stages: &[Stage]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, outer) in stages.iter().enumerate() {
        for (further, inner) in stages[at + 1..].iter().enumerate() {
            let Some((severity, why)) = wrong(outer, inner) else { continue };
            found.push(Finding {
                severity,
                places: vec![at, at + 1 + further],
                problem: format!("the {outer} stands outside of the {inner}: {why}"),
                remedy: format!("put the {inner} outside of the {outer}"),
            });
        }
    }
    durations::look(stages, &mut found);
    found
}

/// Why `outer` should not stand outside of `inner`.
fn wrong(outer: &Stage, inner: &Stage) -> Option<(Severity, &'static str)> {
    use Severity::{Error, Warning};
    use Stage::{Balance, Breaker, Bulkhead, Cache, Fallback, Hedge, Limit, Retry, Shed, Timeout};
    const TOTAL: TimeLimit = TimeLimit::Total;
    let waits = !inner.wait().is_zero();
    Some(match (outer, inner) {
        // What hides the failures of what is inside stands outermost.
        (Cache { .. }, Fallback) => {
            (Error, "the second best answer is kept as if it were the answer")
        }
        (Timeout { .. }, Fallback) => {
            (Error, "when the time is over, none is left for the second way")
        }
        (Retry(_), Fallback) => (Error, "it sees no failure, so nothing is tried again"),
        (Breaker(_), Fallback) => (Error, "it sees no failure, so it never opens"),
        (Hedge { .. } | Limit(_) | Balance | Bulkhead(_), Fallback) => {
            (Warning, "the second way is bounded by what protects the first")
        }
        (Timeout { limit: TOTAL, .. }, Cache { .. }) => {
            (Warning, "when the time is over, nobody is left to give what is stale")
        }
        (Timeout { .. }, Cache { .. }) => {
            (Error, "to wait for somebody else's fetch counts as the time of an attempt")
        }
        (Retry(_), Cache { .. }) => {
            (Error, "what is stale answers the first failure, so nothing is tried again")
        }
        (Breaker(_), Cache { .. }) => {
            (Error, "no hit is served while it is open, and hits count as successes")
        }
        (Hedge { .. } | Limit(_) | Balance | Bulkhead(_), Cache { .. }) => {
            (Error, "a hit uses up what is there for calls that are made")
        }
        // The whole call ends in time, whatever happens inside.
        (Retry(_), Timeout { limit: TOTAL, .. }) => {
            (Error, "each attempt has the total anew, and nothing bounds all of them together")
        }
        (Hedge { .. } | Bulkhead(_) | Limit(_), Timeout { limit: TOTAL, .. }) => {
            (Error, "what is waited for here is not bounded by the total")
        }
        // Each attempt is a call of its own to whatever protects the neighbour.
        (Timeout { limit, .. }, Retry(_)) if *limit != TOTAL => {
            (Error, "the time of one attempt is all that there is for several")
        }
        (Hedge { .. }, Retry(_)) => (Error, "the second call is a whole series of attempts"),
        (Limit(_), Retry(_)) => {
            (Error, "further attempts are not counted, so the neighbour gets more calls than that")
        }
        (Balance, Retry(_)) => (Error, "all attempts go to the same endpoint"),
        (Breaker(_), Retry(_)) => {
            (Error, "it counts one call, and one failure, where several attempts were made")
        }
        (Bulkhead(_), Retry(_)) => {
            (Error, "a place is held while nothing but the next attempt is waited for")
        }
        (Limit(_), Hedge { .. }) => {
            (Error, "second calls are not counted, so the neighbour gets more calls than that")
        }
        (Balance, Hedge { .. }) => (Error, "the second call goes to the endpoint that is slow"),
        (Breaker(_), Hedge { .. }) => {
            (Error, "it counts one call where two were made, and not the one that was slow")
        }
        (Bulkhead(_), Hedge { .. }) => (Error, "two calls are under way in one place"),
        // What guards one endpoint stands behind the choice of it.
        (Breaker(_), Balance) => (Error, "one sick endpoint closes the way to all"),
        (Bulkhead(_), Balance) => (Warning, "one slow endpoint takes the places of all"),
        (Bulkhead(_), Breaker(_)) => {
            (Warning, "what the open circuit rejects has waited for a place, and takes one")
        }
        (Breaker(_), Limit(_)) if waits => {
            (Error, "to wait for a turn counts as slowness of the neighbour")
        }
        (Bulkhead(_), Limit(_)) if waits => {
            (Error, "a place is held while nothing but a turn is waited for")
        }
        (Timeout { limit, .. }, Breaker(_)) if *limit != TOTAL => (
            Error,
            "a call that runs into it is dropped before the breaker has its answer, and no failure unless it was slow",
        ),
        (Timeout { limit, .. }, Bulkhead(_) | Limit(_)) if *limit != TOTAL && waits => {
            (Error, "to wait here takes the time of the call, and looks like a slow neighbour")
        }
        (Retry(_), Shed) => (Warning, "what gave way comes again"),
        (Bulkhead(_) | Limit(_), Shed) => {
            (Warning, "calls wait before it is asked what they are worth")
        }
        _ => return None,
    })
}
