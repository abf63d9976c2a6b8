//! Sends one load and prints what came of it and what it cost, as one JSON object.
//!
//! ```text
//! cargo run --release -p evenkeel-load --example send URL open RATE SECONDS [CONNECTIONS]
//! cargo run --release -p evenkeel-load --example send URL closed USERS SECONDS [CONNECTIONS]
//! ```
//!
//! In the open model requests are due at a rate, whatever the target does; in the closed model each
//! user sends its next request as soon as its last was answered.

use std::error::Error;
use std::io::{self, Write};
use std::sync::mpsc;
use std::time::Duration;

use evenkeel_load::{Order, Said, prepare};
use evenkeel_model::document::{LoadTest, Reference, ResolveError, Route, Shape, Text};
use evenkeel_stats::Histogram;
use evenkeel_units::{Rate, Seed};
use rustix::time::{ClockId, clock_gettime};

const USAGE: &str = "usage: send URL (open RATE | closed USERS) SECONDS [CONNECTIONS]";

/// What cannot be sent within this is missed.
const TIMEOUT: Duration = Duration::from_secs(1);

const CONNECTIONS: u32 = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, model, amount, seconds, rest @ ..] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let (amount, seconds) = (amount.parse()?, seconds.parse::<u32>()?);
    let connections = rest.first().map_or(Ok(CONNECTIONS), |it| it.parse())?;
    let duration = Duration::from_secs(u64::from(seconds));
    let shape = match model.as_str() {
        "open" => Shape::Constant {
            rate: Rate::per_second(f64::from(amount)).ok_or("no such rate")?,
            duration,
        },
        "closed" => Shape::Users { users: amount, think_time: Duration::ZERO, duration },
        _ => return Err(USAGE.into()),
    };
    let order =
        Order { url: url.clone(), test: test(connections)?, shapes: vec![shape], seed: Seed(1) };
    let refuse =
        |it: &Reference| Err(ResolveError { reference: it.to_string(), reason: String::new() });
    let (say, said) = mpsc::channel();
    let load = prepare(order, refuse)?.start(move |it| drop(say.send(it)))?;
    let mut counts = Counts::default();
    for it in said {
        match it {
            Said::Started => {}
            Said::Second(frame) => counts.add(&frame, u64::from(seconds)),
            Said::Ended { error: Some(error) } => return Err(error.into()),
            Said::Ended { error: None } => break,
        }
    }
    let generator = load.cpu_time();
    load.join();
    let process = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?;
    writeln!(io::stdout(), "{}", counts.to_json(duration, generator, process))?;
    Ok(())
}

fn test(connections: u32) -> Result<LoadTest, Box<dyn Error>> {
    let route = Route {
        name: "sink".to_owned(),
        weight: 1,
        method: "GET".to_owned(),
        path: Text::parse("/")?,
        headers: Vec::new(),
        body: None,
        status: Vec::new(),
        body_contains: Vec::new(),
    };
    Ok(LoadTest {
        name: "sink".to_owned(),
        description: None,
        service: None,
        url: None,
        shape: None,
        routes: vec![route],
        timeout: TIMEOUT,
        connections,
        success: Vec::new(),
    })
}

#[derive(Default)]
struct Counts {
    planned: u64,
    sent: u64,
    sent_in_time: u64,
    missed: u64,
    answered: u64,
    failed: u64,
    lag: Histogram,
    response: Histogram,
}

impl Counts {
    fn add(&mut self, frame: &evenkeel_model::Frame, seconds: u64) {
        self.planned += frame.planned;
        self.sent += frame.sent;
        self.missed += frame.missed;
        if frame.second < seconds {
            self.sent_in_time += frame.sent;
        }
        self.lag.add(&frame.lag_micros);
        for series in &frame.series {
            let count = series.response_micros.count();
            if series.answer == evenkeel_model::Answer::Ok {
                self.answered += count;
            } else {
                self.failed += count;
            }
            self.response.add(&series.response_micros);
        }
    }

    fn to_json(&self, duration: Duration, generator: Duration, process: Duration) -> String {
        format!(
            "{{\"planned\": {}, \"sent\": {}, \"sent_in_time\": {}, \"missed\": {}, \
             \"answered\": {}, \"failed\": {}, \"duration_seconds\": {}, \
             \"generator_cpu_seconds\": {}, \"process_cpu_seconds\": {}, \
             \"send_lag_seconds\": {}, \"response_time_seconds\": {}}}",
            self.planned,
            self.sent,
            self.sent_in_time,
            self.missed,
            self.answered,
            self.failed,
            duration.as_secs_f64(),
            generator.as_secs_f64(),
            process.as_secs_f64(),
            quantiles(&self.lag),
            quantiles(&self.response),
        )
    }
}

fn quantiles(times: &Histogram) -> String {
    let [p50, p99, p999] =
        [0.5, 0.99, 0.999].map(|it| times.quantile(it).unwrap_or_default().as_secs_f64());
    let max = times.max().unwrap_or_default().as_secs_f64();
    format!("{{\"p50\": {p50}, \"p99\": {p99}, \"p999\": {p999}, \"max\": {max}}}")
}
