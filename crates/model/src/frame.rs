//! Frame: one second of load, as counted.
//!
//! Frames are the only thing the load hand says while it works. They hold counts, not figures: counts
//! of two seconds can be added, percentiles cannot.

use std::time::Duration;

use evenkeel_units::Moment;
use serde::{Deserialize, Serialize};

/// What became of one request.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Answered, and every check held.
    Ok,
    /// The name of the host could not be looked up.
    Dns,
    /// No connection could be made.
    Connect,
    /// A connection was made, and its TLS handshake failed.
    Tls,
    /// Not answered in time.
    Timeout,
    /// The connection was reset before the answer was whole.
    Reset,
    /// The connection was closed in an orderly way before the answer was whole.
    Closed,
    /// Answered with bytes that are not of the protocol.
    Malformed,
    /// The server gave up this one exchange (RST_STREAM of HTTP/2).
    Refused,
    /// The server gave up the connection and what was under way on it (GOAWAY of HTTP/2).
    Goaway,
    /// Answered with a status that is not right: of HTTP, gRPC, DNS or Kafka.
    Status,
    /// Answered with headers or a body that a check does not find right.
    Body,
}

impl Answer {
    /// Every class, the good one first.
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Reset,
        Self::Closed,
        Self::Malformed,
        Self::Refused,
        Self::Goaway,
        Self::Status,
        Self::Body,
    ];

    /// Name in reports and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
            Self::Refused => "refused",
            Self::Goaway => "goaway",
            Self::Status => "status",
            Self::Body => "body",
        }
    }

    /// Whether the request counts as good.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }
}

/// Counts of times: pairs of microseconds and how often, ascending. The values are those a histogram
/// with three significant digits tells apart, so that adding distributions loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Distribution {
    /// Microseconds and count.
    pub micros: Vec<(u64, u64)>,
}

impl Distribution {
    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.micros.iter().map(|(_, count)| count).sum()
    }

    /// Adds every count of `other`: the same as if its times had been counted here.
    pub fn add(&mut self, other: &Self) {
        if self.micros.is_empty() {
            self.micros.clone_from(&other.micros);
            return;
        }
        let (mut ours, mut theirs) =
            (self.micros.iter().peekable(), other.micros.iter().peekable());
        let mut sum = Vec::with_capacity(self.micros.len().max(other.micros.len()));
        while let (Some(&&(a, of_a)), Some(&&(b, of_b))) = (ours.peek(), theirs.peek()) {
            sum.push((a.min(b), if a <= b { of_a } else { 0 } + if b <= a { of_b } else { 0 }));
            if a <= b {
                ours.next();
            }
            if b <= a {
                theirs.next();
            }
        }
        sum.extend(ours.chain(theirs));
        self.micros = sum;
    }
}

/// Requests of one route with one outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Index of the route in the load test.
    pub route: usize,
    /// What became of them.
    pub answer: Answer,
    /// Response times, from when each request was due until its outcome was known.
    pub response_micros: Distribution,
    /// Service times, from when each request was sent until its outcome was known. Requests that never got
    /// as far as being sent have none.
    pub service_micros: Distribution,
}

/// One second of load. Requests are counted in the second in which their outcome became known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Which second of the load: the frame covers `[second, second + 1)` after its start.
    pub second: u64,
    /// Arrivals that were due in it; requests that depend on answers (of the closed model, and of later steps
    /// of a scenario) count when they are sent.
    pub planned: u64,
    /// Requests that were sent in it.
    pub sent: u64,
    /// Arrivals of it that were given up unsent, because no connection was free before their timeout.
    pub missed: u64,
    /// Requests under way at its end.
    pub in_flight: u64,
    /// Arrivals that wait for a connection at its end.
    pub waiting: u64,
    /// Bytes that came from the target.
    pub bytes_received: u64,
    /// Bytes that went to the target.
    pub bytes_sent: u64,
    /// Connections that were made in it.
    pub connected: u64,
    /// Of those, the ones that resumed a TLS session.
    pub resumed: u64,
    /// From when a request was due until it was sent.
    pub lag_micros: Distribution,
    /// Outcomes.
    pub series: Vec<Series>,
    /// Transactions that ended, by number; their times leave think time out.
    pub transactions: Vec<Series>,
    /// CPU time that the sending threads took in it, together.
    #[serde(default)]
    pub cpu_micros: u64,
    /// How many threads sent in it; 0 when nobody counted.
    #[serde(default)]
    pub threads: u64,
}

impl Frame {
    /// When the frame begins, after the start of the load.
    pub const fn from(&self) -> Moment {
        Moment::at(Duration::from_secs(self.second))
    }

    /// The middle of the second: it belongs to what this lies in.
    pub fn middle(&self) -> Moment {
        self.from() + Duration::from_millis(500)
    }

