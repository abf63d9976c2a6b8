//! What can be laid on a link, and what it counted while it lay there.
//!
//! Several may lie on one link at a time: delays add up, the smallest bandwidth rules, and a link that
//! refuses, swallows or resets does so whatever else lies on it. Each counts for itself, so that each
//! fault has evidence of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_model::document::Fault;
use evenkeel_units::duration::seconds;
use evenkeel_units::{Bytes, Ratio};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// A fault of a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Toxic {
    /// Every segment of an answer leaves late.
    Latency {
        /// By this much.
        #[serde(rename = "delay_seconds", with = "seconds")]
        delay: Duration,
        /// More or less, evenly.
        #[serde(rename = "jitter_seconds", with = "seconds")]
        jitter: Duration,
    },
    /// No more than this much a second in each direction, all connections together.
    Bandwidth {
        /// Bytes a second.
        rate: Bytes,
    },
    /// Whatever is sent disappears.
    BlackHole,
    /// Nobody listens.
    Refuse,
    /// Reset as soon as data flows.
    Reset,
    /// The link answers a share of the requests itself.
    HttpErrors {
        /// The share.
        share: Ratio,
        /// With this status.
        status: u16,
    },
}

impl Toxic {
    /// What a fault lays on a link; `None` for faults of processes and hosts.
    pub const fn of(fault: &Fault) -> Option<Self> {
        Some(match *fault {
            Fault::Latency { delay, jitter } => Self::Latency { delay, jitter },
            Fault::Bandwidth { rate } => Self::Bandwidth { rate },
            Fault::BlackHole => Self::BlackHole,
            Fault::Refuse => Self::Refuse,
            Fault::Reset => Self::Reset,
            Fault::HttpErrors { share, status } => Self::HttpErrors { share, status },
            Fault::Kill
            | Fault::Pause
            | Fault::Restart
            | Fault::Cpu { .. }
            | Fault::Memory { .. } => return None,
        })
    }
}

impl fmt::Display for Toxic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match *self {
            Self::Latency { delay, jitter } => Fault::Latency { delay, jitter },
            Self::Bandwidth { rate } => Fault::Bandwidth { rate },
            Self::BlackHole => Fault::BlackHole,
            Self::Refuse => Fault::Refuse,
            Self::Reset => Fault::Reset,
            Self::HttpErrors { share, status } => Fault::HttpErrors { share, status },
        };
        write!(f, "{fault}")
    }
}

/// A toxic on a link, with what belongs to it for as long as it lies there.
#[derive(Clone, Debug)]
pub(crate) struct Laid {
    pub(crate) toxic: Toxic,
    pub(crate) counts: Arc<Counts>,
    /// One for each direction, shared by all connections.
    buckets: Arc<[Mutex<Bucket>; 2]>,
    chance: Arc<Mutex<ChaCha8Rng>>,
}

impl Laid {
    pub(crate) fn new(toxic: Toxic, chance: ChaCha8Rng) -> Self {
        Self {
            toxic,
            counts: Arc::default(),
            buckets: Arc::default(),
            chance: Arc::new(Mutex::new(chance)),
        }
    }
}

/// All that lies on a link, by the number of its fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Toxics(pub(crate) BTreeMap<usize, Laid>);

impl Toxics {
    pub(crate) fn refuse(&self) -> Option<&Laid> {
        self.first(|it| *it == Toxic::Refuse)
    }

    pub(crate) fn reset(&self) -> Option<&Laid> {
        self.first(|it| *it == Toxic::Reset)
    }

    pub(crate) fn black_hole(&self) -> Option<&Laid> {
        self.first(|it| *it == Toxic::BlackHole)
    }

    pub(crate) fn has_http_errors(&self) -> bool {
        self.first(|it| matches!(it, Toxic::HttpErrors { .. })).is_some()
    }

    pub(crate) fn has_latency(&self) -> bool {
        self.latencies().next().is_some()
    }

