//! StressChaos: load on the host, and what PhysicalMachineChaos has of it.

use std::time::Duration;

use evenkeel_model::document::{ChaosExperiment, Fault};
use evenkeel_model::yaml::{Entry, Place};
use evenkeel_units::Ratio;

use super::super::draft::{self, Draft};
use super::super::fields::Fields;
use super::super::kubernetes as k8s;
use super::super::toolkit::command::{Does, command};
use super::super::toolkit::words;

pub(super) fn stress(
    place: Place,
    spec: &mut Fields<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let duration = spec.take("duration");
    spec.leave_all(&["selector", "mode", "value", "containerNames"], k8s::THIS_HOST, draft);
    if let Some(entry) = spec.take("stressngStressors") {
        let why = "`stressngStressors` stands in its place";
        spec.leave("stressors", why, draft);
        return of_program(entry, duration, place, made, draft);
    }
    let Some(mut stressors) = spec.map("stressors", draft) else { return };
    let mut faults = Vec::new();
    if let Some(it) = stressors.map("cpu", draft) {
        faults.extend(cpu(it, draft));
    }
    if let Some(it) = stressors.take("memory") {
        faults.extend(memory(it, draft));
    }
    stressors.finish(draft);
    load(faults, duration, place, made, draft);
}

/// What `stress-ng` is told to do.
fn of_program(
    entry: &Entry,
    duration: Option<&Entry>,
    place: Place,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let duration = duration.and_then(|it| draft.seconds(it));
    let duration = k8s::ending(duration, place, "the load", draft);
    let timeout = ["--timeout".to_owned(), format!("{}", duration.as_secs_f64())];
    let words = words::line(entry.value.text().unwrap_or_default());
    let does = words.and_then(|mut words| {
        words.extend(timeout);
        command("stress-ng", &words)
    });
    match does {
        Ok(Does::Faults { faults, unread }) => {
            for (what, why) in unread {
                draft.leave_at(entry.key_place, format!("`{what}` of stress-ng"), why);
            }
            made.method.extend(faults);
        }
        Ok(Does::Ends(_) | Does::Waits(_)) => {}
        Err(why) => draft.leave(entry, format!("{why}: write `cpu` or `memory`")),
    }
}

/// Loads this host from the start on.
pub(super) fn load(
    faults: Vec<Fault>,
    duration: Option<&Entry>,
    place: Place,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let duration = duration.and_then(|it| draft.seconds(it));
    for fault in faults {
        let duration = k8s::ending(duration, place, &format!("`{fault}`"), draft);
        made.method.push(draft::host_step(fault, Duration::ZERO, duration));
    }
}

pub(super) fn cpu(mut fields: Fields<'_>, draft: &mut Draft) -> Option<Fault> {
    let workers = fields.take("workers").and_then(|it| draft.count(it)).unwrap_or(1);
    let load = fields.take("load");
    let share = load.map_or(Some(Ratio::ONE), |it| draft.percent(it));
    fields.leave("options", "they are written for stress-ng", draft);
    fields.finish(draft);
    if let Some(it) = load.filter(|_| share == Some(Ratio::ZERO)) {
        draft.leave(it, "no load loads nothing");
    }
    let share = share.filter(|it| workers > 0 && *it != Ratio::ZERO)?;
    Some(draft::cpu(share, workers.min(4_096)))
}

pub(super) fn memory(entry: &Entry, draft: &mut Draft) -> Option<Fault> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let size = fields.take("size");
    if let Some(it) = fields.take("workers")
        && it.value.text() != Some("1")
    {
        draft.leave(it, "one child holds all of it");
    }
    fields.leave("options", "they are written for stress-ng", draft);
    fields.finish(draft);
    let Some(size) = size else {
        draft.leave(entry, "all memory that there is would end the host: write an `amount`");
        return None;
    };
    let amount = size.value.text().and_then(k8s::amount);
    if amount.is_none() {
        k8s::no_amount(size, draft);
    }
    amount.map(draft::memory)
}
