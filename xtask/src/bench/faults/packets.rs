//! Packets: delay and loss below whoever sends, and what the way through user space costs.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::{Context as _, Result};

use super::Stand;
use super::carried::Late;
use super::experiment::{Experiment, LONG};
use super::traffic::{self, connect, trip};
use crate::bench::machine;
use crate::bench::round::Round;
use crate::bench::running::{self, Rank};

/// Streams of a round each way, so that both meet the same neighbours.
const TURNS: u32 = 5;
const DELAY_SECONDS: f64 = 0.005;

const DATAGRAMS: u32 = 20_000;
const LOST: f64 = 0.2;

pub(super) fn delay(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let port = stand.server.echo.port();
    let fault = format!(
        "latency: {{delay: 5ms, target: {{traffic: {{port: {port}, protocol: tcp}}}}, {LONG}}}"
    );
    let late = Late::new(stand, DELAY_SECONDS)?;
    // Open before, and still met.
    let mut stream = connect(stand.server.echo)?;
    trip(&mut stream)?;
    let mut experiment = Experiment::quiet(stand, &[fault], Rank::First)?;
    experiment.until("a delay", || Ok(trip(&mut stream)? > DELAY_SECONDS))?;
    let apart = Late::times(&mut stream)?;
    experiment.move_to(&stand.cores.generator)?;
    let together = Late::times(&mut stream)?;
    experiment.end()?;
    late.say(together, apart, round)
}

/// On all cores, as the scheduler has it; and once more with whoever sends and whoever receives on one core, where they
/// are fastest without anybody in between.
pub(super) fn throughput(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let met = stand.server.sink;
    let unmet = traffic::another_sink()?;
    // The shortest that can be written, which no packet ever waits for. Both ways, so that every packet is met.
    let fault = |direction| {
        let port = met.port();
        format!(
            "latency: {{delay: 1ns, target: {{traffic: {{port: {port}, protocol: tcp, direction: {direction}}}}}, {LONG}}}"
        )
    };
    let mut experiment = Experiment::quiet(stand, &[fault("to"), fault("from")], Rank::First)?;
    experiment.until_packets_are_met(2)?;
    let one_core = pushed(met, unmet, stand.seconds)?;
    let all = machine::all_cores();
    experiment.move_to(&all)?;
    running::move_to(std::process::id(), &all)?;
    let pushed = pushed(met, unmet, stand.seconds);
    running::move_to(std::process::id(), &stand.cores.generator)?;
    experiment.end()?;
    let [queued, direct] = pushed?;
    round.say("direct_bytes_per_second", direct);
    round.say("queued_bytes_per_second", queued);
    round.say_ratio("throughput_ratio", "queued_bytes_per_second", "direct_bytes_per_second");
    round.say("one_core_throughput_ratio", one_core[0] / one_core[1]);
    Ok(())
}

/// Bytes a second to each of two sinks, in turns.
fn pushed(met: SocketAddr, unmet: SocketAddr, seconds: f64) -> Result<[f64; 2]> {
    let mut sums = [[0.0; 2]; 2];
    for _ in 0..TURNS {
        for (sum, to) in sums.iter_mut().zip([met, unmet]) {
            let (bytes, seconds) = traffic::push(to, seconds / f64::from(TURNS))?;
            sum[0] += bytes;
            sum[1] += seconds;
        }
    }
    Ok(sums.map(|[bytes, seconds]| bytes / seconds))
}

pub(super) fn loss(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot have a socket")?;
    let port = socket.local_addr().context("a socket has no address")?.port();
    let fault = format!(
        "loss: {{share: 20%, target: {{traffic: {{port: {port}, protocol: udp}}}}, {LONG}}}"
    );
    let mut experiment = Experiment::quiet(stand, &[fault], Rank::First)?;
    experiment.until_packets_are_met(1)?;
    let lost = traffic::lost(&socket, DATAGRAMS)?;
    experiment.end()?;
    round.say("lost_ratio", lost);
    round.say("lost_error_ratio", (lost - LOST).abs());
    Ok(())
}
