//! Sources: what gives series, and what a series gives.

use crate::{Digest, Labels, Matcher, Samples, Span};

/// Why a source did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Whatever holds time series. Each answer is of one moment of the source: what is written meanwhile is in all of it or
/// in none of it only if the source is a snapshot; a store gives one for each query.
pub trait Source: Sync {
    /// The series that meet every matcher and may have samples in the span, in order of their labels.
    fn select<'a>(
        &'a self,
        matchers: &[Matcher],
        span: Span,
    ) -> Result<Vec<Box<dyn Series + 'a>>, SourceError>;
}

/// One series of a source.
pub trait Series: Send + Sync {
    /// Its name.
    fn labels(&self) -> &Labels;

    /// Appends the samples of the span, stale markers among them, in order of time.
    fn read(&self, span: Span, into: &mut Samples) -> Result<(), SourceError>;

    /// What the points of the span add up to. [`Summed::Unknown`] sends the asker to [`read`](Self::read): the source
    /// keeps no digests, or there are histograms in the span.
    fn digest(&self, _: Span) -> Result<Summed, SourceError> {
        Ok(Summed::Unknown)
    }
}

/// What a series says of the points of a span without handing them out.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Summed {
    /// Read them.
    Unknown,
    /// There are none but stale markers.
    Empty,
    /// They add up to this.
    To(Digest),
}
