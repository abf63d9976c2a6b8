//! The schedule of an open-model thread group: `rate(1/sec) random_arrivals(2 min) rate(5/sec) pause(10 s)`.

use std::time::Duration;

use evenkeel_model::document::{Shape, Stage};
use evenkeel_units::Rate;

/// How long a jump from one rate to another takes: stages are lines, and a line needs some time.
const JUMP: Duration = Duration::from_millis(1);

enum Word {
    Rate(f64),
    Arrivals(Duration),
    Pause(Duration),
}

/// Reads a schedule. The error is a reason.
pub(super) fn shape(text: &str) -> Result<Shape, String> {
    let words = words(text)?;
    let mut at = 0.0;
    let mut lines: Vec<(f64, f64, Duration)> = Vec::new();
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        match word {
            Word::Rate(rate) => at = *rate,
            Word::Arrivals(time) => {
                // The rate behind it is where the line ends.
                let to = if let Some(Word::Rate(to)) = rest.peek() { *to } else { at };
                lines.push((at, to, *time));
                at = to;
            }
            Word::Pause(time) => lines.push((0.0, 0.0, *time)),
        }
    }
    lines.retain(|(_, _, time)| !time.is_zero());
    let Some((start, ..)) = lines.first() else {
        return Err("it has no arrivals".to_owned());
    };
    let rate = |it: f64| Rate::per_second(it).ok_or_else(|| "a rate is not a number".to_owned());
    let start = *start;
    let mut now = start;
    let mut stages = Vec::new();
    for (from, to, duration) in lines {
        if (from - now).abs() > f64::EPSILON {
            stages.push(Stage { to: rate(from)?, duration: JUMP });
        }
        stages.push(Stage { to: rate(to)?, duration });
        now = to;
    }
    Ok(Shape::Stages { start: rate(start)?, stages })
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let text = without_comments(text);
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest
            .split_once('(')
            .ok_or_else(|| format!("`{}` has no `(`", crate::notes::cut(rest)))?;
        let (inside, after) = after.split_once(')').ok_or("a `(` is not closed")?;
        words.push(match name.trim() {
            "rate" => Word::Rate(rate(inside)?),
            "random_arrivals" | "even_arrivals" => Word::Arrivals(duration(inside)?),
            "pause" => Word::Pause(duration(inside)?),
            other => {
                return Err(format!("`{}` is not a word of a schedule", crate::notes::cut(other)));
            }
        });
        if words.len() > 1_000 {
            return Err("it has more than 1000 steps".to_owned());
        }
        rest = after.trim_start();
    }
    Ok(words)
}

fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        kept.push_str(before);
        kept.push(' ');
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept.lines().map(|it| it.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

/// `5/sec`, `5 per min`, `0`.
fn rate(text: &str) -> Result<f64, String> {
    let (number, unit) = number(text)?;
    let unit = unit.trim_start_matches('/').trim();
    let unit = unit.strip_prefix("per ").unwrap_or(unit).trim();
    match (number, unit) {
        (0.0, "") => Ok(0.0),
        (number, unit) => Ok(number / seconds(unit)?),
    }
}

/// `2 min`, `1m 30s`, `0`.
fn duration(text: &str) -> Result<Duration, String> {
    let mut sum = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (count, after) = number(rest)?;
        let end = after.find(|it: char| !it.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        sum += match (count, unit) {
            (0.0, "") => 0.0,
            (count, unit) => count * seconds(unit)?,
        };
        rest = after.trim_start();
    }
    let time = Duration::try_from_secs_f64(sum).ok().filter(|it| it.as_secs() < 31_536_000);
    time.ok_or_else(|| format!("`{}` is longer than a year", crate::notes::cut(text)))
}

fn number(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number: f64 =
        digits.parse().map_err(|_| format!("`{}` is not a number", crate::notes::cut(text)))?;
    Ok((number, rest.trim_start()))
}

fn seconds(unit: &str) -> Result<f64, String> {
    match unit.to_ascii_lowercase().as_str() {
        "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => Ok(1e-3),
        "s" | "sec" | "secs" | "second" | "seconds" => Ok(1.0),
        "m" | "min" | "mins" | "minute" | "minutes" => Ok(60.0),
        "h" | "hour" | "hours" => Ok(3_600.0),
        "d" | "day" | "days" => Ok(86_400.0),
        other => Err(format!("`{}` is not a unit of time", crate::notes::cut(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(text: &str) -> (f64, Vec<(f64, u128)>) {
        match shape(text) {
            Ok(Shape::Stages { start, stages }) => (
                start.get(),
                stages.iter().map(|it| (it.to.get(), it.duration.as_millis())).collect(),
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_rate_behind_arrivals_is_where_they_end() {
        assert_eq!(
            stages("rate(0) random_arrivals(1 min) rate(10/sec) /* flat */ even_arrivals(1m 30s)"),
            (0.0, vec![(10.0, 60_000), (10.0, 90_000)])
        );
    }

    #[test]
    fn the_rate_comes_back_after_a_pause() {
        assert_eq!(
            stages(
                "rate(120 per min) random_arrivals(5 s) pause(2 sec) // rest\n random_arrivals(5 s)"
            ),
            (2.0, vec![(2.0, 5_000), (0.0, 1), (0.0, 2_000), (2.0, 1), (2.0, 5_000)])
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_the_reason() {
        assert_eq!(shape("rate(1/sec)"), Err("it has no arrivals".to_owned()));
        assert_eq!(
            shape("rate(1/parsec) pause(1 s)"),
            Err("`parsec` is not a unit of time".to_owned())
        );
        assert_eq!(shape("${x}"), Err("`${x}` has no `(`".to_owned()));
    }
}
