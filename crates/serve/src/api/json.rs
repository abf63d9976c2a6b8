//! JSON: texts, numbers and series, byte for byte as Prometheus writes them.

use std::fmt::Write as _;

use evenkeel_promql::{Element, Line, Sample, Value};
use evenkeel_series::{Histogram, Labels};

/// Below this, and from its counterpart on, a number has an exponent.
const SMALL: f64 = 1e-6;
const LARGE: f64 = 1e21;

/// A text between quotes.
pub(super) fn text(to: &mut String, text: &str) {
    to.push('"');
    for it in text.chars() {
        match it {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            // A browser would take these for marks or the ends of lines.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escape(to, it),
            it if it.is_control() => escape(to, it),
            it => to.push(it),
        }
    }
    to.push('"');
}

fn escape(to: &mut String, it: char) {
    for unit in it.encode_utf16(&mut [0; 2]) {
        put(to, format_args!("\\u{unit:04x}"));
    }
}

/// A text takes whatever is written.
fn put(to: &mut String, what: std::fmt::Arguments<'_>) {
    to.write_fmt(what).unwrap_or_default();
}

/// What `each` writes of some things, with commas between them.
pub(super) fn list<T>(
    to: &mut String,
    things: impl IntoIterator<Item = T>,
    mut each: impl FnMut(&mut String, T),
) {
    to.push('[');
    for (at, thing) in things.into_iter().enumerate() {
        if at > 0 {
            to.push(',');
        }
        each(to, thing);
    }
    to.push(']');
}

/// A list of texts.
pub(super) fn texts<'a>(to: &mut String, all: impl IntoIterator<Item = &'a str>) {
    list(to, all, text);
}

/// Names and texts, in order.
pub(super) fn names<'a>(to: &mut String, all: impl IntoIterator<Item = (&'a str, &'a str)>) {
    to.push('{');
    for (at, (name, value)) in all.into_iter().enumerate() {
        if at > 0 {
            to.push(',');
        }
        text(to, name);
        to.push(':');
        text(to, value);
    }
    to.push('}');
}

/// Labels as a map.
pub(super) fn labels(to: &mut String, all: &Labels) {
    names(to, all.iter().map(|it| (&*it.name, &*it.value)));
}

/// A moment in milliseconds as seconds.
pub(super) fn moment(to: &mut String, at: i64) {
    let (sign, at) = (if at < 0 { "-" } else { "" }, at.unsigned_abs());
    put(to, format_args!("{sign}{}", at / 1000));
    if at % 1000 != 0 {
        put(to, format_args!(".{:03}", at % 1000));
    }
}

/// A number between quotes, which JSON needs for the infinite ones.
pub(super) fn number(to: &mut String, value: f64) {
    let size = value.abs();
    to.push('"');
    match value {
        it if it.is_nan() => to.push_str("NaN"),
        it if it.is_infinite() => to.push_str(if it > 0.0 { "+Inf" } else { "-Inf" }),
        it if size > 0.0 && !(SMALL..LARGE).contains(&size) => {
            to.push_str(&scientific(it));
        }
        it => put(to, format_args!("{it}")),
    }
    to.push('"');
}

