//! Heads of messages: what they say of how the connection goes on, and how they are changed.

use evenkeel_model::document::HeaderChange;
use httparse::{EMPTY_HEADER, Header, Request, Response, Status};

use super::body::Body;

/// A larger head is not followed.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;

/// A head, as far as it has come.
pub(super) enum Found<T> {
    /// All of it, with how many bytes it has.
    Whole(T, usize),
    /// More has to come.
    Part,
    /// It is none of HTTP/1, or too large.
    Foreign,
}

impl<T> Found<T> {
    fn of(status: httparse::Result<usize>, bytes: usize, whole: impl FnOnce() -> T) -> Self {
        match status {
            Ok(Status::Complete(length)) => Self::Whole(whole(), length),
            Ok(Status::Partial) if bytes < HEAD_BYTES_MAX => Self::Part,
            Ok(Status::Partial) | Err(_) => Self::Foreign,
        }
    }
}

/// What a request says.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    pub(super) lines: Lines,
    pub(super) body: Body,
    /// The connection ends with the answer.
    pub(super) closes: bool,
    /// The connection may speak something else from the answer on.
    pub(super) leaves_http: bool,
}

/// What the head of an answer says.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) lines: Lines,
    /// As its headers have it; requests of `HEAD` get none in any case.
    pub(super) body: Body,
    /// Its body is compressed.
    pub(super) is_encoded: bool,
}

/// The lines of a head.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    first: String,
    /// Names in lower case, with the line as it was written.
    headers: Vec<(String, Vec<u8>)>,
}

pub(super) fn asked(bytes: &[u8]) -> Found<Asked> {
    let mut room = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut room);
    let status = request.parse(bytes);
    Found::of(status, bytes.len(), || {
        let (method, target) =
            (request.method.unwrap_or_default(), request.path.unwrap_or_default());
        let version = request.version.unwrap_or_default();
        let mut asked = Asked {
            method: method.to_owned(),
            path: path(target).to_owned(),
            lines: Lines::new(format!("{method} {target} HTTP/1.{version}"), request.headers),
            body: Body::NONE,
            closes: version == 0,
            leaves_http: method == "CONNECT",
        };
        for (name, value) in asked.lines.values() {
            match name {
                "transfer-encoding" if value.ends_with("chunked") => asked.body = Body::CHUNKS,
                "content-length" if asked.body != Body::CHUNKS => {
                    asked.body = Body::Length(value.parse().unwrap_or(0));
                }
                // A client that waits for leave to send its body will not send it after our answer,
                // so nobody could tell where the next request begins.
                "connection" if value == "close" => asked.closes = true,
                "expect" => asked.closes = true,
                "upgrade" => asked.leaves_http = true,
                _ => {}
            }
        }
        asked
    })
}

pub(super) fn answered(bytes: &[u8]) -> Found<Answered> {
    let mut room = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut room);
    let status = response.parse(bytes);
    Found::of(status, bytes.len(), || {
        let status = response.code.unwrap_or_default();
        let reason = response.reason.unwrap_or_default();
        let version = response.version.unwrap_or_default();
        let first = format!("HTTP/1.{version} {status} {reason}");
        let lines = Lines::new(first, response.headers);
        let (mut body, mut is_encoded) = (Body::Rest, false);
        for (name, value) in lines.values() {
            match name {
                "transfer-encoding" if value.ends_with("chunked") => body = Body::CHUNKS,
                "content-length" if body != Body::CHUNKS => {
                    body = value.parse().map_or(Body::Rest, Body::Length);
                }
                "content-encoding" => is_encoded = value != "identity",
                _ => {}
            }
        }
        if !has_body(status) {
            body = Body::NONE;
        }
        Answered { status, lines, body, is_encoded }
    })
}

/// Whether answers of this status have a body.
pub(super) const fn has_body(status: u16) -> bool {
    !matches!(status, 100..200 | 204 | 304)
}

/// The path of a target, which may be a whole URL.
fn path(target: &str) -> &str {
    let below = target.split_once("://").map_or(target, |(_, rest)| match rest.find('/') {
        Some(root) => rest.get(root..).unwrap_or_default(),
        None => "/",
    });
    let target = if target.starts_with('/') { target } else { below };
    target.split(['?', '#']).next().unwrap_or_default()
}

impl Lines {
    fn new(first: String, headers: &[Header<'_>]) -> Self {
        let line = |it: &Header<'_>| {
            let line = [it.name.as_bytes(), b": ", it.value].concat();
            (it.name.to_ascii_lowercase(), line)
        };
        Self { first, headers: headers.iter().map(line).collect() }
    }

    /// Headers by their names in lower case, with their values, in lower case as well.
    fn values(&self) -> impl Iterator<Item = (&str, String)> {
        self.headers.iter().map(|(name, line)| {
            let value = String::from_utf8_lossy(value(name, line)).trim().to_ascii_lowercase();
            (name.as_str(), value)
        })
    }

    /// What is said by the headers of this name, in lower case.
    pub(super) fn said(&self, name: &str) -> impl Iterator<Item = String> {
        let of_name = self.headers.iter().filter(move |(it, _)| it == name);
        of_name.map(|(name, line)| String::from_utf8_lossy(value(name, line)).trim().to_owned())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.headers.retain(|(it, _)| it != name);
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.headers.push((name.to_owned(), format!("{name}: {value}").into_bytes()));
    }

    pub(super) fn change(&mut self, change: &HeaderChange) {
        change.remove.iter().for_each(|it| self.remove(it));
        change.set.iter().for_each(|(name, value)| self.set(name, value));
    }

    /// Another status.
    pub(super) fn set_status(&mut self, status: u16) {
        let version = self.first.split(' ').next().unwrap_or("HTTP/1.1");
        self.first = format!("{version} {status} {}", reason(status));
    }

    /// The body that follows has so many bytes, and nothing else is said of it.
    pub(super) fn set_length(&mut self, bytes: Option<usize>) {
        let framing = ["content-length", "transfer-encoding", "content-encoding", "trailer"];
        framing.iter().for_each(|it| self.remove(it));
        if let Some(bytes) = bytes {
            self.set("content-length", &bytes.to_string());
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let lines = self.headers.iter().map(|(_, line)| line.as_slice());
        let all = [self.first.as_bytes()].into_iter().chain(lines);
        let mut bytes = Vec::new();
        for line in all {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// What stands behind the name and its colon.
fn value<'a>(name: &str, line: &'a [u8]) -> &'a [u8] {
    line.get(name.len() + 2..).unwrap_or_default()
}

/// An answer of the link.
pub(super) fn ours(status: u16, closes: bool) -> Vec<u8> {
    let connection = if closes { "connection: close\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} {}\r\nx-evenkeel-fault: http-errors\r\n{connection}",
        reason(status)
    );
    // An answer without a body keeps `HEAD` requests in step, too.
    let length = if has_body(status) { "content-length: 0\r\n" } else { "" };
    format!("{head}{length}\r\n").into_bytes()
}

/// What people call a status.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Injected",
    }
}
