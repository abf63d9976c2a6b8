//! Durations as people write them (`250ms`, `1m30s`) and as programs read them (seconds).

use std::fmt;
use std::time::Duration;

use crate::number::{UnitError, short, split};

const UNITS: [(&str, f64); 8] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
];

/// In whole nanoseconds: one number, which an atomic can hold. More than 584 years are 584 years.
#[inline]
pub const fn nanos(of: Duration) -> u64 {
    of.as_secs().saturating_mul(1_000_000_000).saturating_add(of.subsec_nanos() as u64)
}

/// Reads `250ms`, `30s`, `1m30s`, `2h`, `30d` (a day is 24 hours).
///
/// # Errors
/// When there is no unit, an unknown one, a sign, or more than 100 years.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let text = text.trim();
    let mut rest = text;
    let mut seconds = 0.0;
    let fix = || {
        let number = rest_number(text);
        format!(
            "write a number with its unit (ns, us, ms, s, m, h, d), such as `{number}ms` or `{number}s`"
        )
    };
    if rest.is_empty() {
        return Err(UnitError::new("a duration is missing", "write one such as `250ms` or `30s`"));
    }
    while !rest.is_empty() {
        let Some((number, unit)) = split(rest) else {
            return Err(UnitError::new(format!("`{text}` is not a duration"), fix()));
        };
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (name, after) = unit.split_at(end);
        let name = name.trim();
        let Some((_, scale)) = UNITS.iter().find(|(it, _)| *it == name) else {
            let problem = match name {
                "" => format!("`{text}` has no unit"),
                _ => format!("`{name}` is not a unit of time"),
            };
            return Err(UnitError::new(problem, fix()));
        };
        seconds += number * scale;
        rest = after;
    }
    // Whole nanoseconds, so that `0.1s` is 100 ms and not one nanosecond less.
    match seconds <= 100.0 * 365.25 * 86_400.0 {
        true => Ok(Duration::from_nanos((seconds * 1e9).round() as u64)),
        false => Err(UnitError::new(format!("`{text}` is longer than 100 years"), "write less")),
    }
}

fn rest_number(text: &str) -> String {
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    if digits.is_empty() { "300".to_owned() } else { digits }
}

/// Writes a duration for people: `1m30s`, `1.25s`, `250ms`, `85µs`; three significant digits below
/// a minute.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Human(pub Duration);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let text = match seconds {
            0.0 => "0s".to_owned(),
            s if s < 0.000_999_5 => format!("{}µs", short(s * 1e6, 3)),
            s if s < 0.999_5 => format!("{}ms", short(s * 1e3, 3)),
            s if s < 59.95 => format!("{}s", short(s, 3)),
            s => {
                let whole = s.round() as u64;
                let parts = [
                    (whole / 86_400, "d"),
                    (whole / 3600 % 24, "h"),
                    (whole / 60 % 60, "m"),
                    (whole % 60, "s"),
                ];
                parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect()
            }
        };
        f.pad(&text)
    }
}

/// `#[serde(with = "evenkeel_units::duration::seconds")]`: a duration as a number of seconds.
pub mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes seconds.
    pub fn serialize<S: Serializer>(it: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(it.as_secs_f64())
    }

    /// Reads seconds; refuses negative and endless ones.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        // Whole nanoseconds, so that a duration survives the journey through JSON.
        let nanos = (seconds * 1e9).round();
        if (0.0..1.8e19).contains(&nanos) {
            Ok(Duration::from_nanos(nanos as u64))
        } else {
            Err(D::Error::custom(format!("{seconds} is no duration in seconds")))
        }
    }
}

/// As [`seconds`], for a duration that may be absent.
pub mod seconds_option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Seconds(#[serde(with = "super::seconds")] Duration);

    /// Writes seconds or null.
    pub fn serialize<S: Serializer>(it: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        it.map(Seconds).serialize(to)
    }

    /// Reads seconds or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Seconds>::deserialize(from)?.map(|it| it.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("1.5 s", 1500),
            ("0.1s", 100),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_refused_with_the_fix() {
        let error = parse_duration("300").unwrap_err();
        assert_eq!(error.problem, "`300` has no unit");
        assert!(error.help.contains("`300ms`"), "{}", error.help);
    }

    #[test]
    fn writes_three_digits_and_whole_seconds_from_a_minute_on() {
        let texts: Vec<_> = [0.000_085, 0.25, 1.2345, 59.99, 90.0, 3600.0]
            .map(|s| Human(Duration::from_secs_f64(s)).to_string())
            .into();
        assert_eq!(texts, ["85µs", "250ms", "1.23s", "1m", "1m30s", "1h"]);
    }

    proptest! {
        #[test]
        fn never_panics_on_any_text(text in ".{0,40}") {
            let answer = parse_duration(&text);
            prop_assert!(answer.is_ok() || !answer.unwrap_err().help.is_empty());
        }

        #[test]
        fn milliseconds_survive_json(millis in 0u64..1_000_000_000) {
            let moment = crate::Moment::at(Duration::from_millis(millis));
            let text = serde_json::to_string(&moment).unwrap();
            prop_assert_eq!(serde_json::from_str::<crate::Moment>(&text).unwrap(), moment);
        }
    }
}
