//! Guards: what those say that decide whether a call is made.

use std::fmt::Display;
use std::hash::BuildHasher;

use evenkeel_units::Moment;

use super::Machine;
use crate::Adaptive;
use crate::breaker::{self, Breaker, State};
use crate::bulkhead::{self, Bulkhead};
use crate::limit::{self, Limiter, keyed};
use crate::observe::{Measures, Metric, Unit};
use crate::shed::{Priority, Shed};

const BREAKER: &str = "circuit_breaker";
const STATE: Metric =
    Metric::gauge(BREAKER, "state", "1 for the state that the circuit is in, 0 for every other.");
const CALLS: Metric =
    Metric::counter(BREAKER, "calls", "Calls that ended, by what became of them.");
const SLOW: Metric =
    Metric::counter(BREAKER, "slow_calls", "Calls that took longer than is good, failed or not.");
const NOT_PERMITTED: Metric = Metric::counter(
    BREAKER,
    "not_permitted_calls",
    "Calls that were rejected, as the circuit was open.",
);
const TRANSITIONS: Metric = Metric::counter(BREAKER, "transitions", "Changes of state.");
const BUFFERED: Metric = Metric::gauge(
    BREAKER,
    "buffered_calls",
    "Calls that the circuit is judged by, by what became of them.",
);
const BUFFERED_SLOW: Metric = Metric::gauge(
    BREAKER,
    "buffered_slow_calls",
    "Slow calls among those that the circuit is judged by.",
);
const OVERDUE: Metric =
    Metric::gauge(BREAKER, "overdue_calls", "Calls that run for longer than is good already.");
const FAILURES: Metric = Metric::gauge(
    BREAKER,
    "failure",
    "Share of failed calls among those that the circuit is judged by; absent while these are too few.",
)
.of(Unit::Ratio);
const SLOWNESS: Metric = Metric::gauge(
    BREAKER,
    "slow_call",
    "Share of slow calls among those that the circuit is judged by; absent while these are too few.",
)
.of(Unit::Ratio);

const STATES: [State; 6] = [
    State::Closed,
    State::Open,
    State::HalfOpen,
    State::ForcedOpen,
    State::Disabled,
    State::MetricsOnly,
];

impl Machine for Breaker {
    fn pattern(&self) -> &'static str {
        BREAKER
    }

    fn measure(&self, now: Moment, to: &mut Measures) {
        let it = self.snapshot(now);
        for state in STATES {
            to.count_by(STATE, "state", state.name(), u64::from(state == it.state));
        }
        to.count_by(CALLS, "kind", "successful", it.succeeded_total);
        to.count_by(CALLS, "kind", "failed", it.failed_total);
        to.count_by(CALLS, "kind", "ignored", it.ignored_total);
        to.count_by(CALLS, "kind", "late", it.late_total);
        to.count(SLOW, it.slow_total);
        to.count(NOT_PERMITTED, it.rejected_total);
        to.count(TRANSITIONS, it.generation);
        let breaker::Counts { total, failed, slow } = it.counts;
        to.count_by(BUFFERED, "kind", "successful", total.saturating_sub(failed));
        to.count_by(BUFFERED, "kind", "failed", failed);
        to.count(BUFFERED_SLOW, slow);
        to.count(OVERDUE, it.overdue);
        if let Some(share) = it.failure_rate() {
            to.say(FAILURES, share);
        }
        if let Some(share) = it.slow_rate() {
            to.say(SLOWNESS, share);
        }
    }
}

/// Of each endpoint its own, with the label `endpoint`, so as many as the registry may have.
impl<K: Ord + Clone + Display + Send> Machine for breaker::Registry<K> {
    fn pattern(&self) -> &'static str {
        BREAKER
    }

    fn measure(&self, now: Moment, to: &mut Measures) {
        for (key, breaker) in self.circuits() {
            let from = to.samples.len();
            breaker.measure(now, to);
            for sample in &mut to.samples[from..] {
                sample.labels.push(("endpoint", key.to_string().into()));
            }
        }
    }
}

const BULKHEAD: &str = "bulkhead";
const MAX: Metric =
    Metric::gauge(BULKHEAD, "max_concurrent_calls", "Calls that may be under way at once.");
const CONCURRENT: Metric = Metric::gauge(BULKHEAD, "concurrent_calls", "Calls that are under way.");
const AVAILABLE: Metric =
    Metric::gauge(BULKHEAD, "available_concurrent_calls", "Calls that could begin at once.");
const WAITING: Metric = Metric::gauge(BULKHEAD, "waiting_calls", "Calls that wait for a place.");
const ADMITTED: Metric =
    Metric::counter(BULKHEAD, "calls", "Calls that got a place, by whether they waited for it.");
const REJECTED: Metric =
    Metric::counter(BULKHEAD, "rejected_calls", "Calls that got no place, by why.");
const CANCELLED: Metric =
    Metric::counter(BULKHEAD, "cancelled_calls", "Calls that were cancelled while they waited.");

fn bulkhead(it: &bulkhead::Snapshot, to: &mut Measures) {
    to.count(MAX, it.limit);
    to.count(CONCURRENT, it.in_flight);
    to.count(AVAILABLE, it.limit.saturating_sub(it.in_flight));
    to.count(WAITING, it.waiting);
    let at_once = it.admitted.saturating_sub(it.admitted_after_waiting);
    to.count_by(ADMITTED, "kind", "at_once", at_once);
    to.count_by(ADMITTED, "kind", "waited", it.admitted_after_waiting);
    to.count_by(REJECTED, "reason", "full", it.rejected_full);
    to.count_by(REJECTED, "reason", "waited", it.rejected_waited);
    to.count(CANCELLED, it.cancelled);
}

