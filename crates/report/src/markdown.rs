//! Markdown: for the summary of a build, or a comment on a change.

use std::fmt::Write as _;

use evenkeel_model::Outcome;
use evenkeel_model::document::Release;
use evenkeel_model::outcome::{Check, CheckResult, FaultFigures};
use evenkeel_units::Moment;

use crate::reaction::{self, Reaction, reaction};
use crate::{bearing, figure, mark};

/// Checks shown openly; more are folded away.
const OPEN: usize = 12;

/// Writes an outcome.
pub fn render(outcome: &Outcome) -> String {
    let verdict = &outcome.verdict;
    let sign = match mark::ending(verdict.result) {
        mark::Tone::Good => "✅",
        mark::Tone::Bad => "❌",
        mark::Tone::Warn | mark::Tone::Doubt | mark::Tone::Plain => "⚠️",
    };
    let mut blocks =
        vec![format!("## {sign} {}: {}", escape(&outcome.plan.drill), verdict.result.word())];
    blocks.push(format!("**{}** · exit {}", escape(&verdict.headline), verdict.exit_code));
    if let Some(hypothesis) = &outcome.plan.hypothesis {
        blocks.push(format!("> {}", escape(hypothesis)));
    }
    if !verdict.cause.is_empty() {
        blocks.push(escape(&verdict.cause));
    }
    if !outcome.checks.is_empty() {
        blocks.push(checks(&outcome.checks));
    }
    let found = bearing::sentences(outcome);
    if !found.is_empty() {
        let line = |(name, it): &(&str, String)| format!("- **{name}** {}", escape(it));
        blocks.push(found.iter().map(line).collect::<Vec<_>>().join("\n"));
    }
    blocks.push(score(outcome));
    if !outcome.faults.is_empty() {
        blocks.push(faults(&outcome.faults));
    }
    blocks.push(format!(
        "<sub>run {} · {} · seed {} · Evenkeel {}</sub>",
        escape(&outcome.run.id),
        escape(&outcome.run.started),
        outcome.plan.seed,
        escape(&outcome.run.version),
    ));
    blocks.join("\n\n") + "\n"
}

fn checks(checks: &[Check]) -> String {
    let head =
        "| | Check | Limit | Measured | Baseline | Margin |\n|---|---|---:|---:|---:|---:|\n";
    let line = |it: &Check| {
        let phase = it.phase.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        let cells =
            [&format!("{}{phase}", it.name), &it.limit, &it.measured, &it.baseline, &it.margin];
        let cells: Vec<_> = cells.iter().map(|it| escape(it)).collect();
        let sign = mark::check(it.result).sign();
        format!("| {sign} {} | {} |\n", mark::word(it.result), cells.join(" | "))
    };
    let mut sorted: Vec<&Check> = checks.iter().collect();
    sorted.sort_by_key(|it| it.result);
    let judged = sorted.iter().filter(|it| it.result != CheckResult::Info).count();
    // What failed is never folded away.
    let wrong = sorted.iter().filter(|it| it.result < CheckResult::Pass).count();
    let (open, folded) = sorted.split_at(judged.min(OPEN).max(wrong));
    let mut text = head.to_owned() + &open.iter().map(|it| line(it)).collect::<String>();
    if !folded.is_empty() {
        let rest: String = folded.iter().map(|it| line(it)).collect();
        let written = write!(
            text,
            "\n<details><summary>{} more</summary>\n\n{head}{rest}\n</details>",
            folded.len()
        );
        debug_assert!(written.is_ok(), "a string takes everything");
    }
    text.trim_end().to_owned()
}

fn score(outcome: &Outcome) -> String {
    let score = &outcome.score;
    let Some(value) = score.value else {
        return "**Score** –: no part has data".to_owned();
    };
    let grade = score.grade.as_ref().map(|it| format!(" ({})", escape(it))).unwrap_or_default();
    let since =
        score.baseline.map(|it| format!(", {} since the baseline", figure::change(value - it)));
    let part =
        |name: &str, value: Option<f64>| format!("{} {}", escape(name), figure::points(value));
    let parts: Vec<_> = score.parts.iter().map(|it| part(&it.name, it.value)).collect();
    format!(
        "**Score** {} of 100{grade}{}: {}",
        figure::points(score.value),
        since.unwrap_or_default(),
        parts.join(" · ")
    )
}

fn faults(faults: &[FaultFigures]) -> String {
    let line = |it: &FaultFigures| {
        let when = figure::clock(it.from.map_or(f64::NAN, Moment::as_secs_f64));
        let (tone, word) = reaction::evidence(it);
        let detected = reaction::showed_after(it);
        let recovered = match reaction(it) {
            Reaction::NotBegun | Reaction::Unharmed => figure::NONE.to_owned(),
            Reaction::NotObserved => "not observed".to_owned(),
            Reaction::NotRecovered => "not recovered".to_owned(),
            Reaction::Recovered(time) => figure::span(time),
        };
        let shown = it.error.as_deref().unwrap_or_else(|| reaction::shown(it));
        let colon = if shown.is_empty() { "" } else { ": " };
        let evidence = format!("{} {word}{colon}{shown}", tone.sign());
        format!(
            "| {} | {when} | {} | {} | {detected} | {recovered} |\n",
            escape(&it.label),
            it.release.map_or(figure::NONE, Release::letter),
            escape(&evidence)
        )
    };
    let head = "| Fault | At | Release | Evidence | Detected after | Recovered after |\n|---|---:|---|---|---:|---:|\n";
    (head.to_owned() + &faults.iter().map(line).collect::<String>()).trim_end().to_owned()
}

/// Text that stays text: nothing in it is read as a table, as HTML, as a link, or as a mention.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' => safe.push_str("&#64;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '$' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let text = "a|b <img src=x> [x](javascript:y)\n*z* @all";
        let safe = "a\\|b &lt;img src=x&gt; \\[x\\](javascript:y) \\*z\\* &#64;all";
        assert_eq!(escape(text), safe);
    }
}
