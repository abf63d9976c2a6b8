//! Faults of processes and containers.

use std::time::Duration;

use super::{AGAIN, AIMED, HOST, Kind, body, step};
use crate::decode::codec::Integer;
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::kinds::words;
use crate::decode::values::{clock, disk_rate, length, process};
use crate::document::{Fault, IoLimits, PauseBy, Step};

/// More often than this nobody comes back in between.
const EVERY_LEAST: Duration = Duration::from_secs(1);

fn kill(f: &mut Fields<'_>) -> Option<Step> {
    again(f, |every| Fault::Kill { every })
}

fn restart(f: &mut Fields<'_>) -> Option<Step> {
    again(f, |every| Fault::Restart { every })
}

fn stop_unit(f: &mut Fields<'_>) -> Option<Step> {
    let unit = f.required("unit", "Its name, such as `nginx.service`.", process::unit());
    step(f, unit.map(|unit| Fault::StopUnit { unit }), &HOST)
}

/// A fault that acts once, or every so often.
pub(super) fn again(
    f: &mut Fields<'_>,
    fault: impl FnOnce(Option<Duration>) -> Fault,
) -> Option<Step> {
    let sentence =
        "How long after one time the next, each with targets that are picked anew. Default: once.";
    let every = f.optional("every", sentence, length());
    let step = step(f, Some(fault(every)), &AGAIN)?;
    if let (Some(every), Some(duration)) = (every, step.duration) {
        let mut refuse = |message, help| f.refuse("every", codes::RANGE, message, help);
        if every < EVERY_LEAST {
            refuse("it acts more often than every second", "Leave a second or more in between.");
        }
        if every >= duration {
            refuse("it would act only once", "Make `every` shorter than `duration`.");
        }
    }
    Some(step)
}

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

fn io_throttle(f: &mut Fields<'_>) -> Option<Step> {
    // The kernel takes the largest number of 32 bits for none.
    let reason = "Give a number above 0.";
    let number = || Integer { min: 1, max: u64::from(u32::MAX) - 1, reason };
    let read_rate = f.optional("readRate", "Bytes read from a disk, at most.", disk_rate());
    let write_rate = f.optional("writeRate", "Bytes written to a disk, at most.", disk_rate());
    let sentence = "Reads from a disk each second, at most.";
    let read_operations = f.optional("readOperations", sentence, number());
    let sentence = "Writes to a disk each second, at most.";
    let write_operations = f.optional("writeOperations", sentence, number());
    f.at_least_one(&["readRate", "writeRate", "readOperations", "writeOperations"]);
    let limits = IoLimits { read_rate, write_rate, read_operations, write_operations };
    step(f, Some(Fault::IoThrottle(limits)), &AIMED)
}

fn clock_skew(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "How far their clock is ahead, such as `10m`, or behind, such as `-10m`.";
    let offset = f.required("offset", sentence, clock::offset());
    step(f, offset.map(|offset| Fault::ClockSkew { offset }), &AIMED)
}

/// Every kind of this family, in the order of the manual.
pub(super) fn kinds() -> Vec<Kind> {
    vec![
        (
            "kill",
            "Processes, or the main processes of containers, are killed (SIGKILL).",
            body("KillFault", kill),
        ),
        (
            "pause",
            "Processes or containers are stopped, and continued at the end.",
            body("PauseFault", pause),
        ),
        (
            "restart",
            "Processes are terminated and, when nobody else does, started again; containers by their engine.",
            body("RestartFault", restart),
        ),
        (
            "stop",
            "Containers are stopped, and started again at the end.",
            body("StopFault", |f| step(f, Some(Fault::Stop), &AIMED)),
        ),
        (
            "stopUnit",
            "A unit of systemd is stopped, and started again at the end.",
            body("StopUnitFault", stop_unit),
        ),
        (
            "fileDescriptors",
            "Processes may open no more files than this.",
            body("FileDescriptorsFault", file_descriptors),
        ),
        (
            "ioThrottle",
            "Processes read and write no faster than this, on each disk.",
            body("IoThrottleFault", io_throttle),
        ),
        (
            "clockSkew",
            "Processes are told a time of day that is not the true one.",
            body("ClockSkewFault", clock_skew),
        ),
    ]
}
