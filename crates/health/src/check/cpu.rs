//! Cpu: how busy the processors are that we may use.
//!
//! In a container with a quota that is the share of the quota that was used; else the share of the time in which the host's
//! processors were busy. Both are of the time since the last time that somebody asked, so the first answer has no number.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use evenkeel_units::{Ratio, locked};
use tokio::time::Instant;

use super::judge_share;
use super::memory::group;
use crate::{Check, Finding};

/// How busy the processors are that we may use.
///
/// Warns from 80 % on: from there on a queue grows faster than the load, and a burst is felt. Fails from 95 % on: there is
/// nothing left for a burst.
///
/// **When**: as a sign on the page of the service. **When not**: as critical. Who is busy is not broken; and if each that is busy
/// leaves the balancer, the others get busier. What is late because of it shows [`Builder::lag`](crate::Builder::lag).
///
/// ```
/// use evenkeel_health::{Health, Policy, check::Cpu};
///
/// let health = Health::builder().check("cpu", Policy::default(), Cpu::default());
/// ```
#[derive(Debug)]
pub struct Cpu {
    warn: Ratio,
    fail: Ratio,
    last: Mutex<Option<Reading>>,
}

impl Default for Cpu {
    fn default() -> Self {
        Self::from(Ratio::percent(80), Ratio::percent(95))
    }
}

impl Cpu {
    /// Warns and fails from these shares on.
    pub const fn from(warn: Ratio, fail: Ratio) -> Self {
        Self { warn, fail, last: Mutex::new(None) }
    }
}

impl Check for Cpu {
    async fn ask(&self) -> Finding {
        let Some(reading) = Reading::read(Path::new("/"), Instant::now()) else {
            return Finding::fail("/proc/stat cannot be read, so nobody knows");
        };
        let mut last = locked(&self.last);
        let busy = last.replace(reading).and_then(|it| reading.since(it));
        match busy {
            Some((busy, of)) => judge_share(busy, self.warn.get(), self.fail.get(), of),
            None => Finding::pass(),
        }
    }
}

/// Counters of work at a moment.
#[derive(Copy, Clone, Debug)]
struct Reading {
    at: Instant,
    /// Of the host, in ticks: busy, and in all.
    host: (u64, u64),
    /// Of our cgroup, if it has a quota: what it used in all, and how many processors it may use.
    own: Option<(Duration, f64)>,
}

impl Reading {
    fn read(root: &Path, at: Instant) -> Option<Self> {
        let host = ticks(&fs::read_to_string(root.join("proc/stat")).ok()?)?;
        Some(Self { at, host, own: quota(root) })
    }

    /// The share that was used since, and of what.
    fn since(self, earlier: Self) -> Option<(f64, &'static str)> {
        if let (Some((used, processors)), Some((before, _))) = (self.own, earlier.own) {
            let passed = self.at.duration_since(earlier.at).as_secs_f64() * processors;
            let used = used.saturating_sub(before).as_secs_f64();
            return (passed > 0.0).then(|| (used / passed, "the quota of processor time"));
        }
        let all = self.host.1.saturating_sub(earlier.host.1);
        let busy = self.host.0.saturating_sub(earlier.host.0);
        (all > 0).then(|| (busy as f64 / all as f64, "the processors' time"))
    }
}

/// Busy ticks and all ticks of the first line of `/proc/stat`. Waiting for a disk is idle; the ticks of guests are contained in
/// those of users.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let mut words = stat.lines().next()?.split_ascii_whitespace();
    (words.next()? == "cpu").then_some(())?;
    let fields: Vec<u64> = words.take(8).map(|it| it.parse().ok()).collect::<Option<_>>()?;
    let all: u64 = fields.iter().fold(0, |sum, it| sum.saturating_add(*it));
    let idle = fields.get(3)?.saturating_add(*fields.get(4)?);
    Some((all.saturating_sub(idle), all))
}

/// What our cgroup of version 2 used, and how many processors it may use; `None` without a quota.
fn quota(root: &Path) -> Option<(Duration, f64)> {
    let top = root.join("sys/fs/cgroup");
    let own = group(root, "").map_or_else(|| top.clone(), |it| top.join(it));
    quota_at(&own).or_else(|| quota_at(&top))
}

fn quota_at(at: &Path) -> Option<(Duration, f64)> {
    let max = fs::read_to_string(at.join("cpu.max")).ok()?;
    let (quota, period) = max.trim().split_once(' ')?;
    let processors = quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?;
    let stat = fs::read_to_string(at.join("cpu.stat")).ok()?;
    let used = stat.lines().find_map(|it| it.strip_prefix("usage_usec "))?;
    let is_sound = processors.is_finite() && processors > 0.0;
    is_sound.then_some((Duration::from_micros(used.parse().ok()?), processors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    fn at(root: &Path, seconds: u64, origin: Instant) -> Reading {
        Reading::read(root, origin + Duration::from_secs(seconds)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_host_counts_ticks_and_a_quota_counts_time() {
        let root = tempfile::tempdir().unwrap();
        let origin = Instant::now();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/stat", "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1\n");
        let first = at(root.path(), 0, origin);
        write("proc/stat", "cpu  130 0 140 720 110 0 0 0 99 0\ncpu0 1\n");
        let (busy, of) = at(root.path(), 10, origin).since(first).unwrap();
        assert!((busy - 0.7).abs() < 1e-9 && of == "the processors' time", "{busy} of {of}");

        write("sys/fs/cgroup/cpu.max", "50000 100000\n");
        write("sys/fs/cgroup/cpu.stat", "usage_usec 1000000\nuser_usec 1\n");
        let first = at(root.path(), 10, origin);
        write("sys/fs/cgroup/cpu.stat", "usage_usec 5000000\nuser_usec 1\n");
        let (busy, of) = at(root.path(), 20, origin).since(first).unwrap();
        assert!((busy - 0.8).abs() < 1e-9 && of == "the quota of processor time", "{busy} of {of}");
        write("sys/fs/cgroup/cpu.max", "max 100000\n");
        assert_eq!(at(root.path(), 20, origin).own, None);
    }

    #[test]
    fn a_line_that_is_odd_is_nothing() {
        assert_eq!(ticks("cpu 1 2 x 4 5"), None);
        assert_eq!(ticks("cpu 1 2 3"), None);
        assert_eq!(ticks(""), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_answer_passes_without_a_number() {
        let found = Cpu::default().ask().await;
        assert_eq!((found.status(), found.value()), (Status::Pass, None));
    }
}
