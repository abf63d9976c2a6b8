//! Line: name, connection, TLS session; each is a phase.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::notes::{Notes, Phase};
use super::{Call, Trouble};
use crate::address::Address;
use crate::in_words;
use crate::tls::Trust;

/// A connection, with TLS or without.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// Any connection.
pub(crate) type Stream = Box<dyn Duplex>;

impl Call {
    /// Connects as the scheme says, and offers these protocols where it says TLS.
    pub(super) async fn open(
        &self,
        address: &Address,
        protocols: &[&[u8]],
        notes: &mut Notes,
    ) -> Result<Stream, Trouble> {
        let stream = self.connect(address, notes).await?;
        if !address.scheme.is_secure() {
            return Ok(Box::new(stream));
        }
        notes.enter(Phase::Tls);
        self.secure(stream, address, protocols, &self.trust, notes).await
    }

    /// A plain connection to the first of its addresses that takes one.
    pub(super) async fn connect(
        &self,
        address: &Address,
        notes: &mut Notes,
    ) -> Result<TcpStream, Trouble> {
        let found = resolve(&address.host, address.port).await?;
        notes.enter(Phase::Connect);
        let mut last = Trouble::from("the name has no address");
        let many = found.len();
        for (nth, peer) in found.into_iter().enumerate() {
            notes.peer = Some(peer);
            // One that is silent leaves time to the others.
            let share = notes.left() / u32::try_from(many - nth).unwrap_or(u32::MAX);
            match timeout(share, TcpStream::connect(peer)).await {
                // Where nobody listens at a port that is given to clients, a socket can meet itself.
                Ok(Ok(stream)) if stream.local_addr().ok() == Some(peer) => {
                    last = io::Error::from(io::ErrorKind::ConnectionRefused).into();
                }
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.into(),
                Err(_) if nth + 1 == many => std::future::pending().await,
                Err(_) => {}
            }
        }
        Err(last)
    }

    /// A TLS session on it.
    pub(super) async fn secure(
        &self,
        stream: TcpStream,
        address: &Address,
        protocols: &[&[u8]],
        trust: &Trust,
        notes: &mut Notes,
    ) -> Result<Stream, Trouble> {
        trust.prepare().map_err(Trouble::Unasked)?;
        let name = self.server_name.as_deref().unwrap_or(&address.host);
        let secured = trust.secure(stream, name, protocols).await;
        notes.certificate = secured.certificate;
        Ok(Box::new(secured.stream?))
    }
}

/// Asks one address of a name after the other until one does not say that it cannot be asked there.
pub(super) async fn first<T, F>(
    address: &Address,
    notes: &mut Notes,
    ask: impl Fn(SocketAddr) -> F,
) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
{
    let found = resolve(&address.host, address.port).await?;
    notes.enter(Phase::FirstByte);
    let mut last = Trouble::from("the name has no address");
    for peer in found {
        notes.peer = Some(peer);
        match ask(peer).await {
            Err(Trouble::Unhealthy(why)) => last = why.into(),
            other => return other,
        }
    }
    Err(last)
}

/// The addresses of a name.
async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Trouble> {
    let found = lookup_host((host, port)).await;
    match found.map(Iterator::collect::<Vec<_>>) {
        Ok(found) if found.is_empty() => Err(format!("`{host}` has no address").into()),
        Ok(found) => Ok(found),
        Err(error) => Err(unknown(host, &error).into()),
    }
}

fn unknown(host: &str, error: &io::Error) -> String {
    let why = in_words(error);
    let why = why.strip_prefix("failed to lookup address information: ").unwrap_or(&why);
    format!("`{host}` has no address: {why}")
}
