//! One direction of a connection: segments on their way, each with the moment at which it may leave.
//!
//! A segment is stamped when it arrives and leaves at that moment plus the delay, in order. Many are
//! under way at a time, so a delay costs time and not throughput, up to the bound of the lane.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::toxic::{Allowance, Toxics};

/// What one direction may hold before its sender has to wait.
const LANE_BYTES_MAX: usize = 1024 * 1024;
/// Segments are small when a client writes byte by byte; their number is bounded, too.
const LANE_SEGMENTS_MAX: usize = 4096;

/// One direction.
#[derive(Debug)]
pub(crate) struct Lane {
    direction: usize,
    queue: VecDeque<Segment>,
    bytes: usize,
    /// No more comes in: the sender has closed its half.
    pub(crate) read_ended: bool,
    /// No more goes out: the receiver has been told.
    pub(crate) write_ended: bool,
    /// A segment that is due waits only for the receiver.
    pub(crate) wants_write: bool,
    /// Otherwise, when the next one may leave.
    pub(crate) next: Option<Instant>,
}

#[derive(Debug)]
struct Segment {
    arrived: Instant,
    due: Instant,
    data: Vec<u8>,
    sent: usize,
    noted: bool,
}

impl Lane {
    pub(crate) const fn new(direction: usize) -> Self {
        Self {
            direction,
            queue: VecDeque::new(),
            bytes: 0,
            read_ended: false,
            write_ended: false,
            wants_write: false,
            next: None,
        }
    }

    pub(crate) fn wants_read(&self) -> bool {
        !self.read_ended && self.bytes < LANE_BYTES_MAX && self.queue.len() < LANE_SEGMENTS_MAX
    }

    pub(crate) fn push(&mut self, data: Vec<u8>, now: Instant, delay: Duration) {
        if data.is_empty() {
            return;
        }
        self.bytes += data.len();
        self.enqueue(data, now, delay);
    }

    /// As [`push`](Self::push); what can leave at once is not even stored.
    pub(crate) fn pass(
        &mut self,
        bytes: &[u8],
        to: &TcpStream,
        toxics: &Toxics,
        now: Instant,
    ) -> io::Result<()> {
        let written = match self.queue.is_empty() && toxics.0.is_empty() {
            true => match to.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                written => written?,
            },
            false => 0,
        };
        self.push(bytes.get(written..).unwrap_or_default().to_vec(), now, Duration::ZERO);
        Ok(())
    }

    /// The sender's half is closed: so will be the receiver's, once all has arrived there.
    pub(crate) fn end(&mut self, now: Instant, delay: Duration) {
        if !self.read_ended {
            self.read_ended = true;
            self.enqueue(Vec::new(), now, delay);
        }
    }

    fn enqueue(&mut self, data: Vec<u8>, now: Instant, delay: Duration) {
        // In order: a small jitter does not overtake a large one.
        let earliest = self.queue.back().map_or(now, |it| it.due);
        let due = (now + delay).max(earliest);
        self.queue.push_back(Segment { arrived: now, due, data, sent: 0, noted: false });
    }

    /// Forgets what is on its way.
    pub(crate) fn clear(&mut self) -> usize {
        self.queue.clear();
        std::mem::take(&mut self.bytes)
    }

    /// Sends what is due and allowed. `true`: something moved.
    pub(crate) fn flush(
        &mut self,
        to: &TcpStream,
        toxics: &Toxics,
        now: Instant,
    ) -> io::Result<bool> {
        (self.wants_write, self.next) = (false, None);
        let mut moved = false;
        while let Some(segment) = self.queue.front_mut() {
            // Once a delay is lifted, what it held goes at once.
            if segment.due > now && toxics.has_latency() {
                self.next = Some(segment.due);
                break;
            }
            let left = segment.data.get(segment.sent..).unwrap_or_default();
            if left.is_empty() {
                rustix::net::shutdown(to, Shutdown::Write).or_else(|error| match error {
                    rustix::io::Errno::NOTCONN => Ok(()),
                    error => Err(error),
                })?;
                self.write_ended = true;
                self.queue.clear();
                return Ok(true);
            }
            let allowed = match toxics.allowance(self.direction, left.len(), now) {
                Allowance::Pass(bytes) => bytes,
                Allowance::Wait(then) => {
                    self.next = Some(then);
                    break;
                }
            };
            // Before the receiver can know, so that whoever asks after an answer finds it counted.
            if segment.due > segment.arrived && !std::mem::replace(&mut segment.noted, true) {
                toxics.delayed(now.saturating_duration_since(segment.arrived));
            }
            let written = match to.try_write(left.get(..allowed).unwrap_or_default()) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    toxics.give_back(self.direction, allowed);
                    self.wants_write = true;
                    break;
                }
                Err(error) => return Err(error),
            };
            toxics.give_back(self.direction, allowed - written);
            moved = true;
            segment.sent += written;
            self.bytes -= written;
            if segment.sent == segment.data.len() {
                self.queue.pop_front();
            }
        }
        Ok(moved)
    }
}
