//! Watch: figures of the target's side, read again and again beside a load.
//!
//! ```text
//! process   what some processes use, added up
//! host      what everybody uses together
//! kernel    what the files of /proc say
//! ```
//!
//! A figure that tells how much happens in a second needs two readings, so the first one leaves it out.
//! A figure that this user may not read is left out too, and [`Watcher::notes`] says so once.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::document::{Finder, Watch, WatchSource};
use evenkeel_units::Moment;

use self::host::Host;
use self::kernel::Kernel;
use self::process::Processes;
use crate::promql;

mod host;
mod kernel;
mod process;

/// A query waits no shorter, however often it is asked, and no longer, however rarely.
const QUERY_WITHIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Finds the processes that a [`Finder`] describes, by number.
pub type Look = Box<dyn Fn(&Finder) -> Vec<u32> + Send>;

/// Figures by name.
pub type Figures = BTreeMap<String, f64>;

/// Reads one watch.
pub struct Watcher {
    source: Source,
    kernel: Kernel,
    notes: Notes,
}

enum Source {
    Process { find: Finder, look: Look, processes: Processes },
    Host(Host),
    Promql { url: String, query: String, within: Duration },
}

impl Watcher {
    /// Reads nothing yet.
    pub fn new(watch: &Watch, look: Look) -> Self {
        let source = match &watch.source {
            WatchSource::Process(find) => {
                Source::Process { find: find.clone(), look, processes: Processes::default() }
            }
            WatchSource::Host => Source::Host(Host::default()),
            WatchSource::Promql { url, query } => Source::Promql {
                url: url.clone(),
                query: query.clone(),
                within: watch.every.clamp(QUERY_WITHIN.0, QUERY_WITHIN.1),
            },
        };
        Self { source, kernel: Kernel::of_this_host(), notes: Notes::default() }
    }

    /// Reads it once, at this moment; each moment must be later than the one before.
    ///
    /// # Errors
    /// When there is nothing to read: no such process, no answer, no single number.
    pub async fn read(&mut self, now: Moment) -> Result<Figures, String> {
        match &mut self.source {
            Source::Process { find, look, processes } => {
                processes.read(&self.kernel, now, &look(find), &mut self.notes)
            }
            Source::Host(host) => host.read(&self.kernel),
            Source::Promql { url, query, within } => {
                let value = promql::ask(url, query, *within, crate::dial).await?;
                Ok(Figures::from([("value".to_owned(), value)]))
            }
        }
    }

    /// What is left out of the figures, and why: each once.
    pub fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes.unsaid)
    }
}

/// What is to be said once.
#[derive(Debug, Default)]
struct Notes {
    unsaid: Vec<String>,
    said: Vec<&'static str>,
}

impl Notes {
    fn add(&mut self, what: &'static str, why: &str) {
        if !self.said.contains(&what) {
            self.said.push(what);
            self.unsaid.push(format!("{what} is left out: {why}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn watcher(source: WatchSource, look: Look) -> Watcher {
        let every = Duration::from_secs(1);
        Watcher::new(&Watch { name: "it".to_owned(), source, every, limits: Vec::new() }, look)
    }

    /// A shell that says when it is there, works, and says by its own account how much processor time that
    /// took.
    const WORKER: &str =
        "echo here; read go; i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; times; read stop";

    /// Minutes and seconds as `times` writes them.
    fn seconds(text: &str) -> f64 {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    }

    #[tokio::test]
    async fn a_process_that_works_has_used_what_it_says_itself() {
        let mut child = Command::new("sh")
            .args(["-c", WORKER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(said.next().unwrap().unwrap(), "here");
        let mut watcher =
            watcher(WatchSource::Process(Finder::Pid(pid)), Box::new(move |_| vec![pid]));
        let first = watcher.read(at(10)).await.unwrap();
        assert!(first["memory_bytes"] > 100_000.0 && first["open_files"] >= 3.0, "{first:?}");
        assert!((first["threads"] - 1.0).abs() < f64::EPSILON && !first.contains_key("cpu_cores"));

        let mut input = child.stdin.take().unwrap();
        writeln!(input, "go").unwrap();
        let said = said.next().unwrap().unwrap();
        // Ten seconds for the watcher, whatever they were for the process.
        let second = watcher.read(at(20)).await.unwrap();
        let own: f64 = said.split_whitespace().map(seconds).sum();
        let used = second["cpu_cores"] * 10.0;
        assert!(own > 0.05, "the process did not work: {said}");
        // The kernel counts hundredths for us, and rounds user and system time apart.
        assert!((used - own).abs() <= 0.04, "{used} for {own}");

        drop(input);
        child.wait().unwrap();
        let gone = watcher.read(at(30)).await.unwrap_err();
        assert_eq!(gone, "no such process");
        assert_eq!(watcher.notes(), [""; 0]);
    }

    #[tokio::test]
    async fn a_watcher_can_be_read_in_a_task_of_its_own() {
        let mut watcher =
            watcher(WatchSource::Process(Finder::Pid(1)), Box::new(|_| vec![std::process::id()]));
        let figures = tokio::spawn(async move { watcher.read(at(1)).await }).await.unwrap();
        assert!(figures.unwrap()["threads"] >= 1.0);
    }

    #[tokio::test]
    async fn this_host_has_its_figures() {
        let mut watcher = watcher(WatchSource::Host, Box::new(|_| Vec::new()));
        let first = watcher.read(at(1)).await.unwrap();
        assert!(first["memory_ratio"] > 0.0 && first["memory_ratio"] < 1.0, "{first:?}");
        assert!(first["load1"] >= 0.0 && !first.contains_key("cpu_ratio"), "{first:?}");
        // The processor's time is counted in hundredths of a second: one of them passes soon.
        for _ in 0..1_000_000 {
            if let Some(ratio) = watcher.read(at(2)).await.unwrap().get("cpu_ratio") {
                assert!((0.0..=1.0).contains(ratio), "{ratio}");
                return;
            }
        }
        panic!("the processors have stopped");
    }

    #[test]
    fn what_is_left_out_is_said_once() {
        let mut notes = Notes::default();
        notes.add("open_files", "pid 7 is not ours to read");
        notes.add("open_files", "pid 8 is not ours to read");
        assert_eq!(notes.unsaid, ["open_files is left out: pid 7 is not ours to read"]);
    }
}
