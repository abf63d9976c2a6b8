//! Error: which value of a policy does not fit, and what to write instead.

use std::time::Duration;

/// Which value of a [`Policy`](super::Policy) does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Nothing where there must be something.
    #[error("`{field}` is 0: write something more, or leave the part out to turn it off")]
    Zero {
        /// The field.
        field: &'static str,
    },
    /// Too short a time.
    #[error("`{field}` of {value:?} is too short: write at least 1ms")]
    Short {
        /// The field.
        field: &'static str,
        /// What was asked for.
        value: Duration,
    },
    /// Not a positive number.
    #[error("`{field}` is {value}: write a number above 0")]
    NotPositive {
        /// The field.
        field: &'static str,
        /// What was asked for.
        value: f64,
    },
    /// Latency would be forgotten faster than time is told apart.
    #[error("`decay` of {decay:?} is too short: write at least 10ms; 10s is usual")]
    Decay {
        /// What was asked for.
        decay: Duration,
    },
    /// A table that does not spread keys.
    #[error("`table` is {table}: write a prime from 101 to 1000003, such as 65537")]
    Table {
        /// What was asked for.
        table: u32,
    },
    /// A bound that somebody always exceeds.
    #[error("`load_max_percent` is {percent}: write more than 100, such as 125")]
    LoadMax {
        /// What was asked for.
        percent: u32,
    },
    /// The later ejections would be shorter than the first.
    #[error(
        "`outliers.ejection_max` of {longest:?} is shorter than `outliers.ejection` of {first:?}: raise it"
    )]
    EjectionMax {
        /// The first.
        first: Duration,
        /// The longest.
        longest: Duration,
    },
    /// Of so few, nobody is so far from the mean.
    #[error(
        "`outliers.success_rate.min_endpoints` is {min_endpoints}, and of so few none is ever {deviations} deviations off: write at least {least}, or fewer deviations"
    )]
    TooFew {
        /// What was asked for.
        min_endpoints: u32,
        /// How far off is asked for.
        deviations: f64,
        /// How many it takes.
        least: u32,
    },
}
