//! What a load gives to other tools: files at its end, metrics while it goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use evenkeel_drill::Run;
use evenkeel_metrics::{Asked, Export, Target};
use evenkeel_model::{Entry, Event, Plan};
use evenkeel_report::{csv, hdr};
use evenkeel_units::{Clock, SystemClock};

use crate::args::load::LoadRunArgs;
use crate::exit::Failure;
use crate::screen::Screen;

/// Metrics that are written while a load goes on.
pub(crate) struct Metrics {
    targets: Vec<Target>,
    export: Option<Export>,
}

/// Where the command line, or k6's variable in its place, asks for metrics; says what is not done as asked.
pub(crate) fn targets(args: &LoadRunArgs, screen: &Screen) -> Result<Vec<Target>, Failure> {
    let environment: BTreeMap<_, _> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let asked = Asked::of(&args.metrics, &environment)
        .map_err(|it| Failure::usage(it.problem).help(it.help))?;
    asked.warnings.iter().for_each(|it| screen.warn(it));
    Ok(asked.targets)
}

impl Metrics {
    pub(crate) const fn new(targets: Vec<Target>) -> Self {
        Self { targets, export: None }
    }

    /// Takes an event of the run.
    pub(crate) fn see(&mut self, entry: &Entry, plan: &Plan, screen: &Screen) {
        match &entry.event {
            Event::Started { run, .. } if !self.targets.is_empty() => {
                let run = evenkeel_metrics::Run {
                    id: run.id.clone(),
                    test: plan.drill.clone(),
                    routes: plan.routes(),
                    transactions: transactions(plan),
                    began: SystemClock::start().wall(),
                };
                match Export::open(std::mem::take(&mut self.targets), &run) {
                    Ok(export) => self.export = Some(export),
                    Err(error) => screen.warn(&format!("metrics are not written: {error}")),
                }
            }
            Event::Second { frame } => self.export.iter().for_each(|it| it.frame(frame)),
            _ => {}
        }
    }

    /// Waits until all is written, and says what was not.
    pub(crate) async fn finish(self, screen: &Screen) {
        let Some(export) = self.export else { return };
        for trouble in export.finish().await.iter().filter(|it| it.is_loss()) {
            let (target, lost, why) = (&trouble.target, trouble.lost_seconds, &trouble.why);
            screen.warn(&format!("{target} lacks {lost} s of metrics: {why}"));
        }
    }
}

fn transactions(plan: &Plan) -> Vec<String> {
    plan.load.iter().flat_map(|it| it.transactions.iter().cloned()).collect()
}

/// When the run began, on people's clocks.
fn began(run: &Run) -> SystemTime {
    let started = run.head.started.parse::<jiff::Timestamp>();
    started.map_or(SystemTime::UNIX_EPOCH, SystemTime::from)
}

/// Writes the files that the command line asks for; says which.
pub(crate) fn write_files(args: &LoadRunArgs, run: &Run) -> Result<Vec<String>, Failure> {
    let routes = run.plan.routes();
    let mut files = Vec::new();
    let mut write = |path: &Path, text: String| {
        std::fs::write(path, text).map_err(|error| {
            Failure::could_not_run(format!("cannot write {}: {error}", path.display()))
        })?;
        files.push(path.display().to_string());
        Ok::<_, Failure>(())
    };
    if let Some(path) = &args.csv {
        write(path, csv::render(&run.frames, &routes, &transactions(&run.plan)))?;
    }
    if let Some(path) = &args.hlog {
        write(path, hdr::render(&run.frames, &routes, began(run)))?;
    }
    run.frames.check().map_err(|it| Failure::could_not_run(it.to_string()))?;
    Ok(files)
}
