//! `LoadTest`: which requests are sent, and how many when.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: LoadTest
//! metadata: {name: shoppers}
//! spec:
//!   service: shop
//!   shape:
//!     spike: {base: 100/s, peak: 400/s, lead: 10s, hold: 5s, tail: 10s}
//!   routes:
//!     - {name: list, path: /products, weight: 6}
//!     - name: checkout
//!       method: POST
//!       path: /checkout
//!       headers: {content-type: application/json, authorization: "Bearer ${env:SHOP_TOKEN}"}
//!       body: '{"product": 1, "quantity": 1}'
//!       checks: {status: [200, 202], body: ["order"]}
//! ```
//!
//! ```text
//! shape      how many requests when, as straight lines
//! parts      a shape cut into phases
//! call       what one request is, by protocol, and what a right answer to it looks like
//! scenario   what one user does, step by step, and the data it does it with
//! template   text that is written anew for each request
//! ```

use std::time::Duration;

use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use super::{Criterion, FileName, Finder};

mod call;
mod parts;
mod scenario;
mod shape;
mod template;

pub use self::call::{Call, Checks, Encoding, Extract, Pacing, Route, Source, StatusCheck, Until};
pub use self::scenario::{Condition, Feeder, RowOrder, Rows, Scenario, Step};
pub use self::shape::{Offered, Segment, Shape, Stage};
pub use self::template::{Part, Slot, Template};

/// Load to send at a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadTest {
    /// `metadata.name`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// The service whose `url` is loaded.
    pub service: Option<String>,
    /// Where requests go, when no service says it: `scheme://host:port`, without a path. The scheme is the
    /// protocol: `http`, `https`, `grpc`, `grpcs`, `ws`, `wss`, `tcp`, `tls`, `udp`, `kafka` or `dns`.
    pub url: Option<String>,
    /// How many requests when. A drill's phases may bring their own.
    pub shape: Option<Shape>,
    /// Everything that is requested, once each. Without scenarios, each is chosen by its weight.
    pub routes: Vec<Route>,
    /// What users do, chosen by weight. Their requests are among the routes.
    pub scenarios: Vec<Scenario>,
    /// Names of the transactions that scenarios have.
    pub transactions: Vec<String>,
    /// Data that scenarios take rows from.
    pub feeders: Vec<Feeder>,
    /// A request is given up after this time, counted from when it was due. Default 10 s.
    #[serde(rename = "timeout_seconds", with = "seconds")]
    pub timeout: Duration,
    /// The most connections at a time. Default 64.
    pub connections: u32,
    /// How it is sent.
    pub sending: Sending,
    /// What is watched beside the load.
    pub watch: Vec<Watch>,
    /// What must hold.
    pub success: Vec<Threshold>,
}

impl LoadTest {
    /// A load test that sends nothing yet, with every default of a document.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: None,
            service: None,
            url: None,
            shape: None,
            routes: Vec::new(),
            scenarios: Vec::new(),
            transactions: Vec::new(),
            feeders: Vec::new(),
            timeout: Duration::from_secs(10),
            connections: 64,
            sending: Sending::default(),
            watch: Vec::new(),
            success: Vec::new(),
        }
    }

    /// A test of some routes, with the default of everything else.
    pub fn of(name: impl Into<String>, routes: Vec<Route>) -> Self {
        Self { routes, ..Self::new(name) }
    }
}

/// How load is sent. What an older run did not know of is as it is when nobody says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sending {
    /// Threads that send, each on a core of its own. Default 1: it sends more than most services take.
    pub threads: u32,
    /// The most requests at a time on one connection, where the protocol allows more than one. Default 100.
    pub streams: u32,
    /// HTTP/2 instead of HTTP/1.1.
    pub http2: bool,
    /// Whose a connection is.
    pub connection: Owner,
    /// How precisely requests are sent when they are due.
    pub pace: Pace,
    /// What is trusted, and what is shown, where the protocol is one over TLS.
    pub tls: Tls,
    /// Where messages of gRPC are described.
    pub grpc: Schema,
    /// What a WebSocket is opened with.
    pub websocket: Opening,
    /// As whom one comes to the brokers of Kafka.
    pub sasl: Option<Sasl>,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            threads: 1,
            streams: 100,
            http2: false,
            connection: Owner::Shared,
            pace: Pace::Precise,
            tls: Tls::default(),
            grpc: Schema::default(),
            websocket: Opening::default(),
            sasl: None,
        }
    }
}

