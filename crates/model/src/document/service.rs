//! `Service`: what is drilled, what it is made of, and what may be done to it.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: Service
//! metadata: {name: shop}
//! spec:
//!   url: http://127.0.0.1:7400
//!   start:
//!     command: [evenkeel, shop, --port, "7400", --via, "payment=127.0.0.1:7451"]
//!     ready: http://127.0.0.1:7400/health/ready
//!   instances:
//!     gateway-1: {port: 7401}
//!     gateway-2: {port: 7402}
//!     gateway-3: {port: 7403}
//!   dependencies:
//!     payment: {listen: "127.0.0.1:7451", upstream: "127.0.0.1:7411"}
//!   allowFaults: [latency, kill]
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use super::{FileName, Labels, Release};

/// A service that can be loaded and broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// `metadata.name`.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where requests go: `scheme://host:port`, without a path; the scheme is the protocol.
    pub url: Option<String>,
    /// How a drill starts the service, when nobody else does. Stopped again at the end.
    pub start: Option<Start>,
    /// The processes that faults may be aimed at by name.
    pub instances: Vec<Instance>,
    /// The links that faults may be laid on: the drill listens, and forwards to the dependency.
    pub dependencies: Vec<Dependency>,
    /// Which faults the owners of the service agree to. Default: none.
    pub allow_faults: AllowFaults,
    /// The weakest release class that faults may have where this service runs, when there is a limit.
    pub min_release: Option<Release>,
}

/// How a drill starts a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Program and arguments; never through a shell. The program `evenkeel` means the running binary.
    pub command: Vec<String>,
    /// The folder in which it runs. Default: that of the document.
    pub folder: FileName,
    /// URL that answers 2xx once the service can take requests.
    pub ready: String,
    /// How long it may take to become ready. Default 30 s.
    #[serde(rename = "timeout_seconds", with = "seconds")]
    pub timeout: Duration,
}

/// A named process of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Name within the service.
    pub name: String,
    /// How its process is found.
    pub find: Finder,
    /// What it belongs to, such as a zone.
    #[serde(default)]
    pub labels: Labels,
}

/// How a process is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finder {
    /// By number.
    Pid(u32),
    /// By the path or the file name of its program.
    Executable(String),
    /// By the TCP port it listens on.
    Port(u16),
    /// By its whole command line, its arguments with one blank in between; `*` stands for any text.
    CommandLine(String),
    /// By the control group it is in, or one below it: its path in a hierarchy of either version.
    Cgroup(String),
    /// By the unit of systemd that it runs in, such as `nginx.service`.
    Unit(String),
}

impl fmt::Display for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "pid {pid}"),
            Self::Port(port) => write!(f, "port {port}"),
            Self::Executable(name) | Self::Unit(name) => f.write_str(name),
            Self::CommandLine(pattern) => write!(f, "command line {pattern}"),
            Self::Cgroup(path) => write!(f, "cgroup {path}"),
        }
    }
}

/// A link from the service to something it needs, led through the built-in proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Name within the service.
    pub name: String,
    /// Where the proxy listens during a drill; loopback only. The service must call this address.
    pub listen: SocketAddr,
    /// `host:port` of the real dependency.
    pub upstream: String,
    /// What it belongs to, such as a zone.
    #[serde(default)]
    pub labels: Labels,
}

/// Which faults a service agrees to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AllowFaults {
    /// None: the default.
    #[default]
    None,
    /// Every kind.
    All,
    /// Only these kinds, by their names in documents.
    Only(BTreeSet<String>),
}

impl AllowFaults {
    /// Whether a fault of this kind may be done to the service.
    pub fn allows(&self, kind: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(kinds) => kinds.contains(kind),
        }
    }
}
