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
use serde::{Deserialize, Deserializer};

use super::{Policy, Slow, Trials, Wait, Window};
use crate::text::Seconds;

/// The fields of both forms. What is there is told from what is not, as it may say what is usual.
#[expect(clippy::option_option, reason = "what is absent and what is `null` are two things")]
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    #[serde(deserialize_with = "given")]
    consecutive: Option<Option<u32>>,
    #[serde(deserialize_with = "ratio_given")]
    failures: Option<Option<Ratio>>,
    #[serde(deserialize_with = "given")]
    slow: Option<Option<Slow>>,
    #[serde(deserialize_with = "given")]
    window: Option<Window>,
    #[serde(deserialize_with = "given")]
    min_calls: Option<u32>,
    #[serde(deserialize_with = "given")]
    wait: Option<Wait>,
    #[serde(deserialize_with = "given")]
    trials: Option<Trials>,
    failure_threshold: Option<u32>,
    recovery_timeout: Option<Seconds>,
}

fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[expect(clippy::option_option, reason = "what is absent and what is `null` are two things")]
fn ratio_given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Ratio>>, D::Error> {
    crate::text::ratio_option(from).map(Some)
}

impl TryFrom<Written> for Policy {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let Written { failure_threshold, recovery_timeout, .. } = written;
        let Written { consecutive, failures, slow, window, min_calls, wait, trials, .. } = written;
        let is_ours = consecutive.is_some()
            || failures.is_some()
            || slow.is_some()
            || window.is_some()
            || min_calls.is_some()
            || wait.is_some()
            || trials.is_some();
        if failure_threshold.is_none() && recovery_timeout.is_none() {
            let usual = Self::default();
            return Ok(Self {
                consecutive: consecutive.unwrap_or(usual.consecutive),
                failures: failures.unwrap_or(usual.failures),
                slow: slow.unwrap_or(usual.slow),
                window: window.unwrap_or(usual.window),
                min_calls: min_calls.unwrap_or(usual.min_calls),
                wait: wait.unwrap_or(usual.wait),
                trials: trials.unwrap_or(usual.trials),
            });
        }
        if is_ours {
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
        let usual = serde_json::json!({"failure_threshold": 3, "failures": "50%"});
        assert_eq!(Policy::default().failures, Some(Ratio::percent(50)));
        assert!(read(usual).is_err(), "the share would be left out, although it is the usual one");
    }
}
