//! Evaluation: an expression and a source of series become an answer.
//!
//! Every node gives its values for all steps at once, one row a series, so that each series is read once however many
//! steps there are. What does not depend on the moment is evaluated once.

mod aggregate;
mod binary;
mod buckets;
mod call;
pub(crate) mod date;
mod edges;
mod info;
mod labels;
mod map;
mod matching;
mod mean;
mod over;
mod rate;
mod row;
mod select;
mod top;
mod window;

use std::cell::{Cell, RefCell};

use evenkeel_series::{Histogram, Samples, Source};

pub(crate) use row::{Grid, Row};

use crate::answer::{Element, Line, Sample, Value};
use crate::ast::{Arithmetic, At, Expr, Kind, Length, Reckoning, Type, When};
use crate::limit::{EvalError, Options};
use crate::note::Notes;
use crate::position::{Position, Problem};

/// Moments that are no further away than this can be reckoned with.
pub(crate) const FURTHEST: i64 = 9_000_000_000_000_000;

pub(crate) type Evaluated<T> = Result<T, EvalError>;

/// The moments at which an expression is evaluated; at least one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) first: i64,
    pub(crate) step: i64,
    pub(crate) count: usize,
}

impl Steps {
    pub(crate) fn at(self, step: usize) -> i64 {
        self.first + self.step * i64::try_from(step).unwrap_or(i64::MAX)
    }

    pub(crate) fn last(self) -> i64 {
        self.at(self.count - 1)
    }

    pub(crate) fn moments(self) -> impl Iterator<Item = i64> {
        (0..self.count).map(move |step| self.at(step))
    }

    const fn once(self) -> Self {
        Self { count: 1, ..self }
    }
}

/// One evaluation of a query.
pub(crate) struct Evaluation<'a> {
    pub(crate) text: &'a str,
    pub(crate) source: &'a dyn Source,
    pub(crate) options: &'a Options<'a>,
    /// Those of the query, whatever subqueries make of them; and where they were to end.
    pub(crate) query: Steps,
    pub(crate) until: i64,
    pub(crate) notes: RefCell<Notes>,
    pub(crate) series: Cell<u64>,
    pub(crate) samples: Cell<u64>,
}

