//! Frames (RFC 9113 §4 and §6): the nine bytes before each, and the few kinds that we write.

use super::Malformed;

/// The bytes before each frame.
pub(super) const HEADER_BYTES: usize = 9;
/// The largest frame that may be sent to anybody who has not allowed more; we never do.
pub(super) const FRAME_BYTES: usize = 16 * 1024;
/// The largest window there can be.
pub(super) const WINDOW_MAX: i64 = (1 << 31) - 1;
/// The window of a connection, and of a stream until the other side says otherwise.
pub(super) const WINDOW_BYTES: i64 = 65_535;
/// What we allow the other side to send ahead.
pub(super) const OUR_WINDOW_BYTES: u32 = 1 << 30;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

/// What a frame is about.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    Push,
    Ping,
    Goaway,
    Window,
    Continuation,
    /// To be passed over.
    Other,
}

/// Why a stream is given up, as far as we say or hear it.
pub(super) mod code {
    pub(in super::super) const NO_ERROR: u32 = 0;
    pub(in super::super) const PROTOCOL_ERROR: u32 = 1;
    pub(in super::super) const FLOW_CONTROL_ERROR: u32 = 3;
    pub(in super::super) const REFUSED_STREAM: u32 = 7;
    pub(in super::super) const CANCEL: u32 = 8;
}

/// What can be set (RFC 9113 §6.5.2).
pub(super) mod setting {
    pub(in super::super) const HEADER_TABLE_SIZE: u16 = 1;
    pub(in super::super) const ENABLE_PUSH: u16 = 2;
    pub(in super::super) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(in super::super) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(in super::super) const MAX_FRAME_SIZE: u16 = 5;
}

/// The bytes before a frame.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) length: usize,
    pub(super) kind: Kind,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Header {
    pub(super) fn read(bytes: [u8; HEADER_BYTES]) -> Result<Self, Malformed> {
        let [l2, l1, l0, kind, flags, s3, s2, s1, s0] = bytes;
        let length = u32::from_be_bytes([0, l2, l1, l0]) as usize;
        if length > FRAME_BYTES {
            return Err(Malformed);
        }
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::Reset,
            4 => Kind::Settings,
            5 => Kind::Push,
            6 => Kind::Ping,
            7 => Kind::Goaway,
            8 => Kind::Window,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        Ok(Self { length, kind, flags, stream: u32::from_be_bytes([s3 & 0x7f, s2, s1, s0]) })
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// How many bytes of the frame have to be there to understand it. What is in a body is passed on as it comes.
    pub(super) fn needed(&self) -> usize {
        match self.kind {
            Kind::Data => self.length.min(usize::from(self.has(PADDED))),
            _ => self.length,
        }
    }
}

/// Appends the bytes before a frame.
pub(super) fn put_header(length: usize, kind: u8, flags: u8, stream: u32, out: &mut Vec<u8>) {
    let [_, l2, l1, l0] = (length as u32).to_be_bytes();
    let [s3, s2, s1, s0] = stream.to_be_bytes();
    out.extend_from_slice(&[l2, l1, l0, kind, flags, s3, s2, s1, s0]);
}

/// Appends one piece of a body.
pub(super) fn put_data(stream: u32, data: &[u8], end: bool, out: &mut Vec<u8>) {
    put_header(data.len(), 0, if end { END_STREAM } else { 0 }, stream, out);
    out.extend_from_slice(data);
}

/// Appends a block of headers, in as many frames as it needs.
pub(super) fn put_block(stream: u32, block: &[u8], end: bool, out: &mut Vec<u8>) {
    let mut pieces = block.chunks(FRAME_BYTES).peekable();
    let (mut kind, mut flags) = (1, if end { END_STREAM } else { 0 });
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            flags |= END_HEADERS;
        }
        put_header(piece.len(), kind, flags, stream, out);
        out.extend_from_slice(piece);
        (kind, flags) = (9, 0);
    }
}

pub(super) fn put_reset(stream: u32, code: u32, out: &mut Vec<u8>) {
    put_header(4, 3, 0, stream, out);
    out.extend_from_slice(&code.to_be_bytes());
}

pub(super) fn put_window(stream: u32, bytes: u32, out: &mut Vec<u8>) {
    put_header(4, 8, 0, stream, out);
    out.extend_from_slice(&bytes.to_be_bytes());
}

pub(super) fn put_settings_ack(out: &mut Vec<u8>) {
    put_header(0, 4, ACK, 0, out);
}

pub(super) fn put_ping_ack(payload: &[u8], out: &mut Vec<u8>) {
    put_header(payload.len(), 6, ACK, 0, out);
    out.extend_from_slice(payload);
}

pub(super) fn put_ping(out: &mut Vec<u8>) {
    put_header(8, 6, 0, 0, out);
    out.extend_from_slice(&[0; 8]);
}

/// What a client says first.
pub(super) fn put_preface(out: &mut Vec<u8>) {
    let settings = [
        (setting::HEADER_TABLE_SIZE, 0),
        (setting::ENABLE_PUSH, 0),
        (setting::INITIAL_WINDOW_SIZE, OUR_WINDOW_BYTES),
    ];
    out.extend_from_slice(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    put_header(settings.len() * 6, 4, 0, 0, out);
    for (name, value) in settings {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&u32::to_be_bytes(value));
    }
    put_window(0, OUR_WINDOW_BYTES - WINDOW_BYTES as u32, out);
}
