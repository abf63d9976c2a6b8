//! Fill: the samples that all engines get, and how they are sent.
//!
//! 1,000 services of five instances each count requests that went well and such that failed. A request holds one sample
//! of each of 2,000 series, as remote write sends what was scraped: the labels are with every sample.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

use super::http::Connection;

const SERVICES: usize = 1_000;
const INSTANCES: usize = 5;
const CODES: [&str; 2] = ["200", "500"];
const SERIES_A_REQUEST: usize = 2_000;
/// Thirty days, a sample every five minutes.
const STEPS: i64 = 8_640;
const QUICK_STEPS: i64 = 300;
const STEP_SECONDS: i64 = 300;

/// What is sent.
pub(super) struct Fill {
    end_seconds: i64,
    steps: i64,
}

impl Fill {
    /// Samples until the last whole hour; a few when only is to be seen that it works.
    pub(super) fn until_now(quick: bool) -> Self {
        let end_seconds = clock_gettime(ClockId::Realtime).tv_sec / 3_600 * 3_600;
        Self { end_seconds, steps: if quick { QUICK_STEPS } else { STEPS } }
    }

    /// The moment of the last, in seconds since 1970.
    pub(super) const fn end_seconds(&self) -> i64 {
        self.end_seconds
    }

    /// From before the first to the last.
    pub(super) const fn seconds(&self) -> i64 {
        self.steps * STEP_SECONDS
    }

    pub(super) const fn samples(&self) -> u64 {
        self.steps.cast_unsigned() * (SERVICES * INSTANCES * CODES.len()) as u64
    }

    /// Sends all, oldest first.
    pub(super) fn send(&self, to: SocketAddr) -> Result<()> {
        let mut connection = Connection::open(to)?;
        let mut requests = Request::all();
        let mut encoder = snap::raw::Encoder::new();
        let mut body = Vec::new();
        for step in 1 - self.steps..=0 {
            let at = (self.end_seconds + step * STEP_SECONDS) * 1_000;
            for request in &mut requests {
                request.advance(at);
                body.resize(snap::raw::max_compress_len(request.bytes.len()), 0);
                let length =
                    encoder.compress(&request.bytes, &mut body).context("cannot compress")?;
                connection.write(body.get(..length).unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

/// A request that is sent again and again, with other values.
struct Request {
    bytes: Vec<u8>,
    counters: Vec<Counter>,
}

/// A counter, and where its sample stands in the request.
struct Counter {
    /// How many a step are usual.
    usual: u64,
    value: u64,
    chance: u64,
    at: usize,
}

/// A sample: a float and a moment of six bytes of seven bits each, which lasts until the year 2109.
const SAMPLE: [u8; 2] = [0x12, 16];
const MOMENT_BYTES: usize = 6;

impl Request {
    fn all() -> Vec<Self> {
        let series = (0..SERVICES * INSTANCES).flat_map(|it| CODES.map(|code| (it, code)));
        let series: Vec<_> = series.enumerate().collect();
        series.chunks(SERIES_A_REQUEST).map(Self::of).collect()
    }

    fn of(series: &[(usize, (usize, &str))]) -> Self {
        let (mut bytes, mut counters) = (Vec::new(), Vec::new());
        for (number, (instance, code)) in series {
            let mut inner = Vec::new();
            let labels = [
                ("__name__", "http_requests_total".to_owned()),
                ("code", (*code).to_owned()),
                ("instance", format!("10.0.{}.{}:9100", instance / 250, instance % 250)),
                ("job", "bench".to_owned()),
                ("service", format!("service-{:04}", instance / INSTANCES)),
            ];
            for (name, value) in labels {
                let mut label = Vec::new();
                field(&mut label, 0x0a, name.as_bytes());
                field(&mut label, 0x12, value.as_bytes());
                field(&mut inner, 0x0a, &label);
            }
            inner.extend(SAMPLE);
            inner.push(0x09);
            let within = inner.len();
            inner.extend([0; 8]);
            inner.push(0x10);
            inner.extend([0; MOMENT_BYTES]);
            field(&mut bytes, 0x0a, &inner);
            let at = bytes.len() - inner.len() + within;
            let number = *number as u64;
            let usual = if *code == "200" { 200 + number % 800 } else { number % 5 };
            counters.push(Counter { usual, value: 0, chance: number * 2 + 1, at });
        }
        Self { bytes, counters }
    }

    /// The next sample of each.
    fn advance(&mut self, at: i64) {
        let moment: [u8; MOMENT_BYTES] = std::array::from_fn(|byte| {
            let more = if byte + 1 < MOMENT_BYTES { 0x80 } else { 0 };
            (at >> (7 * byte) & 0x7f) as u8 | more
        });
        for counter in &mut self.counters {
            let value = (counter.next() as f64).to_le_bytes();
            let sample = value.into_iter().chain([0x10]).chain(moment);
            for (to, byte) in self.bytes.iter_mut().skip(counter.at).zip(sample) {
                *to = byte;
            }
        }
    }
}

impl Counter {
    /// It grows by about as much as is usual, and now and then begins again.
    fn next(&mut self) -> u64 {
        // Xorshift: the same for everybody, and nothing that compresses.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        if self.chance.is_multiple_of(5_000) {
            self.value = 0;
        }
        self.value += self.usual * (90 + self.chance % 21) / 100;
        self.value
    }
}

/// A field with a length. All lengths here are below 2¹⁴.
fn field(to: &mut Vec<u8>, tag: u8, content: &[u8]) {
    to.push(tag);
    match content.len() {
        short @ 0..=0x7f => to.push(short as u8),
        long => to.extend([long as u8 | 0x80, (long >> 7) as u8]),
    }
    to.extend(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_where_they_are_looked_for() {
        let mut requests = Request::all();
        assert_eq!(requests.len() * SERIES_A_REQUEST, SERVICES * INSTANCES * CODES.len());
        let request = &mut requests[0];
        let length = request.bytes.len();
        request.advance(1_700_000_000_000);
        assert_eq!(request.bytes.len(), length);
        let counter = &request.counters[0];
        let sample = &request.bytes[counter.at - 3..counter.at + 15];
        let mut expected = vec![0x12, 16, 0x09];
        expected.extend((counter.value as f64).to_le_bytes());
        expected.extend([0x10, 0x80, 0xd0, 0x95, 0xff, 0xbc, 0x31]);
        assert_eq!(sample, expected);
    }

    #[test]
    fn every_service_has_counters_that_grow() {
        let mut counter = Counter { usual: 500, value: 0, chance: 7, at: 0 };
        let values: Vec<_> = (0..100).map(|_| counter.next()).collect();
        assert!(values.is_sorted() && values[99] > 45_000, "{values:?}");
    }
}
