//! The end of a run on a terminal: at most 40 lines, the verdict first.
//!
//! Whatever else has to make room, what failed is shown. Widths are counted in columns, and no line is
//! wider than the terminal it is for: columns of a table that do not fit are left out, the baseline
//! first. Only paths and commands are never cut, since people copy them.

use evenkeel_model::Outcome;
use evenkeel_model::outcome::{Check, CheckResult, FaultFigures, Score};
use evenkeel_units::Moment;

use crate::bearing;
use crate::figure::{self, plain};
use crate::mark;
use crate::reaction::{self, Reaction, reaction};

mod beside;
mod load;

pub use beside::side_by_side;
pub use load::load;

/// The most lines of a summary.
pub const LINES: usize = 40;
/// The most columns of a line, and those of a line that nobody's terminal limits.
pub const WIDTH: usize = 100;
/// The fewest columns that a line is laid out for.
pub const NARROW: usize = 60;
/// The most lines that the cause, at full width, the faults and the files take.
const CAUSE: usize = 4;
const FAULTS: usize = 6;
const FILES: usize = 6;
/// The most findings of a load test that are told.
const BORNE: usize = 4;
/// The most lines of the headline, and of the parts of the score.
const HEADLINE: usize = 2;
const PARTS: usize = 2;
/// The most lines that a figure of a check is folded into.
const FOLDS: usize = 4;
/// What the name of a check is given before columns are left out for it.
const NAME: usize = 28;

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const OFF: &str = "\u{1b}[0m";

/// The summary of a run in lines of at most `width` columns, from 60 to 100: `files` were written, and
/// `next` is the command to go on with; both may be empty.
pub fn summary(
    outcome: &Outcome,
    files: &[String],
    next: &str,
    width: usize,
    color: bool,
) -> String {
    let ink = Paper { width: fitting(width), color };
    let mut top = verdict(outcome, ink);
    let mut rest = borne(outcome, ink);
    rest.extend(score(&outcome.score, ink));
    rest.extend(faults(&outcome.faults, ink));
    rest.extend(written(files, next, ink));
    let room = LINES.saturating_sub(top.len() + rest.len());
    top.extend(checks(&outcome.checks, room, ink));
    top.extend(rest);
    top.truncate(LINES);
    top.join("\n") + "\n"
}

/// A width that can be laid out for.
fn fitting(width: usize) -> usize {
    width.clamp(NARROW, WIDTH)
}

/// What is written on: so many columns, and painted when it may.
#[derive(Copy, Clone)]
struct Paper {
    width: usize,
    color: bool,
}

impl Paper {
    fn paint(self, style: &str, text: &str) -> String {
        if self.color { format!("{style}{text}{OFF}") } else { text.to_owned() }
    }

    fn heading(self, text: &str) -> String {
        self.paint(BOLD, text)
    }
}

fn verdict(outcome: &Outcome, ink: Paper) -> Vec<String> {
    let verdict = &outcome.verdict;
    let tone = mark::ending(verdict.result);
    let word = format!("{} {}", tone.sign(), verdict.result.word().to_uppercase());
    let exit = format!("(exit {})", verdict.exit_code);
    let lead = figure::columns(&word) + 2;
    let headline = wrapped(&plain(&verdict.headline), ink.width - lead - exit.len() - 1, HEADLINE);
    let mut lines: Vec<String> =
        headline.iter().map(|it| " ".repeat(lead) + &ink.heading(it)).collect();
    if lines.is_empty() {
        lines.push(" ".repeat(lead));
    }
    let word = ink.paint(&format!("{BOLD}{}", tone.ansi()), &word);
    lines[0] = format!("{word}  {}", lines[0].trim_start());
    if let Some(last) = lines.last_mut() {
        last.push_str(&format!(" {}", ink.paint(DIM, &exit)));
    }
    let most = CAUSE * WIDTH / ink.width;
    let cause = wrapped(&plain(&verdict.cause), ink.width - 2, most);
    lines.extend(cause.iter().map(|it| format!("  {it}")));
    lines
}

fn checks(checks: &[Check], room: usize, ink: Paper) -> Vec<String> {
    // A blank line, the heading, and the line that counts the rest.
    let Some(most) = room.checked_sub(3).filter(|it| *it > 0 && !checks.is_empty()) else {
        return Vec::new();
    };
    let mut judged: Vec<&Check> =
        checks.iter().filter(|it| it.result != CheckResult::Info).collect();
    judged.sort_by_key(|it| it.result);
    // A check may take more than one line.
    let fitting =
        |n: usize| Some(n).zip(Some(table(&judged[..n], ink))).filter(|it| it.1.len() <= most + 2);
    let Some((shown, lines)) = (1..=judged.len().min(most)).rev().find_map(fitting) else {
        return Vec::new();
    };
    let (mut lines, hidden) = (lines, &judged[shown..]);
    if !hidden.is_empty() {
        lines.push(ink.paint(DIM, &format!("  and {}", tally(hidden))));
    }
    lines
}

