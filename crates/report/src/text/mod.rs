//! The end of a run on a terminal: at most 40 lines, the verdict first.
//!
//! Whatever else has to make room, what failed is shown. Widths are counted in characters, and no
//! line is wider than 100 of them, so that a build log shows it as well as a terminal.

use evenkeel_model::Outcome;
use evenkeel_model::outcome::{Check, CheckResult, FaultFigures, Score};

use crate::figure;
use crate::mark::{self, Tone};

mod beside;

pub use beside::side_by_side;

/// The most lines of a summary.
pub const LINES: usize = 40;
/// The most characters of a line.
pub const WIDTH: usize = 100;
/// The most lines that the cause, the faults and the files take.
const CAUSE: usize = 4;
const FAULTS: usize = 6;
const FILES: usize = 6;

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const OFF: &str = "\u{1b}[0m";

/// The summary of a run: `files` were written, and `next` is the command to go on with; both may be
/// empty.
pub fn summary(outcome: &Outcome, files: &[String], next: &str, color: bool) -> String {
    let ink = Ink { color };
    let mut top = verdict(outcome, ink);
    let mut rest = score(&outcome.score, ink);
    rest.extend(faults(&outcome.faults, ink));
    rest.extend(written(files, next, ink));
    let room = LINES.saturating_sub(top.len() + rest.len());
    top.extend(checks(&outcome.checks, room, ink));
    top.extend(rest);
    top.truncate(LINES);
    top.join("\n") + "\n"
}

/// Paints when it may.
#[derive(Copy, Clone)]
struct Ink {
    color: bool,
}

impl Ink {
    fn paint(self, style: &str, text: &str) -> String {
        if self.color { format!("{style}{text}{OFF}") } else { text.to_owned() }
    }

    fn heading(self, text: &str) -> String {
        self.paint(BOLD, text)
    }
}

fn verdict(outcome: &Outcome, ink: Ink) -> Vec<String> {
    let verdict = &outcome.verdict;
    let tone = mark::ending(verdict.result);
    let word = format!("{} {}", tone.sign(), verdict.result.word().to_uppercase());
    let exit = format!("(exit {})", verdict.exit_code);
    let room = WIDTH.saturating_sub(word.chars().count() + exit.len() + 3);
    let headline = figure::cut(&plain(&verdict.headline), room);
    let mut lines = vec![format!(
        "{}  {} {}",
        ink.paint(&format!("{BOLD}{}", tone.ansi()), &word),
        ink.heading(&headline),
        ink.paint(DIM, &exit)
    )];
    lines.extend(
        wrapped(&plain(&verdict.cause), WIDTH - 2, CAUSE).iter().map(|it| format!("  {it}")),
    );
    lines
}

fn checks(checks: &[Check], room: usize, ink: Ink) -> Vec<String> {
    // A blank line, the heading, and the line that counts the rest.
    let Some(most) = room.checked_sub(3).filter(|it| *it > 0 && !checks.is_empty()) else {
        return Vec::new();
    };
    let mut judged: Vec<&Check> =
        checks.iter().filter(|it| it.result != CheckResult::Info).collect();
    judged.sort_by_key(|it| it.result);
    let (shown, hidden) = judged.split_at(judged.len().min(most));
    let widths = widths(shown);
    let heads = ["check", "limit", "measured", "baseline", "margin"].map(str::to_owned);
    let mut lines = vec![String::new(), ink.paint(DIM, &row("  result  ", &heads, &widths))];
    for it in shown {
        let tone = mark::check(it.result);
        let result = format!("{} {:<8}", tone.sign(), mark::word(it.result));
        lines.push(ink.paint(tone.ansi(), &result) + &row("", &cells(it), &widths));
    }
    if !hidden.is_empty() {
        lines.push(ink.paint(DIM, &format!("  and {}", tally(hidden))));
    }
    lines
}

/// Such as `3 more that failed, 12 that passed`.
fn tally(checks: &[&Check]) -> String {
    let kinds = [
        (CheckResult::Fail, "failed"),
        (CheckResult::Inconclusive, "unclear"),
        (CheckResult::Pass, "passed"),
    ];
    let count = |result| checks.iter().filter(|it| it.result == result).count();
    let each = kinds.into_iter().map(|(result, word)| (count(result), word));
    let each: Vec<_> =
        each.filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} more {word}")).collect();
    each.join(", ")
}

fn cells(check: &Check) -> [String; 5] {
    let phase = check.phase.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
    let name = format!("{}{phase}", check.name);
    [&name, &check.limit, &check.measured, &check.baseline, &check.margin].map(|it| plain(it))
}

