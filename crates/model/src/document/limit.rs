//! Limit: a comparison and a plain number, for figures that only their source knows the unit of.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Comparison;

/// A comparison with a number, written `>= 1`.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// The comparison.
    pub comparison: Comparison,
    /// The number, in whatever the figure is counted in.
    pub limit: f64,
}

impl Limit {
    /// Reads `>= 1` or `< -0.5`; `None` when the text is none, or the number not finite.
    pub fn parse(text: &str) -> Option<Self> {
        let (comparison, rest) = Comparison::split(text.trim())?;
        let limit = rest.trim().parse().ok().filter(|it: &f64| it.is_finite())?;
        Some(Self { comparison, limit })
    }

    /// Whether `value` keeps it.
    pub fn holds(&self, value: f64) -> bool {
        self.comparison.holds(value, self.limit)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.comparison.symbol(), self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_written_as_it_is_read() {
        for text in ["< 5", "<= 0.25", "> -1", ">= 1000000"] {
            assert_eq!(Limit::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Limit::parse(" >=1e3 "), Limit::parse(">= 1000"));
    }

    #[test]
    fn what_is_no_comparison_with_a_number_is_no_limit() {
        for text in ["", "5", ">=", "= 5", "== 5", "< many", "< inf", "< NaN", "< 5%"] {
            assert_eq!(Limit::parse(text), None, "{text}");
        }
    }
}
