//! IOChaos: operations on the files of a volume that fail, or that take longer.
//!
//! A fault of files here is one of a whole folder. What names single files, or operations that we do not tell from
//! others, is left out, because the fault would hit more.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use evenkeel_model::document::{ChaosExperiment, Fault, FileError, FileOperation};
use evenkeel_model::yaml::{Entry, Place};
use evenkeel_units::Ratio;

use super::super::HITS_MORE;
use super::super::counterpart::{Here, counterpart};
use super::super::draft::{self, Draft};
use super::super::fields::{Fields, at, items, texts};
use super::super::kubernetes as k8s;

/// An operation of ours, and all that it is there.
const OPERATIONS: [(FileOperation, &[&str]); 8] = [
    (FileOperation::Open, &["open"]),
    (FileOperation::Create, &["create", "mkdir", "mknod", "symlink", "link"]),
    (FileOperation::Read, &["read"]),
    (FileOperation::Write, &["write"]),
    (FileOperation::Fsync, &["fsync"]),
    (FileOperation::Rename, &["rename"]),
    (FileOperation::Remove, &["unlink", "rmdir"]),
    (FileOperation::List, &["opendir"]),
];

/// Errors by their numbers on Linux.
const ERRORS: [(u32, FileError); 6] = [
    (5, FileError::Io),
    (13, FileError::Denied),
    (28, FileError::NoSpace),
    (30, FileError::ReadOnly),
    (116, FileError::Stale),
    (122, FileError::Quota),
];

pub(super) fn io(
    action: Option<&Entry>,
    place: Place,
    spec: &mut Fields<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let word = action.and_then(|it| it.value.text()).unwrap_or_default();
    let here = counterpart(&format!("mesh/IOChaos/{word}"));
    match here {
        None => return super::unknown(action, "IOChaos", place, draft),
        Some(it) => {
            if let (Some(why), Some(action)) = (it.why_not(), action) {
                draft.leave(action, why);
                return;
            }
        }
    }
    spec.leave_all(&["selector", "mode", "value", "containerNames"], k8s::THIS_HOST, draft);
    let share = match spec.take("percent") {
        Some(it) => draft.percent(it),
        None => Some(Ratio::ONE),
    };
    let folder = folder(place, spec, draft);
    let operations = operations(spec, draft);
    let duration = spec.take("duration").and_then(|it| draft.seconds(it));
    let what = match here {
        Some(Here::IoLatency) => delay(place, spec, draft).map(Meddling::Delay),
        _ => error(place, spec, draft).map(Meddling::Fail),
    };
    let (Some(share), Some(path), Some(operations), Some(what)) = (share, folder, operations, what)
    else {
        return;
    };
    if share == Ratio::ZERO {
        draft.leave_at(place, "`percent: 0`", "a share of nothing does nothing");
        return;
    }
    let where_is = format!("where `{}` is", path.display());
    let fault = match what {
        Meddling::Delay(delay) => Fault::IoLatency { path, delay, share, operations },
        Meddling::Fail(error) => Fault::IoErrors { path, error, share, operations },
    };
    let why = "it is a path inside of the pods there, and one of this host here: write where those files are, and see that who uses them runs outside of a container";
    draft.leave_at(place, where_is, why);
    let duration = k8s::ending(duration, place, &format!("`{fault}`"), draft);
    made.method.push(draft::host_step(fault, Duration::ZERO, duration));
}

/// What becomes of an operation.
enum Meddling {
    Delay(Duration),
    Fail(FileError),
}

fn delay(place: Place, spec: &mut Fields<'_>, draft: &mut Draft) -> Option<Duration> {
    let Some(entry) = spec.take("delay") else {
        let help = "Write a `delay` such as `100ms`.";
        draft.wrong(place, "an IOChaos of latency without `delay`", help);
        return None;
    };
    let delay = draft.seconds(entry)?;
    if delay.is_zero() {
        draft.leave(entry, "no time at all delays nothing");
    }
    Some(delay).filter(|it| !it.is_zero())
}

fn error(place: Place, spec: &mut Fields<'_>, draft: &mut Draft) -> Option<FileError> {
    let Some(entry) = spec.take("errno") else {
        let help = "Write an `errno` such as `5` (EIO).";
        draft.wrong(place, "an IOChaos of faults without `errno`", help);
        return None;
    };
    let number = draft.count(entry)?;
    let known = ERRORS.iter().find(|it| it.0 == number).map(|it| it.1);
    if known.is_none() {
        let names: Vec<_> = FileError::NAMES.iter().map(|it| it.0).collect();
        let why = format!(
            "files fail with one of {} here: write `ioErrors` with the one that comes closest",
            names.join(", ")
        );
        draft.leave(entry, why);
    }
    known
}

/// The folder that is meant; `None` when it is not a whole one.
fn folder(place: Place, spec: &mut Fields<'_>, draft: &mut Draft) -> Option<PathBuf> {
    let volume = spec.take("volumePath");
    let path = spec.take("path");
    let is_folder = |it: &&str| it.starts_with('/') && !it.contains(['\0', '*', '?', '[', '{']);
    let Some(mounted) = volume.and_then(|it| it.value.text()).filter(is_folder) else {
        let help = "Write the `volumePath` at which the volume is mounted, such as `/var/lib/app`.";
        let (place, message) = match volume {
            Some(it) => (at(it.value.place, it.key_place), "`volumePath` is no absolute path"),
            None => (place, "an IOChaos without the path of a volume"),
        };
        draft.wrong(place, message, help);
        return None;
    };
    let whole = |it: &str| -> Option<PathBuf> {
        let folder = it.strip_suffix("/**/*").or_else(|| it.strip_suffix("/**"))?;
        let folder = Some(folder).filter(is_folder)?;
        folder.starts_with(mounted.trim_end_matches('/')).then(|| PathBuf::from(folder))
    };
    let folder = match path.map(|it| (it, it.value.text().unwrap_or_default())) {
        None => PathBuf::from(mounted),
        Some((entry, text)) => match whole(text) {
            Some(it) => it,
            None => {
                let why = "a fault of files is one of a whole folder of the volume and all below it, which would be written as `/folder/**/*`";
                draft.leave(entry, format!("{why}; {HITS_MORE}"));
                return None;
            }
        },
    };
    Some(folder)
}

/// The operations that are met; `None` when none of those that are named is one of ours.
fn operations(spec: &mut Fields<'_>, draft: &mut Draft) -> Option<BTreeSet<FileOperation>> {
    let all = OPERATIONS.iter().map(|it| it.0);
    let Some(entry) = spec.take("methods").filter(|it| !items(&it.value).is_empty()) else {
        return Some(all.collect());
    };
    let named: Vec<(Place, String)> = texts(entry, draft)
        .into_iter()
        .map(|(place, it)| (place, it.to_ascii_lowercase()))
        .collect();
    let has = |word: &&str| named.iter().any(|it| it.1 == *word);
    let ours: BTreeSet<_> =
        OPERATIONS.iter().filter(|it| it.1.iter().all(&has)).map(|it| it.0).collect();
    for (place, word) in &named {
        let of = OPERATIONS.iter().find(|it| it.1.contains(&word.as_str()));
        let why = match of {
            Some((it, _)) if ours.contains(it) => continue,
            Some((it, words)) => {
                format!("`{it}` is all of {} here, and would hit more", words.join(", "))
            }
            None => "it passes as it is here".to_owned(),
        };
        draft.leave_at(*place, format!("the operation `{word}`"), why);
    }
    (!ours.is_empty()).then_some(ours)
}