    /// Adds what another worker or machine counted in the same second. The sum is what one that had done all
    /// of it would have counted, bit for bit.
    pub fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.missed += other.missed;
        self.in_flight += other.in_flight;
        self.waiting += other.waiting;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.connected += other.connected;
        self.resumed += other.resumed;
        self.cpu_micros += other.cpu_micros;
        self.threads += other.threads;
        self.lag_micros.add(&other.lag_micros);
        merge(&mut self.series, &other.series);
        merge(&mut self.transactions, &other.transactions);
    }

    /// Requests answered right.
    pub fn good(&self) -> u64 {
        self.series.iter().filter(|it| it.answer.is_ok()).map(|it| it.response_micros.count()).sum()
    }

    /// Requests that failed in any way; missed arrivals are counted apart.
    pub fn failed(&self) -> u64 {
        self.series
            .iter()
            .filter(|it| !it.answer.is_ok())
            .map(|it| it.response_micros.count())
            .sum()
    }
}

/// Series are in order of route and answer.
fn merge(into: &mut Vec<Series>, from: &[Series]) {
    for series in from {
        match into.binary_search_by_key(&(series.route, series.answer), |it| (it.route, it.answer))
        {
            Ok(at) => {
                into[at].response_micros.add(&series.response_micros);
                into[at].service_micros.add(&series.service_micros);
            }
            Err(at) => into.insert(at, series.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Times as they were counted, one by one.
    type Counted = Vec<(usize, usize, u64)>;

    fn distribution(times: impl IntoIterator<Item = u64>) -> Distribution {
        let mut counts = BTreeMap::new();
        for it in times {
            *counts.entry(it).or_insert(0) += 1;
        }
        Distribution { micros: counts.into_iter().collect() }
    }

    /// The frame of one worker that counted all of it.
    fn frame(counted: &Counted) -> Frame {
        let mut series: BTreeMap<(usize, Answer), Vec<u64>> = BTreeMap::new();
        for (route, answer, micros) in counted {
            series.entry((*route, Answer::ALL[*answer])).or_default().push(*micros);
        }
        let series: Vec<_> = series
            .into_iter()
            .map(|((route, answer), times)| Series {
                route,
                answer,
                response_micros: distribution(times.iter().copied()),
                service_micros: distribution(times.iter().map(|it| it / 2)),
            })
            .collect();
        let count = counted.len() as u64;
        Frame {
            second: 7,
            planned: count,
            sent: count,
            missed: count / 3 * 3,
            in_flight: count,
            waiting: count,
            bytes_received: count * 100,
            bytes_sent: count * 10,
            connected: count,
            resumed: count,
            cpu_micros: count,
            threads: 0,
            lag_micros: distribution(counted.iter().map(|(_, _, it)| it % 7)),
            transactions: series.clone(),
            series,
        }
    }

    fn counted() -> impl Strategy<Value = Counted> {
        // Few values, so that they meet.
        let one = (0usize..3, 0usize..Answer::ALL.len(), 0u64..20);
        // Threes, so that no whole is other than its parts.
        prop::collection::vec(one, 0..10).prop_map(|it| [it.clone(), it.clone(), it].concat())
    }

    proptest! {
        #[test]
        fn workers_together_counted_what_one_would_have(a in counted(), b in counted()) {
            let mut sum = frame(&a);
            sum.merge(&frame(&b));
            prop_assert_eq!(sum, frame(&[a, b].concat()));
        }

        #[test]
        fn it_does_not_matter_who_is_added_to_whom(a in counted(), b in counted(), c in counted()) {
            let sum = |one: &Frame, other: &Frame| {
                let mut sum = one.clone();
                sum.merge(other);
                sum
            };
            let [a, b, c] = [a, b, c].map(|it| frame(&it));
            prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
            prop_assert_eq!(sum(&a, &b), sum(&b, &a));
            prop_assert_eq!(sum(&a, &frame(&Vec::new())), a);
        }

        #[test]
        fn counts_of_two_distributions_are_those_of_all_their_times(
            a in prop::collection::vec(0u64..30, 0..40),
            b in prop::collection::vec(0u64..30, 0..40),
        ) {
            let mut sum = distribution(a.iter().copied());
            sum.add(&distribution(b.iter().copied()));
            prop_assert_eq!(sum.count(), (a.len() + b.len()) as u64);
            prop_assert_eq!(sum, distribution(a.into_iter().chain(b)));
        }
    }

    #[test]
    fn good_and_failed_are_told_apart_by_their_answer() {
        let it = frame(&vec![(0, 0, 5), (0, 0, 9), (1, 3, 5)]);
        assert_eq!((it.good(), it.failed()), (2, 1));
    }
}
