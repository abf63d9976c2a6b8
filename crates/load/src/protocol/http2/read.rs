//! Reading: what the bytes of the other side mean.
//!
//! Bodies are passed on as they come. All other frames are read whole, and kept until they are: none is larger
//! than what we allow, and a block of headers that goes over several is bounded too.

use super::connection::{Connection, Shared, State};
use super::frame::{
    self, ACK, END_HEADERS, END_STREAM, HEADER_BYTES, Header, Kind, OUR_WINDOW_BYTES, PADDED,
    PRIORITY, code,
};
use super::hpack::Fields;
use super::{Event, HEAD_BYTES_MAX, Malformed};
use crate::call::Headers;

/// What a frame comes to.
enum Step {
    Said(Event<'static>),
    /// Nothing to say; there may be more.
    On,
    /// More bytes are needed.
    More,
}

impl From<Option<Event<'static>>> for Step {
    fn from(event: Option<Event<'static>>) -> Self {
        event.map_or(Self::On, Self::Said)
    }
}

impl Connection {
    /// Reads on, as [`Protocol::read`](crate::protocol::Protocol::read) does.
    pub(in crate::protocol) fn read<'i>(
        &mut self,
        shared: &mut Shared,
        input: &mut &'i [u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Event<'i>>, Malformed> {
        self.settle(out);
        loop {
            match self.state {
                State::Frame => match self.frame(shared, input, out)? {
                    Step::Said(event) => return Ok(Some(event)),
                    Step::On => {}
                    Step::More => return Ok(None),
                },
                State::Data { id, left: 0, padding: 0, end } => {
                    self.state = if end { State::End { id } } else { State::Frame };
                }
                State::Data { id, left, padding, end } => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let (data, rest) =
                        input.split_at(input.len().min(if left > 0 { left } else { padding }));
                    *input = rest;
                    if left == 0 {
                        self.state = State::Data { id, left, padding: padding - data.len(), end };
                        continue;
                    }
                    self.state = State::Data { id, left: left - data.len(), padding, end };
                    if let Some(stream) = self.streams.get(id).filter(|it| it.wants.body) {
                        return Ok(Some(Event::Data { exchange: stream.exchange, data }));
                    }
                }
                State::End { id } => {
                    self.state = State::Frame;
                    if let Some(event) = self.finish(id, out) {
                        return Ok(Some(event));
                    }
                }
                State::Sweep { above, untouched_above } => match self.sweep(above, untouched_above)
                {
                    Some(event) => return Ok(Some(event)),
                    None => self.state = State::Frame,
                },
                State::Fields { id, mut fields, end } => {
                    let Some(stream) = self.streams.get(id) else {
                        self.state = State::Frame;
                        continue;
                    };
                    let (exchange, cookies) =
                        (stream.exchange, stream.wants.headers == Headers::Cookies);
                    let decoded = &mut shared.memory.decoded;
                    let Some((name, value)) = fields.next(&self.block, decoded)? else {
                        self.state = if end { State::End { id } } else { State::Frame };
                        continue;
                    };
                    self.state = State::Fields { id, fields, end };
                    let of_name = name.clone().of(&self.block, decoded);
                    if of_name.first() == Some(&b':') || (cookies && of_name != b"set-cookie") {
                        continue;
                    }
                    return Ok(Some(Event::Field { exchange, name, value }));
                }
            }
        }
    }

    /// The next frame, once enough of it is there.
    fn frame(
        &mut self,
        shared: &mut Shared,
        input: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Malformed> {
        if self.held.is_empty()
            && let Some((header, rest)) = input.split_first_chunk::<HEADER_BYTES>()
        {
            let header = Header::read(*header)?;
            if let Some((payload, rest)) = rest.split_at_checked(header.needed()) {
                *input = rest;
                return self.on_frame(header, payload, shared, out);
            }
        }
        loop {
            let header =
                self.held.first_chunk::<HEADER_BYTES>().map(|it| Header::read(*it)).transpose()?;
            let whole = HEADER_BYTES + header.map_or(0, |it| it.needed());
            if let Some(header) = header.filter(|_| self.held.len() == whole) {
                let mut held = std::mem::take(&mut self.held);
                let step = self.on_frame(header, &held[HEADER_BYTES..], shared, out);
                held.clear();
                self.held = held;
                return step;
            }
            if input.is_empty() {
                return Ok(Step::More);
            }
            let (taken, rest) = input.split_at(input.len().min(whole - self.held.len()));
            self.held.extend_from_slice(taken);
            *input = rest;
        }
    }

    fn on_frame(
        &mut self,
        header: Header,
        payload: &[u8],
        shared: &mut Shared,
        out: &mut Vec<u8>,
    ) -> Result<Step, Malformed> {
        if !self.greeted && (header.kind != Kind::Settings || header.has(ACK)) {
            return Err(Malformed);
        }
        // Nothing may stand between the pieces of a block.
        if self
            .gathering
            .is_some_and(|(id, _)| header.kind != Kind::Continuation || header.stream != id)
        {
            return Err(Malformed);
        }
        let of_stream = matches!(
            header.kind,
            Kind::Data | Kind::Headers | Kind::Priority | Kind::Reset | Kind::Continuation
        );
        let of_connection = matches!(header.kind, Kind::Settings | Kind::Ping | Kind::Goaway);
        if of_stream && header.stream == 0 || of_connection && header.stream != 0 {
            return Err(Malformed);
        }
        match header.kind {
            Kind::Data => self.on_data(header, payload, out),
            Kind::Headers => self.on_headers(header, payload, shared, out),
            Kind::Continuation => self.on_continuation(header, payload, shared, out),
            Kind::Reset => {
                let code = u32::from_be_bytes(payload.try_into().map_err(|_| Malformed)?);
                if !self.was_begun(header.stream) {
                    return Err(Malformed);
                }
                Ok(self.on_reset(header.stream, code).into())
            }
            Kind::Window => {
                let more = u32::from_be_bytes(payload.try_into().map_err(|_| Malformed)?);
                Ok(self.on_window(header.stream, more & 0x7fff_ffff, out)?.into())
            }
            Kind::Settings if header.has(ACK) => {
                if payload.is_empty() {
                    Ok(Step::On)
                } else {
                    Err(Malformed)
                }
            }
            Kind::Settings => {
                self.on_settings(payload, out)?;
                let from = out.len();
                frame::put_settings_ack(out);
                self.owe(out.len() - from)?;
                Ok(Step::On)
            }
            Kind::Ping if payload.len() != 8 => Err(Malformed),
            Kind::Ping => {
                if !header.has(ACK) {
                    let from = out.len();
                    frame::put_ping_ack(payload, out);
                    self.owe(out.len() - from)?;
                }
                Ok(Step::On)
            }
            Kind::Goaway => {
                let (last, rest) = payload.split_first_chunk::<4>().ok_or(Malformed)?;
                let code = u32::from_be_bytes(*rest.first_chunk().ok_or(Malformed)?);
                let last = u32::from_be_bytes(*last) & 0x7fff_ffff;
                self.closing = true;
                // After an error the connection is closed; otherwise the others are still answered.
                let above = if code == code::NO_ERROR { last } else { 0 };
                self.state = State::Sweep { above, untouched_above: last };
                Ok(Step::On)
            }
            // We have said that nothing may be pushed.
            Kind::Push => Err(Malformed),
            Kind::Priority if payload.len() != 5 => Err(Malformed),
            Kind::Priority | Kind::Other => Ok(Step::On),
        }
    }

    fn on_data(
        &mut self,
        header: Header,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Malformed> {
        let (id, end) = (header.stream, header.has(END_STREAM));
        let (padding, left) = match (header.has(PADDED), payload) {
            (false, _) => (0, header.length),
            (true, [padding, ..]) => {
                let padding = usize::from(*padding);
                (padding, (header.length - 1).checked_sub(padding).ok_or(Malformed)?)
            }
            (true, []) => return Err(Malformed),
        };
        let length = header.length as u32;
        self.came += length;
        if self.came > OUR_WINDOW_BYTES / 2 {
            frame::put_window(0, std::mem::take(&mut self.came), out);
        }
        self.state = State::Data { id, left, padding, end };
        let Some(stream) = self.streams.get(id) else {
            // What was sent before we were heard is passed over.
            return if self.was_begun(id) && id <= self.forsaken {
                Ok(Step::On)
            } else {
                Err(Malformed)
            };
        };
        if !stream.answered {
            return Err(Malformed);
        }
        stream.came += length;
        if stream.came > OUR_WINDOW_BYTES / 2 && !end {
            frame::put_window(id, std::mem::take(&mut stream.came), out);
        }
        if let Some(told) = stream.left {
            match told.checked_sub(left as u64) {
                Some(rest) if rest == 0 || !end => stream.left = Some(rest),
                _ => return Ok(self.lose(id, code::PROTOCOL_ERROR, out).into()),
            }
        }
        Ok(Step::On)
    }

    fn on_headers(
        &mut self,
        header: Header,
        payload: &[u8],
        shared: &mut Shared,
        out: &mut Vec<u8>,
    ) -> Result<Step, Malformed> {
        let mut block = payload;
        let mut padding = 0;
        if header.has(PADDED) {
            let (first, rest) = block.split_first().ok_or(Malformed)?;
            (padding, block) = (usize::from(*first), rest);
        }
        if header.has(PRIORITY) {
            block = block.get(5..).ok_or(Malformed)?;
        }
        block = &block[..block.len().checked_sub(padding).ok_or(Malformed)?];
        let (id, end) = (header.stream, header.has(END_STREAM));
        if header.has(END_HEADERS) {
            return self.on_block(id, end, block, shared, out);
        }
        self.gathering = Some((id, end));
        self.block.clear();
        self.block.extend_from_slice(block);
        Ok(Step::On)
    }

    fn on_continuation(
        &mut self,
        header: Header,
        payload: &[u8],
        shared: &mut Shared,
        out: &mut Vec<u8>,
    ) -> Result<Step, Malformed> {
        let (id, end) = self.gathering.ok_or(Malformed)?;
        if self.block.len() + payload.len() > HEAD_BYTES_MAX {
            return Err(Malformed);
        }
        self.block.extend_from_slice(payload);
        if !header.has(END_HEADERS) {
            return Ok(Step::On);
        }
        self.gathering = None;
        let block = std::mem::take(&mut self.block);
        let step = self.on_block(id, end, &block, shared, out);
        self.block = block;
        step
    }

    /// A whole block of headers.
    fn on_block(
        &mut self,
        id: u32,
        end: bool,
        block: &[u8],
        shared: &mut Shared,
        out: &mut Vec<u8>,
    ) -> Result<Step, Malformed> {
        let section = shared.memory.understand(block)?;
        let Some(stream) = self.streams.get(id) else {
            return if self.was_begun(id) && id <= self.forsaken {
                Ok(Step::On)
            } else {
                Err(Malformed)
            };
        };
        let (exchange, wants) = (stream.exchange, stream.wants);
        let trailers = stream.answered;
        let whole = if trailers {
            end && section.status.is_none() && stream.left.unwrap_or_default() == 0
        } else {
            match section.status {
                None | Some(101) => false,
                Some(100..200) if !end && !section.broken => return Ok(Step::On),
                Some(100..200) => false,
                Some(status) => {
                    let no_body = wants.no_body || matches!(status, 204 | 304);
                    stream.left = if no_body { Some(0) } else { section.length };
                    stream.answered = true;
                    !end || stream.left.unwrap_or_default() == 0
                }
            }
        };
        if section.broken || !whole {
            return Ok(self.lose(id, code::PROTOCOL_ERROR, out).into());
        }
        let told = match wants.headers {
            Headers::None => false,
            Headers::Cookies => section.sets_cookies,
            Headers::All => true,
        };
        if told {
            // It was put together here already when it came in pieces.
            self.block.clear();
            self.block.extend_from_slice(block);
            self.state = State::Fields { id, fields: Fields::default(), end };
        } else if end {
            self.state = State::End { id };
        }
        Ok(match trailers {
            false => Step::Said(Event::Head { exchange, section }),
            true if wants.trailers => Step::Said(Event::Trailers { exchange, section }),
            true => Step::On,
        })
    }
}
