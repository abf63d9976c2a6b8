//! Bench of the metric store: what it costs to take samples in, to keep them and to ask for them.
//!
//! Ours, Prometheus and VictoriaMetrics take turns on one core; who sends and asks is on another. All get the same remote
//! write: 10,000 counters, a sample every five minutes for thirty days, one sample of each series at a time, as a
//! Prometheus that scrapes would send them. What they cost is processor time, so that a neighbour matters little.
//!
//! ```text
//! case     what is measured, its figures and their bars
//! engine   ours and its peers, each with a folder of its own
//! fill     the samples, and how they are sent
//! http     requests and answers
//! judging  a round of objectives, and the rules of Sloth
//! rules    what Prometheus pays for the rules of objectives
//! ```

mod case;
mod engine;
mod fill;
mod http;
mod judging;
mod rules;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use self::case::{CASES, Case, Query, What};
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
    CASES.iter().map(|it| it.name).chain([rules::NAME]).collect()
}

/// Runs the cases that were asked for.
pub(super) fn run(options: &Options) -> Result<Found> {
    let is_asked =
        |it: &&Case| options.cases.is_empty() || options.cases.iter().any(|name| name == it.name);
    let cases: Vec<&Case> = CASES.iter().filter(is_asked).collect();
    packages::install_missing(packages::FOR_BENCHES)?;
    let mut bench = Bench::new(options)?;
    let before = Busy::now()?;
    let mut rows = if cases.is_empty() { Vec::new() } else { bench.measure(&cases)? };
    if options.cases.is_empty() || options.cases.iter().any(|name| name == rules::NAME) {
        rows.extend(bench.rules()?);
    }
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
        let is_asked = |is_it: fn(&What) -> bool| cases.iter().any(|it| is_it(&it.what));
        let fills = match is_asked(|it| *it == What::Ingest) {
            true => self.options.rounds,
            false => usize::from(is_asked(|it| matches!(it, What::Query(_)))),
        };
        let mut engines = Vec::new();
        let mut taken_in = Vec::new();
        for number in 1..=fills {
            say(&format!("ingest: round {number} of {fills}"))?;
            // Those of the last round stay, to be asked.
            engines.clear();
            let mut round = Round::default();
            let fill = self.fill.clone();
            engines = self.all_filled("ingest", number, |_| Some(fill.clone()), &mut round)?;
            taken_in.push(round);
        }
        let mut rows = Vec::new();
        for case in cases {
            let rounds = match &case.what {
                What::Ingest => std::mem::take(&mut taken_in),
                What::Query(query) => self.asked(case, query, &mut engines)?,
                What::IngestAtOnce => self.each_round(case, |bench, number, round| {
                    let fill = bench.fill.at_once();
                    bench.all_filled(case.name, number, |_| Some(fill.clone()), round).map(drop)
                })?,
                What::Judging => self.each_round(case, |bench, number, round| {
                    let fill = Fill::of_objectives(bench.options.quick);
                    let mut taken_in = Round::default();
                    let of = |maker| match maker {
                        Maker::Ours => Some(fill.clone()),
                        Maker::Prometheus => Some(fill.recorded()),
                        Maker::Victoria => None,
                    };
                    let engines = bench.all_filled(case.name, number, of, &mut taken_in)?;
                    let ours = bench.programs.iter().find(|(maker, _)| *maker == Maker::Ours);
                    let (_, program) = ours.context("there is no program of ours")?;
                    *round = judging::measure(&fill, engines, program, &bench.core)?;
                    Ok(())
                })?,
            };
            rows.extend(case.rows(rounds));
        }
        Ok(rows)
    }

    /// What is measured in rounds by itself.
    fn each_round(
        &mut self,
        case: &Case,
        mut measure: impl FnMut(&mut Self, usize, &mut Round) -> Result<()>,
    ) -> Result<Vec<Round>> {
        let mut rounds = Vec::new();
        for number in 1..=self.options.rounds {
            say(&format!("{}: round {number} of {}", case.name, self.options.rounds))?;
            let mut round = Round::default();
            measure(self, number, &mut round)?;
            rounds.push(round);
        }
        Ok(rounds)
    }

    /// The engines with the samples that are for them, and what it has cost to take these in.
    fn all_filled(
        &mut self,
        case: &str,
        number: usize,
        fill: impl Fn(Maker) -> Option<Fill>,
        round: &mut Round,
    ) -> Result<Vec<Engine>> {
        let mut engines = Vec::new();
        let programs = self.programs.clone();
        let turn = number % programs.len().max(1);
        for (maker, program) in programs.iter().cycle().skip(turn).take(programs.len()) {
            let Some(fill) = fill(*maker) else { continue };
            let folder = self.folder.0.join(format!("{case}-{}-{number}", maker.name()));
            match self.filled(*maker, program, folder, &fill, round) {
                Ok(engine) => engines.push(engine),
                Err(error) => self.note(&format!("{}: {error:#}", maker.name()))?,
            }
        }
        Ok(engines)
    }

    /// What a Prometheus pays for rules.
    fn rules(&mut self) -> Result<Vec<Row>> {
        let program = |maker| self.programs.iter().find(|it| it.0 == maker).map(|it| it.1.clone());
        let (Some(ours), Some(prometheus)) = (program(Maker::Ours), program(Maker::Prometheus))
        else {
            self.note("rules: there is no Prometheus")?;
            return Ok(Vec::new());
        };
        rules::rows(&rules::Setting {
            ours: &ours,
            prometheus: &prometheus,
            core: &self.core,
            folder: &self.folder.0,
            rounds: self.options.rounds,
            quick: self.options.quick,
        })
    }

    /// An engine with all samples in it, and what that has cost.
    fn filled(
        &self,
        maker: Maker,
        program: &std::path::Path,
        folder: PathBuf,
        fill: &Fill,
        round: &mut Round,
    ) -> Result<Engine> {
        fs::create_dir(&folder).context("cannot make a folder")?;
        let mut engine = Engine::start(maker, program, &self.core, folder)?;
        let (before, start) = (engine.cpu()?, now());
        fill.send(engine.address())?;
        let seconds = now() - start;
        engine.settle()?;
        let cpu = engine.cpu()? - before;
        let samples = fill.samples() as f64;
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
