//! Servers of a test's own, of which nothing is left.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::world::{said, wait_until};

/// A server that was made a moment ago answers within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// PostgreSQL does not run as root; this is who it is then.
const NOBODY: u32 = 65_534;

/// A server that listens at a socket in a folder of its own.
pub(crate) struct Postgres {
    server: Child,
    folder: TempDir,
    port: u16,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        Self::of(tempfile::tempdir().unwrap(), 5432, &["-c", "listen_addresses="])
    }

    /// One that also listens at a port of loopback, with the certificate of its folder.
    pub(crate) fn with_tls(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let [certificate, key] = ["server.crt", "server.key"].map(|it| folder.path().join(it));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        own(&key);
        let [certificate, key] = [("cert", certificate), ("key", key)]
            .map(|(it, at)| format!("ssl_{it}_file={}", at.display()));
        let addresses = "listen_addresses=127.0.0.1";
        let settings = [addresses, "ssl=on", &certificate, &key];
        Self::of(folder, port, &settings.map(|it| ["-c", it]).concat())
    }

    fn of(folder: TempDir, port: u16, settings: &[&str]) -> Self {
        own(folder.path());
        let data = folder.path().join("data");
        let made = command("initdb", folder.path())
            .args(["--no-sync", "--auth=trust", "--username=evenkeel", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", said(&made));
        let server = command("postgres", folder.path())
            .arg("-D")
            .arg(&data)
            .args(settings)
            .args(["-F", "-p", &port.to_string(), "-k"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let postgres = Self { server, folder, port };
        assert!(wait_until(PATIENCE, || postgres.psql("select 1").status.success()));
        postgres
    }

    /// Of one with TLS.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    pub(crate) fn url(&self) -> String {
        let folder = self.folder.path().display();
        format!("postgres://evenkeel@localhost:{}/postgres?host={folder}", self.port)
    }

    pub(crate) fn psql(&self, query: &str) -> Output {
        let mut asks = command("psql", self.folder.path());
        asks.arg("-h").arg(self.folder.path()).args(["-U", "evenkeel", "-d", "postgres"]);
        asks.args(["-p", &self.port.to_string()]).args(["-A", "-t", "-c", query]).output().unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

/// Gives a file or a folder to whoever PostgreSQL runs as.
fn own(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A program of PostgreSQL, as somebody who may run it.
fn command(program: &str, folder: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|it| it.join(program)).find(|it| it.is_file());
    let found: Option<PathBuf> = found.or_else(|| {
        // Where Debian has it, one folder for each version.
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        versions.map(|it| it.path().join("bin").join(program)).find(|it| it.is_file())
    });
    let mut command = Command::new(found.expect("PostgreSQL is installed by `cargo xtask test`"));
    command.current_dir(folder);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// A Prometheus that scrapes nothing, at a port of loopback.
pub(crate) struct Prometheus {
    server: Child,
    _folder: TempDir,
}

impl Prometheus {
    /// The port has to be free.
    pub(crate) fn start(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, "global: {scrape_interval: 1h}\n").unwrap();
        let address = format!("127.0.0.1:{port}");
        let server = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .args([&format!("--web.listen-address={address}"), "--log.level=error"])
            .spawn()
            .expect("prometheus is installed by `cargo xtask test`");
        let prometheus = Self { server, _folder: folder };
        let is_ready = || {
            let mut stream = TcpStream::connect(&address)?;
            stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.0 200"))
        };
        assert!(wait_until(PATIENCE, || is_ready().unwrap_or(false)));
        prometheus
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

/// A Redis that listens at a port of loopback.
pub(crate) struct Redis {
    server: Child,
    _folder: TempDir,
    port: u16,
}

impl Redis {
    /// The port has to be free.
    pub(crate) fn start(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .args([&port.to_string(), "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed by `cargo xtask test`");
        let redis = Self { server, _folder: folder, port };
        assert!(wait_until(PATIENCE, || redis.answers()));
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Whether a client gets its answer within half a second.
    pub(crate) fn answers(&self) -> bool {
        self.asks("PING").is_ok_and(|it| &it == b"+PONG")
    }

    /// Whether its clock is not off by a minute or more.
    pub(crate) fn is_on_time(&self) -> bool {
        // `*2`, `$10`, and the seconds since 1970.
        let Ok(answer) = self.asks::<19>("TIME") else { return false };
        let seconds = str::from_utf8(&answer[9..]).ok().and_then(|it| it.parse::<i64>().ok());
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
        seconds.is_some_and(|it| (it - now).abs() < 60)
    }

    fn asks<const LENGTH: usize>(&self, command: &str) -> std::io::Result<[u8; LENGTH]> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut answer = [0; LENGTH];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}
