//! A shop under test: started on free ports, asked over HTTP, killed with its test.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

/// One process of the shop, as announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) port: u16,
    pub(crate) pid: u32,
}

/// A running shop.
pub(crate) struct Shop {
    pub(crate) port: u16,
    pub(crate) parts: BTreeMap<String, Part>,
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Nobody listens there.
pub(crate) const DEAD: &str = "127.0.0.1:1";

/// A command that runs the shop.
pub(crate) fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel-shop"));
    command.args(flags).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

impl Shop {
    /// Starts a shop on free ports and waits until it is ready.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let mut child = command(flags).args(["--port", "0"]).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut shop = Self { port: 0, parts: BTreeMap::new(), child, lines };
        while shop.port == 0 {
            shop.hear().await;
        }
        shop
    }

    /// Reads one announcement.
    pub(crate) async fn hear(&mut self) -> String {
        let line = self.lines.next_line().await.unwrap().expect("the shop ended early");
        let words: Vec<_> = line.split(' ').collect();
        let port_of = |url: &str| url.rsplit(':').next().unwrap().parse().unwrap();
        match words.as_slice() {
            ["shop", "ready", "on", url] => self.port = port_of(url),
            [part, url, "pid", pid] => {
                let part_ = Part { port: port_of(url), pid: pid.parse().unwrap() };
                self.parts.insert((*part).to_owned(), part_);
            }
            _ => {}
        }
        line
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        ask(self.port, "GET", path, None, None).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        ask(self.port, "POST", path, Some(body), None).await.unwrap()
    }

    pub(crate) async fn post_with_key(
        &self,
        path: &str,
        body: &Value,
        key: &str,
    ) -> (StatusCode, Value) {
        ask(self.port, "POST", path, Some(body), Some(key)).await.unwrap()
    }

    pub(crate) fn signal(&self, part: &str, signal: Signal) {
        send_signal(self.parts[part].pid, signal);
    }

    /// The sum of a metric over the gateways.
    pub(crate) async fn gateways_count(&self, sample: &str) -> f64 {
        let mut sum = 0.0;
        for instance in 1..=3 {
            let page = text(self.parts[&format!("gateway-{instance}")].port, "/metrics").await;
            let lines = page.lines().filter(|it| it.starts_with(sample));
            sum +=
                lines.map(|it| it.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>();
        }
        sum
    }
}

pub(crate) fn send_signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Whether a process runs; one that has ended but is not yet reaped does not.
pub(crate) fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|it| !it.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

/// Polls until `is_so`, or fails the test after half a minute.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let poll = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), poll).await.is_ok(), "never so: {what}");
}

/// Asks once over a connection of its own; `None` when there is no answer.
pub(crate) async fn ask(
    port: u16,
    method: &str,
    path: &str,
    body: Option<&Value>,
    key: Option<&str>,
) -> Option<(StatusCode, Value)> {
    let (status, body) = exchange(port, method, path, body, key).await?;
    Some((status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// The text at a path.
pub(crate) async fn text(port: u16, path: &str) -> String {
    let (_, body) = exchange(port, "GET", path, None, None).await.unwrap();
    String::from_utf8(body.into()).unwrap()
}

async fn exchange(
    port: u16,
    method: &str,
    path: &str,
    body: Option<&Value>,
    key: Option<&str>,
) -> Option<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "shop");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let body = body.map(ToString::to_string).unwrap_or_default();
    let answer =
        sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.ok()?;
    let status = answer.status();
    Some((status, answer.into_body().collect().await.ok()?.to_bytes()))
}
