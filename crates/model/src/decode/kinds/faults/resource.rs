//! Faults of what a host has only so much of, and of the user's own making.

use std::collections::BTreeSet;
use std::path::PathBuf;

use evenkeel_units::Ratio;

use super::{HOST, Kind, body, step};
use crate::decode::codec::{Integer, List};
use crate::decode::fields::Fields;
use crate::decode::kinds::words;
use crate::decode::values::{length, request, some_amount, some_share};
use crate::document::{Fault, FileError, FileOperation, Step};

fn cpu(f: &mut Fields<'_>) -> Option<Step> {
    let load = f.required("load", "Share of each core.", some_share());
    let cores = Integer { min: 0, max: 4_096, reason: "Give the number of cores; 0 for all." };
    let cores = f.default("cores", "How many cores; 0 for all.", cores, "0");
    let fault = load.zip(cores).map(|(load, cores)| Fault::Cpu { load, cores: cores as u32 });
    step(f, fault, &HOST)
}

fn memory(f: &mut Fields<'_>) -> Option<Step> {
    let fault = f
        .required("amount", "How much; a share is one of all memory.", some_amount())
        .map(|amount| Fault::Memory { amount });
    step(f, fault, &HOST)
}

fn disk_fill(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "A folder in the file system that is filled.";
    let path = f.required("path", sentence, request::folder());
    let sentence = "How much is taken; a share is how full the file system is then.";
    let amount = f.required("amount", sentence, some_amount());
    let fault = path.zip(amount).map(|(path, amount)| Fault::DiskFill { path, amount });
    step(f, fault, &HOST)
}

fn inodes(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "A folder in the file system whose inodes are taken.";
    let path = f.required("path", sentence, request::folder());
    let free = Integer { min: 0, max: u64::from(u32::MAX), reason: "Give the number of inodes." };
    let free = f.default("free", "How many are left to others.", free, "0");
    let fault = path.zip(free).map(|(path, free)| Fault::Inodes { path, free });
    step(f, fault, &HOST)
}

fn io_errors(f: &mut Fields<'_>) -> Option<Step> {
    let files = files(f);
    let errors = words("an error we know", &FileError::NAMES);
    let error = f.default("error", "How it fails, as errno(3) names it.", errors, "EIO");
    let fault = files.zip(error).map(|((path, share, operations), error)| Fault::IoErrors {
        path,
        error,
        share,
        operations,
    });
    step(f, fault, &HOST)
}

fn io_latency(f: &mut Fields<'_>) -> Option<Step> {
    let files = files(f);
    let delay = f.required("delay", "How much longer each takes.", length());
    let fault = files.zip(delay).map(|((path, share, operations), delay)| Fault::IoLatency {
        path,
        delay,
        share,
        operations,
    });
    step(f, fault, &HOST)
}

/// What is done to which files.
fn files(f: &mut Fields<'_>) -> Option<(PathBuf, Ratio, BTreeSet<FileOperation>)> {
    let sentence = "The folder; everything below it is met.";
    let path = f.required("path", sentence, request::folder());
    let sentence = "The share of the operations that is met, each by chance.";
    let share = f.default("share", sentence, some_share(), "100%");
    let names = words("an operation on files", &FileOperation::NAMES);
    let sentence = "Which operations. Default: `read`, `write` and `fsync`.";
    let operations = f.optional("operations", sentence, List { of: names, min: 1 });
    let usual = || FileOperation::USUAL.to_vec();
    let operations = operations.unwrap_or_else(usual).into_iter().collect();
    Some((path?, share?, operations))
}

fn pids(f: &mut Fields<'_>) -> Option<Step> {
    let count = Integer { min: 1, max: 4_194_304, reason: "Give the number of process numbers." };
    let count = f.required("count", "How many process numbers are taken.", count);
    step(f, count.map(|it| Fault::Pids { count: it as u32 }), &HOST)
}

fn command(f: &mut Fields<'_>) -> Option<Step> {
    let argv = || List { of: request::argument(), min: 1 };
    let sentence = "Program and arguments, run when the fault begins.";
    let run = f.required("run", sentence, argv());
    let sentence = "The same for what takes it back, whatever happens. It may run more than once.";
    let undo = f.required("undo", sentence, argv());
    let fault = run.zip(undo).map(|(run, undo)| Fault::Command { run, undo });
    step(f, fault, &HOST)
}

/// Every kind of this family, in the order of the manual.
pub(super) fn kinds() -> Vec<Kind> {
    vec![
        ("cpu", "A child of ours burns CPU on this host.", body("CpuFault", cpu)),
        ("memory", "A child of ours holds memory on this host.", body("MemoryFault", memory)),
        (
            "diskFill",
            "A file without a name takes up room in a file system.",
            body("DiskFillFault", disk_fill),
        ),
        (
            "inodes",
            "Files without a name take up the inodes of a file system.",
            body("InodesFault", inodes),
        ),
        (
            "ioErrors",
            "A share of what is done to the files of a folder fails.",
            body("IoErrorsFault", io_errors),
        ),
        (
            "ioLatency",
            "A share of what is done to the files of a folder takes longer.",
            body("IoLatencyFault", io_latency),
        ),
        ("pids", "Threads of a child of ours take process numbers.", body("PidsFault", pids)),
        (
            "command",
            "A program of yours, and one that takes back what it did; never through a shell.",
            body("CommandFault", command),
        ),
    ]
}