impl Machine for Bulkhead {
    fn pattern(&self) -> &'static str {
        BULKHEAD
    }

    fn measure(&self, _: Moment, to: &mut Measures) {
        bulkhead(&self.snapshot(), to);
    }
}

const USUAL: Metric = Metric::gauge(
    BULKHEAD,
    "usual_latency",
    "How long calls usually take; 0 while nothing is known.",
)
.of(Unit::Seconds);
const LATEST: Metric =
    Metric::gauge(BULKHEAD, "latest_latency", "How long calls took of late.").of(Unit::Seconds);
const RESIZED: Metric = Metric::counter(
    BULKHEAD,
    "resizes",
    "Times that the number of places was found anew, by direction.",
);
const PROBES: Metric =
    Metric::counter(BULKHEAD, "probes", "Times that the usual latency was measured.");
const OVERLOADS: Metric =
    Metric::counter(BULKHEAD, "overload_calls", "Calls that said that there were too many.");

/// A bulkhead that says what it has found, too.
impl Machine for Adaptive {
    fn pattern(&self) -> &'static str {
        BULKHEAD
    }

    fn measure(&self, _: Moment, to: &mut Measures) {
        let it = self.snapshot();
        bulkhead(&it.bulkhead, to);
        to.say(USUAL, it.usual.as_secs_f64());
        to.say(LATEST, it.latest.as_secs_f64());
        to.count_by(RESIZED, "direction", "up", it.raised);
        to.count_by(RESIZED, "direction", "down", it.lowered);
        to.count(PROBES, it.probes);
        to.count(OVERLOADS, it.overloads);
    }
}

const LIMITER: &str = "rate_limiter";
const PERMISSIONS: Metric =
    Metric::gauge(LIMITER, "available_permissions", "Calls that would be let through now.");
const PASSED: Metric = Metric::counter(
    LIMITER,
    "calls",
    "Calls that were let through, by whether they waited for their turn.",
);
const LIMITED: Metric = Metric::counter(LIMITER, "rejected_calls", "Calls that were too many.");
const RETURNED: Metric =
    Metric::counter(LIMITER, "returned_permissions", "Turns that were given back for others.");

impl Machine for Limiter {
    fn pattern(&self) -> &'static str {
        LIMITER
    }

    fn measure(&self, now: Moment, to: &mut Measures) {
        let it: limit::Snapshot = self.snapshot(now);
        to.count(PERMISSIONS, it.available);
        to.count_by(PASSED, "kind", "at_once", it.admitted.saturating_sub(it.delayed));
        to.count_by(PASSED, "kind", "waited", it.delayed);
        to.count(LIMITED, it.limited);
        to.count(RETURNED, it.given_back);
    }
}

const KEYED: &str = "keyed_rate_limiter";
const KEYS: Metric = Metric::gauge(KEYED, "keys", "Keys that are held.");
const KEYED_PASSED: Metric = Metric::counter(KEYED, "calls", "Calls that were let through.");
const KEYED_LIMITED: Metric =
    Metric::counter(KEYED, "rejected_calls", "Calls that were too many for their key.");
const EVICTED: Metric =
    Metric::counter(KEYED, "evicted_keys", "Keys that were forgotten while they were in use.");

/// Of all keys together.
impl<K: Send, S: BuildHasher + Send + Sync> Machine for keyed::Limiter<K, S> {
    fn pattern(&self) -> &'static str {
        KEYED
    }

    fn measure(&self, _: Moment, to: &mut Measures) {
        let it = self.snapshot();
        to.count(KEYS, it.keys);
        to.count(KEYED_PASSED, it.admitted);
        to.count(KEYED_LIMITED, it.limited);
        to.count(EVICTED, it.evicted);
    }
}

const SHED: &str = "load_shedder";
const CAPACITY: Metric =
    Metric::gauge(SHED, "max_concurrent_calls", "Calls that may be under way at once.");
const UNDER_WAY: Metric = Metric::gauge(SHED, "concurrent_calls", "Calls that are under way.");
const SERVED: Metric = Metric::counter(SHED, "calls", "Calls that were admitted, by priority.");
const GAVE_WAY: Metric = Metric::counter(SHED, "shed_calls", "Calls that gave way, by priority.");

impl Machine for Shed {
    fn pattern(&self) -> &'static str {
        SHED
    }

    fn measure(&self, _: Moment, to: &mut Measures) {
        let it = self.snapshot();
        to.count(CAPACITY, it.capacity);
        to.count(UNDER_WAY, it.in_flight);
        for (priority, counts) in Priority::ALL.into_iter().zip(it.counts) {
            to.count_by(SERVED, "priority", priority.name(), counts.admitted);
            to.count_by(GAVE_WAY, "priority", priority.name(), counts.shed);
        }
    }
}

/// All of them, for the list.
#[cfg(any(test, feature = "opentelemetry"))]
pub(super) const ALL: &[Metric] = &[
    STATE,
    CALLS,
    SLOW,
    NOT_PERMITTED,
    TRANSITIONS,
    BUFFERED,
    BUFFERED_SLOW,
    OVERDUE,
    FAILURES,
    SLOWNESS,
    MAX,
    CONCURRENT,
    AVAILABLE,
    WAITING,
    ADMITTED,
    REJECTED,
    CANCELLED,
    USUAL,
    LATEST,
    RESIZED,
    PROBES,
    OVERLOADS,
    PERMISSIONS,
    PASSED,
    LIMITED,
    RETURNED,
    KEYS,
    KEYED_PASSED,
    KEYED_LIMITED,
    EVICTED,
    CAPACITY,
    UNDER_WAY,
    SERVED,
    GAVE_WAY,
];
