//! How many requests a second one core sends: a load of 20,000/s for 10 s against a sink in this
//! process, and what the generator's thread cost.
//!
//! ```text
//! cargo run --release -p evenkeel-load --example twenty_thousand [RATE [SECONDS [CONNECTIONS]]]
//! ```

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use evenkeel_load::{Order, Said, prepare};
use evenkeel_model::document::{LoadTest, ResolveError, Route, Shape, Text};
use evenkeel_stats::Histogram;
use evenkeel_units::{Rate, Seed};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 64\r\n\r\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|it| it.parse::<u32>());
    let rate = arguments.next().transpose()?.unwrap_or(20_000);
    let seconds = arguments.next().transpose()?.unwrap_or(10);
    let connections = arguments.next().transpose()?.unwrap_or(64);
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
    let test = LoadTest {
        name: "sink".to_owned(),
        description: None,
        service: None,
        url: None,
        shape: None,
        routes: vec![route],
        timeout: Duration::from_secs(10),
        connections,
        success: Vec::new(),
    };
    let shape = Shape::Constant {
        rate: Rate::per_second(f64::from(rate)).ok_or("no rate")?,
        duration: Duration::from_secs(u64::from(seconds)),
    };
    let url = format!("http://{}", sink()?);
    let order = Order { url, test, shapes: vec![shape], seed: Seed(1) };
    let (say, said) = mpsc::channel();
    let refuse = |it: &evenkeel_model::document::Reference| {
        Err(ResolveError { reference: it.to_string(), reason: "none here".to_owned() })
    };
    let load = prepare(order, refuse)?.start(move |it| drop(say.send(it)))?;
    let (mut planned, mut sent, mut missed) = (0, 0, 0);
    let mut answers = BTreeMap::new();
    let (mut lag, mut response) = (Histogram::new(), Histogram::new());
    for it in said {
        let Said::Second(frame) = it else { continue };
        planned += frame.planned;
        sent += frame.sent;
        missed += frame.missed;
        lag.add(&frame.lag_micros);
        for series in &frame.series {
            *answers.entry(series.answer.name()).or_insert(0) += series.response_micros.count();
            response.add(&series.response_micros);
        }
    }
    let cpu = load.cpu_time();
    load.join();
    let mut out = std::io::stdout().lock();
    writeln!(out, "planned {planned}, sent {sent}, missed {missed}, answers {answers:?}")?;
    let per_request = cpu.as_secs_f64() * 1e6 / f64::from(u32::try_from(sent)?.max(1));
    writeln!(
        out,
        "generator: {:.2} s of processor, {per_request:.1} µs a request",
        cpu.as_secs_f64()
    )?;
    for (name, times) in [("lag", lag), ("response", response)] {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| times.quantile(q).unwrap_or_default());
        writeln!(out, "{name}: p50 {p50:?}, p99 {p99:?}, p99.9 {p999:?}, max {:?}", times.max())?;
    }
    Ok(())
}

/// Answers whatever comes, as often as a request ends in what was read; one thread a connection.
fn sink() -> std::io::Result<std::net::SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(length) = stream.read(&mut bytes)
                    && length > 0
                    && stream.write_all(ANSWER).is_ok()
                {}
            });
        }
    });
    Ok(address)
}
