//! Connection: the state of one, what is begun and given up on it, and what it owes the other side.

use std::collections::VecDeque;
use std::sync::Arc;

use evenkeel_model::Answer;

use super::frame::{
    FRAME_BYTES, WINDOW_BYTES, WINDOW_MAX, code, put_block, put_data, put_ping, put_preface,
    put_reset, setting,
};
use super::hpack::{self, Fields, Text};
use super::request::{Body, Request};
use super::section::Memory;
use super::stream::{Stream, Streams};
use super::{Event, Malformed};
use crate::protocol::Standing;
use crate::template::Values;

/// How many requests may be under way before the other side has said how many.
const STREAMS_UNTIL_TOLD: u32 = 100;
/// The last number a stream can have.
const STREAM_MAX: u32 = (1 << 31) - 1;
/// How much may wait to be sent in answer to what nobody asked for.
const OWED_BYTES_MAX: usize = 16 * 1024;

/// What connections share: what blocks of headers mean, and room to write.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(super) memory: Memory,
    text: Vec<u8>,
    block: Vec<u8>,
    body: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub(in crate::protocol) struct Connection {
    pub(super) state: State,
    /// The beginning of a frame whose rest has not arrived yet.
    pub(super) held: Vec<u8>,
    /// The headers that are put together or told.
    pub(super) block: Vec<u8>,
    /// The stream whose headers are put together, and whether it ends with them.
    pub(super) gathering: Option<(u32, bool)>,
    pub(super) streams: Streams,
    /// The number of the next stream.
    pub(super) next: u32,
    /// Streams up to this one may have been given up by us, and the other side may not know yet.
    pub(super) forsaken: u32,
    /// Whether the other side has said its settings, which it does first.
    pub(super) greeted: bool,
    pub(super) closing: bool,
    /// How much has come since we last said so.
    pub(super) came: u32,
    /// How many streams the other side allows at a time.
    limit: u32,
    /// How much we may send on the connection, on a new stream, and in one frame.
    window: i64,
    initial: i64,
    frame_bytes: usize,
    /// Bodies that wait for room in a window.
    waiting: VecDeque<Rest>,
    /// How much of `out` answers what nobody asked for, at most.
    owed: usize,
}

/// Where in the bytes we are, and what there is still to say about those that were read.
#[derive(Copy, Clone, Debug)]
pub(super) enum State {
    /// Before or in the nine bytes of a frame.
    Frame,
    /// In a piece of a body.
    Data { id: u32, left: usize, padding: usize, end: bool },
    /// Telling the fields of a block.
    Fields { id: u32, fields: Fields, end: bool },
    /// The answer on a stream is whole.
    End { id: u32 },
    /// Streams above this one have come to nothing.
    Sweep { above: u32, untouched_above: u32 },
}

/// A body that is not sent to its end.
#[derive(Debug)]
struct Rest {
    id: u32,
    body: Arc<[u8]>,
    at: usize,
    /// Whether the body ends with it.
    is_last: bool,
}

/// A piece of a body.
#[derive(Copy, Clone, Debug)]
pub(in crate::protocol) struct Chunk<'a> {
    pub(in crate::protocol) bytes: &'a [u8],
    /// Whether the body ends with it.
    pub(in crate::protocol) is_last: bool,
}

impl<'a> Chunk<'a> {
    /// The whole of a body.
    pub(in crate::protocol) const fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, is_last: true }
    }
}

impl Connection {
    pub(in crate::protocol) fn open(out: &mut Vec<u8>) -> Self {
        put_preface(out);
        Self {
            state: State::Frame,
            held: Vec::new(),
            block: Vec::new(),
            gathering: None,
            streams: Streams::new(),
            next: 1,
            forsaken: 0,
            greeted: false,
            closing: false,
            came: 0,
            limit: STREAMS_UNTIL_TOLD,
            window: WINDOW_BYTES,
            initial: WINDOW_BYTES,
            frame_bytes: FRAME_BYTES,
            waiting: VecDeque::new(),
            owed: 0,
        }
    }

    pub(in crate::protocol) fn standing(&self) -> Standing {
        if self.closing || self.next > STREAM_MAX {
            return Standing::Closing;
        }
        let numbers = (STREAM_MAX - self.next) / 2 + 1;
        Standing::Open(self.limit.saturating_sub(self.streams.len() as u32).min(numbers))
    }

