//! Machine: its cores, what children of ours have cost, and what else it did meanwhile.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeVal;
use serde_json::{Value, json};

/// Of proc(5); 100 on every Linux of today, whatever its own clock ticks at.
const TICKS_PER_SECOND: f64 = 100.0;

/// How much more important than others a bench is, where it may say so.
pub(super) const NICE: &str = "-10";

/// Two cores: one for the server, one for the generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cores {
    pub(super) server: String,
    pub(super) generator: String,
}

/// The cores this process may run on: the first for the server, because interrupts tend to come there.
pub(super) fn cores() -> Result<Cores> {
    let status =
        fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let cores = allowed(&status).context("/proc/self/status names no cores")?;
    ensure!(cores.len() > 1, "a core for the server and one for the generator are needed");
    Ok(Cores { server: cores[0].to_string(), generator: cores[cores.len() - 1].to_string() })
}

/// The list behind `Cpus_allowed_list`, such as `0-3,8`.
fn allowed(status: &str) -> Option<Vec<u32>> {
    let list = status.lines().find_map(|it| it.strip_prefix("Cpus_allowed_list:"))?.trim();
    let mut cores = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cores.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(cores)
}

/// What the machine says its processor is.
pub(super) fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|it| it.starts_with("model name"));
    let name = line.and_then(|it| it.split_once(':')).map_or("unknown", |it| it.1.trim());
    name.to_owned()
}

/// How many cores the host has, for whoever stays on one of them.
pub(super) fn all_core_count() -> usize {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let is_core = |it: &&str| {
        it.strip_prefix("cpu").is_some_and(|it| it.starts_with(|it: char| it.is_ascii_digit()))
    };
    stat.lines().filter(is_core).count().max(1)
}

/// All of them, as taskset takes them.
pub(super) fn all_cores() -> String {
    format!("0-{}", all_core_count() - 1)
}

/// How many cores this process may run on.
pub(super) fn core_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processor time, user and system, of every child that has been waited for, in seconds.
pub(super) fn cpu_of_children() -> Result<f64> {
    let usage =
        getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot ask what children have cost")?;
    let seconds = |it: TimeVal| it.tv_sec() as f64 + it.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// Processor time, user and system, of a process that still runs, in seconds.
pub(super) fn cpu_of(process: u32) -> Result<f64> {
    let file = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    own_time(&stat).with_context(|| format!("{file} is not as proc(5) says"))
}

fn own_time(stat: &str) -> Option<f64> {
    // The name before the last bracket may hold anything.
    let (_, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_whitespace().skip(11).map_while(|it| it.parse::<f64>().ok());
    Some((fields.next()? + fields.next()?) / TICKS_PER_SECOND)
}

/// The same to the nanosecond, as the scheduler counts it; time of threads that have ended is not in it.
pub(super) fn precise_cpu_of(process: u32) -> Result<f64> {
    let folder = format!("/proc/{process}/task");
    let threads = fs::read_dir(&folder).with_context(|| format!("cannot read {folder}"))?;
    let mut seconds = 0.0;
    for thread in threads.flatten() {
        // One that ends just now has none.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        let nanos = text.split(' ').next().and_then(|it| it.parse::<f64>().ok());
        seconds += nanos.context("schedstat is not as the kernel says")? / 1e9;
    }
    Ok(seconds)
}

/// A process and all that it has started, and those have, as long as they run.
pub(super) fn family_of(process: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")?.flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, it)| it.split_whitespace().nth(1));
        parents.extend(parent.and_then(|it| it.parse::<u32>().ok()).map(|it| (it, id)));
    }
    let mut family = vec![process];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(of, _)| *of == parent).map(|(_, id)| *id));
        at += 1;
    }
    Ok(family)
}

/// A line of a file of /proc in which memory is told, such as `RssAnon:` of `status`, in bytes.
pub(super) fn memory_of(process: u32, file: &str, name: &str) -> Option<f64> {
    kilobytes(&fs::read_to_string(format!("/proc/{process}/{file}")).ok()?, name)
}

fn kilobytes(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|it| it.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0)
}

/// The most memory that a running process has had resident, in bytes.
pub(super) fn peak_memory_of(process: u32) -> Option<f64> {
    memory_of(process, "status", "VmHWM:")
}

/// The memory that a running process has resident now, in bytes.
pub(super) fn memory_of_now(process: u32) -> Option<f64> {
    memory_of(process, "status", "VmRSS:")
}

