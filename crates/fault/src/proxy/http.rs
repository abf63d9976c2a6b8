//! Exchanges on a link: requests and their answers, so that something can be done to a share of them.
//!
//! ```text
//!  bytes of a client ─▶ Head ─ whole head ─▶ Body ─ end ─▶ Head …    forwarded, changed, or thrown away
//!                              │ one exchange each, in order
//!                              ▼
//!                        exchanges that wait for their answer
//!                              │ the first of them
//!  to the client ◀─ Head ◀─ end ─ Body ◀─ whole head ─ bytes of the dependency    passed, late, changed, cut
//! ```
//!
//! An exchange is hit, or not, when its request comes. Answers of ours take their turn among those of the dependency, so
//! pipelined requests are hit as well. Bodies pass as they come; only one into which JSON is merged is gathered.
//!
//! Without a fault nothing is parsed. A fault that begins finds connections in the middle of their life; it joins at the
//! first bytes that follow an answer and look like a request, which is where a request begins when requests are not
//! pipelined. When it ends, what has been begun (an answer of other length, a request that is thrown away) is carried
//! through, and nothing else is done. Then we step aside.
//!
//! Limits: HTTP/1.0 and 1.1 in the clear; heads up to 64 KiB and 128 headers. HTTP/2, TLS and all else pass untouched,
//! and such connections are counted. A request that asks for another protocol is not hit; once the dependency agrees to
//! it, or to a tunnel, the connection passes untouched.

mod body;
mod head;
mod hit;
mod rewrite;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::document::{Amid, BodyChange};

use self::body::Body;
use self::head::{Answered, Asked, Found};
use self::hit::{Hit, tell_foreign};
use self::rewrite::Rewriting;
use super::counts::Counts;
use super::toxic::Toxics;

pub use self::hit::{Act, Http};

/// A client that asks for more at a time, without waiting for answers, is not followed.
const EXCHANGES_MAX: usize = 1024;

/// What goes on between a client and a dependency.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    up: Up,
    down: Down,
    /// Those whose answer has not begun, in order.
    waiting: VecDeque<Exchange>,
    /// Toxics that know that this connection is not followed.
    told: Vec<usize>,
}

/// Where in the client's stream we are.
#[derive(Debug, Default)]
enum Up {
    /// Nothing is parsed, until a request can be recognized.
    #[default]
    Aside,
    Head(Vec<u8>),
    Body {
        body: Body,
        thrown_away: bool,
    },
    /// Nothing is parsed any more.
    Tunnel,
    /// Nothing is listened to any more: the connection ends after an answer.
    Deaf,
}

/// Where in the dependency's stream we are.
#[derive(Debug, Default)]
enum Down {
    #[default]
    Aside,
    Head(Vec<u8>),
    Body {
        body: Body,
        rewriting: Rewriting,
        late: Duration,
    },
    /// So much still passes, of a length or else of what comes next; then the connection ends.
    Cut {
        left: Option<u64>,
        hit: Hit,
        late: Duration,
    },
}

/// A request whose answer has not begun.
#[derive(Debug, Default)]
struct Exchange {
    method: String,
    hits: Vec<Hit>,
    /// The dependency knows nothing of it.
    ours: Option<Ours>,
}

/// What the link does in place of the dependency.
#[derive(Debug)]
struct Ours {
    /// `None`: it closes the connection.
    answer: Option<Vec<u8>>,
    closes: bool,
    hit: Hit,
}

/// What becomes of bytes that have arrived.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// They go on to the dependency.
    pub(crate) up: Vec<u8>,
    /// The client gets these.
    pub(crate) down: Vec<Piece>,
    /// The connection ends after them.
    pub(crate) close: bool,
}

/// Bytes for the client.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    /// How late.
    pub(crate) late: Duration,
    /// Where that is counted.
    pub(crate) counts: Vec<Arc<Counts>>,
}

impl Sorted {
    fn pass(&mut self, bytes: Vec<u8>, late: Duration) {
        if !bytes.is_empty() {
            self.down.push(Piece { bytes, late, counts: Vec::new() });
        }
    }
}

