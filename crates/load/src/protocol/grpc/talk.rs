//! Talk: the messages of one call that are not sent together, and when the next is due.
//!
//! ```text
//! every: 100ms                 await: true                  both
//! send · send · send · end     send ─▶ answer ─▶ send …     an answer, and 100 ms since the last was sent
//! ```
//!
//! All messages are known when the call begins, so that a talk is bytes, a place in them, and a moment.

use std::sync::Arc;

use evenkeel_model::document::Pacing;
use evenkeel_units::Moment;

use super::message::PREFIX_BYTES;
use crate::protocol::http2::Chunk;

/// What is still to be said in a call.
#[derive(Debug)]
pub(super) struct Talk {
    /// Each with its prefix, which says how long it is.
    messages: Arc<[u8]>,
    at: usize,
    pacing: Pacing,
    due: Moment,
    /// Whether an answer has come since the last message was sent.
    answered: bool,
}

impl Talk {
    /// Begins, with a first message that is due at once.
    pub(super) const fn new(messages: Arc<[u8]>, pacing: Pacing, now: Moment) -> Self {
        Self { messages, at: 0, pacing, due: now, answered: true }
    }

    /// The next message.
    pub(super) fn take(&mut self, now: Moment) -> Chunk<'_> {
        // Of an open stream of messages each is due by the plan, however late the one before it was.
        let last = if self.pacing.awaits { now } else { self.due };
        self.due = last + self.pacing.every.unwrap_or_default();
        self.answered = false;
        let rest = &self.messages[self.at..];
        let length = match rest {
            [_, a, b, c, d, ..] => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
            _ => 0,
        };
        let message = &rest[..rest.len().min(PREFIX_BYTES + length)];
        self.at += message.len();
        Chunk { bytes: message, is_last: self.at == self.messages.len() }
    }

    /// An answer has come.
    pub(super) const fn on_answer(&mut self) {
        self.answered = true;
    }

    /// When the next message is to be sent; `None` when there is none, or an answer has to come first.
    pub(super) fn due(&self) -> Option<Moment> {
        let is_more = self.at < self.messages.len();
        (is_more && (self.answered || !self.pacing.awaits)).then_some(self.due)
    }
}
