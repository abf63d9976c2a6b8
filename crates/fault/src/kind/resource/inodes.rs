//! `inodes`: files without a name take up the inodes of a file system.
//!
//! Simulates a session folder or a mail queue that nobody empties: there is room, and yet no file can be made.
//!
//! ```yaml
//! - inodes: {path: /var/lib/app, free: 0, at: 10s, duration: 60s}
//! ```
//!
//! Needs: the right to write in the folder, a file system with a fixed number of inodes (ext4, xfs, tmpfs; not btrfs),
//! and no more of them than one process may have files open (its hard limit, often a million). Release class A: the
//! files have no names, so they are gone with the process that has them open. Evidence: inodes taken, and what is left.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use rustix::fs::statvfs;

use crate::holder::{Counters, Inodes, Work};
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "inodes",
    release: Release::Lifetime,
    needs: "the right to write in the folder, and as many open files",
    about: "- inodes: {path: /var/lib/app, free: 0, at: 10s, duration: 60s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::Inodes { path, free } = aim.fault else { return Ok(Vec::new()) };
    let now = statvfs(path).map_err(|it| super::folder(path, it))?;
    let place = path.display();
    let unfit = |message: String| Err(PlanError::Unfit(message));
    if now.f_files == 0 {
        return unfit(format!("the file system of {place} has no fixed number of inodes"));
    }
    let (wanted, most) = (now.f_favail.saturating_sub(*free), Inodes::most());
    if wanted == 0 {
        return unfit(format!(
            "the file system of {place} has {} inodes left already",
            now.f_favail
        ));
    }
    if wanted > most {
        return unfit(format!(
            "{wanted} inodes at {place} would have to be taken, and a process may have {most} files open here"
        ));
    }
    Ok(vec![aim.hold(Work::Inodes(Inodes { path: path.clone(), free: *free }))])
}

fn evidence(counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let [held, free] = ["inodes_held", "inodes_free"].map(counter);
    let summary = format!("{} taken, {free} left", count(held as u64, "inode"));
    crate::kind::evidence(held > 0.0, summary, &[("inodes_held", held), ("inodes_free", free)])
}
