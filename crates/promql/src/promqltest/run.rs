//! Running: each evaluation of a script, and whether it gave what was expected.

use evenkeel_series::{Memory, Source, Span};

use super::compare;
use super::load::load;
use super::script::{Command, Eval, ScriptError, read};
use super::sequence::Item;
use crate::answer::{Answer, Element, Sample, Value};
use crate::ast::{Aggregate, Edges, Expr, Kind, Length};
use crate::limit::Options;
use crate::query::Query;

/// What an evaluation needs of an engine.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Floats, and no flag.
    Float,
    /// Native histograms.
    Histogram,
    /// What Prometheus asks a flag for.
    Experimental,
}

/// How an evaluation went.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Its line in the script, from 1.
    pub line: usize,
    /// The query.
    pub query: String,
    /// What it needs.
    pub class: Class,
    /// What was wrong, if something was.
    pub outcome: Result<(), String>,
}

/// Runs a script. Everything in it stands for itself: one evaluation that goes wrong keeps none from being made.
pub fn run(script: &str) -> Result<Vec<Verdict>, ScriptError> {
    let mut memory = Memory::new();
    let mut verdicts = Vec::new();
    for command in read(script)? {
        match command {
            Command::Clear => memory = Memory::new(),
            Command::Load { step, series, custom_buckets } => {
                load(&mut memory, step, &series, custom_buckets);
            }
            Command::Eval(eval) => verdicts.push(Verdict {
                line: eval.line,
                query: eval.query.clone(),
                class: class(&eval, &memory),
                outcome: evaluate(&eval, &memory),
            }),
        }
    }
    Ok(verdicts)
}

/// Histograms are what it needs if it selects some, expects some, or speaks of them where there are some.
fn class(eval: &Eval, memory: &Memory) -> Class {
    let is_native = |item: &Item| matches!(item, Item::Histogram(..));
    let expects = eval.expected.series.iter().any(|(_, items)| items.iter().any(is_native));
    let parsed = Query::parse(&eval.query).ok();
    let selects = parsed.iter().flat_map(|query| query.expr().selectors()).any(|selector| {
        let holds = |labels| selector.matchers.iter().all(|matcher| matcher.matches(labels));
        memory.iter().any(|(labels, samples)| !samples.histograms.is_empty() && holds(labels))
    });
    let any = memory.iter().any(|(_, samples)| !samples.histograms.is_empty());
    if expects || selects || (any && eval.query.contains("histogram")) {
        return Class::Histogram;
    }
    match parsed {
        Some(query) if !is_experimental(query.expr()) => Class::Float,
        Some(_) => Class::Experimental,
        None => Class::Float,
    }
}

/// Whether Prometheus would ask for a flag.
fn is_experimental(expr: &Expr) -> bool {
    let reckoned = |length: &Length| matches!(length, Length::Reckoned(..));
    let selector = |it: &crate::ast::Selector| {
        it.edges != Edges::Plain || it.when.offset.as_ref().is_some_and(reckoned)
    };
    let mut found = false;
    expr.walk(&mut |expr| {
        found |= match &expr.kind {
            Kind::Selector(it) => selector(it),
            Kind::Range(it) => selector(&it.selector) || reckoned(&it.length),
            Kind::Subquery(it) => {
                reckoned(&it.length)
                    || it.step.as_ref().is_some_and(reckoned)
                    || it.when.offset.as_ref().is_some_and(reckoned)
            }
            Kind::Call(call) => call.function.experimental,
            Kind::Aggregation(it) => {
                matches!(it.operation, Aggregate::Limitk | Aggregate::LimitRatio)
            }
            Kind::Binary(it) => {
                matches!(it.operator, crate::ast::Operator::Trim { .. })
                    || it.matching.fill_left.is_some()
                    || it.matching.fill_right.is_some()
            }
            _ => false,
        };
    });
    found
}

fn evaluate(eval: &Eval, memory: &Memory) -> Result<(), String> {
    let query = match Query::parse(&eval.query) {
        Ok(query) => query,
        Err(problems) => {
            let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return if eval.expected.fails.is_some() { Ok(()) } else { Err(said.join("; ")) };
        }
    };
    let (options, source): (_, &dyn Source) = (Options::default(), memory);
    let answer = match eval.step {
        Some(step) => query.range(source, (eval.from, eval.until), step, &options),
        None => query.instant(source, eval.from, &options),
    };
    let answer = match (answer, &eval.expected.fails) {
        (Ok(answer), None) => answer,
        (Err(_), Some(_)) => return Ok(()),
        (Ok(_), Some(_)) => return Err("an error was expected, and there is none".to_owned()),
        (Err(error), None) => return Err(error.to_string()),
    };
    compare::notes(&eval.expected, &answer)?;
    let (from, until, step) = match (eval.expected.range, eval.step) {
        (Some(range), _) => range,
        (None, Some(step)) => (eval.from, eval.until, step),
        (None, None) => (eval.from, eval.from, 1),
    };
    let moments: Vec<i64> = std::iter::successors(Some(from), |at| Some(at + step.max(1)))
        .take_while(|at| *at <= until)
        .collect();
    compare::value(&eval.expected, &answer.value, &moments)?;
    let alone =
        eval.step.is_none() && eval.expected.range.is_none() && eval.expected.text.is_none();
    if alone && !looks_at_the_query(&eval.query) {
        return within_a_range(eval, &query, memory, &answer, &options)
            .map_err(|what| format!("as a step of a range: {what}"));
    }
    Ok(())
}

/// Whether it asks when the query begins or ends, which a range changes.
fn looks_at_the_query(query: &str) -> bool {
    ["start()", "end()", "range()", "step()"].iter().any(|it| query.contains(it))
}

/// The same as the middle of three steps of a minute.
fn within_a_range(
    eval: &Eval,
    query: &Query,
    memory: &Memory,
    answer: &Answer,
    options: &Options<'_>,
) -> Result<(), String> {
    let at = eval.from;
    let ranged = query
        .range(memory, (at - 60_000, at + 60_000), 60_000, options)
        .map_err(|it| it.to_string())?;
    if eval.expected.ordered {
        return Ok(());
    }
    let Value::Matrix(lines) = ranged.value else { return Err("no matrix".to_owned()) };
    let mut elements = Vec::new();
    for line in lines {
        let span = Span { after: at - 1, until: at };
        let point = line
            .samples
            .points
            .iter()
            .find(|it| span.holds(it.at))
            .map(|it| Sample::Float(it.value));
        let histogram = line.samples.histograms.iter().find(|it| span.holds(it.0));
        let sample = point.or_else(|| histogram.map(|it| Sample::Histogram(it.1.clone())));
        elements.extend(sample.map(|sample| Element { labels: line.labels, sample }));
    }
    let value = match (&answer.value, elements.as_slice()) {
        (Value::Scalar(_), [Element { sample: Sample::Float(value), .. }]) => Value::Scalar(*value),
        _ => Value::Vector(elements),
    };
    compare::value(&eval.expected, &value, &[at])
}
