//! HTTP/1.1, the client's side: [`request`] writes requests once, ahead of the load; [`Reader`] reads
//! answers.
//!
//! The reader follows RFC 9112 §6.3 on where a body ends, and is strict: bytes that are not what they
//! must be are [`Malformed`], never skipped, since a load tool that resynchronises silently would call
//! a broken answer a good one. Pipelining is deliberately absent: one request is under way at a time.

mod body;
mod head;
pub(crate) mod request;

#[cfg(test)]
mod tests;

use body::{Body, BodyStep};
use head::Head;

pub(crate) use request::{RequestError, encode};

/// The largest head of an answer.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What bytes of an answer mean.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// The head of the final answer; informational ones (1xx) are passed over.
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

/// The bytes are no HTTP/1.1 answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What the end of the connection means for the answer.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The answer was to end with the connection, and is whole.
    Whole,
    /// The answer is not whole.
    Broken,
}

/// Reads the answers of one connection, one at a time.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    state: State,
    /// Whether the request was HEAD, whose answer has no body whatever its head says.
    without_body: bool,
    keep_alive: bool,
    /// The beginning of a head whose rest has not arrived yet.
    held: Vec<u8>,
    /// The last head, byte by byte, and what it meant: servers repeat theirs, and equal bytes mean the
    /// same.
    memo: Option<(Vec<u8>, Head)>,
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
    pub(crate) fn expect(&mut self, without_body: bool) {
        self.state = State::Head;
        self.without_body = without_body;
        self.held.clear();
    }

    /// Reads on: takes bytes off the front of `input` and says what they mean. `None` when more bytes
    /// are needed; to be called again until then.
    pub(crate) fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<Event<'a>>, Malformed> {
        loop {
            match &mut self.state {
                State::Head => {
                    let Some(head) = self.head(input)? else { return Ok(None) };
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

    /// What it means that the connection ends here.
    pub(crate) fn end(&self) -> End {
        match self.state {
            State::Done | State::Body(Body::UntilClose) => End::Whole,
            State::Head | State::Body(_) => End::Broken,
        }
    }

    /// A whole head, once it is there.
    fn head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, Malformed> {
        if self.held.is_empty() {
            if let Some((bytes, head)) = &self.memo
                && let Some(rest) = input.strip_prefix(bytes.as_slice())
            {
                *input = rest;
                return Ok(Some(*head));
            }
            if let Some(length) = head::length(input, 0)? {
                let (bytes, rest) = input.split_at(length);
                *input = rest;
                return self.understand(bytes).map(Some);
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
        let head = self.understand(&held)?;
        held.clear();
        self.held = held;
        Ok(Some(head))
    }

    fn understand(&mut self, bytes: &[u8]) -> Result<Head, Malformed> {
        let head = Head::parse(bytes)?;
        let (memo, meaning) = self.memo.get_or_insert((Vec::new(), head));
        memo.clear();
        memo.extend_from_slice(bytes);
        *meaning = head;
        Ok(head)
    }
}
