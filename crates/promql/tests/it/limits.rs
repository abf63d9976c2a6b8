//! Limits: a query that would take too much is ended, and says what it would take to let it through.

use evenkeel_promql::parse::{DEPTH, NESTING};
use evenkeel_promql::{Cancel, EvalError, Limits, Options, Query};
use evenkeel_series::{Labels, Memory, Point};

fn memory() -> Memory {
    let mut memory = Memory::new();
    for series in 0..10 {
        let labels = Labels::of([("__name__", "x"), ("i", series.to_string().as_str())]);
        for at in 0..100 {
            memory.push(&labels, Point { at: at * 1000, value: 1.0 });
        }
    }
    memory
}

fn ended(query: &str, options: &Options<'_>) -> String {
    let query = Query::parse(query).unwrap();
    query.range(&memory(), (0, 90_000), 1_000, options).unwrap_err().to_string()
}

fn limits(limits: Limits) -> Options<'static> {
    Options { limits, ..Options::default() }
}

#[test]
fn each_limit_is_named_with_what_it_allows() {
    let all = Limits::default();
    for (limits_, query, said) in [
        (Limits { series: 9, ..all }, "x", "more than 9 series"),
        (Limits { samples: 500, ..all }, "x", "more than 500 samples"),
        (Limits { steps: 50, ..all }, "x", "more than 50 steps"),
        (
            Limits { steps: 91, ..all },
            "sum_over_time(x[10m:1s])",
            "more than 91 steps of a subquery",
        ),
        (Limits { answer: 100, ..all }, "x", "more than 100 samples in the answer"),
    ] {
        let error = ended(query, &limits(limits_));
        assert!(error.contains(said) && error.contains("raise the limit"), "{query}: {error}");
    }
}

#[test]
fn many_windows_over_many_samples_are_samples_too() {
    let error = ended(
        "max_over_time(max_over_time(x[90s:1s])[90s:1s])",
        &limits(Limits { samples: 50_000, ..Limits::default() }),
    );
    assert!(error.contains("samples"), "{error}");
}

#[test]
fn what_is_the_same_at_every_step_counts_at_every_step() {
    let error = ended("x @ 0", &limits(Limits { samples: 500, ..Limits::default() }));
    assert!(error.contains("samples"), "{error}");
}

#[test]
fn a_query_is_ended_by_whoever_holds_the_handle() {
    let cancel = Cancel::default();
    let options = Options { cancel: Some(cancel.clone()), ..Options::default() };
    let query = Query::parse("sum(x)").unwrap();
    assert!(query.instant(&memory(), 0, &options).is_ok());
    cancel.cancel();
    assert_eq!(query.instant(&memory(), 0, &options), Err(EvalError::Cancelled));
}

#[test]
fn a_query_is_ended_when_its_time_is_over() {
    let is_over = || true;
    let options = Options { is_over: Some(&is_over), ..Options::default() };
    let query = Query::parse("sum(x)").unwrap();
    assert_eq!(query.instant(&memory(), 0, &options), Err(EvalError::Timeout));
}

#[test]
fn what_is_as_deep_as_it_may_be_is_evaluated_on_the_stack_of_a_thread() {
    let (nested, row) = (NESTING - 2, DEPTH - NESTING);
    let around = |open: &str, close: &str, times: usize| {
        format!("{}x{}{}", open.repeat(times), " or x".repeat(row), close.repeat(times))
    };
    let texts = [
        around("abs(", ")", nested),
        around("sum(", ")", nested),
        around("-(", ")", nested / 2),
        around("max_over_time((", ")[1s:1s])", nested / 3),
        around("histogram_quantile(0.5, ", ")", nested),
        around("label_replace(", ", \"a\", \"b\", \"c\", \"d\")", nested),
        format!("sum_over_time(x[{}1m{}])", "(".repeat(nested - 2), ")".repeat(nested - 2)),
        format!("x{}", " + x".repeat(DEPTH - 2)),
    ];
    for text in texts {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let run = thread.spawn(move || {
            let query = Query::parse(&text).unwrap_or_else(|it| panic!("{text}: {it:?}"));
            query.range(&memory(), (50_000, 60_000), 10_000, &Options::default()).unwrap();
        });
        run.unwrap().join().unwrap();
    }
}

#[test]
fn a_range_without_steps_is_refused() {
    let query = Query::parse("x").unwrap();
    for (range, step) in [((0, 10), 0), ((0, 10), -1), ((10, 0), 1), ((i64::MIN, i64::MAX), 1)] {
        let error = query.range(&memory(), range, step, &Options::default()).unwrap_err();
        assert!(matches!(error, EvalError::Steps { .. }), "{range:?} {step}: {error}");
    }
    assert!(query.instant(&memory(), i64::MAX, &Options::default()).is_err());
}
