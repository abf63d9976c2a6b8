//! Limits that are missing, contradict each other, or cannot be met.

use jiff::tz::TimeZone;

use super::Lint;
use crate::decode::codes;
use crate::document::{
    ActsOn, BlastRadius, Document, Hours, Metric, ProbeKind, Safety, Schedule, Selector, Service,
    Target,
};
use crate::library::{Acting, Cast, Item, givers};

/// What is wrong with the limits of one document.
pub(super) fn of_document(lint: &mut Lint<'_>, item: &Item) {
    let (safety, probes) = match item.document() {
        Document::ChaosExperiment(it) => (&it.safety, &it.steady_state),
        Document::Drill(it) => (&it.safety, &it.steady_state),
        Document::Service(_)
        | Document::Slo(_)
        | Document::AlertPolicy(_)
        | Document::ErrorBudgetPolicy(_)
        | Document::Sla(_)
        | Document::LoadTest(_)
        | Document::GameDay(_)
        | Document::Resilience(_)
        | Document::LoadBalancer(_)
        | Document::Patroni(_) => return,
    };
    time_zone(lint, item, "safety/timeZone", &safety.time_zone);
    for (n, abort) in safety.abort.iter().enumerate() {
        watchable(lint, item, &format!("safety/abort/{n}"), abort.metric);
    }
    for (n, probe) in probes.iter().enumerate() {
        if let ProbeKind::Load { criterion } = probe.kind {
            watchable(lint, item, &format!("steadyState/{n}/load"), criterion.metric);
        }
    }
    if !is_ever_allowed(&safety.allowed_hours, &safety.restricted_hours) {
        never_allowed(lint, item);
    } else if let Document::ChaosExperiment(it) = item.document()
        && let Some(schedule) = &it.schedule
        && is_always_refused(schedule, safety)
    {
        let message = format!("at none of the times of `{schedule}` may faults act");
        let help = "Move them into `allowedHours`, and out of `restrictedHours`.";
        lint.report(item, "schedule", codes::HOURS, message, help);
    }
}

/// A name of no time zone.
pub(super) fn time_zone(lint: &mut Lint<'_>, item: &Item, path: &str, zone: &str) {
    if TimeZone::get(zone).is_err() {
        let message = format!("`{zone}` is not a time zone");
        let help = "Write a name of the IANA data base, such as `Europe/Paris` or `UTC`.";
        lint.report(item, path, codes::TIME_ZONE, message, help);
    }
}

/// Whether every time of a schedule lies in hours in which nothing may act. Hours repeat after a week.
fn is_always_refused(schedule: &Schedule, safety: &Safety) -> bool {
    const LOOKED_AT: usize = 300;
    const WEEK: jiff::SignedDuration = jiff::SignedDuration::from_hours(8 * 24);
    let Safety { allowed_hours: allowed, restricted_hours: restricted, time_zone, .. } = safety;
    let Ok(zone) = TimeZone::get(time_zone) else { return false };
    // An interval counts from when somebody begins to wait, and nobody knows yet when that is.
    if schedule.is_interval() || allowed.is_empty() && restricted.is_empty() {
        return false;
    }
    // Any moment will do, so that the same document is always judged the same.
    let since = jiff::Timestamp::UNIX_EPOCH;
    let mut last = since;
    for due in schedule.clone().in_zone(time_zone).times(since).take(LOOKED_AT) {
        let at = due.to_zoned(zone.clone());
        let day = at.weekday().to_monday_zero_offset() as usize;
        let minute = (i32::from(at.hour()) * 60 + i32::from(at.minute())) as u16;
        let within = |hours: &[Hours]| hours.iter().any(|it| it.contains(day, minute));
        if (allowed.is_empty() || within(allowed)) && !within(restricted) {
            return false;
        }
        last = due;
    }
    last.duration_since(since) > WEEK
}

/// Reports a figure that is known only at the end, where one is watched.
pub(super) fn watchable(lint: &mut Lint<'_>, item: &Item, path: &str, metric: Metric) {
    let late = [
        Metric::RecoveryTime,
        Metric::DetectionTime,
        Metric::BreakdownUsers,
        Metric::BreakdownRate,
    ];
    if late.contains(&metric) {
        let message = format!("`{metric}` is known only after the drill");
        let help = "Watch `error_rate`, `availability` or a response time; judge this one under `success`.";
        lint.report(item, path, codes::NOT_WATCHABLE, message, help);
    }
}

fn is_ever_allowed(allowed: &[Hours], restricted: &[Hours]) -> bool {
    (0..7 * 1440).any(|minute: u16| {
        let (day, minute) = (usize::from(minute / 1440), minute % 1440);
        let within = |hours: &[Hours]| hours.iter().any(|it| it.contains(day, minute));
        (allowed.is_empty() || within(allowed)) && !within(restricted)
    })
}

