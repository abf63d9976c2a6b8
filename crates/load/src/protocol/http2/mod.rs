//! HTTP/2, the client's side (RFC 9113): over TCP, where the server is known to speak it, and over TLS.
//!
//! ```text
//! frame       nine bytes and what they say
//! hpack       headers in few bytes, without tables that change
//! section     what a block of headers means
//! request     a call → frames, ahead of the load where they are always the same
//! stream      what is under way
//! connection  beginning, giving up, and what is owed to the other side
//! read        bytes → events
//! ```
//!
//! It is strict: what breaks a rule of the connection is [`Malformed`], and what breaks one of a single answer
//! loses that answer. It serves gRPC too, which wants more of the events than [`Heard`] can say.
//!
//! Deliberately absent: priorities, which nobody heeds any more (RFC 9113 §5.3); pushed answers, which we refuse;
//! `Upgrade: h2c`, which no longer exists; and compression of our own headers, which are only copied.

mod connection;
mod frame;
mod hpack;
mod read;
mod request;
mod section;
mod stream;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod wire;

use std::sync::Arc;

use evenkeel_model::Answer;
use evenkeel_units::Moment;

use super::{CallError, Heard, Malformed, Protocol, Standing};
use crate::call::Call;
use crate::target::Target;
use crate::template::Values;

pub(super) use connection::{Chunk, Connection, Shared};
pub(super) use hpack::Text;
pub(super) use request::{Body, Request};
pub(super) use section::Section;
pub(super) use stream::Wants;

/// The largest block of headers.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What bytes mean.
#[derive(Clone, Debug)]
pub(super) enum Event<'a> {
    /// The final head of an answer.
    Head { exchange: u32, section: Section },
    /// A header or trailer: [`Connection::text`] has its texts until it reads on.
    Field { exchange: u32, name: Text, value: Text },
    /// A piece of a body, never empty.
    Data { exchange: u32, data: &'a [u8] },
    /// What stands after a body; only for requests that want it.
    Trailers { exchange: u32, section: Section },
    /// The answer is whole.
    Done { exchange: u32 },
    /// This exchange alone has come to nothing.
    Lost { exchange: u32, answer: Answer, untouched: bool },
}

/// One connection that speaks HTTP/2.
pub(crate) struct Http2 {
    connection: Connection,
}

/// A request of HTTP/2 that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Ready(Arc<Request>);

impl Protocol for Http2 {
    type Shared = Shared;
    type Ready = Ready;

    const ALPN: &'static [&'static [u8]] = &[b"h2"];
    const NEEDS_ALPN: bool = true;
    const IS_SHARED: bool = true;

    fn shared(_: &Target) -> Shared {
        Shared::default()
    }

    fn ready(host: &str, secure: bool, call: &Call) -> Result<Ready, CallError> {
        Request::new(host, secure, call).map(|it| Ready(Arc::new(it)))
    }

    fn open(_: &mut Shared, out: &mut Vec<u8>) -> Self {
        Self { connection: Connection::open(out) }
    }

    fn standing(&self) -> Standing {
        self.connection.standing()
    }

    fn begin(
        &mut self,
        shared: &mut Shared,
        exchange: u32,
        call: &Ready,
        values: &dyn Values,
        _: Moment,
        out: &mut Vec<u8>,
    ) {
        self.connection.begin(shared, exchange, &call.0, values, Chunk::whole(&[]), out);
    }

    fn read<'s, 'i: 's>(
        &'s mut self,
        shared: &'s mut Shared,
        input: &mut &'i [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Heard<'s>>, Malformed> {
        let event = self.connection.read(shared, input, out)?;
        let text = |text| self.connection.text(shared, text);
        Ok(event.map(|it| match it {
            Event::Head { exchange, section } => Heard::Status { exchange, status: section.code() },
            Event::Field { exchange, name, value } => {
                Heard::Header { exchange, name: text(name), value: text(value) }
            }
            Event::Data { exchange, data } => Heard::Body { exchange, data },
            Event::Trailers { .. } => unreachable!("a request of HTTP does not want them"),
            Event::Done { exchange } => Heard::Done { exchange },
            Event::Lost { exchange, answer, untouched } => {
                Heard::Lost { exchange, answer, untouched }
            }
        }))
    }

    fn end(&mut self) -> Option<u32> {
        // An answer says itself where it ends.
        None
    }

    fn cancel(&mut self, exchange: u32, out: &mut Vec<u8>) {
        self.connection.cancel(exchange, out);
    }
}
