//! The types of toxics that Toxiproxy has, what their attributes mean, and what they are among ours.

use std::fmt;
use std::time::Duration;

use evenkeel_units::Bytes;
use serde::{Serialize, Serializer};

use super::body::Object;
use crate::proxy::Toxic;

/// As many attributes as the type with the most has.
const ATTRIBUTES_MAX: usize = 3;

/// A type of toxics.
struct Kind {
    name: &'static str,
    attributes: &'static [&'static str],
    /// `None` for one that does nothing.
    toxic: fn([u64; ATTRIBUTES_MAX]) -> Option<Toxic>,
}

static KINDS: [Kind; 8] = [
    Kind {
        name: "latency",
        attributes: &["latency", "jitter"],
        toxic: |[delay, jitter, _]| {
            Some(Toxic::Latency { delay: millis(delay), jitter: millis(jitter) })
        },
    },
    Kind {
        name: "bandwidth",
        attributes: &["rate"],
        // KB/s, of which each is a thousand.
        toxic: |[rate, ..]| Some(Toxic::Throttle { rate: Bytes(rate.saturating_mul(1000)) }),
    },
    Kind {
        name: "slow_close",
        attributes: &["delay"],
        toxic: |[delay, ..]| Some(Toxic::SlowClose { delay: millis(delay) }),
    },
    Kind {
        name: "timeout",
        attributes: &["timeout"],
        toxic: |[after, ..]| Some(Toxic::Timeout { after: (after > 0).then(|| millis(after)) }),
    },
    Kind {
        name: "reset_peer",
        attributes: &["timeout"],
        toxic: |[after, ..]| Some(Toxic::Reset { after: millis(after) }),
    },
    Kind {
        name: "slicer",
        attributes: &["average_size", "size_variation", "delay"],
        toxic: |[size, variation, pause]| {
            Some(Toxic::Slicer { size, variation, pause: Duration::from_micros(pause) })
        },
    },
    Kind {
        name: "limit_data",
        attributes: &["bytes"],
        toxic: |[bytes, ..]| Some(Toxic::LimitData { bytes: Bytes(bytes) }),
    },
    Kind { name: "noop", attributes: &[], toxic: |_| None },
];

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A type with the values of its attributes. In JSON it is these.
#[derive(Copy, Clone)]
pub(super) struct Attributes {
    kind: &'static Kind,
    values: [u64; ATTRIBUTES_MAX],
}

impl Attributes {
    /// Of a type of this name, all of them 0.
    pub(super) fn of(kind: &str) -> Option<Self> {
        let kind = KINDS.iter().find(|it| it.name == kind)?;
        Some(Self { kind, values: [0; ATTRIBUTES_MAX] })
    }

    /// The name of the type.
    pub(super) const fn kind(&self) -> &'static str {
        self.kind.name
    }

    /// Takes over what is given.
    pub(super) fn read(&mut self, given: &mut Object<'_>) {
        for (value, name) in self.values.iter_mut().zip(self.kind.attributes) {
            *value = given.count(name).unwrap_or(*value);
        }
    }

    /// What it is among the toxics of links.
    pub(super) fn toxic(&self) -> Option<Toxic> {
        (self.kind.toxic)(self.values)
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.kind.attributes.iter().zip(self.values))
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.kind.name).field("values", &self.values).finish()
    }
}
