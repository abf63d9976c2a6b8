//! gRPC over HTTP/2: unary calls and the three kinds of streams.
//!
//! ```text
//! schema      which methods there are, from `.proto` files
//! reflection  the same, from the server
//! call        JSON → messages → bytes, ahead of the load where they are always the same
//! message     bytes → messages
//! talk        messages that are not sent together
//! status      what became of a call
//! ```
//!
//! A call sends all its messages, together unless it is told to pace them, and says that it has no more; its answer is
//! whole with the trailers. The status is known last, so [`Heard::Status`] comes after bodies and headers. Where somebody looks at the body, messages
//! are given as JSON, one a line, with every field that has a value by default.
//!
//! Deliberately absent: compression, which we never agree to; deadlines told to the server, since the engine gives
//! a call up itself; and messages made of what came: those of a call are known when it begins.

mod call;
mod message;
mod reflection;
mod schema;
mod status;
mod talk;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use evenkeel_units::Moment;

use super::http2::{Chunk, Connection, Event, Http2, Shared as Http2Shared};
use super::{CallError, Heard, Malformed, Protocol, Standing};
use crate::call::Call;
use crate::target::Target;
use crate::template::Values;
use call::Answers;
use message::Messages;
use talk::Talk;

pub(crate) use call::Ready;
pub(crate) use reflection::ReadWrite;
pub(crate) use schema::{Descriptors, Method, SchemaError};

/// One connection that speaks gRPC.
pub(crate) struct Grpc {
    connection: Connection,
    /// What is under way; the number of its place is that of the exchange of HTTP/2.
    calls: Vec<Under>,
    free: Vec<u32>,
    /// When calls go on, and the places of these.
    due: BTreeSet<(Moment, u32)>,
    telling: Telling,
    /// Exchanges that were never sent: their values do not make messages.
    unsaid: Vec<u32>,
}

/// What connections share.
#[derive(Default)]
pub(crate) struct Shared {
    http2: Http2Shared,
    /// Messages on their way out, and their JSON.
    body: Vec<u8>,
    text: Vec<u8>,
    /// What is told of a message that came.
    told: Vec<u8>,
}

/// A call that is under way.
#[derive(Default)]
struct Under {
    exchange: u32,
    answers: Answers,
    /// Whether there must be one message, no more and no less.
    single: bool,
    messages: Messages,
    head: status::Head,
    /// What is still to be sent, where it is not sent at once.
    talk: Option<Talk>,
}

/// What there is still to say.
#[derive(Copy, Clone)]
enum Telling {
    Nothing,
    /// The messages of a call, as far as they are whole.
    Messages(u32),
    /// The status of an exchange that is over.
    Status(u32, u16),
    Done(u32),
}

impl Protocol for Grpc {
    type Shared = Shared;
    type Ready = Ready;

