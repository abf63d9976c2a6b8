//! `slo dashboard`: objectives on Grafana, from the series that their rules record.

use evenkeel_slo::dashboard::dashboard;
use serde_json::json;

use super::asked::{library, objectives};
use super::write;
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
    write(file, &format!("{value:#}\n"))?;
    let file = file.display().to_string();
    screen.show(&json!({"file": file}), || format!("wrote {file}\n"))?;
    Ok(Exit::OK)
}
