//! TimeChaos, and `clock` of PhysicalMachineChaos: clocks of processes that are off.

use std::time::Duration;

use evenkeel_model::document::{ChaosExperiment, Fault, Target};
use evenkeel_model::yaml::{Entry, Place};
use evenkeel_units::Offset;

use super::super::draft::{self, Draft};
use super::super::fields::{Fields, items};
use super::super::kubernetes as k8s;
use super::super::pods;

/// The clock of the time of day, by its names. Those that count from boot go on here.
const OF_DAY: [&str; 2] = ["CLOCK_REALTIME", "CLOCK_REALTIME_COARSE"];

/// The processes of pods become the instances of a service that is named by their labels.
pub(super) fn of_pods(
    place: Place,
    spec: &mut Fields<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let (offset, clocks) = (spec.take("timeOffset"), spec.take("clockIds"));
    let mode = pods::mode(spec, draft);
    let app = spec.map("selector", draft).and_then(|it| k8s::selected(it, draft));
    spec.leave("containerNames", k8s::NO_PODS, draft);
    let duration = spec.take("duration");
    let target = draft::instances(app, mode);
    if let Some(fault) = skew(place, ("timeOffset", offset), clocks, draft) {
        draft.whereabouts(place, &target);
        lay(fault, target, duration, place, made, draft);
    }
}

/// A process of a machine, by its number.
pub(super) fn of_machine(
    entry: &Entry,
    duration: Option<&Entry>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let place = entry.key_place;
    let mut fields = Fields::of(&entry.value, place, draft);
    let (offset, clocks) = (fields.take("time-offset"), fields.take("clock-ids-slice"));
    let pid = fields.take("pid");
    fields.finish(draft);
    let Some(find) = pid.and_then(|it| draft::finder(it.value.text()?)) else {
        draft.wrong(place, "it names no process", "Write its number as `pid`.");
        return;
    };
    if let Some(fault) = skew(place, ("time-offset", offset), clocks, draft) {
        lay(fault, draft::processes(find), duration, place, made, draft);
    }
}

fn lay(
    fault: Fault,
    target: Target,
    duration: Option<&Entry>,
    place: Place,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let duration = duration.and_then(|it| draft.seconds(it));
    let duration = k8s::ending(duration, place, &format!("`{fault}`"), draft);
    made.method.push(draft::step(fault, target, Duration::ZERO, Some(duration)));
}

fn skew(
    place: Place,
    (name, offset): (&str, Option<&Entry>),
    clocks: Option<&Entry>,
    draft: &mut Draft,
) -> Option<Fault> {
    let Some(entry) = offset else {
        draft.wrong(place, format!("it has no `{name}`"), "Write one such as `-10m`.");
        return None;
    };
    let offset = draft.offset(entry)?;
    if offset == Offset::ZERO {
        draft.leave(entry, "a clock that is not off is right");
        return None;
    }
    of_day(clocks, draft).then_some(Fault::ClockSkew { offset })
}

/// Whether the time of day is among the clocks that are named; it is when none is.
fn of_day(clocks: Option<&Entry>, draft: &mut Draft) -> bool {
    let Some(entry) = clocks else { return true };
    let texts = items(&entry.value).iter().filter_map(|it| Some((it.place, it.text()?)));
    let named: Vec<(Place, &str)> = texts
        .flat_map(|(place, text)| text.split(',').map(move |it| (place, it.trim())))
        .filter(|(_, it)| !it.is_empty())
        .collect();
    for (place, clock) in named.iter().filter(|(_, it)| !OF_DAY.contains(it)) {
        let why = "only the time of day is off here, and other clocks go on";
        draft.leave_at(*place, format!("the clock `{clock}`"), why);
    }
    named.is_empty() || named.iter().any(|(_, it)| OF_DAY.contains(it))
}
