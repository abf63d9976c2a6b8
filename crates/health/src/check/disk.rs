//! Disk: how much is left of a file system.

use std::path::PathBuf;

use evenkeel_units::Ratio;

use crate::{Check, Finding};

/// How much is left of the file system that holds a path, for a process that is not root.
///
/// Fails by default when less than a tenth is left, as the tools of most teams have it; a database or a log needs it earlier.
///
/// **When**: the service writes files it cannot do without. **When not**: it reads only, or the file system belongs to the node: then all
/// instances on it fail at once, and none of them can mend it. Inodes are not counted.
///
/// ```
/// use evenkeel_health::{Health, Policy, check::Disk};
/// use evenkeel_health::Ratio;
///
/// let disk = Disk::of("/var/lib/shop").free_at_least(Ratio::percent(20));
/// let health = Health::builder().check("disk", Policy::critical(), disk);
/// ```
#[derive(Clone, Debug)]
pub struct Disk {
    path: PathBuf,
    free: Ratio,
}

impl Disk {
    /// Of the file system that holds `path`.
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), free: Ratio::percent(10) }
    }

    /// Fails when less than this share is left.
    pub const fn free_at_least(mut self, share: Ratio) -> Self {
        self.free = share;
        self
    }
}

impl Check for Disk {
    /// A file system of another machine may let us wait for ever, so it is asked in a thread of its own.
    async fn ask(&self) -> Finding {
        let path = self.path.clone();
        let asked = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&path)).await;
        match asked {
            Ok(Ok(it)) => judge(it.f_blocks - it.f_bfree, it.f_bavail, self.free),
            Ok(Err(error)) => Finding::fail(format!("{}: {error}", self.path.display())),
            Err(_) => Finding::fail("the question was cancelled"),
        }
    }
}

/// Of blocks that are taken and that are left for us, as `df` counts: what is kept for root is neither.
fn judge(taken: u64, left: u64, free: Ratio) -> Finding {
    let all = taken.saturating_add(left).max(1);
    let share = left as f64 / all as f64;
    let percent = (share * 1_000.0).round() / 10.0;
    let finding = match share > free.get() {
        true => Finding::pass(),
        false => Finding::fail(format!("{percent:.1}% is free, limit {free}")),
    };
    finding.with_value(percent, "percent free")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    #[test]
    fn a_tenth_must_be_left_as_in_the_seeds() {
        let least = Disk::of("/").free;
        assert_eq!(judge(899, 101, least).status(), Status::Pass);
        assert_eq!(judge(900, 100, least).status(), Status::Fail);
        assert_eq!(judge(950, 50, least).value(), Some((5.0, "percent free")));
        assert_eq!(judge(0, 0, least).status(), Status::Fail);
    }

    #[tokio::test]
    async fn a_path_that_is_not_there_fails_by_its_name() {
        let found = Disk::of("/no/such/place").ask().await;
        assert_eq!(found.status(), Status::Fail);
        assert!(found.detail().starts_with("/no/such/place: "), "{}", found.detail());
        let here = Disk::of(".").free_at_least(Ratio::ZERO).ask().await;
        assert!(here.value().is_some_and(|(it, _)| (0.0..=100.0).contains(&it)), "{here:?}");
    }
}