impl Evaluation<'_> {
    /// The value of a whole query.
    pub(crate) fn value(&self, expr: &Expr, is_range: bool) -> Evaluated<Value> {
        let bare = expr.bare();
        if bare.kind_of_value() == Type::Range {
            if is_range {
                let what = "a range query of a range vector";
                return Err(self.wrong(expr.at, what, "put a function like rate() around it"));
            }
            let lines = self.stretches(bare, self.query)?;
            return self.answered(lines).map(Value::Matrix);
        }
        let moments = self.query;
        match self.eval(expr, moments)? {
            Grid::Text(text) => Ok(Value::Text(text)),
            Grid::Scalar(values) if is_range => {
                let row = Row::of_scalars(&values);
                self.answered(vec![row.into_line(moments)]).map(Value::Matrix)
            }
            Grid::Scalar(values) => Ok(Value::Scalar(values.first().copied().unwrap_or(f64::NAN))),
            Grid::Vector(rows) => {
                let mut rows = self.named(rows, expr.at)?;
                if is_range {
                    rows.sort_by(|one, other| one.labels.cmp(&other.labels));
                    let lines = rows.into_iter().map(|row| row.into_line(moments));
                    return self.answered(lines.collect()).map(Value::Matrix);
                }
                let elements = rows.into_iter().filter_map(|mut row| {
                    let sample = row.cells.first_mut().and_then(Option::take)?;
                    Some(Element { labels: row.labels, sample })
                });
                Ok(Value::Vector(elements.collect()))
            }
        }
    }

    fn answered(&self, lines: Vec<Line>) -> Evaluated<Vec<Line>> {
        let all =
            lines.iter().map(|line| line.samples.points.len() + line.samples.histograms.len());
        let most = self.options.limits.answer;
        if all.sum::<usize>() as u64 > most {
            return Err(EvalError::Limit { what: "samples in the answer", limit: "answer", most });
        }
        Ok(lines)
    }

    /// What an expression is worth at each step.
    pub(crate) fn eval(&self, expr: &Expr, steps: Steps) -> Evaluated<Grid> {
        self.pulse()?;
        if steps.count > 1 && is_invariant(expr) {
            let once = self.eval(expr, steps.once())?;
            if let Grid::Vector(rows) = &once {
                self.take_samples(rows.len().saturating_mul(steps.count))?;
            }
            return Ok(once.repeated(steps.count));
        }
        match &expr.kind {
            Kind::Number(value) => Ok(Grid::Scalar(vec![*value; steps.count])),
            Kind::Text(text) => Ok(Grid::Text(text.clone())),
            Kind::Selector(selector) => self.selected(selector, expr.at, steps).map(Grid::Vector),
            Kind::Range(_) | Kind::Subquery(_) => {
                Err(self.wrong(expr.at, "a range vector by itself", "put a function around it"))
            }
            Kind::Call(call) => self.call(expr.at, call, steps),
            Kind::Aggregation(it) => self.aggregated(expr.at, it, steps).map(Grid::Vector),
            Kind::Binary(binary) => self.binary(expr.at, binary, steps),
            Kind::Sign { minus, of } => self.signed(*minus, of, steps),
            Kind::Parentheses(of) => self.eval(of, steps),
        }
    }

    fn signed(&self, minus: bool, of: &Expr, steps: Steps) -> Evaluated<Grid> {
        let mut grid = self.eval(of, steps)?;
        if minus {
            match &mut grid {
                Grid::Scalar(values) => values.iter_mut().for_each(|value| *value = -*value),
                Grid::Vector(rows) => rows.iter_mut().for_each(Row::negate),
                Grid::Text(_) => {}
            }
        }
        Ok(grid)
    }

    pub(crate) fn vector(&self, expr: &Expr, steps: Steps) -> Evaluated<Vec<Row>> {
        match self.eval(expr, steps)? {
            Grid::Vector(rows) => Ok(rows),
            _ => Err(self.wrong(expr.at, "no instant vector", "put one here")),
        }
    }

    pub(crate) fn scalar(&self, expr: &Expr, steps: Steps) -> Evaluated<Vec<f64>> {
        match self.eval(expr, steps)? {
            Grid::Scalar(values) => Ok(values),
            _ => Err(self.wrong(expr.at, "no scalar", "put one here")),
        }
    }

    /// Where a moment of evaluation is seen from a selector or subquery.
    pub(crate) fn seen_from(&self, when: &When) -> Evaluated<Seen> {
        let fixed = match when.at {
            At::Evaluation => None,
            At::Moment(at) => Some(at),
            At::Start => Some(self.query.first),
            At::End => Some(self.until),
        };
        let offset = when.offset.as_ref().map_or(Ok(0), |offset| self.length(offset))?;
        Ok(Seen { fixed, offset })
    }

    /// A length of time, in milliseconds.
    pub(crate) fn length(&self, length: &Length) -> Evaluated<i64> {
        let (at, reckoning) = match length {
            Length::Fixed(ms) => return Ok(*ms),
            Length::Reckoned(at, reckoning) => (*at, reckoning),
        };
        let seconds = self.reckoned(reckoning);
        if seconds.is_finite() && seconds.abs() < 9.0e9 {
            return Ok((seconds * 1000.0).trunc() as i64);
        }
        Err(self.wrong(
            at,
            format!("a length of time of {seconds} s"),
            "make it a length that there is",
        ))
    }

    /// For how long a sample counts on, within what can be reckoned with.
    pub(crate) fn lookback(&self) -> i64 {
        self.options.lookback.clamp(0, FURTHEST)
    }

    pub(crate) fn positive(&self, length: &Length, at: Position) -> Evaluated<i64> {
        match self.length(length)? {
            ms @ 1.. => Ok(ms),
            _ => Err(self.wrong(at, "a length of time that is not above zero", "make it longer")),
        }
    }

    fn reckoned(&self, reckoning: &Reckoning) -> f64 {
        match reckoning {
            Reckoning::Number(value) => *value,
            Reckoning::Step => self.step_seconds(),
            Reckoning::Range => (self.until - self.query.first) as f64 / 1000.0,
            Reckoning::Minus(of) => -self.reckoned(of),
            Reckoning::Least(one, other) => self.reckoned(one).min(self.reckoned(other)),
            Reckoning::Greatest(one, other) => self.reckoned(one).max(self.reckoned(other)),
            Reckoning::Of(arithmetic, one, other) => {
                let (one, other) = (self.reckoned(one), self.reckoned(other));
                // By zero it is no length, whatever the sign.
                match arithmetic {
                    Arithmetic::Divide | Arithmetic::Modulo if other.abs() <= 0.0 => f64::NAN,
                    _ => binary::arithmetic(*arithmetic, one, other),
                }
            }
        }
    }

    /// The step of the query; none if it has one moment only.
    pub(crate) fn step_seconds(&self) -> f64 {
        if self.until > self.query.first { self.query.step as f64 / 1000.0 } else { 0.0 }
    }

    /// Ends the evaluation if somebody wants that.
    pub(crate) fn pulse(&self) -> Evaluated<()> {
        if self.options.cancel.as_ref().is_some_and(crate::Cancel::is_cancelled) {
            return Err(EvalError::Cancelled);
        }
        match self.options.is_over {
            Some(is_over) if is_over() => Err(EvalError::Timeout),
            _ => Ok(()),
        }
    }

    pub(crate) fn take_series(&self, many: usize) -> Evaluated<()> {
        let most = self.options.limits.series;
        take(&self.series, many, most).ok_or(EvalError::Limit {
            what: "series",
            limit: "series",
            most,
        })
    }

    pub(crate) fn take_samples(&self, many: usize) -> Evaluated<()> {
        let most = self.options.limits.samples;
        take(&self.samples, many, most).ok_or(EvalError::Limit {
            what: "samples",
            limit: "samples",
            most,
        })
    }

    /// Samples that were read; a histogram counts for as many floats as it holds.
    pub(crate) fn take_read(&self, samples: &Samples) -> Evaluated<()> {
        let histograms = samples.histograms.iter().map(|(_, it)| weight(it)).sum::<usize>();
        self.take_samples(samples.points.len() + histograms)
    }

    /// Values that were made.
    pub(crate) fn take_cells(&self, cells: &[Option<Sample>]) -> Evaluated<()> {
        let histograms = cells.iter().map(|cell| match cell {
            Some(Sample::Histogram(histogram)) => weight(histogram),
            _ => 0,
        });
        self.take_samples(cells.len() + histograms.sum::<usize>())
    }

    pub(crate) fn wrong(&self, at: Position, what: impl Into<String>, fix: &str) -> EvalError {
        let line_and_column = at.line_and_column(self.text);
        EvalError::Data(Problem { at, line_and_column, what: what.into(), fix: fix.to_owned() })
    }

    pub(crate) fn warn(&self, what: impl Into<String>, at: Position) {
        self.notes.borrow_mut().warn(what, at);
    }

    pub(crate) fn inform(&self, what: impl Into<String>, at: Position) {
        self.notes.borrow_mut().inform(what, at);
    }
}

