//! `ioErrors`: a share of what is done to the files of a folder fails.
//!
//! Simulates a disk that is broken or full, a quota, or a file server that has forgotten what it served.
//!
//! ```yaml
//! - ioErrors: {path: /var/lib/app, error: ENOSPC, share: 10%, operations: [create, write], at: 10s, duration: 30s}
//! ```
//!
//! A file system of ours lies over the folder, and passes everything to the folder below but for what fails, which is
//! not done at all. `error` is `EIO` unless given, or `ENOSPC`, `EDQUOT`, `EROFS`, `EACCES`, `ESTALE`. `operations` are
//! `open`, `create`, `read`, `write`, `fsync`, `rename`, `remove` and `list`; `read`, `write` and `fsync` unless given.
//!
//! - **Files that were open before are not met**: only what is opened, made or listed while the fault acts.
//! - Files that are open at the end are served on, and nothing happens to them any more; the child that does it ends with
//!   the last of them. Whoever kills it breaks them (ENOTCONN).
//! - Every read and write is a request of its own, so a program may be slower by it. Locks that were taken before are
//!   not seen. Before Linux 6.6 files cannot be mapped shared. Set-user-id programs and devices do not work in the folder.
//! - Mount namespaces that do not get mounts of the host (most containers) do not see the fault.
//! - A folder that the host needs, that holds the undo journals, or in which something else is mounted is refused.
//!
//! Needs: root, /dev/fuse and `fusermount3`. Release class A: the mount is taken away by the child, when the tool is gone
//! or its time is up; by `fusermount3`, which waits for that, when the child is gone; and by the guardian, or the next start, should it have failed (it looks once). What was
//! written is in the folder. Evidence: how many operations failed.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use super::overlay::{self, Counted};
use crate::holder::{Counters, Meddling};
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "ioErrors",
    release: Release::Lifetime,
    needs: "root, /dev/fuse and fusermount3",
    about: "- ioErrors: {path: /var/lib/app, error: ENOSPC, share: 10%, operations: [create, write], at: 10s, duration: 30s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::IoErrors { path, error, share, operations } = aim.fault else {
        return Ok(Vec::new());
    };
    overlay::step(aim, path, Meddling::Fail(*error), *share, operations)
}

fn evidence(counted: &Counters) -> Evidence {
    let counted = Counted::of(counted);
    let summary =
        format!("{} of {} operations failed{}", counted.met, counted.seen, counted.rest());
    crate::kind::evidence(counted.met > 0.0, summary, &counted.counters())
}
