//! DNS over UDP (RFC 1035, with EDNS of RFC 6891): a question is sent, and the status is the answer's RCODE.
//!
//! ```text
//! name      names as they are written and read
//! record    records as text
//! answer    a datagram → what it says
//! ```
//!
//! Up to a thousand questions are under way on one socket. An answer belongs to the question with its random
//! number and the same name and type; any other datagram is passed over, as a resolver must (RFC 5452). An
//! answer that was cut to fit (the TC bit) counts like any other, with the records that are in it: there is no
//! second try over TCP. A name that cannot be asked for, because of what a slot was filled with, makes the
//! exchange malformed.
//!
//! The body, for those who look at it, is one line for each record of the answer section, such as
//! `shop.example. 300 A 192.0.2.7`.

mod answer;
mod name;
mod record;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use evenkeel_model::Answer;
use evenkeel_units::Moment;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{CallError, Carrier, Heard, Malformed, Protocol, Standing, nonce};
use crate::call::{Call, What};
use crate::target::Target;
use crate::template::{Template, Values};

/// The most questions under way on one socket. More would make numbers easy to guess.
const QUESTIONS_MAX: u32 = 1000;

/// The largest answer we ask for: what passes through any network in one piece (DNS Flag Day 2020).
const ANSWER_BYTES: u16 = 1232;

/// One socket.
#[derive(Debug, Default)]
pub(crate) struct Dns {
    asked: BTreeMap<u16, Asked>,
    /// Exchanges whose question could not be written.
    unwritten: Vec<u32>,
    /// The answer that is being told.
    telling: Option<Telling>,
    closing: bool,
}

/// A question that waits.
#[derive(Debug)]
struct Asked {
    exchange: u32,
    wants_body: bool,
    /// Name, type and class, as sent.
    question: Box<[u8]>,
}

/// What is to be said next of an answer whose status was said.
#[derive(Copy, Clone, Debug)]
enum Telling {
    Body { exchange: u32 },
    Done { exchange: u32 },
}

/// What the sockets of a worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    chance: ChaCha8Rng,
    /// Where names are written before they are read.
    name: Vec<u8>,
    /// The body of the answer that is being told.
    body: Vec<u8>,
}

/// A question that is ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    name: Template,
    record: u16,
    wants_body: bool,
}

impl Protocol for Dns {
    type Shared = Shared;
    type Ready = Ready;

    const HEARS_AT_ONCE: bool = true;

    const CARRIER: Carrier = Carrier::Datagram;

    fn shared(_: &Target) -> Shared {
        Shared { chance: nonce::source(), name: Vec::new(), body: Vec::new() }
    }

    fn ready(_: &str, _: bool, call: &Call) -> Result<Ready, CallError> {
        let wrong = |reason: String| CallError::Protocol { protocol: "dns", reason };
        let What::Query { name, record } = &call.what else {
            return Err(wrong("it is not a question; give it a `name`".to_owned()));
        };
        if let Some(name) = name.constant() {
            name::write(name, &mut Vec::new())
                .ok_or_else(|| wrong("its name is not one that can be asked for".to_owned()))?;
        }
        let number = record::number(record).ok_or_else(|| {
            wrong(format!("`{record}` is no type of record we know; write `TYPE` and its number"))
        })?;
        Ok(Ready { name: name.clone(), record: number, wants_body: call.wants_body })
    }

    fn open(_: &mut Shared, _: &mut Vec<u8>) -> Self {
        Self::default()
    }

    fn standing(&self) -> Standing {
        match self.closing {
            true => Standing::Closing,
            false => Standing::Open(QUESTIONS_MAX.saturating_sub(self.asked.len() as u32)),
        }
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
        shared.name.clear();
        call.name.render(values, &mut shared.name);
        let from = out.len();
        let id = loop {
            let id = shared.chance.random();
            if !self.asked.contains_key(&id) {
                break id;
            }
        };
        // One question, asked for recursion; one additional record, which is that of EDNS.
        for field in [id, 0x0100, 1, 0, 0, 1] {
            out.extend_from_slice(&u16::to_be_bytes(field));
        }
        let question = out.len();
        if name::write(&shared.name, out).is_none() {
            out.truncate(from);
            self.unwritten.push(exchange);
            return;
        }
        out.extend_from_slice(&call.record.to_be_bytes());
        out.extend_from_slice(&1u16.to_be_bytes());
        let asked =
            Asked { exchange, wants_body: call.wants_body, question: out[question..].into() };
        self.asked.insert(id, asked);
        out.push(0);
        for field in [record::OPT, ANSWER_BYTES, 0, 0, 0] {
            out.extend_from_slice(&field.to_be_bytes());
        }
    }

    fn read<'s, 'i: 's>(
        &'s mut self,
        shared: &'s mut Shared,
        input: &mut &'i [u8],
        _: &mut Vec<u8>,
    ) -> Result<Option<Heard<'s>>, Malformed> {
        if let Some(exchange) = self.unwritten.pop() {
            return Ok(Some(Heard::Lost { exchange, answer: Answer::Malformed, untouched: false }));
        }
        match self.telling {
            Some(Telling::Body { exchange }) => {
                self.telling = Some(Telling::Done { exchange });
                return Ok(Some(Heard::Body { exchange, data: &shared.body }));
            }
            Some(Telling::Done { exchange }) => {
                self.telling = None;
                return Ok(Some(Heard::Done { exchange }));
            }
            None => {}
        }
        let datagram = std::mem::take(input);
        let Some(id) = datagram.first_chunk::<2>().map(|it| u16::from_be_bytes(*it)) else {
            return Ok(None);
        };
        let Some(asked) = self.asked.get(&id) else { return Ok(None) };
        if !answer::is_for(datagram, &asked.question) {
            return Ok(None);
        }
        let Asked { exchange, wants_body, .. } = *asked;
        self.asked.remove(&id);
        shared.body.clear();
        let body = wants_body.then_some(&mut shared.body);
        Ok(Some(match answer::read(datagram, body) {
            Ok(status) => {
                self.telling = Some(match shared.body.is_empty() {
                    true => Telling::Done { exchange },
                    false => Telling::Body { exchange },
                });
                Heard::Status { exchange, status }
            }
            Err(Malformed) => Heard::Lost { exchange, answer: Answer::Malformed, untouched: false },
        }))
    }

    fn end(&mut self) -> Option<u32> {
        self.closing = true;
        None
    }

    fn cancel(&mut self, exchange: u32, _: &mut Vec<u8>) {
        // A late answer finds no question with its number.
        self.asked.retain(|_, it| it.exchange != exchange);
        self.unwritten.retain(|it| *it != exchange);
    }
}
