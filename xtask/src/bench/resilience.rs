//! Bench of the resilience patterns: what each costs around a call that costs next to nothing, in turns with its peers.
//!
//! The patterns of ours and of others are in one program, `benches/resilience`, built once with everything inlined that can be.
//! What decides are instructions, which cachegrind counts and which are the same in every run to within a percent, and
//! allocations. Nanoseconds are of this machine and of the quiet around it; where a bar is about them, it is the median of the
//! ratios within a round.
//!
//! ```text
//! case     what is measured, its figures and their bars
//! counted  instructions, by cachegrind
//! ```

mod case;
mod counted;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use self::case::{CASES, Case};
use super::figures::Row;
use super::machine::{self, Busy, Cores, Noise};
use super::options::Options;
use super::round::Round;
use super::{Found, built};
use crate::{packages, say};

/// More than elsewhere, as a round takes seconds.
pub(super) const ROUNDS: usize = 9;

/// The package, and its program.
const PACKAGE: &str = "benches/resilience";
const PROGRAM: &str = "evenkeel-bench-resilience";

/// Whose versions the reader of the figures has to know.
const PEERS: &[&str] =
    &["tower-resilience", "failsafe", "tower", "governor", "moka", "axum", "tokio"];

/// Names of all cases, for who has asked for one that is none.
pub(super) fn names() -> Vec<&'static str> {
    CASES.iter().map(|it| it.name).collect()
}

/// Runs the cases that were asked for.
pub(super) fn run(options: &Options) -> Result<Found> {
    let is_asked =
        |it: &&Case| options.cases.is_empty() || options.cases.iter().any(|name| name == it.name);
    packages::install_missing(packages::FOR_BENCHES)?;
    packages::install_missing(packages::VALGRIND)?;
    let bench = Bench::new()?;
    let before = Busy::now()?;
    let mut rows = Vec::new();
    for case in CASES.iter().filter(is_asked) {
        rows.extend(bench.rounds(case, options)?);
    }
    let noise = Noise::between(&before, &Busy::now()?);
    Ok(Found { bench: "resilience", rows, noise, versions: versions()?, notes: Vec::new() })
}

struct Bench {
    program: PathBuf,
    cores: Cores,
}

impl Bench {
    fn new() -> Result<Self> {
        let manifest = format!("{PACKAGE}/Cargo.toml");
        let target = crate::target().join("benches");
        let target = target.to_str().context("the target folder has an odd name")?;
        let arguments = ["--manifest-path", &manifest, "--target-dir", target];
        Ok(Self { program: built::program(PROGRAM, &arguments)?, cores: machine::cores()? })
    }

    /// Every round of a case.
    fn rounds(&self, case: &Case, options: &Options) -> Result<Vec<Row>> {
        let mut found = Vec::new();
        for number in 1..=options.rounds {
            say(&format!("{}: round {number} of {}", case.name, options.rounds))?;
            let mut round = Round::default();
            let mut subjects = case.subjects.to_vec();
            // Whoever comes second meets what the first has left in the caches.
            if number % 2 == 0 {
                subjects.reverse();
            }
            for subject in subjects {
                self.measure(case, subject, number == 1, &mut round)
                    .with_context(|| format!("{}: {subject}", case.name))?;
            }
            case.compare(&mut round);
            found.push(round);
        }
        Ok(case.rows(&found))
    }

    fn measure(&self, case: &Case, subject: &str, first: bool, round: &mut Round) -> Result<()> {
        let name = format!("{}/{subject}", case.of);
        // Counted once: they are the same again.
        if first && case.has(counted::KEY) {
            let instructions = counted::instructions(&self.program, &name)?;
            round.say(&case::key(subject, counted::KEY), instructions);
        }
        for (figure, value) in self.figures(&name, case.calls, case.threads)? {
            round.say(&case::key(subject, &figure), value);
        }
        Ok(())
    }

    /// What the program says of so many calls.
    fn figures(&self, name: &str, calls: u64, threads: usize) -> Result<BTreeMap<String, f64>> {
        let cores = match threads {
            1 => self.cores.generator.clone(),
            _ => format!("{},{}", self.cores.server, self.cores.generator),
        };
        let output = Command::new("taskset")
            .args(["-c", &cores])
            .arg(&self.program)
            .args([name, &calls.to_string(), &threads.to_string()])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run taskset")?;
        ensure!(output.status.success(), "it failed ({})", output.status);
        figures(&String::from_utf8_lossy(&output.stdout)).context("it said something else")
    }
}

/// One a line: a name and a number.
fn figures(said: &str) -> Option<BTreeMap<String, f64>> {
    let figure = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    said.lines().map(figure).collect()
}

fn versions() -> Result<Vec<(&'static str, String)>> {
    let lock = crate::root().join(PACKAGE).join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("cannot read {PACKAGE}"))?;
    let mut versions = vec![("evenkeel", env!("CARGO_PKG_VERSION").to_owned())];
    let of = |name| locked(&lock, name).unwrap_or("unknown").to_owned();
    versions.extend(PEERS.iter().map(|it| (*it, of(it))));
    versions.push(("rustc", built::first_line_of("rustc", "--version")));
    versions.push(("valgrind", built::first_line_of("valgrind", "--version")));
    versions.push(("kernel", built::first_line_of("uname", "-r")));
    Ok(versions)
}

/// The version of a package in a lock.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let head = format!("name = \"{name}\"\nversion = \"");
    lock.split_once(&head)?.1.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_says_is_read_line_by_line() {
        let found = figures("seconds_per_call 4.5e-8\nallocations_per_call 12\n").unwrap();
        assert_eq!(found["allocations_per_call"].to_string(), "12");
        assert!(figures("Segmentation fault\n").is_none());
    }

    #[test]
    fn the_version_of_a_peer_stands_in_the_lock() {
        let lock = "[[package]]\nname = \"tower\"\nversion = \"0.5.3\"\n\n[[package]]\nname = \"tower-layer\"\nversion = \"0.3.3\"\n";
        assert_eq!(locked(lock, "tower"), Some("0.5.3"));
        assert_eq!(locked(lock, "governor"), None);
    }

    #[test]
    fn every_peer_is_in_the_lock_and_every_subject_in_the_program() {
        let folder = crate::root().join(PACKAGE);
        let lock = fs::read_to_string(folder.join("Cargo.lock")).unwrap();
        for peer in PEERS {
            assert!(locked(&lock, peer).is_some(), "{peer}");
        }
        let mut text = String::new();
        for file in fs::read_dir(folder.join("src")).unwrap() {
            text.push_str(&fs::read_to_string(file.unwrap().path()).unwrap());
        }
        for case in CASES {
            for subject in case.subjects {
                let name = format!("(\"{}/{subject}\"", case.of);
                assert!(text.contains(&name), "{name}");
            }
        }
    }
}
