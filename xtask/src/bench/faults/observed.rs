//! Observed: an experiment under way, by what it costs and by how soon it ends when it has to.

use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Stand;
use super::experiment::{Experiment, LONG, NEVER, tcp};
use super::traffic::{Server, connect, trip};
use crate::bench::machine;
use crate::bench::round::Round;
use crate::bench::running::now;
use crate::bench::running::{Rank, until};

/// Ends of a round.
const ENDS: usize = 4;

/// A round trip without its delay of 5 ms.
const QUICK_SECONDS: f64 = 0.004;

/// How long an experiment runs before it is watched, and how much longer than others it is.
const SETTLED: Duration = Duration::from_secs(3);
const LONGER: f64 = 3.0;

pub(super) fn abort(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let mut slowest = 0.0_f64;
    for _ in 0..ENDS {
        slowest = slowest.max(end(stand)?);
    }
    round.say("abort_seconds", slowest);
    Ok(())
}

/// From when a service is gone, which ends the experiment, to when its fault is.
fn end(stand: &Stand<'_>) -> Result<f64> {
    let port = stand.server.echo.port();
    let service = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
    let address = service.local_addr().context("a listener has no address")?;
    // Whoever asks is let in by the kernel, as many as may wait.
    let probe = tcp(address, "100ms");
    let fault = format!(
        "latency: {{delay: 5ms, target: {{traffic: {{port: {port}, protocol: tcp}}}}, {LONG}}}"
    );
    let mut stream = connect(stand.server.echo)?;
    let mut experiment =
        Experiment::start(stand, &[probe], &[fault], "error_rate > 5%", Rank::Ordinary)?;
    experiment.until("a delay", || Ok(trip(&mut stream)? > QUICK_SECONDS))?;
    thread::park_timeout(Duration::from_secs(1));
    drop(service);
    let start = now();
    until("the end of a fault", || Ok(trip(&mut stream)? < QUICK_SECONDS))?;
    let seconds = now() - start;
    experiment.ended()?;
    Ok(seconds)
}

pub(super) fn observe(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let Server { sink, echo } = stand.server;
    let probes = [echo, sink, echo, sink, echo].map(|it| tcp(it, "1s"));
    // Nobody sends anything there.
    let fault = format!("latency: {{delay: 5ms, target: {{traffic: {{port: 9}}}}, {LONG}}}");
    let mut experiment = Experiment::start(stand, &probes, &[fault], NEVER, Rank::Ordinary)?;
    experiment.until_packets_are_met(1)?;
    thread::park_timeout(SETTLED);
    let family = machine::family_of(experiment.id())?;
    let cpu = || -> Result<f64> { family.iter().map(|it| machine::precise_cpu_of(*it)).sum() };
    let (start, before) = (now(), cpu()?);
    thread::park_timeout(Duration::from_secs_f64(stand.seconds * LONGER));
    let ratio = (cpu()? - before) / (now() - start);
    let most = machine::peak_memory_of(experiment.id()).context("its memory is not told")?;
    let share = |it: &u32| machine::memory_of(*it, "smaps_rollup", "Pss:").unwrap_or(0.0);
    let all: f64 = family.iter().map(share).sum();
    experiment.end()?;
    round.say("cpu_ratio", ratio);
    round.say("memory_bytes", most);
    round.say("family_memory_bytes", all);
    Ok(())
}
