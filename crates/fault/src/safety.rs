//! May this plan act, now, on these targets? A pure answer with every reason against it.
//!
//! ```text
//! allowFaults    the owners of the service agreed to this kind of fault
//! minRelease     whatever ends it when we are gone is sure enough
//! maxDuration    no fault lives longer
//! blastRadius    hit at once: at most a share of the candidates, with so many left, in so many services
//! hours          no fault acts, even in part, outside allowed or inside restricted hours
//! ```
//!
//! Percentages are judged on the candidates that were found, not on those that were hoped for. The
//! share and the floor of healthy candidates count processes, containers and pods: a service has one link to a dependency,
//! and a fault on it hits all of it.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_model::Plan;
use evenkeel_model::document::{BlastRadius, Hours, Release};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::{Human, Ratio};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::kind;
use crate::target::Resolved;

/// A reason why a plan may not act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The service does not agree to it.
    #[error(
        "service `{service}` does not allow `{kind}`: add it to its allowFaults, if its owners agree"
    )]
    NotAllowed {
        /// Whose service.
        service: String,
        /// Kind of the fault.
        kind: &'static str,
    },
    /// Nothing sure enough ends it.
    #[error("`{label}` has release class {release}, and minRelease is {least}")]
    WeakRelease {
        /// Of the fault.
        label: String,
        /// What ends it.
        release: Release,
        /// What has to, at least.
        least: Release,
    },
    /// A fault lives too long.
    #[error("`{label}` would act for {asked}, and maxDuration is {limit}")]
    TooLong {
        /// Of the fault.
        label: String,
        /// How long it would act.
        asked: Human,
        /// How long it may.
        limit: Human,
    },
    /// Too many of the candidates at once.
    #[error("`{label}` would hit {hit} of {candidates} at once, and maxInstances is {limit}")]
    TooManyInstances {
        /// Of the fault.
        label: String,
        /// How many at once, with those that other faults hit at the same time.
        hit: usize,
        /// Of how many.
        candidates: usize,
        /// The limit.
        limit: Ratio,
    },
    /// Too few are left.
    #[error("`{label}` would leave {left} of {candidates} well, and minHealthy is {limit}")]
    TooFewHealthy {
        /// Of the fault.
        label: String,
        /// How many are left.
        left: usize,
        /// Of how many.
        candidates: usize,
        /// The limit.
        limit: u32,
    },
    /// Too many services at once.
    #[error("when `{label}` begins, {hit} services are hit at once, and maxServices is {limit}")]
    TooManyServices {
        /// Of the fault.
        label: String,
        /// How many.
        hit: usize,
        /// The limit.
        limit: u32,
    },
    /// The hour is wrong.
    #[error("`{label}` would act at {at} ({zone}), {hours}")]
    WrongHour {
        /// Of the fault.
        label: String,
        /// Hour and minute.
        at: String,
        /// IANA name.
        zone: String,
        /// Which hours are in the way.
        hours: String,
    },
    /// The time zone is not known here.
    #[error(
        "`{zone}` is no time zone that this host knows: use an IANA name such as `Europe/Paris`"
    )]
    UnknownZone {
        /// As written.
        zone: String,
    },
}

/// Whether the faults of a plan may act on these targets when its load starts at `wall`. `targets` has
/// one entry for each fault of the plan, in the same order.
pub fn permit(plan: &Plan, targets: &[Resolved], wall: Timestamp) -> Result<(), Vec<Refusal>> {
    let faults: Vec<(&PlannedFault, &Resolved)> = plan.faults.iter().zip(targets).collect();
    let mut refusals = allowed(plan);
    refusals.extend(too_weak(plan));
    refusals.extend(too_long(plan));
    for at in 0..faults.len() {
        refusals.extend(too_wide(plan.safety.blast_radius, &faults, at));
    }
    refusals.extend(wrong_hours(plan, wall));
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}

fn allowed(plan: &Plan) -> Vec<Refusal> {
    let kinds: BTreeSet<&'static str> = plan.faults.iter().map(|it| it.fault.kind()).collect();
    let refused = kinds.into_iter().filter(|it| !plan.service.allow_faults.allows(it));
    refused.map(|kind| Refusal::NotAllowed { service: plan.service.name.clone(), kind }).collect()
}

fn too_weak(plan: &Plan) -> Vec<Refusal> {
    let limits = [plan.safety.min_release, plan.service.min_release];
    let Some(least) = limits.into_iter().flatten().min() else { return Vec::new() };
    let faults = plan.faults.iter().map(|it| (&it.label, kind::of(&it.fault).release));
    let weak = faults.filter(|(_, release)| *release > least);
    weak.map(|(label, release)| Refusal::WeakRelease { label: label.clone(), release, least })
        .collect()
}

