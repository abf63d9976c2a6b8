//! A Prometheus of Debian, which scrapes and is sent what our server scrapes and is sent.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::world::Answer;

/// A Prometheus of the test's own.
pub(crate) struct Prometheus {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// With a configuration, and open for remote write.
    pub(crate) fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("prometheus.yml");
        fs::write(&configuration, config).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--web.enable-remote-write-receiver"])
            .arg("--enable-feature=native-histograms")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus is installed by `cargo xtask test`");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("Server is ready")), "prometheus does not come up");
        // Whatever else it says goes nowhere, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let port = listens_at(child.id()).expect("it listens once it is ready");
        Self { child, address: ([127, 0, 0, 1], port).into(), _folder: folder }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().expect("it runs until it is killed");
        self.child.wait().expect("it is our child");
    }
}

/// What a server answers to a request. Version 1.0 has no chunks.
pub(crate) fn ask(address: SocketAddr, line: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    let head =
        format!("{line} HTTP/1.0\r\nhost: {address}\r\n{headers}content-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase();
    let body = &answer[end + 4..];
    let body = match head.contains("content-encoding: gzip") {
        true => {
            let mut plain = String::new();
            flate2::read::GzDecoder::new(body).read_to_string(&mut plain).unwrap();
            plain
        }
        false => String::from_utf8(body.to_vec()).unwrap(),
    };
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body }
}

/// The port at which a process listens.
pub(crate) fn listens_at(pid: u32) -> Option<u16> {
    let held: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .filter_map(|it| Some(fs::read_link(it.ok()?.path()).ok()?.display().to_string()))
        .collect();
    fs::read_to_string("/proc/net/tcp").ok()?.lines().find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let socket = format!("socket:[{}]", fields.get(9)?);
        let listens = *fields.get(3)? == "0A" && held.contains(&socket);
        let (_, port) = fields.get(1)?.split_once(':')?;
        listens.then(|| u16::from_str_radix(port, 16).ok())?
    })
}
