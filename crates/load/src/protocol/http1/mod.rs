//! HTTP/1.1, the client's side: [`request`] writes requests, ahead of the load where they are always the
//! same; [`reader`] reads answers.
//!
//! Pipelining is deliberately absent: one request is under way at a time.

mod body;
mod head;
mod reader;
pub(crate) mod request;

#[cfg(test)]
mod tests;

use evenkeel_units::Moment;

use super::{CallError, Heard, Malformed, Protocol, Standing};
use crate::call::{Call, Headers};
use crate::target::Target;
use crate::template::Values;
use reader::{Event, Memo, Reader};
use request::Request;

/// One connection that speaks HTTP/1.1.
pub(crate) struct Http1 {
    reader: Reader,
    exchange: Option<u32>,
    wants: Headers,
    /// Where in the head the next header to be told begins.
    telling: Option<usize>,
    closing: bool,
}

impl Protocol for Http1 {
    type Shared = Memo;
    type Ready = Request;

    const ALPN: &'static [&'static [u8]] = &[b"http/1.1"];

    fn shared(_: &Target) -> Memo {
        Memo::default()
    }

    fn ready(host: &str, _: bool, call: &Call) -> Result<Request, CallError> {
        Request::new(host, call)
    }

    fn open(_: &mut Memo, _: &mut Vec<u8>) -> Self {
        Self {
            reader: Reader::default(),
            exchange: None,
            wants: Headers::None,
            telling: None,
            closing: false,
        }
    }

    fn standing(&self) -> Standing {
        match (self.closing, self.exchange) {
            (true, _) => Standing::Closing,
            (false, None) => Standing::Open(1),
            (false, Some(_)) => Standing::Open(0),
        }
    }

    fn begin(
        &mut self,
        _: &mut Memo,
        exchange: u32,
        call: &Request,
        values: &dyn Values,
        _: Moment,
        out: &mut Vec<u8>,
    ) {
        call.write(values, out);
        self.reader.expect(call.without_body);
        self.exchange = Some(exchange);
        self.wants = call.wants;
    }

    fn read<'s, 'i: 's>(
        &'s mut self,
        memo: &'s mut Memo,
        input: &mut &'i [u8],
        _: &mut Vec<u8>,
    ) -> Result<Option<Heard<'s>>, Malformed> {
        let Some(exchange) = self.exchange else {
            // Bytes that nobody asked for leave nothing to build on.
            self.closing |= !input.is_empty();
            *input = &[];
            return Ok(None);
        };
        if let Some(at) = self.telling {
            self.telling = None;
            if let Some(header) = memo.header(at, self.wants == Headers::Cookies) {
                self.telling = Some(header.next);
                let (name, value) = memo.text(&header);
                return Ok(Some(Heard::Header { exchange, name, value }));
            }
        }
        Ok(match self.reader.next(memo, input)? {
            None => None,
            Some(Event::Head { status }) => {
                if self.wants != Headers::None {
                    self.telling = memo.first_header(self.wants == Headers::Cookies);
                }
                Some(Heard::Status { exchange, status })
            }
            Some(Event::Body(data)) => Some(Heard::Body { exchange, data }),
            Some(Event::Done { keep_alive }) => {
                self.exchange = None;
                self.closing |= !keep_alive;
                Some(Heard::Done { exchange })
            }
        })
    }

    fn unseen(&self) -> u64 {
        self.exchange.map_or(0, |_| self.reader.unseen())
    }

    fn pass_over(&mut self, bytes: u64) {
        // Bytes that nobody asked for leave nothing to build on.
        self.closing |= bytes > self.unseen();
        self.reader.pass_over(bytes);
    }

    fn end(&mut self) -> Option<u32> {
        self.closing = true;
        self.exchange.take().filter(|_| self.reader.is_whole_at_end())
    }

    fn cancel(&mut self, _: u32, _: &mut Vec<u8>) {
        self.exchange = None;
        self.closing = true;
    }
}