    const ALPN: &'static [&'static [u8]] = Http2::ALPN;
    const NEEDS_ALPN: bool = Http2::NEEDS_ALPN;
    const IS_SHARED: bool = Http2::IS_SHARED;
    const SPEAKS_LATER: bool = true;

    fn shared(_: &Target) -> Shared {
        Shared::default()
    }

    fn ready(host: &str, secure: bool, call: &Call) -> Result<Ready, CallError> {
        Ready::new(host, secure, call)
    }

    fn open(_: &mut Shared, out: &mut Vec<u8>) -> Self {
        Self {
            connection: Connection::open(out),
            calls: Vec::new(),
            free: Vec::new(),
            due: BTreeSet::new(),
            telling: Telling::Nothing,
            unsaid: Vec::new(),
        }
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
        now: Moment,
        out: &mut Vec<u8>,
    ) {
        shared.body.clear();
        if call.write(values, &mut shared.text, &mut shared.body).is_err() {
            // Nobody would answer, and so nobody would ask us what became of it.
            self.unsaid.push(exchange);
            Connection::nudge(out);
            return;
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.calls.push(Under::default());
            self.calls.len() as u32 - 1
        });
        let under = &mut self.calls[place as usize];
        under.exchange = exchange;
        under.answers.clone_from(call.answers());
        under.single = call.single();
        under.head = status::Head::default();
        under.messages.clear();
        let chunk = match call.pacing() {
            None => Chunk::whole(&shared.body),
            Some(pacing) => {
                let messages = call.messages().unwrap_or_else(|| Arc::from(&*shared.body));
                under.talk.insert(Talk::new(messages, pacing, now)).take(now)
            }
        };
        self.connection.begin(&mut shared.http2, place, call.request(), values, chunk, out);
        self.go_on_later(place);
    }

    fn read<'s, 'i: 's>(
        &'s mut self,
        shared: &'s mut Shared,
        input: &mut &'i [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Heard<'s>>, Malformed> {
        loop {
            match self.telling {
                Telling::Messages(place) => {
                    let under = &mut self.calls[place as usize];
                    let exchange = under.exchange;
                    match under.answers.tell(&mut under.messages, &mut shared.told) {
                        Ok(true) if shared.told.is_empty() => continue,
                        Ok(true) => return Ok(Some(Heard::Body { exchange, data: &shared.told })),
                        Ok(false) => self.telling = Telling::Nothing,
                        Err(code) => self.fail(place, code, out),
                    }
                }
                Telling::Status(exchange, status) => {
                    self.telling = Telling::Done(exchange);
                    return Ok(Some(Heard::Status { exchange, status }));
                }
                Telling::Done(exchange) => {
                    self.telling = Telling::Nothing;
                    return Ok(Some(Heard::Done { exchange }));
                }
                Telling::Nothing => {}
            }
            if let Some(exchange) = self.unsaid.pop() {
                self.telling = Telling::Status(exchange, status::INTERNAL);
                continue;
            }
            let Some(event) = self.connection.read(&mut shared.http2, input, out)? else {
                return Ok(None);
            };
            match event {
                Event::Head { exchange: place, section } => {
                    self.calls[place as usize].head.on_head(&section);
                }
                Event::Trailers { exchange: place, section } => {
                    self.calls[place as usize].head.on_trailers(&section);
                }
                Event::Field { exchange: place, name, value } => {
                    let text = |text| self.connection.text(&shared.http2, text);
                    let exchange = self.calls[place as usize].exchange;
                    return Ok(Some(Heard::Header {
                        exchange,
                        name: text(name),
                        value: text(value),
                    }));
                }
                Event::Data { exchange: place, data } => {
                    let under = &mut self.calls[place as usize];
                    if under.head.has_messages() {
                        let before = under.messages.count();
                        match under.messages.on_data(data, under.answers.keeps()) {
                            Ok(()) => self.telling = Telling::Messages(place),
                            Err(code) => {
                                self.fail(place, code, out);
                                continue;
                            }
                        }
                        if let Some(talk) = &mut under.talk
                            && under.messages.count() > before
                        {
                            talk.on_answer();
                            self.go_on_later(place);
                        }
                    }
                }
                Event::Done { exchange: place } => {
                    let under = &mut self.calls[place as usize];
                    let status = under.head.status(&under.messages, under.single);
                    self.telling = Telling::Status(under.exchange, status);
                    self.release(place);
                }
                Event::Lost { exchange: place, answer, untouched } => {
                    let exchange = self.calls[place as usize].exchange;
                    self.release(place);
                    return Ok(Some(Heard::Lost { exchange, answer, untouched }));
                }
            }
        }
    }

    fn speaks_at(&self) -> Option<Moment> {
        self.due.first().map(|(moment, _)| *moment)
    }

    fn speak(&mut self, now: Moment, out: &mut Vec<u8>) {
        while let Some(&(moment, place)) = self.due.first()
            && moment <= now
        {
            self.due.pop_first();
            if let Some(talk) = &mut self.calls[place as usize].talk {
                self.connection.go_on(place, talk.take(now), out);
                self.go_on_later(place);
            }
        }
    }

    fn end(&mut self) -> Option<u32> {
        None
    }

    fn cancel(&mut self, exchange: u32, out: &mut Vec<u8>) {
        self.unsaid.retain(|it| *it != exchange);
        if let Telling::Status(told, _) | Telling::Done(told) = self.telling
            && told == exchange
        {
            self.telling = Telling::Nothing;
            return;
        }
        let under = |place: &u32| {
            !self.free.contains(place) && self.calls[*place as usize].exchange == exchange
        };
        let Some(place) = (0..self.calls.len() as u32).find(under) else { return };
        self.connection.cancel(place, out);
        if matches!(self.telling, Telling::Messages(told) if told == place) {
            self.telling = Telling::Nothing;
        }
        self.release(place);
    }
}

impl Grpc {
    /// A call goes on when its next message is due, if that is known.
    fn go_on_later(&mut self, place: u32) {
        let due = self.calls[place as usize].talk.as_ref().and_then(Talk::due);
        self.due.extend(due.map(|it| (it, place)));
    }

    /// We end a call whose answer is no good.
    fn fail(&mut self, place: u32, code: u16, out: &mut Vec<u8>) {
        self.connection.cancel(place, out);
        self.telling = Telling::Status(self.calls[place as usize].exchange, code);
        self.release(place);
    }

    fn release(&mut self, place: u32) {
        let under = &mut self.calls[place as usize];
        under.messages.clear();
        under.answers = Answers::Counted;
        if under.talk.take().is_some() {
            self.due.retain(|(_, it)| *it != place);
        }
        self.free.push(place);
    }
}
