//! PromQL: the query language of Prometheus, evaluated over any source of series.
//!
//! ```text
//! query       Query: parsed once, evaluated at a moment or over a range
//! parse       text → expression, with the place of every part
//! ast         Expr: a query as a tree, for lints to walk
//! check       whether the types of its parts fit
//! function    every function, what it takes and gives
//! lint        what can be evaluated, and says something else than was meant
//! limit       Options, Limits, Cancel, EvalError: how much a query may take, and how it is ended
//! eval        expression + source → rows, one for each series
//! answer      Answer: what a query is worth
//! note        warnings and infos beside it, in the words of Prometheus
//! promqltest  the language of Prometheus' own acceptance tests, and how they are run
//! ```
//!
//! Semantics are those of Prometheus 3: ranges and lookback exclude their start, names go at the end of a query. What
//! differs is in `docs/promql.md`. How deep an expression may be, and everything that a
//! query could make large, has a limit.
//!
//! ```
//! use evenkeel_promql::{Options, Query, Value};
//! use evenkeel_series::{Labels, Memory, Point};
//!
//! let mut memory = Memory::new();
//! let requests = Labels::of([("__name__", "requests_total"), ("job", "shop")]);
//! for minute in 0..=10 {
//!     memory.push(&requests, Point { at: minute * 60_000, value: minute as f64 * 30.0 });
//! }
//! let query = Query::parse("sum by (job) (rate(requests_total[5m]))").unwrap();
//! let answer = query.instant(&memory, 600_000, &Options::default()).unwrap();
//! let Value::Vector(elements) = answer.value else { unreachable!("an aggregation gives a vector") };
//! assert_eq!(elements[0].labels.get("job"), "shop");
//! ```
//!
//! Deliberately absent: start timestamps of samples, and where series come from.

pub mod answer;
pub mod ast;
mod check;
mod eval;
pub mod function;
pub mod limit;
pub mod lint;
mod note;
pub mod parse;
pub mod position;
pub mod promqltest;
mod query;
pub mod text;

pub use answer::{Answer, Element, Line, Sample, Value};
pub use ast::{Expr, Kind, Type};
pub use limit::{Cancel, EvalError, Limits, Options};
pub use lint::lint;
pub use position::{Position, Problem};
pub use query::Query;
