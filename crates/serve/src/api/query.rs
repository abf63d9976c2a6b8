//! Query: what a query is worth at a moment, and from one moment to another.

use std::time::Duration;

use evenkeel_promql::{Answer, Cancel, EvalError, Options, Query, Type, Value};
use evenkeel_units::Clock;

use super::answer::{CUT, Failed, Said};
use super::asked::{Asked, parse_error};
use super::json;
use crate::server::World;

/// More steps of a range no graph shows.
const STEPS_MAX: i64 = 11_000;

pub(super) fn instant<C: Clock>(
    world: &World<C>,
    asked: &Asked,
    cancel: &Cancel,
) -> Result<Said, Failed> {
    let limit = asked.limit("limit")?;
    let at = asked.moment("time")?.unwrap_or_else(|| world.now());
    let query = query(asked)?;
    let snapshot = world.store.snapshot();
    let answer = evaluate(world, asked, cancel, |options| query.instant(&snapshot, at, options))?;
    Ok(said(answer, at, limit))
}

pub(super) fn range<C: Clock>(
    world: &World<C>,
    asked: &Asked,
    cancel: &Cancel,
) -> Result<Said, Failed> {
    let limit = asked.limit("limit")?;
    let (start, end) = (asked.end_of_range("start")?, asked.end_of_range("end")?);
    if end < start {
        return Err(Failed::parameter("end", "end timestamp must not be before start time"));
    }
    let step = asked.duration("step")?;
    let step =
        step.ok_or_else(|| Failed::parameter("step", "cannot parse \"\" to a valid duration"))?;
    if step <= 0 {
        return Err(Failed::parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if (end - start) / step > STEPS_MAX {
        return Err(Failed::bad(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    let query = query(asked)?;
    if matches!(query.kind(), Type::Range | Type::Text) {
        let kind = if query.kind() == Type::Text { "string" } else { "range vector" };
        return Err(Failed::bad(format!(
            "invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"
        )));
    }
    let snapshot = world.store.snapshot();
    let answer = evaluate(world, asked, cancel, |options| {
        query.range(&snapshot, (start, end), step, options)
    })?;
    Ok(said(answer, end, limit))
}

/// Whether a query can be read.
pub(super) fn parse(asked: &Asked) -> Result<Said, Failed> {
    let query = query(asked)?;
    let mut data = r#"{"type":"#.to_owned();
    json::text(&mut data, kind(&query));
    data.push('}');
    Ok(Said::data(data))
}

/// Exemplars of the series of a query: none are stored, and what asks for them must be right all the same.
pub(super) fn exemplars(asked: &Asked) -> Result<Said, Failed> {
    asked.span()?;
    query(asked)?;
    Ok(Said::data("[]"))
}

/// A query as it was written: it is read, so that mistakes are said, and not laid out anew.
pub(super) fn format(asked: &Asked) -> Result<Said, Failed> {
    let query = query(asked)?;
    let mut data = String::new();
    json::text(&mut data, query.text().trim());
    Ok(Said::data(data))
}

fn kind(query: &Query) -> &'static str {
    match query.kind() {
        Type::Scalar => "scalar",
        Type::Text => "string",
        Type::Vector => "vector",
        Type::Range => "matrix",
    }
}

fn query(asked: &Asked) -> Result<Query, Failed> {
    let text = asked.text("query");
    Query::parse(text).map_err(|problems| Failed::parameter("query", parse_error(&problems)))
}

fn evaluate<C: Clock>(
    world: &World<C>,
    asked: &Asked,
    cancel: &Cancel,
    work: impl FnOnce(&Options<'_>) -> Result<Answer, EvalError>,
) -> Result<Answer, Failed> {
    let timeout = asked.timeout()?;
    let lookback = asked.lookback()?;
    let end = world.clock.now() + timeout;
    let is_over = || world.clock.now() >= end;
    let defaults = Options::default();
    let options = Options {
        lookback: lookback.unwrap_or(defaults.lookback),
        subquery_step: milliseconds(world.wanted().config.evaluation_every),
        cancel: Some(cancel.clone()),
        is_over: Some(&is_over),
        ..defaults
    };
    let _active = world.counts.query();
    work(&options).map_err(|error| match error {
        EvalError::Timeout => Failed::timeout("query timed out in expression evaluation"),
        EvalError::Cancelled => Failed::canceled("query was canceled in expression evaluation"),
        EvalError::Source(it) => Failed::internal(it.to_string()),
        EvalError::Steps { .. } => Failed::bad(error.to_string()),
        EvalError::Limit { .. } | EvalError::Data(_) => Failed::execution(error.to_string()),
    })
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).max(1)
}

fn said(answer: Answer, at: i64, limit: Option<usize>) -> Said {
    let Answer { mut value, mut warnings, infos } = answer;
    let limit = limit.unwrap_or(usize::MAX);
    let is_cut = match &mut value {
        Value::Vector(all) => cut(all, limit),
        Value::Matrix(all) => cut(all, limit),
        Value::Scalar(_) | Value::Text(_) => false,
    };
    if is_cut {
        warnings.push(CUT.to_owned());
    }
    let mut data = String::new();
    json::value(&mut data, &value, at);
    Said { data, warnings, infos }
}

fn cut<T>(all: &mut Vec<T>, limit: usize) -> bool {
    let is_cut = all.len() > limit;
    all.truncate(limit);
    is_cut
}
