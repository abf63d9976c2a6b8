//! Bench of the metric store: what it costs to take samples in, to keep them and to ask for them.
//!
//! Ours, Prometheus and VictoriaMetrics take turns on one core; who sends and asks is on another. All get the same remote
//! write: 10,000 counters, a sample every five minutes for thirty days, one sample of each series at a time, as a
//! Prometheus that scrapes would send them. What they cost is processor time, so that a neighbour matters little.
//!
//! ```text
//! case    what is measured, its figures and their bars
//! engine  ours and its peers, each with a folder of its own
//! fill    the samples, and how they are sent
//! http    requests and answers
//! ```

mod case;
mod engine;
mod fill;
mod http;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use self::case::{CASES, Case, Query};
use self::engine::{Engine, Maker};
use self::fill::Fill;
use super::figures::Row;
use super::machine::{self, Busy, Noise};
use super::options::Options;
use super::round::Round;
use super::running::now;
use super::{Folder, Found, built};
use crate::{packages, say};

/// How often a cheap query is asked, so that it can be measured: for so long, and no more often than this.
const ASKED_SECONDS: f64 = 1.0;
const ASKED_MAX: u32 = 2_000;

/// Names of all cases, for who has asked for one that is none.
pub(super) fn names() -> Vec<&'static str> {
    CASES.iter().map(|it| it.name).collect()
}

/// Runs the cases that were asked for.
pub(super) fn run(options: &Options) -> Result<Found> {
    let is_asked =
        |it: &&Case| options.cases.is_empty() || options.cases.iter().any(|name| name == it.name);
    let cases: Vec<&Case> = CASES.iter().filter(is_asked).collect();
    packages::install_missing(packages::FOR_BENCHES)?;
    let mut bench = Bench::new(options)?;
    let before = Busy::now()?;
    let rows = bench.measure(&cases)?;
    let noise = Noise::between(&before, &Busy::now()?);
    Ok(Found { bench: "metrics", rows, noise, versions: bench.versions, notes: bench.notes })
}

struct Bench<'a> {
    options: &'a Options,
    programs: Vec<(Maker, PathBuf)>,
    core: String,
    folder: Folder,
    fill: Fill,
    versions: Vec<(&'static str, String)>,
    notes: Vec<String>,
}

impl<'a> Bench<'a> {
    fn new(options: &'a Options) -> Result<Self> {
        let ours = match &options.program {
            Some(program) => fs::canonicalize(program).context("there is no such program")?,
            None => built::program("evenkeel", &["-p", "evenkeel"])?,
        };
        let cores = machine::cores()?;
        super::running::move_to(std::process::id(), &cores.generator)?;
        let mut bench = Self {
            options,
            programs: Vec::new(),
            core: cores.server,
            folder: Folder::new()?,
            fill: Fill::until_now(options.quick),
            versions: vec![("kernel", built::first_line_of("uname", "-r"))],
            notes: Vec::new(),
        };
        for maker in Maker::ALL {
            match maker.program(&ours) {
                Ok(program) => {
                    bench.versions.push((maker.name(), maker.version(&program)));
                    bench.programs.push((maker, program));
                }
                Err(error) => bench.note(&format!("{} cannot be had: {error:#}", maker.name()))?,
            }
        }
        Ok(bench)
    }

    /// What the reader of the figures has to know; said at once, and again at the end.
    fn note(&mut self, text: &str) -> Result<()> {
        say(&format!("warning: {text}"))?;
        self.notes.push(text.to_owned());
        Ok(())
    }

    fn measure(&mut self, cases: &[&Case]) -> Result<Vec<Row>> {
        let is_asked = |query: Option<&Query>| cases.iter().any(|it| it.query.as_ref() == query);
        let fills = if is_asked(None) { self.options.rounds } else { 1 };
        let mut engines = Vec::new();
        let mut taken_in = Vec::new();
        for number in 1..=fills {
            say(&format!("ingest: round {number} of {fills}"))?;
            // Those of the last round stay, to be asked.
            engines.clear();
            let mut round = Round::default();
            let programs = self.programs.clone();
            let turn = number % programs.len().max(1);
            for (maker, program) in programs.iter().cycle().skip(turn).take(programs.len()) {
                match self.filled(*maker, program, number, &mut round) {
                    Ok(engine) => engines.push(engine),
                    Err(error) => self.note(&format!("{}: {error:#}", maker.name()))?,
                }
            }
            taken_in.push(round);
        }
        let mut rows = Vec::new();
        for case in cases {
            let rounds = match &case.query {
                None => std::mem::take(&mut taken_in),
                Some(query) => self.asked(case, query, &mut engines)?,
            };
            rows.extend(case.rows(rounds));
        }
        Ok(rows)
    }

    /// An engine with all samples in it, and what that has cost.
    fn filled(
        &self,
        maker: Maker,
        program: &std::path::Path,
        number: usize,
        round: &mut Round,
    ) -> Result<Engine> {
        let folder = self.folder.0.join(format!("{}-{number}", maker.name()));
        fs::create_dir(&folder).context("cannot make a folder")?;
        let mut engine = Engine::start(maker, program, &self.core, folder)?;
        let (before, start) = (engine.cpu()?, now());
        self.fill.send(engine.address())?;
        let seconds = now() - start;
        engine.settle()?;
        let cpu = engine.cpu()? - before;
        let samples = self.fill.samples() as f64;
        let memory = machine::peak_memory_of(engine.id()).context("its memory is not told")?;
        let name = maker.name();
        round.say(&format!("{name}_samples_per_cpu_second"), samples / cpu);
        round.say(&format!("{name}_samples_per_second"), samples / seconds);
        round.say(&format!("{name}_memory_bytes"), memory);
        round.say(&format!("{name}_bytes_per_sample"), engine.disk()? / samples);
        Ok(engine)
    }

    /// What a query costs, round by round, and whether all say the same.
    fn asked(&mut self, case: &Case, query: &Query, engines: &mut [Engine]) -> Result<Vec<Round>> {
        let mut rounds = Vec::new();
        for number in 1..=self.options.rounds {
            say(&format!("{}: round {number} of {}", case.name, self.options.rounds))?;
            let mut round = Round::default();
            let mut answers = BTreeMap::new();
            for engine in engines.iter_mut() {
                let (name, path) = (engine.maker().name(), query.path(&self.fill));
                // Whatever is made ready at the first time is not what a query costs.
                match engine.ask(&path) {
                    Ok(answer) => drop(answers.insert(name, answer)),
                    Err(error) => {
                        self.note(&format!("{}: {name}: {error:#}", case.name))?;
                        continue;
                    }
                }
                let (before, start) = (engine.precise_cpu()?, now());
                let mut times = 0;
                while times == 0 || (now() - start < ASKED_SECONDS && times < ASKED_MAX) {
                    engine.ask(&path)?;
                    times += 1;
                }
                let cpu = (engine.precise_cpu()? - before) / f64::from(times);
                round.say(&format!("{name}_cpu_seconds"), cpu);
            }
            if let Some(apart) = case::apart(&answers) {
                round.say("apart_ratio", apart);
            }
            rounds.push(round);
        }
        Ok(rounds)
    }
}
