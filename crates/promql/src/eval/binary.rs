//! Binary operators: on numbers, on histograms, and on a vector with a scalar.

use std::sync::Arc;

use evenkeel_series::Histogram;
use evenkeel_series::histogram::{Incompatible, Noted, Reset, Side};

use super::{Evaluated, Evaluation, Grid, Row, Steps};
use crate::answer::Sample;
use crate::ast::{Arithmetic, Binary, Comparison, Operator};
use crate::note;
use crate::position::Position;

/// A number made of two.
pub(super) fn arithmetic(arithmetic: Arithmetic, one: f64, other: f64) -> f64 {
    match arithmetic {
        Arithmetic::Add => one + other,
        Arithmetic::Subtract => one - other,
        Arithmetic::Multiply => one * other,
        Arithmetic::Divide => one / other,
        Arithmetic::Modulo => one % other,
        Arithmetic::Power => one.powf(other),
        Arithmetic::Atan2 => one.atan2(other),
    }
}

/// As IEEE 754 compares.
#[expect(clippy::float_cmp, reason = "`==` of the language is that of floats")]
fn compares(comparison: Comparison, one: f64, other: f64) -> bool {
    match comparison {
        Comparison::Equal => one == other,
        Comparison::NotEqual => one != other,
        Comparison::Less => one < other,
        Comparison::LessOrEqual => one <= other,
        Comparison::Greater => one > other,
        Comparison::GreaterOrEqual => one >= other,
    }
}

/// What an operator makes of two samples.
pub(super) enum Made {
    /// A value of its own.
    Value(Sample),
    /// Whether the left one stays.
    Filter(bool),
}

/// Whether what an operator makes is another thing than its operands.
pub(super) const fn makes_another(operator: Operator) -> bool {
    matches!(operator, Operator::Arithmetic(_))
}

impl Evaluation<'_> {
    pub(super) fn binary(&self, at: Position, binary: &Binary, steps: Steps) -> Evaluated<Grid> {
        let left = self.eval(&binary.left, steps)?;
        let right = self.eval(&binary.right, steps)?;
        match (left, right) {
            (Grid::Scalar(mut left), Grid::Scalar(right)) => {
                for (left, right) in left.iter_mut().zip(right) {
                    *left = match binary.operator {
                        Operator::Arithmetic(it) => arithmetic(it, *left, right),
                        Operator::Comparison(it) => f64::from(u8::from(compares(it, *left, right))),
                        Operator::Set(_) | Operator::Trim { .. } => f64::NAN,
                    };
                }
                Ok(Grid::Scalar(left))
            }
            (Grid::Vector(rows), Grid::Scalar(scalars)) => {
                Ok(Grid::Vector(self.with_scalars(at, binary, rows, &scalars, false)))
            }
            (Grid::Scalar(scalars), Grid::Vector(rows)) => {
                Ok(Grid::Vector(self.with_scalars(at, binary, rows, &scalars, true)))
            }
            (Grid::Vector(left), Grid::Vector(right)) => match binary.operator {
                Operator::Set(set) => self.set(at, set, binary, left, right).map(Grid::Vector),
                _ => self.matched(at, binary, left, right, steps).map(Grid::Vector),
            },
            _ => Err(self.wrong(at, "a text as an operand", "use a number or a vector")),
        }
    }

    fn with_scalars(
        &self,
        at: Position,
        binary: &Binary,
        mut rows: Vec<Row>,
        scalars: &[f64],
        scalar_is_left: bool,
    ) -> Vec<Row> {
        for row in &mut rows {
            row.nameless |= binary.as_bool || makes_another(binary.operator);
            for (cell, scalar) in row.cells.iter_mut().zip(scalars) {
                let Some(sample) = cell.take() else { continue };
                let scalar = Sample::Float(*scalar);
                let made = match scalar_is_left {
                    true => self.made(at, binary.operator, &scalar, &sample),
                    false => self.made(at, binary.operator, &sample, &scalar),
                };
                *cell = match made {
                    None => None,
                    Some(Made::Value(value)) => Some(value),
                    Some(Made::Filter(stays)) if binary.as_bool => Some(truth(stays)),
                    // What stays is what the vector holds, on whichever side it stands.
                    Some(Made::Filter(stays)) => stays.then_some(sample),
                };
            }
        }
        rows.retain(|row| !row.is_empty());
        rows
    }

    /// What an operator makes of two samples; nothing, and a note, if it does not fit their kinds.
    pub(super) fn made(
        &self,
        at: Position,
        operator: Operator,
        left: &Sample,
        right: &Sample,
    ) -> Option<Made> {
        use Arithmetic as A;
        use Sample::{Float, Histogram as Native};
        match (left, right, operator) {
            (Float(left), Float(right), Operator::Arithmetic(it)) => {
                Some(Made::Value(Float(arithmetic(it, *left, *right))))
            }
            (Float(left), Float(right), Operator::Comparison(it)) => {
                Some(Made::Filter(compares(it, *left, *right)))
            }
            (Native(histogram), Float(factor), Operator::Arithmetic(A::Multiply))
            | (Float(factor), Native(histogram), Operator::Arithmetic(A::Multiply)) => {
                native(histogram.scaled(*factor))
            }
            (Native(histogram), Float(divisor), Operator::Arithmetic(A::Divide)) => {
                native(histogram.divided(*divisor))
            }
            (Native(histogram), Float(value), Operator::Trim { below }) => {
                native(histogram.trimmed(if below { Side::Below } else { Side::Above }, *value))
            }
            (Native(left), Native(right), Operator::Arithmetic(A::Add)) => {
                self.combined_by(at, operator, "addition", left.plus(right))
            }
            (Native(left), Native(right), Operator::Arithmetic(A::Subtract)) => {
                let rest =
                    left.minus(right).map(|(rest, noted)| (rest.with_reset(Reset::Gauge), noted));
                self.combined_by(at, operator, "subtraction", rest)
            }
            (Native(left), Native(right), Operator::Comparison(Comparison::Equal)) => {
                Some(Made::Filter(left.is_alike(right)))
            }
            (Native(left), Native(right), Operator::Comparison(Comparison::NotEqual)) => {
                Some(Made::Filter(!left.is_alike(right)))
            }
            _ => {
                let kind = |sample: &Sample| match sample {
                    Float(_) => "float",
                    Native(_) => "histogram",
                };
                let (left, sign, right) = (kind(left), operator.sign(), kind(right));
                let what = format!(
                    "incompatible sample types encountered for binary operator {sign:?}: {left} {sign} {right}"
                );
                self.inform(what, at);
                None
            }
        }
    }

    fn combined_by(
        &self,
        at: Position,
        operator: Operator,
        during: &str,
        done: Result<(Histogram, Noted), Incompatible>,
    ) -> Option<Made> {
        match done {
            Ok((histogram, noted)) => {
                if noted.resets_collide {
                    self.warn(note::resets_collide(during), at);
                }
                if noted.bounds_reconciled {
                    self.inform(note::reconciled(during), at);
                }
                native(histogram)
            }
            Err(Incompatible) => {
                let sign = operator.sign();
                self.warn(
                    format!("incompatible bucket layout encountered for binary operator {sign}"),
                    at,
                );
                None
            }
        }
    }
}

fn native(histogram: Histogram) -> Option<Made> {
    Some(Made::Value(Sample::Histogram(Arc::new(histogram))))
}

pub(super) fn truth(is: bool) -> Sample {
    Sample::Float(f64::from(u8::from(is)))
}
