//! Upstream: where a link leads to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt::{ip_original_dst, ipv6_original_dst};
use tokio::net::{TcpSocket, TcpStream};

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
        let asked = match self {
            Self::Named(address) => return TcpStream::connect(&**address).await,
            Self::AsAsked => asked(client)?,
        };
        if asked == client.local_addr()? {
            // Nobody was redirected: it called the link itself, which would call itself for ever.
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let socket = if asked.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        setsockopt(&socket, sockopt::Mark, &MARK)?;
        socket.connect(asked).await
    }
}

/// Where a client wanted to go that was redirected to us. Fails where the kernel follows no connections.
pub(super) fn asked(client: &TcpStream) -> io::Result<SocketAddr> {
    Ok(match client.local_addr()? {
        SocketAddr::V4(_) => ip_original_dst(client)?.into(),
        SocketAddr::V6(_) => ipv6_original_dst(client)?.into(),
    })
}
