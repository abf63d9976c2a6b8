//! Rate: how often something happens, written `800/s` or `50/m`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::number::{UnitError, short, split};

/// Events a second; finite, not negative. People write `800/s`, `50/m`, `3600/h` or `800rps`; in JSON
/// it is the number a second.
#[derive(Copy, Clone, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(f64);

impl Rate {
    /// `value` events a second; `None` when negative or not finite.
    pub fn per_second(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// Events a second.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let Some((number, unit)) = split(text) else {
            let problem = format!("`{text}` is not a rate");
            return Err(UnitError::new(problem, "write a rate such as `800/s`"));
        };
        let seconds = match unit.replace(' ', "").as_str() {
            "/s" | "rps" | "/sec" => 1.0,
            "/m" | "/min" => 60.0,
            "/h" => 3600.0,
            _ => {
                let problem = match unit {
                    "" => format!("`{text}` has no unit"),
                    _ => format!("`{unit}` is not a unit of rate"),
                };
                let number = short(number, 9);
                return Err(UnitError::new(
                    problem,
                    format!("write `{number}/s`, `{number}/m` or `{number}/h`"),
                ));
            }
        };
        Ok(Self(number / seconds))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/s", short(self.0, 4)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_second_a_minute_and_rps() {
        for (text, per_second) in [("800/s", 800.0), ("60/m", 1.0), ("1_000rps", 1000.0)] {
            assert_eq!(text.parse(), Ok(Rate(per_second)), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_refused_with_the_fix() {
        assert_eq!("800".parse::<Rate>().unwrap_err().help, "write `800/s`, `800/m` or `800/h`");
    }
}
