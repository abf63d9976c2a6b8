//! Ratio: an exact share between 0 and 1.
//!
//! `99.9%` minus `99.92%` must not become 0.019999999: a ratio is a whole number of billionths.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::number::{UnitError, split};

const WHOLE: u32 = 1_000_000_000;

/// A share between 0 and 1, exact to a billionth. People write `99.9%`; in JSON it is `0.999`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio {
    billionths: u32,
}

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self { billionths: 0 };
    /// All of it.
    pub const ONE: Self = Self { billionths: WHOLE };

    /// The ratio nearest to `value`; `None` outside 0 to 1.
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0)
            .contains(&value)
            .then(|| Self { billionths: (value * f64::from(WHOLE)).round() as u32 })
    }

    /// `percent` hundredths; at most 100.
    pub const fn percent(percent: u32) -> Self {
        assert!(percent <= 100, "a ratio is at most 100 %");
        Self { billionths: percent * (WHOLE / 100) }
    }

    /// As a floating number between 0 and 1.
    pub fn get(self) -> f64 {
        f64::from(self.billionths) / f64::from(WHOLE)
    }

    /// In billionths.
    pub const fn billionths(self) -> u32 {
        self.billionths
    }

    /// What is missing to one: the budget of an objective.
    pub const fn rest(self) -> Self {
        Self { billionths: WHOLE - self.billionths }
    }

    /// The largest whole count that is not more than this share of `count`.
    pub fn floor_of(self, count: usize) -> usize {
        usize::try_from(count as u128 * u128::from(self.billionths) / u128::from(WHOLE))
            .unwrap_or(count)
    }
}

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let Some((number, unit)) = split(text) else {
            let problem = format!("`{text}` is not a percentage");
            return Err(UnitError::new(problem, "write a share such as `99.9%`"));
        };
        match unit {
            "%" => Self::new(number / 100.0).ok_or_else(|| {
                UnitError::new(
                    format!("`{text}` is more than 100%"),
                    "write a share between 0% and 100%",
                )
            }),
            _ => {
                let percent = if number <= 1.0 { number * 100.0 } else { number };
                let percent = crate::number::short(percent, 9);
                Err(UnitError::new(
                    format!("`{text}` has no percent sign"),
                    format!("write `{percent}%`"),
                ))
            }
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.billionths / 10_000_000, self.billionths % 10_000_000);
        let text = format!("{whole}.{part:07}");
        f.pad(&format!("{}%", text.trim_end_matches('0').trim_end_matches('.')))
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.get())
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(from)?;
        Self::new(value).ok_or_else(|| D::Error::custom(format!("{value} is not between 0 and 1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rest_of_three_nines_is_exact() {
        let objective: Ratio = "99.9%".parse().unwrap();
        assert_eq!(objective.rest().to_string(), "0.1%");
    }

    #[test]
    fn a_bare_share_is_refused_with_the_fix() {
        let error = "0.999".parse::<Ratio>().unwrap_err();
        assert_eq!(error.help, "write `99.9%`");
    }

    proptest! {
        #[test]
        fn a_share_of_a_count_never_rounds_above_it(billionths in 0u32..=WHOLE, count in 0usize..10_000) {
            let ratio = Ratio { billionths };
            prop_assert!(ratio.floor_of(count) as f64 <= ratio.get() * count as f64 + 1e-6);
        }

        #[test]
        fn what_is_written_is_read_back(billionths in 0u32..=WHOLE) {
            let ratio = Ratio { billionths };
            prop_assert_eq!(ratio.to_string().parse::<Ratio>(), Ok(ratio));
        }
    }
}
