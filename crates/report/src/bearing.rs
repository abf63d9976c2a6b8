//! Bearing: what a load test found out beyond checks, in sentences: where the service broke down, how it stood a
//! spike, how it scales, and how the load was sent.

use evenkeel_model::Outcome;
use evenkeel_model::outcome::{Breakdown, Scalability, SendingFigures, SpikeFigures};

use crate::figure;

/// Each with a name, such as `Breakdown` and `at step 3 (300/s): error_rate > 5%, 8.2% measured; up to 200/s borne`.
pub(crate) fn sentences(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let breakdown = outcome.breakdown.as_ref().map(breakdown).map(|it| ("Breakdown", it));
    let spikes = outcome.spikes.iter().map(|it| ("Spike", spike(it)));
    let scales = outcome.scalability.as_ref().and_then(scales).map(|it| ("Scales", it));
    let sent = sent(&outcome.sending).map(|it| ("Sent", it));
    breakdown.into_iter().chain(spikes).chain(scales).chain(sent).collect()
}

pub(crate) fn breakdown(it: &Breakdown) -> String {
    match (&it.broke, &it.borne) {
        (Some(broke), borne) => {
            let borne = borne.map_or("nothing less was tried".to_owned(), |it| {
                format!("up to {} borne", it.load)
            });
            let (step, load) = (broke.step, broke.load);
            format!(
                "at step {step} ({load}): {}, {} measured; {borne}",
                broke.condition, broke.measured
            )
        }
        (None, Some(borne)) if borne.step == it.steps => {
            format!("none: the last step, {}, was borne", borne.load)
        }
        (None, Some(borne)) => {
            format!("none in {} of {} steps: up to {} borne", borne.step, it.steps, borne.load)
        }
        (None, None) => "not known: no step came to its end".to_owned(),
    }
}

pub(crate) fn spike(it: &SpikeFigures) -> String {
    let recovered = match it.recovered_after {
        Some(after) if after.is_zero() => "well again at once".to_owned(),
        Some(after) => format!("well again {} after it", figure::span(after)),
        None => "not well again within the run".to_owned(),
    };
    let [before, during] = [it.p95_before_seconds, it.p95_during_seconds].map(figure::time_or_none);
    let errors = figure::share_or_none(it.error_ratio_during);
    format!("p95 {before} before, {during} in it, {errors} failed; {recovered}")
}

fn scales(it: &Scalability) -> Option<String> {
    let fit = it.fit?;
    let most = it.points.iter().map(|it| it.load.get()).fold(0.0, f64::max);
    let quality = format!(
        "contention σ {:.3}, coherency κ {:.5}, R² {:.3}",
        fit.sigma, fit.kappa, fit.r_squared
    );
    Some(match (fit.knee_users, fit.peak_per_second) {
        (Some(knee), Some(peak)) => {
            let far = if knee > most { ", beyond what was tried" } else { "" };
            format!("up to {:.0} users and {}{far} ({quality})", knee.round(), figure::rate(peak))
        }
        _ => format!("without a peak in sight ({quality})"),
    })
}

/// How the load was sent; `None` when nobody counted.
pub(crate) fn sent(it: &SendingFigures) -> Option<String> {
    let median = it.lag.p50_seconds?;
    let mut parts = vec![format!(
        "send lag {} in the median, {} at p99",
        figure::time(median),
        figure::time_or_none(it.lag.p99_seconds)
    )];
    if it.connected > 0 {
        let resumed = match it.resumed {
            0 => String::new(),
            it => format!(", {} of them resumed", figure::count(it)),
        };
        let connections = if it.connected == 1 { "connection" } else { "connections" };
        parts.push(format!("{} {connections}{resumed}", figure::count(it.connected)));
    }
    if let Some(cpu) = it.cpu_seconds_per_request {
        parts.push(format!("{} of CPU a request", micros(cpu)));
    }
    if it.in_flight_at_end > 0 {
        parts.push(format!("{} under way at the end", figure::count(it.in_flight_at_end)));
    }
    Some(parts.join(" · "))
}

/// A time of a few microseconds, such as `3.1µs`.
pub(crate) fn micros(seconds: f64) -> String {
    match seconds * 1e6 {
        it if it < 100.0 => format!("{}µs", figure::decimal(it)),
        _ => figure::time(seconds),
    }
}