/// The text of an argument that is one; checked when the query was parsed.
pub(crate) fn literal(expr: Option<&Expr>) -> &str {
    match expr.map(|expr| &expr.bare().kind) {
        Some(Kind::Text(text)) => text,
        _ => "",
    }
}

/// How many floats a histogram holds.
fn weight(histogram: &Histogram) -> usize {
    4 + histogram.positive.len() + histogram.negative.len() + histogram.bounds.len()
}

fn take(taken: &Cell<u64>, many: usize, most: u64) -> Option<()> {
    let all = taken.get().saturating_add(many as u64);
    taken.set(all);
    (all <= most).then_some(())
}

/// From where a moment of evaluation is seen.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Seen {
    /// What `@` says.
    pub(crate) fixed: Option<i64>,
    pub(crate) offset: i64,
}

impl Seen {
    pub(crate) fn at(self, moment: i64) -> i64 {
        self.fixed.unwrap_or(moment) - self.offset
    }
}

/// Functions that look at the moment of evaluation even when what they are given does not.
const OF_THE_MOMENT: [&str; 11] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "time",
    "timestamp",
    "year",
];

/// Whether it is worth the same at every step.
fn is_invariant(expr: &Expr) -> bool {
    let fixed = |when: &When| when.at != At::Evaluation;
    match &expr.kind {
        Kind::Number(_) | Kind::Text(_) => true,
        Kind::Selector(selector) => fixed(&selector.when),
        Kind::Range(range) => fixed(&range.selector.when),
        Kind::Subquery(subquery) => fixed(&subquery.when),
        Kind::Call(call) => {
            let of_the_moment = OF_THE_MOMENT.contains(&call.function.name);
            let arguments = || call.arguments.iter().all(is_invariant);
            let is_selector = |it: &Expr| matches!(it.bare().kind, Kind::Selector(_));
            let timestamp_of_samples =
                call.function.name == "timestamp" && call.arguments.iter().all(is_selector);
            (!of_the_moment || timestamp_of_samples) && arguments()
        }
        Kind::Aggregation(_) | Kind::Binary(_) | Kind::Sign { .. } | Kind::Parentheses(_) => {
            expr.children().into_iter().all(is_invariant)
        }
    }
}