/// Lets this process and its children have as many files as the system allows; says how many.
pub(super) fn raise_files() -> Result<u64> {
    let (_, most) =
        getrlimit(Resource::RLIMIT_NOFILE).context("cannot ask how many files there may be")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot ask for more files")?;
    Ok(most)
}

/// Whether children may be preferred to other programs.
pub(super) fn may_prefer() -> bool {
    // It runs the program all the same, and complains.
    let tried = Command::new("nice").args(["-n", NICE, "true"]).output();
    tried.is_ok_and(|it| it.status.success() && it.stderr.is_empty())
}

/// How busy the machine is at one moment.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Busy {
    /// Processes that ran or wanted to, over the last minute.
    load: f64,
    /// Ticks of all cores.
    all: f64,
    stolen: f64,
}

impl Busy {
    pub(super) fn now() -> Result<Self> {
        let read = |it: &str| fs::read_to_string(it).with_context(|| format!("cannot read {it}"));
        Self::of(&read("/proc/loadavg")?, &read("/proc/stat")?).context("proc(5) is not as it was")
    }

    fn of(loadavg: &str, stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        // Time of guests is in that of users already.
        let ticks: Vec<f64> =
            line.split_whitespace().take(8).map_while(|it| it.parse().ok()).collect();
        Some(Self {
            load: loadavg.split_whitespace().next()?.parse().ok()?,
            all: ticks.iter().sum(),
            stolen: *ticks.get(7)?,
        })
    }
}

/// What a bench could not keep quiet.
#[derive(Debug, PartialEq)]
pub(super) struct Noise {
    load_before: f64,
    load_after: f64,
    stolen_ratio: f64,
}

impl Noise {
    pub(super) fn between(before: &Busy, after: &Busy) -> Self {
        Self {
            load_before: before.load,
            load_after: after.load,
            stolen_ratio: (after.stolen - before.stolen) / (after.all - before.all).max(1.0),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "load_average_before": self.load_before,
            "load_average_after": self.load_after,
            "stolen_ratio": self.stolen_ratio,
        })
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "load average {:.2} before, {:.2} after; {:.2} % of the cores stolen by the host",
            self.load_before,
            self.load_after,
            self.stolen_ratio * 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_cores_are_counted() {
        let status = "Name:\txtask\nCpus_allowed:\t10f\nCpus_allowed_list:\t0-3,8\n";
        assert_eq!(allowed(status), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(allowed("Cpus_allowed_list:\t5\n"), Some(vec![5]));
        assert_eq!(allowed("Name:\txtask\n"), None);
    }

    #[test]
    fn time_of_a_process_is_found_behind_an_odd_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 900 8 0 0 50 60 250 125 20 0 1 0 99";
        assert_eq!(own_time(stat), Some(1.1));
        assert_eq!(own_time("7 (x) S 1"), None);
    }

    #[test]
    fn the_peak_of_memory_is_read_in_bytes() {
        let status = "VmPeak:\t  9000 kB\nVmHWM:\t    1024 kB\nVmRSS:\t     512 kB\n";
        assert_eq!(kilobytes(status, "VmHWM:"), Some(1_048_576.0));
        assert_eq!(kilobytes("Name:\tzombie\n", "VmHWM:"), None);
    }

    #[test]
    fn a_family_is_whoever_was_started() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let family = family_of(std::process::id()).unwrap();
        assert!(family.contains(&child.id()) && !family.contains(&1), "{family:?}");
        assert!(precise_cpu_of(std::process::id()).unwrap() > 0.0);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn children_cost_something() {
        let before = cpu_of_children().unwrap();
        let program = "BEGIN { for (n = 0; n < 300000; n++) sum += n }";
        assert!(Command::new("awk").arg(program).status().unwrap().success());
        assert!(cpu_of_children().unwrap() > before);
    }

    #[test]
    fn noise_is_what_happened_in_between() {
        let stat = |user, stolen| format!("cpu  {user} 0 0 0 0 0 0 {stolen} 9 9\ncpu0 1\n");
        let before = Busy::of("0.50 0.4 0.3 1/99 7", &stat(100, 10)).unwrap();
        let after = Busy::of("1.50 0.4 0.3 1/99 7", &stat(290, 20)).unwrap();
        let noise = Noise::between(&before, &after);
        assert_eq!(
            noise.to_string(),
            "load average 0.50 before, 1.50 after; 5.00 % of the cores stolen by the host"
        );
    }
}
