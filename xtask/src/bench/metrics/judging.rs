//! Judging: what a round of objectives costs, against Prometheus with the rules of Sloth.
//!
//! A service has a counter with a sample each minute for thirty days, and an objective with four burn alerts. Ours judges
//! them all by `slo status` on the folder of the server that keeps the samples; Prometheus evaluates the seventeen rules that
//! Sloth makes of each. There are a hundred objectives, not a thousand, for the sake of whoever waits: both costs are
//! those of each objective, times a thousand. What ours takes however many there are, such as to open the store, is counted
//! once; of Prometheus nothing is counted but what it takes beyond what it takes without rules. It has been given what the
//! rules would have written in the thirty days.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::engine::{Engine, Maker};
use super::fill::Fill;
use crate::bench::machine;
use crate::bench::round::Round;

/// For so many the costs are told.
const TOLD: f64 = 1_000.0;
/// How often Prometheus evaluates all rules meanwhile: what it costs is by the round, however often there is one.
const EVERY_SECONDS: u64 = 20;
/// So many rounds are measured.
const ROUNDS: u32 = 2;
/// What Sloth makes of an objective.
const RULES: usize = 17;
/// Ours is so quick that it is done again, for a figure.
const TIMES: u32 = 5;

/// Measures one round. `program` is ours, which also says the rules of Sloth.
pub(super) fn measure(
    fill: &Fill,
    engines: &mut [Engine],
    program: &Path,
    core: &str,
) -> Result<Round> {
    let mut round = Round::default();
    for engine in engines {
        match engine.maker() {
            Maker::Ours => ours(fill, engine, program, core, &mut round)?,
            Maker::Prometheus => prometheus(fill, engine, program, &mut round)?,
            Maker::Victoria => {}
        }
    }
    Ok(round)
}

/// The objectives, as documents.
fn documents(fill: &Fill) -> String {
    let one = |service: usize| {
        format!(
            "apiVersion: evenkeel.dev/v1\nkind: SLO\nmetadata: {{name: {name}}}\nspec:\n  service: {name}\n  \
             sli: {{availability: {{bad: 'http_requests_total{{service=\"{name}\",code=\"500\"}}', total: \
             'http_requests_total{{service=\"{name}\"}}'}}}}\n  objective: 99.9%\n  window: 30d\n  \
             alerting: {{policy: sloth}}\n---\n",
            name = Fill::service(service)
        )
    };
    let policy = "apiVersion: evenkeel.dev/v1\nkind: AlertPolicy\nmetadata: {name: sloth}\nspec:\n  windows:\n  \
                  - {severity: page, factor: 14.4, long: 1h, short: 5m}\n  \
                  - {severity: page, factor: 6, long: 6h, short: 30m}\n  \
                  - {severity: ticket, factor: 3, long: 1d, short: 2h}\n  \
                  - {severity: ticket, factor: 1, long: 3d, short: 6h}\n";
    (0..fill.services()).map(one).chain([policy.to_owned()]).collect()
}

/// Runs ours in the folder of an engine. What it says goes to a file.
fn run(program: &Path, folder: &Path, core: &str, words: &[&str], into: &str) -> Result<()> {
    let file = fs::File::create(folder.join(into)).context("cannot write a file")?;
    let status = Command::new("taskset")
        .args(["-c", core])
        .arg(program)
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(file)
        .status()
        .context("cannot run taskset")?;
    // Whoever burns is judged as well as who does not.
    ensure!(matches!(status.code(), Some(0 | 1)), "{words:?} ended with {status}");
    Ok(())
}

fn ours(
    fill: &Fill,
    engine: &mut Engine,
    program: &Path,
    core: &str,
    round: &mut Round,
) -> Result<()> {
    let folder = engine.folder().to_owned();
    fs::write(folder.join("slos.yaml"), documents(fill)).context("cannot write a file")?;
    // At this moment, a little after the last sample, as rules are evaluated.
    let all = ["slo", "status", "slos.yaml", "--source", "data", "--output", "json"];
    let first = Fill::service(0);
    let one = [&all[..], &["--slo", &first]].concat();
    let cost = |words: &[&str]| -> Result<f64> {
        let before = machine::cpu_of_children()?;
        for _ in 0..TIMES {
            run(program, &folder, core, words, "status.json")?;
        }
        Ok((machine::cpu_of_children()? - before) / f64::from(TIMES))
    };
    let (of_one, of_all) = (cost(&one)?, cost(&all)?);
    let each = (of_all - of_one) / (fill.services() - 1) as f64;
    round.say("evenkeel_cpu_seconds", of_one + each * (TOLD - 1.0));
    let server = machine::peak_memory_of(engine.id()).context("its memory is not told")?;
    round.say("evenkeel_memory_bytes", server);
    Ok(())
}

fn prometheus(fill: &Fill, engine: &mut Engine, program: &Path, round: &mut Round) -> Result<()> {
    let folder = engine.folder().to_owned();
    let measured = Duration::from_secs(EVERY_SECONDS * u64::from(ROUNDS));
    let cost = |engine: &Engine| -> Result<f64> {
        let before = engine.cpu()?;
        thread::park_timeout(measured);
        Ok(engine.cpu()? - before)
    };
    let without = cost(engine)?;
    fs::write(folder.join("slos.yaml"), documents(fill)).context("cannot write a file")?;
    run(program, &folder, "0", &["slo", "rules", "slos.yaml", "--mode", "compat"], "rules.yml")?;
    let rules = fs::read_to_string(folder.join("rules.yml")).context("cannot read a file")?;
    let count = rules.lines().filter(|it| is_rule(it)).count();
    ensure!(count == RULES * fill.services(), "{count} rules of {} objectives", fill.services());
    let config =
        format!("global: {{evaluation_interval: {EVERY_SECONDS}s}}\nrule_files: [rules.yml]\n");
    fs::write(folder.join("prometheus.yml"), config).context("cannot write a file")?;
    let process = Pid::from_raw(engine.id().cast_signed()).context("a process without an id")?;
    kill_process(process, Signal::HUP).context("cannot have it read its rules")?;
    // To read the rules is not measured; the first round is, by and by.
    thread::park_timeout(Duration::from_secs(EVERY_SECONDS));
    let with = cost(engine)?;
    let told = engine.ask("/api/v1/rules")?;
    let is_well = told.matches(r#""health":"ok""#).count();
    ensure!(is_well == count, "of {count} rules Prometheus has evaluated {is_well}");
    let each = (with - without) / f64::from(ROUNDS) / fill.services() as f64;
    round.say("prometheus_cpu_seconds", each * TOLD);
    let memory = machine::peak_memory_of(engine.id()).context("its memory is not told")?;
    round.say("prometheus_memory_bytes", memory);
    Ok(())
}

fn is_rule(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("- record:") || line.starts_with("- alert:")
}
