//! Answers: what a query is worth.

use std::sync::Arc;

use evenkeel_series::{Histogram, Labels, Samples};

/// A float or a histogram.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<Histogram>),
}

/// One series at the moment of the query.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its name.
    pub labels: Labels,
    /// What it is worth.
    pub sample: Sample,
}

/// One series over some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name.
    pub labels: Labels,
    /// What it is worth at each step that it has a value at; of a range vector, the samples there are.
    pub samples: Samples,
}

/// What a query is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One number.
    Scalar(f64),
    /// A text.
    Text(String),
    /// Series at one moment. In no order but after `sort` and its like, `topk` and `bottomk`.
    Vector(Vec<Element>),
    /// Series over some time, in order of their labels.
    Matrix(Vec<Line>),
}

/// What a query is worth, and what is worth saying about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What it is worth.
    pub value: Value,
    /// What is probably wrong, each with line and column.
    pub warnings: Vec<String>,
    /// What is worth knowing.
    pub infos: Vec<String>,
}
