//! A server that answers everything at once, so that generators are compared and not servers.
//!
//! ```text
//! cargo run --release -p evenkeel-load --example sink
//! ```
//!
//! Prints its address, and ends when standard input does, so that it never outlives who started it.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// Of an answer; what the clients of the bench are compared on.
const BODY_BYTES: usize = 128;

/// More than the requests of any client that waits for answers.
const READ_BYTES: usize = 16 * 1024;

const BATCH: usize = 256;
const LISTENER: u64 = u64::MAX;
const STDIN: u64 = u64::MAX - 1;

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    epoll::add(&epoll, io::stdin(), EventData::new_u64(STDIN), EventFlags::IN)
        .map_err(|it| format!("standard input must be a pipe or a terminal: {it}"))?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;

    let answer = answer();
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let mut events = [MaybeUninit::<Event>::uninit(); BATCH];
        let (events, _) = match epoll::wait(&epoll, &mut events[..], None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        for event in events {
            match event.data.u64() {
                STDIN => {
                    if io::stdin().read(&mut bytes)? == 0 {
                        return Ok(());
                    }
                }
                LISTENER => {
                    if let Ok((stream, _)) = listener.accept() {
                        stream.set_nonblocking(true)?;
                        stream.set_nodelay(true)?;
                        let token = EventData::new_u64(connections.len() as u64);
                        epoll::add(&epoll, &stream, token, EventFlags::IN)?;
                        connections.push(Some(stream));
                    }
                }
                at => {
                    let place = &mut connections[at as usize];
                    if !place.as_mut().is_some_and(|it| serve(it, &mut bytes, &answer)) {
                        *place = None;
                    }
                }
            }
        }
    }
}

fn answer() -> Vec<u8> {
    let body = "0123456789abcdef".repeat(BODY_BYTES / 16);
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {BODY_BYTES}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Answers as often as a request ends in what has come, which is right for requests without a body
/// that fit into a segment. Says whether the connection goes on.
fn serve(stream: &mut TcpStream, bytes: &mut [u8], answer: &[u8]) -> bool {
    match stream.read(bytes) {
        Ok(0) => false,
        Ok(length) => {
            let ends = memchr::memmem::find_iter(&bytes[..length], b"\r\n\r\n").count();
            (0..ends).all(|_| stream.write_all(answer).is_ok())
        }
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
    }
}
