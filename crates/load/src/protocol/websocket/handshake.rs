//! Handshake: a request of HTTP/1.1 that becomes a WebSocket (RFC 6455 §4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::Malformed;

/// The largest answer to it.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

const HEADERS_MAX: usize = 128;

/// What the server appends to the key, so that it shows to understand WebSocket.
const SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake that waits for its answer.
#[derive(Debug)]
pub(super) struct Handshake {
    /// What the server must say.
    accept: String,
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
    /// Appends the request for `path`. The key is to be random.
    pub(super) fn begin(host: &str, path: &str, key: [u8; 16], out: &mut Vec<u8>) -> Self {
        let key = STANDARD.encode(key);
        out.extend_from_slice(
            format!(
                "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: evenkeel/{}\r\n\
                 connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: {key}\r\n\r\n",
                env!("CARGO_PKG_VERSION")
            )
            .as_bytes(),
        );
        let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(SUFFIX).finalize());
        Self { accept, head: Vec::new() }
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
            && named("sec-websocket-protocol").all(<[u8]>::is_empty);
        right.then_some(()).ok_or(Malformed)
    }
}
