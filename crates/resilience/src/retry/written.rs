//! Written: how a policy of retries stands in a file.
//!
//! By its own fields, or by those of the decorators in use elsewhere, which count retries and not attempts, and seconds without a unit:
//!
//! ```yaml
//! retry: {attempts: 4, backoff: {base: 1s, cap: 60s, jitter: {plus_minus: 50%}}}
//! retry: {max_retries: 3, base_delay: 1.0, max_delay: 60.0, exponential_base: 2, jitter: true}
//! ```

use std::time::Duration;

use evenkeel_units::Ratio;
use serde::Deserialize;

use super::{Backoff, BudgetPolicy, Jitter, Policy};
use crate::text::Seconds;

/// The fields of both forms.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    attempts: Option<u32>,
    backoff: Option<Backoff>,
    #[serde(deserialize_with = "crate::text::duration")]
    retry_after_max: Duration,
    budget: Option<BudgetPolicy>,
    max_retries: Option<u32>,
    base_delay: Option<Seconds>,
    max_delay: Option<Seconds>,
    exponential_base: Option<u32>,
    jitter: Option<bool>,
}

impl Default for Written {
    fn default() -> Self {
        let Policy { retry_after_max, budget, .. } = Policy::default();
        Self {
            attempts: None,
            backoff: None,
            retry_after_max,
            budget,
            max_retries: None,
            base_delay: None,
            max_delay: None,
            exponential_base: None,
            jitter: None,
        }
    }
}

impl TryFrom<Written> for Policy {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let Written { attempts, max_retries, base_delay, max_delay, .. } = written;
        let attempts = match (attempts, max_retries) {
            (Some(_), Some(_)) => {
                return Err("`attempts` beside `max_retries`: give one of them");
            }
            (Some(attempts), None) => attempts,
            // The first attempt is none of the retries.
            (None, Some(retries)) => retries.saturating_add(1),
            (None, None) => Self::default().attempts,
        };
        let is_other = base_delay.is_some()
            || max_delay.is_some()
            || written.exponential_base.is_some()
            || written.jitter.is_some();
        let backoff = match written.backoff {
            Some(_) if is_other => {
                return Err(
                    "`backoff` beside `base_delay`, `max_delay`, `exponential_base` or `jitter`: give one form",
                );
            }
            Some(backoff) => backoff,
            // What those decorators do where they are told nothing.
            None if is_other => Backoff {
                base: base_delay.map_or(Duration::from_secs(1), |it| it.0),
                factor: written.exponential_base.unwrap_or(2),
                cap: max_delay.map_or(Duration::from_mins(1), |it| it.0),
                jitter: match written.jitter {
                    Some(false) => Jitter::None,
                    Some(true) | None => Jitter::PlusMinus(Ratio::percent(50)),
                },
            },
            None => Backoff::default(),
        };
        let Written { retry_after_max, budget, .. } = written;
        Ok(Self { attempts, backoff, retry_after_max, budget })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> Result<Policy, String> {
        serde_json::from_value(json).map_err(|it| it.to_string())
    }

    #[test]
    fn both_forms_say_the_same() {
        let ours = serde_json::json!({
            "attempts": 4,
            "backoff": {"base": "1s", "cap": "60s", "jitter": {"plus_minus": "50%"}},
        });
        let theirs = serde_json::json!({
            "max_retries": 3, "base_delay": 1.0, "max_delay": 60, "exponential_base": 2, "jitter": true,
        });
        assert_eq!(read(ours).unwrap(), read(theirs).unwrap());
        assert_eq!(read(serde_json::json!({})), Ok(Policy::default()));
    }

    #[test]
    fn the_budget_is_there_unless_it_is_taken_away() {
        assert_eq!(read(serde_json::json!({"budget": null})).unwrap().budget, None);
        let half = read(serde_json::json!({"budget": {"share": 0.5}})).unwrap().budget.unwrap();
        assert_eq!((half.share, half.floor_per_second), (Ratio::percent(50), 10));
    }

    #[test]
    fn a_mixture_is_refused() {
        let twice = read(serde_json::json!({"attempts": 4, "max_retries": 3})).unwrap_err();
        assert!(twice.contains("give one of them"), "{twice}");
        let twice = read(serde_json::json!({"backoff": {}, "jitter": false})).unwrap_err();
        assert!(twice.contains("give one form"), "{twice}");
        assert!(read(serde_json::json!({"retries": 3})).is_err());
    }
}