fn too_long(plan: &Plan) -> Vec<Refusal> {
    let limit = plan.safety.max_duration;
    let faults = plan.faults.iter().filter(|it| !it.fault.is_one_shot());
    faults
        .map(|it| (it, it.to - it.from))
        .filter(|(_, asked)| *asked > limit)
        .map(|(it, asked)| Refusal::TooLong {
            label: it.label.clone(),
            asked: Human(asked),
            limit: Human(limit),
        })
        .collect()
}

/// Judges the moment at which a fault begins, together with the faults that act at that moment.
fn too_wide(radius: BlastRadius, faults: &[(&PlannedFault, &Resolved)], at: usize) -> Vec<Refusal> {
    let Some((fault, resolved)) = faults.get(at) else { return Vec::new() };
    let label = &fault.label;
    let active = faults.iter().enumerate().filter(|(index, (other, _))| {
        *index == at || (other.from <= fault.from && fault.from < other.to)
    });
    let active: Vec<&Resolved> = active.map(|(_, (_, resolved))| *resolved).collect();
    let mut refusals = Vec::new();

    let services: BTreeSet<&str> = active.iter().filter_map(|it| it.owner.as_deref()).collect();
    if let Some(limit) = radius.max_services
        && services.len() > limit as usize
    {
        let hit = services.len();
        refusals.push(Refusal::TooManyServices { label: label.clone(), hit, limit });
    }
    if !resolved.is_counted() {
        return refusals;
    }
    let own: BTreeSet<&str> = resolved.candidates.iter().map(|it| it.name.as_str()).collect();
    let alike = active.iter().filter(|it| it.is_counted());
    let hit: BTreeSet<&str> = alike
        .filter(|it| it.owner == resolved.owner)
        .flat_map(|it| it.hit())
        .map(|it| it.name.as_str())
        .filter(|it| own.contains(it))
        .collect();
    let (hit, candidates) = (hit.len(), own.len());
    if let Some(limit) = radius.max_instances
        && hit > limit.floor_of(candidates)
    {
        let label = label.clone();
        refusals.push(Refusal::TooManyInstances { label, hit, candidates, limit });
    }
    if let Some(limit) = radius.min_healthy
        && candidates - hit < limit as usize
    {
        let left = candidates - hit;
        refusals.push(Refusal::TooFewHealthy { label: label.clone(), left, candidates, limit });
    }
    refusals
}

fn wrong_hours(plan: &Plan, wall: Timestamp) -> Vec<Refusal> {
    let safety = &plan.safety;
    if safety.allowed_hours.is_empty() && safety.restricted_hours.is_empty() {
        return Vec::new();
    }
    let zone = safety.time_zone.clone();
    let Ok(rules) = TimeZone::get(&zone) else { return vec![Refusal::UnknownZone { zone }] };
    let mut first: BTreeMap<&str, Refusal> = BTreeMap::new();
    for fault in &plan.faults {
        let end = if fault.fault.is_one_shot() { fault.from } else { fault.to };
        let minutes = minutes(fault.from.elapsed(), end.elapsed());
        let wrong = minutes.into_iter().find_map(|after| {
            let then = wall.checked_add(after).ok()?.to_zoned(rules.clone());
            let [hour, minute] =
                [then.hour(), then.minute()].map(|it| u16::from(it.unsigned_abs()));
            let minute = hour * 60 + minute;
            let day = usize::from(then.weekday().to_monday_zero_offset().unsigned_abs());
            let hours = in_the_way(&safety.allowed_hours, &safety.restricted_hours, day, minute)?;
            Some((then.strftime("%a %H:%M").to_string(), hours))
        });
        if let Some((at, hours)) = wrong {
            let (label, zone) = (fault.label.clone(), zone.clone());
            first.entry(&fault.label).or_insert(Refusal::WrongHour { label, at, zone, hours });
        }
    }
    first.into_values().collect()
}

/// A moment in each minute from `from` to `to`; hours repeat after a week, so a week of them is enough.
fn minutes(from: std::time::Duration, to: std::time::Duration) -> Vec<SignedDuration> {
    let length = to.saturating_sub(from);
    let whole = (length.as_secs() / 60).min(7 * 24 * 60);
    let steps = (0..=whole).map(|it| from + std::time::Duration::from_mins(it));
    // The end is excluded: a fault that ends at 18:00 sharp does not act then.
    let last = (!length.is_zero()).then(|| to.saturating_sub(std::time::Duration::from_nanos(1)));
    let within = steps.filter(|it| length.is_zero() || *it < to);
    within.chain(last).filter_map(|it| SignedDuration::try_from(it).ok()).collect()
}

fn in_the_way(allowed: &[Hours], restricted: &[Hours], day: usize, minute: u16) -> Option<String> {
    if let Some(hours) = restricted.iter().find(|it| it.contains(day, minute)) {
        return Some(format!("within the restricted hours {hours}"));
    }
    if !allowed.is_empty() && !allowed.iter().any(|it| it.contains(day, minute)) {
        let hours: Vec<String> = allowed.iter().map(Hours::to_string).collect();
        return Some(format!("outside the allowed hours {}", hours.join(", ")));
    }
    None
}

#[cfg(test)]
mod tests;
