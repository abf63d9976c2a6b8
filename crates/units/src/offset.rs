//! Offsets: how far one clock is off from another, written `-10m` or `250ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::duration::{Human, parse_duration};
use crate::number::UnitError;

/// How far a clock is ahead of the true time, or behind it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset {
    /// Behind where it is below 0. A hundred years fit, and no duration that is written is longer.
    nanos: i64,
}

impl Offset {
    /// None at all.
    pub const ZERO: Self = Self { nanos: 0 };

    /// `-` where the clock is behind, else `+`.
    pub const fn sign(self) -> char {
        if self.nanos < 0 { '-' } else { '+' }
    }

    /// How much it is, ahead or behind.
    pub const fn size(self) -> Duration {
        Duration::from_nanos(self.nanos.unsigned_abs())
    }

    /// In whole seconds, rounded down, and in the nanoseconds that are left: how the kernel writes a time.
    ///
    /// ```
    /// use evenkeel_units::Offset;
    ///
    /// let behind: Offset = "-250ms".parse()?;
    /// assert_eq!(behind.parts(), (-1, 750_000_000));
    /// # Ok::<(), evenkeel_units::UnitError>(())
    /// ```
    pub const fn parts(self) -> (i64, u32) {
        const SECOND: i64 = 1_000_000_000;
        (self.nanos.div_euclid(SECOND), self.nanos.rem_euclid(SECOND) as u32)
    }
}

impl FromStr for Offset {
    type Err = UnitError;

    /// Reads a duration as [`parse_duration`] does, with `-` before it when the clock is behind.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let nanos = i64::try_from(parse_duration(rest)?.as_nanos()).unwrap_or(i64::MAX);
        Ok(Self { nanos: sign * nanos })
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sign(), Human(self.size()))
    }
}

impl Serialize for Offset {
    /// Writes seconds.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.nanos as f64 / 1e9)
    }
}

impl<'de> Deserialize<'de> for Offset {
    /// Reads seconds; refuses endless ones.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(from)?;
        let nanos = (seconds * 1e9).round();
        match (-9.2e18..9.2e18).contains(&nanos) {
            true => Ok(Self { nanos: nanos as i64 }),
            false => Err(D::Error::custom(format!("{seconds} is no offset in seconds"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sign_says_whether_it_is_ahead_or_behind() {
        for (text, written) in [
            ("-10m", "-10m"),
            ("10m", "+10m"),
            (" + 1h30m", "+1h30m"),
            ("-0.1s", "-100ms"),
            ("0s", "+0s"),
        ] {
            assert_eq!(text.parse::<Offset>().unwrap().to_string(), written, "{text}");
        }
        let error = "-600".parse::<Offset>().unwrap_err();
        assert_eq!(error.problem, "`600` has no unit");
        assert!("--1s".parse::<Offset>().is_err() && "-".parse::<Offset>().is_err());
        assert!("-100y".parse::<Offset>().is_err() && "-40000d".parse::<Offset>().is_err());
    }

    proptest! {
        #[test]
        fn its_parts_add_up_and_nanoseconds_are_never_below_zero(millis in -1_000_000_000i64..1_000_000_000) {
            let sign = if millis < 0 { "-" } else { "" };
            let offset: Offset = format!("{sign}{}ms", millis.unsigned_abs()).parse().unwrap();
            let (seconds, nanos) = offset.parts();
            prop_assert_eq!(seconds * 1_000 + i64::from(nanos) / 1_000_000, millis);
            prop_assert!(nanos < 1_000_000_000);
        }

        #[test]
        fn it_survives_json(millis in -1_000_000_000i64..1_000_000_000) {
            let offset = Offset { nanos: millis * 1_000_000 };
            let text = serde_json::to_string(&offset).unwrap();
            prop_assert_eq!(serde_json::from_str::<Offset>(&text).unwrap(), offset);
        }
    }
}