/// Whose a connection is, and so how long it is kept.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Nobody's: a request goes over any that is free.
    #[default]
    Shared,
    /// One user's, from its first request until it leaves. In the open model each arrival is a user.
    User,
    /// One iteration's, from its first request to its last.
    Visit,
}

impl Owner {
    /// Every owner with its name in documents.
    pub const NAMES: [(&'static str, Self); 3] =
        [("shared", Self::Shared), ("user", Self::User), ("visit", Self::Visit)];
}

/// How precisely requests are sent when they are due.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Each when it is due, within some ten microseconds.
    #[default]
    Precise,
    /// Once a millisecond, all that are due: less than half the processor time.
    Coarse,
    /// Each when it is due, within a microsecond or two: a core is kept busy all the time.
    Spin,
}

impl Pace {
    /// Every pace with its name in documents.
    pub const NAMES: [(&'static str, Self); 3] =
        [("precise", Self::Precise), ("coarse", Self::Coarse), ("spin", Self::Spin)];
}

/// What is trusted, and what is shown, over TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// File with certificates that are trusted, in PEM. Default: those of the system.
    pub ca: Option<FileName>,
    /// File with our own certificate, in PEM.
    pub certificate: Option<FileName>,
    /// File with its key, in PEM.
    pub key: Option<FileName>,
    /// The name that the server must show, and that is asked for (SNI). Default: the host of the URL.
    pub server_name: Option<String>,
    /// Whether any certificate will do.
    pub insecure: bool,
    /// Whether sessions are resumed. Default true.
    pub resume: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            ca: None,
            certificate: None,
            key: None,
            server_name: None,
            insecure: false,
            resume: true,
        }
    }
}

/// Where messages of gRPC are described. Default: the server is asked (reflection).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// `.proto` files.
    pub files: Vec<FileName>,
    /// Folders in which they and what they import are looked for.
    pub include: Vec<FileName>,
}

/// What a WebSocket is opened with, beside what the handshake asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Path and query; values of the moment have no place in them. Default `/`.
    pub path: Option<Template>,
    /// Headers of the request, likewise.
    pub headers: Vec<(String, Template)>,
    /// Subprotocols that are offered, the best first; the server has to choose one.
    pub protocols: Vec<String>,
}

/// As whom one comes to the brokers of Kafka (SASL).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sasl {
    /// How it is proved.
    pub mechanism: Mechanism,
    /// The name.
    pub user: Template,
    /// The password: a reference.
    pub password: Template,
}

/// How a broker is shown who comes.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// The password is sent as it is (RFC 4616).
    Plain,
    /// The password is proved and never sent (RFC 7677).
    ScramSha256,
    /// The same with longer hashes.
    ScramSha512,
}

impl Mechanism {
    /// Every mechanism with its name, as Kafka has it.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("PLAIN", Self::Plain),
        ("SCRAM-SHA-256", Self::ScramSha256),
        ("SCRAM-SHA-512", Self::ScramSha512),
    ];
}

/// Something that is watched beside the load, drawn beside it, and held to limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Its name in reports.
    pub name: String,
    /// Where its figures come from.
    pub source: WatchSource,
    /// How often it is read. Default 1 s.
    #[serde(rename = "every_seconds", with = "seconds")]
    pub every: Duration,
    /// What its figures must not go beyond: name of the figure and the limit in its base unit.
    pub limits: Vec<(String, f64)>,
}

/// Where figures of the target's side come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchSource {
    /// Processes of this host: `cpu_cores`, `memory_bytes`, `disk_read_bytes_per_second`,
    /// `disk_write_bytes_per_second`, `network_bytes_per_second`, `loopback_bytes_per_second`, `open_files`,
    /// `threads`.
    Process(Finder),
    /// This host: `cpu_ratio`, `memory_ratio`, `load1`.
    Host,
    /// A query to a server that speaks the Prometheus HTTP API: `value`.
    Promql {
        /// Base URL of the server.
        url: String,
        /// The query; one number is expected.
        query: String,
    },
}

/// A criterion, and what it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The criterion.
    pub criterion: Criterion,
    /// Only requests of this route count.
    pub route: Option<String>,
    /// Only this phase counts, by name.
    pub phase: Option<String>,
    /// The load ends as soon as it does not hold for as long as the criterion says: the run has failed.
    pub stop: bool,
}

impl From<Criterion> for Threshold {
    fn from(criterion: Criterion) -> Self {
        Self { criterion, route: None, phase: None, stop: false }
    }
}
