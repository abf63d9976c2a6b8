//! `drill list|show|compare` and `report`: readers of past runs.

use std::path::{Path, PathBuf};

use evenkeel_drill::{Runs, judge};
use evenkeel_drill::{folder::JOURNAL, journal};
use evenkeel_model::Outcome;
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_report::{Format, render, text};
use serde_json::json;

use crate::args::{CompareArgs, ReportArgs, RunsArgs, ShowArgs};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Lists past runs, the newest first.
pub(crate) fn list(args: &RunsArgs, screen: &Screen) -> Result<Exit, Failure> {
    let runs = Runs::at(&args.dir);
    let folders = runs.list().map_err(|error| {
        Failure::could_not_run(format!("cannot list {}: {error}", args.dir.display()))
    })?;
    // A journal that cannot be read is a row like any other.
    let rows: Vec<_> = folders.iter().rev().map(|folder| (folder, read(folder, None))).collect();
    let value = |(folder, read): &(&PathBuf, Result<Outcome, Failure>)| match read {
        Ok(it) => json!({
            "run": it.run.id, "folder": folder.display().to_string(), "drill": it.plan.drill, "started": it.run.started,
            "verdict": it.verdict.result, "exit_code": it.verdict.exit_code, "score": it.score.value,
        }),
        Err(failure) => json!({
            "run": name_of(folder), "folder": folder.display().to_string(), "error": failure.message,
        }),
    };
    screen.show(&rows.iter().map(value).collect::<Vec<_>>(), || {
        if rows.is_empty() {
            return format!(
                "no runs in {}; `evenkeel drill run FILE` makes one",
                args.dir.display()
            );
        }
        let width =
            rows.iter().map(|(folder, _)| name_of(folder).chars().count()).max().unwrap_or(0);
        let row = |(folder, read): &(&PathBuf, Result<Outcome, Failure>)| match read {
            Ok(it) => {
                let score = it.score.value.map_or_else(|| "–".to_owned(), |it| format!("{it:.0}"));
                let word = it.verdict.result.word();
                format!("{:width$}  {word:13}  {score:>3}  {}", it.run.id, it.verdict.headline)
            }
            Err(failure) => format!(
                "{:width$}  {:13}  {:>3}  {}",
                name_of(folder),
                "unreadable",
                "–",
                failure.message
            ),
        };
        rows.iter().map(row).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Exit::OK)
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Shows the summary of a past run.
pub(crate) fn show(args: &ShowArgs, screen: &Screen) -> Result<Exit, Failure> {
    let (folder, outcome) = found(&args.run, &args.runs.dir, None)?;
    let next = format!("evenkeel report {} --as html > report.html", folder.display());
    screen.show(&outcome, || {
        text::summary(
            &outcome,
            &[folder.display().to_string()],
            &next,
            screen.width(),
            screen.color,
        )
    })?;
    Ok(Exit::OK)
}

/// Says what has become slower or faster between two loads, and whether it is more than chance; exit code 1 when
/// something has become worse.
pub(crate) fn compare_loads(args: &CompareArgs, screen: &Screen) -> Result<Exit, Failure> {
    let (_, before) = found(&args.baseline, &args.runs.dir, None)?;
    let (_, after) = found(&args.run, &args.runs.dir, None)?;
    let comparison = evenkeel_drill::compare(&before, &after);
    screen.show(&comparison, || evenkeel_report::comparison::text(&comparison, screen.color))?;
    Ok(if comparison.severity.is_some() { Exit::FAILED } else { Exit::OK })
}

/// Judges a past run beside another; exit code 1 when it is worse.
pub(crate) fn compare(args: &CompareArgs, screen: &Screen) -> Result<Exit, Failure> {
    let (_, baseline) = found(&args.baseline, &args.runs.dir, None)?;
    let (_, outcome) = found(&args.run, &args.runs.dir, Some(&baseline))?;
    let regressions: Vec<_> = outcome
        .checks
        .iter()
        .filter(|it| it.kind == evenkeel_model::outcome::CheckKind::Regression)
        .collect();
    screen.show(
        &json!({"baseline": baseline.run.id, "run": outcome.run.id, "checks": regressions}),
        || {
            let mut lines = vec![text::side_by_side(
                &baseline,
                &outcome,
                (&baseline.run.id, &outcome.run.id),
                screen.width(),
            )];
            lines.extend(regressions.iter().map(|it| {
                let word = match it.result {
                    evenkeel_model::outcome::CheckResult::Fail => "worse",
                    evenkeel_model::outcome::CheckResult::Inconclusive => "unclear",
                    _ => "ok",
                };
                format!(
                    "{word:8} {:38} {:>12} → {:>12}  {}",
                    it.name, it.baseline, it.measured, it.margin
                )
            }));
            lines.join("\n")
        },
    )?;
    let worse =
        regressions.iter().any(|it| it.result == evenkeel_model::outcome::CheckResult::Fail);
    Ok(if worse { Exit::FAILED } else { Exit::OK })
}

/// Renders a past run again from its journal, to the same report that it got then.
pub(crate) fn report(args: &ReportArgs, screen: &Screen) -> Result<Exit, Failure> {
    let format = match args.format.as_deref() {
        Some(name) => name
            .parse()
            .map_err(|it: evenkeel_report::UnknownFormat| Failure::usage(it.to_string()))?,
        None if screen.is_json() => Format::Json,
        None => Format::Text,
    };
    let (_, outcome) = found(&args.run, &args.runs.dir, None)?;
    screen.print(&render(&outcome, format))?;
    Ok(Exit::OK)
}

/// A run that is named; compared with `against` in place of the run it was compared with then.
fn found(name: &str, dir: &Path, against: Option<&Outcome>) -> Result<(PathBuf, Outcome), Failure> {
    let folder = Runs::at(dir).find(name).ok_or_else(|| {
        Failure::usage(format!("there is no run `{name}` in {}", dir.display()))
            .help("`evenkeel drill list` shows the runs; a folder or `last` will do as well")
    })?;
    let outcome = read(&folder, against)?;
    Ok((folder, outcome))
}

fn read(folder: &Path, against: Option<&Outcome>) -> Result<Outcome, Failure> {
    let run = journal::read(&folder.join(JOURNAL))
        .map_err(|error| Failure::could_not_run(in_one_line(&error)))?;
    judge(&run, against).map_err(|error| Failure::could_not_run(in_one_line(&error)))
}
