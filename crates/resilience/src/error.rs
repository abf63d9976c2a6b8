//! Error: why a protected call has no answer.
//!
//! One flat type for every pattern, so that a stack of them nests nothing: what stands around a call passes on what it finds.

use std::time::Duration;

/// Which limit of time was exceeded.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeLimit {
    /// That of all attempts together.
    Total,
    /// That of one attempt.
    Attempt,
    /// That for a connection to stand.
    Connect,
    /// That for the next bytes to come.
    Read,
}

/// Why a protected call has no answer. `E` is the error of the call itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// The circuit is open: the call was not made.
    #[error("the circuit is open")]
    Open {
        /// Until a trial may be admitted, where that is known; never an invitation to come back at once.
        retry_after: Option<Duration>,
    },
    /// As many calls are under way, and wait, as may: the call was not made.
    #[error("too many calls are under way")]
    Full,
    /// There were too many calls a second: the call was not made.
    #[error("too many calls a second")]
    Limited {
        /// When there is room again.
        retry_after: Duration,
    },
    /// Less important calls give way now: the call was not made.
    #[error("shed, as calls of its priority are now")]
    Shed,
    /// There is nobody to call: no endpoint, or none that may be called now. The call was not made.
    #[error("no endpoint is available")]
    Unavailable,
    /// It took too long.
    #[error("no answer in time")]
    Timeout(TimeLimit),
    /// The call was made, and failed.
    #[error(transparent)]
    Inner(E),
}

impl<E> From<E> for Error<E> {
    fn from(error: E) -> Self {
        Self::Inner(error)
    }
}

impl<E> Error<E> {
    /// Whether the call was not made at all, so that to try elsewhere repeats nothing.
    pub const fn is_rejection(&self) -> bool {
        matches!(
            self,
            Self::Open { .. } | Self::Full | Self::Limited { .. } | Self::Shed | Self::Unavailable
        )
    }

    /// The status by which a server of HTTP tells its caller: 429 for too many calls a second, 504 for no answer in time, 502
    /// for a call that failed, and 503 for one that was not made.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Limited { .. } => 429,
            Self::Timeout(_) => 504,
            Self::Inner(_) => 502,
            Self::Open { .. } | Self::Full | Self::Shed | Self::Unavailable => 503,
        }
    }

    /// How long to wait before there is a point in asking again, where a pattern of ours knows: what a server says in `Retry-After`,
    /// in seconds and rounded up.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Open { retry_after } => *retry_after,
            Self::Limited { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// The error of the call itself.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Inner(error) => Some(error),
            _ => None,
        }
    }

    /// The same with another error of the call.
    pub fn map<F>(self, to: impl FnOnce(E) -> F) -> Error<F> {
        match self {
            Self::Open { retry_after } => Error::Open { retry_after },
            Self::Full => Error::Full,
            Self::Limited { retry_after } => Error::Limited { retry_after },
            Self::Shed => Error::Shed,
            Self::Unavailable => Error::Unavailable,
            Self::Timeout(limit) => Error::Timeout(limit),
            Self::Inner(error) => Error::Inner(to(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_to_come_back_is_told_when_that_is_known() {
        let wait = Duration::from_millis(1_500);
        assert_eq!(Error::<()>::Limited { retry_after: wait }.retry_after(), Some(wait));
        assert_eq!(Error::<()>::Open { retry_after: Some(wait) }.retry_after(), Some(wait));
        assert_eq!(Error::<()>::Open { retry_after: None }.retry_after(), None);
        assert_eq!(Error::<()>::Full.retry_after(), None);
    }
}
