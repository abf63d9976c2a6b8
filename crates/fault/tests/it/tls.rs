//! Flawed certificates between real programs: curl verifies, and nginx has a certificate that is right.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel_fault::Faults;
use evenkeel_model::document::{
    Direction, Fault, Flaw, Issuer as Files, Protocol, Selector, Traffic,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::alone::{alone, ruleset};
use crate::stage::{Victim, blocking, connect, fault, on_link, open, service, state_dir, until};

/// An authority that clients trust, and an nginx for `shop.example`, with a link in front of it.
struct World {
    faults: Faults,
    link: SocketAddr,
    /// Where nginx itself listens.
    server: SocketAddr,
    folder: PathBuf,
    _state: tempfile::TempDir,
    _nginx: Victim,
}

/// The certificates of an authority and of a server, with their keys.
fn certificates(folder: &Path) {
    let (mut authority, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let name = &mut authority.distinguished_name;
    name.push(DnType::CountryName, "FR");
    name.push(DnType::OrganizationName, "Épicerie");
    name.push(DnType::CommonName, "Test CA");
    std::fs::write(folder.join("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.join("ca.key"), key.serialize_pem()).unwrap();
    let (server, own) = (
        CertificateParams::new(["shop.example".to_owned()]).unwrap(),
        KeyPair::generate().unwrap(),
    );
    let signed = server.signed_by(&own, &Issuer::new(authority, key)).unwrap();
    std::fs::write(folder.join("server.pem"), signed.pem()).unwrap();
    std::fs::write(folder.join("server.key"), own.serialize_pem()).unwrap();
}

impl World {
    async fn start() -> Self {
        let state = state_dir();
        let folder = state.path().join("nginx");
        std::fs::create_dir(&folder).unwrap();
        certificates(&folder);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let here = folder.display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|it| format!("{it}_temp_path {here}/{it};"))
            .join(" ");
        let configuration = format!(
            "daemon off; master_process off; pid {here}/pid; events {{}}
             http {{ access_log off; {temporary}
               server {{ listen {port} ssl; return 200 'fine';
                 ssl_certificate {here}/server.pem; ssl_certificate_key {here}/server.key; }} }}"
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, configuration).unwrap();
        let nginx = Victim::of(Command::new("nginx").args(["-e", "stderr", "-c"]).arg(&file));
        until(|| TcpStream::connect(port).is_ok()).await;
        let faults = open(&service(Some(port), &[]), state.path()).await;
        let link = faults.address("payment").unwrap();
        Self { faults, link, server: port, folder, _state: state, _nginx: nginx }
    }

    /// What curl says, who trusts the authority, and its exit code.
    async fn curl(&self, words: &'static [&'static str]) -> (String, i32) {
        self.curl_at(self.link, words).await
    }

    async fn curl_at(&self, at: SocketAddr, words: &'static [&'static str]) -> (String, i32) {
        let (authority, port) = (self.folder.join("ca.pem"), at.port());
        blocking(move || {
            let mut curl = Command::new("curl");
            curl.args(["-sS", "-m", "20", "--resolve"])
                .arg(format!("shop.example:{port}:127.0.0.1"));
            curl.args(words).arg("--cacert").arg(authority);
            let curl = curl.arg(format!("https://shop.example:{port}/")).output().unwrap();
            let said = [curl.stdout, curl.stderr].concat();
            (String::from_utf8_lossy(&said).into_owned(), curl.status.code().unwrap_or(-1))
        })
        .await
    }

    fn flawed(&self, certificate: Flaw) -> Fault {
        let [certificate_file, key] = ["ca.pem", "ca.key"].map(|it| self.folder.join(it));
        let issuer = Files { certificate: certificate_file, key };
        let issuer = (certificate != Flaw::Untrusted).then_some(issuer);
        Fault::Tls { certificate, issuer }
    }
}

#[tokio::test]
async fn a_client_that_verifies_refuses_each_flaw_for_what_it_is_and_one_that_does_not_is_found() {
    let mut world = World::start().await;
    assert_eq!(world.curl(&[]).await, ("fine".to_owned(), 0));
    let complaints = [
        (Flaw::Expired, "certificate has expired"),
        (Flaw::WrongName, "certificate subject name"),
        (Flaw::Untrusted, "self-signed certificate in certificate chain"),
    ];
    for (flaw, complaint) in complaints {
        let mut before = connect(world.link);
        world.faults.begin(0, &on_link(world.flawed(flaw))).await.unwrap();
        let (said, code) = world.curl(&[]).await;
        assert!(code == 60 && said.contains(complaint), "{flaw:?}: {code} {said}");
        assert_ne!(world.curl(&["--insecure"]).await.1, 0);
        // Whoever was there before still has the dependency, which wants TLS.
        let answer = blocking(move || {
            before.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = String::new();
            before.read_to_string(&mut answer).unwrap();
            answer
        })
        .await;
        assert!(answer.contains("plain HTTP request"), "{answer}");
        let (evidence, error) = world.faults.end(0).await;
        assert_eq!(error, None);
        let summary = "2 handshakes: 1 refused the certificate, 1 accepted it";
        assert_eq!((evidence.acted, evidence.summary.as_str()), (true, summary));
        assert_eq!(world.curl(&[]).await, ("fine".to_owned(), 0));
    }
    world.faults.close().await.unwrap();
}

#[tokio::test]
async fn what_is_not_tls_passes_and_an_issuer_that_cannot_be_read_is_named() {
    let mut world = World::start().await;
    world.faults.begin(0, &on_link(world.flawed(Flaw::Expired))).await.unwrap();
    let link = world.link;
    let answer = blocking(move || {
        let mut stream = connect(link);
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    })
    .await;
    assert!(answer.contains("plain HTTP request"), "{answer}");
    let (evidence, _) = world.faults.end(0).await;
    let summary = "no handshake of TLS came through the link; 1 connection without TLS passed";
    assert_eq!((evidence.acted, evidence.summary.as_str()), (false, summary));
    let key = world.folder.join("nowhere.key");
    let issuer = Some(Files { certificate: world.folder.join("ca.pem"), key });
    let fault = Fault::Tls { certificate: Flaw::Expired, issuer };
    let error = format!("{:?}", world.faults.begin(1, &on_link(fault)).await.unwrap_err());
    assert!(error.contains("nowhere.key"), "{error}");
    let [certificate, key] = ["ca.pem", "server.key"].map(|it| world.folder.join(it));
    let fault = Fault::Tls { certificate: Flaw::Expired, issuer: Some(Files { certificate, key }) };
    let error = format!("{:?}", world.faults.begin(1, &on_link(fault)).await.unwrap_err());
    assert!(error.contains("server.key is not the key of"), "{error}");
    world.faults.close().await.unwrap();
}

#[test]
fn who_calls_an_endpoint_itself_gets_the_certificate_too() {
    alone("tls::who_calls_an_endpoint_itself_gets_the_certificate_too", async {
        let mut world = World::start().await;
        let server = world.server;
        let traffic = Traffic {
            host: None,
            port: Some(server.port()),
            protocol: Protocol::Any,
            direction: Direction::Both,
        };
        let flawed = fault(world.flawed(Flaw::Expired), Some(Selector::Traffic(traffic)));
        world.faults.begin(0, &flawed).await.unwrap();
        let (said, code) = world.curl_at(server, &[]).await;
        assert!(code == 60 && said.contains("certificate has expired"), "{code} {said}");
        let (evidence, error) = world.faults.end(0).await;
        assert_eq!(error, None);
        let summary = "1 handshake: 1 refused the certificate, 0 accepted it";
        assert_eq!((evidence.acted, evidence.summary.as_str()), (true, summary));
        assert_eq!(world.curl_at(server, &[]).await, ("fine".to_owned(), 0));
        world.faults.close().await.unwrap();
        assert_eq!(ruleset(), "");
    });
}