    /// How late a segment leaves that arrives now.
    pub(crate) fn delay(&self, rng: &mut ChaCha8Rng) -> Duration {
        self.latencies()
            .map(|(_, delay, jitter)| {
                let spread = jitter.as_secs_f64() * (2.0 * rng.random::<f64>() - 1.0);
                Duration::try_from_secs_f64(delay.as_secs_f64() + spread).unwrap_or_default()
            })
            .sum()
    }

    /// Notes how late a segment really left.
    pub(crate) fn delayed(&self, by: Duration) {
        for (laid, ..) in self.latencies() {
            laid.counts.delayed(by);
        }
    }

    /// How many of `wanted` bytes may pass in this direction now, or when to ask again.
    pub(crate) fn allowance(&self, direction: usize, wanted: usize, now: Instant) -> Allowance {
        let Some((laid, rate)) = self.bandwidth() else { return Allowance::Pass(wanted) };
        let mut bucket = laid.bucket(direction);
        let allowance = bucket.take(rate, wanted, now);
        // Before the receiver can know, so that whoever asks after an answer finds it counted.
        match allowance {
            Allowance::Pass(bytes) => laid.counts.bytes.fetch_add(bytes as u64, Ordering::Relaxed),
            Allowance::Wait(_) => laid.counts.waits.fetch_add(1, Ordering::Relaxed),
        };
        allowance
    }

    /// Gives back what was allowed and not used.
    pub(crate) fn give_back(&self, direction: usize, unused: usize) {
        if unused > 0
            && let Some((laid, _)) = self.bandwidth()
        {
            laid.bucket(direction).tokens += unused as f64;
            laid.counts.bytes.fetch_sub(unused as u64, Ordering::Relaxed);
        }
    }

    /// Whether the link answers this request itself, and with which status.
    pub(crate) fn answers(&self, may_answer: bool) -> Option<u16> {
        self.0.values().find_map(|laid| {
            let Toxic::HttpErrors { share, status } = laid.toxic else { return None };
            laid.counts.requests.fetch_add(1, Ordering::Relaxed);
            let mut chance = laid.chance.lock().unwrap_or_else(PoisonError::into_inner);
            let answers = chance.random::<f64>() < share.get() && may_answer;
            answers.then(|| {
                laid.counts.answered.fetch_add(1, Ordering::Relaxed);
                status
            })
        })
    }

    fn first(&self, wanted: impl Fn(&Toxic) -> bool) -> Option<&Laid> {
        self.0.values().find(|it| wanted(&it.toxic))
    }

    fn latencies(&self) -> impl Iterator<Item = (&Laid, Duration, Duration)> {
        self.0.values().filter_map(|it| match it.toxic {
            Toxic::Latency { delay, jitter } => Some((it, delay, jitter)),
            _ => None,
        })
    }

    fn bandwidth(&self) -> Option<(&Laid, u64)> {
        let rates = self.0.values().filter_map(|it| match it.toxic {
            Toxic::Bandwidth { rate } => Some((it, rate.0.max(1))),
            _ => None,
        });
        rates.min_by_key(|(_, rate)| *rate)
    }
}

/// What a bandwidth leaves to a direction.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowance {
    /// So many bytes, more than none.
    Pass(usize),
    /// None before this moment.
    Wait(Instant),
}

/// A token bucket that holds 20 ms of its rate, so that a fresh link brings no burst.
#[derive(Debug, Default)]
struct Bucket {
    tokens: f64,
    filled: Option<Instant>,
}

impl Bucket {
    fn take(&mut self, rate: u64, wanted: usize, now: Instant) -> Allowance {
        let rate = rate as f64;
        let most = (rate / 50.0).max(64.0);
        let filled = self.filled.replace(now).unwrap_or(now);
        let fresh = rate * now.saturating_duration_since(filled).as_secs_f64();
        self.tokens = (self.tokens + fresh).min(most);
        // Half a bucket at a time: small enough to flow, large enough not to wake for every byte.
        let least = (wanted as f64).min(most / 2.0).max(1.0);
        if self.tokens < least {
            let wait = Duration::from_secs_f64((least - self.tokens) / rate);
            return Allowance::Wait(now + wait);
        }
        let granted = wanted.min(self.tokens as usize);
        self.tokens -= granted as f64;
        Allowance::Pass(granted)
    }
}

