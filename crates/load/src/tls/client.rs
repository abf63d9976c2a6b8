//! Client: what is trusted and what is shown, made ready once for a load.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use evenkeel_model::document::{FileName, Tls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CipherSuite, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::session::Session;
use super::store::Store;

/// More than any bundle of certificates has.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Makes sessions with one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

/// TLS cannot be spoken as the document says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    File {
        /// The file.
        path: FileName,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} is not {expected} in PEM: {reason}")]
    Pem {
        /// The file.
        path: FileName,
        /// What it should be.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// One is of no use without the other.
    #[error(
        "a certificate of our own needs its key, and the key its certificate: give both `certificate` and `key`"
    )]
    Half,
    /// The certificate and the key do not belong together, or are of a kind we do not have.
    #[error("the certificate in {certificate} cannot be used with the key in {key}: {reason}")]
    Pair {
        /// File of the certificate.
        certificate: FileName,
        /// File of the key.
        key: FileName,
        /// Why not.
        reason: String,
    },
    /// Nothing to trust.
    #[error(
        "this system has no certificates to trust: name a file of them as `ca`, or trust any with `insecure: true`{reason}"
    )]
    NoRoots {
        /// What went wrong on the way, or nothing.
        reason: String,
    },
    /// No certificate can have such a name.
    #[error("`{name}` is neither a host name nor an IP address, so no certificate can be for it")]
    Name {
        /// The name.
        name: String,
    },
}

impl Client {
    /// Reads the files that `settings` name. `host_name` is the host of the URL, without its port; `alpn` is
    /// what is offered, the best first.
    ///
    /// # Errors
    /// When a file cannot be used, or there is nothing to trust.
    pub(crate) fn new(settings: &Tls, host_name: &str, alpn: &[&[u8]]) -> Result<Self, TlsError> {
        let name = settings.server_name.as_deref().unwrap_or(host_name);
        let bare = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(name);
        let server = ServerName::try_from(bare.to_owned())
            .map_err(|_| TlsError::Name { name: name.to_owned() })?;

        let mut provider = ring::default_provider();
        // As browsers offer it: the shorter key first, which costs both sides less.
        provider
            .cipher_suites
            .sort_by_key(|it| it.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        let provider = Arc::new(provider);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions");
        let builder = match settings.insecure {
            true => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
            false => builder.with_root_certificates(roots(settings.ca.as_ref())?),
        };
        let mut config = match (&settings.certificate, &settings.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate)?;
                let secret =
                    PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| TlsError::Pem {
                        path: key.clone(),
                        expected: "a private key",
                        reason: error.to_string(),
                    })?;
                builder.with_client_auth_cert(chain, secret).map_err(|error| TlsError::Pair {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    reason: error.to_string(),
                })?
            }
            (Some(_), None) | (None, Some(_)) => return Err(TlsError::Half),
        };
        config.resumption = match settings.resume {
            true => Resumption::store(Arc::new(Store::default())),
            false => Resumption::disabled(),
        };
        config.alpn_protocols = alpn.iter().map(|it| it.to_vec()).collect();
        Ok(Self { config: Arc::new(config), server })
    }

    /// For a library that makes its sessions itself.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// The session of a new connection.
    pub(crate) fn session(&self) -> Session {
        let connection =
            UnbufferedClientConnection::new(Arc::clone(&self.config), self.server.clone())
                .expect("the settings were found usable, and the name is one");
        Session::new(connection)
    }
}

fn roots(ca: Option<&FileName>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| TlsError::Pem {
                path: path.clone(),
                expected: "a list of certificates",
                reason: error.to_string(),
            })?;
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    // Systems have some that are too old to be understood; one that is needed shows when it is not there.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map_or_else(String::new, |it| format!(" ({it})"));
        return Err(TlsError::NoRoots { reason });
    }
    Ok(roots)
}

fn certificates(path: &FileName) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |reason: String| TlsError::Pem {
        path: path.clone(),
        expected: "a list of certificates",
        reason,
    };
    let text = read(path)?;
    let all = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|it| wrong(it.to_string()))?;
    match all.is_empty() {
        true => Err(wrong("there is none in it".to_owned())),
        false => Ok(all),
    }
}

fn read(path: &FileName) -> Result<Vec<u8>, TlsError> {
    let wrong = |source| TlsError::File { path: path.clone(), source };
    let mut bytes = Vec::new();
    let file = File::open(path.path()).map_err(wrong)?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(wrong)?;
    Ok(bytes)
}

/// Takes any certificate; whoever shows it must still hold its key.
#[derive(Debug)]
pub(crate) struct AnyCertificate(pub(crate) Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
