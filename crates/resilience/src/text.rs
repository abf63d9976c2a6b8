//! Text: how durations and shares are written in files.
//!
//! A duration carries its unit (`250ms`, `1m30s`); a share is `50%`, or a number from 0 to 1.

use std::fmt;
use std::time::Duration;

use evenkeel_units::{Ratio, UnitError, parse_duration};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// Reads a duration.
pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_str(OfDuration)
}

/// Reads a duration that may be absent.
pub(crate) fn duration_option<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    from.deserialize_option(Optional(OfDuration))
}

/// Reads a share.
pub(crate) fn ratio<'de, D: Deserializer<'de>>(from: D) -> Result<Ratio, D::Error> {
    from.deserialize_any(OfRatio)
}

/// Reads a share that may be absent.
pub(crate) fn ratio_option<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Ratio>, D::Error> {
    from.deserialize_option(Optional(OfRatio))
}

struct OfDuration;

impl Visitor<'_> for OfDuration {
    type Value = Duration;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a duration with its unit, such as `250ms`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).map_err(said)
    }
}

struct OfRatio;

impl Visitor<'_> for OfRatio {
    type Value = Ratio;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a share such as `50%` or 0.5")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Ratio, E> {
        text.parse().map_err(said)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Ratio, E> {
        Ratio::new(value).ok_or_else(|| {
            let percent = if value > 1.0 && value <= 100.0 { value } else { 50.0 };
            E::custom(format!("{value} is not between 0 and 1: write a share such as `{percent}%`"))
        })
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Ratio, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Ratio, E> {
        self.visit_f64(value as f64)
    }
}

/// Nothing, or what another one reads.
struct Optional<V>(V);

impl<'de, V: Visitor<'de> + Reads<'de>> Visitor<'de> for Optional<V> {
    type Value = Option<V::Value>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(to)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        V::read(from).map(Some)
    }
}

trait Reads<'de>: Visitor<'de> {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Self::Value, D::Error>;
}

impl<'de> Reads<'de> for OfDuration {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        duration(from)
    }
}

impl<'de> Reads<'de> for OfRatio {
    fn read<D: Deserializer<'de>>(from: D) -> Result<Ratio, D::Error> {
        ratio(from)
    }
}

fn said<E: Error>(error: UnitError) -> E {
    E::custom(format_args!("{}: {}", error.problem, error.help))
}

/// A duration as text with its unit, or as a number of seconds: for forms in use elsewhere, which know no units.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Seconds(pub(crate) Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OfSeconds).map(Self)
    }
}

struct OfSeconds;

impl Visitor<'_> for OfSeconds {
    type Value = Duration;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("seconds, or a duration with its unit, such as `30s`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).map_err(said)
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Duration, E> {
        // As with a unit: whole nanoseconds, and no more than a hundred years.
        match (0.0..=SECONDS_MAX).contains(&seconds) {
            true => Ok(Duration::from_nanos((seconds * 1e9).round() as u64)),
            false => Err(E::custom(format_args!("{seconds} is no duration in seconds"))),
        }
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Duration, E> {
        self.visit_f64(seconds as f64)
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
        self.visit_f64(seconds as f64)
    }
}

const SECONDS_MAX: f64 = 100.0 * 365.25 * 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Both {
        #[serde(deserialize_with = "duration")]
        time: Duration,
        #[serde(deserialize_with = "ratio")]
        share: Ratio,
    }

    fn read(time: serde_json::Value, share: serde_json::Value) -> Result<Both, String> {
        serde_json::from_value(json!({"time": time, "share": share})).map_err(|it| it.to_string())
    }

    #[test]
    fn a_share_is_per_cent_or_a_number() {
        for share in [json!("50%"), json!(0.5)] {
            let both = Both { time: Duration::from_millis(250), share: Ratio::percent(50) };
            assert_eq!(read(json!("250ms"), share), Ok(both));
        }
        assert_eq!(read(json!("1s"), json!(1)).unwrap().share, Ratio::ONE);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_fix() {
        let cases = [
            (json!("250"), json!(1), "`250` has no unit"),
            (json!(250), json!(1), "a duration with its unit"),
            (json!("1s"), json!(50), "write a share such as `50%`"),
            (json!("1s"), json!("half"), "write a share"),
            (json!("1s"), json!(-1), "write a share"),
        ];
        for (time, share, says) in cases {
            let error = read(time, share).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
