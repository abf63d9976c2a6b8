//! Wire: what servers say, for tests.

use super::frame::{END_HEADERS, put_header};
use super::hpack;

pub(in crate::protocol) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_header(settings.len() * 6, 4, 0, 0, &mut out);
    for (name, value) in settings {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
    out
}

pub(in crate::protocol) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_header(payload.len(), kind, flags, stream, &mut out);
    out.extend_from_slice(payload);
    out
}

pub(in crate::protocol) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(name, value)| hpack::put(name, value.as_bytes(), &mut out));
    out
}

pub(in crate::protocol) fn headers(stream: u32, end: bool, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(1, END_HEADERS | u8::from(end), stream, &block(fields))
}

pub(in crate::protocol) fn data(stream: u32, end: bool, data: &[u8]) -> Vec<u8> {
    frame(0, u8::from(end), stream, data)
}
