//! Fill: the samples that all engines get, and how they are sent.
//!
//! Services of some instances each count requests that went well and such that failed. A request holds one sample of
//! each of many series, as remote write sends what was scraped: the labels are with every sample.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

use super::http::Connection;

const CODES: [&str; 2] = ["200", "500"];
/// A day is quick, a month is not.
const QUICK_DAYS: i64 = 1;
const DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;
/// Days that are the longest window over counters of the rules of Sloth.
const RECORDED_FROM: i64 = 3;

/// What is sent.
#[derive(Clone)]
pub(super) struct Fill {
    services: usize,
    instances: usize,
    series_a_request: usize,
    end_seconds: i64,
    step_seconds: i64,
    /// Samples of each counter.
    steps: i64,
    /// Samples of what a rule has made of the counters of each service.
    recorded_steps: i64,
}

impl Fill {
    /// 10,000 counters with a sample every five minutes for thirty days, until the last whole hour; a few samples when only
    /// is to be seen that it works.
    pub(super) fn until_now(quick: bool) -> Self {
        let end_seconds = clock_gettime(ClockId::Realtime).tv_sec / 3_600 * 3_600;
        let days = if quick { QUICK_DAYS } else { DAYS };
        Self {
            services: 1_000,
            instances: 5,
            series_a_request: 2_000,
            end_seconds,
            step_seconds: 300,
            steps: days * DAY_SECONDS / 300,
            recorded_steps: 0,
        }
    }

    /// The same counters for a tenth of the time, a sample of all in each request.
    pub(super) fn at_once(&self) -> Self {
        let series_a_request = self.services * self.instances * CODES.len();
        Self { series_a_request, steps: self.steps / 10, ..self.clone() }
    }

    /// The two counters of a thousand services with a sample each minute, until now.
    pub(super) fn of_objectives(quick: bool) -> Self {
        let step_seconds = 60;
        Self {
            services: if quick { 10 } else { 1_000 },
            instances: 1,
            series_a_request: 2_000,
            end_seconds: clock_gettime(ClockId::Realtime).tv_sec / step_seconds * step_seconds,
            step_seconds,
            steps: if quick { QUICK_DAYS } else { DAYS } * DAY_SECONDS / step_seconds,
            recorded_steps: 0,
        }
    }

    /// What the rules of Sloth ask for: what one of them has written of each service at each of the moments, and the counters
    /// themselves as far as the longest window of another reaches back.
    pub(super) fn recorded(&self) -> Self {
        let steps = self.steps.min(RECORDED_FROM * DAY_SECONDS / self.step_seconds);
        Self { steps, recorded_steps: self.steps, ..self.clone() }
    }

    pub(super) const fn services(&self) -> usize {
        self.services
    }

    pub(super) fn service(number: usize) -> String {
        format!("service-{number:04}")
    }

    /// The moment of the last, in seconds since 1970.
    pub(super) const fn end_seconds(&self) -> i64 {
        self.end_seconds
    }

    /// From before the first to the last.
    pub(super) const fn seconds(&self) -> i64 {
        self.steps * self.step_seconds
    }

    pub(super) const fn samples(&self) -> u64 {
        self.steps.cast_unsigned() * (self.services * self.instances * CODES.len()) as u64
    }

    /// Sends all, oldest first.
    pub(super) fn send(&self, to: SocketAddr) -> Result<()> {
        let mut connection = Connection::open(to)?;
        let mut requests = self.requests();
        let mut encoder = snap::raw::Encoder::new();
        let mut body = Vec::new();
        for left in (0..self.steps.max(self.recorded_steps)).rev() {
            let at = (self.end_seconds - left * self.step_seconds) * 1_000;
            for request in requests.iter_mut().filter(|it| left < it.steps) {
                request.advance(at);
                body.resize(snap::raw::max_compress_len(request.bytes.len()), 0);
                let length =
                    encoder.compress(&request.bytes, &mut body).context("cannot compress")?;
                connection.write(body.get(..length).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn requests(&self) -> Vec<Request> {
        let instances = 0..self.services * self.instances;
        let counted = instances.flat_map(|it| CODES.map(|code| (self.counted(it, code), false)));
        let recorded = (0..self.services).map(|it| (recorded(it), true));
        [(counted.collect::<Vec<_>>(), self.steps), (recorded.collect(), self.recorded_steps)]
            .iter()
            .filter(|(_, steps)| *steps > 0)
            .flat_map(|(series, steps)| {
                let numbered: Vec<_> = series.iter().enumerate().collect();
                let some = numbered.chunks(self.series_a_request);
                some.map(|it| Request::of(it, *steps)).collect::<Vec<_>>()
            })
            .collect()
    }

    fn counted(&self, instance: usize, code: &str) -> Labels {
        vec![
            ("__name__", "http_requests_total".to_owned()),
            ("code", code.to_owned()),
            ("instance", format!("10.0.{}.{}:9100", instance / 250, instance % 250)),
            ("job", "bench".to_owned()),
            ("service", Self::service(instance / self.instances)),
        ]
    }
}

/// Sorted by name.
type Labels = Vec<(&'static str, String)>;

/// As the rules of Sloth name it.
fn recorded(service: usize) -> Labels {
    let service = Fill::service(service);
    vec![
        ("__name__", "slo:sli_error:ratio_rate5m".to_owned()),
        ("sloth_id", format!("{service}-{service}")),
        ("sloth_service", service.clone()),
        ("sloth_slo", service),
        ("sloth_window", "5m".to_owned()),
    ]
}

/// A request that is sent again and again, with other values.
struct Request {
    /// How often, at the last moments there are.
    steps: i64,
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
    /// It is none, but a share of one.
    is_share: bool,
}

/// A sample: a float and a moment of six bytes of seven bits each, which lasts until the year 2109.
const SAMPLE: [u8; 2] = [0x12, 16];
const MOMENT_BYTES: usize = 6;

impl Request {
    fn of(series: &[(usize, &(Labels, bool))], steps: i64) -> Self {
        let (mut bytes, mut counters) = (Vec::new(), Vec::new());
        for (number, (labels, is_share)) in series {
            let mut inner = Vec::new();
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
            let went_well = number.is_multiple_of(2);
            let usual = if went_well { 200 + number % 800 } else { number % 5 };
            let (chance, is_share) = (number * 2 + 1, *is_share);
            counters.push(Counter { usual, value: 0, chance, at, is_share });
        }
        Self { steps, bytes, counters }
    }

    /// The next sample of each.
    fn advance(&mut self, at: i64) {
        let moment: [u8; MOMENT_BYTES] = std::array::from_fn(|byte| {
            let more = if byte + 1 < MOMENT_BYTES { 0x80 } else { 0 };
            (at >> (7 * byte) & 0x7f) as u8 | more
        });
        for counter in &mut self.counters {
            let next = counter.next() as f64;
            let share = (counter.chance % 1_000) as f64 / 1e6;
            let value = if counter.is_share { share } else { next }.to_le_bytes();
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
pub(super) fn field(to: &mut Vec<u8>, tag: u8, content: &[u8]) {
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
        let fill = Fill::until_now(true);
        let mut requests = fill.requests();
        assert_eq!((requests.len(), fill.at_once().requests().len()), (5, 1));
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
        let mut counter = Counter { usual: 500, value: 0, chance: 7, at: 0, is_share: false };
        let values: Vec<_> = (0..100).map(|_| counter.next()).collect();
        assert!(values.is_sorted() && values[99] > 45_000, "{values:?}");
    }
}
