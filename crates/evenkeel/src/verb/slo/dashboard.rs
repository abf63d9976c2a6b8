//! `slo dashboard`: objectives on Grafana, from the series that their rules record.

use std::path::Path;

use evenkeel_slo::dashboard::dashboard;

use super::asked::{library, objectives};
use crate::args::slo::DashboardArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Writes a dashboard.
pub(crate) fn run(args: &DashboardArgs, screen: &Screen) -> Result<Exit, Failure> {
    let library = library(&args.files, screen)?;
    let subject = |it: &evenkeel_slo::Objective| {
        it.subject().map_err(|error| Failure::usage(error.to_string()))
    };
    let all = objectives(&library, &args.slo, screen)?;
    let subjects: Vec<_> = all.iter().map(subject).collect::<Result<_, _>>()?;
    let value = dashboard(&args.title, &subjects);
    let Some(file) = &args.out else {
        screen.show(&value, || format!("{value:#}"))?;
        return Ok(Exit::OK);
    };
    let refused = |error| unwritten(file, &error);
    std::fs::write(file, format!("{value:#}\n")).map_err(refused)?;
    screen.say(&format!("wrote {}", file.display()));
    Ok(Exit::OK)
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::could_not_run(format!("cannot write {}: {error}", path.display()))
}
