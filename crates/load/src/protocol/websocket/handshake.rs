//! Handshake: a request of HTTP/1.1 that becomes a WebSocket (RFC 6455 §4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::Malformed;
use crate::protocol::CallError;
use crate::protocol::text::{fits_header, fits_path, is_token};
use crate::target::{Opening, Target};

/// The largest answer to it.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

const HEADERS_MAX: usize = 128;

/// What the server appends to the key, so that it shows to understand WebSocket.
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Where subprotocols are offered, and chosen.
const PROTOCOL: &str = "sec-websocket-protocol";

/// Whether a WebSocket can be asked for there.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|it| fits_path(it) && it != b'#')
}

/// Whether it can be the name of a header, or of a subprotocol.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token)
}

/// Whether a header may be sent with the opening.
pub(crate) fn check_header(name: &str, value: &str) -> Result<(), CallError> {
    let lower = name.to_ascii_lowercase();
    let ours = ["host", "connection", "upgrade", "content-length", "transfer-encoding"];
    if !is_name(name) {
        return Err(CallError::HeaderName { name: name.to_owned() });
    }
    if ours.contains(&&*lower) || lower.starts_with("sec-websocket-") {
        return Err(CallError::HeaderOurs { name: name.to_owned() });
    }
    match value.bytes().all(fits_header) {
        true => Ok(()),
        false => Err(CallError::HeaderValue { name: name.to_owned() }),
    }
}

/// A handshake that waits for its answer.
#[derive(Debug)]
pub(super) struct Handshake {
    /// What the server must say.
    accept: String,
    /// What was offered.
    protocols: Vec<String>,
    head: Vec<u8>,
}

/// How it went.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// More bytes are needed.
    More,
    /// It is a WebSocket now.
    Accepted,
    /// The server has answered with another status.
    Refused,
}

impl Handshake {
    /// Appends the request for the path of `target`. The key is to be random.
    pub(super) fn begin(target: &Target, key: [u8; 16], out: &mut Vec<u8>) -> Self {
        let key = STANDARD.encode(key);
        let Target { host, opening: Opening { path, headers, protocols }, .. } = target;
        let path = path.as_ref().unwrap_or(&target.path);
        out.extend_from_slice(
            format!(
                "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n",
            )
            .as_bytes(),
        );
        let mut line = |name: &str, value: &str| {
            out.extend([name, ": ", value, "\r\n"].into_iter().flat_map(str::bytes));
        };
        if !headers.iter().any(|(it, _)| it.eq_ignore_ascii_case("user-agent")) {
            line("user-agent", concat!("evenkeel/", env!("CARGO_PKG_VERSION")));
        }
        headers.iter().for_each(|(name, value)| line(name, value));
        if !protocols.is_empty() {
            line(PROTOCOL, &protocols.join(", "));
        }
        out.extend_from_slice(b"\r\n");
        let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(SUFFIX).finalize());
        Self { accept, protocols: protocols.clone(), head: Vec::new() }
    }

    /// Takes the answer off the front of `input`.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<Outcome, Malformed> {
        let from = self.head.len();
        let taken = input.len().min(HEAD_BYTES_MAX - from);
        self.head.extend_from_slice(&input[..taken]);
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut answer = httparse::Response::new(&mut headers);
        let length = match answer.parse(&self.head).map_err(|_| Malformed)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial if self.head.len() == HEAD_BYTES_MAX => {
                return Err(Malformed);
            }
            httparse::Status::Partial => {
                *input = &input[taken..];
                return Ok(Outcome::More);
            }
        };
        *input = &input[length - from..];
        match answer.code {
            Some(101) => self.check(answer.headers).map(|()| Outcome::Accepted),
            // We offer nothing that could be continued.
            Some(..=199) | None => Err(Malformed),
            Some(_) => Ok(Outcome::Refused),
        }
    }

    fn check(&self, headers: &[httparse::Header<'_>]) -> Result<(), Malformed> {
        let named = |name: &'static str| {
            headers.iter().filter(move |it| it.name.eq_ignore_ascii_case(name)).map(|it| it.value)
        };
        let says = |name, item: &str| {
            named(name)
                .flat_map(|it| it.split(|byte| *byte == b','))
                .any(|it| it.trim_ascii().eq_ignore_ascii_case(item.as_bytes()))
        };
        let accepts: Vec<&[u8]> = named("sec-websocket-accept").collect();
        let right = accepts == [self.accept.as_bytes()]
            && says("upgrade", "websocket")
            && says("connection", "upgrade")
            && named("sec-websocket-extensions").all(<[u8]>::is_empty)
            && self.chooses(named(PROTOCOL));
        right.then_some(()).ok_or(Malformed)
    }

    /// Whether the server has chosen one of the subprotocols, or none where none was offered.
    fn chooses<'a>(&self, mut said: impl Iterator<Item = &'a [u8]>) -> bool {
        match (said.find(|it| !it.is_empty()), &*self.protocols) {
            (None, []) => true,
            (None, _) => false,
            (Some(chosen), offered) => {
                offered.iter().any(|it| it.as_bytes() == chosen) && said.all(<[u8]>::is_empty)
            }
        }
    }
}
