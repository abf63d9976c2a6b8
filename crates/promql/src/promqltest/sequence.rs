//! Sequences: a series on one line, its samples one step apart: `up{job="shop"} 1 _x2 0+1x5 {{count:2}} stale`.

use std::sync::Arc;

use evenkeel_series::histogram::{Reset, Run};
use evenkeel_series::{Histogram, Labels, STALE};

/// A sample, or none.
#[derive(Clone, Debug)]
pub(super) enum Item {
    None,
    Float(f64),
    /// A histogram, and whether it says something about resets.
    Histogram(Arc<Histogram>, bool),
}

/// More than this in one series is a mistake.
const MOST: usize = 1_000_000;

pub(super) fn series(line: &str) -> Result<(Labels, Vec<Item>), String> {
    let end = end_of_labels(line);
    let (labels, values) = line.split_at(end);
    let labels = crate::parse::series(labels).map_err(|problem| problem.to_string())?;
    let mut items = Vec::new();
    let mut rest = values.trim_start();
    while !rest.is_empty() {
        rest = next(rest, &mut items)?.trim_start();
        if items.len() > MOST {
            return Err(format!("more than {MOST} samples"));
        }
    }
    Ok((labels, items))
}

/// Where the name and its labels end.
fn end_of_labels(line: &str) -> usize {
    let (mut quote, mut depth, mut escaped) = (None, 0_usize, false);
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some('"' | '\''), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') => depth = depth.saturating_sub(1),
            (None, ' ' | '\t') if depth == 0 => {
                // A name may stand apart from its labels.
                let rest = line.get(at..).unwrap_or_default().trim_start();
                if !(rest.starts_with('{')
                    && !rest.starts_with("{{")
                    && !line.get(..at).is_some_and(|it| it.contains('{')))
                {
                    return at;
                }
            }
            _ => {}
        }
    }
    line.len()
}

/// One item, which may be many samples; what is left.
fn next<'a>(text: &'a str, into: &mut Vec<Item>) -> Result<&'a str, String> {
    if let Some(rest) = text.strip_prefix('_') {
        let (times, rest) = repeated(rest)?;
        into.extend(std::iter::repeat_n(Item::None, times.unwrap_or(1)));
        return Ok(rest);
    }
    if text.starts_with("{{") {
        return histograms(text, into);
    }
    let (first, rest) = float(text).ok_or_else(|| format!("no value: {text}"))?;
    let (change, rest) = match rest.starts_with(['+', '-']) {
        true => float(rest).ok_or_else(|| format!("no change: {rest}"))?,
        false => (0.0, rest),
    };
    let (times, rest) = repeated(rest)?;
    let mut value = first;
    for _ in 0..=times.unwrap_or(0) {
        into.push(Item::Float(value));
        if first.to_bits() != STALE.to_bits() {
            value += change;
        }
    }
    Ok(rest)
}

/// `x5`, if it is there.
fn repeated(text: &str) -> Result<(Option<usize>, &str), String> {
    let Some(rest) = text.strip_prefix('x') else { return Ok((None, text)) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = rest.split_at(digits);
    let times: usize = digits.parse().map_err(|_| format!("no number of times: {text}"))?;
    if times > MOST {
        return Err(format!("more than {MOST} times"));
    }
    Ok((Some(times), rest))
}

fn float(text: &str) -> Option<(f64, &str)> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    for (word, value) in [("stale", STALE), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if rest.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word)) {
            let value = if value.is_nan() { value } else { sign * value };
            return Some((value, rest.get(word.len()..)?));
        }
    }
    // `0x5` is five times zero here.
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        bytes.get(from..).unwrap_or_default().iter().take_while(|it| it.is_ascii_digit()).count()
    };
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let (number, rest) = rest.split_at(end);
    Some((sign * number.parse::<f64>().ok()?, rest))
}

