//! Reads the answers of one connection, one at a time.
//!
//! It follows RFC 9112 §6.3 on where a body ends, and is strict: bytes that are not what they must be are
//! [`Malformed`], never skipped, since a load tool that resynchronises silently would call a broken answer
//! a good one.

use super::body::{Body, BodyStep};
use super::head::{self, Head};
use crate::protocol::Malformed;

/// The largest head of an answer.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What bytes of an answer mean.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// The head of the final answer; informational ones (1xx) are passed over. Its bytes are in the memo.
    Head {
        /// The status code.
        status: u16,
    },
    /// A piece of the body, without its framing.
    Body(&'a [u8]),
    /// The answer is whole.
    Done {
        /// Whether the connection may carry the next request.
        keep_alive: bool,
    },
}

/// The last head that came on any connection, byte by byte, and what it meant: servers repeat theirs, and
/// equal bytes mean the same.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    bytes: Vec<u8>,
    meaning: Option<Head>,
}

impl Memo {
    fn understand(&mut self, bytes: &[u8]) -> Result<Head, Malformed> {
        let head = Head::parse(bytes)?;
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.meaning = Some(head);
        Ok(head)
    }

    /// What the head at the front of `input` means, when it is the one that is known.
    fn recall(&self, input: &mut &[u8]) -> Option<Head> {
        let head = self.meaning?;
        *input = input.strip_prefix(self.bytes.as_slice())?;
        Some(head)
    }

    /// Where the first header begins, when there is one to be told.
    pub(super) fn first_header(&self, cookies: bool) -> Option<usize> {
        let wanted = !cookies || self.meaning.is_some_and(|it| it.sets_cookies);
        wanted.then(|| memchr::memchr(b'\n', &self.bytes).map_or(self.bytes.len(), |it| it + 1))
    }

    /// The header from `at` on; the next `set-cookie`, if only those are wanted.
    pub(super) fn header(&self, mut at: usize, cookies: bool) -> Option<Header> {
        loop {
            let begin = at;
            let line = self.bytes.get(begin..)?;
            let end = memchr::memchr(b'\n', line)?;
            at += end + 1;
            let colon = memchr::memchr(b':', &line[..end])?;
            if !cookies || line[..colon].eq_ignore_ascii_case(b"set-cookie") {
                return Some(Header { begin, colon: begin + colon, next: at });
            }
        }
    }

    /// Name and value of a header.
    pub(super) fn text(&self, header: &Header) -> (&[u8], &[u8]) {
        let Header { begin, colon, next } = *header;
        (&self.bytes[begin..colon], self.bytes[colon + 1..next].trim_ascii())
    }
}

/// Where in the head a header is.
pub(super) struct Header {
    begin: usize,
    colon: usize,
    /// Where the one after it begins.
    pub(super) next: usize,
}

/// Reads the answers of one connection.
#[derive(Debug, Default)]
pub(super) struct Reader {
    state: State,
    /// Whether the request was HEAD, whose answer has no body whatever its head says.
    without_body: bool,
    keep_alive: bool,
    /// The beginning of a head whose rest has not arrived yet.
    held: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Body(Body),
    Done,
}

impl Reader {
    /// Ready for the answer to the next request.
    pub(super) fn expect(&mut self, without_body: bool) {
        self.state = State::Head;
        self.without_body = without_body;
        self.held = Vec::new();
    }

    /// Reads on: takes bytes off the front of `input` and says what they mean. `None` when more bytes
    /// are needed; to be called again until then.
    pub(super) fn next<'i>(
        &mut self,
        memo: &mut Memo,
        input: &mut &'i [u8],
    ) -> Result<Option<Event<'i>>, Malformed> {
        loop {
            match &mut self.state {
                State::Head => {
                    let Some(head) = self.head(memo, input)? else { return Ok(None) };
                    if head.status < 200 {
                        // We never ask to change protocols, so 101 answers nothing we said.
                        if head.status == 101 {
                            return Err(Malformed);
                        }
                        continue;
                    }
                    self.keep_alive = head.keep_alive;
                    self.state = State::Body(head.body(self.without_body));
                    return Ok(Some(Event::Head { status: head.status }));
                }
                State::Body(body) => match body.next(input)? {
                    BodyStep::Data(data) => return Ok(Some(Event::Body(data))),
                    BodyStep::More => return Ok(None),
                    BodyStep::End => {
                        self.state = State::Done;
                        return Ok(Some(Event::Done { keep_alive: self.keep_alive }));
                    }
                },
                State::Done => return Ok(None),
            }
        }
    }

    /// How many of the next bytes are body.
    pub(super) fn unseen(&self) -> u64 {
        match self.state {
            State::Body(Body::Length(left)) => left,
            _ => 0,
        }
    }

    /// So many of the next bytes have been taken away.
    pub(super) fn pass_over(&mut self, bytes: u64) {
        if let State::Body(Body::Length(left)) = &mut self.state {
            *left = left.saturating_sub(bytes);
        }
    }

    /// Whether the answer was to end with the connection, or is whole already.
    pub(super) fn is_whole_at_end(&self) -> bool {
        matches!(self.state, State::Done | State::Body(Body::UntilClose))
    }

    /// A whole head, once it is there.
    fn head(&mut self, memo: &mut Memo, input: &mut &[u8]) -> Result<Option<Head>, Malformed> {
        if self.held.is_empty() {
            if let Some(head) = memo.recall(input) {
                return Ok(Some(head));
            }
            if let Some(length) = head::length(input, 0)? {
                let (bytes, rest) = input.split_at(length);
                *input = rest;
                return memo.understand(bytes).map(Some);
            }
        }
        let searched = self.held.len();
        // The limit holds for the head alone, not for what has arrived after it.
        let room = HEAD_BYTES_MAX + 1 - searched;
        let taken = input.len().min(room);
        self.held.extend_from_slice(&input[..taken]);
        let Some(length) = head::length(&self.held, searched)? else {
            *input = &input[taken..];
            return Ok(None);
        };
        *input = &input[length - searched..];
        let mut held = std::mem::take(&mut self.held);
        held.truncate(length);
        memo.understand(&held).map(Some)
    }
}
