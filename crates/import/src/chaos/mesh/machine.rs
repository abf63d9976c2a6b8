//! PhysicalMachineChaos: what acts on a host, or on processes of it.

use std::time::Duration;

use evenkeel_model::document::{Amount, ChaosExperiment, Fault, PauseBy};
use evenkeel_model::yaml::{Entry, Place};
use evenkeel_units::Bytes;

use super::super::counterpart::Here;
use super::super::draft::{self, Draft};
use super::super::fields::Fields;
use super::super::kubernetes as k8s;
use super::super::toolkit::words;
use super::stress::{cpu, load, memory};
use super::{clock, http, wire};
use crate::secrets;

/// What is said of which machine it is.
const THAT_MACHINE: &str = "it acts on the host on which it is run: run it on that machine";

pub(super) fn machine(
    action: &str,
    here: Here,
    place: Place,
    spec: &mut Fields<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    spec.leave_all(&["address", "selector", "mode", "value", "uid"], THAT_MACHINE, draft);
    let duration = spec.take("duration");
    let Some(entry) = spec.take(action) else {
        let message =
            format!("a PhysicalMachineChaos with the action `{action}` and without `{action}`");
        draft.wrong(place, message, "Write its parameters.");
        return;
    };
    if here == Here::Kill {
        return process(entry, duration, made, draft);
    }
    if here == Here::ClockSkew {
        return clock::of_machine(entry, duration, made, draft);
    }
    let fault = match here {
        Here::Cpu => cpu(Fields::of(&entry.value, entry.key_place, draft), draft),
        Here::Memory => memory(entry, draft),
        Here::DiskFill => disk_fill(entry, draft),
        Here::Command => command(entry, draft),
        _ => {
            let duration = duration.and_then(|it| draft.seconds(it));
            match here {
                Here::HttpAbort | Here::HttpDelay => {
                    http::of_machine(here, entry, duration, made, draft);
                }
                _ => wire::network(action, here, entry, duration, made, draft),
            }
            return;
        }
    };
    load(Vec::from_iter(fault), duration, place, made, draft);
}

/// Signals that end a process.
const ENDING: [&str; 6] = ["2", "3", "6", "9", "11", "15"];
/// SIGSTOP, which is taken back at the end.
const STOP: &str = "19";

fn process(entry: &Entry, duration: Option<&Entry>, made: &mut ChaosExperiment, draft: &mut Draft) {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let recover = "commands are not run; `restart` starts what it ended again";
    if let Some(it) = fields.take("recoverCmd") {
        // What stands in it is not shown: it may be a secret.
        draft.leave_at(it.key_place, "`recoverCmd`", recover);
    }
    let signal = fields.take("signal");
    let number = signal.and_then(|it| it.value.text()).unwrap_or("9").trim();
    let name = fields.text("process", draft);
    fields.finish(draft);
    let Some(find) = name.and_then(draft::finder) else {
        draft.wrong(entry.key_place, "it names no process", "Write its name or number.");
        return;
    };
    let target = draft::processes(find);
    if number == STOP {
        let duration = duration.and_then(|it| draft.seconds(it));
        let duration = k8s::ending(duration, entry.key_place, "the pause", draft);
        let fault = Fault::Pause { by: PauseBy::Signal };
        made.method.push(draft::step(fault, target, Duration::ZERO, Some(duration)));
        return;
    }
    if let Some(it) = signal.filter(|_| !ENDING.contains(&number)) {
        draft.leave(it, "it breaks nothing that we know: processes are killed (9) or stopped (19)");
        return;
    }
    if let Some(it) = signal.filter(|_| number != "9") {
        draft.leave(it, "a kill is always SIGKILL (9)");
    }
    if let Some(it) = duration {
        draft.leave(it, "a kill happens at once");
    }
    made.method.push(draft::step(Fault::Kill { every: None }, target, Duration::ZERO, None));
}

/// A file that is written: the folder it is in is in the file system that is filled.
fn disk_fill(entry: &Entry, draft: &mut Draft) -> Option<Fault> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let (path, size) = (fields.take("path"), fields.take("size"));
    fields.leave("fill-by-fallocate", "room is taken without anything being written", draft);
    fields.finish(draft);
    let (Some(path), Some(size)) = (path, size) else {
        let why = "it does not say where and how much: write `diskFill` with `path` and `amount`";
        draft.leave(path.or(size).unwrap_or(entry), why);
        return None;
    };
    let text = size.value.text().unwrap_or_default().trim();
    // Without a unit they are mebibytes.
    let amount = match text.parse::<u32>() {
        Ok(number) => Some(Amount::Bytes(Bytes(u64::from(number) << 20))).filter(|_| number > 0),
        Err(_) => k8s::amount(text),
    };
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

/// What only a shell understands, beside what no line may have.
const FOR_A_SHELL: [char; 8] = ['~', '{', '}', '[', ']', '#', '!', '^'];

/// A command, and one that takes it back.
fn command(entry: &Entry, draft: &mut Draft) -> Option<Fault> {
    let mut fields = Fields::of(&entry.value, entry.key_place, draft);
    let (attack, recover) = (fields.take("attackCmd"), fields.take("recoverCmd"));
    fields.finish(draft);
    let Some(attack) = attack else {
        let help = "Write the command that it runs.";
        draft.wrong(entry.key_place, "a `user_defined` without `attackCmd`", help);
        return None;
    };
    let Some(recover) = recover else {
        let what = "`attackCmd`";
        let why = "nothing takes it back: write `command` with its program and arguments as `run`, and an `undo`";
        draft.leave_at(attack.key_place, what, why);
        return None;
    };
    let mut words = |entry: &Entry| -> Option<Vec<String>> {
        let text = entry.value.text().unwrap_or_default();
        let why = match words::line(text) {
            Err(why) => why,
            Ok(words) => match words.first() {
                None => "it names no program".to_owned(),
                Some(it) if it.contains('=') || text.contains(FOR_A_SHELL) => {
                    "it is a line for a shell, and none is run".to_owned()
                }
                Some(_) if secrets::is_secret(text) || text.contains("://") => {
                    "it may hold a secret, which is not written down".to_owned()
                }
                Some(_) => return Some(words),
            },
        };
        let why = format!("{why}: write its program and arguments as `command`");
        // What stands in it is not shown: it may be a secret.
        draft.leave_at(entry.key_place, format!("`{}`", entry.key), why);
        None
    };
    let (run, undo) = (words(attack), words(recover));
    let fault = Fault::Command { run: run?, undo: undo? };
    let why = "it may be run more than once here, and after an attack that failed: see that it does no harm then";
    draft.leave_at(recover.key_place, "how often `recoverCmd` is run", why);
    Some(fault)
}
