//! Requests on a link, so that a share of them can be answered with an error.
//!
//! ```text
//!            bytes of a client
//!                   │ first bytes after an answer that look like a request
//!   Aside ─────────▶ Head ──whole head──▶ Body (length or chunks) ──end──▶ Head …
//!     ▲               │                        forwarded, or thrown away when answered
//!     └─ no fault     └─ not HTTP/1, upgrade ─▶ Tunnel, for ever
//! ```
//!
//! Without a fault nothing is parsed. A fault that begins finds connections in the middle of their life;
//! it joins at the first bytes that follow an answer and look like a request, which is where a request
//! begins when requests are not pipelined. Pipelined requests are counted and passed on, because an
//! answer of ours could land in the middle of another. Limits: HTTP/1.0 and 1.1 in the clear; heads up
//! to 64 KiB and 128 headers; HTTP/2, TLS and upgraded connections pass untouched, so a link of those
//! leaves no evidence.

/// A larger head passes unparsed.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 128;

/// Where in the client's stream of requests we are.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Aside,
    Head(Vec<u8>),
    Body {
        body: Body,
        thrown_away: bool,
    },
    Tunnel,
}

/// How much of a body is still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    Length(u64),
    Chunks(Chunk),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Chunk {
    Size { size: u64, in_extension: bool },
    Data { left: u64 },
    Trailer { line_bytes: u32 },
}

/// What becomes of bytes that a client sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    /// They go on to the dependency.
    pub(crate) forward: Vec<u8>,
    /// The client gets this answer.
    pub(crate) answer: Vec<u8>,
    /// The connection ends after the answer.
    pub(crate) close: bool,
}

impl Requests {
    /// Whether bytes have to go through [`sort`](Self::sort), fault or not: a request has begun.
    pub(crate) fn is_within(&self) -> bool {
        match &self.stage {
            Stage::Aside | Stage::Tunnel => false,
            Stage::Head(head) => !head.is_empty(),
            Stage::Body { thrown_away, .. } => *thrown_away,
        }
    }

    /// Steps aside when no fault lies on the link any more, at a place where that harms nobody.
    pub(crate) fn leave(&mut self) -> Vec<u8> {
        let stage = std::mem::take(&mut self.stage);
        match stage {
            Stage::Head(head) => return head,
            Stage::Body { thrown_away: true, .. } | Stage::Tunnel => self.stage = stage,
            Stage::Aside | Stage::Body { .. } => {}
        }
        Vec::new()
    }

    /// Sorts bytes. `quiet`: every request so far has its answer. `answers` says whether a request is
    /// answered by us (it is asked once a request, with whether it could be), and with which status.
    pub(crate) fn sort(
        &mut self,
        mut bytes: &[u8],
        quiet: bool,
        mut answers: impl FnMut(bool) -> Option<u16>,
    ) -> Sorted {
        let mut sorted = Sorted::default();
        if matches!(self.stage, Stage::Aside) && quiet && looks_like_a_request(bytes) {
            self.stage = Stage::Head(Vec::new());
        }
        while !bytes.is_empty() && !sorted.close {
            match &mut self.stage {
                Stage::Aside | Stage::Tunnel => {
                    sorted.forward.extend_from_slice(bytes);
                    bytes = &[];
                }
                Stage::Body { body, thrown_away } => {
                    let (taken, ended) = body.take(bytes);
                    let (part, rest) = bytes.split_at(taken);
                    if !*thrown_away {
                        sorted.forward.extend_from_slice(part);
                    }
                    bytes = rest;
                    if ended {
                        self.stage = Stage::Head(Vec::new());
                    }
                }
                Stage::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(bytes);
                    let mut room = [httparse::EMPTY_HEADER; HEADERS_MAX];
                    let mut request = httparse::Request::new(&mut room);
                    match request.parse(head) {
                        Ok(httparse::Status::Complete(length)) => {
                            bytes = bytes.get(length - before..).unwrap_or_default();
                            let facts = Facts::of(&request);
                            let free = quiet && sorted.forward.is_empty() && !facts.is_tunnel;
                            let status = answers(free);
                            match status {
                                Some(status) => {
                                    sorted.answer.extend(answer(status, facts.close));
                                    sorted.close = facts.close;
                                }
                                None => {
                                    sorted.forward.extend(head.get(..length).unwrap_or_default());
                                }
                            }
                            self.stage = match facts.is_tunnel {
                                true => Stage::Tunnel,
                                false => facts.body.into_stage(status.is_some()),
                            };
                        }
                        Ok(httparse::Status::Partial) if head.len() < HEAD_BYTES_MAX => bytes = &[],
                        Ok(httparse::Status::Partial) | Err(_) => {
                            sorted.forward.append(head);
                            self.stage = Stage::Tunnel;
                            bytes = &[];
                        }
                    }
                }
            }
        }
        sorted
    }
}

