//! Logging in: where a cluster is, whom it is told from, and what shows it who we are.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::ClusterError;

/// Where something is kept that may be secret; it has no `Debug`.
pub(super) enum Kept {
    File(PathBuf),
    Base64(String),
    Here(Vec<u8>),
}

impl Kept {
    fn read(&self, what: &str) -> Result<Vec<u8>, ClusterError> {
        let failed = |place: String, reason: String| ClusterError::Config { place, reason };
        match self {
            Self::Here(it) => Ok(it.clone()),
            Self::File(path) => {
                std::fs::read(path).map_err(|it| failed(path.display().to_string(), it.to_string()))
            }
            // The error would show a part of it.
            Self::Base64(text) => BASE64_STANDARD
                .decode(text)
                .map_err(|_| failed(what.to_owned(), "it is no base64".to_owned())),
        }
    }
}

/// The server of a cluster.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// What goes before each path.
    pub(super) path: String,
    tls: bool,
    /// Whom its certificate is for.
    name: String,
}

impl Server {
    pub(super) fn new(url: &str, name: Option<&str>) -> Result<Self, String> {
        let wrong = || "its `server` is no URL such as `https://10.0.0.1:6443`".to_owned();
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (tls, usual) = match scheme {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err(wrong()),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |it| rest.split_at(it));
        let plain = |it: char| it.is_ascii_graphic() && !"@?#\"<>\\".contains(it);
        if authority.is_empty() || !rest.chars().all(plain) {
            return Err(wrong());
        }
        let bracket = authority.rfind(']').unwrap_or(0);
        let colon = authority.rfind(':').filter(|it| *it > bracket);
        let (host, port) = match colon.and_then(|it| authority.split_at_checked(it)) {
            Some((host, port)) => {
                (host, port.trim_start_matches(':').parse().map_err(|_| wrong())?)
            }
            None => (authority, usual),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = name.unwrap_or(&host).to_owned();
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { url: url.to_owned(), host, port, path, tls, name })
    }
}

/// How a cluster is reached, and how it lets us in.
pub(super) struct Login {
    pub(super) server: Server,
    pub(super) authority: Option<Kept>,
    /// A certificate of ours, and its key.
    pub(super) identity: Option<(Kept, Kept)>,
    pub(super) token: Option<Kept>,
}

impl Login {
    /// The token, as a header has it.
    pub(super) fn bearer(&self) -> Result<Option<String>, ClusterError> {
        let Some(kept) = &self.token else { return Ok(None) };
        let bytes = kept.read("the token")?;
        let text = str::from_utf8(&bytes).unwrap_or_default().trim();
        match !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic()) {
            true => Ok(Some(text.to_owned())),
            false => Err(ClusterError::Config {
                place: "the token".to_owned(),
                reason: "it is empty, or has characters that no token has".to_owned(),
            }),
        }
    }

    /// TLS as this cluster wants it; `None` for one without.
    pub(super) fn tls(
        &self,
    ) -> Result<Option<(Arc<ClientConfig>, ServerName<'static>)>, ClusterError> {
        if !self.server.tls {
            return Ok(None);
        }
        let wrong =
            |place: &str, reason: String| ClusterError::Config { place: place.to_owned(), reason };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(|it| wrong("TLS", it.to_string()))?
            .with_root_certificates(self.roots()?);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let place = "the client certificate";
                let chain = certificates(&certificate.read(place)?);
                let chain = chain.ok_or_else(|| wrong(place, "it is none in PEM".to_owned()))?;
                let key = PrivateKeyDer::from_pem_slice(&key.read("the client key")?);
                let key =
                    key.map_err(|_| wrong("the client key", "it is none in PEM".to_owned()))?;
                let with = builder.with_client_auth_cert(chain, key);
                with.map_err(|it| wrong(place, it.to_string()))?
            }
        };
        let name = ServerName::try_from(self.server.name.clone());
        let name =
            name.map_err(|_| wrong(&self.server.url, "no certificate can be for it".to_owned()))?;
        Ok(Some((Arc::new(config), name)))
    }

    fn roots(&self) -> Result<RootCertStore, ClusterError> {
        let mut roots = RootCertStore::empty();
        let (place, found) = match &self.authority {
            Some(kept) => {
                let place = "the certificate authority";
                (place, certificates(&kept.read(place)?).unwrap_or_default())
            }
            None => {
                ("the certificates of this system", rustls_native_certs::load_native_certs().certs)
            }
        };
        roots.add_parsable_certificates(found);
        match roots.is_empty() {
            true => Err(ClusterError::Config {
                place: place.to_owned(),
                reason: "there is no certificate to trust".to_owned(),
            }),
            false => Ok(roots),
        }
    }
}

/// All that are in a text of PEM; `None` when there is none.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_url_and_nothing_else() {
        let of = |url: &str| Server::new(url, None).map(|it| (it.host, it.port, it.path, it.tls));
        let is =
            |host: &str, port, path: &str, tls| Ok((host.to_owned(), port, path.to_owned(), tls));
        assert_eq!(of("https://10.0.0.1:6443"), is("10.0.0.1", 6443, "", true));
        assert_eq!(of("https://[fd00::1]:6443/k8s/c1/"), is("fd00::1", 6443, "/k8s/c1", true));
        assert_eq!(of("https://[fd00::1]"), is("fd00::1", 443, "", true));
        assert_eq!(of("http://api"), is("api", 80, "", false));
        for url in
            ["", "10.0.0.1", "https://", "ftp://x", "https://me:pw@x", "https://x:y", "http://a b"]
        {
            assert!(of(url).is_err(), "{url}");
        }
    }
}
