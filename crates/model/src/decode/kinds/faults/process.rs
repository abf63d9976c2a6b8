//! Faults of processes.

use super::{AIMED, Kind, ONCE, body, step};
use crate::decode::codec::Integer;
use crate::decode::fields::Fields;
use crate::decode::kinds::words;
use crate::document::{Fault, PauseBy, Step};

fn pause(f: &mut Fields<'_>) -> Option<Step> {
    let means = [("signal", PauseBy::Signal), ("trace", PauseBy::Trace)];
    let sentence = "By `signal` (SIGSTOP), or by `trace`, as a debugger does it: then it ends with this tool, however \
                    that ends (release class A).";
    let by = f.default("by", sentence, words("`signal` or `trace`", &means), "signal");
    step(f, by.map(|by| Fault::Pause { by }), &AIMED)
}

fn file_descriptors(f: &mut Fields<'_>) -> Option<Step> {
    let reason = "Give the number of files that the process may have open.";
    let limit = Integer { min: 1, max: 1 << 30, reason };
    let limit = f.required("limit", "The soft limit while the fault acts.", limit);
    step(f, limit.map(|limit| Fault::FileDescriptors { limit }), &AIMED)
}

/// Every kind of this family, in the order of the manual.
pub(super) fn kinds() -> Vec<Kind> {
    vec![
        (
            "kill",
            "Processes are killed (SIGKILL).",
            body("KillFault", |f| step(f, Some(Fault::Kill), &ONCE)),
        ),
        ("pause", "Processes are stopped, and continued at the end.", body("PauseFault", pause)),
        (
            "restart",
            "Processes are terminated and, when nobody else does, started again.",
            body("RestartFault", |f| step(f, Some(Fault::Restart), &ONCE)),
        ),
        (
            "fileDescriptors",
            "Processes may open no more files than this.",
            body("FileDescriptorsFault", file_descriptors),
        ),
    ]
}
