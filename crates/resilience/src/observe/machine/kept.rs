//! Kept: what those say that keep answers, or know many endpoints.

use evenkeel_units::Moment;

use super::Machine;
use crate::balance::Balancer;
use crate::idempotency::Store;
use crate::observe::{Measures, Metric, Sample, Unit};
use crate::stale_cache::StaleCache;

const CACHE: &str = "stale_cache";
const ENTRIES: Metric = Metric::gauge(CACHE, "entries", "Answers and failures that are kept.");
const FETCHING: Metric =
    Metric::gauge(CACHE, "concurrent_calls", "Calls for answers that are under way.");
const LOOKED: Metric = Metric::counter(
    CACHE,
    "lookups",
    "Callers, by what they found: an answer, a failure, somebody who asks, or nothing.",
);
const REFRESHES: Metric =
    Metric::counter(CACHE, "refresh_calls", "Calls that were made while there was an answer.");
const FETCH_FAILED: Metric =
    Metric::counter(CACHE, "failed_calls", "Calls for answers that failed.");
const SAVED: Metric = Metric::counter(
    CACHE,
    "stale_if_error",
    "Times that a stale answer was used, as to ask failed or had just failed.",
);
const EVICTED: Metric = Metric::counter(
    CACHE,
    "evicted_entries",
    "Answers that made room for others before they were over.",
);

impl<K: Send + Sync, V: Send + Sync, E: Send + Sync, S: Send + Sync> Machine
    for StaleCache<K, V, E, S>
{
    fn pattern(&self) -> &'static str {
        CACHE
    }

    fn measure(&self, _: Moment, to: &mut Measures) {
        let it = self.snapshot();
        to.count(ENTRIES, it.entries);
        to.count(FETCHING, it.in_flight);
        to.count_by(LOOKED, "kind", "fresh", it.fresh);
        to.count_by(LOOKED, "kind", "stale", it.stale);
        to.count_by(LOOKED, "kind", "failed", it.failed_again);
        to.count_by(LOOKED, "kind", "waited", it.waits);
        to.count_by(LOOKED, "kind", "missed", it.misses);
        to.count(REFRESHES, it.refreshes);
        to.count(FETCH_FAILED, it.failures);
        to.count(SAVED, it.stale_if_error);
        to.count(EVICTED, it.evictions);
    }
}

const STORE: &str = "idempotency_store";
const KEYS: Metric = Metric::gauge(STORE, "keys", "Keys that are held.");
const REQUESTS: Metric =
    Metric::counter(STORE, "requests", "Requests with a key, by what became of them.");
const RELEASED: Metric = Metric::counter(
    STORE,
    "released_keys",
    "Keys that were given up, as their request failed or was cut off.",
);

impl<K: Send, P: Send, T: Send> Machine for Store<K, P, T> {
    fn pattern(&self) -> &'static str {
        STORE
    }

    fn measure(&self, _: Moment, to: &mut Measures) {
        let it = self.snapshot();
        to.count(KEYS, it.keys);
        for (kind, count) in [
            ("first", it.first),
            ("replayed", it.replayed),
            ("waited", it.waited),
            ("in_progress", it.in_progress),
            ("other_request", it.other_request),
            ("full", it.full),
        ] {
            to.count_by(REQUESTS, "kind", kind, count);
        }
        to.count(RELEASED, it.released);
    }
}

const BALANCER: &str = "balancer";
const AVAILABLE: Metric = Metric::gauge(
    BALANCER,
    "available_endpoints",
    "Endpoints that may be called for what is known of them.",
);
const PANIC: Metric = Metric::gauge(
    BALANCER,
    "panic",
    "1 while so few endpoints may be called that all are, else 0.",
);
const PICKS: Metric = Metric::counter(BALANCER, "picks", "Picks of an endpoint, in vain or not.");
const NOBODY: Metric =
    Metric::counter(BALANCER, "unavailable_picks", "Picks that found nobody to call.");
const PANIC_PICKS: Metric = Metric::counter(
    BALANCER,
    "panic_picks",
    "Picks while all endpoints were called, as too few may be.",
);
const CONCURRENT: Metric =
    Metric::gauge(BALANCER, "concurrent_calls", "Calls to an endpoint that are under way.");
const CALLED: Metric =
    Metric::gauge(BALANCER, "called", "1 for an endpoint that is called at present, else 0.");
const LATENCY: Metric = Metric::gauge(
    BALANCER,
    "latency",
    "How long an endpoint takes, as the balancer sees it; absent before its first answer.",
)
.of(Unit::Seconds);
const CALLS: Metric =
    Metric::counter(BALANCER, "calls", "Calls to an endpoint that ended, by what became of them.");
const EJECTED: Metric = Metric::counter(
    BALANCER,
    "ejections",
    "Times that an endpoint was put aside because of how calls ended.",
);

/// With a series for each endpoint.
impl<T: Send + Sync> Machine for Balancer<T> {
    fn pattern(&self) -> &'static str {
        BALANCER
    }

    fn measure(&self, now: Moment, to: &mut Measures) {
        let it = self.snapshot(now);
        to.count(AVAILABLE, it.available as u64);
        to.count(PANIC, it.is_panic);
        to.count(PICKS, it.picks_total);
        to.count(NOBODY, it.unavailable_total);
        to.count(PANIC_PICKS, it.panic_picks_total);
        for endpoint in it.endpoints {
            let name = endpoint.name.to_string();
            to.count_by(CONCURRENT, "endpoint", name.clone(), endpoint.in_flight);
            to.count_by(CALLED, "endpoint", name.clone(), endpoint.is_called);
            if let Some(latency) = endpoint.latency {
                to.say_by(LATENCY, "endpoint", name.clone(), latency.as_secs_f64());
            }
            to.count_by(EJECTED, "endpoint", name.clone(), endpoint.ejected_total);
            for (kind, count) in [
                ("successful", endpoint.succeeded_total),
                ("failed", endpoint.failed_total),
                ("ignored", endpoint.ignored_total),
                ("cancelled", endpoint.cancelled_total),
            ] {
                let labels = vec![("endpoint", name.clone().into()), ("kind", kind.into())];
                to.samples.push(Sample { metric: CALLS, labels, value: count as f64 });
            }
        }
    }
}

/// All of them, for the list.
#[cfg(any(test, feature = "opentelemetry"))]
pub(super) const ALL: &[Metric] = &[
    ENTRIES,
    FETCHING,
    LOOKED,
    REFRESHES,
    FETCH_FAILED,
    SAVED,
    EVICTED,
    KEYS,
    REQUESTS,
    RELEASED,
    AVAILABLE,
    PANIC,
    PICKS,
    NOBODY,
    PANIC_PICKS,
    CONCURRENT,
    CALLED,
    LATENCY,
    CALLS,
    EJECTED,
];
