//! Observe: the numbers of all machines for Prometheus and OpenTelemetry, and what happens for logs.
//!
//! Machines count by themselves, in atomics of their own. A [`Registry`] knows them by name and reads them when somebody asks, so that
//! to be observed costs a call nothing: no string, no lock, no allocation. [`Events`] makes listeners that know the name of their
//! machine; without one, what would be told costs one comparison, where a call is rejected or a state changes, and nothing elsewhere.
//!
//! **When to use it.** For every machine of a service that runs. **When not.** For endpoints that come and go without bound, or keys
//! that users choose: each is a series. Those of a [`breaker::Registry`](crate::breaker::Registry) are bounded by its size; a
//! [keyed limiter](crate::limit::keyed) shows the sum of its keys.
//!
//! ```
//! use std::sync::Arc;
//! use evenkeel_resilience::{Breaker, breaker::Policy, observe::{Events, Format, Registry}};
//! use evenkeel_resilience::Moment;
//!
//! let events = Events::new(|name, event| eprintln!("{name}: {event}"));
//! let breaker = Breaker::try_new(Policy::default())?.listener(events.of("payments"));
//!
//! let registry = Registry::new();
//! registry.add("payments", Arc::new(breaker))?;
//!
//! // For each scrape of /metrics:
//! let format = Format::accepted("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
//! let text = registry.text(Moment::START, format);
//! assert!(text.contains("resilience_circuit_breaker_state{name=\"payments\",state=\"closed\"} 1\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Names and meanings
//!
//! As in Prometheus; for OpenTelemetry see the feature `opentelemetry`, `Registry::instrument`: there the name is
//! `resilience.circuit_breaker.calls`, and neither unit nor `_total` is part of it. Every series has the label `name`, and those in brackets.
//!
//! | series | meaning |
//! |---|---|
//! | `resilience_circuit_breaker_state` (`state`) | 1 for the state that the circuit is in, 0 for every other. |
//! | `resilience_circuit_breaker_calls_total` (`kind`) | Calls that ended, by what became of them. |
//! | `resilience_circuit_breaker_slow_calls_total` | Calls that took longer than is good, failed or not. |
//! | `resilience_circuit_breaker_not_permitted_calls_total` | Calls that were rejected, as the circuit was open. |
//! | `resilience_circuit_breaker_transitions_total` | Changes of state. |
//! | `resilience_circuit_breaker_buffered_calls` (`kind`) | Calls that the circuit is judged by, by what became of them. |
//! | `resilience_circuit_breaker_buffered_slow_calls` | Slow calls among those that the circuit is judged by. |
//! | `resilience_circuit_breaker_overdue_calls` | Calls that run for longer than is good already. |
//! | `resilience_circuit_breaker_failure_ratio` | Share of failed calls among those that the circuit is judged by; absent while these are too few. |
//! | `resilience_circuit_breaker_slow_call_ratio` | Share of slow calls among those that the circuit is judged by; absent while these are too few. |
//! | `resilience_bulkhead_max_concurrent_calls` | Calls that may be under way at once. |
//! | `resilience_bulkhead_concurrent_calls` | Calls that are under way. |
//! | `resilience_bulkhead_available_concurrent_calls` | Calls that could begin at once. |
//! | `resilience_bulkhead_waiting_calls` | Calls that wait for a place. |
//! | `resilience_bulkhead_calls_total` (`kind`) | Calls that got a place, by whether they waited for it. |
//! | `resilience_bulkhead_rejected_calls_total` (`reason`) | Calls that got no place, by why. |
//! | `resilience_bulkhead_cancelled_calls_total` | Calls that were cancelled while they waited. |
//! | `resilience_bulkhead_usual_latency_seconds` | How long calls usually take; 0 while nothing is known. |
//! | `resilience_bulkhead_latest_latency_seconds` | How long calls took of late. |
//! | `resilience_bulkhead_resizes_total` (`direction`) | Times that the number of places was found anew, by direction. |
//! | `resilience_bulkhead_probes_total` | Times that the usual latency was measured. |
//! | `resilience_bulkhead_overload_calls_total` | Calls that said that there were too many. |
//! | `resilience_rate_limiter_available_permissions` | Calls that would be let through now. |
//! | `resilience_rate_limiter_calls_total` (`kind`) | Calls that were let through, by whether they waited for their turn. |
//! | `resilience_rate_limiter_rejected_calls_total` | Calls that were too many. |
//! | `resilience_rate_limiter_returned_permissions_total` | Turns that were given back for others. |
//! | `resilience_keyed_rate_limiter_keys` | Keys that are held. |
//! | `resilience_keyed_rate_limiter_calls_total` | Calls that were let through. |
//! | `resilience_keyed_rate_limiter_rejected_calls_total` | Calls that were too many for their key. |
//! | `resilience_keyed_rate_limiter_evicted_keys_total` | Keys that were forgotten while they were in use. |
//! | `resilience_load_shedder_max_concurrent_calls` | Calls that may be under way at once. |
//! | `resilience_load_shedder_concurrent_calls` | Calls that are under way. |
//! | `resilience_load_shedder_calls_total` (`priority`) | Calls that were admitted, by priority. |
//! | `resilience_load_shedder_shed_calls_total` (`priority`) | Calls that gave way, by priority. |
//! | `resilience_retry_calls_total` | Calls, whatever the number of their attempts. |
//! | `resilience_retry_retries_total` | Attempts beyond the first. |
//! | `resilience_retry_recovered_calls_total` | Calls that were good by an attempt beyond the first. |
//! | `resilience_retry_failed_calls_total` (`reason`) | Calls whose error stood, by why there was no other attempt. |
//! | `resilience_retry_budget_available_retries` | Retries that the budget could pay now. |
//! | `resilience_retry_budget_max_retries` | The most retries that the budget saves. |
//! | `resilience_retry_budget_granted_retries_total` | Retries that the budget paid. |
//! | `resilience_retry_budget_refused_retries_total` | Retries that the budget could not pay. |
//! | `resilience_time_limit_configured_seconds` (`limit`) | How long calls and their parts may take. |
//! | `resilience_time_limit_exceeded_total` (`limit`) | Calls and parts of calls that took too long. |
//! | `resilience_hedge_calls_total` | Calls, whatever the number of their attempts. |
//! | `resilience_hedge_hedges_total` | Attempts beside the first. |
//! | `resilience_hedge_won_calls_total` | Calls that an attempt beside the first answered. |
//! | `resilience_hedge_over_budget_total` | Attempts beside the first that the budget could not pay. |
//! | `resilience_hedge_delay_seconds` | How long an attempt is waited for before the next. |
//! | `resilience_fallback_calls_total` (`kind`) | Calls, by what became of them. |
//! | `resilience_failover_active` (`member`) | 1 for a member that gets calls, else 0. |
//! | `resilience_failover_unhealthy` (`member`) | 1 for a member that is known to be unhealthy, else 0. |
//! | `resilience_failover_stuck` | 1 while the active members are unhealthy and nothing can be done, else 0. |
//! | `resilience_failover_switches_total` (`reason`) | Changes of the active members, by why. |
//! | `resilience_failover_failed_probes_total` (`member`) | Probes of a member that failed. |
//! | `resilience_stale_cache_entries` | Answers and failures that are kept. |
//! | `resilience_stale_cache_concurrent_calls` | Calls for answers that are under way. |
//! | `resilience_stale_cache_lookups_total` (`kind`) | Callers, by what they found: an answer, a failure, somebody who asks, or nothing. |
//! | `resilience_stale_cache_refresh_calls_total` | Calls that were made while there was an answer. |
//! | `resilience_stale_cache_failed_calls_total` | Calls for answers that failed. |
//! | `resilience_stale_cache_stale_if_error_total` | Times that a stale answer was used, as to ask failed or had just failed. |
//! | `resilience_stale_cache_evicted_entries_total` | Answers that made room for others before they were over. |
//! | `resilience_idempotency_store_keys` | Keys that are held. |
//! | `resilience_idempotency_store_requests_total` (`kind`) | Requests with a key, by what became of them. |
//! | `resilience_idempotency_store_released_keys_total` | Keys that were given up, as their request failed or was cut off. |
//! | `resilience_balancer_available_endpoints` | Endpoints that may be called for what is known of them. |
//! | `resilience_balancer_panic` | 1 while so few endpoints may be called that all are, else 0. |
//! | `resilience_balancer_picks_total` | Picks of an endpoint, in vain or not. |
//! | `resilience_balancer_unavailable_picks_total` | Picks that found nobody to call. |
//! | `resilience_balancer_panic_picks_total` | Picks while all endpoints were called, as too few may be. |
//! | `resilience_balancer_concurrent_calls` (`endpoint`) | Calls to an endpoint that are under way. |
//! | `resilience_balancer_called` (`endpoint`) | 1 for an endpoint that is called at present, else 0. |
//! | `resilience_balancer_latency_seconds` (`endpoint`) | How long an endpoint takes, as the balancer sees it; absent before its first answer. |
//! | `resilience_balancer_calls_total` (`endpoint`, `kind`) | Calls to an endpoint that ended, by what became of them. |
//! | `resilience_balancer_ejections_total` (`endpoint`) | Times that an endpoint was put aside because of how calls ended. |
//!
//! # Questions they answer
//!
//! | question | PromQL |
//! |---|---|
//! | Which circuits are open? | `resilience_circuit_breaker_state{state=~"open\|forced_open"} == 1` |
//! | Which share of the calls is not made, as a circuit is open? | `sum by (name) (rate(resilience_circuit_breaker_not_permitted_calls_total[5m])) / (sum by (name) (rate(resilience_circuit_breaker_not_permitted_calls_total[5m])) + sum by (name) (rate(resilience_circuit_breaker_calls_total[5m])))` |
//! | Is a bulkhead nearly full? | `resilience_bulkhead_available_concurrent_calls / resilience_bulkhead_max_concurrent_calls < 0.1` |
//! | Do retries amplify an outage? | `rate(resilience_retry_retries_total[5m]) / rate(resilience_retry_calls_total[5m])` |
//! | Does the retry budget say no? | `rate(resilience_retry_budget_refused_retries_total[5m]) > 0` |

mod events;
mod machine;
mod metric;
#[cfg(feature = "opentelemetry")]
mod otel;
mod registry;
#[cfg(test)]
#[cfg(not(feature = "loom"))]
mod tests;
mod text;

pub use events::{Event, Events};
pub use machine::Machine;
pub use metric::{Kind, Measures, Metric, Sample, Unit};
pub use registry::{Registry, Taken};
pub use text::Format;