fn histograms<'a>(text: &'a str, into: &mut Vec<Item>) -> Result<&'a str, String> {
    let (first, says, rest) = histogram(text)?;
    let grows = rest.starts_with("+{{");
    if !grows && !rest.starts_with("-{{") {
        let (times, rest) = repeated(rest)?;
        let item = Item::Histogram(Arc::new(first), says);
        into.extend(std::iter::repeat_n(item, times.map_or(1, |times| times + 1)));
        return Ok(rest);
    }
    let (change, change_says, rest) = histogram(rest.get(1..).unwrap_or_default())?;
    let (times, rest) = repeated(rest)?;
    if first.schema > change.schema {
        return Err("histograms whose schema falls".to_owned());
    }
    let mut histogram = first;
    for time in 0..=times.unwrap_or(0) {
        if time > 0 {
            let next = if grows { histogram.plus(&change) } else { histogram.minus(&change) };
            histogram = next.map_err(|error| error.to_string())?.0;
        }
        into.push(Item::Histogram(Arc::new(histogram.clone()), change_says));
    }
    Ok(rest)
}

/// `{{schema:0 sum:5 count:4 buckets:[1 2 1]}}`
fn histogram(text: &str) -> Result<(Histogram, bool, &str), String> {
    let inner = text.strip_prefix("{{").ok_or_else(|| format!("no histogram: {text}"))?;
    let end = inner.find("}}").ok_or_else(|| format!("a histogram without an end: {text}"))?;
    let (mut inner, rest) = inner.split_at(end);
    let mut histogram = Histogram::default();
    let (mut says, mut offset, mut negative_offset) = (false, 0, 0);
    loop {
        inner = inner.trim_start();
        if inner.is_empty() {
            break;
        }
        let (key, after) = inner.split_once(':').ok_or_else(|| format!("no field: {inner}"))?;
        let (value, after) = match after.strip_prefix('[') {
            Some(list) => {
                list.split_once(']').ok_or_else(|| format!("a list without an end: {list}"))?
            }
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        inner = after;
        let one = || float(value).map(|it| it.0).ok_or_else(|| format!("no number: {value}"));
        let whole = || value.parse::<i32>().map_err(|_| format!("no whole number: {value}"));
        let list = || {
            let numbers = value.split_whitespace().map(|it| float(it).map(|it| it.0));
            numbers.collect::<Option<Vec<f64>>>().ok_or_else(|| format!("no numbers: {value}"))
        };
        match key {
            "schema" => histogram.schema = whole()?,
            "sum" => histogram.sum = one()?,
            "count" => histogram.count = one()?,
            "z_bucket" => histogram.zero_count = one()?,
            "z_bucket_w" => histogram.zero_threshold = one()?,
            "custom_values" => histogram.bounds = list()?,
            "buckets" => histogram.positive = list()?,
            "offset" => offset = whole()?,
            "n_buckets" => histogram.negative = list()?,
            "n_offset" => negative_offset = whole()?,
            "counter_reset_hint" => {
                says = true;
                histogram.reset = match value {
                    "reset" => Reset::Yes,
                    "not_reset" => Reset::No,
                    "gauge" => Reset::Gauge,
                    _ => Reset::Unknown,
                };
            }
            _ => return Err(format!("no field of a histogram: {key}")),
        }
    }
    let run = |offset, counts: &[f64]| match u32::try_from(counts.len()) {
        Ok(length @ 1..) => vec![Run { offset, length }],
        _ => Vec::new(),
    };
    histogram.positive_runs = run(offset, &histogram.positive);
    histogram.negative_runs = run(negative_offset, &histogram.negative);
    Ok((histogram, says, rest.get(2..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(line: &str) -> Vec<Option<f64>> {
        let item = |it| match it {
            Item::Float(value) => Some(value),
            _ => None,
        };
        series(line).unwrap().1.into_iter().map(item).collect()
    }

    #[test]
    fn values_are_repeated_and_changed() {
        assert_eq!(floats("x 1 _ 2+3x2"), [Some(1.0), None, Some(2.0), Some(5.0), Some(8.0)]);
        assert_eq!(floats(r#"x{a="b c", d='}'} _x2 -1-1x1"#), [None, None, Some(-1.0), Some(-2.0)]);

        assert_eq!(
            floats("{} 0x2 .5 1e2"),
            [Some(0.0), Some(0.0), Some(0.0), Some(0.5), Some(100.0)]
        );
    }

    #[test]
    fn histograms_are_read_and_added_up() {
        let (_, items) =
            series("x {{schema:1 count:2 sum:3 offset:-1 buckets:[1 1]}}+{{count:1 schema:1}}x1")
                .unwrap();
        let [Item::Histogram(first, _), Item::Histogram(second, _)] = items.as_slice() else {
            panic!()
        };
        assert_eq!((first.count, second.count, first.positive_runs[0].offset), (2.0, 3.0, -1));
    }
}
