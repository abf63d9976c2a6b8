//! What can be laid on a link, and where on the link it acts.
//!
//! ```text
//! of the whole link               refuse, black hole, TLS; of its exchanges: what is done to HTTP
//! of a stream of each connection  latency, bandwidth, throttle, slow close, timeout, reset, slicer, limit
//! ```
//!
//! Several may lie on one link at a time: delays add up, the smallest bandwidth rules, and a link that
//! refuses, swallows or resets does so whatever else lies on it. Each counts for itself, so that each
//! fault has evidence of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_model::document::{Fault, RateBy};
use evenkeel_units::duration::{seconds, seconds_option};
use evenkeel_units::{Bytes, Human, Ratio};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::counts::Counts;
use super::http::Http;
use super::tls::{Certificate, Impostor};

/// A fault of a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Toxic {
    /// Every segment leaves late.
    Latency {
        /// By this much.
        #[serde(rename = "delay_seconds", with = "seconds")]
        delay: Duration,
        /// More or less, evenly; never by less than nothing.
        #[serde(rename = "jitter_seconds", with = "seconds")]
        jitter: Duration,
    },
    /// No more than this much a second in each direction, all connections together.
    Bandwidth {
        /// Bytes a second.
        rate: Bytes,
    },
    /// No more than this much a second, each connection for itself.
    Throttle {
        /// Bytes a second; with none nothing passes.
        rate: Bytes,
    },
    /// Whatever is sent disappears, also of connections that are only being made.
    BlackHole,
    /// Nobody listens.
    Refuse,
    /// Reset once data flows.
    Reset {
        /// So long after the first of it, of which nothing arrives.
        #[serde(rename = "after_seconds", with = "seconds")]
        after: Duration,
    },
    /// Something is done to a share of the exchanges of HTTP.
    Http(Box<Http>),
    /// Whoever begins TLS gets a certificate with a flaw.
    Tls(Certificate),
    /// The end of a stream arrives late.
    SlowClose {
        /// By this much.
        #[serde(rename = "delay_seconds", with = "seconds")]
        delay: Duration,
    },
    /// Whatever is sent disappears, and the connection is closed: at the latest with the toxic.
    Timeout {
        /// And earlier when nothing was sent for so long.
        #[serde(rename = "after_seconds", with = "seconds_option")]
        after: Option<Duration>,
    },
    /// Data arrives in small pieces.
    Slicer {
        /// Bytes of a piece.
        size: u64,
        /// More or less, evenly.
        variation: u64,
        /// The time between one piece and the next.
        #[serde(rename = "pause_seconds", with = "seconds")]
        pause: Duration,
    },
    /// The connection is closed after so much.
    LimitData {
        /// Bytes that pass.
        bytes: Bytes,
    },
}

impl Toxic {
    /// What a fault lays on a link; `None` for faults of other things.
    pub fn of(fault: &Fault) -> Option<Self> {
        Some(match fault {
            Fault::Latency { delay, jitter } => Self::Latency { delay: *delay, jitter: *jitter },
            Fault::Bandwidth { rate, .. } => Self::Bandwidth { rate: *rate },
            Fault::BlackHole => Self::BlackHole,
            Fault::Refuse => Self::Refuse,
            Fault::Reset => Self::Reset { after: Duration::ZERO },
            Fault::Tls { certificate, issuer } => {
                Self::Tls(Certificate { flaw: *certificate, issuer: issuer.clone() })
            }
            _ => Self::Http(Box::new(Http::of(fault)?)),
        })
    }

    /// Whether it acts on the link as a whole, and not on streams.
    pub(crate) const fn is_of_link(&self) -> bool {
        matches!(self, Self::BlackHole | Self::Refuse | Self::Http(_) | Self::Tls(_))
    }
}

