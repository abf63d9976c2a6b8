//! Frames: as they are read and written (RFC 6455 §5).

use super::Malformed;
use super::text::Text;
use crate::protocol::message::ANSWER_BYTES_MAX;

/// The longest frame that is not a part of a message.
const CONTROL_BYTES_MAX: u64 = 125;

/// The bit beside the length that says that a mask follows. Ours are masked, a server's never.
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// What bytes mean.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A message begins.
    Begin,
    /// A piece of it, never empty.
    Data(&'a [u8]),
    /// It is whole.
    End,
    /// To be answered with what [`Frames::control`] holds.
    Ping,
    /// The server sends no more.
    Close,
}

/// Reads the frames of a server.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The header that comes, as far as it has.
    header: [u8; 10],
    header_length: usize,
    /// The frame whose payload comes.
    frame: Option<Frame>,
    /// The message of which the last frame has not come.
    message: Option<Incoming>,
    /// The payload of a frame that is not a part of a message.
    control: Vec<u8>,
}

#[derive(Copy, Clone, Debug)]
struct Frame {
    is_last: bool,
    opcode: Opcode,
    left: u64,
}

#[derive(Debug)]
struct Incoming {
    /// For texts, what is known of them.
    text: Option<Text>,
    length: u64,
}

impl Frames {
    /// Takes bytes off the front of `input` and says what they mean; `None` when more are needed.
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Part<'a>>, Malformed> {
        loop {
            let Some(frame) = &mut self.frame else {
                let Some(frame) = self.header(input)? else { return Ok(None) };
                self.frame = Some(frame);
                if frame.opcode as u8 >= Opcode::Close as u8 {
                    self.control.clear();
                } else if self.start(frame)? {
                    return Ok(Some(Part::Begin));
                }
                continue;
            };
            if frame.left > 0 {
                if input.is_empty() {
                    return Ok(None);
                }
                let length = usize::try_from(frame.left).unwrap_or(usize::MAX).min(input.len());
                let (data, rest) = input.split_at(length);
                *input = rest;
                frame.left -= length as u64;
                if frame.opcode as u8 >= Opcode::Close as u8 {
                    self.control.extend_from_slice(data);
                    continue;
                }
                if let Some(Incoming { text: Some(text), .. }) = &mut self.message {
                    text.next(data)?;
                }
                return Ok(Some(Part::Data(data)));
            }
            let Frame { is_last, opcode, .. } = *frame;
            self.frame = None;
            match opcode {
                Opcode::Continuation | Opcode::Text | Opcode::Binary if is_last => {
                    if let Some(Incoming { text: Some(mut text), .. }) = self.message.take() {
                        text.end()?;
                    }
                    return Ok(Some(Part::End));
                }
                Opcode::Continuation | Opcode::Text | Opcode::Binary | Opcode::Pong => {}
                Opcode::Ping => return Ok(Some(Part::Ping)),
                Opcode::Close => {
                    check_close(&self.control)?;
                    return Ok(Some(Part::Close));
                }
            }
        }
    }

    /// The payload of the last frame that was not a part of a message.
    pub(super) fn control(&self) -> &[u8] {
        &self.control
    }

    /// Counts a frame to its message, and says whether it is the first.
    fn start(&mut self, frame: Frame) -> Result<bool, Malformed> {
        let begins = frame.opcode != Opcode::Continuation;
        if begins {
            if self.message.is_some() {
                return Err(Malformed);
            }
            let text = (frame.opcode == Opcode::Text).then(Text::default);
            self.message = Some(Incoming { text, length: 0 });
        }
        let message = self.message.as_mut().ok_or(Malformed)?;
        message.length = message.length.saturating_add(frame.left);
        match message.length > ANSWER_BYTES_MAX {
            true => Err(Malformed),
            false => Ok(begins),
        }
    }

    /// The header that comes, once it is whole.
    fn header(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Malformed> {
        loop {
            let header = &self.header[..self.header_length];
            let length = match header {
                [_, 126, ..] => 4,
                [_, 127, ..] => 10,
                _ => 2,
            };
            if header.len() == length {
                let frame = frame(header)?;
                self.header_length = 0;
                return Ok(Some(frame));
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            self.header[self.header_length] = byte;
            self.header_length += 1;
            // Wrong from its beginning: no need to wait for the rest.
            if self.header_length == 2 && self.header[1] & MASKED != 0 {
                return Err(Malformed);
            }
        }
    }
}

/// The meaning of a whole header, without a mask.
fn frame(header: &[u8]) -> Result<Frame, Malformed> {
    let (&[first, short], rest) = header.split_first_chunk::<2>().ok_or(Malformed)?;
    let long = rest.iter().fold(0u64, |sum, it| sum << 8 | u64::from(*it));
    // A length is written as short as it can be.
    let left = match short {
        126 if long > 125 => long,
        127 if long > 0xffff && long >> 63 == 0 => long,
        0..=125 => u64::from(short),
        _ => return Err(Malformed),
    };
    let is_last = first & 0x80 != 0;
    let opcode = match first & 0x7f {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        // What an extension would mean by its bits, nobody has agreed on.
        _ => return Err(Malformed),
    };
    let is_control = opcode as u8 >= Opcode::Close as u8;
    if is_control && !(is_last && left <= CONTROL_BYTES_MAX) {
        return Err(Malformed);
    }
    Ok(Frame { is_last, opcode, left })
}

/// RFC 6455 §5.5.1 and §7.4.
fn check_close(payload: &[u8]) -> Result<(), Malformed> {
    if payload.is_empty() {
        return Ok(());
    }
    let (&code, reason) = payload.split_first_chunk::<2>().ok_or(Malformed)?;
    match u16::from_be_bytes(code) {
        1000..=1003 | 1007..=1014 | 3000..=4999 => {}
        _ => return Err(Malformed),
    }
    std::str::from_utf8(reason).map(|_| ()).map_err(|_| Malformed)
}

/// Appends a frame of ours: whole, and masked.
pub(super) fn write(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    out.push(0x80 | opcode as u8);
    match payload.len() {
        short @ 0..=125 => out.push(MASKED + short as u8),
        length @ 126..=0xffff => {
            out.push(MASKED + 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED + 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let from = out.len();
    out.extend_from_slice(payload);
    for chunk in out[from..].chunks_mut(mask.len()) {
        chunk.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}
