//! Plays every example of Sloth through the rules of Sloth and through ours, and says how often both are the same:
//! `cargo xtask oracle sloth`.
//!
//! Arguments: the folder of the examples; `--failures` lists what differs.

#[path = "../../tests/it/bursts.rs"]
mod bursts;
#[path = "../../tests/it/definition.rs"]
mod definition;
#[path = "../../tests/it/mutant.rs"]
mod mutant;
#[path = "../../tests/it/play.rs"]
mod play;
mod referee;
#[path = "../../tests/it/rulefile.rs"]
mod rulefile;
#[path = "../../tests/it/scenario.rs"]
mod scenario;
#[path = "../../tests/it/shop.rs"]
mod shop;
#[path = "../../tests/it/sloth.rs"]
mod sloth;
#[path = "../../tests/it/truth.rs"]
mod truth;

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use evenkeel_slo::burn::catalogue;

use self::scenario::{Scenario, clauses, month, quirks};
use self::sloth::Example;

/// What went well and what did not.
#[derive(Default)]
struct Tally {
    passed: usize,
    failures: Vec<String>,
}

impl Tally {
    fn take(&mut self, of: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(why) => self.failures.push(format!("{of}: {why}")),
        }
    }
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let list = arguments.iter().any(|it| it == "--failures");
    let mut to = io::stdout().lock();
    let Some(folder) = arguments.iter().find(|it| !it.starts_with("--")) else {
        writeln!(io::stderr(), "usage: sloth FOLDER [--failures]")?;
        return Ok(ExitCode::from(2));
    };
    let month_of_windows = Duration::from_hours(720);
    let mut scenarios = clauses(&catalogue::sloth(month_of_windows));
    scenarios.extend(quirks());
    scenarios.push(month());
    let mut tally = Tally::default();
    writeln!(
        to,
        "{:36} {:>9} {:>9} {:>8} {:>9}",
        "", "scenarios", "values", "mutants", "promtool"
    )?;
    let mut told = 0;
    for example in sloth::examples(Path::new(folder))? {
        let row = row(&example, &scenarios, &mut tally)?;
        writeln!(to, "{:36} {row}", example.name)?;
        let mut new = tally.failures.iter().skip(told).filter(|_| list);
        new.try_for_each(|it| writeln!(to, "    {it}"))?;
        told = tally.failures.len();
    }
    writeln!(to)?;
    exact(&mut to, &mut tally)?;
    tally
        .failures
        .iter()
        .skip(told)
        .filter(|_| list)
        .try_for_each(|it| writeln!(to, "    {it}"))?;
    writeln!(to, "{} passed, {} failed", tally.passed, tally.failures.len())?;
    Ok(ExitCode::from(u8::from(!tally.failures.is_empty())))
}

/// How one example goes.
fn row(example: &Example, scenarios: &[Scenario], tally: &mut Tally) -> Result<String> {
    let name = &example.name;
    tally.take(name, example.written().map_or(Ok(()), Err));
    let (mut same, mut values) = (0, 0);
    for scenario in scenarios {
        let played = example.played(scenario)?;
        values += played.as_ref().map_or(0, |it| it.records + it.firing.len());
        same += usize::from(played.is_ok());
        tally.take(name, played.map(drop));
    }
    // All rules are of one make: what is wrong in them is looked for where nothing but the rules has numbers in it.
    let (mutants, survivors) = match is_plain(example) {
        true => example.survivors(scenarios)?,
        false => (0, Vec::new()),
    };
    let found = mutants - survivors.len();
    tally.passed += found;
    tally.failures.extend(survivors.into_iter().map(|it| format!("{name}: not found: {it}")));
    let mut agreed = 0;
    let refereed = referee::scenarios();
    for scenario in &refereed {
        let outcome = referee::agrees(example, scenario)?;
        agreed += usize::from(outcome.is_ok());
        tally.take(name, outcome);
    }
    let of = |one: usize, all: usize| format!("{one}/{all}");
    let (same, found) = (of(same, scenarios.len()), of(found, mutants));
    Ok(format!("{same:>9} {values:>9} {found:>8} {:>9}", of(agreed, refereed.len())))
}

/// Whether its rules count events, and its queries have no numbers of their own.
fn is_plain(example: &Example) -> bool {
    let asked = example.asked();
    let odd = ["satisfaction", "numerator_correction", "vmrange"];
    !odd.iter().any(|it| asked.contains(it))
}

/// How exact rules go: as defined, and by the true number of events of a month.
fn exact(to: &mut impl io::Write, tally: &mut Tally) -> Result<()> {
    let subject = shop::subject(catalogue::workbook(Duration::from_hours(720)));
    let scenarios = bursts::all(&subject);
    let fared = definition::fare(&subject, &scenarios)?;
    let found = fared.mutants - fared.survivors.len();
    let rules = if fared.wrong.is_empty() { "as defined" } else { "not as defined" };
    let played = scenarios.len();
    writeln!(
        to,
        "exact rules in {played} scenarios: {rules}; mutants found: {found}/{}",
        fared.mutants
    )?;
    tally.passed += found + usize::from(fared.wrong.is_empty());
    tally.failures.extend(fared.wrong.into_iter().chain(fared.survivors));
    writeln!(
        to,
        "\n{:44} {:>9} {:>18} {:>18}",
        "error ratio of 30 days", "true", "exact", "Sloth"
    )?;
    for month in truth::months() {
        let found = truth::ratios(&month)?;
        writeln!(to, "{:44} {found}", month.name)?;
        tally.take(&month.name, found.judged());
    }
    writeln!(to)?;
    Ok(())
}