    /// Begins an exchange. `brought` is the body of a request that has none of its own, or how it begins.
    pub(in crate::protocol) fn begin(
        &mut self,
        shared: &mut Shared,
        exchange: u32,
        request: &Request,
        values: &dyn Values,
        brought: Chunk<'_>,
        out: &mut Vec<u8>,
    ) {
        self.settle(out);
        let id = self.next;
        self.next += 2;
        let (window, wants) = (self.initial, request.wants);
        let mut stream = Stream { id, exchange, window, sent: true, wants, ..Stream::default() };
        if let Some(wire) = &request.wire
            && i64::from(wire.body) <= self.window.min(self.initial)
            && values.cookie().is_none()
        {
            self.window -= i64::from(wire.body);
            stream.window -= i64::from(wire.body);
            self.streams.insert(stream);
            match id {
                1 => wire.put_first(id, out),
                _ => wire.put(id, out),
            }
            return;
        }
        self.streams.insert(stream);
        let mut rendered = std::mem::take(&mut shared.body);
        rendered.clear();
        let chunk = match &request.body {
            Body::Nothing => Chunk::whole(&[]),
            Body::Fixed(body) => Chunk::whole(body),
            Body::Template(template) => {
                template.render(values, &mut rendered);
                Chunk::whole(&rendered)
            }
            Body::Brought => brought,
        };
        let Chunk { bytes: body, is_last } = chunk;
        shared.block.clear();
        if id == 1 {
            shared.block.push(hpack::NO_TABLE);
        }
        request.put_head(values, body.len(), &mut shared.text, &mut shared.block);
        put_block(id, &shared.block, body.is_empty() && is_last, out);
        let at = if body.is_empty() { 0 } else { self.send(id, chunk, out) };
        if at < body.len() {
            let body = match &request.body {
                Body::Fixed(body) => Arc::clone(body),
                _ => body.into(),
            };
            self.waiting.push_back(Rest { id, body, at, is_last });
        }
        if let Some(stream) = self.streams.get(id) {
            stream.sent = at == body.len() && is_last;
        }
        shared.body = rendered;
    }

    /// Goes on with the body of an exchange that was begun with a piece of it.
    pub(in crate::protocol) fn go_on(
        &mut self,
        exchange: u32,
        chunk: Chunk<'_>,
        out: &mut Vec<u8>,
    ) {
        self.settle(out);
        let Some(id) = self.streams.iter().find(|it| it.exchange == exchange).map(|it| it.id)
        else {
            return;
        };
        if let Some(rest) = self.waiting.iter_mut().find(|it| it.id == id) {
            rest.body = [&rest.body[rest.at..], chunk.bytes].concat().into();
            (rest.at, rest.is_last) = (0, chunk.is_last);
            return;
        }
        let at = self.send(id, chunk, out);
        if at < chunk.bytes.len() {
            let is_last = chunk.is_last;
            self.waiting.push_back(Rest { id, body: chunk.bytes.into(), at, is_last });
        } else if let Some(stream) = self.streams.get(id) {
            stream.sent = chunk.is_last;
        }
    }

    /// Gives an exchange up.
    pub(in crate::protocol) fn cancel(&mut self, exchange: u32, out: &mut Vec<u8>) {
        let id = self.streams.iter().find(|it| it.exchange == exchange).map(|it| it.id);
        if let Some(id) = id {
            self.forsake(id, code::CANCEL, out);
        }
    }

    /// Has the other side say something, so that there is something to read.
    pub(in crate::protocol) fn nudge(out: &mut Vec<u8>) {
        put_ping(out);
    }

    /// A name or value of the field that was read last.
    pub(in crate::protocol) fn text<'a>(&'a self, shared: &'a Shared, text: Text) -> &'a [u8] {
        text.of(&self.block, &shared.memory.decoded)
    }

    /// Gives a stream up, and says so.
    fn forsake(&mut self, id: u32, code: u32, out: &mut Vec<u8>) {
        self.streams.remove(id);
        self.waiting.retain(|it| it.id != id);
        self.forsaken = self.forsaken.max(id);
        put_reset(id, code, out);
    }

