//! Queries: what is parsed once and evaluated as often as wanted.

use std::cell::{Cell, RefCell};

use evenkeel_series::Source;

use crate::answer::Answer;
use crate::ast::{Expr, Type};
use crate::check::check;
use crate::eval::{Evaluation, FURTHEST, Steps};
use crate::limit::{EvalError, Options};
use crate::note::Notes;
use crate::parse::parse;
use crate::position::{Position, Problem};

/// A query that makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    text: String,
    expr: Expr,
}

impl Query {
    /// Reads a query. What cannot be read is one problem; of what can be read, all that does not fit is said at once.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let expr = parse(text).map_err(|problem| vec![problem])?;
        let problems = check(text, &expr);
        if problems.is_empty() { Ok(Self { text: text.to_owned(), expr }) } else { Err(problems) }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it says.
    pub const fn expr(&self) -> &Expr {
        &self.expr
    }

    /// What it is worth.
    pub fn kind(&self) -> Type {
        self.expr.kind_of_value()
    }

    /// The text of a part of it.
    pub fn text_of(&self, at: Position) -> &str {
        self.text.get(at.start..at.end).unwrap_or_default()
    }

    /// What it is worth at a moment, in milliseconds since 1970.
    pub fn instant(
        &self,
        source: &dyn Source,
        at: i64,
        options: &Options<'_>,
    ) -> Result<Answer, EvalError> {
        if !(-FURTHEST..=FURTHEST).contains(&at) {
            return Err(EvalError::Steps { from: at, until: at, step: 1 });
        }
        let steps = Steps { first: at, step: 1, count: 1 };
        self.evaluate(source, steps, at, options, false)
    }

    /// What it is worth from a moment to another, each some milliseconds after the one before.
    pub fn range(
        &self,
        source: &dyn Source,
        (from, until): (i64, i64),
        step: i64,
        options: &Options<'_>,
    ) -> Result<Answer, EvalError> {
        let reachable = |at: i64| (-FURTHEST..=FURTHEST).contains(&at);
        if step <= 0 || step > FURTHEST || until < from || !reachable(from) || !reachable(until) {
            return Err(EvalError::Steps { from, until, step });
        }
        let count = usize::try_from((until - from) / step + 1).unwrap_or(usize::MAX);
        let most = options.limits.steps;
        if count as u64 > most {
            return Err(EvalError::Limit { what: "steps", limit: "steps", most });
        }
        self.evaluate(source, Steps { first: from, step, count }, until, options, true)
    }

    fn evaluate(
        &self,
        source: &dyn Source,
        query: Steps,
        until: i64,
        options: &Options<'_>,
        is_range: bool,
    ) -> Result<Answer, EvalError> {
        let evaluation = Evaluation {
            text: &self.text,
            source,
            options,
            query,
            until,
            notes: RefCell::new(Notes::default()),
            series: Cell::new(0),
            samples: Cell::new(0),
        };
        let value = evaluation.value(&self.expr, is_range)?;
        let (warnings, infos) = evaluation.notes.into_inner().texts(&self.text);
        Ok(Answer { value, warnings, infos })
    }
}
