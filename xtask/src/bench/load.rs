//! Bench of the load: what one core sends on time, what a request costs, and what it costs wrk.
//!
//! The server answers at once and has a core of its own; generators take turns on the other. Processor
//! time is what is compared: unlike the clock, it is only bent by neighbours, not made by them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::figures::{Bar, Row, Unit};
use super::machine::{self, Busy, Cores, Noise};
use super::send::Load;
use super::wrk::{self, Wrk};
use super::{Found, built};
use crate::{packages, say};

const SECONDS: &str = "5";
const CONNECTIONS: &str = "64";

/// Name, rate, and whether all of it must be sent.
const OPEN: &[(&str, &str, bool)] =
    &[("open model, 20,000/s", "20000", true), ("open model, 5,000/s", "5000", false)];

const CLOSED: &str = "flat out, 64 users";

/// A load that is further behind its plan has not been sent.
const IN_TIME: f64 = 0.99;

/// Runs every case in every round.
pub(super) fn run(rounds: usize) -> Result<Found> {
    packages::install_missing(packages::FOR_BENCHES)?;
    let examples = ["-p", "evenkeel-load", "--example"];
    let program = |name| built::program(name, &[examples.as_slice(), &[name]].concat());
    let (sink, send) = (program("sink")?, program("send")?);
    let cores = machine::cores()?;
    let before = Busy::now()?;
    let server = Server::start(&sink, &cores)?;
    let url = &server.url;
    let mut open: Vec<Vec<Load>> = OPEN.iter().map(|_| Vec::new()).collect();
    let mut closed = Vec::new();
    for round in 1..=rounds {
        say(&format!("round {round} of {rounds}"))?;
        for ((_, rate, _), found) in OPEN.iter().zip(&mut open) {
            found.push(ours(&send, &cores, &[url, "open", rate, SECONDS, CONNECTIONS])?.0);
        }
        let ours = || ours(&send, &cores, &[url, "closed", CONNECTIONS, SECONDS, CONNECTIONS]);
        let theirs = || theirs(&cores, url);
        // Whoever comes second meets what the first has left in the caches.
        closed.push(if round % 2 == 1 {
            let ours = ours()?;
            Pair::of(ours, theirs()?)?
        } else {
            let theirs = theirs()?;
            Pair::of(ours()?, theirs)?
        });
    }
    drop(server);
    let mut rows: Vec<Row> = OPEN
        .iter()
        .zip(&open)
        .flat_map(|(&(case, _, all), found)| open_rows(case, all, found))
        .collect();
    rows.extend(closed_rows(&closed));
    let wrk = built::first_line_of("wrk", "-v");
    let versions = vec![
        ("evenkeel", env!("CARGO_PKG_VERSION").to_owned()),
        ("wrk", wrk::version(&wrk).unwrap_or("unknown").to_owned()),
        ("rustc", built::first_line_of("rustc", "--version")),
        ("kernel", built::first_line_of("uname", "-r")),
    ];
    let noise = Noise::between(&before, &Busy::now()?);
    Ok(Found { bench: "load", rows, noise, versions })
}

fn open_rows(case: &'static str, all_of_it: bool, found: &[Load]) -> Vec<Row> {
    let row = |key, label, unit, value: &dyn Fn(&Load) -> f64| Row {
        case,
        key,
        label,
        unit,
        values: found.iter().map(value).collect(),
        bar: None,
    };
    let mut rows = vec![
        row("planned", "planned", Unit::Count, &|it| it.planned),
        row("sent", "sent", Unit::Count, &|it| it.sent),
        row("missed", "missed", Unit::Count, &|it| it.missed),
        row("failed", "failed", Unit::Count, &|it| it.failed),
        row("sent_in_time_ratio", "sent in time", Unit::Percent, &|it| {
            it.sent_in_time / it.planned
        }),
        row("thread_cpu_seconds_per_request", "CPU a request, thread", Unit::Micros, &|it| {
            it.generator_cpu / it.sent
        }),
        row("process_cpu_seconds_per_request", "CPU a request, process", Unit::Micros, &|it| {
            it.process_cpu / it.sent
        }),
        row("core_ratio", "share of its core", Unit::Percent, &|it| it.process_cpu / it.duration),
        row("send_lag_p50_seconds", "send lag, p50", Unit::Micros, &|it| it.lag_p50),
        row("send_lag_p99_seconds", "send lag, p99", Unit::Micros, &|it| it.lag_p99),
    ];
    if all_of_it {
        rows[2].bar = Some(Bar::NeverAbove(0.0));
        rows[4].bar = Some(Bar::AtLeast(IN_TIME));
    }
    rows
}

