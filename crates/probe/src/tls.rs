//! TLS: who is trusted, and what a server shows.
//!
//! The certificate is kept whatever is thought of it: whoever asks why a session does not stand wants to know when it has expired.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use evenkeel_units::locked;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::Certificate;
use crate::in_words;

/// Whose certificates will do.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// Those that the system trusts.
    #[default]
    System,
    /// Those of a file, and no others.
    Only(Arc<RootCertStore>),
    /// Anybody's: then nothing says who answers.
    Anybody,
}

/// Nobody can be trusted as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be used.
    #[error("no certificate can be read from {file}: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
}

impl Trust {
    /// Those in a file in PEM.
    ///
    /// # Errors
    /// When it cannot be read, or holds none.
    pub fn of_file(path: &Path) -> Result<Self, TrustError> {
        let failed = |reason: String| TrustError::File { file: path.display().to_string(), reason };
        let mut roots = RootCertStore::empty();
        let found =
            CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
        for it in found {
            let added = it
                .map_err(|it| it.to_string())
                .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
            added.map_err(failed)?;
        }
        match roots.is_empty() {
            true => Err(failed("there is none".to_owned())),
            false => Ok(Self::Only(Arc::new(roots))),
        }
    }

    fn roots(&self) -> Result<Option<Arc<RootCertStore>>, String> {
        // Reading them takes some milliseconds, which would count as the server's.
        static SYSTEM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
        match self {
            Self::Anybody => Ok(None),
            Self::Only(roots) => Ok(Some(Arc::clone(roots))),
            Self::System => {
                let roots = SYSTEM.get_or_init(|| {
                    let mut roots = RootCertStore::empty();
                    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                    Arc::new(roots)
                });
                match roots.is_empty() {
                    true => Err("this system trusts no certificates: install ca-certificates, or name a file of them".to_owned()),
                    false => Ok(Some(Arc::clone(roots))),
                }
            }
        }
    }

    /// Reads what it takes, which is read once.
    ///
    /// # Errors
    /// When nobody is trusted here.
    pub(crate) fn prepare(&self) -> Result<(), String> {
        self.roots().map(drop)
    }

    /// Begins a session as a client of `name`; `protocols` are offered, the best first.
    pub(crate) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        name: &str,
        protocols: &[&[u8]],
    ) -> Secured<S> {
        let witness = match self.witness() {
            Ok(witness) => Arc::new(witness),
            Err(error) => return Secured { certificate: None, stream: Err(error) },
        };
        let session = async {
            let server = ServerName::try_from(name.to_owned())
                .map_err(|_| format!("no certificate can be for `{name}`"))?;
            let mut config = ClientConfig::builder_with_provider(Arc::clone(&witness.provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .dangerous()
                .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<_>)
                .with_no_client_auth();
            config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
                .connect(server, stream)
                .await
                .map_err(|error| told(&error))
        };
        let stream = session.await;
        let certificate = *locked(&witness.seen);
        Secured { certificate, stream }
    }

    fn witness(&self) -> Result<Witness, String> {
        let provider = Arc::new(ring::default_provider());
        let judge = match self.roots()? {
            None => None,
            Some(roots) => Some(
                WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                    .build()
                    .map_err(|error| error.to_string())?,
            ),
        };
        Ok(Witness { judge, provider, seen: Mutex::default() })
    }
}

/// What came of a handshake.
pub(crate) struct Secured<S> {
    /// What was shown, also when it was not good enough.
    pub(crate) certificate: Option<Certificate>,
    /// The session, or why there is none.
    pub(crate) stream: Result<TlsStream<S>, String>,
}

/// Why no session stands, for people.
fn told(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|it| it.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(wrong)) => match wrong {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "its certificate is signed by nobody we trust".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet".to_owned()
            }
            CertificateError::NotValidForName => "its certificate is for another name".to_owned(),
            CertificateError::NotValidForNameContext { presented, .. } => {
                format!("its certificate is for another name: {}", presented.join(", "))
            }
            other => format!("its certificate is not valid: {other}"),
        },
        Some(Error::InvalidMessage(_)) => "what answers does not speak TLS".to_owned(),
        Some(other) => match other.source() {
            Some(source) => format!("no TLS session: {other}: {source}"),
            None => format!("no TLS session: {other}"),
        },
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the connection was closed during the TLS handshake".to_owned()
        }
        None => in_words(error),
    }
}

/// Keeps what it is shown, and lets another judge it, or nobody.
#[derive(Debug)]
struct Witness {
    judge: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Certificate>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        status: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *locked(&self.seen) = Certificate::read(own);
        match &self.judge {
            Some(judge) => judge.verify_server_cert(own, others, name, status, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
