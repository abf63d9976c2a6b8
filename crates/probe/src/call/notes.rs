//! Notes: what is learned on the way, also when the way ends half-way.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::certificate::Certificate;

/// A part of a question, by what is waited for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The addresses of a name.
    Resolve,
    /// The connection.
    Connect,
    /// The TLS session.
    Tls,
    /// To be let in.
    Login,
    /// The first byte of the answer.
    FirstByte,
    /// The rest of it.
    Rest,
}

impl Phase {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Login => "login",
            Self::FirstByte => "first byte",
            Self::Rest => "rest",
        }
    }

    /// For programs, as a key of seconds.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Resolve => "resolve_seconds",
            Self::Connect => "connect_seconds",
            Self::Tls => "tls_seconds",
            Self::Login => "login_seconds",
            Self::FirstByte => "first_byte_seconds",
            Self::Rest => "rest_seconds",
        }
    }

    /// What did not happen when the time is over in this one.
    pub(super) const fn lacking(self) -> &'static str {
        match self {
            Self::Resolve => "no address for the name",
            Self::Connect => "no connection",
            Self::Tls => "no TLS session",
            Self::Login => "not let in",
            Self::FirstByte => "no answer",
            Self::Rest => "the answer did not end",
        }
    }
}

/// What a question has come to so far.
#[derive(Debug)]
pub(crate) struct Notes {
    began: Instant,
    within: Duration,
    since: Instant,
    pub(super) phase: Phase,
    pub(super) phases: Vec<(Phase, Duration)>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) certificate: Option<Certificate>,
    pub(super) facts: BTreeMap<&'static str, Value>,
    pub(super) warnings: Vec<String>,
    /// For expectations, not for output.
    pub(super) headers: hyper::HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Notes {
    /// Of a question that is given up after this time.
    pub(super) fn begin(within: Duration) -> Self {
        let now = Instant::now();
        Self {
            began: now,
            within,
            since: now,
            phase: Phase::Resolve,
            phases: Vec::new(),
            peer: None,
            certificate: None,
            facts: BTreeMap::new(),
            warnings: Vec::new(),
            headers: hyper::HeaderMap::new(),
            body: Vec::new(),
        }
    }

    /// How much of that is left.
    pub(super) fn left(&self) -> Duration {
        self.within.saturating_sub(self.began.elapsed())
    }

    /// One part is over, and another begins.
    pub(super) fn enter(&mut self, next: Phase) {
        let now = Instant::now();
        self.phases.push((self.phase, now - self.since));
        (self.phase, self.since) = (next, now);
    }

    /// The last part is over; says how long all took.
    pub(super) fn end(&mut self) -> Duration {
        let phase = self.phase;
        self.enter(phase);
        self.since - self.began
    }

    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<Value>) {
        self.facts.insert(name, value.into());
    }
}