impl fmt::Display for Toxic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match *self {
            Self::Latency { delay, jitter } => Fault::Latency { delay, jitter },
            Self::Bandwidth { rate } => Fault::Bandwidth { rate, by: RateBy::Tool },
            Self::BlackHole => Fault::BlackHole,
            Self::Refuse => Fault::Refuse,
            Self::Reset { after: Duration::ZERO } => Fault::Reset,
            Self::Http(ref http) => http.as_fault(),
            Self::Tls(Certificate { flaw, ref issuer }) => {
                Fault::Tls { certificate: flaw, issuer: issuer.clone() }
            }
            Self::Throttle { rate } => return write!(f, "{rate}/s a connection"),
            Self::Reset { after } => return write!(f, "reset after {}", Human(after)),
            Self::SlowClose { delay } => return write!(f, "slow close +{}", Human(delay)),
            Self::Timeout { after: None } => return f.write_str("timeout"),
            Self::Timeout { after: Some(after) } => {
                return write!(f, "timeout after {}", Human(after));
            }
            Self::Slicer { size, .. } => return write!(f, "pieces of {}", Bytes(size)),
            Self::LimitData { bytes } => return write!(f, "closed after {bytes}"),
        };
        write!(f, "{fault}")
    }
}

/// One of the two streams of a connection.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Stream {
    /// From the client to the dependency.
    Up,
    /// From the dependency to the client.
    Down,
}

/// A toxic, and where on a link it acts. What is of the whole link is so in any case.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// What it does.
    pub toxic: Toxic,
    /// On which stream; `None`: on both.
    pub stream: Option<Stream>,
    /// On which share of the connections, by chance.
    pub toxicity: Ratio,
}

impl From<Toxic> for Placed {
    /// As a fault of a drill: on every connection, a latency on the way back, all else both ways.
    fn from(toxic: Toxic) -> Self {
        let stream = matches!(toxic, Toxic::Latency { .. }).then_some(Stream::Down);
        Self { toxic, stream, toxicity: Ratio::ONE }
    }
}

/// A toxic on a link, with what belongs to it for as long as it lies there.
#[derive(Clone, Debug)]
pub(crate) struct Laid {
    pub(crate) placed: Placed,
    pub(crate) counts: Arc<Counts>,
    /// One for each stream, shared by all connections.
    buckets: Arc<[Mutex<Bucket>; 2]>,
    chance: Arc<Mutex<ChaCha8Rng>>,
    /// Who shows flawed certificates, when that is what it does.
    pub(crate) impostor: Option<Arc<Impostor>>,
}

impl Laid {
    pub(crate) fn new(placed: Placed, chance: ChaCha8Rng) -> Self {
        Self {
            placed,
            counts: Arc::default(),
            buckets: Arc::default(),
            chance: Arc::new(Mutex::new(chance)),
            impostor: None,
        }
    }

    /// What decides whom it hits.
    pub(crate) fn chance(&self) -> MutexGuard<'_, ChaCha8Rng> {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bucket that all connections share.
    pub(crate) fn bucket(&self, stream: Stream) -> MutexGuard<'_, Bucket> {
        let [up, down] = &*self.buckets;
        let bucket = match stream {
            Stream::Up => up,
            Stream::Down => down,
        };
        bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that lies on a link, by its number. What was laid later comes later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Toxics(pub(crate) BTreeMap<usize, Laid>);

impl Toxics {
    pub(crate) fn refuse(&self) -> Option<&Laid> {
        self.first(|it| *it == Toxic::Refuse)
    }

    pub(crate) fn black_hole(&self) -> Option<&Laid> {
        self.first(|it| *it == Toxic::BlackHole)
    }

    /// What answers those who begin TLS; nothing does in a black hole.
    pub(crate) fn tls(&self) -> Option<&Laid> {
        let tls = self.first(|it| matches!(it, Toxic::Tls(_)));
        tls.filter(|_| self.black_hole().is_none())
    }

    /// Whether exchanges of HTTP are of interest.
    pub(crate) fn has_http(&self) -> bool {
        self.first(|it| matches!(it, Toxic::Http(_))).is_some()
    }

    /// Whether answers wait that need not otherwise.
    pub(crate) fn holds_answers(&self) -> bool {
        let delays = |it: &Toxic| matches!(it, Toxic::Http(it) if it.delays());
        self.first(delays).is_some()
    }

    fn first(&self, wanted: impl Fn(&Toxic) -> bool) -> Option<&Laid> {
        self.0.values().find(|it| wanted(&it.placed.toxic))
    }
}
