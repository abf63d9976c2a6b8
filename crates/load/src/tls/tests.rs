//! Sessions against the server's side of rustls, in memory.

use std::io::{Read, Write};
use std::sync::Arc;

use evenkeel_model::Answer;
use evenkeel_model::document::{FileName, Tls};
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion, version};
use tempfile::TempDir;

use super::client::TlsError;
use super::*;

type Version = &'static SupportedProtocolVersion;
const BOTH: [Version; 2] = [&version::TLS12, &version::TLS13];

/// An authority of our own and what it has signed.
struct World {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    authority: CertificateDer<'static>,
}

struct Signed {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    pem: String,
}

impl World {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().to_str().unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let authority = authority.der().clone();
        Self { folder, issuer: Issuer::new(params, key), authority }
    }

    fn signed(&self, name: &str, last_year: i32) -> Signed {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Signed { chain: vec![certificate.der().clone()], key, pem: certificate.pem() }
    }

    fn path(&self, file: &str) -> FileName {
        FileName::new(self.folder.path().join(file).to_str().unwrap())
    }

    fn trusting(&self) -> Tls {
        Tls { ca: Some(self.path("ca.pem")), ..Tls::default() }
    }

    /// A server that shows `signed`, and asks for a certificate if `asks`.
    fn server(&self, signed: Signed, version: Version, asks: bool) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap();
        let builder = match asks {
            false => builder.with_no_client_auth(),
            true => {
                let mut roots = RootCertStore::empty();
                roots.add(self.authority.clone()).unwrap();
                let provider = Arc::new(ring::default_provider());
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(signed.key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(signed.chain, key).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = ring::Ticketer::new().unwrap();
        Arc::new(config)
    }

    fn shop(&self, version: Version) -> Arc<ServerConfig> {
        self.server(self.signed("shop.test", 2099), version, false)
    }
}

/// Both ends of a connection.
struct Pair {
    client: Session,
    server: ServerConnection,
    /// What the client has received.
    plain: Vec<u8>,
    /// Its bytes arrive in pieces of this size.
    piece: usize,
    closed: bool,
}

impl Pair {
    fn new(client: &Client, server: &Arc<ServerConfig>) -> Self {
        Self {
            client: client.session(),
            server: ServerConnection::new(Arc::clone(server)).unwrap(),
            plain: Vec::new(),
            piece: usize::MAX,
            closed: false,
        }
    }

    /// Carries bytes between both until neither has more to say.
    fn settle(&mut self, mut to_server: Vec<u8>) -> Result<(), TlsFault> {
        self.client.flush(&mut to_server)?;
        let mut fault = None;
        loop {
            let mut bytes = to_server.as_slice();
            while !bytes.is_empty() && self.server.read_tls(&mut bytes).unwrap() > 0 {
                // What the server makes of it, the client learns by its alert.
                let _state = self.server.process_new_packets();
            }
            to_server.clear();
            let mut to_client = Vec::new();
            while self.server.wants_write() {
                self.server.write_tls(&mut to_client).unwrap();
            }
            if to_client.is_empty() {
                return fault.map_or(Ok(()), Err);
            }
            for piece in to_client.chunks_mut(self.piece) {
                match self.client.receive(piece, &mut self.plain, &mut to_server) {
                    Ok(received) => self.closed |= received == Received::Closed,
                    Err(error) => {
                        fault = Some(error);
                        break;
                    }
                }
            }
        }
    }

    fn send(&mut self, plain: &[u8]) {
        let mut out = Vec::new();
        self.client.send(plain, &mut out).unwrap();
        self.settle(out).unwrap();
    }

    fn server_says(&mut self, plain: &[u8]) {
        self.server.set_buffer_limit(None);
        self.server.writer().write_all(plain).unwrap();
        self.settle(Vec::new()).unwrap();
    }

    fn server_heard(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let length = self.server.reader().read(&mut bytes).unwrap_or(0);
        bytes.truncate(length);
        bytes
    }
}

fn fault(settings: &Tls, server: &Arc<ServerConfig>) -> TlsFault {
    let client = Client::new(settings, "shop.test", &[]).unwrap();
    let mut pair = Pair::new(&client, server);
    pair.settle(Vec::new()).unwrap_err()
}

#[test]
fn both_versions_carry_bytes_both_ways_in_pieces_of_any_size() {
    let world = World::new();
    for version in BOTH {
        let server = world.shop(version);
        let client = Client::new(&world.trusting(), "shop.test", &[b"h2", b"http/1.1"]).unwrap();
        for piece in [1, 2, 3, 5, 7, 100, 4_000, usize::MAX] {
            let mut pair = Pair::new(&client, &server);
            pair.piece = piece;
            pair.settle(Vec::new()).unwrap();
            assert!(pair.client.is_ready());
            assert_eq!(pair.client.alpn(), Some(&b"http/1.1"[..]));
            pair.send(b"GET / HTTP/1.1\r\n\r\n");
            assert_eq!(pair.server_heard(100), b"GET / HTTP/1.1\r\n\r\n");
            pair.server_says(b"HTTP/1.1 200 OK\r\n\r\n");
            assert_eq!(pair.plain, b"HTTP/1.1 200 OK\r\n\r\n", "in pieces of {piece}");
        }
    }
}

#[test]
fn a_body_of_a_mebibyte_arrives_whole_and_leaves_no_buffer_behind() {
    let world = World::new();
    let body: Vec<u8> = (0..1u32 << 20).map(|it| (it >> 4) as u8).collect();
    let client = Client::new(&world.trusting(), "shop.test", &[]).unwrap();
    for version in BOTH {
        let mut pair = Pair::new(&client, &world.shop(version));
        pair.piece = 10_000;
        pair.settle(Vec::new()).unwrap();
        pair.server_says(&body);
        assert!(pair.plain == body);
        let mut out = Vec::new();
        pair.client.send(&body, &mut out).unwrap();
        let mut heard = Vec::new();
        let mut bytes = out.as_slice();
        while !bytes.is_empty() {
            pair.server.read_tls(&mut bytes).unwrap();
            pair.server.process_new_packets().unwrap();
            heard.extend(pair.server_heard(1 << 20));
        }
        assert!(heard == body);
        assert!(pair.client.begun.capacity() <= session::KEPT_BYTES);
    }
}

#[test]
fn what_is_sent_before_the_handshake_is_done_follows_it() {
    let world = World::new();
    for version in BOTH {
        let client = Client::new(&world.trusting(), "shop.test", &[]).unwrap();
        let mut pair = Pair::new(&client, &world.shop(version));
        pair.send(b"early");
        assert_eq!(pair.server_heard(100), b"early");
    }
}

#[test]
fn a_server_that_cannot_be_trusted_is_a_fault_of_tls() {
    let world = World::new();
    let other = World::new();
    for version in BOTH {
        let shop = world.shop(version);
        let expired = world.server(world.signed("shop.test", 2001), version, false);
        let stranger = world.server(world.signed("other.test", 2099), version, false);
        for (settings, server, reason) in [
            (world.trusting(), &expired, "expired"),
            (world.trusting(), &stranger, "other.test"),
            (other.trusting(), &shop, "UnknownIssuer"),
        ] {
            let fault = fault(&settings, server);
            assert_eq!(fault.answer(), Answer::Tls);
            assert!(fault.to_string().contains(reason), "{fault}");
        }
        let named = Tls { server_name: Some("other.test".to_owned()), ..world.trusting() };
        let any = Tls { insecure: true, ..Tls::default() };
        for (settings, server) in [(named, &stranger), (any.clone(), &stranger), (any, &expired)] {
            let client = Client::new(&settings, "shop.test", &[]).unwrap();
            let mut pair = Pair::new(&client, server);
            pair.settle(Vec::new()).unwrap();
            assert!(pair.client.is_ready());
            let asked = settings.server_name.as_deref().unwrap_or("shop.test");
            assert_eq!(pair.server.server_name(), Some(asked));
        }
    }
}

#[test]
fn the_server_is_told_why_it_is_not_trusted() {
    let world = World::new();
    let client = Client::new(&World::new().trusting(), "shop.test", &[]).unwrap();
    let mut pair = Pair::new(&client, &world.shop(&version::TLS13));
    pair.settle(Vec::new()).unwrap_err();
    let error = pair.server.process_new_packets().unwrap_err();
    assert!(error.to_string().contains("UnknownCA"), "{error}");
}

#[test]
fn our_certificate_is_shown_when_it_is_asked_for() {
    let world = World::new();
    let ours = world.signed("load.test", 2099);
    std::fs::write(world.path("ours.pem").path(), &ours.pem).unwrap();
    std::fs::write(world.path("ours.key").path(), ours.key.serialize_pem()).unwrap();
    for version in BOTH {
        let server = world.server(world.signed("shop.test", 2099), version, true);
        let fault = fault(&world.trusting(), &server);
        assert_eq!(fault.answer(), Answer::Tls);
        let (certificate, key) = (Some(world.path("ours.pem")), Some(world.path("ours.key")));
        let settings = Tls { certificate, key, ..world.trusting() };
        let client = Client::new(&settings, "shop.test", &[]).unwrap();
        let mut pair = Pair::new(&client, &server);
        pair.settle(Vec::new()).unwrap();
        assert_eq!(pair.server.peer_certificates().unwrap(), &ours.chain[..]);
    }
}

#[test]
fn later_connections_resume_when_they_may() {
    let world = World::new();
    for version in BOTH {
        for resume in [true, false] {
            let server = world.shop(version);
            let client =
                Client::new(&Tls { resume, ..world.trusting() }, "shop.test", &[]).unwrap();
            let resumed: Vec<bool> = (0..4)
                .map(|_| {
                    let mut pair = Pair::new(&client, &server);
                    pair.settle(Vec::new()).unwrap();
                    pair.client.resumed()
                })
                .collect();
            assert_eq!(resumed, [false, resume, resume, resume]);
        }
    }
}

#[test]
fn an_end_that_was_said_is_told_from_a_cut() {
    let world = World::new();
    for version in BOTH {
        let client = Client::new(&world.trusting(), "shop.test", &[]).unwrap();
        let mut pair = Pair::new(&client, &world.shop(version));
        pair.settle(Vec::new()).unwrap();
        pair.server_says(b"half");
        assert!(!pair.closed);
        pair.server.send_close_notify();
        pair.server_says(b"");
        assert!(pair.closed);
        // What comes after the end is not looked at, however much it is.
        let received = pair.client.receive(&mut vec![7; 100_000], &mut pair.plain, &mut Vec::new());
        assert_eq!((received, pair.plain.as_slice()), (Ok(Received::Closed), &b"half"[..]));
        let mut out = Vec::new();
        pair.client.close(&mut out);
        pair.settle(out).unwrap();
        assert!(pair.server.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn bytes_that_are_not_of_tls_are_a_fault_and_damaged_records_too() {
    let world = World::new();
    let client = Client::new(&world.trusting(), "shop.test", &[]).unwrap();
    let mut session = client.session();
    let mut hello = Vec::new();
    session.flush(&mut hello).unwrap();
    let mut answer = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
    let fault = session.receive(&mut answer, &mut Vec::new(), &mut Vec::new()).unwrap_err();
    assert_eq!(fault.answer(), Answer::Tls);

    let mut pair = Pair::new(&client, &world.shop(&version::TLS13));
    pair.settle(Vec::new()).unwrap();
    pair.server_says(b"good");
    pair.server.writer().write_all(b"bad").unwrap();
    let mut bytes = Vec::new();
    pair.server.write_tls(&mut bytes).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let fault = pair.client.receive(&mut bytes, &mut plain, &mut out).unwrap_err();
    assert_eq!((fault.answer(), plain.len()), (Answer::Malformed, 0));
    assert!(pair.client.send(b"x", &mut out).is_err());
}

#[test]
fn keys_are_renewed_when_the_server_does() {
    let world = World::new();
    let client = Client::new(&world.trusting(), "shop.test", &[]).unwrap();
    let mut pair = Pair::new(&client, &world.shop(&version::TLS13));
    pair.settle(Vec::new()).unwrap();
    pair.server.refresh_traffic_keys().unwrap();
    pair.server_says(b"with new keys");
    pair.send(b"answer");
    assert_eq!(pair.plain, b"with new keys");
    assert_eq!(pair.server_heard(9), b"answer");
}

#[test]
fn a_file_that_cannot_be_used_is_said_with_the_reason() {
    let world = World::new();
    std::fs::write(world.path("empty.pem").path(), "").unwrap();
    std::fs::write(world.path("broken.pem").path(), "-----BEGIN CERTIFICATE-----\n%\n").unwrap();
    let (ours, other) = (world.signed("a.test", 2099), world.signed("b.test", 2099));
    std::fs::write(world.path("a.pem").path(), &ours.pem).unwrap();
    std::fs::write(world.path("b.key").path(), other.key.serialize_pem()).unwrap();
    let error = |settings: &Tls| Client::new(settings, "shop.test", &[]).unwrap_err();
    let ca = |file: &str| error(&Tls { ca: Some(world.path(file)), ..Tls::default() });
    assert!(
        matches!(ca("absent.pem"), TlsError::File { path, .. } if path.as_str().ends_with("absent.pem"))
    );
    assert!(ca("empty.pem").to_string().ends_with("there is none in it"));
    assert!(matches!(ca("broken.pem"), TlsError::Pem { .. }));
    let pair = |certificate: Option<&str>, key: Option<&str>| {
        let (certificate, key) =
            (certificate.map(|it| world.path(it)), key.map(|it| world.path(it)));
        error(&Tls { certificate, key, ..world.trusting() })
    };
    assert!(matches!(pair(Some("a.pem"), None), TlsError::Half));
    assert!(matches!(pair(Some("a.pem"), Some("a.pem")), TlsError::Pem { .. }));
    assert!(matches!(pair(Some("a.pem"), Some("b.key")), TlsError::Pair { .. }));
    let name = Tls { server_name: Some("a b".to_owned()), ..world.trusting() };
    assert!(matches!(error(&name), TlsError::Name { name } if name == "a b"));
    assert!(Client::new(&world.trusting(), "[::1]", &[]).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in 1usize..40, kind in 20u8..24) {
        let client = Client::new(&Tls { insecure: true, ..Tls::default() }, "shop.test", &[]).unwrap();
        let mut session = client.session();
        let mut out = Vec::new();
        session.flush(&mut out).unwrap();
        let mut framed = vec![kind, 3, 3, 0, bytes.len() as u8];
        framed.extend_from_slice(&bytes);
        let mut plain = Vec::new();
        for piece in framed.chunks_mut(size) {
            if session.receive(piece, &mut plain, &mut out).is_err() {
                break;
            }
        }
        prop_assert!(plain.is_empty());
    }
}
