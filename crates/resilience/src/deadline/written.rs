//! Written: how limits of time stand in a file.

use std::time::Duration;

use serde::Deserialize;

use super::Limits;

/// What is not named is as by default, but no longer than what it is a part of.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    #[serde(deserialize_with = "crate::text::duration_option")]
    total: Option<Duration>,
    #[serde(deserialize_with = "crate::text::duration_option")]
    attempt: Option<Duration>,
    #[serde(deserialize_with = "crate::text::duration_option")]
    connect: Option<Duration>,
    #[serde(deserialize_with = "crate::text::duration_option")]
    read: Option<Duration>,
}

impl From<Written> for Limits {
    fn from(written: Written) -> Self {
        let usual = written.total.map_or_else(Self::default, Self::total);
        let attempt = written.attempt.unwrap_or(usual.attempt);
        Self {
            total: usual.total,
            attempt,
            connect: written.connect.unwrap_or(usual.connect.min(attempt)),
            read: written.read.unwrap_or(usual.read.min(attempt)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> Result<[u64; 4], String> {
        let limits: Limits = serde_json::from_value(json).map_err(|it| it.to_string())?;
        limits.check().map_err(|it| it.to_string())?;
        Ok([limits.total, limits.attempt, limits.connect, limits.read].map(|it| it.as_secs()))
    }

    #[test]
    fn a_limit_that_is_not_named_is_no_longer_than_the_one_around_it() {
        assert_eq!(read(serde_json::json!({})), Ok([30, 9, 3, 5]));
        assert_eq!(read(serde_json::json!({"total": "4s"})), Ok([4, 4, 3, 4]));
        assert_eq!(read(serde_json::json!({"attempt": "2s"})), Ok([30, 2, 2, 2]));
        assert_eq!(read(serde_json::json!({"total": "20s", "read": "8s"})), Ok([20, 9, 3, 8]));
    }

    #[test]
    fn what_is_named_is_taken_at_its_word() {
        let longer = read(serde_json::json!({"total": "1s", "attempt": "2s"})).unwrap_err();
        assert!(longer.starts_with("`attempt` of 2s is longer than `total` of 1s"), "{longer}");
        assert!(read(serde_json::json!({"totel": "1s"})).is_err());
        assert!(read(serde_json::json!({"total": 1})).unwrap_err().contains("with its unit"));
    }
}
