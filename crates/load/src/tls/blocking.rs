//! Blocking: one connection that is waited for, for what is asked before the load.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Client, Received, Session};
use crate::protocol::grpc::ReadWrite;
use crate::target::Target;

/// How long one read or write may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects to a target, over TLS when it is secret.
pub(crate) fn connect(target: &Target, tls: Option<&Client>) -> io::Result<Box<dyn ReadWrite>> {
    let mut socket = Err(io::Error::other("its host has no address"));
    for address in &target.addresses {
        socket = TcpStream::connect_timeout(address, PATIENCE);
        if socket.is_ok() {
            break;
        }
    }
    let socket = socket?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(match tls {
        None => Box::new(socket),
        Some(tls) => {
            let mut secret = Secret { socket, session: tls.session(), plain: Vec::new() };
            let mut out = Vec::new();
            secret.session.flush(&mut out).map_err(io::Error::other)?;
            secret.socket.write_all(&out)?;
            Box::new(secret)
        }
    })
}

/// A connection over TLS.
struct Secret {
    socket: TcpStream,
    session: Session,
    /// What was received and not read yet.
    plain: Vec<u8>,
}

impl Read for Secret {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        while self.plain.is_empty() {
            let length = self.socket.read(&mut bytes)?;
            if length == 0 {
                return Ok(0);
            }
            let mut out = Vec::new();
            let received = self.session.receive(&mut bytes[..length], &mut self.plain, &mut out);
            self.socket.write_all(&out)?;
            if received.map_err(io::Error::other)? == Received::Closed && self.plain.is_empty() {
                return Ok(0);
            }
        }
        let length = to.len().min(self.plain.len());
        to[..length].copy_from_slice(&self.plain[..length]);
        self.plain.drain(..length);
        Ok(length)
    }
}

impl Write for Secret {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = Vec::new();
        self.session.send(bytes, &mut out).map_err(io::Error::other)?;
        self.socket.write_all(&out)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
