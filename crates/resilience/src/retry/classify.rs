//! Classify: which results are worth another attempt.

use std::time::Duration;

use crate::{Error, TimeLimit};

/// What a result means for further attempts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is good, and stands.
    Success,
    /// It is bad, and would be so again: it stands.
    Permanent,
    /// It is bad, and may be good next time. The call may have had its effect, so only what may be repeated is.
    Transient {
        /// The least that the other side asked us to wait, if it did.
        retry_after: Option<Duration>,
    },
    /// It is bad, and for certain without effect (rejected here, or never sent): even what must not happen twice may be tried
    /// again.
    Unsent {
        /// The least to wait, where that is known.
        retry_after: Option<Duration>,
    },
}

/// Another attempt may help, and nobody said when.
pub const TRANSIENT: Verdict = Verdict::Transient { retry_after: None };

/// The statuses that are worth another attempt: 408, 429, 500, 502, 503 and 504.
///
/// Every other one says that the request itself is wrong (400, 401, 403, 404, 422 …) or will not be served by whoever was asked
/// (501, 505), and says it again however often it is asked.
pub const fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

impl Verdict {
    /// Of an answer of HTTP: by its status, and by its headers `Retry-After` and `Date`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use evenkeel_resilience::retry::{TRANSIENT, Verdict};
    ///
    /// assert_eq!(Verdict::of_status(200, None, None), Verdict::Success);
    /// assert_eq!(Verdict::of_status(404, None, None), Verdict::Permanent);
    /// assert_eq!(Verdict::of_status(503, None, None), TRANSIENT);
    /// let asked = Verdict::Transient { retry_after: Some(Duration::from_secs(7)) };
    /// assert_eq!(Verdict::of_status(429, Some("7"), None), asked);
    /// ```
    pub fn of_status(status: u16, retry_after: Option<&str>, date: Option<&str>) -> Self {
        match status {
            0..400 => Self::Success,
            it if is_transient_status(it) => Self::Transient {
                retry_after: retry_after.and_then(|it| super::parse_retry_after(it, date)),
            },
            _ => Self::Permanent,
        }
    }

    /// How long we were asked to wait.
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Success | Self::Permanent => None,
            Self::Transient { retry_after } | Self::Unsent { retry_after } => retry_after,
        }
    }
}

/// Tells which results are worth another attempt. A closure `Fn(Result<&T, &Error<E>>) -> Verdict` is one.
pub trait Classify<T, E> {
    /// What `result` means for further attempts.
    fn classify(&self, result: Result<&T, &Error<E>>) -> Verdict;
}

impl<T, E, F> Classify<T, E> for F
where
    F: Fn(Result<&T, &Error<E>>) -> Verdict,
{
    fn classify(&self, result: Result<&T, &Error<E>>) -> Verdict {
        self(result)
    }
}

/// The classifier that is used where none is given: every answer is good, and every error of the call is transient.
///
/// | result | verdict |
/// |---|---|
/// | `Ok` | success |
/// | `Inner` | transient |
/// | `Timeout` of an attempt, or of a read | transient |
/// | `Timeout` of a connection | unsent |
/// | `Timeout` of all attempts together | permanent: there is no time left |
/// | `Open`, `Full`, `Limited`, `Shed` | permanent, or unsent [elsewhere](Self::elsewhere) |
/// | `Unavailable` | permanent: there is no elsewhere |
///
/// What our own guards reject is not tried again: they have just said that the dependency, or we, cannot bear more. Where each
/// attempt goes to another endpoint, as behind a balancer, it is.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    elsewhere: bool,
}

impl Errors {
    /// For attempts that go to another endpoint each time: what the guard of one rejects, the next may take.
    pub const fn elsewhere() -> Self {
        Self { elsewhere: true }
    }

    /// The verdict on an error; `inner` gives that on the error of the call itself.
    pub fn error<E>(self, error: &Error<E>, inner: impl FnOnce(&E) -> Verdict) -> Verdict {
        match error {
            Error::Inner(it) => inner(it),
            Error::Timeout(TimeLimit::Total) | Error::Unavailable => Verdict::Permanent,
            Error::Timeout(TimeLimit::Connect) => Verdict::Unsent { retry_after: None },
            // Elsewhere the wait of this endpoint says nothing.
            it if it.is_rejection() && self.elsewhere => Verdict::Unsent { retry_after: None },
            it if it.is_rejection() => Verdict::Permanent,
            _ => TRANSIENT,
        }
    }
}

impl<T, E> Classify<T, E> for Errors {
    fn classify(&self, result: Result<&T, &Error<E>>) -> Verdict {
        result.map_or_else(|it| self.error(it, |_| TRANSIENT), |_| Verdict::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_statuses_that_may_pass_are_transient() {
        let transient: Vec<_> = (100..1000).filter(|it| is_transient_status(*it)).collect();
        assert_eq!(transient, [408, 429, 500, 502, 503, 504]);
    }

    #[test]
    fn no_wait_is_read_from_an_answer_that_stands() {
        assert_eq!(Verdict::of_status(301, Some("7"), None).retry_after(), None);
        assert_eq!(Verdict::of_status(413, Some("7"), None), Verdict::Permanent);
    }

    #[test]
    fn what_a_guard_rejects_is_tried_elsewhere_only() {
        let of = |by: Errors, error: Error<()>| by.classify(Err::<&(), _>(&error));
        let unsent = Verdict::Unsent { retry_after: None };
        assert_eq!(of(Errors::default(), Error::Full), Verdict::Permanent);
        assert_eq!(of(Errors::elsewhere(), Error::Full), unsent);
        assert_eq!(of(Errors::elsewhere(), Error::Unavailable), Verdict::Permanent);
        assert_eq!(of(Errors::default(), Error::Inner(())), TRANSIENT);
        assert_eq!(of(Errors::default(), Error::Timeout(TimeLimit::Attempt)), TRANSIENT);
        assert_eq!(of(Errors::default(), Error::Timeout(TimeLimit::Connect)), unsent);
        assert_eq!(of(Errors::elsewhere(), Error::Timeout(TimeLimit::Total)), Verdict::Permanent);
    }
}
