//! Written: how a policy of a circuit stands in a file.
//!
//! By its own fields, or by those of the breakers in use elsewhere that count failures in a row and wait for so many seconds:
//!
//! ```yaml
//! breaker: {consecutive: 5, failures: null, slow: null, wait: {first: 60s, cap: 60s}, trials: {permits: 1}}
//! circuit_breaker: {failure_threshold: 5, recovery_timeout: 60}
//! ```

use std::time::Duration;

use evenkeel_units::Ratio;
use serde::Deserialize;

use super::{Policy, Slow, Trials, Wait, Window};
use crate::text::Seconds;

/// The fields of both forms.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    consecutive: Option<u32>,
    #[serde(deserialize_with = "crate::text::ratio_option")]
    failures: Option<Ratio>,
    slow: Option<Slow>,
    window: Window,
    min_calls: u32,
    wait: Wait,
    trials: Trials,
    failure_threshold: Option<u32>,
    recovery_timeout: Option<Seconds>,
}

impl Default for Written {
    fn default() -> Self {
        let Policy { consecutive, failures, slow, window, min_calls, wait, trials } =
            Policy::default();
        Self {
            consecutive,
            failures,
            slow,
            window,
            min_calls,
            wait,
            trials,
            failure_threshold: None,
            recovery_timeout: None,
        }
    }
}

impl TryFrom<Written> for Policy {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let Written { failure_threshold, recovery_timeout, .. } = written;
        let Written { consecutive, failures, slow, window, min_calls, wait, trials, .. } = written;
        let ours = Self { consecutive, failures, slow, window, min_calls, wait, trials };
        if failure_threshold.is_none() && recovery_timeout.is_none() {
            return Ok(ours);
        }
        if ours != Self::default() {
            return Err("`failure_threshold` and `recovery_timeout` are all of that form: \
                        give nothing beside them, or `consecutive` and `wait`");
        }
        // What those breakers do where they are told nothing: the first trial decides.
        let wait = recovery_timeout.map_or(Duration::from_mins(1), |it| it.0);
        Ok(Self::consecutive(failure_threshold.unwrap_or(5))
            .wait(Wait::fixed(wait))
            .trials(Trials { permits: 1, ..Trials::default() }))
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
        let theirs = read(serde_json::json!({"failure_threshold": 3, "recovery_timeout": 30}));
        let ours = read(serde_json::json!({
            "consecutive": 3, "failures": null, "slow": null,
            "wait": {"first": "30s", "cap": "30s", "jitter": "0%"}, "trials": {"permits": 1},
        }));
        assert_eq!(theirs.unwrap(), ours.unwrap());
        assert_eq!(read(serde_json::json!({})), Ok(Policy::default()));
    }

    #[test]
    fn every_window_can_be_written() {
        let calls = read(serde_json::json!({"window": {"calls": 50}})).unwrap();
        assert_eq!(calls.window, Window::Calls(50));
        let time = serde_json::json!({"window": {"time": {"buckets": 10, "width": "1s"}}});
        let width = Duration::from_secs(1);
        assert_eq!(read(time).unwrap().window, Window::Time { buckets: 10, width });
    }

    #[test]
    fn a_mixture_is_refused() {
        let mixed = read(serde_json::json!({"failure_threshold": 3, "min_calls": 5})).unwrap_err();
        assert!(mixed.contains("nothing beside them"), "{mixed}");
    }
}
