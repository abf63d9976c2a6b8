//! A connection to a Redis: what it asks, and what it hears, at once or later.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use evenkeel_units::{Clock, SystemClock};

use super::address::Address;
use super::reply::{Malformed, Reply};
use super::{ANSWER_MAX, NAME};
use crate::need::PlanError;

/// What is granted to a user who may do all that is done here.
const RIGHTS: &str = "+client +ping +publish &evenkeel";
/// No timeout of a socket may be zero.
const AT_ONCE: Duration = Duration::from_millis(1);

/// A connection that carries our name.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    heard: Vec<u8>,
    clock: SystemClock,
}

impl Connection {
    pub(super) fn open(address: &Address) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for place in (address.host.as_str(), address.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&place, ANSWER_MAX) {
                Ok(stream) => return Self::greet(stream, address),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn greet(stream: TcpStream, address: &Address) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        let mut it = Self { stream, heard: Vec::new(), clock: SystemClock::start() };
        let given = [address.user.as_deref(), address.password.as_deref()];
        if address.password.is_some() {
            let words: Vec<&str> =
                std::iter::once("AUTH").chain(given.into_iter().flatten()).collect();
            it.ask(&words)?;
        }
        match it.ask(&["CLIENT", "SETNAME", NAME])? {
            Reply::Text(word) if word == b"OK" => Ok(it),
            _ => Err(io::Error::other(Malformed)),
        }
    }

    /// Sends a command, and waits for no answer.
    pub(super) fn say(&mut self, words: &[&str]) -> io::Result<()> {
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.write_all(bytes.as_bytes())
    }

    /// The next answer, if it comes within this time. An error of the server's is one.
    pub(super) fn hear(&mut self, within: Duration) -> io::Result<Option<Reply>> {
        let until = self.clock.now().elapsed() + within;
        loop {
            match Reply::read(&self.heard).map_err(io::Error::other)? {
                Some((Reply::Error(reason), _)) => return Err(refused(&reason)),
                Some((reply, taken)) => {
                    self.heard.drain(..taken);
                    return Ok(Some(reply));
                }
                None => {}
            }
            let left = until.saturating_sub(self.clock.now().elapsed());
            self.stream.set_read_timeout(Some(left.max(AT_ONCE)))?;
            let mut bytes = [0; 16 << 10];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.heard.extend(bytes.iter().take(read)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_late(&error) && left <= AT_ONCE => return Ok(None),
                Err(error) if is_late(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a command, and waits for its answer.
    pub(super) fn ask(&mut self, words: &[&str]) -> io::Result<Reply> {
        self.say(words)?;
        self.hear(ANSWER_MAX)?.ok_or_else(|| io::ErrorKind::TimedOut.into())
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Why the server does not want to, and what helps.
fn refused(reason: &str) -> io::Error {
    let missing = |what: &str, help: &str| PlanError::Missing {
        what: what.to_owned(),
        help: format!("{help}; the server says: {reason}"),
    };
    io::Error::other(match reason.split(' ').next() {
        Some("NOAUTH" | "WRONGPASS") => missing(
            "to be let in by the server",
            "give user and password in the URL, as `redis://USER:${env:NAME}@HOST`",
        ),
        Some("NOPERM") => missing("a right in the server", &format!("`ACL SETUSER … {RIGHTS}`")),
        _ => PlanError::Unfit(format!("the server says: {reason}")),
    })
}
