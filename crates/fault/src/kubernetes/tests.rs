//! The client over TLS: a server is known by its authority, and knows us by our certificate.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use evenkeel_model::document;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::Cluster;

/// An authority, and what it has signed.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server that lets in whom this authority has signed, and says that there are no pods.
    fn serve(&self) -> SocketAddr {
        let (certificate, key) = self.sign("127.0.0.1");
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let config = Arc::new(config.with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let session = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(session, client.unwrap());
                // Those that do not trust it, or are not let in, are what this is about.
                if stream.read(&mut [0; 4096]).is_ok_and(|it| it > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"items\":[]}";
                    stream.write_all(answer).unwrap_or_default();
                }
            }
        });
        address
    }
}

fn asked(server: SocketAddr, trusted: &Authority, own: &Authority) -> Result<usize, String> {
    let in_base64 = |text: String| BASE64_STANDARD.encode(text);
    let (certificate, key) = own.sign("me");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let text = format!(
        "current-context: x\ncontexts: [{{name: x, context: {{cluster: x, user: x}}}}]\n\
         clusters: [{{name: x, cluster: {{server: 'https://{server}', certificate-authority-data: {}}}}}]\n\
         users: [{{name: x, user: {{client-certificate-data: {}, client-key-data: {}}}}}]\n",
        in_base64(trusted.certificate.pem()),
        in_base64(certificate.pem()),
        in_base64(key.serialize_pem()),
    );
    std::fs::write(&path, text).unwrap();
    let named = document::Cluster { kubeconfig: Some(path), context: None };
    let client = Cluster::find(&named).and_then(|it| it.client()).unwrap();
    client.pods("shop", "app=api").map(|it| it.len()).map_err(|it| it.to_string())
}

#[test]
fn only_those_who_know_each_other_speak() {
    let (known, stranger) = (Authority::new(), Authority::new());
    let server = known.serve();
    assert_eq!(asked(server, &known, &known), Ok(0));
    let error = asked(server, &stranger, &known).unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    assert!(asked(server, &known, &stranger).is_err());
}
