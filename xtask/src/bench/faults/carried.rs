//! Carried: what proxies cost that do nothing, and one that delays.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Stand;
use super::proxies::{Maker, Proxy};
use super::traffic::{self, connect, trip};
use crate::bench::round::Round;

/// Exchanges of a round.
const TRIPS: usize = 4000;
const LATE_TRIPS: usize = 200;
const CLIENTS: usize = 8;

const DELAY_MILLISECONDS: u32 = 5;

pub(super) fn bytes(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    for proxy in &stand.proxies {
        let before = proxy.running.cpu()?;
        let (bytes, seconds) = traffic::push(proxy.sink, stand.seconds)?;
        let cpu = proxy.running.cpu()? - before;
        let name = proxy.maker.name();
        round.say(&format!("{name}_bytes_per_cpu_second"), bytes / cpu);
        round.say(&format!("{name}_bytes_per_second"), bytes / seconds);
    }
    let (bytes, seconds) = traffic::push(stand.server.sink, stand.seconds)?;
    round.say("direct_bytes_per_second", bytes / seconds);
    let of = "evenkeel_bytes_per_cpu_second";
    round.say_ratio("bytes_ratio_to_haproxy", of, "haproxy_bytes_per_cpu_second");
    Ok(())
}

/// On one core, so that what is measured is work, and not how long cores take to wake each other.
pub(super) fn trips(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let direct = p50(&traffic::trips(stand.server.echo, TRIPS)?)?;
    round.say("direct_p50_seconds", direct);
    for proxy in &stand.proxies {
        proxy.running.move_to(&stand.cores.generator)?;
        let times = traffic::trips(proxy.echo, TRIPS);
        proxy.running.move_to(&stand.cores.server)?;
        let name = format!("{}_added_p50_seconds", proxy.maker.name());
        round.say(&name, p50(&times?)? - direct);
    }
    let of = "evenkeel_added_p50_seconds";
    round.say_ratio("added_p50_ratio_to_haproxy", of, "haproxy_added_p50_seconds");
    Ok(())
}

pub(super) fn connections(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    for proxy in &stand.proxies {
        let before = proxy.running.cpu()?;
        let (count, seconds) = traffic::connections(proxy.echo, CLIENTS, stand.seconds)?;
        let cpu = proxy.running.cpu()? - before;
        let name = proxy.maker.name();
        round.say(&format!("{name}_connections_per_second"), count / seconds);
        round.say(&format!("{name}_cpu_seconds_per_connection"), cpu / count);
    }
    let (count, seconds) = traffic::connections(stand.server.echo, CLIENTS, stand.seconds)?;
    round.say("direct_connections_per_second", count / seconds);
    let of = "evenkeel_connections_per_second";
    round.say_ratio("connections_ratio_to_haproxy", of, "haproxy_connections_per_second");
    Ok(())
}

/// On one core, too, and then once more on two of them, for whoever wonders.
pub(super) fn delay(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let is_ours = |it: &&&Proxy| it.maker == Maker::Ours;
    let ours = stand.proxies.iter().find(is_ours).context("ours does not run")?;
    let late = Late::new(stand, f64::from(DELAY_MILLISECONDS) / 1e3)?;
    let mut stream = connect(ours.echo)?;
    trip(&mut stream)?;
    ours.delay(DELAY_MILLISECONDS)?;
    let apart = Late::times(&mut stream);
    ours.running.move_to(&stand.cores.generator)?;
    let together = Late::times(&mut stream);
    ours.running.move_to(&stand.cores.server)?;
    ours.lift()?;
    late.say(together?, apart?, round)
}

/// How exact a delay is.
pub(super) struct Late {
    /// In seconds.
    delay: f64,
    /// What an exchange takes without it, in the middle, after a pause as long as the delay.
    direct: f64,
}

impl Late {
    /// Exchanges on a connection of its own, which nothing delays.
    pub(super) fn new(stand: &Stand<'_>, delay: f64) -> Result<Self> {
        let mut stream = connect(stand.server.echo)?;
        let pause = Duration::from_secs_f64(delay);
        let mut times = Vec::new();
        for _ in 0..LATE_TRIPS {
            thread::park_timeout(pause);
            times.push(trip(&mut stream)?);
        }
        times.sort_by(f64::total_cmp);
        Ok(Self { delay, direct: p50(&times)? })
    }

    /// Exchanges that are delayed.
    pub(super) fn times(stream: &mut TcpStream) -> Result<Vec<f64>> {
        (0..LATE_TRIPS).map(|_| trip(stream)).collect()
    }

    /// How much later than asked answers came, beyond what exchanges take; and how many had not been delayed.
    pub(super) fn say(
        &self,
        mut together: Vec<f64>,
        mut apart: Vec<f64>,
        round: &mut Round,
    ) -> Result<()> {
        let undelayed = together.iter().chain(&apart).filter(|it| **it < self.delay).count();
        together.sort_by(f64::total_cmp);
        apart.sort_by(f64::total_cmp);
        let p99 = *together.get(together.len() * 99 / 100).context("nothing was sent")?;
        let expected = self.delay + self.direct;
        round.say("direct_p50_seconds", self.direct);
        round.say("p50_error_seconds", p50(&together)? - expected);
        round.say("p99_error_seconds", p99 - expected);
        round.say("apart_p50_error_seconds", p50(&apart)? - expected);
        round.say("undelayed", undelayed as f64);
        Ok(())
    }
}

/// Of sorted times.
fn p50(times: &[f64]) -> Result<f64> {
    times.get(times.len() / 2).copied().context("nothing was sent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_early_was_not_delayed() {
        let mut round = Round::default();
        let late = Late { delay: 0.005, direct: 0.00005 };
        let together = vec![0.0051, 0.0052, 0.0001, 0.0053, 0.0054];
        late.say(together, vec![0.0056], &mut round).unwrap();
        assert!((round.get("p50_error_seconds").unwrap() - 0.00015).abs() < 1e-9);
        assert!((round.get("apart_p50_error_seconds").unwrap() - 0.00055).abs() < 1e-9);
        assert!((round.get("undelayed").unwrap() - 1.0).abs() < 1e-9);
    }
}
