//! Values of time series: what selects and queries them, their labels, and times that do not count.

use serde_json::json;

use super::{cut, quoted};
use crate::decode::codec::{Problem, Takes, Word};
use crate::decode::codes;
use crate::document::{ExclusionTime, Expression, Query, QueryError, Recurrence, SeriesSelector};

fn query_problem(text: &str, error: &QueryError) -> Problem {
    let message = match error {
        QueryError::NoWindow => format!("`{}` has no `$window`", cut(text)),
        QueryError::Neither(cause) => {
            let cause = quoted(&cause.to_string(), 80);
            format!("`{}` is neither a query with `$window` nor a selector: {cause}", cut(text))
        }
        QueryError::Long => error.to_string(),
    };
    let help = "Write counters such as `http_requests_total{code=~\"5..\"}`, or a query in which `$window` stands for \
                the range, such as `sum(rate(http_requests_total[$window]))`.";
    Problem::new(codes::QUERY, message, help)
}

/// Counters by a selector, or a query with `$window`.
pub(in crate::decode) fn expression() -> Word<Expression> {
    let parse = |text: &str| Expression::parse(text).map_err(|it| query_problem(text, &it));
    let schema = || {
        json!({"examples": [
            "http_requests_total{job=\"shop\"}",
            "sum(rate(http_requests_total[$window]))",
        ]})
    };
    Word { expected: "a selector or a query", takes: Takes::Text, parse, schema }
}

/// A query with `$window`.
pub(in crate::decode) fn window_query() -> Word<Query> {
    let parse = |text: &str| Query::new(text).map_err(|it| query_problem(text, &it));
    let schema = || json!({"examples": ["1 - sum(rate(a[$window])) / sum(rate(b[$window]))"]});
    Word { expected: "a query with `$window`", takes: Takes::Text, parse, schema }
}

/// A selector of series.
pub(in crate::decode) fn selector() -> Word<SeriesSelector> {
    let parse = |text: &str| {
        SeriesSelector::parse(text).map_err(|it| {
            let cause = quoted(&it.to_string(), 80);
            let message = format!("`{}` selects no series: {cause}", cut(text));
            let help = "Write the name of a metric, with labels or without: `up{job=\"shop\"}`.";
            Problem::new(codes::QUERY, message, help)
        })
    };
    let schema = || json!({"examples": ["http_request_duration_seconds{job=\"shop\"}"]});
    Word { expected: "a selector of series", takes: Takes::Text, parse, schema }
}

/// The name of a label.
pub(in crate::decode) fn label() -> Word<String> {
    let parse = |text: &str| {
        let fits = text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
            && text.len() <= 128;
        match fits {
            true => Ok(text.to_owned()),
            false => Err(Problem::new(
                codes::NAME,
                format!("`{}` is not the name of a label", cut(text)),
                "Begin with a letter or `_`, and use letters, digits and `_`.",
            )),
        }
    };
    let schema = || json!({"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,127}$", "examples": ["team"]});
    Word { expected: "the name of a label", takes: Takes::Text, parse, schema }
}

/// A bound of a bucket, in the unit of its histogram.
pub(in crate::decode) fn bound() -> Word<f64> {
    let parse = |text: &str| match text.trim().parse::<f64>() {
        Ok(it) if it.is_finite() => Ok(it),
        _ => {
            let message = format!("`{}` is no bound of a bucket", cut(text));
            let help = "Write the number that stands in the bucket's label `le`, such as `0.3`.";
            Err(Problem::new(codes::TYPE, message, help))
        }
    };
    let schema = || {
        let number = r"^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?\s*$";
        json!({"anyOf": [{"type": "number"}, {"type": "string", "pattern": number, "examples": ["0.3"]}]})
    };
    Word { expected: "a number such as `0.3`", takes: Takes::Readable, parse, schema }
}

/// A moment, with an offset or on the clocks of a zone that stands beside it.
pub(in crate::decode) fn moment() -> Word<ExclusionTime> {
    let parse = |text: &str| {
        ExclusionTime::parse(text).ok_or_else(|| {
            let message = format!("`{}` is no moment", cut(text));
            let help = "Write date and time such as `2026-03-01T02:00`, with `Z` or `+01:00` behind it, or a \
                        `timeZone` beside it.";
            Problem::new(codes::MOMENT, message, help)
        })
    };
    let schema = || json!({"examples": ["2026-03-01T02:00", "2026-03-01T02:00:00+01:00"]});
    Word { expected: "a moment such as `2026-03-01T02:00`", takes: Takes::Text, parse, schema }
}

/// When something recurs.
pub(in crate::decode) fn recurrence() -> Word<Recurrence> {
    let parse = |text: &str| {
        Recurrence::parse(text).map_err(|it| {
            let cause = quoted(&it.to_string(), 80);
            let message = format!("`{}` is no recurrence: {cause}", cut(text));
            let help = "Write a rule of RFC 5545, such as `FREQ=WEEKLY;BYDAY=SU` or `FREQ=MONTHLY;BYDAY=1SU`.";
            Problem::new(codes::RECURRENCE, message, help)
        })
    };
    let schema = || json!({"examples": ["FREQ=WEEKLY;BYDAY=SU"]});
    Word { expected: "a recurrence such as `FREQ=DAILY`", takes: Takes::Text, parse, schema }
}