/// A number with an exponent, which has a sign and two digits at least.
pub(super) fn scientific(value: f64) -> String {
    if !value.is_finite() {
        let mut quoted = String::new();
        number(&mut quoted, value);
        return quoted.trim_matches('"').to_owned();
    }
    let written = format!("{value:e}");
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

/// What a query is worth, at a moment where it has none of its own.
pub(super) fn value(to: &mut String, value: &Value, at: i64) {
    match value {
        Value::Scalar(it) => {
            to.push_str(r#"{"resultType":"scalar","result":"#);
            pair(to, at, |to| number(to, *it));
        }
        Value::Text(it) => {
            to.push_str(r#"{"resultType":"string","result":"#);
            pair(to, at, |to| text(to, it));
        }
        Value::Vector(all) => {
            to.push_str(r#"{"resultType":"vector","result":"#);
            list(to, all, |to, it| element(to, it, at));
        }
        Value::Matrix(all) => {
            to.push_str(r#"{"resultType":"matrix","result":"#);
            list(to, all, line);
        }
    }
    to.push('}');
}

fn pair(to: &mut String, at: i64, write: impl FnOnce(&mut String)) {
    to.push('[');
    moment(to, at);
    to.push(',');
    write(to);
    to.push(']');
}

fn element(to: &mut String, element: &Element, at: i64) {
    to.push_str(r#"{"metric":"#);
    labels(to, &element.labels);
    match &element.sample {
        Sample::Float(it) => {
            to.push_str(r#","value":"#);
            pair(to, at, |to| number(to, *it));
        }
        Sample::Histogram(it) => {
            to.push_str(r#","histogram":"#);
            pair(to, at, |to| histogram(to, it));
        }
    }
    to.push('}');
}

fn line(to: &mut String, line: &Line) {
    to.push_str(r#"{"metric":"#);
    labels(to, &line.labels);
    let samples = &line.samples;
    if !samples.points.is_empty() {
        to.push_str(r#","values":"#);
        list(to, &samples.points, |to, it| pair(to, it.at, |to| number(to, it.value)));
    }
    if !samples.histograms.is_empty() {
        to.push_str(r#","histograms":"#);
        list(to, &samples.histograms, |to, it| pair(to, it.0, |to| histogram(to, &it.1)));
    }
    to.push('}');
}

fn histogram(to: &mut String, it: &Histogram) {
    to.push_str(r#"{"count":"#);
    number(to, it.count);
    to.push_str(r#","sum":"#);
    number(to, it.sum);
    let buckets: Vec<_> = it.buckets().into_iter().filter(|it| it.count.abs() > 0.0).collect();
    if !buckets.is_empty() {
        to.push_str(r#","buckets":"#);
        list(to, buckets, |to, bucket| {
            // Which ends belong to the bucket: 0 the upper, 1 the lower, 2 neither, 3 both.
            let (lower, upper) = match it.is_custom() {
                true => (bucket.lower.is_infinite(), true),
                false => (bucket.lower < 0.0, bucket.upper > 0.0),
            };
            let ends = match (lower, upper) {
                (false, true) => 0,
                (true, false) => 1,
                (false, false) => 2,
                (true, true) => 3,
            };
            put(to, format_args!("[{ends},"));
            number(to, bucket.lower);
            to.push(',');
            number(to, bucket.upper);
            to.push(',');
            number(to, bucket.count);
            to.push(']');
        });
    }
    to.push('}');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use evenkeel_series::histogram::Run;
    use evenkeel_series::{Point, Samples};

    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut to = String::new();
        write(&mut to);
        to
    }

    #[test]
    fn numbers_are_those_of_prometheus() {
        for (value, expected) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (-2.5e20, "-250000000000000000000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-07"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
            (-0.0, "-0"),
        ] {
            assert_eq!(written(|to| number(to, value)), format!("\"{expected}\""));
        }
    }

    #[test]
    fn moments_are_seconds_with_their_thousandths_where_there_are_any() {
        for (at, expected) in [(0, "0"), (1500, "1.500"), (1_005, "1.005"), (-250, "-0.250")] {
            assert_eq!(written(|to| moment(to, at)), expected);
        }
    }

    #[test]
    fn a_text_is_one_whatever_is_in_it() {
        for sample in ["a\"b\\c\nd", "\u{0}\u{7f}é😀", "<script>&\u{2028}", ""] {
            let json = written(|to| text(to, sample));
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), sample, "{json}");
        }
        assert_eq!(written(|to| text(to, "<")), "\"\\u003c\"");
    }

    #[test]
    fn every_value_has_its_form() {
        let up = Labels::of([("__name__", "up")]);
        let json = |it: &Value| written(|to| value(to, it, 1500));
        assert_eq!(json(&Value::Scalar(2.0)), r#"{"resultType":"scalar","result":[1.500,"2"]}"#);
        assert_eq!(
            json(&Value::Text("a".to_owned())),
            r#"{"resultType":"string","result":[1.500,"a"]}"#
        );
        let element = Element { labels: up.clone(), sample: Sample::Float(1.0) };
        assert_eq!(
            json(&Value::Vector(vec![element])),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up"},"value":[1.500,"1"]}]}"#
        );
        let native = Histogram {
            schema: 0,
            count: 3.0,
            sum: 2.5,
            zero_threshold: 0.25,
            zero_count: 1.0,
            positive_runs: vec![Run { offset: 1, length: 1 }],
            positive: vec![2.0],
            ..Histogram::default()
        };
        let samples = Samples {
            points: vec![Point { at: 1000, value: 1.0 }],
            histograms: vec![(2000, Arc::new(native))],
        };
        assert_eq!(
            json(&Value::Matrix(vec![Line { labels: up, samples }])),
            "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__name__\":\"up\"},\"values\":[[1,\"1\"]],\
             \"histograms\":[[2,{\"count\":\"3\",\"sum\":\"2.5\",\"buckets\":[[3,\"-0.25\",\"0.25\",\"1\"],\
             [0,\"1\",\"2\",\"2\"]]}]]}]}"
        );
    }
}
