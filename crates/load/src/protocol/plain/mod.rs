//! Bytes as they stand, over TCP (with or without TLS) and UDP: where the answer ends is said by the call.
//!
//! One exchange at a time, since nothing but its place tells to which request an answer belongs. For the same
//! reason the connection is not used again after an answer that did not come in time, or bytes that nobody
//! asked for. Where the call says that there is no answer, what comes is passed over.
//!
//! Over UDP a datagram is sent, and a datagram is its answer; one of no bytes answers nothing. Loss shows as a
//! timeout: UDP does not say it.

mod framing;

#[cfg(test)]
mod tests;

use evenkeel_model::document::Until;
use evenkeel_units::Moment;

use self::framing::{Delimiter, Framing};
use super::message::Message;
use super::{CallError, Carrier, Heard, Malformed, Protocol, Standing};
use crate::call::Call;
use crate::target::Target;
use crate::template::{Template, Values};

/// The most that fits into a datagram over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Over TCP: bytes arrive in any pieces.
pub(crate) type Stream = Plain<true>;

/// Over UDP: each datagram arrives as it was sent, or not at all.
pub(crate) type Datagram = Plain<false>;

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Plain<const IS_STREAM: bool> {
    current: Option<Current>,
    /// The exchange that is whole and not yet said to be.
    whole: Option<u32>,
    /// Whether anything was sent whose answer nobody waits for.
    unheeded: bool,
    closing: bool,
}

#[derive(Debug)]
struct Current {
    exchange: u32,
    wants_body: bool,
    framing: Framing,
}

/// A message, and how to read its answer.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    payload: Template,
    wants_body: bool,
    /// From the beginning of an answer; `None` when there is none.
    framing: Option<Framing>,
}

impl<const IS_STREAM: bool> Protocol for Plain<IS_STREAM> {
    type Shared = ();
    type Ready = Ready;

    const CARRIER: Carrier = if IS_STREAM { Carrier::Stream } else { Carrier::Datagram };
    const HEARS_AT_ONCE: bool = true;
    const HAS_SESSION: bool = IS_STREAM;

    fn shared(_: &Target) -> Self::Shared {}

    fn ready(_: &str, secure: bool, call: &Call) -> Result<Ready, CallError> {
        let protocol = match (IS_STREAM, secure) {
            (true, false) => "tcp",
            (true, true) => "tls",
            (false, _) => "udp",
        };
        let wrong = |reason: &str| CallError::Protocol { protocol, reason: reason.to_owned() };
        let Message { payload, until, wants_body, .. } = Message::new(protocol, call)?;
        let of_datagram = matches!(until, Until::Message | Until::Nothing);
        if !IS_STREAM && !of_datagram {
            return Err(wrong(
                "an answer is one datagram: leave out where it ends, or say `nothing`",
            ));
        }
        if !IS_STREAM && payload.constant().is_some_and(|it| it.len() > DATAGRAM_BYTES_MAX) {
            return Err(wrong("its payload is longer than a datagram, which holds 65507 bytes"));
        }
        let framing = match until {
            Until::Nothing | Until::Bytes(0) => None,
            Until::Message => Some(Framing::First),
            Until::Line => Some(Framing::Line { passed: 0 }),
            Until::Bytes(count) => Some(Framing::Left(count)),
            Until::Prefix(width @ (1 | 2 | 4 | 8)) => {
                Some(Framing::Prefix { missing: width, length: 0 })
            }
            Until::Prefix(_) => {
                return Err(wrong("a length before an answer has 1, 2, 4 or 8 bytes"));
            }
            Until::Delimiter(text) => {
                let delimiter = Delimiter::new(text.as_bytes())
                    .ok_or_else(|| wrong("the delimiter of its answer is empty"))?;
                Some(Framing::Delimiter { delimiter, matched: 0, passed: 0 })
            }
            Until::Close => Some(Framing::Close),
        };
        Ok(Ready { payload, wants_body, framing })
    }

    fn open((): &mut (), _: &mut Vec<u8>) -> Self {
        Self::default()
    }

    fn standing(&self) -> Standing {
        match (self.closing, &self.current, self.whole) {
            (true, ..) => Standing::Closing,
            (false, None, None) => Standing::Open(1),
            (false, ..) => Standing::Open(0),
        }
    }

    fn begin(
        &mut self,
        (): &mut (),
        exchange: u32,
        call: &Ready,
        values: &dyn Values,
        _: Moment,
        out: &mut Vec<u8>,
    ) {
        call.payload.render(values, out);
        match &call.framing {
            Some(framing) => {
                let framing = framing.clone();
                self.current = Some(Current { exchange, wants_body: call.wants_body, framing });
            }
            None => {
                self.unheeded = true;
                self.whole = Some(exchange);
            }
        }
    }

    fn read<'s, 'i: 's>(
        &'s mut self,
        (): &'s mut (),
        input: &mut &'i [u8],
        _: &mut Vec<u8>,
    ) -> Result<Option<Heard<'s>>, Malformed> {
        loop {
            if let Some(exchange) = self.whole.take() {
                return Ok(Some(Heard::Done { exchange }));
            }
            if input.is_empty() {
                return Ok(None);
            }
            let Some(current) = &mut self.current else {
                self.closing |= !self.unheeded;
                *input = &[];
                return Ok(None);
            };
            let Current { exchange, wants_body, .. } = *current;
            let piece = current.framing.next(input)?;
            if piece.is_last {
                self.current = None;
                self.whole = Some(exchange);
                // More than was asked for would be taken for the next answer.
                self.closing |= !input.is_empty() && !self.unheeded;
            }
            if wants_body && !piece.data.is_empty() {
                return Ok(Some(Heard::Body { exchange, data: piece.data }));
            }
        }
    }

    fn end(&mut self) -> Option<u32> {
        self.closing = true;
        let current = self.current.take().filter(|it| matches!(it.framing, Framing::Close));
        self.whole.take().or(current.map(|it| it.exchange))
    }

    fn cancel(&mut self, exchange: u32, _: &mut Vec<u8>) {
        self.current.take_if(|it| it.exchange == exchange);
        self.whole.take_if(|it| *it == exchange);
        self.closing = true;
    }
}
