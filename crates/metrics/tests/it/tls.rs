//! Targets behind TLS: who is trusted is spoken to, and nobody else.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_metrics::Export;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::collector;
use crate::load::{frames, open};

/// A server with a certificate of its own, which takes only clients that show the same one.
struct Server {
    port: u16,
    /// With `own.pem` and `own.key`.
    folder: TempDir,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("own.pem"), own.cert.pem()).unwrap();
        fs::write(folder.path().join("own.key"), own.signing_key.serialize_pem()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(configuration));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                while collector::read(&mut stream).await.is_some() {
                    collector::write(&mut stream, "200 OK").await;
                }
            }
        });
        Self { port, folder, task }
    }

    fn file(&self, name: &str) -> String {
        Path::new(self.folder.path()).join(name).display().to_string()
    }

    fn export(&self, kind: &str, environment: &[(&str, &str)]) -> Export {
        let out = format!("{kind}=https://localhost:{}", self.port);
        let export = open(&out, environment, jiff::Timestamp::UNIX_EPOCH);
        frames().iter().for_each(|it| export.frame(it));
        export
    }
}

/// The first thing that goes wrong.
async fn trouble(export: &Export) -> String {
    loop {
        if let Some(trouble) = export.troubles().pop() {
            return trouble.why;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn who_is_trusted_is_spoken_to_and_nobody_else() {
    let server = Server::start().await;
    let (certificate, key) = (server.file("own.pem"), server.file("own.key"));
    let shown = [
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &*certificate),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &*key),
    ];
    let trusted = [shown[0], shown[1], ("OTEL_EXPORTER_OTLP_CERTIFICATE", &*certificate)];
    assert_eq!(server.export("otlp", &trusted).finish().await, []);
    let unknown = trouble(&server.export("otlp", &shown)).await;
    assert!(unknown.contains("certificate"), "{unknown}");
    let anonymous = trouble(&server.export("otlp", &trusted[2..])).await;
    assert!(anonymous.contains("ertificateRequired") || anonymous.contains("reset"), "{anonymous}");
}

#[tokio::test]
async fn anybody_is_spoken_to_when_that_is_asked_for() {
    let server = Server::start().await;
    let (certificate, key) = (server.file("own.pem"), server.file("own.key"));
    let environment = [
        ("K6_PROMETHEUS_RW_INSECURE_SKIP_TLS_VERIFY", "true"),
        ("K6_PROMETHEUS_RW_TLS_MINIMUM_VERSION", "1.3"),
        ("K6_PROMETHEUS_RW_CLIENT_CERTIFICATE", &certificate),
        ("K6_PROMETHEUS_RW_CLIENT_CERTIFICATE_KEY", &key),
    ];
    assert_eq!(server.export("prometheus", &environment).finish().await, []);
}
