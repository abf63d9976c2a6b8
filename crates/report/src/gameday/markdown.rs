//! The record as Markdown, in the shape in which game days are planned: people go on writing in it.

use std::fmt::Display;

use evenkeel_model::outcome::CheckResult;

use super::Record;
use crate::mark;
use crate::markdown::escape;

/// Writes a record.
pub fn render(record: &Record) -> String {
    let day = &record.game_day;
    let mut blocks = vec![format!("# GameDay: {}", escape(record.title()))];
    blocks.push(format!(
        "**{}: {}** · run {} · {}",
        escape(record.verdict.result.word()),
        escape(&record.verdict.headline),
        escape(&record.run.id),
        escape(&record.run.started)
    ));
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            blocks.push(format!("## {title}\n\n{}", lines.join("\n")));
        }
    };
    section("Objective", day.objective.iter().map(|it| escape(it)).collect());
    section("Participants", list(&day.participants));
    let confirmed = record.prerequisites.iter();
    let confirmed = confirmed.map(|it| format!("- [x] {} ({})", escape(&it.what), escape(&it.how)));
    section("Prerequisites", confirmed.collect());
    let steps = day.steps.iter().enumerate();
    let mut scenario: Vec<_> = steps.map(|(n, it)| format!("{}. {}", n + 1, escape(it))).collect();
    if !scenario.is_empty() {
        scenario.push(String::new());
    }
    let (kind, name) = day.runs.document();
    scenario.push(format!("Run: {kind} {}", escape(name)));
    section("Scenario", scenario);
    let figures = record.figures.iter().map(|it| {
        let tick = if it.result == CheckResult::Pass { "x" } else { " " };
        let limit = escape(&format!("{} {}", it.name, it.limit));
        format!("- [{tick}] {limit}: {}, measured {}", mark::word(it.result), escape(&it.measured))
    });
    let judged = day.success.iter().map(|it| format!("- [ ] {} (people judge)", escape(it)));
    section("Success Criteria", figures.chain(judged).collect());
    section("Planned", list(&day.timeline));
    let zone = escape(&day.time_zone);
    let happened = record.happened.iter().map(|it| format!("- {} - {}", it.at, escape(&it.what)));
    section(&format!("Timeline ({zone})"), happened.collect());
    section("Observations", list(&record.observations));
    section("Learnings", vec!["[What was learned, and what is done about it]".to_owned()]);
    blocks.join("\n\n") + "\n"
}

fn list(items: &[impl Display]) -> Vec<String> {
    items.iter().map(|it| format!("- {}", escape(&it.to_string()))).collect()
}
