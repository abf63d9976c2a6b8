//! What can be broken.

mod facts;
mod files;
mod http;
mod label;
mod tls;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_units::duration::{seconds, seconds_option};
use evenkeel_units::{Bytes, Offset, Ratio};
use serde::{Deserialize, Serialize};

use super::{Cluster, Network};

pub use self::facts::Facts;
pub use self::files::{FileError, FileOperation, IoLimits};
pub use self::http::{Amid, AnswerChange, BodyChange, HeaderChange, Requests};
pub use self::tls::{Flaw, Issuer};

/// What can be broken. In documents: a map with one key, the kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Every segment through the link, or every packet, is late; a round trip by `delay`.
    Latency {
        /// Added to each segment towards the service's client side of the link, or to each packet.
        #[serde(rename = "delay_seconds", with = "seconds")]
        delay: Duration,
        /// Largest random deviation from the delay; not more than it.
        #[serde(rename = "jitter_seconds", with = "seconds")]
        jitter: Duration,
    },
    /// No more than this passes, each second and direction.
    Bandwidth {
        /// Bytes a second.
        rate: Bytes,
        /// By what means. Default: by this tool.
        by: RateBy,
    },
    /// What is sent disappears: into a link, where connections open and hang, or as packets on this host.
    BlackHole,
    /// Connections are refused, and those that are open are closed.
    Refuse,
    /// Connections are reset as soon as data flows on them.
    Reset,
    /// A share of the requests on the link is answered with an error by the link.
    HttpErrors {
        /// The share.
        share: Ratio,
        /// The status code. Default 503.
        status: u16,
        /// Of which requests.
        #[serde(default, rename = "match")]
        of: Requests,
    },
    /// A share of the exchanges on the link is broken off: the connection is closed.
    HttpAbort {
        /// The share.
        share: Ratio,
        /// Where.
        amid: Amid,
        /// Of which requests.
        #[serde(rename = "match")]
        of: Requests,
    },
    /// The answers to a share of the requests on the link are late.
    HttpDelay {
        /// By this much.
        #[serde(rename = "delay_seconds", with = "seconds")]
        delay: Duration,
        /// Largest random deviation from the delay; not more than it.
        #[serde(rename = "jitter_seconds", with = "seconds")]
        jitter: Duration,
        /// The share.
        share: Ratio,
        /// Of which requests.
        #[serde(rename = "match")]
        of: Requests,
    },
    /// A share of the requests on the link, or their answers, are not what was sent.
    HttpChange {
        /// What becomes of the requests.
        request: HeaderChange,
        /// What becomes of the answers.
        response: AnswerChange,
        /// The share.
        share: Ratio,
        /// Of which requests.
        #[serde(rename = "match")]
        of: Requests,
    },
    /// Whoever begins TLS on the link gets a certificate with a flaw.
    Tls {
        /// Which flaw.
        certificate: Flaw,
        /// Who signs it; whom nobody trusts, when it does not say.
        issuer: Option<Issuer>,
    },
    /// A share of the packets is lost, each by itself.
    Loss {
        /// The share.
        share: Ratio,
    },
    /// In a share of the packets one bit is turned.
    Corrupt {
        /// The share.
        share: Ratio,
    },
    /// Packets are late, but for a share, which overtakes the others.
    Reorder {
        /// Those that overtake.
        share: Ratio,
        /// How late the others are.
        #[serde(rename = "delay_seconds", with = "seconds")]
        delay: Duration,
    },
    /// A share of the packets is sent twice.
    Duplicate {
        /// The share.
        share: Ratio,
    },
    /// Nodes cannot reach each other: packets between them that pass this host are dropped.
    Partition {
        /// The nodes, by address.
        nodes: Vec<Network>,
        /// Who is cut off from whom.
        shape: PartitionShape,
        /// Packets are dropped in one direction only: from those of the later part to those of the earlier.
        one_way: bool,
    },
    /// Questions for names get a wrong answer, or none.
    Dns {
        /// Which; `*.example` is everything below `example`.
        names: Vec<String>,
        /// What is answered.
        answer: DnsAnswer,
    },
    /// Processes, or the main processes of containers, are killed (SIGKILL).
    Kill {
        /// How long after one time the next, each with targets of its own; `None`: once.
        #[serde(rename = "every_seconds", with = "seconds_option")]
        every: Option<Duration>,
    },
    /// Processes or containers are stopped, and continued at the end.
    Pause {
        /// By what means. Default: by signal.
        by: PauseBy,
    },
    /// Processes are terminated and, when nobody else does, started again; containers by their engine.
    Restart {
        /// How long after one time the next, each with targets of its own; `None`: once.
        #[serde(rename = "every_seconds", with = "seconds_option")]
        every: Option<Duration>,
    },
    /// Containers are stopped, and started again at the end.
    Stop,
    /// A unit of systemd is stopped, and started again at the end.
    StopUnit {
        /// Its name, such as `nginx.service`.
        unit: String,
    },
    /// A child of ours burns CPU on this host.
    Cpu {
        /// Share of each core.
        load: Ratio,
        /// How many cores; 0 for all.
        cores: u32,
    },
    /// A child of ours holds memory on this host.
    Memory {
        /// How much; a share is one of all memory.
        amount: Amount,
    },
    /// A file without a name takes up room in a file system.
    DiskFill {
        /// A folder in it.
        path: PathBuf,
        /// How much; a share is how full the file system is then.
        amount: Amount,
    },
    /// Files without a name take up the inodes of a file system.
    Inodes {
        /// A folder in it.
        path: PathBuf,
        /// How many are left.
        free: u64,
    },
    /// A share of what is done to the files of a folder fails.
    IoErrors {
        /// The folder.
        path: PathBuf,
        /// How it fails. Default `EIO`.
        error: FileError,
        /// The share. Default 100 %.
        share: Ratio,
        /// Of which operations. Default: read, write, fsync.
        operations: BTreeSet<FileOperation>,
    },
    /// A share of what is done to the files of a folder takes longer.
    IoLatency {
        /// The folder.
        path: PathBuf,
        /// By how much.
        #[serde(rename = "delay_seconds", with = "seconds")]
        delay: Duration,
        /// The share. Default 100 %.
        share: Ratio,
        /// Of which operations. Default: read, write, fsync.
        operations: BTreeSet<FileOperation>,
    },
    /// A child of ours has so many threads, each of which takes a process number.
    Pids {
        /// How many.
        count: u32,
    },
    /// Processes may open no more files than this: their soft limit.
    FileDescriptors {
        /// The limit.
        limit: u64,
    },
    /// Processes read and write no faster than this, on each disk: limits of their control group.
    IoThrottle(IoLimits),
    /// Processes are told a time of day that is not the true one.
    ClockSkew {
        /// How far their clock is ahead, or behind.
        #[serde(rename = "offset_seconds")]
        offset: Offset,
    },
    /// Pods are deleted.
    PodDelete {
        /// How long they have to end; `None`: what each says itself.
        #[serde(rename = "grace_seconds", with = "seconds_option")]
        grace: Option<Duration>,
        /// How long after one time the next, each with targets of its own; `None`: once.
        #[serde(rename = "every_seconds", with = "seconds_option")]
        every: Option<Duration>,
    },
    /// Pods are evicted, unless a disruption budget stands against it.
    PodEvict,
    /// A deployment has so many pods.
    Scale {
        /// Its name.
        deployment: String,
        /// Where it is.
        namespace: String,
        /// How many.
        replicas: u32,
        /// In which cluster.
        cluster: Cluster,
    },
    /// A node takes no more pods.
    Cordon {
        /// Its name.
        node: String,
        /// In which cluster.
        cluster: Cluster,
    },
    /// A share of the sessions of a database is ended.
    TerminateBackends {
        /// The share, of those that match.
        share: Ratio,
        /// Only sessions of this role.
        user: Option<String>,
        /// Only sessions in this database.
        database: Option<String>,
        /// Only sessions of the application of this name.
        application: Option<String>,
    },
    /// Sessions of ours take up the connections of a database.
    TakeConnections {
        /// How many are left to others.
        free: u32,
    },
    /// A session of ours locks a table.
    LockTable {
        /// As SQL names it.
        table: String,
        /// What others cannot do meanwhile.
        mode: LockMode,
    },
    /// A share of the clients of a Redis loses its connection.
    KillClients {
        /// The share, of those of this type.
        share: Ratio,
        /// Which.
        #[serde(rename = "type")]
        of: ClientType,
    },
    /// Commands of the clients of a Redis wait.
    PauseClients {
        /// Which commands.
        mode: PauseMode,
    },
    /// A program of the user's, and one that takes back what it did.
    Command {
        /// Program and arguments, run when the fault begins.
        run: Vec<String>,
        /// Program and arguments, run when it ends, whatever happens.
        undo: Vec<String>,
    },
}

