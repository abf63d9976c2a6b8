//! Two runs side by side: the same drill before and after, line for line.

use evenkeel_model::Outcome;
use evenkeel_model::outcome::{CheckResult, FaultFigures};

use super::{fitting, pad, plain};
use crate::reaction::{Reaction, reaction};
use crate::{figure, mark};

/// The least and the most that names of lines take.
const NAMES: [usize; 2] = [16, 38];
/// The most that a cell takes.
const CELL: usize = 29;

/// The score cards of two runs next to each other, at most `width` columns wide, from 60 to 100.
pub fn side_by_side(left: &Outcome, right: &Outcome, labels: (&str, &str), width: usize) -> String {
    let both = [left, right];
    let mut lines = vec![(String::new(), [labels.0, labels.1].map(str::to_owned))];
    let mut put = |name: &str, tell: &dyn Fn(&Outcome) -> String| {
        lines.push((name.to_owned(), both.map(tell)));
    };
    put("verdict", &|it| {
        let result = it.verdict.result;
        format!("{} {} (exit {})", mark::ending(result).sign(), result.word(), it.verdict.exit_code)
    });
    put("score", &|it| {
        let grade = it.score.grade.as_ref().map(|it| format!(", grade {it}")).unwrap_or_default();
        format!("{} of 100{grade}", figure::points(it.score.value))
    });
    for name in names(both, |it| it.score.parts.iter().map(|it| it.name.clone()).collect()) {
        put(&format!("  {name}"), &|it| {
            let part = it.score.parts.iter().find(|it| it.name == name);
            part.map_or_else(|| figure::NONE.to_owned(), |it| gauge(it.value))
        });
    }
    put("checks", &|it| {
        let count = |result| it.checks.iter().filter(|it| it.result == result).count();
        let unclear = match count(CheckResult::Inconclusive) {
            0 => String::new(),
            n => format!(", {n} unclear"),
        };
        if it.checks.is_empty() {
            return figure::NONE.to_owned();
        }
        format!("{} passed, {} failed{unclear}", count(CheckResult::Pass), count(CheckResult::Fail))
    });
    put("availability", &|it| figure::share_or_none(it.totals.availability_ratio));
    put("p50 / p99", &|it| {
        let time = figure::time_or_none;
        format!("{} / {}", time(it.totals.p50_seconds), time(it.totals.p99_seconds))
    });
    for name in names(both, |it| it.budgets.iter().map(|it| it.objective.clone()).collect()) {
        put(&format!("budget {name}"), &|it| {
            let found = it.budgets.iter().find(|it| it.objective == name);
            found.map_or_else(
                || figure::NONE.to_owned(),
                |it| match it.total {
                    0 => "no data".to_owned(),
                    _ => format!("{} spent", figure::share(it.spent_ratio)),
                },
            )
        });
    }
    for name in names(both, |it| it.faults.iter().map(|it| it.label.clone()).collect()) {
        put(&name, &|it| {
            let found = it.faults.iter().find(|it| it.label == name);
            found.map_or_else(|| figure::NONE.to_owned(), took)
        });
    }
    table(&lines, fitting(width))
}

/// Lines of a name and two cells, with a rule under the first.
fn table(lines: &[(String, [String; 2])], width: usize) -> String {
    let longest = lines.iter().flat_map(|(_, cells)| cells).map(|it| figure::columns(it)).max();
    let column = longest.unwrap_or(0).min((width - NAMES[0] - 4) / 2).min(CELL);
    let longest = lines.iter().map(|(name, _)| figure::columns(name)).max().unwrap_or(0);
    let name = longest.clamp(NAMES[0], NAMES[1].min(width - 4 - column * 2));
    let line = |(title, cells): &(String, [String; 2])| {
        let [left, right] = cells.each_ref().map(|it| pad(&plain(it), column));
        format!("{}  {left}  {right}", pad(&plain(title), name)).trim_end().to_owned() + "\n"
    };
    let mut written: Vec<String> = lines.iter().map(line).collect();
    written.insert(1, "─".repeat(name + 4 + column * 2) + "\n");
    written.concat()
}

/// A bar of ten blocks and the figure.
fn gauge(value: Option<f64>) -> String {
    let Some(value) = value.filter(|it| it.is_finite()) else {
        return "no data".to_owned();
    };
    let full = (value / 10.0).round().clamp(0.0, 10.0) as usize;
    format!("{}{} {value:.0}", "█".repeat(full), "░".repeat(10 - full))
}

/// How the service took a fault.
fn took(it: &FaultFigures) -> String {
    match reaction(it) {
        Reaction::NotBegun => "not begun".to_owned(),
        Reaction::NotObserved => "not observed".to_owned(),
        Reaction::NotRecovered => "not recovered".to_owned(),
        Reaction::Unharmed => "not noticed".to_owned(),
        Reaction::Recovered(time) => format!("recovered in {}", figure::span(time)),
    }
}

/// Names of both runs, each once, in the order of the first run.
fn names(both: [&Outcome; 2], of: impl Fn(&Outcome) -> Vec<String>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in both.into_iter().flat_map(of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
