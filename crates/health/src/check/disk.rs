//! Disk: how much is left of a file system.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_units::Ratio;
use rustix::fs::StatVfs;
use tokio::sync::Mutex;

use crate::{Check, Finding};

/// How much is left of the file system that holds a path, for a process that is not root.
///
/// Fails by default unless more than a tenth is left, as the tools of most teams have it; a database or a log needs it earlier.
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
    /// Who asks has it, and brings it back.
    turn: Arc<Mutex<()>>,
}

impl Disk {
    /// Of the file system that holds `path`.
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), free: Ratio::percent(10), turn: Arc::default() }
    }

    /// Fails unless more than this share is left.
    pub const fn free_at_least(mut self, share: Ratio) -> Self {
        self.free = share;
        self
    }

    /// A file system of another machine may let us wait for ever, so it is asked in a thread of its own; in one thread, and not in one
    /// more each time that somebody has given up waiting.
    async fn ask_by(
        &self,
        question: impl FnOnce(&Path) -> rustix::io::Result<StatVfs> + Send + 'static,
    ) -> Finding {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let path = self.path.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let answer = question(&path);
            drop(turn);
            answer
        });
        match asked.await {
            Ok(Ok(it)) => judge(it.f_blocks.saturating_sub(it.f_bfree), it.f_bavail, self.free),
            Ok(Err(error)) => Finding::fail(format!("{}: {error}", self.path.display())),
            Err(_) => Finding::fail("the question was cancelled"),
        }
    }
}

impl Check for Disk {
    async fn ask(&self) -> Finding {
        self.ask_by(|it| rustix::fs::statvfs(it)).await
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
    use std::sync::atomic::{AtomicU32, Ordering};

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
    async fn a_file_system_that_hangs_is_asked_once_until_it_comes_back() {
        let disk = Disk::of(".").free_at_least(Ratio::ZERO);
        let (asked, go) = (Arc::new(AtomicU32::new(0)), Arc::new(std::sync::Barrier::new(2)));
        let hangs = || {
            let (asked, go) = (Arc::clone(&asked), Arc::clone(&go));
            move |path: &Path| {
                asked.fetch_add(1, Ordering::Relaxed);
                go.wait();
                rustix::fs::statvfs(path)
            }
        };
        let short = std::time::Duration::from_millis(20);
        while asked.load(Ordering::Relaxed) == 0 {
            assert!(tokio::time::timeout(short, disk.ask_by(hangs())).await.is_err());
        }
        assert!(tokio::time::timeout(short, disk.ask_by(hangs())).await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        go.wait();
        assert!(disk.ask().await.value().is_some());
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
