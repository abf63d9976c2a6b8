//! Faults of what a host has only so much of.

use std::path::Path;

use rustix::io::Errno;

use crate::need::PlanError;

pub(super) mod cpu;
pub(super) mod disk_fill;
pub(super) mod inodes;
pub(super) mod io_errors;
pub(super) mod io_latency;
pub(super) mod memory;
mod overlay;
pub(super) mod pids;

/// Why a folder cannot be used.
fn folder(path: &Path, error: Errno) -> PlanError {
    PlanError::Unfit(format!("cannot look at {}: {}", path.display(), std::io::Error::from(error)))
}
