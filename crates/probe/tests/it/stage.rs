//! Stage: what the tests have in common: servers that end with their test, certificates, questions.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use evenkeel_probe::{Address, Call, Reading, Trust, Verdict};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::time::sleep;

/// Long enough that only a hang reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A server that ends with its test.
pub(crate) struct Server(pub(crate) Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A port that nobody has; somebody could take it, but nobody who only asks for any does so soon.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks as the command does.
pub(crate) async fn ask(call: &Call, url: &str) -> Reading {
    call.ask(&Address::parse(url).unwrap()).await
}

/// A question with patience, and these expectations.
pub(crate) fn call(expect: &[&str]) -> Call {
    let expect = expect.iter().map(|it| it.parse().unwrap()).collect();
    Call { timeout: PATIENCE, expect, ..Call::default() }
}

/// Waits until the service is healthy.
pub(crate) async fn until_healthy(call: &Call, url: &str) -> Reading {
    for _ in 0..2_000 {
        let reading = ask(call, url).await;
        if reading.verdict == Verdict::Healthy {
            return reading;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{url} does not come up: {:?}", ask(call, url).await);
}

/// Somebody who signs certificates, and a folder with them.
pub(crate) struct Authority {
    pub(crate) folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::of_file(&self.folder.path().join("ca.pem")).unwrap()
    }

    /// Files with a certificate for a name until the end of a year, and its key.
    pub(crate) fn sign(&self, name: &str, until_year: i32) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str| self.folder.path().join(format!("{name}-{until_year}.{kind}"));
        std::fs::write(file("pem"), signed.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
        (file("pem"), file("key"))
    }
}

/// A program from one of these folders, or from the path.
pub(crate) fn found(name: &str, folders: impl Iterator<Item = PathBuf>) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut all = std::env::split_paths(&path).chain(folders).map(|it| it.join(name));
    all.find(|it| Path::is_file(it)).expect("it is installed by `cargo xtask test`")
}
