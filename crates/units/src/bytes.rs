//! Bytes: amounts of memory and of traffic, written `64KiB` or `5GB`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::number::{UnitError, short, split};

/// An amount of bytes.
#[derive(
    Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let Some((number, unit)) = split(text) else {
            let problem = format!("`{text}` is not an amount of bytes");
            return Err(UnitError::new(problem, "write an amount such as `64KiB` or `2GB`"));
        };
        match UNITS.iter().find(|(it, _)| *it == unit) {
            Some((_, scale)) => Ok(Self((number * *scale as f64).round() as u64)),
            None => {
                let problem = match unit {
                    "" => format!("`{text}` has no unit"),
                    _ => format!("`{unit}` is not a unit of bytes"),
                };
                let number = short(number, 9);
                Err(UnitError::new(
                    problem,
                    format!("write `{number}KiB`, `{number}MB` or `{number}GiB`"),
                ))
            }
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let text = match scale.iter().find(|(_, size)| self.0 >= *size) {
            Some((unit, size)) => format!("{}{unit}", short(self.0 as f64 / *size as f64, 4)),
            None => format!("{}B", self.0),
        };
        f.pad(&text)
    }
}

/// Reads a bandwidth, such as `1MiB/s`, as bytes a second.
///
/// # Errors
/// When the amount or the `/s` is missing.
pub fn parse_bandwidth(text: &str) -> Result<Bytes, UnitError> {
    match text.trim().strip_suffix("/s") {
        Some(amount) => amount.parse(),
        None => Err(UnitError::new(
            format!("`{text}` is not a bandwidth"),
            "write an amount a second, such as `64KiB/s` or `1MB/s`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_and_decimal_units_differ() {
        assert_eq!("1KiB".parse(), Ok(Bytes(1024)));
        assert_eq!("1KB".parse(), Ok(Bytes(1000)));
    }

    #[test]
    fn a_bandwidth_needs_its_second() {
        assert_eq!(parse_bandwidth("64KiB/s"), Ok(Bytes(65_536)));
        assert!(parse_bandwidth("64KiB").unwrap_err().help.contains("/s"));
    }
}
