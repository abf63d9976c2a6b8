//! Judging: what a round of objectives costs, against Prometheus with the rules of Sloth.
//!
//! A thousand services have two counters with a sample each minute for thirty days, and an objective with four burn alerts.
//! Ours judges them all at intervals, in the server that keeps the samples; Prometheus evaluates the seventeen rules that
//! Sloth makes of each. Nothing is counted but what a server takes beyond what it takes without objectives or rules. The first
//! round of ours, which asks for the whole window, is left out; Prometheus has been given what the rules would have written in
//! the thirty days, and the counters of the three days that the rules look back at them.

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
use crate::bench::running::now;

/// How often all rules are evaluated, and all objectives are judged.
const EVERY_SECONDS: u64 = 60;
/// So many rounds are measured.
const ROUNDS: u32 = 2;
/// What Sloth makes of an objective.
const RULES: usize = 17;
/// In which a server is looked at that judges nothing.
const IDLE: Duration = Duration::from_secs(30);
/// In which it is looked at while it does.
const MEASURED: Duration = Duration::from_secs(EVERY_SECONDS * ROUNDS as u64);
/// How often its memory is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Measures one round. `program` is ours, which also says the rules of Sloth.
pub(super) fn measure(
    fill: &Fill,
    engines: Vec<Engine>,
    program: &Path,
    core: &str,
) -> Result<Round> {
    let mut round = Round::default();
    for mut engine in engines {
        match engine.maker() {
            Maker::Ours => ours(fill, engine, program, core, &mut round)?,
            Maker::Prometheus => prometheus(fill, &mut engine, program, &mut round)?,
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

/// What an engine takes while it is looked at.
struct Taken {
    /// Processor time a second, in seconds.
    cpu: f64,
    /// Memory that is resident, on average, in bytes.
    memory: f64,
}

impl Taken {
    fn by(engine: &Engine, time: Duration) -> Result<Self> {
        let (before, start) = (engine.cpu()?, now());
        let (mut memory, mut looks) = (0.0, 0.0);
        while now() - start < time.as_secs_f64() {
            let resident = machine::memory_of_now(engine.id());
            memory += resident.context("its memory is not told")?;
            looks += 1.0;
            thread::park_timeout(LOOK);
        }
        Ok(Self { cpu: (engine.cpu()? - before) / (now() - start), memory: memory / looks })
    }

    /// What a round takes, as it is told.
    fn say(&self, maker: Maker, without: &Self, round: &mut Round) {
        let name = maker.name();
        let cpu = (self.cpu - without.cpu) * EVERY_SECONDS as f64;
        round.say(&format!("{name}_cpu_seconds"), cpu);
        round.say(&format!("{name}_memory_bytes"), self.memory);
    }
}

fn ours(fill: &Fill, engine: Engine, program: &Path, core: &str, round: &mut Round) -> Result<()> {
    let without = Taken::by(&engine, IDLE)?;
    let mut engine = engine.judging(program, core, &documents(fill), EVERY_SECONDS)?;
    // The first round asks for the whole window.
    while rounds_of(&mut engine)? < 1.0 {
        thread::park_timeout(LOOK);
    }
    let before = rounds_of(&mut engine)?;
    let with = Taken::by(&engine, MEASURED)?;
    let rounds = rounds_of(&mut engine)? - before;
    ensure!(rounds >= f64::from(ROUNDS) - 0.5, "{rounds} rounds in {MEASURED:?}");
    let told = engine.ask("/metrics")?;
    let judged = told.matches("\nerror_budget_remaining_percentage{").count();
    ensure!(judged == fill.services(), "of {} objectives {judged} are judged", fill.services());
    with.say(Maker::Ours, &without, round);
    Ok(())
}

/// How many rounds there have been.
fn rounds_of(engine: &mut Engine) -> Result<f64> {
    let text = engine.ask("/metrics")?;
    let said = text.lines().find_map(|it| it.strip_prefix("evenkeel_rounds_total "));
    said.and_then(|it| it.trim().parse().ok()).context("rounds are not told")
}

fn prometheus(fill: &Fill, engine: &mut Engine, program: &Path, round: &mut Round) -> Result<()> {
    let folder = engine.folder().to_owned();
    let without = Taken::by(engine, IDLE)?;
    fs::write(folder.join("slos.yaml"), documents(fill)).context("cannot write a file")?;
    let mut rules = Command::new(program);
    rules.args(["slo", "rules", "slos.yaml", "--mode", "compat"]).current_dir(&folder);
    let rules = rules.stdin(Stdio::null()).output().context("cannot write the rules of Sloth")?;
    ensure!(rules.status.success(), "the rules of Sloth: {}", rules.status);
    let rules = String::from_utf8(rules.stdout).context("rules that are no text")?;
    fs::write(folder.join("rules.yml"), &rules).context("cannot write a file")?;
    let count = rules.lines().filter(|it| is_rule(it)).count();
    ensure!(count == RULES * fill.services(), "{count} rules of {} objectives", fill.services());
    let config =
        format!("global: {{evaluation_interval: {EVERY_SECONDS}s}}\nrule_files: [rules.yml]\n");
    fs::write(folder.join("prometheus.yml"), config).context("cannot write a file")?;
    let process = Pid::from_raw(engine.id().cast_signed()).context("a process without an id")?;
    kill_process(process, Signal::HUP).context("cannot have it read its rules")?;
    // To read the rules is not measured; the first round is, by and by.
    thread::park_timeout(Duration::from_secs(EVERY_SECONDS));
    let with = Taken::by(engine, MEASURED)?;
    let told = engine.ask("/api/v1/rules")?;
    let is_well = told.matches(r#""health":"ok""#).count();
    ensure!(is_well == count, "of {count} rules Prometheus has evaluated {is_well}");
    with.say(Maker::Prometheus, &without, round);
    Ok(())
}

fn is_rule(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("- record:") || line.starts_with("- alert:")
}