/// Who is cut off from whom, as distributed systems are tested by it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionShape {
    /// Two parts that do not see each other; the first has the smaller half.
    Halves,
    /// Two halves that do not see each other, and one node between them that sees, and is seen by, all.
    Bridge,
    /// Each node sees its neighbours on a ring only, so many that it sees a majority, and no two the same.
    Ring,
}

/// What a name server answers.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DnsAnswer {
    /// It has failed.
    ServFail,
    /// There is no such name.
    NxDomain,
    /// It does not want to.
    Refused,
    /// Nothing.
    Timeout,
    /// This address.
    Address(IpAddr),
}

impl fmt::Display for DnsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServFail => f.write_str("servfail"),
            Self::NxDomain => f.write_str("nxdomain"),
            Self::Refused => f.write_str("refused"),
            Self::Timeout => f.write_str("timeout"),
            Self::Address(it) => it.fmt(f),
        }
    }
}

/// By what means a process is stopped.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseBy {
    /// SIGSTOP, which its parent is told of and which lasts until somebody sends SIGCONT.
    #[default]
    Signal,
    /// As a debugger does it: nobody is told, and it lasts as long as whoever traces it.
    Trace,
}

/// By what means bytes are held to a rate.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateBy {
    /// A process of this tool through which they go, in both directions, and which replaces nothing.
    #[default]
    Tool,
    /// The queueing discipline htb of the kernel, where packets leave.
    Htb,
}

