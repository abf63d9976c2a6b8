//! Packets: delay and loss below whoever sends, and what the way through user space costs.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{Context as _, Result};

use super::Stand;
use super::carried::errors;
use super::case::Round;
use super::experiment::{Experiment, LONG};
use super::place::Rank;
use super::traffic::{self, connect, trip};

const TRIPS: usize = 200;
const DELAY_SECONDS: f64 = 0.005;

const DATAGRAMS: u32 = 20_000;
const LOST: f64 = 0.2;

pub(super) fn delay(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let port = stand.server.echo.port();
    let fault = format!(
        "latency: {{delay: 5ms, target: {{traffic: {{port: {port}, protocol: tcp}}}}, {LONG}}}"
    );
    // Open before, and still met.
    let mut stream = connect(stand.server.echo)?;
    trip(&mut stream)?;
    let mut experiment = Experiment::quiet(stand, &[fault], Rank::First)?;
    experiment.until("a delay", || Ok(trip(&mut stream)? > DELAY_SECONDS))?;
    let times = (0..TRIPS).map(|_| trip(&mut stream)).collect::<Result<Vec<_>>>()?;
    experiment.end()?;
    errors(times, DELAY_SECONDS, round)
}

pub(super) fn throughput(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let sink = stand.server.sink;
    let (bytes, seconds) = traffic::push(sink, stand.seconds)?;
    round.say("direct_bytes_per_second", bytes / seconds);
    // The shortest that can be written, which no packet ever waits for. Both ways, so that every packet is met.
    let fault = |direction| {
        let port = sink.port();
        format!(
            "latency: {{delay: 1ns, target: {{traffic: {{port: {port}, protocol: tcp, direction: {direction}}}}}, {LONG}}}"
        )
    };
    let mut experiment = Experiment::quiet(stand, &[fault("to"), fault("from")], Rank::First)?;
    experiment.until_packets_are_met()?;
    let (bytes, seconds) = traffic::push(sink, stand.seconds)?;
    experiment.end()?;
    round.say("queued_bytes_per_second", bytes / seconds);
    round.say_ratio("throughput_ratio", "queued_bytes_per_second", "direct_bytes_per_second");
    Ok(())
}

pub(super) fn loss(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot have a socket")?;
    let port = socket.local_addr().context("a socket has no address")?.port();
    let fault = format!(
        "loss: {{share: 20%, target: {{traffic: {{port: {port}, protocol: udp}}}}, {LONG}}}"
    );
    let mut experiment = Experiment::quiet(stand, &[fault], Rank::First)?;
    experiment.until_packets_are_met()?;
    let lost = traffic::lost(&socket, DATAGRAMS)?;
    experiment.end()?;
    round.say("lost_ratio", lost);
    round.say("lost_error_ratio", (lost - LOST).abs());
    Ok(())
}
