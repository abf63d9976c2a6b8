//! Requests: frames that are written once, before the load, where they are always the same; composed from
//! encoded pieces where they are not.

use std::sync::Arc;

use super::frame::{END_HEADERS, END_STREAM, FRAME_BYTES, put_block, put_data, put_header};
use super::hpack;
use super::stream::Wants;
use crate::call::{Call, What};
use crate::protocol::CallError;
use crate::protocol::text::{fits_header, fits_path, is_token, percent};
use crate::template::{Template, Values};

/// A request that is ready to be sent.
#[derive(Debug)]
pub(in crate::protocol) struct Request {
    head: Vec<Piece>,
    pub(super) body: Body,
    /// Its frames, when they are always the same and each fits into one.
    pub(super) wire: Option<Wire>,
    pub(super) wants: Wants,
}

/// A part of the head.
#[derive(Clone, Debug)]
enum Piece {
    /// Fields in their encoded form.
    Fixed(Vec<u8>),
    Path(Template),
    Field(String, Template),
    /// `content-length` of a body that is written anew each time.
    Length,
}

/// What follows the head.
#[derive(Clone, Debug)]
pub(in crate::protocol) enum Body {
    Nothing,
    Fixed(Arc<[u8]>),
    Template(Template),
    /// Whoever begins the exchange brings it.
    Brought,
}

/// Frames with gaps for the number of the stream.
#[derive(Debug)]
pub(super) struct Wire {
    bytes: Vec<u8>,
    /// How many of them are the head.
    head: usize,
    /// How much of them counts against the windows.
    pub(super) body: u32,
}

impl Wire {
    fn new(head: &[u8], body: &[u8]) -> Option<Self> {
        // Room is left for the byte that says that no dynamic table is in use.
        if head.len() >= FRAME_BYTES || body.len() > FRAME_BYTES {
            return None;
        }
        let mut bytes = Vec::new();
        put_block(0, head, body.is_empty(), &mut bytes);
        let head = bytes.len();
        if !body.is_empty() {
            put_data(0, body, true, &mut bytes);
        }
        Some(Self { bytes, head, body: body.len() as u32 })
    }

    /// Appends the frames for a stream.
    pub(super) fn put(&self, stream: u32, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(&self.bytes);
        let number = stream.to_be_bytes();
        out[from + 5..from + 9].copy_from_slice(&number);
        if self.body > 0 {
            let data = from + self.head;
            out[data + 5..data + 9].copy_from_slice(&number);
        }
    }

    /// The same for the first stream of a connection.
    pub(super) fn put_first(&self, stream: u32, out: &mut Vec<u8>) {
        let block = &self.bytes[9..self.head];
        let flags = if self.body == 0 { END_HEADERS | END_STREAM } else { END_HEADERS };
        put_header(block.len() + 1, 1, flags, stream, out);
        out.push(hpack::NO_TABLE);
        out.extend_from_slice(block);
        if self.body > 0 {
            put_data(stream, &self.bytes[self.head + 9..], true, out);
        }
    }
}

impl Request {
    /// Reads a call of HTTP.
    pub(super) fn new(host: &str, secure: bool, call: &Call) -> Result<Self, CallError> {
        let What::Http { method, path, headers, body } = &call.what else {
            let reason = "write `method` and `path`".to_owned();
            return Err(CallError::Protocol { protocol: "HTTP/2", reason });
        };
        if method.is_empty() || !method.bytes().all(is_token) {
            return Err(CallError::Method);
        }
        if !path.starts_with(b"/") || !path.texts().all(|it| it.iter().all(|it| fits_path(*it))) {
            return Err(CallError::Path);
        }
        let mut head = Head::new(method, host, secure);
        head.path(path);
        head.user_agent(headers);
        let body = match body.as_ref().map(|it| (it, it.constant())) {
            None => Body::Nothing,
            Some((_, Some(text))) => Body::Fixed(text.into()),
            Some((template, None)) => Body::Template(template.clone()),
        };
        match &body {
            Body::Fixed(text) => head.fixed("content-length", text.len().to_string().as_bytes()),
            Body::Template(_) => head.pieces.push(Piece::Length),
            // A body of nothing is said where a server would otherwise wait for one (RFC 9110 §8.6).
            Body::Nothing if matches!(&**method, "POST" | "PUT" | "PATCH") => {
                head.fixed("content-length", b"0");
            }
            Body::Nothing | Body::Brought => {}
        }
        head.given(headers, &[])?;
        let no_body = method == "HEAD";
        let (headers, answer) = (call.wants_headers, call.wants_body);
        Ok(head.finish(body, Wants { headers, body: answer, trailers: false, no_body }))
    }

