//! A server of the test's own, and what sends to it and asks it.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_metrics::config::Config;
use evenkeel_metrics::rules;
use evenkeel_serve::watch::Documents;
use evenkeel_serve::{Again, Server, Settings, Token, Wanted};
use evenkeel_units::SystemClock;
use prost::Message as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A server in a thread.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) token: Option<&'static str>,
}

impl World {
    /// A server that scrapes what a configuration says, over a store in a folder.
    pub(crate) fn at(folder: &Path, config: &str, token: Option<&'static str>) -> Self {
        Self::of(
            Settings { token: token.map(|it| Token::new(it).unwrap()), ..settings(folder, config) },
            token,
        )
    }

    /// A server that judges what some documents say.
    pub(crate) fn judging(folder: &Path, config: &str, documents: Documents) -> Self {
        let mut settings = settings(folder, config);
        settings.wanted.documents = Arc::new(documents);
        Self::of(settings, None)
    }

    /// A server that evaluates rules.
    pub(crate) fn with_rules(folder: &Path, config: &str, rules: &str) -> Self {
        let groups = rules::read_bytes("rules.yml", rules.as_bytes().to_vec()).unwrap();
        let mut settings = settings(folder, config);
        settings.wanted.groups = groups;
        Self::of(settings, None)
    }

    /// A server that reads its configuration again from a file.
    pub(crate) fn reading(folder: &Path, file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let file = file.to_owned();
        Self::renewed_by(folder, &text, move || wanted(&std::fs::read_to_string(&file).unwrap()))
    }

    /// A server that has something called for what it wants when its files are to be read again.
    pub(crate) fn renewed_by(
        folder: &Path,
        config: &str,
        again: impl Fn() -> Result<Wanted, String> + Send + Sync + 'static,
    ) -> Self {
        let again = Some(Again::new(again));
        Self::of(Settings { again, ..settings(folder, config) }, None)
    }

    pub(crate) fn of(settings: Settings, token: Option<&'static str>) -> Self {
        let (told, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let server = Server::open(settings, SystemClock::start()).unwrap();
            told.send(server.address()).unwrap();
            let stop = async { stopped.await.unwrap_or_default() };
            runtime.block_on(server.run(stop)).unwrap();
        });
        let address = address.recv().unwrap();
        Self { address, stop: Some(stop), thread: Some(thread), token }
    }

    /// A server without targets, over a store that is empty.
    pub(crate) fn empty() -> (Self, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Self::at(folder.path(), "", None), folder)
    }

    /// A server that holds some samples: seconds, text of the series, value.
    pub(crate) fn with(samples: &[(i64, &str, f64)]) -> (Self, TempDir) {
        let (world, folder) = Self::empty();
        let answer = world.write(samples);
        assert_eq!(answer.status, 204, "{}", answer.body);
        (world, folder)
    }

    /// What is answered to a request.
    pub(crate) fn send(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let token = self.token.map(|it| format!("authorization: Bearer {it}\r\n"));
        let (token, length) = (token.unwrap_or_default(), body.len());
        let (line, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let host = match headers.lines().any(|it| it.starts_with("host:")) {
            true => String::new(),
            false => format!("host: {}\r\n", self.address),
        };
        let head = format!(
            "{line} HTTP/1.1\r\n{host}{token}{headers}connection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // Whoever is refused for its head need not have its body read.
        stream.write_all(body).unwrap_or_default();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(drop).unwrap_or_default();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// What is answered to a path.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), b"")
    }

    /// The data of an answer of the API.
    pub(crate) fn data(&self, path: &str) -> Value {
        let answer = self.get(&format!("/api/v1/{path}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut json: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(json["status"], "success");
        json["data"].take()
    }

    /// What a query says at a second: each series with its value.
    pub(crate) fn ask(&self, query: &str, at: i64) -> Vec<String> {
        let data = self.data(&format!("query?query={}&time={at}", encoded(query)));
        let all = data["result"].as_array().unwrap();
        let mut said: Vec<String> =
            all.iter().map(|it| format!("{} {}", it["metric"], it["value"][1])).collect();
        said.sort();
        said
    }

    /// A request of remote write.
    pub(crate) fn request(samples: &[(i64, &str, f64)]) -> Vec<u8> {
        let series = samples.iter().map(|(at, text, value)| Series {
            labels: labels(text),
            samples: vec![Sample { value: *value, timestamp: at * 1000 }],
        });
        let plain = WriteRequest { series: series.collect() }.encode_to_vec();
        snap::raw::Encoder::new().compress_vec(&plain).unwrap()
    }

    /// Sends samples by remote write.
    pub(crate) fn write(&self, samples: &[(i64, &str, f64)]) -> Answer {
        let body = Self::request(samples);
        let head = "POST /api/v1/write\r\ncontent-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n";
        self.send(head, &body)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A test that failed has said why.
            thread.join().unwrap_or_default();
        }
    }
}

pub(crate) fn settings(folder: &Path, config: &str) -> Settings {
    Settings {
        wanted: wanted(config).unwrap(),
        ..Settings::new(([127, 0, 0, 1], 0).into(), folder)
    }
}

/// What a configuration asks for.
fn wanted(config: &str) -> Result<Wanted, String> {
    let read = Config::read("prometheus.yml", config.as_bytes().to_vec());
    let mut config =
        read.map_err(|it| it.first().map_or_else(String::new, |it| it.message.clone()))?;
    // Most samples of tests are of 1970.
    config.retention.get_or_insert(Duration::from_hours(100 * 365 * 24));
    Ok(Wanted { config, ..Wanted::default() })
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// As a part of a URL.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, it| {
        write!(url, "%{it:02x}").unwrap();
        url
    })
}

/// `up,job=shop` as labels.
fn labels(text: &str) -> Vec<Label> {
    let mut parts = text.split(',');
    let name = ("__name__", parts.next().unwrap());
    let pairs = std::iter::once(name).chain(parts.map(|it| it.split_once('=').unwrap()));
    pairs.map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() }).collect()
}

/// Enough of remote write to send it.
#[derive(Clone, PartialEq, prost::Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Copy, Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}