fn never_allowed(lint: &mut Lint<'_>, item: &Item) {
    let message = "there is no minute in which faults may act";
    let help = "Shorten `restrictedHours`, or add to `allowedHours`.";
    lint.report(item, "safety/restrictedHours", codes::HOURS, message, help);
}

/// Something is broken, and nothing stops it.
pub(super) fn no_abort(lint: &mut Lint<'_>, item: &Item) {
    let message = "there are faults, and no condition that stops them";
    let help = "Add `safety: {abort: [\"error_rate > 50% for 5s\"]}`.";
    lint.report(item, "safety", codes::NO_ABORT, message, help);
}

/// What is wrong with the limits of a drill and its experiments together.
pub(super) fn of_drill(lint: &mut Lint<'_>, cast: &Cast<'_>) {
    let safety = cast.safety();
    if !cast.faults.is_empty() && safety.abort.is_empty() {
        no_abort(lint, cast.item);
    }
    hours(lint, cast, &safety);
    for acting in &cast.faults {
        let target = acting.step.target.as_ref();
        let of = target.and_then(|it| cast.service_of(it));
        if let Some(service) = cast.service.filter(|it| of == Some(it.name.as_str())) {
            blast_radius(lint, service, acting, safety.blast_radius);
        }
    }
}

fn hours(lint: &mut Lint<'_>, cast: &Cast<'_>, safety: &Safety) {
    let givers = givers(cast);
    let has_hours = |it: &Safety| !(it.allowed_hours.is_empty() && it.restricted_hours.is_empty());
    let mut zones = givers.iter().filter(|(_, it)| has_hours(it));
    if let Some((_, first)) = zones.next() {
        for (item, other) in zones.filter(|(_, it)| it.time_zone != first.time_zone) {
            let (a, b) = (&first.time_zone, &other.time_zone);
            let message = format!("hours in `{b}`, and others of the same drill in `{a}`");
            let help = "Write all hours of a drill and its experiments in one time zone.";
            lint.report(item, "safety/timeZone", codes::HOURS, message, help);
        }
    }
    let alone =
        givers.iter().all(|(_, it)| is_ever_allowed(&it.allowed_hours, &it.restricted_hours));
    if alone && !is_ever_allowed(&safety.allowed_hours, &safety.restricted_hours) {
        never_allowed(lint, cast.item);
    }
}

/// More instances of a service would be hit than may be.
pub(super) fn blast_radius(
    lint: &mut Lint<'_>,
    service: &Service,
    acting: &Acting<'_>,
    radius: BlastRadius,
) {
    let Some(target @ Target { select: Selector::Instances(parts), .. }) = &acting.step.target
    else {
        return;
    };
    if acting.step.acts_on() != ActsOn::Process {
        return;
    }
    let candidates = service.instances.iter().filter(|it| parts.fit(&it.name, &it.labels)).count();
    let hit = target.mode.of(candidates);
    let limit = radius.max_instances.map(|it| (it, it.floor_of(candidates)));
    let healthy = radius.min_healthy.unwrap_or_default() as usize;
    let path = acting.path("target/mode");
    let (message, help) = if candidates == 0 {
        // Reported as a target that does not exist.
        return;
    } else if hit == 0 {
        let message = format!("the target hits none of {candidates} instances");
        let help = "Shares are rounded down; write a larger one, or a number such as `mode: one`.";
        (message, help.to_owned())
    } else if let Some((share, most)) = limit.filter(|(_, most)| hit > *most) {
        let most = if most == 0 { "none".to_owned() } else { most.to_string() };
        (
            format!(
                "{hit} of {candidates} instances would be hit, and `maxInstances: {share}` is {most} of them"
            ),
            format!(
                "Shares are rounded down; hit fewer, or write `maxInstances: {}%`.",
                percent(hit, candidates)
            ),
        )
    } else if candidates - hit < healthy {
        let left = candidates - hit;
        (
            format!(
                "{left} of {candidates} instances would stay untouched, and `minHealthy` is {healthy}"
            ),
            "Hit fewer, run more instances, or lower `minHealthy`.".to_owned(),
        )
    } else {
        return;
    };
    lint.report(acting.item, &path, codes::BLAST_RADIUS, message, help);
}

/// The least whole percentage that allows `hit` of `candidates`.
fn percent(hit: usize, candidates: usize) -> usize {
    (hit * 100).div_ceil(candidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentage_that_is_proposed_is_enough() {
        for candidates in 1..200 {
            for hit in 1..=candidates {
                let share = evenkeel_units::Ratio::percent(percent(hit, candidates) as u32);
                assert!(share.floor_of(candidates) >= hit, "{hit} of {candidates}");
            }
        }
    }
}
