//! Judge: what an answer says of the neighbour.

use super::Outcome;
use crate::Error;

/// What an answer says of the neighbour: `None` for nothing.
pub trait Judge<T, E>: Clone {
    /// Of one answer.
    fn judge(&self, answer: &Result<T, Error<E>>) -> Option<Outcome>;
}

/// An error of the call and a limit of time that was exceeded are failures; a call that was not made says nothing.
#[derive(Copy, Clone, Debug, Default)]
pub struct Errors;

impl<T, E> Judge<T, E> for Errors {
    fn judge(&self, answer: &Result<T, Error<E>>) -> Option<Outcome> {
        match answer {
            Ok(_) => Some(Outcome::Success),
            Err(error) if error.is_rejection() => None,
            Err(_) => Some(Outcome::Failure),
        }
    }
}

impl<T, E, F> Judge<T, E> for F
where
    F: Fn(&Result<T, Error<E>>) -> Option<Outcome> + Clone,
{
    fn judge(&self, answer: &Result<T, Error<E>>) -> Option<Outcome> {
        self(answer)
    }
}