/// How a table is locked.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// Nobody reads or writes, as while a migration changes the table.
    AccessExclusive,
    /// Others read, and nobody writes.
    Exclusive,
}

/// Clients of a Redis, as it tells them apart.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientType {
    /// Those that ask.
    Normal,
    /// Those that have subscribed to something.
    Pubsub,
    /// Those that copy everything.
    Replica,
}

impl ClientType {
    /// As documents and the server name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Pubsub => "pubsub",
            Self::Replica => "replica",
        }
    }
}

/// Which commands of the clients of a Redis wait.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseMode {
    /// Every one.
    All,
    /// Those that write, and those that might.
    Write,
}

/// How much of something: so many bytes, or a share of all there is.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// So many bytes.
    Bytes(Bytes),
    /// A share.
    Share(Ratio),
}

impl Amount {
    /// In bytes, when there are so many in all.
    pub fn of(self, all: Bytes) -> Bytes {
        match self {
            Self::Bytes(it) => it,
            Self::Share(it) => Bytes((all.0 as f64 * it.get()) as u64),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(it) => it.fmt(f),
            Self::Share(it) => it.fmt(f),
        }
    }
}

/// What a kind of fault acts on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum ActsOn {
    /// A dependency link, led through the proxy.
    Link,
    /// Packets that pass this host.
    Traffic,
    /// A server of PostgreSQL.
    Postgres,
    /// A server of Redis.
    Redis,
    /// Processes.
    Process,
    /// Containers.
    Container,
    /// Pods of a cluster.
    Pod,
    /// A cluster.
    Cluster,
    /// This host.
    Host,
}

impl fmt::Display for ActsOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "a link",
            Self::Traffic => "traffic",
            Self::Postgres => "a PostgreSQL",
            Self::Redis => "a Redis",
            Self::Process => "processes",
            Self::Container => "containers",
            Self::Pod => "pods",
            Self::Cluster => "a cluster",
            Self::Host => "this host",
        })
    }
}