/// A blank line, the heads, and the checks below them.
fn table(checks: &[&Check], ink: Paper) -> Vec<String> {
    let widths = widths(checks, ink.width);
    let heads = ["check", "limit", "measured", "baseline", "margin"].map(str::to_owned);
    let mut lines = vec![String::new(), ink.paint(DIM, &row("  result  ", &heads, &widths))];
    for it in checks {
        let tone = mark::check(it.result);
        let mut lead =
            ink.paint(tone.ansi(), &format!("{} {:<8}", tone.sign(), mark::word(it.result)));
        for cells in folded(cells(it), &widths) {
            lines.push(lead + &row("", &cells, &widths));
            lead = " ".repeat(10);
        }
    }
    lines
}

/// The lines of a row: what is too wide for its column goes on below, word by word; a name is cut.
fn folded(cells: [String; 5], widths: &[usize; 5]) -> Vec<[String; 5]> {
    let [name, figures @ ..] = cells;
    let mut lines = vec![[name, String::new(), String::new(), String::new(), String::new()]];
    for (column, cell) in (1..).zip(figures) {
        for (n, words) in wrapped(&cell, widths[column], FOLDS).into_iter().enumerate() {
            if n == lines.len() {
                lines.push(Default::default());
            }
            lines[n][column] = words;
        }
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

/// Widths of the columns: as wide as they need, and the name takes what is left. Columns that say nothing, or leave
/// no room for it, become nothing: what it was before, then how far it was from the limit.
fn widths(checks: &[&Check], width: usize) -> [usize; 5] {
    let mut widths = [5, 5, 8, 8, 6];
    for cells in checks.iter().map(|it| cells(it)) {
        for (width, cell) in widths.iter_mut().zip(&cells) {
            *width = (*width).max(figure::columns(cell));
        }
    }
    let needed = widths;
    let cell = if width < 80 { 12 } else { 16 };
    for width in &mut widths[1..] {
        *width = (*width).min(cell);
    }
    for column in [3, 4] {
        if checks.iter().all(|it| cells(it)[column].is_empty()) {
            widths[column] = 0;
        }
    }
    let wanted = widths[0].min(NAME);
    let left = |widths: &[usize; 5]| {
        let figures: usize = widths[1..].iter().filter(|it| **it > 0).map(|it| it + 2).sum();
        width - 10 - figures
    };
    for dropped in [3, 4] {
        if left(&widths) < wanted {
            widths[dropped] = 0;
        }
    }
    widths[0] = widths[0].min(left(&widths));
    // What is left over is for what would otherwise be folded.
    let mut spare = left(&widths) - widths[0];
    for column in [2, 1, 4, 3] {
        if widths[column] > 0 {
            let more = (needed[column] - widths[column]).min(spare);
            widths[column] += more;
            spare -= more;
        }
    }
    widths
}

/// A line of a table: the first column to the left, the others to the right.
fn row(lead: &str, cells: &[String; 5], widths: &[usize; 5]) -> String {
    let mut line = lead.to_owned() + &pad(&cells[0], widths[0]);
    for (cell, width) in cells[1..].iter().zip(&widths[1..]).filter(|(_, width)| **width > 0) {
        let cell = figure::cut(cell, *width);
        line.push_str(&" ".repeat(width + 2 - figure::columns(&cell)));
        line.push_str(&cell);
    }
    line.trim_end().to_owned()
}

/// What a load test found out beyond checks: a line or two for each.
fn borne(outcome: &Outcome, ink: Paper) -> Vec<String> {
    let sentences = bearing::sentences(outcome);
    let shown = sentences.iter().take(BORNE);
    let mut lines: Vec<String> = shown
        .flat_map(|(name, it)| {
            let lead = format!("{name:11}");
            let text = wrapped(&plain(it), ink.width - lead.len(), 2);
            let hang = " ".repeat(lead.len());
            let line = move |(n, it): (usize, String)| match n {
                0 => format!("{}{it}", ink.heading(&lead)),
                _ => format!("{hang}{it}"),
            };
            text.into_iter().enumerate().map(line).collect::<Vec<_>>()
        })
        .collect();
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

fn score(score: &Score, ink: Paper) -> Vec<String> {
    let Some(value) = score.value else {
        return vec![String::new(), format!("{}  – (no part has data)", ink.heading("Score"))];
    };
    let grade = score.grade.as_ref().map(|it| format!("  grade {it}")).unwrap_or_default();
    let since =
        score.baseline.map(|it| format!("  {} since the baseline", figure::change(value - it)));
    let part = |it: &evenkeel_model::outcome::ScorePart| {
        let text =
            format!("{} {} (×{})", it.name, figure::points(it.value), figure::decimal(it.weight));
        // Lines are broken between parts, not within one.
        plain(&text).replace(' ', "\u{a0}")
    };
    let parts = score.parts.iter().map(part).collect::<Vec<_>>().join("\u{a0}· ");
    let mut lines = vec![
        String::new(),
        format!(
            "{}  {} of 100{grade}{}",
            ink.heading("Score"),
            figure::points(score.value),
            since.unwrap_or_default()
        ),
    ];
    let parts = wrapped(&parts, ink.width - 2, PARTS);
    lines
        .extend(parts.iter().map(|it| ink.paint(DIM, &format!("  {}", it.replace('\u{a0}', " ")))));
    lines
}

fn faults(faults: &[FaultFigures], ink: Paper) -> Vec<String> {
    if faults.is_empty() {
        return Vec::new();
    }
    let shown = if faults.len() > FAULTS { FAULTS - 1 } else { faults.len() };
    let rows: Vec<_> = faults.iter().take(shown).map(|it| (it, cells_of(it))).collect();
    let label = rows.iter().map(|(it, _)| figure::columns(&it.label)).max().unwrap_or(0);
    let label = label.clamp(5, ink.width * 36 / 100);
    let heads = ["at", "showed", "recovered"].map(str::to_owned);
    let mut widths = heads.each_ref().map(String::len);
    for (_, cells) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(figure::columns(cell));
        }
    }
    let beside = |cells: &[String; 3]| -> String {
        cells.iter().zip(widths).map(|(cell, width)| format!("  {cell:>width$}")).collect()
    };
    // Too little of the evidence says less than its sign alone.
    let used = 4 + label + figure::columns(&beside(&heads)) + 2;
    let room = ink.width.checked_sub(used).filter(|it| *it >= 12);
    let evidence = if room.is_some() { "  evidence" } else { "" };
    let heads = format!("    {}{}{evidence}", pad("fault", label), beside(&heads));
    let mut lines = vec![String::new(), ink.paint(DIM, &heads)];
    for (it, cells) in &rows {
        let tone = reaction::evidence(it).0;
        let sign = ink.paint(tone.ansi(), &tone.sign().to_string());
        let mut line = format!("  {sign} {}{}", pad(&plain(&it.label), label), beside(cells));
        let shown = it.error.as_deref().unwrap_or_else(|| reaction::shown(it));
        if let Some(room) = room.filter(|_| !shown.is_empty()) {
            line.push_str(&format!("  {}", ink.paint(DIM, &figure::cut(&plain(shown), room))));
        }
        lines.push(line);
    }
    if shown < faults.len() {
        lines.push(ink.paint(DIM, &format!("  and {} more", faults.len() - shown)));
    }
    lines
}

/// When it began, when it showed, and when the service had recovered.
fn cells_of(it: &FaultFigures) -> [String; 3] {
    let recovered = match reaction(it) {
        Reaction::NotBegun => reaction::evidence(it).1.to_owned(),
        Reaction::NotObserved => "not observed".to_owned(),
        Reaction::NotRecovered => "not yet".to_owned(),
        Reaction::Unharmed => figure::NONE.to_owned(),
        Reaction::Recovered(time) => figure::span(time),
    };
    let when = figure::clock(it.from.map_or(f64::NAN, Moment::as_secs_f64));
    [when, reaction::showed_after(it), recovered]
}

fn written(files: &[String], next: &str, ink: Paper) -> Vec<String> {
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

/// The text, cut or filled up to exactly so many columns.
fn pad(text: &str, width: usize) -> String {
    let text = figure::cut(text, width);
    let filling = width.saturating_sub(figure::columns(&text));
    text + &" ".repeat(filling)
}

/// A text behind its lead, in lines of at most `width` columns, from 60 to 100, that stand below one
/// another.
pub fn hanging(lead: &str, text: &str, width: usize) -> String {
    let lead = plain(lead);
    let indent = figure::columns(&lead);
    let lines = wrapped(&plain(text), fitting(width).saturating_sub(indent).max(20), usize::MAX);
    lead + &lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// The text in lines of so many columns; the last one is cut when there is more.
fn wrapped(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|it| !it.is_empty()) {
        let long = |it: &String| figure::columns(it) + 1 + figure::columns(word) > width;
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
        let text = hanging("fragile  ", &"word ".repeat(30), 80);
        assert!(text.lines().all(|it| figure::columns(it) <= 80), "{text}");
        assert_eq!(text.lines().nth(1).and_then(|it| it.find('w')), Some(9));
    }

    #[test]
    fn text_from_elsewhere_cannot_command_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\r\n"), "a [2Jb  ");
    }
}
