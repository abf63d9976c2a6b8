//! HTTP/2 as a machine: every stream that its client ends is answered with frames that were written ahead.
//!
//! The server never looks into a header block, so it needs no HPACK: whatever is asked, the answer is the
//! same. It does keep the rules that a client can hold it to: the preface, settings and pings are
//! acknowledged, the windows of the client are respected, and its own never run dry.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::http1::BODY_BYTES;
use crate::serving::{Answers, Refused};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEAD: usize = 9;

/// What RFC 9113 lets a client send unasked.
const FRAME_BYTES_MAX: usize = 16_384;

/// Of the client, until it says otherwise.
const WINDOW: i64 = 65_535;

const WINDOW_MAX: i64 = (1 << 31) - 1;

/// How much of our window may be used before it is filled up again.
const REFILL: u32 = 1 << 30;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// Errors of RFC 9113 that this server finds.
const PROTOCOL_ERROR: u8 = 1;
const FLOW_CONTROL_ERROR: u8 = 3;
const FRAME_SIZE_ERROR: u8 = 6;

/// The frames of an answer, in which only the number of the stream is still to be written.
pub(crate) struct Answer {
    bytes: Vec<u8>,
    /// Where in it frames start.
    frames: Vec<usize>,
    /// Of its data, which is what windows count.
    data_length: i64,
}

impl Answer {
    /// A page of 128 bytes.
    pub(crate) fn page() -> Self {
        let body = "0123456789abcdef".repeat(BODY_BYTES / 16);
        let head =
            [&[STATUS_200][..], &field(CONTENT_TYPE, "text/plain"), &field(CONTENT_LENGTH, "128")];
        Self::of(&[(HEADERS, END_HEADERS, &head.concat()), (DATA, END_STREAM, body.as_bytes())])
    }

    /// The answer to a unary call: a message whose field 1 is text of 64 bytes, and status 0.
    pub(crate) fn grpc() -> Self {
        let head = [&[STATUS_200][..], &field(CONTENT_TYPE, "application/grpc")];
        let text = "0123456789abcdef".repeat(4);
        let message = [&[0, 0, 0, 0, 66, 0x0a, 64], text.as_bytes()].concat();
        let mut trailers = vec![0, 11];
        trailers.extend(b"grpc-status\x010");
        Self::of(&[
            (HEADERS, END_HEADERS, &head.concat()),
            (DATA, 0, &message),
            (HEADERS, END_HEADERS | END_STREAM, &trailers),
        ])
    }

    fn of(frames: &[(u8, u8, &[u8])]) -> Self {
        let mut answer = Self { bytes: Vec::new(), frames: Vec::new(), data_length: 0 };
        for (kind, flags, payload) in frames {
            answer.frames.push(answer.bytes.len());
            frame(&mut answer.bytes, *kind, *flags, 0, payload);
            if *kind == DATA {
                answer.data_length += i64::from(payload.len() as u32);
            }
        }
        answer
    }

    fn write(&self, stream: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        for at in &self.frames {
            out[start + at + 5..start + at + HEAD].copy_from_slice(&stream.to_be_bytes());
        }
    }
}

/// `:status: 200` of the static table.
const STATUS_200: u8 = 0x88;
const CONTENT_LENGTH: u8 = 28;
const CONTENT_TYPE: u8 = 31;

