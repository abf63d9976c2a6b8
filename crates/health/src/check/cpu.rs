//! Cpu: how busy the processors are that we may use.
//!
//! In a container with a quota, of its cgroup or of one around it, that is the share of the quota that was used; else the share of the
//! time in which the host's processors were busy. Both are of the time since the last time that somebody asked, so the first answer
//! has no number.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use evenkeel_units::{Ratio, locked};
use tokio::time::Instant;

use super::cgroup::{VERSION_2, field, groups, number};
use super::judge_share;
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
        let busy = last.as_ref().and_then(|it| reading.since(it));
        *last = Some(reading);
        drop(last);
        match busy {
            Some((busy, of)) => judge_share(busy, self.warn.get(), self.fail.get(), of),
            None => Finding::pass(),
        }
    }
}

/// Counters of work at a moment.
#[derive(Debug)]
struct Reading {
    at: Instant,
    /// Of the host, in ticks: busy, and in all.
    host: (u64, u64),
    quotas: Vec<Quota>,
}

/// Of a cgroup that has one.
#[derive(Debug, PartialEq)]
struct Quota {
    group: PathBuf,
    /// What the group used in all.
    used: Duration,
    /// How many processors it may use.
    processors: f64,
}

impl Reading {
    fn read(root: &Path, at: Instant) -> Option<Self> {
        let host = ticks(&fs::read_to_string(root.join("proc/stat")).ok()?)?;
        let one = groups(root, "sys/fs/cgroup/cpu", "cpu").into_iter().filter_map(Quota::of_1);
        let two = groups(root, VERSION_2, "").into_iter().filter_map(Quota::of_2);
        Some(Self { at, host, quotas: two.chain(one).collect() })
    }

    /// The share that was used since, and of what: of several quotas the one of which most was used, as each of them holds us up.
    fn since(&self, earlier: &Self) -> Option<(f64, &'static str)> {
        let passed = self.at.duration_since(earlier.at).as_secs_f64();
        let shares = self.quotas.iter().filter_map(|it| {
            let before = earlier.quotas.iter().find(|before| before.group == it.group)?;
            let allowed = passed * it.processors;
            let used = it.used.saturating_sub(before.used).as_secs_f64();
            (allowed > 0.0).then(|| used / allowed)
        });
        if let Some(most) = shares.max_by(f64::total_cmp) {
            return Some((most, "the quota of processor time"));
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

impl Quota {
    /// As version 1 has it: `cpu` and `cpuacct` are one directory wherever a distribution mounts them.
    fn of_1(group: PathBuf) -> Option<Self> {
        // No quota is -1.
        let quota: u64 = number(&group, "cpu.cfs_quota_us")?;
        let period: u64 = number(&group, "cpu.cfs_period_us")?;
        let used = Duration::from_nanos(number(&group, "cpuacct.usage")?);
        Self::of(group, used, quota, period)
    }

    /// As version 2 has it.
    fn of_2(group: PathBuf) -> Option<Self> {
        let max = fs::read_to_string(group.join("cpu.max")).ok()?;
        let (quota, period) = max.trim().split_once(' ')?;
        let stat = fs::read_to_string(group.join("cpu.stat")).ok()?;
        let used = Duration::from_micros(field(&stat, "usage_usec")?);
        Self::of(group, used, quota.parse().ok()?, period.parse().ok()?)
    }

    fn of(group: PathBuf, used: Duration, quota: u64, period: u64) -> Option<Self> {
        (quota > 0 && period > 0).then(|| {
            let processors = quota as f64 / period as f64;
            Self { group, used, processors }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::cgroup::world;
    use super::*;
    use crate::Status;

    fn at(root: &Path, seconds: u64, origin: Instant) -> Reading {
        Reading::read(root, origin + Duration::from_secs(seconds)).unwrap()
    }

    /// The share between two readings ten seconds apart, of files before and files that have changed.
    fn share(before: &[(&str, &str)], after: &[(&str, &str)]) -> (f64, &'static str) {
        let root = world(before);
        let first = at(root.path(), 0, Instant::now());
        for (path, text) in after {
            fs::write(root.path().join(path), text).unwrap();
        }
        let (busy, of) = at(root.path(), 10, first.at).since(&first).unwrap();
        ((busy * 1_000.0).round() / 1_000.0, of)
    }

    const IDLE: (&str, &str) = ("proc/stat", "cpu  0 0 0 700 100 0 0 0 0 0\n");
    const QUOTA: &str = "the quota of processor time";

    #[test]
    fn without_a_quota_the_ticks_of_the_host_count() {
        let before = [
            ("proc/stat", "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1\n"),
            ("sys/fs/cgroup/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/cpu.stat", "usage_usec 1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/cpuacct.usage", "1\n"),
        ];
        let after = [("proc/stat", "cpu  130 0 140 720 110 0 0 0 99 0\ncpu0 1\n")];
        assert_eq!(share(&before, &after), (0.7, "the processors' time"));
    }

    #[test]
    fn a_quota_of_version_2_counts_and_of_several_the_one_most_used() {
        let before = [
            IDLE,
            ("proc/self/cgroup", "0::/pods/a\n"),
            ("sys/fs/cgroup/pods/a/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/pods/a/cpu.stat", "usage_usec 0\n"),
            ("sys/fs/cgroup/pods/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/pods/cpu.stat", "usage_usec 1000000\nuser_usec 1\n"),
        ];
        let used = ("sys/fs/cgroup/pods/cpu.stat", "usage_usec 5000000\nuser_usec 1\n");
        assert_eq!(share(&before, &[used]), (0.8, QUOTA));
        let own = ("sys/fs/cgroup/pods/a/cpu.max", "25000 100000\n");
        let own_used = ("sys/fs/cgroup/pods/a/cpu.stat", "usage_usec 2250000\n");
        let before = [&before[..], &[own]].concat();
        assert_eq!(share(&before, &[used, own_used]), (0.9, QUOTA));
    }

    #[test]
    fn a_quota_of_version_1_counts_too() {
        let before = [
            IDLE,
            ("proc/self/cgroup", "4:cpu,cpuacct:/a\n"),
            ("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "200000\n"),
            ("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/a/cpuacct.usage", "1000000000\n"),
        ];
        let after = [("sys/fs/cgroup/cpu/a/cpuacct.usage", "11000000000\n")];
        assert_eq!(share(&before, &after), (0.5, QUOTA));
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
