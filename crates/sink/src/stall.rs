//! Stall: a server that takes its time, and once stands still; it writes down what its clients should have seen.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_units::{Clock as _, Moment, SystemClock};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;
use serde_json::json;

use crate::http1::{Asked, Http1, Pages};
use crate::serving::{BATCH, is_passing, listener, send};

const LISTENER: u64 = u64::MAX;
const STDIN: u64 = u64::MAX - 1;
const READ_BYTES: usize = 64 * 1024;

/// How the server behaves.
#[derive(Copy, Clone)]
pub(crate) struct Course {
    /// How long an answer takes.
    pub(crate) service: Duration,
    /// When it stands still, after the first request.
    pub(crate) at: Duration,
    pub(crate) length: Duration,
}

impl Course {
    /// When a request is answered that came `arrived` after the first.
    fn answered(&self, arrived: Duration) -> Duration {
        let due = arrived + self.service;
        match due >= self.at && due < self.at + self.length {
            true => self.at + self.length,
            false => due,
        }
    }
}

/// A request that is not answered yet.
struct Waiting {
    connection: usize,
    asked: Asked,
    arrived: Duration,
}

/// Serves until standard input ends, then prints `ARRIVED ANSWERED` of every request in nanoseconds since
/// the first, in the order in which they came.
pub(crate) fn serve(course: Course) -> Result<(), Box<dyn Error>> {
    // A timer may be late by 50 µs, unless it is told not to be.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
    let listener = listener()?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    epoll::add(&epoll, io::stdin(), EventData::new_u64(STDIN), EventFlags::IN)?;
    writeln!(io::stdout(), "{}", json!({ "http": listener.local_addr()?.to_string() }))?;

    let pages = Rc::new(Pages::new());
    let mut connections: Vec<Option<(TcpStream, Http1)>> = Vec::new();
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    let mut log: Vec<[u64; 2]> = Vec::new();
    let clock = SystemClock::start();
    let mut first = None;
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let passed = |first: Option<Moment>| first.map_or(Duration::ZERO, |it| clock.now() - it);
        while let Some(next) = waiting.front() {
            if passed(first) < course.answered(next.arrived) {
                break;
            }
            if let Some((stream, _)) = &mut connections[next.connection] {
                // Answers are short and their clients wait for them; who has left is found when reading.
                drop(send(stream, pages.answer(next.asked)));
                log.push([next.arrived, passed(first)].map(|it| it.as_nanos() as u64));
            }
            waiting.pop_front();
        }
        let wait = waiting.front().map(|it| {
            let wait = course.answered(it.arrived).saturating_sub(passed(first));
            Timespec {
                tv_sec: wait.as_secs().cast_signed(),
                tv_nsec: i64::from(wait.subsec_nanos()),
            }
        });
        let mut events = [MaybeUninit::<Event>::uninit(); BATCH];
        let (events, _) = match epoll::wait(&epoll, &mut events[..], wait.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        for event in events {
            match event.data.u64() {
                STDIN => {
                    if io::stdin().read(&mut bytes)? == 0 {
                        return print(&log);
                    }
                }
                LISTENER => {
                    while let Ok((stream, _)) = listener.accept() {
                        stream.set_nonblocking(true)?;
                        stream.set_nodelay(true)?;
                        let token = EventData::new_u64(connections.len() as u64);
                        epoll::add(&epoll, &stream, token, EventFlags::IN)?;
                        connections.push(Some((stream, Http1::new(Rc::clone(&pages)))));
                    }
                }
                token => {
                    let connection = token as usize;
                    let Some((stream, machine)) = &mut connections[connection] else { continue };
                    let length = match stream.read(&mut bytes) {
                        Err(error) if is_passing(&error) => continue,
                        other => other.unwrap_or(0),
                    };
                    let now = clock.now();
                    let arrived = now - *first.get_or_insert(now);
                    let heard = machine.requests(&bytes[..length], |asked| {
                        waiting.push_back(Waiting { connection, asked, arrived });
                    });
                    if length == 0 || heard.is_err() {
                        connections[connection] = None;
                    }
                }
            }
        }
    }
}

fn print(log: &[[u64; 2]]) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::new(io::stdout().lock());
    for [arrived, answered] in log {
        writeln!(out, "{arrived} {answered}")?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_would_be_answered_during_the_stall_is_answered_at_its_end() {
        let [service, at, length] = [10, 5_000, 1_000].map(Duration::from_millis);
        let course = Course { service, at, length };
        for (arrived, answered) in [
            (0, 10),
            (4_989, 4_999),
            (4_990, 6_000),
            (5_500, 6_000),
            (5_989, 6_000),
            (5_990, 6_000),
            (6_500, 6_510),
        ] {
            let expected = Duration::from_millis(answered);
            assert_eq!(course.answered(Duration::from_millis(arrived)), expected, "{arrived}");
        }
    }
}
