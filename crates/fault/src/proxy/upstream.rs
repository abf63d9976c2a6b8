//! Upstream: where a link leads to.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::io::Errno;
use rustix::net::sockopt::{ip_original_dst, ipv6_original_dst, set_tcp_nodelay};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// What a link connects to bears this mark where connections are led through it, so that it is not led there again.
pub(crate) const MARK: u32 = 0x454b;

/// Where a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// A host with a port.
    Named(Arc<str>),
    /// Where each connection was to go before the kernel redirected it.
    AsAsked,
}

impl From<&str> for Upstream {
    /// A host with a port.
    fn from(address: &str) -> Self {
        Self::Named(address.into())
    }
}

impl Upstream {
    pub(super) async fn connect(&self, client: &TcpStream) -> io::Result<TcpStream> {
        let name = match self {
            Self::Named(name) => name,
            Self::AsAsked => {
                let asked = asked(client)?;
                if asked == client.local_addr()? {
                    // Nobody was redirected: it called the link itself, which would call itself for ever.
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                let socket = open(asked)?;
                setsockopt(&socket, sockopt::Mark, &MARK)?;
                return connect(socket, asked).await;
            }
        };
        if let Ok(address) = name.parse() {
            return connect(open(address)?, address).await;
        }
        let mut last = io::Error::from(io::ErrorKind::InvalidInput);
        for address in tokio::net::lookup_host(&**name).await? {
            match connect(open(address)?, address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn open(to: SocketAddr) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Without it the kernel would add delays that nobody asked for.
    set_tcp_nodelay(&socket, true)?;
    Ok(socket)
}

/// Connects; on one host that is done at once, and so the kernel is asked before anybody waits.
async fn connect(socket: OwnedFd, to: SocketAddr) -> io::Result<TcpStream> {
    let is_connected = match rustix::net::connect(&socket, &to) {
        Err(Errno::INPROGRESS) => go_on(&socket, to)?,
        done => done.map(|()| true)?,
    };
    let stream = TcpStream::from_std(socket.into())?;
    if !is_connected {
        let wait = || match go_on(&stream, to) {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error),
        };
        stream.async_io(Interest::WRITABLE, wait).await?;
    }
    Ok(stream)
}

/// Whether a connection that was begun is there. An error: it never will be.
fn go_on(socket: impl AsFd, to: SocketAddr) -> io::Result<bool> {
    match rustix::net::connect(socket, &to) {
        Ok(()) | Err(Errno::ISCONN) => Ok(true),
        Err(Errno::ALREADY | Errno::INPROGRESS) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Where a client wanted to go that was redirected to us. Fails where the kernel follows no connections.
pub(super) fn asked(client: &TcpStream) -> io::Result<SocketAddr> {
    Ok(match client.local_addr()? {
        SocketAddr::V4(_) => ip_original_dst(client)?.into(),
        SocketAddr::V6(_) => ipv6_original_dst(client)?.into(),
    })
}
