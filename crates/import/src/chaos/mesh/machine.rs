//! PhysicalMachineChaos: what acts on a host, or on processes of it.

use std::time::Duration;

use evenkeel_model::document::{ChaosExperiment, Fault};
use evenkeel_model::yaml::Place;

use super::super::draft::{self, Draft};
use super::super::fields::Fields;
use super::super::kubernetes as k8s;
use super::stress::{cpu, load, memory};

/// PhysicalMachineChaos: what acts on a host or on processes of it.
pub(super) fn machine(
    action: &str,
    place: Place,
    spec: &mut Fields<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let why = "it acts on the host on which it is run: run it on that machine";
    spec.leave_all(&["address", "selector", "mode", "value", "uid"], why, draft);
    let duration = spec.take("duration");
    let Some(entry) = spec.take(action) else {
        let message =
            format!("a PhysicalMachineChaos with the action `{action}` and without `{action}`");
        draft.wrong(place, message, "Write its parameters.");
        return;
    };
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    if action == "process" {
        if let Some(it) = duration {
            draft.leave(it, "a kill happens at once");
        }
        fields.leave(
            "recoverCmd",
            "commands are not run; `restart` starts what it ended again",
            draft,
        );
        let signal = fields.take("signal");
        let name = fields.text("process", draft);
        fields.finish(draft);
        if let Some(it) = signal.filter(|it| it.value.text() != Some("9")) {
            draft.leave(it, "a kill is always SIGKILL (9)");
        }
        let Some(find) = name.and_then(draft::finder) else {
            draft.wrong(entry.key_place, "it names no process", "Write its name or number.");
            return;
        };
        made.method.push(draft::step(
            Fault::Kill { every: None },
            draft::processes(find),
            Duration::ZERO,
            None,
        ));
        return;
    }
    let fault = match action {
        "stress-cpu" => cpu(fields, draft),
        "disk-fill" => disk_fill(fields, draft),
        _ => memory(entry, draft),
    };
    load(Vec::from_iter(fault), duration, place, made, draft);
}

/// A file that is written: the folder it is in is in the file system that is filled.
fn disk_fill(mut fields: Fields<'_>, draft: &mut Draft) -> Option<Fault> {
    let (path, size) = (fields.take("path"), fields.take("size"));
    fields.leave("fill-by-fallocate", "room is taken without anything being written", draft);
    fields.finish(draft);
    let (Some(path), Some(size)) = (path, size) else {
        let why = "it does not say where and how much: write `diskFill` with `path` and `amount`";
        let entry = path.or(size)?;
        draft.leave(entry, why);
        return None;
    };
    let amount = size.value.text().and_then(k8s::amount);
    if amount.is_none() {
        k8s::no_amount(size, draft);
    }
    let folder = path.value.text().filter(|it| it.starts_with('/') && !it.contains('\0'));
    let Some(folder) = folder.and_then(|it| std::path::Path::new(it).parent()) else {
        draft.leave(path, "it is not the absolute path of a file");
        return None;
    };
    Some(Fault::DiskFill { path: folder.to_owned(), amount: amount? })
}
