//! One stream of a connection: segments on their way, each with the moment at which it may leave.
//!
//! ```text
//! arrives ─▶ reset? lost? ─▶ limit ─▶ late until … ─▶ in pieces ─▶ bandwidth ─▶ leaves
//! the end ────────────────────────▶ late, and slow to close ──────────────────▶ arrives
//! ```
//!
//! A segment is stamped when it arrives and leaves at that moment plus the delay, in order. Many are
//! under way at a time, so a delay costs time and not throughput, up to the bound of the lane. Whatever
//! lies on the link acts in this order, whichever of it was laid first.
//!
//! On a stream on which nothing acts, what comes in large pieces flows through a pipe of the kernel instead
//! and is never copied. What is still in the pipe when something is laid becomes a segment like any other.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rustix::net::{SendFlags, Shutdown, send};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::bucket::Allowance;
use super::counts::Counts;
use super::dose::Doses;
use super::http::Piece;
use super::pipe::Pipe;
use super::toxic::{Stream, Toxics};

/// What one stream may hold before its sender has to wait.
const LANE_BYTES_MAX: usize = 1024 * 1024;
/// Segments are small when a client writes byte by byte; their number is bounded, too.
const LANE_SEGMENTS_MAX: usize = 4096;
/// Less than this at a time is copied faster than it is led through a pipe.
const FLOW_BYTES_MIN: usize = 32 * 1024;

/// One stream.
#[derive(Debug)]
pub(crate) struct Lane {
    doses: Doses,
    /// What flows, before all segments; nothing comes in until it is empty.
    pipe: Option<Pipe>,
    /// How much came last, which is what to expect next.
    came: usize,
    queue: VecDeque<Segment>,
    bytes: usize,
    end: Option<End>,
    /// When the connection is reset because of data that came, and where that is counted.
    doomed: Option<(Instant, Arc<Counts>)>,
    /// No more comes in: the sender has closed its half.
    pub(crate) read_ended: bool,
    /// No more goes out: the receiver has been told.
    pub(crate) write_ended: bool,
    /// A segment that is due waits only for the receiver.
    pub(crate) wants_write: bool,
    /// Otherwise, when there is something to do again.
    pub(crate) next: Option<Instant>,
}

#[derive(Debug)]
struct Segment {
    arrived: Instant,
    due: Instant,
    data: Vec<u8>,
    sent: usize,
    noted: bool,
    /// Where it counts that it is late on purpose.
    counts: Vec<Arc<Counts>>,
}

/// What comes after the last segment.
#[derive(Copy, Clone, Debug)]
struct End {
    due: Instant,
    /// When it may arrive that is slow to close.
    lingers: Instant,
    why: Why,
}

/// Why a stream ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Why {
    /// Its sender has said all, and all of it was read.
    Said,
    /// Whatever its sender still says, nobody listens.
    Deaf,
    /// The same, and it takes the other stream along.
    Cut,
}

impl Lane {
    pub(crate) const fn new(stream: Stream) -> Self {
        Self {
            doses: Doses::new(stream),
            pipe: None,
            came: 0,
            queue: VecDeque::new(),
            bytes: 0,
            end: None,
            doomed: None,
            read_ended: false,
            write_ended: false,
            wants_write: false,
            next: None,
        }
    }

    pub(crate) fn wants_read(&self) -> bool {
        let has_room = self.bytes < LANE_BYTES_MAX && self.queue.len() < LANE_SEGMENTS_MAX;
        has_room && !self.read_ended && self.doomed.is_none() && self.pipe.is_none()
    }

    /// Takes in what lies on the link now.
    pub(crate) fn see(
        &mut self,
        toxics: &Toxics,
        now: Instant,
        rng: &mut ChaCha8Rng,
    ) -> io::Result<()> {
        let before = self.doses.swallows(0, now);
        self.doses.see(toxics, now, rng);
        match (before, self.doses.swallows(0, now)) {
            (false, true) => drop(self.clear()),
            // The stream has a hole in it, or its sender and its receiver must think so.
            (true, false) => self.cut(now),
            (false, false) | (true, true) => {}
        }
        if self.doses.act()
            && let Some(pipe) = self.pipe.take()
        {
            let data = pipe.into_bytes()?;
            self.bytes += data.len();
            let counts = Vec::new();
            let segment = Segment { arrived: now, due: now, data, sent: 0, noted: false, counts };
            self.queue.push_front(segment);
        }
        Ok(())
    }

    /// Whether what comes next may flow: there is much of it, and nothing of ours is to see it.
    pub(crate) fn flows(&self) -> bool {
        self.came >= FLOW_BYTES_MIN && self.queue.is_empty() && !self.doses.act()
    }

