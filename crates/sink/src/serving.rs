//! Serving: one thread and one epoll for every connection; nothing is allocated for a request.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

/// More than what a client sends before it waits for answers.
const READ_BYTES: usize = 64 * 1024;

/// Ten thousand clients may knock at once.
const BACKLOG: i32 = 16 * 1024;

pub(crate) const BATCH: usize = 512;

const STDIN: u64 = u64::MAX;
const FIRST_DOOR: u64 = u64::MAX / 2;

/// A connection as a machine: bytes in, bytes out.
pub(crate) trait Answers {
    /// Takes what has come and appends what is to be sent. After an error, what was appended is sent, and
    /// the connection ends.
    fn hear(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Result<(), Refused>;
}

/// Why a connection ends: the client has left, or does something this server has no answer to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) &'static str);

/// An address at which one protocol is spoken.
pub(crate) struct Door {
    listener: TcpListener,
    machine: Box<dyn Fn() -> Box<dyn Answers>>,
}

impl Door {
    pub(crate) fn open(machine: impl Fn() -> Box<dyn Answers> + 'static) -> io::Result<Self> {
        Ok(Self { listener: listener()?, machine: Box::new(machine) })
    }

    pub(crate) fn address(&self) -> io::Result<String> {
        Ok(self.listener.local_addr()?.to_string())
    }
}

/// A listener at a free port of loopback, behind which many may queue.
pub(crate) fn listener() -> io::Result<TcpListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket: OwnedFd = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// One client.
struct Connection {
    stream: TcpStream,
    machine: Box<dyn Answers>,
    /// What the client has not taken yet; until it has, it is not heard.
    unsent: Vec<u8>,
    /// To be ended once everything is sent.
    last: bool,
}

/// What to wait for next.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Next {
    Hear,
    Send,
    End,
}

/// Serves until standard input ends.
pub(crate) fn serve(doors: &[Door]) -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    for (at, door) in doors.iter().enumerate() {
        let token = EventData::new_u64(FIRST_DOOR + at as u64);
        epoll::add(&epoll, &door.listener, token, EventFlags::IN)?;
    }
    epoll::add(&epoll, io::stdin(), EventData::new_u64(STDIN), EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free = Vec::new();
    let mut bytes = vec![0; READ_BYTES];
    let mut out = Vec::new();
    loop {
        let mut events = [MaybeUninit::<Event>::uninit(); BATCH];
        let (events, _) = match epoll::wait(&epoll, &mut events[..], None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        for event in events {
            let token = event.data.u64();
            if token == STDIN {
                if io::stdin().read(&mut bytes)? == 0 {
                    return Ok(());
                }
            } else if token >= FIRST_DOOR {
                let door = &doors[(token - FIRST_DOOR) as usize];
                while let Ok((stream, _)) = door.listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let at = free.pop().unwrap_or(connections.len());
                    epoll::add(&epoll, &stream, EventData::new_u64(at as u64), EventFlags::IN)?;
                    let machine = (door.machine)();
                    let new = Connection { stream, machine, unsent: Vec::new(), last: false };
                    match connections.get_mut(at) {
                        Some(place) => *place = Some(new),
                        None => connections.push(Some(new)),
                    }
                }
            } else {
                let at = token as usize;
                // Closed by an earlier event of this batch.
                let Some(connection) = &mut connections[at] else { continue };
                let was = connection.next();
                let next = connection.go_on(&mut bytes, &mut out);
                if next == Next::End {
                    connections[at] = None;
                    free.push(at);
                } else if next != was {
                    let flags = if next == Next::Send { EventFlags::OUT } else { EventFlags::IN };
                    epoll::modify(&epoll, &connection.stream, event.data, flags)?;
                }
            }
        }
    }
}

impl Connection {
    fn next(&self) -> Next {
        match (self.unsent.is_empty(), self.last) {
            (false, _) => Next::Send,
            (true, false) => Next::Hear,
            (true, true) => Next::End,
        }
    }

    fn go_on(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Next {
        let done = match self.unsent.is_empty() {
            true => self.hear(bytes, out),
            false => self.send_rest(),
        };
        done.map_or(Next::End, |()| self.next())
    }

    fn hear(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> io::Result<()> {
        let length = match self.stream.read(bytes) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if is_passing(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        out.clear();
        self.last = self.machine.hear(&mut bytes[..length], out).is_err();
        let sent = send(&mut self.stream, out)?;
        self.unsent.extend_from_slice(&out[sent..]);
        Ok(())
    }

    fn send_rest(&mut self) -> io::Result<()> {
        let sent = send(&mut self.stream, &self.unsent)?;
        self.unsent.drain(..sent);
        Ok(())
    }
}

/// Sends as much as the client takes.
pub(crate) fn send(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<usize> {
    let length = bytes.len();
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length - bytes.len())
}

pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
