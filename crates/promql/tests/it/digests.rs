//! Digests: a function gives the same whether it is worked out from digests or from samples.

use evenkeel_promql::{Options, Query, Sample, Value};
use evenkeel_series::{
    Labels, Matcher, Memory, Point, Samples, Series, Source, SourceError, Span, Summed,
};
use proptest::prelude::*;

/// A source that keeps no digests.
pub(crate) struct Plain<'a>(pub(crate) &'a Memory);

struct One<'a>(Box<dyn Series + 'a>);

impl Source for Plain<'_> {
    fn select<'a>(
        &'a self,
        matchers: &[Matcher],
        span: Span,
    ) -> Result<Vec<Box<dyn Series + 'a>>, SourceError> {
        let series = self.0.select(matchers, span)?;
        Ok(series.into_iter().map(|it| Box::new(One(it)) as Box<dyn Series>).collect())
    }
}

impl Series for One<'_> {
    fn labels(&self) -> &Labels {
        self.0.labels()
    }

    fn read(&self, span: Span, into: &mut Samples) -> Result<(), SourceError> {
        self.0.read(span, into)
    }
}

/// A source that must not be read.
struct OnlyDigests<'a>(&'a Memory);

struct Digested<'a>(Box<dyn Series + 'a>);

impl Source for OnlyDigests<'_> {
    fn select<'a>(
        &'a self,
        matchers: &[Matcher],
        span: Span,
    ) -> Result<Vec<Box<dyn Series + 'a>>, SourceError> {
        let series = self.0.select(matchers, span)?;
        Ok(series.into_iter().map(|it| Box::new(Digested(it)) as Box<dyn Series>).collect())
    }
}

impl Series for Digested<'_> {
    fn labels(&self) -> &Labels {
        self.0.labels()
    }

    fn read(&self, _: Span, _: &mut Samples) -> Result<(), SourceError> {
        Err(SourceError("read, though digests say all".to_owned()))
    }

    fn digest(&self, span: Span) -> Result<Summed, SourceError> {
        self.0.digest(span)
    }
}

const FUNCTIONS: [&str; 12] = [
    "rate",
    "increase",
    "delta",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "first_over_time",
    "last_over_time",
    "present_over_time",
    "ts_of_last_over_time",
];

fn memory(values: &[f64]) -> Memory {
    let mut memory = Memory::new();
    for (at, value) in (0..).zip(values) {
        memory
            .push(&Labels::of([("__name__", "x_total")]), Point { at: at * 10_000, value: *value });
    }
    memory
}

fn floats(value: Value) -> Vec<f64> {
    match value {
        Value::Vector(elements) => elements
            .into_iter()
            .map(|it| match it.sample {
                Sample::Float(value) => value,
                Sample::Histogram(_) => panic!("a histogram"),
            })
            .collect(),
        Value::Matrix(lines) => {
            lines.into_iter().flat_map(|it| it.samples.points).map(|it| it.value).collect()
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn digests_say_what_samples_say(
        values in prop::collection::vec(prop_oneof![0.0..1e6, Just(f64::NAN), Just(0.0)], 0..60),
        function in prop::sample::select(FUNCTIONS.to_vec()),
        seconds in 1u32..700,
        at in 0i64..700_000,
    ) {
        let memory = memory(&values);
        let query = Query::parse(&format!("{function}(x_total[{seconds}s])")).unwrap();
        let options = Options::default();
        let read = floats(query.instant(&Plain(&memory), at, &options).unwrap().value);
        let digested = floats(query.instant(&memory, at, &options).unwrap().value);
        prop_assert_eq!(read.len(), digested.len());
        for (one, other) in read.iter().zip(&digested) {
            let near = (one - other).abs() <= 1e-9 * one.abs().max(1.0);
            prop_assert!(near || (one.is_nan() && other.is_nan()), "{} {}", one, other);
        }
    }
}

#[test]
fn long_windows_at_few_steps_are_not_read() {
    let memory = memory(&vec![1.0; 20_000]);
    let query = Query::parse("sum_over_time(x_total[2d])").unwrap();
    let range = (190_000_000, 190_000_000 + 3 * 3_600_000);
    let answer = query.range(&OnlyDigests(&memory), range, 3_600_000, &Options::default());
    assert_eq!(floats(answer.unwrap().value).len(), 4);
}

#[test]
fn short_windows_at_many_steps_are_read_once() {
    let memory = memory(&vec![1.0; 2_000]);
    let query = Query::parse("sum_over_time(x_total[1m])").unwrap();
    let answer = query.range(&OnlyDigests(&memory), (0, 20_000_000), 60_000, &Options::default());
    assert!(answer.unwrap_err().to_string().contains("read, though digests say all"));
}
