//! Written: how a policy of a cache stands in a file.
//!
//! By its own fields, or by those of caches in use elsewhere, which know the age up to which an answer is used in need, and count in
//! seconds without a unit:
//!
//! ```yaml
//! cache: {ttl: 5m, stale_while_revalidate: 0s, stale_if_error: 55m}
//! cache: {ttl: 300, stale_ttl: 3600}
//! ```

use std::time::Duration;

use serde::Deserialize;

use super::Policy;
use crate::text::Seconds;

/// The fields of both forms.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    capacity: usize,
    ttl: Seconds,
    #[serde(deserialize_with = "crate::text::duration_option")]
    stale_while_revalidate: Option<Duration>,
    #[serde(deserialize_with = "crate::text::duration_option")]
    stale_if_error: Option<Duration>,
    stale_ttl: Option<Seconds>,
    #[serde(deserialize_with = "crate::text::duration")]
    negative_ttl: Duration,
    early_refresh: f64,
    #[serde(deserialize_with = "crate::text::duration")]
    call_max: Duration,
}

impl Default for Written {
    fn default() -> Self {
        let Policy { capacity, ttl, negative_ttl, early_refresh, call_max, .. } = Policy::default();
        Self {
            capacity,
            ttl: Seconds(ttl),
            stale_while_revalidate: None,
            stale_if_error: None,
            stale_ttl: None,
            negative_ttl,
            early_refresh,
            call_max,
        }
    }
}

impl TryFrom<Written> for Policy {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let Written { capacity, ttl: Seconds(ttl), stale_while_revalidate, stale_if_error, .. } =
            written;
        let Written { stale_ttl, negative_ttl, early_refresh, call_max, .. } = written;
        let usual = Self::default();
        let (stale_while_revalidate, stale_if_error) = match stale_ttl {
            Some(_) if stale_while_revalidate.is_some() || stale_if_error.is_some() => {
                return Err(
                    "`stale_ttl` beside `stale_while_revalidate` or `stale_if_error`: give one form",
                );
            }
            // Those caches ask first, and use what is stale only if that fails.
            Some(Seconds(age)) => match age.checked_sub(ttl) {
                Some(in_need) => (Duration::ZERO, in_need),
                None => {
                    return Err(
                        "`stale_ttl` is the age up to which a stale answer is used, so it is `ttl` at least",
                    );
                }
            },
            None => (
                stale_while_revalidate.unwrap_or(usual.stale_while_revalidate),
                stale_if_error.unwrap_or(usual.stale_if_error),
            ),
        };
        Ok(Self {
            capacity,
            ttl,
            stale_while_revalidate,
            stale_if_error,
            negative_ttl,
            early_refresh,
            call_max,
        })
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
            "ttl": "5m", "stale_while_revalidate": "0s", "stale_if_error": "55m",
        });
        let theirs = serde_json::json!({"ttl": 300, "stale_ttl": 3_600});
        assert_eq!(read(ours).unwrap(), read(theirs).unwrap());
        assert_eq!(read(serde_json::json!({})), Ok(Policy::default()));
    }

    #[test]
    fn a_mixture_is_refused_and_so_is_an_age_before_it_is_stale() {
        let both = read(serde_json::json!({"stale_ttl": 60, "stale_if_error": "1m"})).unwrap_err();
        assert!(both.contains("give one form"), "{both}");
        let early = read(serde_json::json!({"ttl": 300, "stale_ttl": 299})).unwrap_err();
        assert!(early.contains("`ttl` at least"), "{early}");
    }
}
