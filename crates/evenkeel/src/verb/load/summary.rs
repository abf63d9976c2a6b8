//! The figures of a load for scripts: one flat object, times in seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::{Entry, Event, Outcome};
use evenkeel_stats::Histogram;
use serde::Serialize;

/// What `load run --output json` prints. `sent = answered + failed + in_flight_at_end`, and
/// `planned = sent + missed`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    run: String,
    verdict: String,
    exit_code: u8,
    /// Arrivals that were due.
    planned: u64,
    /// Requests that were sent.
    sent: u64,
    /// Answered right.
    answered: u64,
    /// Came to nothing, or were answered wrong.
    failed: u64,
    /// Arrivals that were given up unsent.
    missed: u64,
    in_flight_at_end: u64,
    /// From the start of the load to its last answer.
    duration_seconds: f64,
    /// Answered right, each second.
    throughput_per_second: f64,
    /// From when each request was due, of all that were answered right.
    response_time_seconds: Times,
    /// From when each request was sent, likewise.
    service_time_seconds: Times,
    /// From when each request was due, of all that have an outcome.
    all_response_time_seconds: Times,
    /// From when each request was due until it was sent.
    send_lag_seconds: Times,
    /// Failures by class.
    errors: BTreeMap<&'static str, u64>,
    /// Processor time of the threads that send.
    generator_cpu_seconds: f64,
    bytes_received: u64,
    bytes_sent: u64,
    /// Connections that were made, and those of them that resumed a TLS session.
    connections: u64,
    tls_resumed: u64,
    seed: u64,
}

/// Times by percentile (nearest rank, three significant digits); null without any.
#[derive(Debug, Serialize)]
struct Times {
    p50: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
}

impl From<&Histogram> for Times {
    fn from(times: &Histogram) -> Self {
        let seconds = |it: Option<Duration>| it.map(|it| it.as_secs_f64());
        let at = |q| seconds(times.quantile(q));
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: seconds(times.max()),
            mean: seconds(times.mean()),
        }
    }
}

impl Summary {
    /// Of a run.
    pub(crate) fn of(outcome: &Outcome, entries: &[Entry]) -> Self {
        let mut summary = Self {
            run: outcome.run.id.clone(),
            verdict: outcome.verdict.result.word().to_owned(),
            exit_code: outcome.verdict.exit_code,
            planned: 0,
            sent: 0,
            answered: 0,
            failed: 0,
            missed: 0,
            in_flight_at_end: 0,
            duration_seconds: outcome.duration.as_secs_f64(),
            throughput_per_second: 0.0,
            response_time_seconds: Times::from(&Histogram::new()),
            service_time_seconds: Times::from(&Histogram::new()),
            all_response_time_seconds: Times::from(&Histogram::new()),
            send_lag_seconds: Times::from(&Histogram::new()),
            errors: BTreeMap::new(),
            generator_cpu_seconds: outcome
                .footprint
                .as_ref()
                .map_or(0.0, |it| it.load_cpu.as_secs_f64()),
            bytes_received: 0,
            bytes_sent: 0,
            connections: 0,
            tls_resumed: 0,
            seed: outcome.plan.seed.0,
        };
        let [mut good, mut served, mut all, mut lag] = [(); 4].map(|()| Histogram::new());
        for entry in entries {
            let Event::Second { frame } = &entry.event else { continue };
            summary.planned += frame.planned;
            summary.sent += frame.sent;
            summary.missed += frame.missed;
            summary.in_flight_at_end = frame.in_flight;
            summary.bytes_received += frame.bytes_received;
            summary.bytes_sent += frame.bytes_sent;
            summary.connections += frame.connected;
            summary.tls_resumed += frame.resumed;
            lag.add(&frame.lag_micros);
            for series in &frame.series {
                let count = series.response_micros.count();
                all.add(&series.response_micros);
                if series.answer.is_ok() {
                    summary.answered += count;
                    good.add(&series.response_micros);
                    served.add(&series.service_micros);
                } else {
                    summary.failed += count;
                    *summary.errors.entry(series.answer.name()).or_default() += count;
                }
            }
        }
        summary.response_time_seconds = Times::from(&good);
        summary.service_time_seconds = Times::from(&served);
        summary.all_response_time_seconds = Times::from(&all);
        summary.send_lag_seconds = Times::from(&lag);
        if summary.duration_seconds > 0.0 {
            summary.throughput_per_second = summary.answered as f64 / summary.duration_seconds;
        }
        summary
    }
}