/// Widths of the columns: as wide as they need, and the name takes what is left.
fn widths(checks: &[&Check]) -> [usize; 5] {
    let mut widths = [5, 5, 8, 8, 6];
    for cells in checks.iter().map(|it| cells(it)) {
        for (width, cell) in widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for width in &mut widths[1..] {
        *width = (*width).min(16);
    }
    let figures: usize = widths[1..].iter().map(|it| it + 2).sum();
    widths[0] = widths[0].min(WIDTH - 11 - figures);
    widths
}

/// A line of a table: the first column to the left, the others to the right.
fn row(lead: &str, cells: &[String; 5], widths: &[usize; 5]) -> String {
    let mut line = lead.to_owned() + &pad(&cells[0], widths[0]);
    for (cell, width) in cells[1..].iter().zip(&widths[1..]) {
        let cell = figure::cut(cell, *width);
        line.push_str(&" ".repeat(width + 2 - cell.chars().count()));
        line.push_str(&cell);
    }
    line.trim_end().to_owned()
}

fn score(score: &Score, ink: Ink) -> Vec<String> {
    let Some(value) = score.value else {
        return vec![String::new(), format!("{}  – (no part has data)", ink.heading("Score"))];
    };
    let grade = score.grade.as_ref().map(|it| format!("  grade {it}")).unwrap_or_default();
    let since =
        score.baseline.map(|it| format!("  {} since the baseline", figure::change(value - it)));
    let part = |it: &evenkeel_model::outcome::ScorePart| {
        format!("{} {} (×{})", it.name, figure::points(it.value), figure::decimal(it.weight))
    };
    let parts = score.parts.iter().map(part).collect::<Vec<_>>().join(" · ");
    vec![
        String::new(),
        format!(
            "{}  {} of 100{grade}{}",
            ink.heading("Score"),
            figure::points(score.value),
            since.unwrap_or_default()
        ),
        ink.paint(DIM, &format!("  {}", figure::cut(&parts, WIDTH - 2))),
    ]
}

fn faults(faults: &[FaultFigures], ink: Ink) -> Vec<String> {
    if faults.is_empty() {
        return Vec::new();
    }
    let shown = if faults.len() > FAULTS { FAULTS - 1 } else { faults.len() };
    let label = faults.iter().take(shown).map(|it| it.label.chars().count()).max().unwrap_or(0);
    let label = label.clamp(5, 36);
    let heads =
        format!("  fault  {}      at  showed after  recovered  evidence", " ".repeat(label - 5));
    let mut lines = vec![String::new(), ink.paint(DIM, &heads)];
    lines.extend(faults.iter().take(shown).map(|it| fault(it, label, ink)));
    if shown < faults.len() {
        lines.push(ink.paint(DIM, &format!("  and {} more", faults.len() - shown)));
    }
    lines
}

fn fault(it: &FaultFigures, label: usize, ink: Ink) -> String {
    let (tone, sign) = match (&it.error, it.evidence.acted) {
        (Some(_), _) => (Tone::Bad, "✗"),
        (None, true) => (Tone::Good, "✓"),
        (None, false) => (Tone::Doubt, "?"),
    };
    let when = it.from.map_or_else(|| "never".to_owned(), |it| figure::clock(it.as_secs_f64()));
    let showed = it.detected_after.map_or_else(|| "never".to_owned(), figure::span);
    let recovered = match (it.from, it.detected_after, it.recovered_after) {
        (Some(_), _, None) => "not yet".to_owned(),
        (Some(_), Some(_), Some(time)) => figure::span(time),
        _ => figure::NONE.to_owned(),
    };
    let evidence = it.error.as_ref().unwrap_or(&it.evidence.summary);
    let evidence = if evidence.is_empty() { "nothing shows that it acted" } else { evidence };
    let lead =
        format!("{}  {when:>6}  {showed:>12}  {recovered:>9}  ", pad(&plain(&it.label), label));
    let evidence = figure::cut(&plain(evidence), WIDTH - 4 - lead.chars().count());
    format!("  {} {lead}{}", ink.paint(tone.ansi(), sign), ink.paint(DIM, &evidence))
}

fn written(files: &[String], next: &str, ink: Ink) -> Vec<String> {
    let mut lines = Vec::new();
    if !files.is_empty() {
        lines.extend([String::new(), ink.heading("Written")]);
        let shown = if files.len() > FILES { FILES - 1 } else { files.len() };
        // Paths and commands are never cut: people copy them.
        lines.extend(files.iter().take(shown).map(|it| format!("  {}", plain(it))));
        if shown < files.len() {
            lines.push(ink.paint(DIM, &format!("  and {} more", files.len() - shown)));
        }
    }
    if !next.is_empty() {
        lines.extend([String::new(), format!("{}  {}", ink.heading("Next"), plain(next))]);
    }
    lines
}

/// Text from elsewhere as one line that cannot command the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The text, cut or filled up to exactly so many characters.
fn pad(text: &str, width: usize) -> String {
    let text = figure::cut(text, width);
    let filling = width.saturating_sub(text.chars().count());
    text + &" ".repeat(filling)
}

/// A text behind its lead, in lines of 100 characters that stand below one another.
pub fn hanging(lead: &str, text: &str) -> String {
    let lead = plain(lead);
    let indent = lead.chars().count();
    let lines = wrapped(&plain(text), WIDTH.saturating_sub(indent).max(20), usize::MAX);
    lead + &lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// The text in lines of so many characters; the last one is cut when there is more.
fn wrapped(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|it| !it.is_empty()) {
        let long = |it: &String| it.chars().count() + 1 + word.chars().count() > width;
        match lines.last_mut() {
            Some(line) if !long(line) => line.push_str(&format!(" {word}")),
            _ => lines.push(figure::cut(word, width)),
        }
    }
    if lines.len() > most {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(figure::cut(&rest, width));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words_and_cut_at_the_end() {
        assert_eq!(wrapped("one two three", 7, 4), ["one two", "three"]);
        assert_eq!(wrapped("one two three four", 7, 2), ["one two", "three …"]);
        assert_eq!(wrapped("", 7, 2), [""; 0]);
    }

    #[test]
    fn a_long_text_hangs_below_its_own_beginning() {
        let text = hanging("fragile  ", &"word ".repeat(30));
        assert!(text.lines().all(|it| it.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.lines().nth(1).and_then(|it| it.find('w')), Some(9));
    }

    #[test]
    fn text_from_elsewhere_cannot_command_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\r\n"), "a [2Jb  ");
    }
}