/// What a head says about how the connection goes on.
struct Facts {
    body: Body,
    close: bool,
    is_tunnel: bool,
}

impl Facts {
    fn of(request: &httparse::Request<'_, '_>) -> Self {
        let mut facts = Self {
            body: Body::Length(0),
            close: request.version == Some(0),
            is_tunnel: request.method == Some("CONNECT"),
        };
        for header in request.headers.iter() {
            let value = String::from_utf8_lossy(header.value).trim().to_ascii_lowercase();
            match header.name.to_ascii_lowercase().as_str() {
                "transfer-encoding" if value.ends_with("chunked") => {
                    facts.body = Body::Chunks(Chunk::Size { size: 0, in_extension: false });
                }
                "content-length" if matches!(facts.body, Body::Length(_)) => {
                    facts.body = Body::Length(value.parse().unwrap_or(0));
                }
                "connection" if value == "close" => facts.close = true,
                // A client that waits for leave to send its body will not send it after our answer,
                // so nobody could tell where the next request begins.
                "expect" => facts.close = true,
                "upgrade" => facts.is_tunnel = true,
                _ => {}
            }
        }
        facts
    }
}

impl Body {
    fn into_stage(self, thrown_away: bool) -> Stage {
        match self {
            Self::Length(0) => Stage::Head(Vec::new()),
            body => Stage::Body { body, thrown_away },
        }
    }

    /// How many of these bytes belong to the body, and whether it ends with them.
    fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        match self {
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                (taken, *left == 0)
            }
            Self::Chunks(chunk) => {
                let mut at = 0;
                while let Some(byte) = bytes.get(at) {
                    if let Chunk::Data { left } = chunk {
                        let taken =
                            usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                        *left -= taken as u64;
                        at += taken;
                        if *left == 0 {
                            *chunk = Chunk::Size { size: 0, in_extension: false };
                        }
                        continue;
                    }
                    at += 1;
                    if chunk.step(*byte) {
                        return (at, true);
                    }
                }
                (at, false)
            }
        }
    }
}

impl Chunk {
    /// Takes a byte of a size line or a trailer. `true`: the body has ended.
    fn step(&mut self, byte: u8) -> bool {
        match (&mut *self, byte) {
            (Self::Size { size, .. }, b'\n') => {
                *self = match size.checked_add(2) {
                    // The line end after a chunk is part of it.
                    Some(left) if *size > 0 => Self::Data { left },
                    _ => Self::Trailer { line_bytes: 0 },
                };
            }
            (Self::Size { size, in_extension }, byte) => match (byte as char).to_digit(16) {
                Some(digit) if !*in_extension && *size < 1 << 56 => {
                    *size = (*size << 4) + u64::from(digit);
                }
                _ => *in_extension = true,
            },
            (Self::Trailer { line_bytes: 0 }, b'\n') => return true,
            (Self::Trailer { line_bytes }, b'\n') => *line_bytes = 0,
            (Self::Trailer { .. }, b'\r') | (Self::Data { .. }, _) => {}
            (Self::Trailer { line_bytes }, _) => *line_bytes = line_bytes.saturating_add(1),
        }
        false
    }
}

fn looks_like_a_request(bytes: &[u8]) -> bool {
    let method = bytes.iter().take_while(|it| it.is_ascii_uppercase()).count();
    match bytes.get(method) {
        Some(b' ') => (3..=20).contains(&method) && !bytes.starts_with(b"PRI "),
        Some(_) => false,
        // Perhaps the beginning of one, from a client that writes byte by byte; parsing will tell.
        None => (1..=20).contains(&method),
    }
}

/// The answer of the link.
fn answer(status: u16, close: bool) -> Vec<u8> {
    let reason = match status {
        400 => "Bad Request",
        404 => "Not Found",
        408 => "Request Timeout",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Injected",
    };
    let connection = if close { "connection: close\r\n" } else { "" };
    let head =
        format!("HTTP/1.1 {status} {reason}\r\nx-evenkeel-fault: http-errors\r\n{connection}");
    // An answer without a body keeps `HEAD` requests in step, too.
    match status {
        204 | 304 => format!("{head}\r\n"),
        _ => format!("{head}content-length: 0\r\n\r\n"),
    }
    .into_bytes()
}

#[cfg(test)]
mod tests;
