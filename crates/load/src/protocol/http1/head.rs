//! The head of an answer: status line and headers, reduced to what decides how to read on.

use super::body::Body;
use super::reader::HEAD_BYTES_MAX;
use crate::protocol::Malformed;

/// More headers than any server sends.
const HEADERS_MAX: usize = 128;

/// What a head says about the rest.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) keep_alive: bool,
    /// Whether it has a `set-cookie`.
    pub(super) sets_cookies: bool,
    framing: Framing,
}

/// Where the body ends, as far as the head says.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// How long the head at the front of `bytes` is; `None` while its end is not there. The first
/// `searched` bytes are known not to hold it.
pub(super) fn length(bytes: &[u8], searched: usize) -> Result<Option<usize>, Malformed> {
    // What does not begin like HTTP is no HTTP, however long one waits for its end.
    let version = b"HTTP/1.";
    let shown = bytes.len().min(version.len());
    if bytes[..shown] != version[..shown] {
        return Err(Malformed);
    }
    let from = searched.saturating_sub(3);
    let end = memchr::memchr_iter(b'\n', &bytes[from..])
        .map(|at| from + at)
        .find(|&at| bytes[..at].ends_with(b"\n") || bytes[..at].ends_with(b"\n\r"));
    match end {
        Some(at) if at < HEAD_BYTES_MAX => Ok(Some(at + 1)),
        None if bytes.len() <= HEAD_BYTES_MAX => Ok(None),
        _ => Err(Malformed),
    }
}

impl Head {
    /// Reads a whole head.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) | Err(_) => return Err(Malformed),
        }
        let status = response.code.filter(|it| (100..=999).contains(it)).ok_or(Malformed)?;
        let mut keep_alive = response.version == Some(1);
        let mut length = None;
        let mut coded = false;
        let mut chunked = false;
        let mut sets_cookies = false;
        for header in &*response.headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                for item in items(header.value) {
                    let read = number(item).ok_or(Malformed)?;
                    if length.is_some_and(|it| it != read) {
                        return Err(Malformed);
                    }
                    length = Some(read);
                }
                length.ok_or(Malformed)?;
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                coded = true;
                if let Some(last) = items(header.value).last() {
                    chunked = last.eq_ignore_ascii_case(b"chunked");
                }
            } else if header.name.eq_ignore_ascii_case("set-cookie") {
                sets_cookies = true;
            } else if header.name.eq_ignore_ascii_case("connection") {
                for item in items(header.value) {
                    if item.eq_ignore_ascii_case(b"close") {
                        keep_alive = false;
                    } else if item.eq_ignore_ascii_case(b"keep-alive") {
                        keep_alive |= response.version == Some(0);
                    }
                }
            }
        }
        let framing = match (coded, chunked, length) {
            // Both at once is how requests are smuggled: believe the coding, and trust nothing after.
            (true, true, Some(_)) => {
                keep_alive = false;
                Framing::Chunked
            }
            (true, true, None) => Framing::Chunked,
            (true, false, _) | (false, _, None) => Framing::UntilClose,
            (false, _, Some(length)) => Framing::Length(length),
        };
        Ok(Self { status, keep_alive, sets_cookies, framing })
    }

    /// How to read the body that follows (RFC 9112 §6.3).
    pub(super) fn body(&self, without_body: bool) -> Body {
        if without_body || matches!(self.status, 204 | 304) {
            return Body::Length(0);
        }
        match self.framing {
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::chunked(),
            Framing::UntilClose => Body::UntilClose,
        }
    }
}

/// The items of a header that is a list.
fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&it| it == b',').map(<[u8]>::trim_ascii).filter(|it| !it.is_empty())
}

/// A number of digits alone; `u64::from_str` would also take a sign.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |sum, digit| {
        let digit = digit.checked_sub(b'0').filter(|it| *it < 10)?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
