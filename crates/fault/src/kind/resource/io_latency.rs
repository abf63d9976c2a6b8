//! `ioLatency`: a share of what is done to the files of a folder takes longer.
//!
//! Simulates a disk whose queue is full, a file server far away, or a volume that ran out of credits.
//!
//! ```yaml
//! - ioLatency: {path: /var/lib/app, delay: 50ms, operations: [fsync], at: 10s, duration: 30s}
//! ```
//!
//! As `ioErrors`, with the same words and limits; an operation waits and is then done. None waits for another, but for
//! what the kernel itself lets only one do: writes to one file come one after the other, as on any file system. A large
//! read or write is several requests, each of which waits.
//!
//! Needs and release class as `ioErrors`; what still waits when it ends is done at once. Evidence: how many operations
//! waited.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use super::overlay::{self, Counted};
use crate::holder::{Counters, Meddling};
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "ioLatency",
    release: Release::Lifetime,
    needs: "root, /dev/fuse and fusermount3",
    about: "- ioLatency: {path: /var/lib/app, delay: 50ms, operations: [fsync], at: 10s, duration: 30s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::IoLatency { path, delay, share, operations } = aim.fault else {
        return Ok(Vec::new());
    };
    overlay::step(aim, path, Meddling::Wait(*delay), *share, operations)
}

fn evidence(counted: &Counters) -> Evidence {
    let counted = Counted::of(counted);
    let summary =
        format!("{} of {} operations waited{}", counted.met, counted.seen, counted.rest());
    crate::kind::evidence(counted.met > 0.0, summary, &counted.counters())
}
