//! Comparison: two runs, figure by figure, as text and for programs.

use evenkeel_model::outcome::{Change, Changed, Comparison};
use serde::Serialize;

use crate::figure::{self, plain};
use crate::mark::Tone;

/// Which schema a comparison follows.
pub const SCHEMA: &str = "evenkeel.dev/comparison/v1";

#[derive(Serialize)]
struct Written<'a> {
    schema: &'static str,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

/// Writes a comparison for programs.
pub fn json(comparison: &Comparison) -> String {
    match serde_json::to_string_pretty(&Written { schema: SCHEMA, comparison }) {
        Ok(text) => text + "\n",
        Err(error) => unreachable!("a comparison has only text for keys: {error}"),
    }
}

/// Writes a comparison for a terminal: the verdict first, then a line for each figure.
pub fn text(comparison: &Comparison, color: bool) -> String {
    let paint = |tone: Tone, text: &str| match color {
        true => format!("{}{text}\u{1b}[0m", tone.ansi()),
        false => text.to_owned(),
    };
    let tone = match (comparison.severity, comparison.same_load) {
        (Some(_), _) => Tone::Bad,
        (None, false) => Tone::Doubt,
        (None, true) => Tone::Good,
    };
    let headline = plain(&comparison.headline);
    let mut lines = vec![paint(tone, &format!("{} {headline}", tone.sign()))];
    lines.push(format!("  {} → {}", plain(&comparison.before), plain(&comparison.after)));
    if !comparison.same_load {
        lines.push(
            "  The runs did not send the same load: what differs may come from that.".to_owned(),
        );
    }
    lines.push(String::new());
    let heads = ["figure", "before", "after", "change", "99.8% between"].map(str::to_owned);
    let rows: Vec<_> = comparison.changes.iter().map(cells).collect();
    let mut widths = heads.each_ref().map(|it| figure::columns(it));
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(figure::columns(cell));
        }
    }
    lines.push(format!("  {:8}  {}", "result", beside(&heads, &widths)).trim_end().to_owned());
    for (change, row) in comparison.changes.iter().zip(&rows) {
        let tone = tone_of(change.changed);
        let word = format!("{} {:8}", tone.sign(), change.changed.word());
        let severity = change.severity.map(|it| format!("  {}", it.word())).unwrap_or_default();
        lines.push(
            format!("{}  {}{severity}", paint(tone, &word), beside(row, &widths))
                .trim_end()
                .to_owned(),
        );
    }
    lines.join("\n") + "\n"
}

const fn tone_of(it: Changed) -> Tone {
    match it {
        Changed::Worse => Tone::Bad,
        Changed::Better => Tone::Good,
        Changed::Same => Tone::Plain,
        Changed::Unclear => Tone::Doubt,
    }
}

fn cells(it: &Change) -> [String; 5] {
    let percent = |ratio: f64| format!("{:+.0}%", ratio * 100.0).replace('-', "−");
    let interval =
        it.interval_ratio.map(|(low, high)| format!("{} and {}", percent(low), percent(high)));
    let none = || figure::NONE.to_owned();
    [
        plain(&it.figure),
        plain(&it.before),
        plain(&it.after),
        it.change_ratio.map_or_else(none, percent),
        interval.unwrap_or_else(none),
    ]
}

/// Cells beside each other: the first to the left, the others to the right.
fn beside(cells: &[String; 5], widths: &[usize; 5]) -> String {
    let mut line = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let filling = " ".repeat(width.saturating_sub(figure::columns(cell)));
        match index {
            0 => line.push_str(&format!("{cell}{filling}")),
            _ => line.push_str(&format!("  {filling}{cell}")),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::outcome::Severity;

    fn comparison() -> Comparison {
        let change = |figure: &str, changed, severity, ratio: Option<f64>| Change {
            figure: figure.to_owned(),
            before: "20ms".to_owned(),
            after: "26ms".to_owned(),
            before_value: Some(0.02),
            after_value: Some(0.026),
            change_ratio: ratio,
            interval_ratio: ratio.map(|it| (it - 0.04, it + 0.05)),
            allowed_ratio: 0.2,
            changed,
            severity,
        };
        Comparison {
            before: "checkout-1".to_owned(),
            after: "checkout-2\u{1b}[2J".to_owned(),
            same_load: true,
            headline: "Minor regression: 1 of 2 figures is worse".to_owned(),
            severity: Some(Severity::Minor),
            changes: vec![
                change("p95", Changed::Worse, Some(Severity::Minor), Some(0.3)),
                change("error rate", Changed::Unclear, None, None),
            ],
        }
    }

    #[test]
    fn a_comparison_is_a_verdict_and_a_line_for_each_figure() {
        insta::assert_snapshot!(text(&comparison(), false), @r"
        ✗ Minor regression: 1 of 2 figures is worse
          checkout-1 → checkout-2 [2J

          result    figure      before  after  change  99.8% between
        ✗ worse     p95           20ms   26ms    +30%  +26% and +35%  minor
        ? unclear   error rate    20ms   26ms       –              –
        ");
    }

    #[test]
    fn programs_read_it_back() {
        let text = json(&comparison());
        assert!(text.starts_with("{\n  \"schema\": \"evenkeel.dev/comparison/v1\""), "{text}");
        assert_eq!(serde_json::from_str::<Comparison>(&text).unwrap(), comparison());
    }
}
