//! Ledger: frames added up, which is what the outputs write: counts since the start of the load.

use std::collections::BTreeMap;

use evenkeel_model::{Answer, Distribution, Frame};

use crate::catalogue::{self, ANSWER, Metric, ROUTE, TRANSACTION};

/// What a metric says at some moment.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// How many since the start.
    Count(u64),
    /// How many right now.
    Level(u64),
    /// Every time since the start.
    Times(&'a Distribution),
}

/// One series of a metric at some moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading<'a> {
    pub(crate) metric: Metric,
    /// Its labels beside those that all have.
    pub(crate) labels: Vec<(&'static str, &'a str)>,
    pub(crate) value: Value<'a>,
}

/// Everything that was counted.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    routes: Vec<String>,
    transactions: Vec<String>,
    /// Counts are sums, levels those of the last frame. Its `series` stay empty.
    sum: Frame,
    series: BTreeMap<(usize, Answer), Times>,
    transaction_times: BTreeMap<(usize, Answer), Distribution>,
}

#[derive(Clone, Debug, Default)]
struct Times {
    response: Distribution,
    service: Distribution,
}

impl Ledger {
    pub(crate) fn new(routes: Vec<String>, transactions: Vec<String>) -> Self {
        Self {
            routes,
            transactions,
            sum: Frame::default(),
            series: BTreeMap::new(),
            transaction_times: BTreeMap::new(),
        }
    }

    /// Adds a frame that is later than all before it.
    pub(crate) fn add(&mut self, frame: &Frame) {
        for it in &frame.series {
            let times = self.series.entry((it.route, it.answer)).or_default();
            times.response.add(&it.response_micros);
            times.service.add(&it.service_micros);
        }
        for it in &frame.transactions {
            let times = self.transaction_times.entry((it.route, it.answer)).or_default();
            times.add(&it.response_micros);
        }
        let counts = Frame {
            lag_micros: frame.lag_micros.clone(),
            series: Vec::new(),
            transactions: Vec::new(),
            ..*frame
        };
        append(&mut self.sum, &counts);
    }

    /// Every series, in an order that only grows.
    pub(crate) fn readings(&self) -> Vec<Reading<'_>> {
        let sum = &self.sum;
        let whole = |metric, value| Reading { metric, labels: Vec::new(), value };
        let mut readings = vec![
            whole(catalogue::PLANNED, Value::Count(sum.planned)),
            whole(catalogue::SENT, Value::Count(sum.sent)),
            whole(catalogue::MISSED, Value::Count(sum.missed)),
            whole(catalogue::IN_FLIGHT, Value::Level(sum.in_flight)),
            whole(catalogue::WAITING, Value::Level(sum.waiting)),
            whole(catalogue::RECEIVED, Value::Count(sum.bytes_received)),
            whole(catalogue::TRANSMITTED, Value::Count(sum.bytes_sent)),
            whole(catalogue::CONNECTIONS, Value::Count(sum.connected)),
            whole(catalogue::RESUMED, Value::Count(sum.resumed)),
            whole(catalogue::SEND_LAG, Value::Times(&sum.lag_micros)),
        ];
        for (route, name) in self.routes.iter().enumerate() {
            let answers =
                || self.series.range((route, Answer::Ok)..).take_while(move |it| it.0.0 == route);
            readings.push(Reading {
                metric: catalogue::REQUESTS,
                labels: vec![(ROUTE, name)],
                value: Value::Count(answers().map(|(_, it)| it.response.count()).sum()),
            });
            for ((_, answer), times) in answers() {
                let labels = vec![(ROUTE, name.as_str()), (ANSWER, answer.name())];
                if !answer.is_ok() {
                    readings.push(Reading {
                        metric: catalogue::FAILED,
                        labels: labels.clone(),
                        value: Value::Count(times.response.count()),
                    });
                }
                for (metric, times) in
                    [(catalogue::RESPONSE, &times.response), (catalogue::SERVICE, &times.service)]
                {
                    readings.push(Reading {
                        metric,
                        labels: labels.clone(),
                        value: Value::Times(times),
                    });
                }
            }
        }
        for ((transaction, answer), times) in &self.transaction_times {
            let Some(name) = self.transactions.get(*transaction) else { continue };
            readings.push(Reading {
                metric: catalogue::TRANSACTION_TIME,
                labels: vec![(TRANSACTION, name), (ANSWER, answer.name())],
                value: Value::Times(times),
            });
        }
        readings
    }
}