    /// Whether its sender has closed its half and its receiver knows.
    pub(crate) fn is_over(&self) -> bool {
        self.write_ended && self.end.is_some_and(|it| it.why == Why::Said)
    }

    /// Lets in what has come, and flows; 0 at the end of the stream. [`flush`](Self::flush) lets it out.
    pub(crate) fn flow(&mut self, from: &TcpStream) -> io::Result<usize> {
        let Ok(mut pipe) = Pipe::take() else {
            // Out of descriptors, most likely. The next turn reads instead, which needs none.
            self.came = 0;
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let filled = pipe.fill(from);
        match pipe.bytes() {
            0 => pipe.give_back(),
            _ => self.pipe = Some(pipe),
        }
        self.came = filled?;
        Ok(self.came)
    }

    /// Lets out what flows. `None`: the receiver has no room for all of it. `true`: something moved.
    fn drain(&mut self, to: &TcpStream) -> io::Result<Option<bool>> {
        let Some(mut pipe) = self.pipe.take() else { return Ok(Some(false)) };
        while pipe.bytes() > 0 {
            match pipe.empty(to) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    (self.pipe, self.wants_write) = (Some(pipe), true);
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        pipe.give_back();
        Ok(Some(true))
    }

    /// Whether bytes that arrive get any further.
    pub(crate) fn admits(&mut self, bytes: usize, now: Instant) -> bool {
        if bytes == 0 {
            return true;
        }
        if self.doomed.is_none()
            && let Some((after, laid)) = self.doses.reset()
        {
            self.doomed = Some((now + after, laid.counts.clone()));
        }
        self.doomed.is_none() && !self.doses.swallows(bytes, now)
    }

    /// Puts bytes on their way; none are nothing, and not the end.
    pub(crate) fn push(&mut self, data: Vec<u8>, now: Instant, rng: &mut ChaCha8Rng) {
        self.push_late(Piece { bytes: data, ..Piece::default() }, now, rng);
    }

    /// As [`push`](Self::push), and late by some time more.
    pub(crate) fn push_late(&mut self, piece: Piece, now: Instant, rng: &mut ChaCha8Rng) {
        let Piece { bytes: mut data, late, counts } = piece;
        if data.is_empty() || self.end.is_some() {
            return;
        }
        let (passes, is_last) = self.doses.limit(data.len());
        data.truncate(passes);
        if !data.is_empty() {
            self.bytes += data.len();
            let due = self.due(now, self.doses.delay(rng).saturating_add(late));
            let segment = Segment { arrived: now, due, data, sent: 0, noted: false, counts };
            self.queue.push_back(segment);
        }
        if is_last {
            self.cut(now);
        }
    }

    /// As [`push`](Self::push); what can leave at once is not even stored.
    pub(crate) fn pass(
        &mut self,
        bytes: &[u8],
        to: &TcpStream,
        now: Instant,
        rng: &mut ChaCha8Rng,
    ) -> io::Result<()> {
        let written = match self.queue.is_empty() && !self.doses.act() {
            true => match self.write(bytes, to) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                written => written?,
            },
            false => 0,
        };
        self.came = bytes.len();
        self.push(bytes.get(written..).unwrap_or_default().to_vec(), now, rng);
        Ok(())
    }

    /// A receiver that is new has room, though the runtime has not heard so yet.
    fn write(&self, bytes: &[u8], to: &TcpStream) -> io::Result<usize> {
        match to.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.came == 0 => {
                Ok(send(to, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
            }
            written => written,
        }
    }

    /// The sender's half is closed: so will be the receiver's, once all has arrived there.
    pub(crate) fn hear_end(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        let due = self.due(now, self.doses.delay(rng));
        self.end_at(due, now, Why::Said);
    }

    /// No more comes: the receiver's half is closed once all has arrived there.
    pub(crate) fn end(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        let due = self.due(now, self.doses.delay(rng));
        self.end_at(due, now, Why::Deaf);
    }

    /// Closes the connection once what is on its way has arrived.
    fn cut(&mut self, now: Instant) {
        let due = self.due(now, Duration::ZERO);
        self.end_at(due, now, Why::Cut);
    }

    /// Ends with the other stream, when that was cut. `true`: it does.
    pub(crate) fn follow(&mut self, other: &Self, now: Instant, rng: &mut ChaCha8Rng) -> bool {
        let is_cut = other.write_ended && other.end.is_some_and(|it| it.why == Why::Cut);
        if is_cut && self.end.is_none() {
            self.end(now, rng);
            return true;
        }
        false
    }

    fn end_at(&mut self, due: Instant, now: Instant, why: Why) {
        self.read_ended = true;
        let lingers = now.checked_add(self.doses.slow_close().unwrap_or_default()).unwrap_or(now);
        let end = self.end.get_or_insert(End { due, lingers, why });
        if why == Why::Cut {
            end.why = why;
        }
    }

    /// When what comes now may leave.
    fn due(&self, now: Instant, delay: Duration) -> Instant {
        // In order: a small jitter does not overtake a large one.
        (now + delay).max(self.queue.back().map_or(now, |it| it.due))
    }

    /// Forgets what is on its way.
    pub(crate) fn clear(&mut self) -> usize {
        let flowing = self.pipe.take().map_or(0, |it| it.bytes());
        self.queue.clear();
        std::mem::take(&mut self.bytes) + flowing
    }

    /// Keeps what is on its way, and sees whether the connection is to be reset or closed by now.
    pub(crate) fn hold(&mut self, now: Instant) -> io::Result<()> {
        (self.wants_write, self.next) = (false, None);
        if let Some((then, counts)) = &self.doomed {
            let then = *then;
            if then <= now {
                counts.reset.fetch_add(1, Ordering::Relaxed);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            self.wait(then);
        }
        if self.end.is_none()
            && let Some(then) = self.doses.deadline()
        {
            match then <= now {
                true => self.cut(now),
                false => self.wait(then),
            }
        }
        Ok(())
    }

    /// Sends what is due and allowed. `true`: something moved. `closes`: once this ends, the receiver is closed.
    pub(crate) fn flush(
        &mut self,
        to: &TcpStream,
        now: Instant,
        rng: &mut ChaCha8Rng,
        closes: bool,
    ) -> io::Result<bool> {
        self.hold(now)?;
        let Some(mut moved) = self.drain(to)? else { return Ok(false) };
        while let Some(segment) = self.queue.front_mut() {
            // Once a delay is lifted, what it held goes at once.
            if segment.due > now && self.doses.has_latency() {
                let due = segment.due;
                self.wait(due);
                return Ok(moved);
            }
            let left = segment.data.get(segment.sent..).unwrap_or_default();
            let allowed = match self.doses.slice(left.len(), now, rng) {
                Allowance::Pass(bytes) => self.doses.allowance(bytes, now),
                wait @ Allowance::Wait(_) => wait,
            };
            let allowed = match allowed {
                Allowance::Pass(bytes) => bytes,
                Allowance::Wait(then) => {
                    self.wait(then);
                    return Ok(moved);
                }
            };
            // Before the receiver can know, so that whoever asks after an answer finds it counted.
            if segment.due > segment.arrived && !std::mem::replace(&mut segment.noted, true) {
                let late = now.saturating_duration_since(segment.arrived);
                self.doses.delayed(late);
                segment.counts.iter().for_each(|it| it.delayed(late));
            }
            let written = match to.try_write(left.get(..allowed).unwrap_or_default()) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.doses.give_back(allowed);
                    self.wants_write = true;
                    return Ok(moved);
                }
                Err(error) => return Err(error),
            };
            self.doses.give_back(allowed - written);
            moved = true;
            segment.sent += written;
            self.bytes -= written;
            let ended = segment.sent == segment.data.len();
            if ended {
                self.queue.pop_front();
            }
            self.doses.sliced(written, ended, now);
        }
        Ok(self.finish(to, now, closes)? || moved)
    }

    /// Tells the receiver of the end, when it is time. `true`: it was.
    fn finish(&mut self, to: &TcpStream, now: Instant, closes: bool) -> io::Result<bool> {
        let Some(end) = self.end.filter(|_| !self.write_ended) else { return Ok(false) };
        // Here, too: what is lifted holds nothing up any more.
        let late = self.doses.has_latency().then_some(end.due);
        let slow = self.doses.slow_close().map(|_| end.lingers);
        if let Some(then) = late.max(slow).filter(|it| *it > now) {
            self.wait(then);
            return Ok(false);
        }
        // A socket that is closed with nothing unread says the same.
        if !closes {
            rustix::net::shutdown(to, Shutdown::Write).or_else(|error| match error {
                rustix::io::Errno::NOTCONN => Ok(()),
                error => Err(error),
            })?;
        }
        self.write_ended = true;
        Ok(true)
    }

    /// There is something to do at this moment, if not before.
    fn wait(&mut self, then: Instant) {
        self.next = Some(self.next.map_or(then, |it| it.min(then)));
    }
}
