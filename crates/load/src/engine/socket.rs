//! Socket: bytes into it, and what its errors mean.

use evenkeel_model::Answer;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::pool::Connection;
use crate::protocol::{Carrier, Protocol};

/// What an error of a socket means.
pub(super) fn meaning(error: Errno) -> Answer {
    match error {
        // How UDP says that nobody listens.
        Errno::CONNREFUSED => Answer::Connect,
        _ => Answer::Reset,
    }
}

/// Sends what is left from before and then `bytes`, and keeps what the socket does not take. A datagram is not
/// kept: it would become one with the next.
pub(super) fn put<P: Protocol>(
    here: &mut Connection<P>,
    bytes: &[u8],
    count: &mut u64,
) -> Result<(), Errno> {
    let Some(socket) = &here.socket else { return Ok(()) };
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let mut done = 0;
    if !here.unsent.is_empty() {
        here.unsent.extend_from_slice(bytes);
        let fine = push(&here.unsent, &mut done, |rest| send(socket, rest, flags));
        here.unsent.drain(..done);
        *count += done as u64;
        return fine;
    }
    let fine = push(bytes, &mut done, |rest| send(socket, rest, flags));
    *count += done as u64;
    if P::CARRIER == Carrier::Stream {
        here.unsent.extend_from_slice(&bytes[done..]);
    }
    fine
}

fn push(
    bytes: &[u8],
    done: &mut usize,
    send: impl Fn(&[u8]) -> Result<usize, Errno>,
) -> Result<(), Errno> {
    while *done < bytes.len() {
        match send(&bytes[*done..]) {
            Ok(sent) => *done += sent,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
