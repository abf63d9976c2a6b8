//! An engine for the tests: Debian's dockerd in a folder of its own, which ends with the test process, however that ends.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use crate::patience::until;

/// Runs until its input ends. Its mounts are its own; the host's network is left alone.
const SCRIPT: &str = r#"
    dockerd --host "unix://$0/engine.sock" --data-root "$0/data" --exec-root "$0/exec" --pidfile "$0/pid" \
        --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
        --userland-proxy=false --shutdown-timeout 1 > "$0/log" 2>&1 < /dev/null &
    read -r _
    kill "$!"
    wait "$!"
    rm -rf "$0"
"#;

/// The socket of the one engine of this process.
pub(crate) async fn engine() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    static IMAGE: Mutex<bool> = Mutex::new(false);
    let socket = FOLDER.get_or_init(start).join("engine.sock");
    until(|| UnixStream::connect(&socket).is_ok()).await;
    let mut made = IMAGE.lock().unwrap();
    if !*made {
        make_image(&socket);
        *made = true;
    }
    drop(made);
    socket
}

fn start() -> PathBuf {
    let folder = tempfile::tempdir().unwrap().keep();
    let quiet = Stdio::null;
    let mut keeper = Command::new("unshare")
        .args(["--mount", "sh", "-c", SCRIPT])
        .arg(&folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(quiet())
        .stderr(quiet())
        .spawn()
        .unwrap();
    let life = keeper.stdin.take().unwrap();
    // It keeps the pipe, which the kernel closes when this process ends.
    std::thread::spawn(move || (keeper.wait(), life));
    folder
}

/// From scratch: nothing but a busybox.
fn make_image(socket: &Path) {
    let root = tempfile::tempdir().unwrap();
    std::fs::copy("/bin/busybox", root.path().join("busybox")).unwrap();
    let tar = Command::new("tar").arg("-C").arg(root.path()).args(["-c", "."]).output().unwrap();
    assert!(tar.status.success());
    ask(socket, "POST", "/images/create?fromSrc=-&repo=shop/web&tag=3", &tar.stdout);
}

/// A container that counts in a file, until the test is over.
pub(crate) struct Victim {
    socket: PathBuf,
    pub(crate) name: String,
}

impl Victim {
    pub(crate) async fn start(name: &str) -> Self {
        Self::with(name, json!({})).await
    }

    /// With other settings of its host.
    pub(crate) async fn with(name: &str, host: Value) -> Self {
        let socket = engine().await;
        let count = "while :; do i=$((i+1)); echo $i > /count; /busybox usleep 5000; done";
        let mut host = host;
        host["NetworkMode"] = host.get("NetworkMode").cloned().unwrap_or_else(|| json!("none"));
        let (group, _) = name.rsplit_once('-').unwrap();
        let made = json!({
            "Image": "shop/web:3", "Cmd": ["/busybox", "sh", "-c", count], "Labels": {"group": group},
            "StopSignal": "SIGKILL", "HostConfig": host
        });
        let it = Self { socket, name: name.to_owned() };
        it.ask("POST", &format!("/containers/create?name={name}"), &made);
        it.post("start");
        until(|| it.count() > 0).await;
        it
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        ask(&self.socket, method, path, &body)
    }

    /// What others do to it.
    pub(crate) fn post(&self, verb: &str) {
        self.ask("POST", &format!("/containers/{}/{verb}", self.name), &Value::Null);
    }

    pub(crate) fn state(&self) -> Value {
        let path = format!("/containers/{}/json", self.name);
        self.ask("GET", &path, &Value::Null)["State"].clone()
    }

    /// `running`, `paused` or `exited`.
    pub(crate) fn status(&self) -> String {
        self.state()["Status"].as_str().unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> u64 {
        self.state()["Pid"].as_u64().unwrap()
    }

    pub(crate) fn started_at(&self) -> String {
        self.state()["StartedAt"].as_str().unwrap().to_owned()
    }

    /// How far it has counted; nothing while it does not run.
    pub(crate) fn count(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/root/count", self.pid()));
        text.unwrap_or_default().trim().parse().unwrap_or_default()
    }

    /// Waits until it has counted further.
    pub(crate) async fn goes_on(&self) {
        let before = self.count();
        until(|| self.count() > before).await;
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.ask("DELETE", &format!("/containers/{}?force=true", self.name), &Value::Null);
    }
}

/// One request, and its answer.
fn ask(socket: &Path, method: &str, path: &str, body: &[u8]) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    assert!(status.starts_with(['2', '3']), "{method} {path}: {answer}");
    serde_json::from_str(body).unwrap_or_default()
}
