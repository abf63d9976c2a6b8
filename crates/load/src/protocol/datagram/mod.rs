//! UDP: a datagram is sent, and a datagram is its answer.
//!
//! One exchange at a time, since nothing tells to which request a datagram belongs. A socket on which an
//! answer did not come in time, or one came that nobody waits for, is not used again: the late answer would
//! be taken for the next. Where the call says that there is no answer, what comes is passed over.
//!
//! A datagram of no bytes answers nothing. Loss shows as a timeout: UDP does not say it.

#[cfg(test)]
mod tests;

use evenkeel_model::document::Until;
use evenkeel_units::Moment;

use super::message::Message;
use super::{CallError, Carrier, Heard, Malformed, Protocol, Standing};
use crate::call::Call;
use crate::target::Target;
use crate::template::{Template, Values};

/// The most that fits into a datagram over IPv4.
const PAYLOAD_BYTES_MAX: usize = 65_507;

/// One socket.
#[derive(Debug, Default)]
pub(crate) struct Datagram {
    /// The exchange that waits, and whether its body is wanted.
    current: Option<(u32, bool)>,
    /// The exchange that is whole and not yet said to be.
    whole: Option<u32>,
    /// Whether anything was sent whose answer nobody waits for.
    unheeded: bool,
    closing: bool,
}

/// A datagram that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    payload: Template,
    wants_body: bool,
    is_answered: bool,
}

impl Protocol for Datagram {
    type Shared = ();
    type Ready = Ready;

    const HEARS_AT_ONCE: bool = true;

    const CARRIER: Carrier = Carrier::Datagram;

    fn shared(_: &Target) -> Self::Shared {}

    fn ready(_: &str, _: bool, call: &Call) -> Result<Ready, CallError> {
        let wrong =
            |reason: &str| CallError::Protocol { protocol: "udp", reason: reason.to_owned() };
        let Message { payload, until, wants_body, .. } = Message::new("udp", call)?;
        let is_answered = match until {
            Until::Message => true,
            Until::Nothing => false,
            _ => {
                return Err(wrong(
                    "an answer is one datagram: leave out where it ends, or say `nothing`",
                ));
            }
        };
        if payload.constant().is_some_and(|it| it.len() > PAYLOAD_BYTES_MAX) {
            return Err(wrong("its payload is longer than a datagram, which holds 65507 bytes"));
        }
        Ok(Ready { payload, wants_body, is_answered })
    }

    fn open((): &mut (), _: &mut Vec<u8>) -> Self {
        Self::default()
    }

    fn standing(&self) -> Standing {
        match (self.closing, self.current, self.whole) {
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
        match call.is_answered {
            true => self.current = Some((exchange, call.wants_body)),
            false => {
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
            let data = std::mem::take(input);
            let Some((exchange, wants_body)) = self.current.take() else {
                self.closing |= !self.unheeded;
                return Ok(None);
            };
            self.whole = Some(exchange);
            if wants_body {
                return Ok(Some(Heard::Body { exchange, data }));
            }
        }
    }

    fn end(&mut self) -> Option<u32> {
        self.closing = true;
        self.whole.take()
    }

    fn cancel(&mut self, exchange: u32, _: &mut Vec<u8>) {
        self.current.take_if(|(it, _)| *it == exchange);
        self.whole.take_if(|it| *it == exchange);
        self.closing = true;
    }
}