impl Exchanges {
    /// Whether bytes have to go through us, fault or not: something has begun.
    pub(crate) fn is_within(&self) -> bool {
        match self.up {
            Up::Aside => false,
            Up::Tunnel => !matches!(self.down, Down::Aside),
            Up::Head(_) | Up::Body { .. } | Up::Deaf => true,
        }
    }

    /// Steps aside, when no fault lies on the link any more, at a place where that harms nobody. What has been held back
    /// goes on to the dependency.
    pub(crate) fn leave(&mut self) -> Vec<u8> {
        let is_idle =
            self.waiting.is_empty() && matches!(&self.down, Down::Head(head) if head.is_empty());
        match &mut self.up {
            Up::Head(head) if is_idle => {
                let head = std::mem::take(head);
                (self.up, self.down) = (Up::Aside, Down::Aside);
                head
            }
            _ => Vec::new(),
        }
    }

    /// Sorts bytes of the client. `quiet`: every request so far seems to have its answer.
    pub(crate) fn request(&mut self, mut bytes: &[u8], quiet: bool, toxics: &Toxics) -> Sorted {
        let mut sorted = Sorted::default();
        if matches!(self.up, Up::Aside) && quiet {
            match looks_like_a_request(bytes) {
                true => (self.up, self.down) = (Up::Head(Vec::new()), Down::Head(Vec::new())),
                false => tell_foreign(toxics, &mut self.told),
            }
        }
        while !bytes.is_empty() {
            match &mut self.up {
                Up::Aside | Up::Tunnel => {
                    if matches!(self.up, Up::Tunnel) {
                        tell_foreign(toxics, &mut self.told);
                    }
                    sorted.up.extend_from_slice(bytes);
                    bytes = &[];
                }
                Up::Deaf => bytes = &[],
                Up::Body { body, thrown_away } => {
                    let (taken, ended) = body.take(bytes, |_| {});
                    let (part, rest) = bytes.split_at(taken);
                    if !*thrown_away {
                        sorted.up.extend_from_slice(part);
                    }
                    bytes = rest;
                    if ended {
                        self.up = Up::Head(Vec::new());
                    }
                }
                Up::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(bytes);
                    match head::asked(head) {
                        Found::Whole(asked, length) if self.waiting.len() < EXCHANGES_MAX => {
                            bytes = bytes.get(length - before..).unwrap_or_default();
                            head.truncate(length);
                            let head = std::mem::take(head);
                            self.begin(head, asked, toxics, &mut sorted);
                        }
                        Found::Part => bytes = &[],
                        Found::Whole(..) | Found::Foreign => {
                            sorted.up.append(head);
                            tell_foreign(toxics, &mut self.told);
                            self.tunnel();
                            bytes = &[];
                        }
                    }
                }
            }
        }
        self.settle(toxics, &mut sorted);
        sorted
    }

    /// Sorts bytes of the dependency; none: there are no more.
    pub(crate) fn answer(&mut self, mut bytes: &[u8], toxics: &Toxics) -> Sorted {
        let mut sorted = Sorted::default();
        if bytes.is_empty() {
            self.end(&mut sorted);
        }
        while !bytes.is_empty() && !sorted.close {
            match &mut self.down {
                Down::Aside => {
                    sorted.pass(bytes.to_vec(), Duration::ZERO);
                    bytes = &[];
                }
                Down::Body { body, rewriting, late } => {
                    let (mut out, late) = (Vec::new(), *late);
                    let (taken, ended) = rewriting.take(bytes, body, &mut out);
                    bytes = bytes.get(taken..).unwrap_or_default();
                    if ended {
                        std::mem::replace(rewriting, Rewriting::Nothing).end(&mut out);
                    }
                    sorted.pass(out, late);
                    if ended {
                        self.next(toxics, &mut sorted);
                    }
                }
                Down::Cut { left, hit, late } => {
                    let passes = left.map_or(bytes.len() / 2, |it| {
                        usize::try_from(it).unwrap_or(usize::MAX).min(bytes.len())
                    });
                    let late = *late;
                    *left = left.map(|it| it - passes as u64);
                    let is_last = left.is_none_or(|it| it == 0);
                    if is_last {
                        hit.count();
                    }
                    sorted.pass(bytes.get(..passes).unwrap_or_default().to_vec(), late);
                    bytes = &[];
                    if is_last {
                        self.close(&mut sorted);
                    }
                }
                Down::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(bytes);
                    match head::answered(head) {
                        Found::Whole(answered, length) => {
                            bytes = bytes.get(length - before..).unwrap_or_default();
                            head.truncate(length);
                            let head = std::mem::take(head);
                            self.answered(head, answered, toxics, &mut sorted);
                        }
                        Found::Part => bytes = &[],
                        Found::Foreign => {
                            let head = std::mem::take(head);
                            sorted.pass(head, Duration::ZERO);
                            bytes = &[];
                            tell_foreign(toxics, &mut self.told);
                            self.abandon(&mut sorted);
                        }
                    }
                }
            }
        }
        sorted
    }

    /// A request has come as far as its body.
    fn begin(&mut self, head: Vec<u8>, asked: Asked, toxics: &Toxics, sorted: &mut Sorted) {
        let mut hits = Hit::all(toxics, &asked, !asked.leaves_http);
        let answers = hits.iter().position(|it| {
            matches!(it.act(toxics), Some(Act::Answer { .. } | Act::Abort { amid: Amid::Request }))
        });
        let ours = answers.map(|at| hits.remove(at)).and_then(|hit| {
            let answer = match *hit.act(toxics)? {
                Act::Answer { status } => Some(head::ours(status, asked.closes)),
                _ => None,
            };
            Some(Ours { closes: asked.closes || answer.is_none(), answer, hit })
        });
        if ours.is_none() {
            sorted.up.extend(changed(head, &asked, &hits, toxics));
        }
        self.up = match &ours {
            Some(it) if it.closes => Up::Deaf,
            _ if asked.body.is_none() => Up::Head(Vec::new()),
            _ => Up::Body { body: asked.body, thrown_away: ours.is_some() },
        };
        self.waiting.push_back(Exchange { method: asked.method, hits, ours });
    }

    /// An answer has come as far as its body.
    fn answered(
        &mut self,
        head: Vec<u8>,
        mut answered: Answered,
        toxics: &Toxics,
        sorted: &mut Sorted,
    ) {
        let opens = |it: &Exchange| it.method == "CONNECT" && (200..300).contains(&answered.status);
        if answered.status == 101 || self.waiting.front().is_some_and(opens) {
            sorted.pass(head, Duration::ZERO);
            return self.abandon(sorted);
        }
        if answered.status < 200 {
            return sorted.pass(head, Duration::ZERO);
        }
        // One that nobody asked for says that the connection ends.
        let Exchange { method, mut hits, .. } = self.waiting.pop_front().unwrap_or_default();
        let is_head = method == "HEAD";
        if is_head {
            answered.body = Body::NONE;
        }
        hits.retain(|it| it.act(toxics).is_some());
        let (late, counts) = lateness(&hits, toxics);
        let aborts = |it: &Hit| matches!(it.act(toxics), Some(Act::Abort { .. }));
        let (mut out, body) = (head, answered.body.clone());
        if let Some(at) = hits.iter().position(aborts) {
            let hit = hits.remove(at);
            let left = match body {
                Body::Length(bytes) => Some(bytes / 2),
                Body::Chunks(_) | Body::Rest => None,
            };
            if body.is_none() {
                out.truncate(out.len() / 2);
            }
            sorted.down.push(Piece { bytes: out, late, counts });
            if left == Some(0) {
                hit.count();
                return self.close(sorted);
            }
            self.down = Down::Cut { left, hit, late };
            return;
        }
        let changes = hits.iter().filter_map(|it| match it.act(toxics) {
            Some(Act::Change { response, .. }) if !response.is_nothing() => {
                Some((response, &it.counts))
            }
            _ => None,
        });
        let mut changes = changes.peekable();
        let rewriting = match changes.peek() {
            None => Rewriting::Nothing,
            Some(_) => {
                out.clear();
                Rewriting::begin(changes, &mut answered, is_head, &mut out)
            }
        };
        let is_over = body.is_none();
        self.down = Down::Body { body, rewriting, late };
        if is_over && let Down::Body { rewriting, .. } = std::mem::take(&mut self.down) {
            rewriting.end(&mut out);
        }
        sorted.down.push(Piece { bytes: out, late, counts });
        if is_over {
            self.next(toxics, sorted);
        }
    }

    /// An answer is over.
    fn next(&mut self, toxics: &Toxics, sorted: &mut Sorted) {
        self.down = match (&self.up, self.waiting.is_empty()) {
            (Up::Tunnel, true) => Down::Aside,
            _ => Down::Head(Vec::new()),
        };
        self.settle(toxics, sorted);
    }

    /// Gives answers of ours whose turn it is.
    fn settle(&mut self, toxics: &Toxics, sorted: &mut Sorted) {
        let is_between = matches!(&self.down, Down::Head(head) if head.is_empty());
        while is_between
            && !sorted.close
            && let Some(Exchange { hits, ours, .. }) =
                self.waiting.pop_front_if(|it| it.ours.is_some())
            && let Some(ours) = ours
        {
            ours.hit.count();
            let (late, counts) = lateness(&hits, toxics);
            let bytes = ours.answer.unwrap_or_default();
            sorted.down.push(Piece { bytes, late, counts });
            if ours.closes {
                self.close(sorted);
            }
        }
    }

    /// The dependency says no more.
    fn end(&mut self, sorted: &mut Sorted) {
        let mut out = Vec::new();
        let mut after = Duration::ZERO;
        match &mut self.down {
            Down::Head(head) => out.append(head),
            Down::Body { body, rewriting, late } => {
                after = *late;
                let whole = *body == Body::Rest;
                let rewriting = std::mem::replace(rewriting, Rewriting::Nothing);
                match whole {
                    true => rewriting.end(&mut out),
                    false => rewriting.give_up(&mut out),
                }
            }
            Down::Aside | Down::Cut { .. } => {}
        }
        sorted.pass(out, after);
    }

    /// From here on this is something else than requests and answers.
    fn abandon(&mut self, sorted: &mut Sorted) {
        let is_owed = self.waiting.iter().any(|it| it.ours.is_some());
        match &mut self.up {
            // Somebody waits for what can never come.
            _ if is_owed => return self.close(sorted),
            Up::Body { thrown_away: true, .. } | Up::Deaf => return self.close(sorted),
            Up::Head(head) => sorted.up.append(head),
            Up::Aside | Up::Body { .. } | Up::Tunnel => {}
        }
        self.waiting.clear();
        (self.up, self.down) = (Up::Tunnel, Down::Aside);
    }

    /// What the client says passes; answers that are waited for are still followed.
    fn tunnel(&mut self) {
        self.up = Up::Tunnel;
        if self.waiting.is_empty() && matches!(&self.down, Down::Head(head) if head.is_empty()) {
            self.down = Down::Aside;
        }
    }

    fn close(&mut self, sorted: &mut Sorted) {
        (self.up, self.down) = (Up::Deaf, Down::Aside);
        self.waiting.clear();
        sorted.close = true;
    }
}

/// How late an answer is, and where that is counted.
fn lateness(hits: &[Hit], toxics: &Toxics) -> (Duration, Vec<Arc<Counts>>) {
    let delays = |it: &&Hit| matches!(it.act(toxics), Some(Act::Delay { .. }));
    let late = hits.iter().filter(delays).map(|it| it.late).sum();
    (late, hits.iter().filter(delays).map(|it| it.counts.clone()).collect())
}

/// The head of a request as it goes on.
fn changed(head: Vec<u8>, asked: &Asked, hits: &[Hit], toxics: &Toxics) -> Vec<u8> {
    let mut lines = None;
    for hit in hits {
        let Some(Act::Change { request, response }) = hit.act(toxics) else { continue };
        if !request.is_nothing() {
            lines.get_or_insert_with(|| asked.lines.clone()).change(request);
            hit.count();
        }
        // Nothing can be merged into an answer that is compressed.
        if matches!(response.body, Some(BodyChange::Merge(_))) {
            lines.get_or_insert_with(|| asked.lines.clone()).remove("accept-encoding");
        }
    }
    lines.map_or(head, |it| it.to_bytes())
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

#[cfg(test)]
mod tests;
