//! The figures of a load for scripts: one flat object, times in seconds.

use std::collections::BTreeMap;

use evenkeel_drill::{AgentFigures, Run, Tally};
use evenkeel_model::{Outcome, outcome};
use serde::Serialize;

use crate::exit::Failure;

/// What `load run --output json` prints. `sent = answered + failed + in_flight_at_end`, and
/// `planned = sent + missed`.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    run: String,
    verdict: String,
    exit_code: u8,
    /// Why it ended so, as a sentence for people.
    cause: String,
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
    errors: BTreeMap<String, u64>,
    /// Processor time of the threads that send.
    generator_cpu_seconds: f64,
    bytes_received: u64,
    bytes_sent: u64,
    /// Connections that were made, and those of them that resumed a TLS session.
    connections: u64,
    tls_resumed: u64,
    /// How each machine sent its part; none where this one sent all of it.
    agents: Vec<Sender>,
    seed: u64,
}

/// One of several machines.
#[derive(Debug, Serialize)]
struct Sender {
    agent: String,
    name: String,
    planned: u64,
    sent: u64,
    missed: u64,
    send_lag_seconds: Times,
    generator_cpu_seconds: f64,
    kept_up: bool,
    /// How it was lost; null when it was not.
    lost: Option<String>,
}

impl From<AgentFigures> for Sender {
    fn from(it: AgentFigures) -> Self {
        Self {
            agent: it.agent,
            name: it.name,
            planned: it.planned,
            sent: it.sent,
            missed: it.missed,
            send_lag_seconds: it.lag.into(),
            generator_cpu_seconds: it.cpu_seconds,
            kept_up: it.kept_up,
            lost: it.lost,
        }
    }
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

impl From<outcome::Times> for Times {
    fn from(times: outcome::Times) -> Self {
        Self {
            p50: times.p50_seconds,
            p90: times.p90_seconds,
            p95: times.p95_seconds,
            p99: times.p99_seconds,
            p999: times.p999_seconds,
            max: times.max_seconds,
            mean: times.mean_seconds,
        }
    }
}

impl Summary {
    /// Of a run: the figures of all its seconds, warm-ups among them.
    pub(crate) fn of(outcome: &Outcome, run: &Run) -> Result<Self, Failure> {
        let (all, sending) =
            (Tally::within(outcome.duration).plus(&run.frames).figures(), outcome.sending);
        run.frames.check().map_err(|it| Failure::could_not_run(it.to_string()))?;
        let load_cpu = outcome.footprint.as_ref().map(|it| it.load_cpu.as_secs_f64());
        Ok(Self {
            run: outcome.run.id.clone(),
            verdict: outcome.verdict.result.word().to_owned(),
            exit_code: outcome.verdict.exit_code,
            cause: outcome.verdict.cause.clone(),
            planned: all.planned,
            sent: all.sent,
            answered: all.good,
            failed: all.failed,
            missed: all.missed,
            in_flight_at_end: sending.in_flight_at_end,
            duration_seconds: outcome.duration.as_secs_f64(),
            throughput_per_second: all.throughput_per_second,
            response_time_seconds: all.response().into(),
            service_time_seconds: all.service.into(),
            all_response_time_seconds: all.all.into(),
            send_lag_seconds: sending.lag.into(),
            errors: all.errors,
            generator_cpu_seconds: load_cpu.unwrap_or(0.0),
            bytes_received: sending.bytes_received,
            bytes_sent: sending.bytes_sent,
            connections: sending.connected,
            tls_resumed: sending.resumed,
            agents: run.agent_figures().into_iter().map(Sender::from).collect(),
            seed: outcome.plan.seed.0,
        })
    }
}