    /// Gives a stream up whose answer breaks a rule.
    pub(super) fn lose(&mut self, id: u32, code: u32, out: &mut Vec<u8>) -> Option<Event<'static>> {
        let exchange = self.streams.get(id)?.exchange;
        self.forsake(id, code, out);
        Some(Event::Lost { exchange, answer: Answer::Malformed, untouched: false })
    }

    /// The answer is whole: the stream ends, and with it what was still to be sent on it.
    pub(super) fn finish(&mut self, id: u32, out: &mut Vec<u8>) -> Option<Event<'static>> {
        let stream = self.streams.remove(id)?;
        if !stream.sent {
            self.forsake(id, code::NO_ERROR, out);
        }
        Some(Event::Done { exchange: stream.exchange })
    }

    /// The other side has given a stream up.
    pub(super) fn on_reset(&mut self, id: u32, code: u32) -> Option<Event<'static>> {
        let stream = self.streams.remove(id)?;
        self.waiting.retain(|it| it.id != id);
        let untouched = code == code::REFUSED_STREAM;
        Some(Event::Lost { exchange: stream.exchange, answer: Answer::Refused, untouched })
    }

    /// One stream above `above` that has come to nothing by GOAWAY.
    pub(super) fn sweep(&mut self, above: u32, untouched_above: u32) -> Option<Event<'static>> {
        let id = self.streams.iter().map(|it| it.id).filter(|it| *it > above).min()?;
        let stream = self.streams.remove(id)?;
        self.waiting.retain(|it| it.id != id);
        self.forsaken = self.forsaken.max(id);
        let untouched = id > untouched_above;
        Some(Event::Lost { exchange: stream.exchange, answer: Answer::Goaway, untouched })
    }

    /// Whether a frame may be about a stream that is not under way.
    pub(super) fn was_begun(&self, id: u32) -> bool {
        id % 2 == 1 && id < self.next
    }

    /// Room on a stream or, for 0, on the connection.
    pub(super) fn on_window(
        &mut self,
        id: u32,
        more: u32,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'static>>, Malformed> {
        let more = i64::from(more);
        if id == 0 {
            self.window += more;
            if more == 0 || self.window > WINDOW_MAX {
                return Err(Malformed);
            }
        } else if let Some(stream) = self.streams.get(id) {
            stream.window += more;
            if more == 0 {
                return Ok(self.lose(id, code::PROTOCOL_ERROR, out));
            }
            if stream.window > WINDOW_MAX {
                return Ok(self.lose(id, code::FLOW_CONTROL_ERROR, out));
            }
        } else if !self.was_begun(id) {
            return Err(Malformed);
        }
        self.send_waiting(out);
        Ok(None)
    }

    pub(super) fn on_settings(
        &mut self,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Malformed);
        }
        if !self.greeted {
            // Until it says otherwise there is no limit.
            self.limit = u32::MAX;
            self.greeted = true;
        }
        for &[n1, n0, v3, v2, v1, v0] in settings {
            let value = u32::from_be_bytes([v3, v2, v1, v0]);
            match u16::from_be_bytes([n1, n0]) {
                setting::ENABLE_PUSH if value != 0 => return Err(Malformed),
                setting::MAX_CONCURRENT_STREAMS => self.limit = value,
                setting::INITIAL_WINDOW_SIZE => {
                    let change = i64::from(value) - self.initial;
                    self.initial = i64::from(value);
                    self.streams.iter_mut().for_each(|it| it.window += change);
                    let most = self.streams.iter().map(|it| it.window).max().unwrap_or_default();
                    if most.max(self.initial) > WINDOW_MAX {
                        return Err(Malformed);
                    }
                }
                // More than our own limit would not make anything faster.
                setting::MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => {
                    return Err(Malformed);
                }
                setting::MAX_FRAME_SIZE => self.frame_bytes = (value as usize).min(4 * FRAME_BYTES),
                // What we write needs no table, whatever its size.
                _ => {}
            }
        }
        self.send_waiting(out);
        Ok(())
    }

    /// Counts bytes that answer what nobody asked for. A peer that has us write without end and does not read
    /// would fill our memory.
    pub(super) fn owe(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.owed += bytes;
        if self.owed > OWED_BYTES_MAX { Err(Malformed) } else { Ok(()) }
    }

    /// What we owed has been handed to the socket.
    pub(super) const fn settle(&mut self, out: &[u8]) {
        if out.is_empty() {
            self.owed = 0;
        }
    }

    fn send_waiting(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.waiting.len() {
            if self.window <= 0 {
                return;
            }
            let Some(mut rest) = self.waiting.pop_front() else { return };
            let chunk = Chunk { bytes: &rest.body[rest.at..], is_last: rest.is_last };
            rest.at += self.send(rest.id, chunk, out);
            if rest.at < rest.body.len() {
                self.waiting.push_back(rest);
            } else if let Some(stream) = self.streams.get(rest.id) {
                stream.sent = rest.is_last;
            }
        }
    }

    /// Sends as much of a body as may be sent, and says how much that was.
    fn send(&mut self, id: u32, chunk: Chunk<'_>, out: &mut Vec<u8>) -> usize {
        let Chunk { bytes: body, is_last } = chunk;
        let Some(stream) = self.streams.get(id) else { return body.len() };
        let room = usize::try_from(stream.window.min(self.window)).unwrap_or(0);
        let now = body.len().min(room);
        let mut sent = 0;
        while sent < now {
            let next = (now - sent).min(self.frame_bytes);
            put_data(id, &body[sent..sent + next], is_last && sent + next == body.len(), out);
            sent += next;
        }
        let used = i64::from(sent as u32);
        stream.window -= used;
        self.window -= used;
        sent
    }
}