    /// A call of gRPC to `/package.Service/Method`.
    pub(in crate::protocol) fn grpc(
        host: &str,
        secure: bool,
        path: &str,
        metadata: &[(String, Template)],
        body: Body,
        wants: Wants,
    ) -> Result<Self, CallError> {
        let mut head = Head::new("POST", host, secure);
        head.path(&Template::text(path));
        head.fixed("content-type", b"application/grpc");
        head.fixed("te", b"trailers");
        head.user_agent(metadata);
        head.given(metadata, &["content-type", "te", "grpc-encoding", "grpc-timeout"])?;
        Ok(head.finish(body, wants))
    }

    /// Appends the head as one block. Values are rendered to `text` first: their length comes before them.
    pub(super) fn put_head(
        &self,
        values: &dyn Values,
        body_bytes: usize,
        text: &mut Vec<u8>,
        block: &mut Vec<u8>,
    ) {
        for piece in &self.head {
            text.clear();
            match piece {
                Piece::Fixed(fields) => block.extend_from_slice(fields),
                Piece::Path(template) => {
                    template.render_safe(values, fits_path, percent, text);
                    hpack::put(":path", text, block);
                }
                Piece::Field(name, template) => {
                    template.render_safe(values, fits_header, |_, out| out.push(b' '), text);
                    hpack::put(name, text.trim_ascii(), block);
                }
                Piece::Length => {
                    hpack::put("content-length", body_bytes.to_string().as_bytes(), block);
                }
            }
        }
        if let Some(cookie) = values.cookie() {
            text.clear();
            text.extend(cookie.iter().map(|it| if fits_header(*it) { *it } else { b' ' }));
            hpack::put("cookie", text.trim_ascii(), block);
        }
    }
}

/// A head in the making.
struct Head {
    pieces: Vec<Piece>,
}

impl Head {
    fn new(method: &str, host: &str, secure: bool) -> Self {
        let mut head = Self { pieces: Vec::new() };
        head.fixed(":method", method.as_bytes());
        head.fixed(":scheme", if secure { b"https" } else { b"http" });
        head.fixed(":authority", host.as_bytes());
        head
    }

    fn fixed(&mut self, name: &str, value: &[u8]) {
        if !matches!(self.pieces.last(), Some(Piece::Fixed(_))) {
            self.pieces.push(Piece::Fixed(Vec::new()));
        }
        if let Some(Piece::Fixed(fields)) = self.pieces.last_mut() {
            hpack::put(name, value, fields);
        }
    }

    fn path(&mut self, path: &Template) {
        match path.constant() {
            Some(text) => self.fixed(":path", text),
            None => self.pieces.push(Piece::Path(path.clone())),
        }
    }

    fn user_agent(&mut self, given: &[(String, Template)]) {
        if !given.iter().any(|(it, _)| it.eq_ignore_ascii_case("user-agent")) {
            self.fixed("user-agent", concat!("evenkeel/", env!("CARGO_PKG_VERSION")).as_bytes());
        }
    }

    /// Headers as the document gives them.
    fn given(&mut self, headers: &[(String, Template)], ours: &[&str]) -> Result<(), CallError> {
        for (name, value) in headers {
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(CallError::HeaderName { name: name.clone() });
            }
            let lower = name.to_ascii_lowercase();
            // What is about the connection has no place in HTTP/2 (RFC 9113 §8.2.2).
            let connection =
                ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
            if ["host", "content-length"]
                .iter()
                .chain(&connection)
                .chain(ours)
                .any(|it| *it == lower)
            {
                return Err(CallError::HeaderOurs { name: name.clone() });
            }
            if !value.texts().all(|it| it.iter().all(|it| fits_header(*it))) {
                return Err(CallError::HeaderValue { name: name.clone() });
            }
            match value.constant() {
                Some(text) => self.fixed(&lower, text.trim_ascii()),
                None => self.pieces.push(Piece::Field(lower, value.clone())),
            }
        }
        Ok(())
    }

    fn finish(self, body: Body, wants: Wants) -> Request {
        let fixed_body = match &body {
            Body::Nothing => Some(&[][..]),
            Body::Fixed(text) => Some(&**text),
            Body::Template(_) | Body::Brought => None,
        };
        let wire = match (&*self.pieces, fixed_body) {
            ([Piece::Fixed(head)], Some(body)) => Wire::new(head, body),
            _ => None,
        };
        Request { head: self.pieces, body, wire, wants }
    }
}
