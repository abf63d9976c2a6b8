//! Limits: how much a query may take, how it is stopped, and why one did not come to its end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evenkeel_series::SourceError;

use crate::position::Problem;

/// How much a query may take.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Series selected, all selectors together.
    pub series: u64,
    /// Samples read or made, all together.
    pub samples: u64,
    /// Steps of a range query, or of a subquery.
    pub steps: u64,
    /// Samples in the answer.
    pub answer: u64,
}

impl Default for Limits {
    /// Enough for a dashboard over a hundred thousand series.
    fn default() -> Self {
        Self { series: 500_000, samples: 200_000_000, steps: 100_000, answer: 20_000_000 }
    }
}

/// How a query is evaluated.
#[derive(Clone)]
pub struct Options<'a> {
    /// How much it may take.
    pub limits: Limits,
    /// For how many milliseconds a sample counts on: up to then, the moment itself excluded.
    pub lookback: i64,
    /// The step of subqueries that do not say theirs, in milliseconds.
    pub subquery_step: i64,
    /// Whoever wants may end it by this.
    pub cancel: Option<Cancel>,
    /// Whether its time is over: asked often, so it should be cheap.
    pub is_over: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl Default for Options<'_> {
    /// As Prometheus: five minutes of lookback, a step of one minute.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            lookback: 300_000,
            subquery_step: 60_000,
            cancel: None,
            is_over: None,
        }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Options")
            .field("limits", &self.limits)
            .field("lookback", &self.lookback)
            .field("subquery_step", &self.subquery_step)
            .field("cancel", &self.cancel)
            .finish_non_exhaustive()
    }
}

/// Ends a query from another thread. Copies end the same one.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends it: it returns [`EvalError::Cancelled`] soon.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was ended.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// It would take more than it may.
    #[error(
        "the query takes more than {most} {what}: ask for less at once, or raise the limit `{limit}`"
    )]
    Limit {
        /// Of what.
        what: &'static str,
        /// The field of [`Limits`].
        limit: &'static str,
        /// How much it may take.
        most: u64,
    },
    /// Its time was over.
    #[error("the query took longer than it may: ask for less at once, or give it more time")]
    Timeout,
    /// Somebody ended it.
    #[error("the query was cancelled")]
    Cancelled,
    /// The source did not answer.
    #[error("the source of the series did not answer: {0}")]
    Source(#[from] SourceError),
    /// It makes no sense on the data that there are.
    #[error("{0}")]
    Data(Problem),
    /// The range of a range query makes none.
    #[error(
        "a range from {from} to {until} ms by {step} ms has no steps: give a step above zero, and an end after the start"
    )]
    Steps {
        /// Its start, …
        from: i64,
        /// … its end, in milliseconds since 1970, …
        until: i64,
        /// … and its step in milliseconds.
        step: i64,
    },
}
