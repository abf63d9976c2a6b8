//! Carried: what proxies cost that do nothing, and one that delays.

use anyhow::{Context as _, Result};

use super::Stand;
use super::case::Round;
use super::proxies::{Maker, Proxy};
use super::traffic::{self, connect, trip};

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

pub(super) fn delay(stand: &Stand<'_>, round: &mut Round) -> Result<()> {
    let is_ours = |it: &&&Proxy| it.maker == Maker::Ours;
    let ours = stand.proxies.iter().find(is_ours).context("ours does not run")?;
    let mut stream = connect(ours.echo)?;
    trip(&mut stream)?;
    ours.delay(DELAY_MILLISECONDS)?;
    let times = (0..LATE_TRIPS).map(|_| trip(&mut stream)).collect::<Result<Vec<_>>>();
    ours.lift()?;
    errors(times?, f64::from(DELAY_MILLISECONDS) / 1e3, round)
}

/// How much later than asked answers came; and how many had not been delayed.
pub(super) fn errors(mut times: Vec<f64>, delay: f64, round: &mut Round) -> Result<()> {
    let undelayed = times.iter().filter(|it| **it < delay).count();
    times.sort_by(f64::total_cmp);
    let p99 = *times.get(times.len() * 99 / 100).context("nothing was sent")?;
    round.say("p50_error_seconds", p50(&times)? - delay);
    round.say("p99_error_seconds", p99 - delay);
    round.say("undelayed", undelayed as f64);
    Ok(())
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
        errors(vec![0.0051, 0.0052, 0.0001, 0.0053, 0.0054], 0.005, &mut round).unwrap();
        assert!((round.get("p50_error_seconds").unwrap() - 0.0002).abs() < 1e-9);
        assert!((round.get("undelayed").unwrap() - 1.0).abs() < 1e-9);
    }
}
