//! Scripts: what is loaded, asked and expected, line by line.

use evenkeel_series::Labels;
use regex::Regex;

use super::sequence::{Item, series};
use crate::parse::{duration_ms, quoted};

/// A line that is none of the language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ScriptError {
    /// Which, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// What a script says to do.
#[derive(Debug)]
pub(super) enum Command {
    Clear,
    Load { step: i64, series: Vec<(Labels, Vec<Item>)>, custom_buckets: bool },
    Eval(Box<Eval>),
}

/// An evaluation and what is expected of it.
#[derive(Debug)]
pub(super) struct Eval {
    pub(super) line: usize,
    pub(super) query: String,
    /// The first and last moment; the same if it is one.
    pub(super) from: i64,
    pub(super) until: i64,
    /// Of a range.
    pub(super) step: Option<i64>,
    pub(super) expected: Expected,
}

/// What is expected.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) fails: Option<Said>,
    pub(super) ordered: bool,
    pub(super) warnings: Vec<Said>,
    pub(super) no_warnings: bool,
    pub(super) infos: Vec<Said>,
    pub(super) no_infos: bool,
    pub(super) scalar: Option<f64>,
    pub(super) text: Option<String>,
    pub(super) series: Vec<(Labels, Vec<Item>)>,
    /// Of a range vector: its first moment, its last, and its step.
    pub(super) range: Option<(i64, i64, i64)>,
}

/// What a message should say.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Anything,
    Just(String),
    Pattern(Regex),
}

impl Said {
    pub(super) fn is_met_by(&self, text: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Just(wanted) => wanted == text,
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

/// Reads a script.
pub(super) fn read(text: &str) -> Result<Vec<Command>, ScriptError> {
    let lines =
        text.lines().map(str::trim).map(|line| if line.starts_with('#') { "" } else { line });
    let mut lines = (1..).zip(lines).peekable();
    let mut commands = Vec::new();
    while let Some((line, first)) = lines.next() {
        if first.is_empty() {
            continue;
        }
        let mut block = Vec::new();
        let word = first.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if word != "clear" {
            while let Some(next) = lines.next_if(|(_, line)| !line.is_empty()) {
                block.push(next);
            }
        }
        let wrong = |what: String| ScriptError { line, what };
        commands.push(match &*word {
            "clear" => Command::Clear,
            "load" | "load_with_nhcb" => load(line, first, word == "load_with_nhcb", &block)?,
            _ if word.starts_with("eval") => {
                let mut eval =
                    head(first).ok_or_else(|| wrong(format!("no evaluation: {first}")))?;
                eval.line = line;
                for (line, text) in block {
                    eval.expect(text).map_err(|what| ScriptError { line, what })?;
                }
                Command::Eval(Box::new(eval))
            }
            _ => return Err(wrong(format!("no command: {word}"))),
        });
    }
    Ok(commands)
}

fn load(
    line: usize,
    first: &str,
    custom_buckets: bool,
    block: &[(usize, &str)],
) -> Result<Command, ScriptError> {
    let step = first.split_whitespace().nth(1).and_then(ms);
    let step = step.ok_or_else(|| ScriptError { line, what: format!("no step: {first}") })?;
    let mut all = Vec::new();
    for (line, text) in block {
        // Start timestamps: samples have none here.
        let is_start = text.split_whitespace().next().is_some_and(|it| it.ends_with("@st"));
        if !is_start {
            all.push(series(text).map_err(|what| ScriptError { line: *line, what })?);
        }
    }
    Ok(Command::Load { step, series: all, custom_buckets })
}

fn ms(text: &str) -> Option<i64> {
    i64::try_from(duration_ms(text)?).ok()
}

/// `eval instant at 5m …` or `eval range from 0 to 10m step 1m …`.
fn head(text: &str) -> Option<Eval> {
    let (word, rest) = text.split_once(char::is_whitespace)?;
    let (kind, rest) = rest.trim_start().split_once(char::is_whitespace)?;
    let mut rest = rest.trim_start();
    let mut take = |word: &str| -> Option<i64> {
        let after = rest.strip_prefix(word)?.trim_start();
        let (value, after) = after.split_once(char::is_whitespace)?;
        rest = after.trim_start();
        ms(value)
    };
    let (from, until, step) = match kind {
        "instant" => {
            let at = take("at")?;
            (at, at, None)
        }
        "range" => (take("from")?, take("to")?, Some(take("step")?)),
        _ => return None,
    };
    let mut expected = Expected::default();
    match word.strip_prefix("eval_") {
        Some("fail") => expected.fails = Some(Said::Anything),
        Some("warn") => expected.warnings.push(Said::Anything),
        Some("info") => expected.infos.push(Said::Anything),
        Some("ordered") => expected.ordered = true,
        _ => {}
    }
    Some(Eval { line: 0, query: rest.to_owned(), from, until, step, expected })
}

impl Eval {
    fn expect(&mut self, text: &str) -> Result<(), String> {
        let expected = &mut self.expected;
        if let Some(range) = text.strip_prefix("expect range vector") {
            let words: Vec<&str> = range.split_whitespace().collect();
            let ["from", from, "to", to, "step", step] = words.as_slice() else {
                return Err(format!("no range: {text}"));
            };
            let all = (ms(from), ms(to), ms(step));
            let (Some(from), Some(to), Some(step)) = all else {
                return Err(format!("no range: {text}"));
            };
            expected.range = Some((from, to, step));
            return Ok(());
        }
        if let Some(text) = text.strip_prefix("expect string ") {
            expected.text = Some(quoted(text.trim()).map_err(|problem| problem.to_string())?);
            return Ok(());
        }
        if let Some(what) = text.strip_prefix("expect ") {
            return expected.note(what.trim());
        }
        if let Some(message) = text.strip_prefix("expected_fail_message") {
            expected.fails = Some(Said::Just(message.trim().to_owned()));
            return Ok(());
        }
        if let Some(pattern) = text.strip_prefix("expected_fail_regexp") {
            expected.fails = Some(Said::Pattern(regex(pattern)?));
            return Ok(());
        }
        if let Some(value) = scalar(text) {
            expected.scalar = Some(value);
            return Ok(());
        }
        expected.series.push(series(text)?);
        Ok(())
    }
}

impl Expected {
    fn note(&mut self, what: &str) -> Result<(), String> {
        let (word, rest) = what.split_once(char::is_whitespace).unwrap_or((what, ""));
        let rest = rest.trim();
        let said = match rest.split_once(':') {
            Some(("msg", message)) => Said::Just(message.trim().to_owned()),
            Some(("regex", pattern)) => Said::Pattern(regex(pattern)?),
            _ => Said::Anything,
        };
        match word {
            "fail" => self.fails = Some(said),
            "ordered" => self.ordered = true,
            "warn" => self.warnings.push(said),
            "no_warn" => self.no_warnings = true,
            "info" => self.infos.push(said),
            "no_info" => self.no_infos = true,
            _ => return Err(format!("nothing that can be expected: {what}")),
        }
        Ok(())
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern.trim()).map_err(|error| error.to_string())
}

/// A number alone on its line.
fn scalar(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_word = ["inf", "infinity", "nan"].iter().any(|it| digits.eq_ignore_ascii_case(it));
    let is_number = digits.starts_with(|it: char| it.is_ascii_digit() || it == '.');
    let value = if is_word { digits.parse().ok() } else { crate::parse::number(digits) };
    value.filter(|_| is_word || is_number).map(|value: f64| sign * value)
}
