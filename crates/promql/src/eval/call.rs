//! Calls: which function is which.

use super::over::Over;
use super::select::asked_for;
use super::top::ranked;
use super::{Evaluated, Evaluation, Grid, Row, Steps, literal};
use crate::answer::Sample;
use crate::ast::{Call, Expr, Kind, Type};
use crate::position::Position;

impl Evaluation<'_> {
    pub(super) fn call(&self, at: Position, call: &Call, steps: Steps) -> Evaluated<Grid> {
        let name = call.function.name;
        let argument = |place: usize| -> Evaluated<&Expr> {
            call.arguments
                .get(place)
                .ok_or_else(|| self.wrong(at, "an argument that is missing", "add it"))
        };
        if let Some(range) = call.arguments.iter().find(|it| it.kind_of_value() == Type::Range) {
            let scalars = call.arguments.iter().filter(|it| it.kind_of_value() == Type::Scalar);
            let scalars =
                scalars.map(|it| self.scalar(it, steps)).collect::<Evaluated<Vec<_>>>()?;
            let Some(over) = Over::of(name, scalars) else {
                return Err(self.wrong(at, format!("`{name}` of a range"), "use another function"));
            };
            let rows = self.over(&over, range.bare(), steps)?;
            return match name {
                "absent_over_time" => Ok(Grid::Vector(absent(&rows, range, steps))),
                _ => Ok(Grid::Vector(rows)),
            };
        }
        if let Some(scalars) = self.number(call, steps)? {
            return Ok(Grid::Scalar(scalars));
        }
        let rows = |place: usize| self.vector(argument(place)?, steps);
        let scalar = |place: usize| self.scalar(argument(place)?, steps);
        let vector = match name {
            "scalar" => return Ok(Grid::Scalar(scalar_of(&rows(0)?, steps))),
            "vector" => vec![Row::of_scalars(&scalar(0)?)],
            "absent" => absent(&rows(0)?, argument(0)?, steps),
            "timestamp" => self.timestamps(argument(0)?, steps)?,
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => {
                let mut rows = rows(0)?;
                self.sort(at, call, &mut rows);
                rows
            }
            "label_replace" => self.label_replace(at, call, rows(0)?)?,
            "label_join" => self.label_join(at, call, rows(0)?)?,
            "info" => self.info(at, call, steps)?,
            "histogram_quantile" => {
                let q = (scalar(0)?, argument(0)?.at);
                self.histogram_quantile(&rows(1)?, &[(q.0, q.1, None)], argument(1)?.at, steps)?
            }
            "histogram_quantiles" => {
                let label = literal(call.arguments.get(1)).to_owned();
                let mut wanted = Vec::new();
                for argument in call.arguments.iter().skip(2) {
                    wanted.push((self.scalar(argument, steps)?, argument.at, Some(label.clone())));
                }
                self.histogram_quantile(&rows(0)?, &wanted, argument(0)?.at, steps)?
            }
            "histogram_fraction" => {
                let bounds = (scalar(0)?, scalar(1)?);
                self.histogram_fraction(&rows(2)?, &bounds, argument(2)?.at, steps)?
            }
            _ => self.mapping(at, call, steps)?,
        };
        Ok(Grid::Vector(vector))
    }

    /// Functions that make numbers of numbers, or of the moment.
    fn number(&self, call: &Call, steps: Steps) -> Evaluated<Option<Vec<f64>>> {
        let seconds = |ms: i64| vec![ms as f64 / 1000.0; steps.count];
        Ok(Some(match call.function.name {
            "time" => steps.moments().map(|at| at as f64 / 1000.0).collect(),
            "pi" => vec![std::f64::consts::PI; steps.count],
            "start" => seconds(self.query.first),
            "end" => seconds(self.until),
            "range" => seconds(self.until - self.query.first),
            "step" => vec![self.step_seconds(); steps.count],
            name @ ("max_of" | "min_of") => {
                let [one, other] = call.arguments.as_slice() else { return Ok(None) };
                let pairs = self.scalar(one, steps)?.into_iter().zip(self.scalar(other, steps)?);
                let of = |(one, other): (f64, f64)| match name {
                    _ if one.is_nan() || other.is_nan() => f64::NAN,
                    "max_of" => one.max(other),
                    _ => one.min(other),
                };
                pairs.map(of).collect()
            }
            _ => return Ok(None),
        }))
    }

    /// Of a selector the moments of its samples, of anything else the moment of evaluation.
    fn timestamps(&self, expr: &Expr, steps: Steps) -> Evaluated<Vec<Row>> {
        let mut rows = match &expr.bare().kind {
            Kind::Selector(selector) => self.moments(selector, steps)?,
            _ => self.vector(expr, steps)?,
        };
        let is_selector = matches!(expr.bare().kind, Kind::Selector(_));
        for row in &mut rows {
            row.nameless = true;
            for (cell, at) in row.cells.iter_mut().zip(steps.moments()) {
                if let Some(sample) = cell.as_mut().filter(|_| !is_selector) {
                    *sample = Sample::Float(at as f64 / 1000.0);
                }
            }
        }
        Ok(rows)
    }

    fn sort(&self, at: Position, call: &Call, rows: &mut Vec<Row>) {
        if self.until > self.query.first {
            self.warn(
                "sort is ineffective for range queries since results are always ordered by labels",
                at,
            );
        }
        let name = call.function.name;
        let descending = name.ends_with("_desc");
        if name.starts_with("sort_by_label") {
            let labels: Vec<&str> =
                call.arguments.iter().skip(1).map(|it| literal(Some(it))).collect();
            super::labels::sort_by(rows, &labels, descending);
            return;
        }
        // Histograms have no place in an order of floats.
        for row in rows.iter_mut() {
            row.cells.iter_mut().for_each(|cell| {
                *cell = cell.take().filter(|sample| matches!(sample, Sample::Float(_)));
            });
        }
        rows.retain(|row| !row.is_empty());
        let value = |row: &Row| match row.cells.first() {
            Some(Some(Sample::Float(value))) => *value,
            _ => f64::NAN,
        };
        rows.sort_by(|one, other| ranked(descending, [value(one), value(other)]));
    }
}

/// The one float there is at each step, NaN if there is none or several.
fn scalar_of(rows: &[Row], steps: Steps) -> Vec<f64> {
    let mut found: Vec<Option<f64>> = vec![None; steps.count];
    for row in rows {
        for (found, cell) in found.iter_mut().zip(&row.cells) {
            if let Some(Sample::Float(value)) = cell {
                *found = Some(if found.is_some() { f64::NAN } else { *value });
            }
        }
    }
    found.into_iter().map(|it| it.unwrap_or(f64::NAN)).collect()
}

/// 1 wherever there is nothing.
fn absent(rows: &[Row], expr: &Expr, steps: Steps) -> Vec<Row> {
    let cells: Vec<_> = (0..steps.count)
        .map(|step| {
            let there = rows.iter().any(|row| matches!(row.cells.get(step), Some(Some(_))));
            (!there).then_some(Sample::Float(1.0))
        })
        .collect();
    let row = Row { labels: asked_for(expr), nameless: true, cells };
    if row.is_empty() { Vec::new() } else { vec![row] }
}