impl Laid {
    fn bucket(&self, direction: usize) -> std::sync::MutexGuard<'_, Bucket> {
        self.buckets[direction].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a toxic did, as counted on the way.
#[derive(Debug, Default)]
pub struct Counts {
    /// Segments that left late.
    pub segments: AtomicU64,
    delays: Mutex<Samples>,
    /// Bytes that passed under a bandwidth.
    pub bytes: AtomicU64,
    /// Times that bytes had to wait for it.
    pub waits: AtomicU64,
    /// Connections that were reset.
    pub reset: AtomicU64,
    /// Connections that lost something in the black hole.
    pub swallowed: AtomicU64,
    /// Bytes that they lost.
    pub swallowed_bytes: AtomicU64,
    /// Requests seen.
    pub requests: AtomicU64,
    /// Requests that the link answered with an error.
    pub answered: AtomicU64,
}

impl Counts {
    /// One of them, as it stands.
    pub fn read(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }

    /// The delay in the middle of those that were really added.
    pub fn median_delay(&self) -> Duration {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner).median()
    }

    fn delayed(&self, by: Duration) {
        self.segments.fetch_add(1, Ordering::Relaxed);
        self.delays.lock().unwrap_or_else(PoisonError::into_inner).add(by);
    }
}

/// A bounded, evenly spaced sample of durations: when it is full, every second one goes, and from then
/// on only every second one comes.
#[derive(Debug)]
struct Samples {
    micros: Vec<u32>,
    stride: u64,
    seen: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self { micros: Vec::new(), stride: 1, seen: 0 }
    }
}

impl Samples {
    const MOST: usize = 16_384;

    fn add(&mut self, by: Duration) {
        if self.seen.is_multiple_of(self.stride) {
            if self.micros.len() == Self::MOST {
                let mut keep = false;
                self.micros.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.stride *= 2;
            }
            self.micros.push(u32::try_from(by.as_micros()).unwrap_or(u32::MAX));
        }
        self.seen += 1;
    }

    fn median(&self) -> Duration {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let middle = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        Duration::from_micros(middle.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_units::Seed;
    use proptest::prelude::*;

    #[test]
    fn the_median_survives_more_samples_than_are_kept() {
        let mut samples = Samples::default();
        for micros in 0..100_000 {
            samples.add(Duration::from_micros(micros));
        }
        assert!(samples.micros.len() <= Samples::MOST);
        assert!(samples.median().abs_diff(Duration::from_millis(50)) < Duration::from_millis(1));
    }

    proptest! {
        #[test]
        fn a_bucket_never_passes_more_than_its_rate_and_one_bucket(
            rate in 1u64..10_000_000, steps in prop::collection::vec((0u64..50_000, 1usize..70_000), 1..60),
        ) {
            let mut bucket = Bucket::default();
            let start = Instant::now();
            let (mut now, mut passed) = (start, 0);
            for (micros, wanted) in steps {
                now += Duration::from_micros(micros);
                if let Allowance::Pass(bytes) = bucket.take(rate, wanted, now) {
                    prop_assert!(bytes >= 1 && bytes <= wanted);
                    passed += bytes;
                }
            }
            let most = rate as f64 * (now - start).as_secs_f64() + (rate as f64 / 50.0).max(64.0);
            prop_assert!(passed as f64 <= most + 1.0);
        }

        #[test]
        fn a_delay_stays_within_its_jitter(seed: u64, delay in 0u64..1000, jitter in 0u64..1000) {
            let jitter = jitter.min(delay);
            let [delay, jitter] = [delay, jitter].map(Duration::from_millis);
            let rng = || Seed(seed).stream("x");
            let laid = Laid::new(Toxic::Latency { delay, jitter }, rng());
            let late = Toxics(BTreeMap::from([(0, laid)])).delay(&mut rng());
            let slack = Duration::from_nanos(2);
            prop_assert!(late + jitter + slack >= delay && late <= delay + jitter + slack);
        }
    }
}