fn closed_rows(pairs: &[Pair]) -> Vec<Row> {
    let row = |key, label, unit, value: &dyn Fn(&Pair) -> f64| Row {
        case: CLOSED,
        key,
        label,
        unit,
        values: pairs.iter().map(value).collect(),
        bar: None,
    };
    vec![
        row("requests_per_second", "ours, requests/s", Unit::Count, &|it| it.ours_rate),
        row("wrk_requests_per_second", "wrk, requests/s", Unit::Count, &|it| it.wrk_rate),
        row("cpu_seconds_per_request", "ours, CPU a request", Unit::Micros, &|it| it.ours_cpu),
        row("wrk_cpu_seconds_per_request", "wrk, CPU a request", Unit::Micros, &|it| it.wrk_cpu),
        row("cpu_ratio_to_wrk", "CPU, ours / wrk", Unit::Times, &|it| it.ours_cpu / it.wrk_cpu),
    ]
}

/// Ours and wrk in the same round: what a request cost each process, and how many a second there were.
struct Pair {
    ours_cpu: f64,
    wrk_cpu: f64,
    ours_rate: f64,
    wrk_rate: f64,
}

impl Pair {
    fn of((ours, ours_cpu): (Load, f64), (wrk, wrk_cpu): (Wrk, f64)) -> Result<Self> {
        ensure!(ours.failed <= 0.0, "{} of our requests failed", ours.failed);
        ensure!(ours.answered > 0.0 && wrk.requests > 0.0, "nothing was answered");
        Ok(Self {
            ours_cpu: ours_cpu / ours.answered,
            wrk_cpu: wrk_cpu / wrk.requests,
            ours_rate: ours.answered / ours.duration,
            wrk_rate: wrk.requests_per_second,
        })
    }
}

fn ours(send: &Path, cores: &Cores, arguments: &[&str]) -> Result<(Load, f64)> {
    let (printed, cpu) = pinned(&cores.generator, send, arguments)?;
    Ok((Load::read(&printed)?, cpu))
}

fn theirs(cores: &Cores, url: &str) -> Result<(Wrk, f64)> {
    let connections = format!("-c{CONNECTIONS}");
    let seconds = format!("-d{SECONDS}");
    let arguments = [&*connections, "-t1", &*seconds, url];
    let (printed, cpu) = pinned(&cores.generator, Path::new("wrk"), &arguments)?;
    Ok((Wrk::read(&printed)?, cpu))
}

/// Runs a program on one core to its end: what it printed, and its processor time in seconds.
fn pinned(core: &str, program: &Path, arguments: &[&str]) -> Result<(String, f64)> {
    let before = machine::cpu_of_children()?;
    let mut command = Command::new("taskset");
    let output = command.args(["-c", core]).arg(program).args(arguments).output();
    let output = output.context("cannot run taskset")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {complaint}", program.display());
    let cpu = machine::cpu_of_children()? - before;
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), cpu))
}

/// The sink, which ends when its standard input does.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(sink: &PathBuf, cores: &Cores) -> Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", &cores.server])
            .arg(sink)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run taskset")?;
        let stdout = child.stdout.take().context("the sink has no standard output")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address).context("the sink said nothing")?;
        ensure!(!address.is_empty(), "the sink ended before it said where it listens");
        Ok(Self { child, url: format!("http://{}/", address.trim()) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // What it was started for is over, however it ends.
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(missed: f64, in_time: f64) -> Load {
        Load {
            planned: 100_000.0,
            sent: 100_000.0 - missed,
            sent_in_time: in_time,
            missed,
            answered: 100_000.0 - missed,
            failed: 0.0,
            duration: 5.0,
            generator_cpu: 1.0,
            process_cpu: 1.1,
            lag_p50: 1e-5,
            lag_p99: 1e-4,
        }
    }

    fn bars(found: &[Load]) -> Vec<bool> {
        open_rows("open", true, found).iter().filter_map(Row::holds).collect()
    }

    #[test]
    fn a_rate_is_reached_when_nothing_was_missed_and_nothing_came_late() {
        assert_eq!(bars(&[sent(0.0, 100_000.0), sent(0.0, 99_500.0)]), [true, true]);
        assert_eq!(bars(&[sent(0.0, 100_000.0), sent(1.0, 99_999.0)]), [false, true]);
        assert_eq!(bars(&[sent(0.0, 97_000.0), sent(0.0, 100_000.0)]), [true, false]);
        assert!(open_rows("open", false, &[sent(9.0, 9.0)]).iter().all(|it| it.bar.is_none()));
    }

    #[test]
    fn a_request_costs_what_the_process_cost_by_answers() {
        let wrk = || Wrk { requests: 50_000.0, requests_per_second: 10_000.0 };
        let pair = Pair::of((sent(0.0, 100_000.0), 1.0), (wrk(), 1.0)).unwrap();
        let rows = closed_rows(&[pair]);
        assert_eq!(rows.last().map(|it| it.values.clone()), Some(vec![0.5]));
        let failed = Load { failed: 1.0, ..sent(0.0, 100_000.0) };
        assert!(Pair::of((failed, 1.0), (wrk(), 1.0)).is_err());
    }
}
