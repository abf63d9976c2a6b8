//! `diskFill`: a file without a name takes up room in a file system.
//!
//! Simulates logs that nobody rotates, or a neighbour's backup: whoever writes there gets ENOSPC, or is made to wait
//! for somebody else's cleaning up.
//!
//! ```yaml
//! - diskFill: {path: /var/lib/app, amount: 95%, at: 10s, duration: 60s}
//! ```
//!
//! An amount is taken; a share is how full the file system is then. Room that the file system keeps for root stays.
//! Needs: the right to write in the folder, and a file system with nameless files (O_TMPFILE: ext4, xfs, btrfs, tmpfs,
//! overlayfs). Release class A: the file has no name, so it is gone with the process that has it open. Evidence: bytes
//! taken, and what is left.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use evenkeel_units::Bytes;
use rustix::fs::statvfs;

use crate::holder::{Counters, Disk, Work};
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "diskFill",
    release: Release::Lifetime,
    needs: "the right to write in the folder",
    about: "- diskFill: {path: /var/lib/app, amount: 95%, at: 10s, duration: 60s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::DiskFill { path, amount } = aim.fault else { return Ok(Vec::new()) };
    let disk = Disk { path: path.clone(), amount: *amount };
    let now = statvfs(path).map_err(|it| super::folder(path, it))?;
    let (wanted, free) = (disk.wanted(&now), Bytes(now.f_bavail * now.f_frsize));
    let place = path.display();
    if wanted.0 == 0 {
        return Err(PlanError::Unfit(format!(
            "the file system of {place} is {amount} full already"
        )));
    }
    if wanted > free {
        let message = format!("{wanted} is more than the {free} that are free at {place}");
        return Err(PlanError::Unfit(message));
    }
    Ok(vec![aim.hold(Work::Disk(disk))])
}

fn evidence(counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let [held, asked, free] = ["held_bytes", "asked_bytes", "free_bytes"].map(counter);
    let [of_held, of_free] = [held, free].map(|it| Bytes(it as u64));
    let summary = format!("{of_held} taken, {of_free} left");
    let counters = [("held_bytes", held), ("asked_bytes", asked), ("free_bytes", free)];
    // With less the file system was full before, which is what it is for.
    crate::kind::evidence(held > 0.0, summary, &counters)
}
