//! Receive: what others send, read and taken in.
//!
//! ```text
//! wire           the encoding of protobuf, read without a copy
//! write_request  Prometheus remote write 1.0
//! otlp           OTLP over HTTP: metrics of OpenTelemetry, under the names that Prometheus gives them
//! ```
//!
//! What can be taken in is, whatever else came with it; the rest is counted with its reason. So are exemplars, of which none is
//! kept. A small body may say a lot, and so there is a most of what is made of one. Deliberately absent: remote write 2.0, OTLP
//! over gRPC.

mod otlp;
mod wire;
mod write_request;

pub use otlp::{Answer, Form, complaint, otlp};
pub use write_request::{Receiver, Written};

use crate::intake::Refused;

/// What did not fit into a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Samples that the store refused.
    pub refused: Refused,
    /// Series, or points, that are none: labels without a name, a name twice, buckets that contradict one another.
    pub invalid: usize,
    /// What was wrong with the first of those.
    pub why: Option<String>,
}

impl Left {
    fn invalid(&mut self, why: impl FnOnce() -> String) {
        self.invalid += 1;
        self.why.get_or_insert_with(why);
    }

    /// Whether everything was taken in.
    pub fn is_empty(&self) -> bool {
        self.invalid == 0 && self.refused.total() == 0
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Refused { out_of_order, too_old, too_new, duplicate, malformed, forgotten } =
            self.refused;
        let many = [
            (out_of_order, "out of order sample"),
            (too_old, "out of bounds: older than the retention"),
            (too_new, "out of bounds: too far in the future"),
            (duplicate, "duplicate sample for timestamp"),
            (malformed, "histogram with other buckets than it says"),
            (forgotten, "sample of a series that has just been forgotten"),
        ];
        let mut parts: Vec<String> = many
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{what} ({count})"))
            .collect();
        if let Some(why) = &self.why {
            parts.push(format!("{why} ({})", self.invalid));
        }
        to.write_str(&parts.join("; "))
    }
}

/// Bytes that are not what they are said to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// They cannot be unpacked.
    #[error("the body is not packed as it is said to be")]
    Packed,
    /// They are too many, unpacked.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// They say more than is taken in at once.
    #[error("the body holds more than {0} samples and labels: send less at once")]
    TooMany(usize),
    /// They are no such JSON.
    #[error("the body is no such message as JSON: {0}")]
    Json(String),
    /// They are no message.
    #[error("the body is no such message of protobuf")]
    Message,
    /// The store takes nothing in.
    #[error(transparent)]
    Store(#[from] crate::intake::IntakeError),
}
