//! Certificates with a flaw, shown to whoever begins TLS on a link in place of those of the dependency.
//!
//! ```text
//!  client ── hello, by name ─▶ link       the dependency hears nothing of it
//!         ◀── certificate ────            for that name, and expired; or for another; or signed by nobody
//!         ── alert, or data ─▶            refused, or accepted
//! ```
//!
//! What a client takes is decided when it opens a connection, so those that were open before go on, and new ones reach the
//! dependency again as soon as the fault is over. A client that takes the certificate all the same is counted; it hears no
//! more, and nobody reads what it says.

mod names;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use evenkeel_model::document::{Flaw, Issuer as Files};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, PublicKeyData as _, SanType,
};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::Acceptor;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use super::toxic::Laid;
use super::upstream::asked;

/// A client that says nothing for so long waits for the dependency to speak first.
const HELLO_MAX: Duration = Duration::from_secs(1);
/// How long a client may take to decide.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A client that takes a certificate and waits for so long has accepted it.
const SETTLED: Duration = Duration::from_secs(1);
/// The first byte of whoever begins TLS: a record of a handshake.
const HANDSHAKE: u8 = 0x16;
/// A name that nobody asks for (RFC 6761).
const WRONG_NAME: &str = "wrong-name.invalid";

/// A certificate with a flaw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Which.
    pub flaw: Flaw,
    /// Who signs it.
    pub issuer: Option<Files>,
}

impl Certificate {
    /// Whether it can be made.
    pub(crate) fn check(&self) -> Result<(), CertificateError> {
        Impostor::new(self).map(drop)
    }
}

/// Why there can be no such certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file of the issuer cannot be read.
    #[error("cannot read {path}")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// A file of the issuer is not what it should be.
    #[error("{path} {what}")]
    Unfit {
        /// Which.
        path: std::path::PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// It cannot be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
}

/// Who shows certificates with a flaw.
pub(crate) struct Impostor {
    flaw: Flaw,
    issuer: Issuer<'static, KeyPair>,
    /// That of the issuer, which clients get as well.
    above: CertificateDer<'static>,
}

impl fmt::Debug for Impostor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impostor").field("flaw", &self.flaw).finish_non_exhaustive()
    }
}

impl Impostor {
    /// One who shows such certificates. Reads the files of the issuer.
    pub(crate) fn new(certificate: &Certificate) -> Result<Self, CertificateError> {
        let (issuer, above) = match &certificate.issuer {
            Some(files) => read(files)?,
            None => nobody()?,
        };
        Ok(Self { flaw: certificate.flaw, issuer, above })
    }

    /// What a client gets who asks for this name, or who calls this address.
    fn config(
        &self,
        name: Option<&str>,
        address: IpAddr,
        protocols: Vec<Vec<u8>>,
    ) -> Result<ServerConfig, io::Error> {
        let name = match self.flaw {
            Flaw::WrongName => Some(WRONG_NAME),
            Flaw::Expired | Flaw::Untrusted => name,
        };
        let mut params = CertificateParams::new(Vec::from_iter(name.map(str::to_owned)))
            .map_err(io::Error::other)?;
        if name.is_none() {
            params.subject_alt_names.push(SanType::IpAddress(address));
        }
        params.distinguished_name = called("A certificate of a fault");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if self.flaw == Flaw::Expired {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        // Its number follows from it, and no two certificates of an authority may have the same.
        let own = KeyPair::generate().map_err(io::Error::other)?;
        let signed = params.signed_by(&own, &self.issuer).map_err(io::Error::other)?;
        let chain = vec![signed.der().clone(), self.above.clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|it| it.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(io::Error::other)?;
        config.alpn_protocols = protocols;
        Ok(config)
    }
}

/// A name for people to read.
fn called(name: &str) -> DistinguishedName {
    let mut it = DistinguishedName::new();
    it.push(DnType::CommonName, name);
    it
}

/// An authority that nobody trusts.
fn nobody() -> Result<(Issuer<'static, KeyPair>, CertificateDer<'static>), CertificateError> {
    let (mut params, key) = (CertificateParams::default(), KeyPair::generate()?);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = called("An authority that nobody trusts");
    let above = params.self_signed(&key)?.der().clone();
    Ok((Issuer::new(params, key), above))
}

/// The authority of these files.
fn read(
    files: &Files,
) -> Result<(Issuer<'static, KeyPair>, CertificateDer<'static>), CertificateError> {
    let text = |path: &Path| {
        let failed = |error| CertificateError::File { path: path.to_owned(), error };
        std::fs::read_to_string(path).map_err(failed)
    };
    let unfit = |path: &Path, what: &dyn fmt::Display| CertificateError::Unfit {
        path: path.to_owned(),
        what: what.to_string(),
    };
    let key = KeyPair::from_pem(&text(&files.key)?).map_err(|_| {
        let what = "is no private key in PEM and PKCS #8; `openssl pkcs8 -topk8 -nodes` makes one of others";
        unfit(&files.key, &what)
    })?;
    let path = &files.certificate;
    let above = CertificateDer::from_pem_slice(text(path)?.as_bytes())
        .map_err(|error| unfit(path, &format!("is not a certificate in PEM: {error}")))?;
    let mut params = CertificateParams::default();
    let anchor = names::anchor(&above).map_err(|what| unfit(path, &what))?;
    // Without its tag and length.
    if !key.subject_public_key_info().ends_with(&anchor.subject_public_key_info) {
        return Err(unfit(&files.key, &format!("is not the key of {}", path.display())));
    }
    params.distinguished_name = names::name(&anchor.subject)
        .ok_or_else(|| unfit(path, &"has a subject of a kind that cannot be repeated"))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok((Issuer::new(params, key), above))
}

/// Answers a client that begins TLS in place of the dependency; gives any other back.
pub(crate) async fn meet(client: TcpStream, laid: Laid) -> Option<TcpStream> {
    let Some(impostor) = &laid.impostor else { return Some(client) };
    let mut first = [0];
    let begins = tokio::time::timeout(HELLO_MAX, client.peek(&mut first)).await;
    if !matches!(begins, Ok(Ok(1))) || first != [HANDSHAKE] {
        laid.counts.foreign.fetch_add(1, Ordering::Relaxed);
        return Some(client);
    }
    // What goes wrong in between is what the fault is for.
    tokio::time::timeout(HANDSHAKE_MAX, show(client, &laid, impostor)).await.ok();
    None
}

async fn show(client: TcpStream, laid: &Laid, impostor: &Impostor) -> io::Result<()> {
    let address = asked(&client).or_else(|_| client.local_addr())?.ip();
    let begun = LazyConfigAcceptor::new(Acceptor::default(), client).await?;
    let hello = begun.client_hello();
    let protocols = hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect();
    let config = impostor.config(hello.server_name(), address, protocols)?;
    let counts = &laid.counts;
    counts.handshakes.fetch_add(1, Ordering::Relaxed);
    let is_accepted = match begun.into_stream(Arc::new(config)).await {
        // Some look at the name only now.
        Ok(mut stream) => {
            let next = tokio::time::timeout(SETTLED, stream.read(&mut [0])).await;
            !matches!(next, Ok(Ok(0) | Err(_)))
        }
        Err(_) => false,
    };
    let count = if is_accepted { &counts.accepted } else { &counts.rejected };
    count.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
