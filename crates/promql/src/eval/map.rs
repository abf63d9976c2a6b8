//! Maps: functions that make one float of another, or of a histogram, series by series.

use evenkeel_series::Histogram;

use super::{Evaluated, Evaluation, Row, Steps, date};
use crate::answer::Sample;
use crate::ast::Call;
use crate::position::Position;

impl Evaluation<'_> {
    pub(super) fn mapping(&self, at: Position, call: &Call, steps: Steps) -> Evaluated<Vec<Row>> {
        let name = call.function.name;
        let rows = || match call.arguments.first() {
            Some(argument) => self.vector(argument, steps),
            // What takes nothing is about the moment of evaluation.
            None => {
                let now: Vec<f64> = steps.moments().map(|at| at as f64 / 1000.0).collect();
                Ok(vec![Row::of_scalars(&now)])
            }
        };
        let scalar = |place: usize, default: f64| match call.arguments.get(place) {
            Some(argument) => self.scalar(argument, steps),
            None => Ok(vec![default; steps.count]),
        };
        Ok(match name {
            _ if date::is_part(name) => mapped(rows()?, |value, _| date::part(name, value)),
            "clamp" | "clamp_min" | "clamp_max" => {
                let (least, most) = match name {
                    "clamp" => (scalar(1, f64::NAN)?, scalar(2, f64::NAN)?),
                    "clamp_min" => (scalar(1, f64::NAN)?, vec![f64::INFINITY; steps.count]),
                    _ => (vec![f64::NEG_INFINITY; steps.count], scalar(1, f64::NAN)?),
                };
                mapped_some(rows()?, |value, step| {
                    let (least, most) = (at_step(&least, step), at_step(&most, step));
                    let is_range = least <= most || least.is_nan() || most.is_nan();
                    is_range.then(|| clamped(value, least, most))
                })
            }
            "round" => {
                let to = scalar(1, 1.0)?;
                mapped(rows()?, |value, step| {
                    // By the inverse, which is exact for tenths where the tenths are not.
                    let inverse = 1.0 / at_step(&to, step);
                    (value * inverse + 0.5).floor() / inverse
                })
            }
            _ => match (of_float(name), of_histogram(name)) {
                (Some(of), _) => mapped(rows()?, |value, _| of(value)),
                (None, Some(of)) => of_histograms(rows()?, of),
                (None, None) => {
                    return Err(self.wrong(
                        at,
                        format!("`{name}` is not evaluated"),
                        "use another function",
                    ));
                }
            },
        })
    }
}

fn at_step(values: &[f64], step: usize) -> f64 {
    values.get(step).copied().unwrap_or(f64::NAN)
}

/// NaN if any of the three is.
fn clamped(value: f64, least: f64, most: f64) -> f64 {
    if value.is_nan() || least.is_nan() || most.is_nan() {
        f64::NAN
    } else {
        value.min(most).max(least)
    }
}

/// Every float made into another; histograms go.
fn mapped(rows: Vec<Row>, of: impl Fn(f64, usize) -> f64) -> Vec<Row> {
    mapped_some(rows, |value, step| Some(of(value, step)))
}

fn mapped_some(mut rows: Vec<Row>, of: impl Fn(f64, usize) -> Option<f64>) -> Vec<Row> {
    for row in &mut rows {
        row.nameless = true;
        for (step, cell) in row.cells.iter_mut().enumerate() {
            *cell = match cell.take() {
                Some(Sample::Float(value)) => of(value, step).map(Sample::Float),
                _ => None,
            };
        }
    }
    rows.retain(|row| !row.is_empty());
    rows
}

/// Every histogram made into a float; floats go.
fn of_histograms(mut rows: Vec<Row>, of: fn(&Histogram) -> f64) -> Vec<Row> {
    for row in &mut rows {
        row.nameless = true;
        for cell in &mut row.cells {
            *cell = match cell.take() {
                Some(Sample::Histogram(histogram)) => Some(Sample::Float(of(&histogram))),
                _ => None,
            };
        }
    }
    rows.retain(|row| !row.is_empty());
    rows
}

fn of_histogram(name: &str) -> Option<fn(&Histogram) -> f64> {
    Some(match name {
        "histogram_avg" => |it| it.sum / it.count,
        "histogram_count" => |it| it.count,
        "histogram_sum" => |it| it.sum,
        "histogram_stdvar" => Histogram::variance,
        "histogram_stddev" => |it| it.variance().sqrt(),
        _ => return None,
    })
}

fn of_float(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "acosh" => f64::acosh,
        "asin" => f64::asin,
        "asinh" => f64::asinh,
        "atan" => f64::atan,
        "atanh" => f64::atanh,
        "ceil" => f64::ceil,
        "cos" => f64::cos,
        "cosh" => f64::cosh,
        "deg" => |value| value * 180.0 / std::f64::consts::PI,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "log2" => f64::log2,
        "rad" => |value| value * std::f64::consts::PI / 180.0,
        "sgn" => |value| {
            if value > 0.0 {
                1.0
            } else if value < 0.0 {
                -1.0
            } else {
                value
            }
        },
        "sin" => f64::sin,
        "sinh" => f64::sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}
