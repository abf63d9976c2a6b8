//! Rows: one series with its value at each step.

use std::collections::BTreeMap;

use evenkeel_series::{Labels, Point, Samples};

use super::{Evaluated, Evaluation, Steps};
use crate::answer::{Line, Sample};
use crate::position::Position;

/// What an expression is worth at each step.
#[derive(Clone, Debug)]
pub(crate) enum Grid {
    Scalar(Vec<f64>),
    Text(String),
    Vector(Vec<Row>),
}

impl Grid {
    /// What it is worth at the first step, at each of many.
    pub(super) fn repeated(self, many: usize) -> Self {
        match self {
            Self::Scalar(values) => {
                Self::Scalar(vec![values.first().copied().unwrap_or(f64::NAN); many])
            }
            Self::Text(text) => Self::Text(text),
            Self::Vector(mut rows) => {
                for row in &mut rows {
                    let first = row.cells.first_mut().and_then(Option::take);
                    row.cells = vec![first; many];
                }
                Self::Vector(rows)
            }
        }
    }
}

/// One series.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) labels: Labels,
    /// Whether its name says no longer what it is, and goes at the end. Until then labels can be made of it.
    pub(crate) nameless: bool,
    /// One for each step.
    pub(crate) cells: Vec<Option<Sample>>,
}

/// Labels that say what a metric is, not where it comes from.
pub(crate) fn says_what_it_is(label: &str) -> bool {
    matches!(label, "__name__" | "__type__" | "__unit__")
}

impl Row {
    pub(super) fn of_scalars(values: &[f64]) -> Self {
        let cells = values.iter().map(|value| Some(Sample::Float(*value))).collect();
        Self { labels: Labels::default(), nameless: false, cells }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.iter().all(Option::is_none)
    }

    pub(super) fn negate(&mut self) {
        self.nameless = true;
        for cell in self.cells.iter_mut().flatten() {
            match cell {
                Sample::Float(value) => *value = -*value,
                Sample::Histogram(histogram) => *histogram = histogram.scaled(-1.0).into(),
            }
        }
    }

    pub(super) fn into_line(self, steps: Steps) -> Line {
        let mut samples = Samples::default();
        for (at, cell) in steps.moments().zip(self.cells) {
            match cell {
                Some(Sample::Float(value)) => samples.points.push(Point { at, value }),
                Some(Sample::Histogram(histogram)) => samples.histograms.push((at, histogram)),
                None => {}
            }
        }
        Line { labels: self.labels, samples }
    }
}

impl Evaluation<'_> {
    /// Without the names that say nothing any more.
    pub(super) fn named(&self, mut rows: Vec<Row>, at: Position) -> Evaluated<Vec<Row>> {
        let mut changed = false;
        for row in rows.iter_mut().filter(|row| row.nameless) {
            row.nameless = false;
            if row.labels.iter().any(|label| says_what_it_is(&label.name)) {
                row.labels = row.labels.filter(|label| !says_what_it_is(label));
            }
            changed = true;
        }
        if changed { self.merged(rows, at) } else { Ok(rows) }
    }

    /// One row for each name. Two of one name must not have a value at the same step.
    pub(super) fn merged(&self, rows: Vec<Row>, at: Position) -> Evaluated<Vec<Row>> {
        if is_distinct(&rows) {
            return Ok(rows);
        }
        let mut places: BTreeMap<Labels, usize> = BTreeMap::new();
        let mut merged: Vec<Row> = Vec::with_capacity(rows.len());
        for row in rows {
            let place = *places.entry(row.labels.clone()).or_insert(merged.len());
            let Some(kept) = merged.get_mut(place) else {
                merged.push(row);
                continue;
            };
            for (kept, cell) in kept.cells.iter_mut().zip(row.cells) {
                if kept.is_some() && cell.is_some() {
                    return Err(self.twice(&row.labels, at));
                }
                *kept = kept.take().or(cell);
            }
        }
        Ok(merged)
    }

    pub(super) fn twice(&self, labels: &Labels, at: Position) -> crate::EvalError {
        let what = format!("vector cannot contain metrics with the same labelset: {labels}");
        self.wrong(at, what, "keep a label that tells the series apart")
    }
}

fn is_distinct(rows: &[Row]) -> bool {
    let mut all: Vec<&Labels> = rows.iter().map(|row| &row.labels).collect();
    if !all.is_sorted() {
        all.sort_unstable();
    }
    all.windows(2).all(|pair| matches!(pair, [one, other] if one != other))
}