/// Adds a frame to one of an earlier second, as if both had been counted in the later one.
pub(crate) fn append(into: &mut Frame, later: &Frame) {
    into.merge(later);
    into.second = later.second;
    into.in_flight = later.in_flight;
    into.waiting = later.waiting;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use evenkeel_model::Series;

    pub(crate) fn times(micros: &[(u64, u64)]) -> Distribution {
        Distribution { micros: micros.to_vec() }
    }

    /// Route, what became of its requests, and microseconds with their counts.
    type Counted<'a> = (usize, Answer, &'a [(u64, u64)]);

    pub(crate) fn frame(second: u64, answers: &[Counted<'_>]) -> Frame {
        let series: Vec<_> = answers
            .iter()
            .map(|&(route, answer, micros)| Series {
                route,
                answer,
                response_micros: times(micros),
                service_micros: times(micros),
            })
            .collect();
        let sent = series.iter().map(|it| it.response_micros.count()).sum();
        Frame {
            second,
            planned: sent + 1,
            sent,
            missed: 1,
            in_flight: second + 3,
            bytes_received: 100 * sent,
            lag_micros: times(&[(20, sent)]),
            series,
            ..Frame::default()
        }
    }

    fn ledger() -> Ledger {
        Ledger::new(vec!["list".to_owned(), "buy".to_owned()], Vec::new())
    }

    fn value<'a>(readings: &[Reading<'a>], metric: Metric, labels: &[&str]) -> Value<'a> {
        let of = |it: &&Reading<'_>| {
            it.metric == metric && it.labels.iter().map(|it| it.1).eq(labels.iter().copied())
        };
        let found: Vec<_> = readings.iter().filter(of).collect();
        assert_eq!(found.len(), 1, "{} {labels:?}", metric.name);
        found[0].value
    }

    #[test]
    fn counts_grow_and_levels_are_the_last_ones() {
        let mut ledger = ledger();
        ledger.add(&frame(0, &[(0, Answer::Ok, &[(500, 3)]), (0, Answer::Status, &[(400, 1)])]));
        ledger.add(&frame(1, &[(0, Answer::Ok, &[(500, 1), (700, 1)])]));
        let readings = ledger.readings();
        assert_eq!(value(&readings, catalogue::PLANNED, &[]), Value::Count(8));
        assert_eq!(value(&readings, catalogue::MISSED, &[]), Value::Count(2));
        assert_eq!(value(&readings, catalogue::IN_FLIGHT, &[]), Value::Level(4));
        assert_eq!(value(&readings, catalogue::RECEIVED, &[]), Value::Count(600));
        assert_eq!(value(&readings, catalogue::REQUESTS, &["list"]), Value::Count(6));
        assert_eq!(value(&readings, catalogue::FAILED, &["list", "status"]), Value::Count(1));
        let response = times(&[(500, 4), (700, 1)]);
        assert_eq!(value(&readings, catalogue::RESPONSE, &["list", "ok"]), Value::Times(&response));
    }

    #[test]
    fn a_route_that_was_never_asked_for_counts_zero() {
        assert_eq!(value(&ledger().readings(), catalogue::REQUESTS, &["buy"]), Value::Count(0));
    }

    #[test]
    fn every_reading_has_the_labels_of_its_metric() {
        let mut ledger = Ledger::new(vec!["list".to_owned()], vec!["order".to_owned()]);
        let mut frame = frame(0, &[(0, Answer::Ok, &[(500, 3)]), (0, Answer::Dns, &[(400, 1)])]);
        frame.transactions = vec![frame.series[0].clone()];
        ledger.add(&frame);
        let readings = ledger.readings();
        for metric in catalogue::ALL {
            let of = |it: &&Reading<'_>| it.metric == metric;
            let labels: Vec<_> = readings.iter().filter(of).map(|it| &it.labels).collect();
            assert!(!labels.is_empty(), "{} is never written", metric.name);
            assert!(
                labels.iter().all(|it| it.iter().map(|it| it.0).eq(metric.labels.iter().copied()))
            );
        }
    }
}
