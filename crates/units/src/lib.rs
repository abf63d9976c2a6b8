//! The values Evenkeel counts in: moments, durations, rates, ratios, bytes, and seeded chance.
//!
//! ```text
//! clock     Moment (distance from the start of a run), Clock, SystemClock
//! duration  reading and writing `250ms`, `1m30s`; seconds as JSON numbers
//! offset    Offset: how far a clock is off, written `-10m`
//! ratio     Ratio: an exact share between 0 and 1, written `99.9%`
//! rate      Rate: events a second, written `800/s`
//! bytes     Bytes: written `64KiB`; a bandwidth is `Bytes` a second, written `1MiB/s`
//! chance    Seed: the one source of every random choice of a run
//! lock      what several threads share, taken whatever became of the others
//! ```
//!
//! Every value a person writes carries its unit, and [`FromStr`](std::str::FromStr) refuses a bare
//! number with an error that names the fix. Every value a program reads is a number in its base unit
//! (seconds, ratio 0–1, bytes), with the unit in the name of the key.
//!
//! Deliberately absent: money (it comes with the cost organ), calendars, and any reading of the
//! system clock outside [`clock`].

pub mod bytes;
pub mod chance;
pub mod clock;
pub mod duration;
pub mod lock;
mod number;
pub mod offset;
pub mod rate;
pub mod ratio;

pub use bytes::Bytes;
pub use chance::{Choices, Seed};
pub use clock::{Clock, Moment, SystemClock};
pub use duration::{Human, nanos, parse_duration};
pub use lock::locked;
pub use number::UnitError;
pub use offset::Offset;
pub use rate::Rate;
pub use ratio::Ratio;

/// What the front page of the package shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