/// A header whose name is in the static table, behind its first 15, and which is not remembered.
fn field(name: u8, value: &str) -> Vec<u8> {
    [&[0x0f, name - 15, value.len() as u8], value.as_bytes()].concat()
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// One connection.
pub(crate) struct Http2 {
    answer: Rc<Answer>,
    greeted: bool,
    /// A frame, or the start of one, that has not come whole.
    carry: Vec<u8>,
    /// So many bytes of a frame's payload are still to come and mean nothing here.
    skip: usize,
    /// A block of headers that goes on in the next frame: its stream, and whether the stream ends with it.
    block: Option<(u32, bool)>,
    /// What the client takes on the connection, and on a new stream.
    window: i64,
    stream_window: i64,
    /// How much of our own window is used.
    received: u32,
    /// Streams that wait for the window of the connection.
    waiting: VecDeque<u32>,
}

/// A frame without its payload.
#[derive(Copy, Clone)]
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Http2 {
    pub(crate) fn new(answer: Rc<Answer>) -> Self {
        Self {
            answer,
            greeted: false,
            carry: Vec::new(),
            skip: 0,
            block: None,
            window: WINDOW,
            stream_window: WINDOW,
            received: 0,
            waiting: VecDeque::new(),
        }
    }

    /// How many bytes were needed.
    fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, u8> {
        let mut at = 0;
        if !self.greeted {
            let Some(preface) = bytes.get(..PREFACE.len()) else {
                return if PREFACE.starts_with(bytes) { Ok(0) } else { Err(PROTOCOL_ERROR) };
            };
            if preface != PREFACE {
                return Err(PROTOCOL_ERROR);
            }
            at = PREFACE.len();
            self.greeted = true;
            greet(out);
        }
        loop {
            let skipped = self.skip.min(bytes.len() - at);
            self.skip -= skipped;
            at += skipped;
            let Some(head) = bytes.get(at..at + HEAD) else { return Ok(at) };
            let head = Head::of(head);
            if head.length > FRAME_BYTES_MAX {
                return Err(FRAME_SIZE_ERROR);
            }
            let needed = matches!(head.kind, SETTINGS | PING | WINDOW_UPDATE);
            if !needed {
                at += HEAD;
                self.skip = head.length;
                self.pass(head, out)?;
                continue;
            }
            let end = at + HEAD + head.length;
            let Some(payload) = bytes.get(at + HEAD..end) else { return Ok(at) };
            self.obey(head, payload, out)?;
            at = end;
        }
    }

    /// A frame whose payload means nothing here.
    fn pass(&mut self, head: Head, out: &mut Vec<u8>) -> Result<(), u8> {
        let ends = head.flags & END_STREAM != 0;
        match (head.kind, self.block) {
            (CONTINUATION, Some((stream, ends))) if stream == head.stream => {
                if head.flags & END_HEADERS != 0 {
                    self.block = None;
                    self.ended(stream, ends, out);
                }
            }
            (CONTINUATION, _) | (_, Some(_)) => return Err(PROTOCOL_ERROR),
            (HEADERS | DATA, None) if head.stream.is_multiple_of(2) => return Err(PROTOCOL_ERROR),
            (HEADERS, None) if head.flags & END_HEADERS == 0 => {
                self.block = Some((head.stream, ends));
            }
            (HEADERS, None) => self.ended(head.stream, ends, out),
            (DATA, None) => {
                self.received += head.length as u32;
                if self.received >= REFILL {
                    let increment = std::mem::take(&mut self.received).to_be_bytes();
                    frame(out, WINDOW_UPDATE, 0, 0, &increment);
                }
                self.ended(head.stream, ends, out);
            }
            (RST_STREAM, None) => self.waiting.retain(|it| *it != head.stream),
            // Priorities, farewells, and what nobody knows.
            (_, None) => {}
        }
        Ok(())
    }

    /// A frame that asks for something.
    fn obey(&mut self, head: Head, payload: &[u8], out: &mut Vec<u8>) -> Result<(), u8> {
        if self.block.is_some() {
            return Err(PROTOCOL_ERROR);
        }
        match head.kind {
            SETTINGS if head.flags & ACK != 0 => {}
            SETTINGS => {
                if !payload.len().is_multiple_of(6) {
                    return Err(FRAME_SIZE_ERROR);
                }
                for setting in payload.chunks_exact(6) {
                    let [a, b, value @ ..] = setting else { continue };
                    if u16::from_be_bytes([*a, *b]) == INITIAL_WINDOW_SIZE {
                        self.stream_window = i64::from(number(value));
                    }
                }
                // It could send no answer in one piece.
                if self.stream_window < self.answer.data_length {
                    return Err(FLOW_CONTROL_ERROR);
                }
                frame(out, SETTINGS, ACK, 0, &[]);
            }
            PING if payload.len() != 8 => return Err(FRAME_SIZE_ERROR),
            PING if head.flags & ACK == 0 => frame(out, PING, ACK, 0, payload),
            WINDOW_UPDATE if payload.len() != 4 => return Err(FRAME_SIZE_ERROR),
            // An answer fits into the window that a stream starts with.
            WINDOW_UPDATE if head.stream == 0 => {
                self.window += i64::from(number(payload) & (u32::MAX >> 1));
                if self.window > WINDOW_MAX {
                    return Err(FLOW_CONTROL_ERROR);
                }
                while self.window >= self.answer.data_length {
                    let Some(stream) = self.waiting.pop_front() else { break };
                    self.say(stream, out);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn ended(&mut self, stream: u32, ends: bool, out: &mut Vec<u8>) {
        if !ends {
        } else if self.waiting.is_empty() && self.window >= self.answer.data_length {
            self.say(stream, out);
        } else {
            self.waiting.push_back(stream);
        }
    }

    fn say(&mut self, stream: u32, out: &mut Vec<u8>) {
        self.window -= self.answer.data_length;
        self.answer.write(stream, out);
    }
}

/// A thousand streams at a time, and windows that no client fills.
fn greet(out: &mut Vec<u8>) {
    let mut settings = Vec::new();
    for (name, value) in [(MAX_CONCURRENT_STREAMS, 1000), (INITIAL_WINDOW_SIZE, WINDOW_MAX as u32)]
    {
        settings.extend(name.to_be_bytes());
        settings.extend(value.to_be_bytes());
    }
    frame(out, SETTINGS, 0, 0, &settings);
    frame(out, WINDOW_UPDATE, 0, 0, &((WINDOW_MAX - WINDOW) as u32).to_be_bytes());
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, it| sum << 8 | u32::from(*it))
}

impl Head {
    fn of(bytes: &[u8]) -> Self {
        Self {
            length: number(&bytes[..3]) as usize,
            kind: bytes[3],
            flags: bytes[4],
            stream: number(&bytes[5..HEAD]) & (u32::MAX >> 1),
        }
    }
}

impl Answers for Http2 {
    fn hear(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        let read = if self.carry.is_empty() {
            self.read(bytes, out).map(|used| self.carry.extend_from_slice(&bytes[used..]))
        } else {
            let mut carry = std::mem::take(&mut self.carry);
            carry.extend_from_slice(bytes);
            self.read(&carry, out).map(|used| {
                carry.drain(..used);
                self.carry = carry;
            })
        };
        read.map_err(|code| {
            frame(out, GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, code]);
            Refused("HTTP/2 that RFC 9113 forbids")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(frames: &[(u8, u8, u32, &[u8])]) -> Vec<u8> {
        let mut bytes = PREFACE.to_vec();
        frame(&mut bytes, SETTINGS, 0, 0, &[]);
        for (kind, flags, stream, payload) in frames {
            frame(&mut bytes, *kind, *flags, *stream, payload);
        }
        bytes
    }

    /// Type, flags and stream of each frame of the answer.
    fn answered(parts: &[&[u8]]) -> Vec<(u8, u8, u32)> {
        let mut machine = Http2::new(Rc::new(Answer::page()));
        let mut out = Vec::new();
        for part in parts {
            if machine.hear(&mut part.to_vec(), &mut out).is_err() {
                break;
            }
        }
        let mut heads = Vec::new();
        let mut rest = &out[..];
        while !rest.is_empty() {
            let head = Head::of(rest);
            heads.push((head.kind, head.flags, head.stream));
            rest = &rest[HEAD + head.length..];
        }
        heads
    }

    const BOTH: u8 = END_HEADERS | END_STREAM;
    const GREETING: usize = 3;

    #[test]
    fn answers_are_the_same_wherever_the_bytes_are_split() {
        let bytes = talk(&[
            (HEADERS, BOTH, 1, &[0x82; 20]),
            (HEADERS, 0, 3, &[0x82; 20]),
            (CONTINUATION, END_HEADERS, 3, &[0x82; 20]),
            (PING, 0, 0, &[7; 8]),
            (DATA, END_STREAM, 3, &[1; 50]),
        ]);
        let whole = answered(&[&bytes]);
        assert_eq!(
            whole[..GREETING],
            [(SETTINGS, 0, 0), (WINDOW_UPDATE, 0, 0), (SETTINGS, ACK, 0)]
        );
        let [a, b] = [(HEADERS, END_HEADERS), (DATA, END_STREAM)];
        let stream = |it: (u8, u8), stream| (it.0, it.1, stream);
        let expected = [stream(a, 1), stream(b, 1), (PING, ACK, 0), stream(a, 3), stream(b, 3)];
        assert_eq!(whole[GREETING..], expected);
        for at in 0..bytes.len() {
            assert_eq!(answered(&[&bytes[..at], &bytes[at..]]), whole, "split at {at}");
        }
    }

    #[test]
    fn no_more_is_sent_than_the_client_takes() {
        let ask = |stream| (HEADERS, BOTH, stream, &[0x82][..]);
        let asked: Vec<_> = (0..600).map(|it| ask(it * 2 + 1)).collect();
        let fit = WINDOW as usize / BODY_BYTES;
        assert_eq!(answered(&[&talk(&asked)]).len() - GREETING, fit * 2);
        let more = [asked, vec![(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0])]].concat();
        assert_eq!(answered(&[&talk(&more)]).len() - GREETING, (fit + 2) * 2);
    }

    #[test]
    fn a_stream_that_was_taken_back_is_not_answered() {
        let mut asked: Vec<_> =
            (0..512).map(|it| (HEADERS, BOTH, it * 2 + 1, &[0x82][..])).collect();
        asked.push((RST_STREAM, 0, 1023, &[0, 0, 0, 8]));
        asked.push((WINDOW_UPDATE, 0, 0, &[0, 1, 0, 0]));
        let streams: Vec<_> = answered(&[&talk(&asked)]).iter().map(|it| it.2).collect();
        assert!(streams.contains(&1021) && !streams.contains(&1023));
    }

    #[test]
    fn what_the_standard_forbids_ends_the_connection() {
        let settings = [&[0, 4, 0, 0, 0, 9][..], &[0; 5]];
        for bad in [
            (HEADERS, BOTH, 2, &[0x82][..]),
            (CONTINUATION, END_HEADERS, 1, &[]),
            (DATA, 0, 0, &[]),
            (PING, 0, 0, &[0; 7]),
            (SETTINGS, 0, 0, settings[0]),
            (SETTINGS, 0, 0, settings[1]),
            (DATA, 0, 1, &vec![0; FRAME_BYTES_MAX + 1]),
        ] {
            let heads = answered(&[&talk(&[bad, (HEADERS, BOTH, 1, &[0x82])])]);
            assert_eq!(heads.last(), Some(&(GOAWAY, 0, 0)), "{}", bad.0);
        }
        assert_eq!(answered(&[b"GET / HTTP/1.1\r\n\r\n"]), [(GOAWAY, 0, 0)]);
    }
}
