//! Headers: how a deadline travels to whoever is asked further on.
//!
//! Both say what is *left*, never when it ends: the clocks of two machines differ. What is sent is rounded down, so that the
//! other side gives up before we do and not after.

use std::fmt;
use std::time::Duration;

use evenkeel_units::Moment;

use super::Deadline;

/// The header of gRPC: at most eight digits and a unit (gRPC over HTTP/2, "Timeout").
pub const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The header of plain HTTP: what is left in whole milliseconds.
pub const DEADLINE_MS: &str = "x-request-deadline-ms";

/// A header of a deadline that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not the form of gRPC.
    #[error(
        "`{0}` is no grpc-timeout: it has 1 to 8 digits and one of H, M, S, m, u, n, such as `250m`"
    )]
    Grpc(String),
    /// Not a number of milliseconds.
    #[error("`{0}` is no number of milliseconds: it has digits only, such as `250`")]
    Millis(String),
}

/// What is left, as the value of [`GRPC_TIMEOUT`]; written by `Display`, without a buffer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct GrpcTimeout(Duration);

const UNITS: [(char, u64); 6] = [
    ('n', 1),
    ('u', 1_000),
    ('m', 1_000_000),
    ('S', 1_000_000_000),
    ('M', 60_000_000_000),
    ('H', 3_600_000_000_000),
];

impl fmt::Display for GrpcTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        // The finest unit in which it has eight digits.
        let fits = |(_, unit): &&(char, u64)| nanos / u128::from(*unit) <= 99_999_999;
        match UNITS.iter().find(fits) {
            Some((letter, unit)) => write!(f, "{}{letter}", nanos / u128::from(*unit)),
            None => f.write_str("99999999H"),
        }
    }
}

impl Deadline {
    /// What is left, as the value of [`GRPC_TIMEOUT`].
    pub fn to_grpc(self, now: Moment) -> GrpcTimeout {
        GrpcTimeout(self.left(now))
    }

    /// What is left, as the value of [`DEADLINE_MS`].
    pub fn to_millis(self, now: Moment) -> u64 {
        u64::try_from(self.left(now).as_millis()).unwrap_or(u64::MAX)
    }

    /// Of a value of [`GRPC_TIMEOUT`].
    ///
    /// # Errors
    /// When it has not that form. A server answers `INVALID_ARGUMENT` then.
    pub fn from_grpc(now: Moment, value: &str) -> Result<Self, HeaderError> {
        let wrong = || HeaderError::Grpc(excerpt(value));
        let mut digits = value.chars();
        let letter = digits.next_back().ok_or_else(wrong)?;
        let (_, unit) = UNITS.iter().find(|(it, _)| *it == letter).ok_or_else(wrong)?;
        let number = digits.as_str();
        if !(1..=8).contains(&number.len()) || !number.bytes().all(|it| it.is_ascii_digit()) {
            return Err(wrong());
        }
        let number: u64 = number.parse().map_err(|_| wrong())?;
        Ok(Self::after(now, Duration::from_nanos(number.saturating_mul(*unit))))
    }

    /// Of a value of [`DEADLINE_MS`].
    ///
    /// # Errors
    /// When it is not a number. A server answers 400 then.
    pub fn from_millis(now: Moment, value: &str) -> Result<Self, HeaderError> {
        let is_number = !value.is_empty() && value.bytes().all(|it| it.is_ascii_digit());
        let millis = is_number.then(|| value.parse().unwrap_or(u64::MAX));
        let millis = millis.ok_or_else(|| HeaderError::Millis(excerpt(value)))?;
        Ok(Self::after(now, Duration::from_millis(millis)))
    }

    /// Of the headers of a request, which `header` finds by their names: the earlier where there are both.
    ///
    /// ```
    /// use std::time::Duration;
    /// use evenkeel_resilience::deadline::{DEADLINE_MS, Deadline};
    /// use evenkeel_resilience::Moment;
    ///
    /// let now = Moment::at(Duration::from_secs(1));
    /// let asked = Deadline::of_headers(now, |name| (name == DEADLINE_MS).then_some("250"))?;
    /// assert_eq!(asked.map(|it| it.left(now)), Some(Duration::from_millis(250)));
    /// # Ok::<(), evenkeel_resilience::deadline::HeaderError>(())
    /// ```
    ///
    /// # Errors
    /// When one of them is malformed.
    pub fn of_headers<'a>(
        now: Moment,
        mut header: impl FnMut(&str) -> Option<&'a str>,
    ) -> Result<Option<Self>, HeaderError> {
        let grpc = header(GRPC_TIMEOUT).map(|it| Self::from_grpc(now, it)).transpose()?;
        let millis = header(DEADLINE_MS).map(|it| Self::from_millis(now, it)).transpose()?;
        Ok(grpc.into_iter().chain(millis).min())
    }
}

/// As much of what a stranger sent as belongs in a message.
fn excerpt(value: &str) -> String {
    value.chars().take(32).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Moment = Moment::at(Duration::from_secs(100));

    fn grpc(left: Duration) -> String {
        Deadline::after(NOW, left).to_grpc(NOW).to_string()
    }

    #[test]
    fn what_is_left_is_written_in_the_finest_unit_of_eight_digits() {
        assert_eq!(grpc(Duration::ZERO), "0n");
        assert_eq!(grpc(Duration::from_millis(99)), "99000000n");
        assert_eq!(grpc(Duration::from_millis(250)), "250000u");
        assert_eq!(grpc(Duration::from_secs(30)), "30000000u");
        assert_eq!(grpc(Duration::from_mins(10)), "600000m");
        assert_eq!(grpc(Duration::MAX), "99999999H");
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for odd in ["", "m", "123456789m", "-1S", "1s", "1 S", "1.5S", "é", "9é"] {
            assert!(Deadline::from_grpc(NOW, odd).is_err(), "{odd}");
        }
        for odd in ["", "-1", "1ms", "1.5", " 1"] {
            assert!(Deadline::from_millis(NOW, odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn of_both_headers_the_earlier_counts() {
        let both = |name: &str| Some(if name == GRPC_TIMEOUT { "2S" } else { "700" });
        let deadline = Deadline::of_headers(NOW, both).unwrap().unwrap();
        assert_eq!(deadline.left(NOW), Duration::from_millis(700));
        assert_eq!(Deadline::of_headers(NOW, |_| None), Ok(None));
    }

    proptest! {
        #[test]
        fn the_other_side_never_waits_longer_than_we_do(nanos: u64) {
            let deadline = Deadline::after(NOW, Duration::from_nanos(nanos));
            let text = deadline.to_grpc(NOW).to_string();
            let read = Deadline::from_grpc(NOW, &text).unwrap();
            // Eight digits are exact to one part in ten million, but for what is less than an hour of years.
            let lost = read.left(NOW).abs_diff(deadline.left(NOW));
            prop_assert!(read <= deadline && lost <= Duration::from_nanos(nanos / 1_000_000));
            let millis = deadline.to_millis(NOW).to_string();
            prop_assert!(Deadline::from_millis(NOW, &millis).unwrap() <= deadline);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _deadline = (Deadline::from_grpc(NOW, &text), Deadline::from_millis(NOW, &text));
        }
    }
}
