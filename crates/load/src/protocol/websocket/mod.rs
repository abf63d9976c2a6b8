//! WebSocket (RFC 6455), the client's side: a message is sent, and a message is its answer.
//!
//! ```text
//! handshake   a request of HTTP/1.1 that becomes a WebSocket
//! frame       frames as they are read and written
//! text        whether the bytes of a text are UTF-8, piece by piece
//! ```
//!
//! One exchange at a time, since nothing but its place tells to which request a message belongs. A message
//! that begins while nobody waits is passed over, as servers send of their own accord. After an answer that
//! did not come in time the connection is closed: the late answer would be taken for the next.
//!
//! What arrives is held to the RFC and never skipped over. Deliberately absent: extensions (compression), which
//! are not offered.

mod frame;
mod handshake;
mod text;

#[cfg(test)]
mod tests;

use evenkeel_model::Answer;
use evenkeel_model::document::Until;
use evenkeel_units::Moment;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use self::frame::{Frames, Opcode, Part};
use self::handshake::{Handshake, Outcome};
pub(crate) use self::handshake::{check_header, is_name, is_path};
use super::message::Message;
use super::{CallError, Heard, Malformed, Protocol, Standing, nonce};
use crate::call::Call;
use crate::target::Target;
use crate::template::Values;

/// One connection.
#[derive(Debug)]
pub(crate) struct WebSocket {
    state: State,
    current: Option<Current>,
    /// The exchange that is whole and not yet said to be.
    whole: Option<u32>,
    /// Masks the frame that ends the connection when an exchange is given up.
    last_mask: [u8; 4],
}

#[derive(Debug)]
enum State {
    /// The handshake is not answered yet; what was to be sent meanwhile follows it.
    Opening {
        handshake: Box<Handshake>,
        waiting: Vec<u8>,
    },
    Open(Frames),
    Closing,
}

/// The exchange that waits for a message.
#[derive(Copy, Clone, Debug)]
struct Current {
    exchange: u32,
    wants_body: bool,
    /// Whether its message has begun.
    has_begun: bool,
}

/// What the connections of a worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    target: Target,
    chance: ChaCha8Rng,
    /// Where payloads are written before their length is known.
    payload: Vec<u8>,
}

impl Protocol for WebSocket {
    type Shared = Shared;
    type Ready = Message;

    const HEARS_AT_ONCE: bool = true;
    const HAS_SESSION: bool = true;

    const ALPN: &'static [&'static [u8]] = &[b"http/1.1"];

    fn shared(target: &Target) -> Shared {
        Shared { target: target.clone(), chance: nonce::source(), payload: Vec::new() }
    }

    fn ready(_: &str, secure: bool, call: &Call) -> Result<Message, CallError> {
        let protocol = if secure { "wss" } else { "ws" };
        let message = Message::new(protocol, call)?;
        match message.until {
            Until::Message | Until::Nothing => Ok(message),
            _ => Err(CallError::Protocol {
                protocol,
                reason: "an answer is one message: leave out where it ends, or say `nothing`"
                    .to_owned(),
            }),
        }
    }

    fn open(shared: &mut Shared, out: &mut Vec<u8>) -> Self {
        let handshake = Handshake::begin(&shared.target, shared.chance.random(), out);
        let state = State::Opening { handshake: Box::new(handshake), waiting: Vec::new() };
        Self { state, current: None, whole: None, last_mask: shared.chance.random() }
    }

    fn standing(&self) -> Standing {
        match (&self.state, self.current, self.whole) {
            (State::Opening { .. }, ..) => Standing::Opening,
            (State::Open(_), None, None) => Standing::Open(1),
            (State::Open(_), ..) => Standing::Open(0),
            (State::Closing, ..) => Standing::Closing,
        }
    }

    fn begin(
        &mut self,
        shared: &mut Shared,
        exchange: u32,
        call: &Message,
        values: &dyn Values,
        _: Moment,
        out: &mut Vec<u8>,
    ) {
        let out = match &mut self.state {
            State::Opening { waiting, .. } => waiting,
            State::Open(_) | State::Closing => out,
        };
        shared.payload.clear();
        call.payload.render(values, &mut shared.payload);
        // Nothing to be sent: the next message of the server is awaited.
        if call.payload.constant() != Some(b"") {
            let opcode = if call.is_text { Opcode::Text } else { Opcode::Binary };
            frame::write(opcode, &shared.payload, shared.chance.random(), out);
        }
        match call.until {
            Until::Nothing => self.whole = Some(exchange),
            _ => {
                let wants_body = call.wants_body;
                self.current = Some(Current { exchange, wants_body, has_begun: false });
            }
        }
    }

    fn read<'s, 'i: 's>(
        &'s mut self,
        shared: &'s mut Shared,
        input: &mut &'i [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Heard<'s>>, Malformed> {
        loop {
            let frames = match &mut self.state {
                State::Closing => {
                    *input = &[];
                    return Ok(None);
                }
                State::Opening { handshake, waiting } => {
                    match handshake.read(input)? {
                        Outcome::More => return Ok(None),
                        Outcome::Accepted => {
                            out.append(waiting);
                            self.state = State::Open(Frames::default());
                        }
                        Outcome::Refused => {
                            self.state = State::Closing;
                            *input = &[];
                            return Ok(self.lose(Answer::Status));
                        }
                    }
                    continue;
                }
                State::Open(frames) => frames,
            };
            if let Some(exchange) = self.whole.take() {
                return Ok(Some(Heard::Done { exchange }));
            }
            match frames.next(input)? {
                None => return Ok(None),
                Some(Part::Begin) => {
                    if let Some(current) = &mut self.current {
                        current.has_begun = true;
                    }
                }
                Some(Part::Data(data)) => {
                    if let Some(Current { exchange, wants_body: true, has_begun: true }) =
                        self.current
                    {
                        return Ok(Some(Heard::Body { exchange, data }));
                    }
                }
                Some(Part::End) => {
                    let whole = self.current.take_if(|it| it.has_begun);
                    self.whole = whole.map(|it| it.exchange);
                }
                Some(Part::Ping) => {
                    frame::write(Opcode::Pong, frames.control(), shared.chance.random(), out);
                }
                Some(Part::Close) => {
                    // The code is said back (RFC 6455 §5.5.1); the reason need not be.
                    let code = frames.control().get(..2).unwrap_or_default();
                    frame::write(Opcode::Close, code, shared.chance.random(), out);
                    self.state = State::Closing;
                    *input = &[];
                    return Ok(self.lose(Answer::Closed));
                }
            }
        }
    }

    fn end(&mut self) -> Option<u32> {
        let was_open = matches!(self.state, State::Open(_));
        self.state = State::Closing;
        self.whole.take().filter(|_| was_open)
    }

    fn cancel(&mut self, exchange: u32, out: &mut Vec<u8>) {
        self.current.take_if(|it| it.exchange == exchange);
        self.whole.take_if(|it| *it == exchange);
        if matches!(self.state, State::Open(_)) {
            // 1000, a normal end.
            frame::write(Opcode::Close, &1000u16.to_be_bytes(), self.last_mask, out);
        }
        self.state = State::Closing;
    }
}

impl WebSocket {
    /// What is under way comes to nothing.
    fn lose(&mut self, answer: Answer) -> Option<Heard<'static>> {
        let exchange = self.whole.take().or(self.current.take().map(|it| it.exchange))?;
        Some(Heard::Lost { exchange, answer, untouched: false })
    }
}
