//! TLS: what is trusted, and what is shown, when a database, a collector or a target is called.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, version};

/// What is trusted, and what is shown, over TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// File with certificates that are trusted. Default: those of the system.
    pub ca: Option<PathBuf>,
    /// Files with our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether any certificate will do.
    pub insecure: bool,
    /// Whether TLS 1.2 is not good enough.
    pub only_13: bool,
}

/// What a connection over TLS trusts and shows; the certificates of the system are read only where they are `needed`.
///
/// # Errors
/// When a file cannot be read, or the system trusts nobody.
pub fn configuration(tls: &Tls, needed: bool) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] =
        if tls.only_13 { &[&version::TLS13] } else { &[&version::TLS13, &version::TLS12] };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("the provider knows both versions");
    let builder = if tls.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else {
        builder.with_root_certificates(trusted(tls, needed)?)
    };
    match &tls.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let own = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| format!("no key can be read from {}: {error}", key.display()))?;
            builder.with_client_auth_cert(chain, own).map_err(|error| {
                format!("the certificate in {} cannot be shown: {error}", certificate.display())
            })
        }
    }
}

fn trusted(tls: &Tls, needed: bool) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| {
                    format!("a certificate in {} cannot be trusted: {error}", file.display())
                })?;
            }
        }
        // Reading them takes some milliseconds.
        None if needed => {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = roots.add_parsable_certificates(found.certs);
            if added == 0 {
                return Err(
                    "this system trusts no certificates: install ca-certificates".to_owned()
                );
            }
        }
        None => {}
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable =
        |error: String| format!("no certificate can be read from {}: {error}", file.display());
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file)
        .map_err(|error| unreadable(error.to_string()))?
        .collect();
    match found {
        Ok(found) if found.is_empty() => Err(unreadable("there is none".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

/// Trusts everybody, because that was asked for.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_no_certificate_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty.pem");
        std::fs::write(&file, "").unwrap();
        let tls = Tls { ca: Some(file), ..Tls::default() };
        let error = configuration(&tls, true).unwrap_err();
        assert!(error.contains("empty.pem") && error.contains("there is none"), "{error}");
        let missing = Tls { ca: Some("/nowhere/ca.pem".into()), ..Tls::default() };
        assert!(configuration(&missing, true).unwrap_err().contains("/nowhere/ca.pem"));
    }
}
