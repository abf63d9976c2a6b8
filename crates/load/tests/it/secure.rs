//! Certificates of our own, and servers that show them.

use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use evenkeel_model::document::{FileName, Tls};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use crate::servers::{Line, Talk};

/// The name that servers show beside their address.
pub(crate) const NAME: &str = "shop.test";

/// An authority, and the folder with its certificate.
pub(crate) struct World {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        params.distinguished_name.push(DnType::CommonName, folder.path().to_str().unwrap());
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// Trust in this authority alone.
    pub(crate) fn trusting(&self) -> Tls {
        let ca = FileName::new(self.folder.path().join("ca.pem").to_str().unwrap());
        Tls { ca: Some(ca), ..Tls::default() }
    }

    /// A server that shows `names` up to `last_year`, and chooses among `alpn`.
    pub(crate) fn config(
        &self,
        names: &[&str],
        last_year: i32,
        alpn: &[&str],
    ) -> Arc<ServerConfig> {
        let names: Vec<_> = names.iter().map(|&it| it.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &self.issuer).unwrap().der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        config.ticketer = ring::Ticketer::new().unwrap();
        Arc::new(config)
    }

    /// One whose certificate is right.
    pub(crate) fn right(&self, alpn: &[&str]) -> Arc<ServerConfig> {
        self.config(&["127.0.0.1", NAME], 2099, alpn)
    }
}

impl Line for StreamOwned<ServerConnection, TcpStream> {
    fn farewell(&mut self) -> std::io::Result<()> {
        self.conn.send_close_notify();
        self.flush()?;
        self.sock.shutdown(Shutdown::Write)
    }
}

/// Listens, and gives every connection a thread and its number.
pub(crate) fn serve(
    config: Arc<ServerConfig>,
    talk: impl Fn(&mut Talk, usize) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let talk = Arc::new(talk);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (stream, talk) = (stream.unwrap(), Arc::clone(&talk));
            stream.set_nodelay(true).unwrap();
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let stream = StreamOwned::new(connection, stream);
            std::thread::spawn(move || talk(&mut Talk::over(stream), number));
        }
    });
    address
}

/// Puts TLS in front of a server that does not speak it.
pub(crate) fn front(config: Arc<ServerConfig>, server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let acceptor = TlsAcceptor::from(config);
            loop {
                let (outer, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut outer = acceptor.accept(outer).await.ok()?;
                    let mut inner = tokio::net::TcpStream::connect(server).await.ok()?;
                    tokio::io::copy_bidirectional(&mut outer, &mut inner).await.ok()
                });
            }
        });
    });
    address
}
