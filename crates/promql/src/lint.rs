//! Lint: queries that can be evaluated, and say something else than was meant.
//!
//! ```text
//! rate(x{code="500"}[5m]) / rate(x[5m])     each series divided by itself: 1 wherever there is an error at all
//! histogram_quantile(0.95, x_bucket)        of all requests since the service began
//! histogram_quantile(0.95, sum(rate(x_bucket[5m])))   of no buckets: `le` is gone
//! ```

use crate::ast::{Aggregation, Arithmetic, Binary, Expr, Kind, Length, Matching, Operator, Range};
use crate::position::{Position, Problem};
use crate::query::Query;

/// The functions that make counts out of counters.
const RATES: [&str; 5] = ["rate", "increase", "irate", "delta", "idelta"];

/// Everything in a query that is probably not what was meant, in the order in which it stands there.
pub fn lint(query: &Query) -> Vec<Problem> {
    let mut found = Vec::new();
    query.expr().walk(&mut |expr| {
        let problem = match &expr.kind {
            Kind::Binary(binary) if is_ratio_of_itself(binary) => Some((
                binary.operator_at,
                "each series is divided by itself, so that the ratio is 1 wherever there is one",
                "Add up both sides: `sum(rate(…)) / sum(rate(…))`, or `sum by (…)` on both.",
            )),
            Kind::Call(call) if call.function.name == "histogram_quantile" => call
                .arguments
                .get(1)
                .and_then(|it| quantile(it))
                .map(|(what, fix)| (expr.at, what, fix)),
            _ => None,
        };
        found.extend(problem.map(|(at, what, fix)| of(query, at, what, fix)));
    });
    found.sort_by_key(|it| it.at.start);
    found
}

fn of(query: &Query, at: Position, what: &str, fix: &str) -> Problem {
    let line_and_column = at.line_and_column(query.text());
    Problem { at, line_and_column, what: what.to_owned(), fix: fix.to_owned() }
}

/// Whether both sides are the same function of one metric over one range, and every series meets itself.
fn is_ratio_of_itself(binary: &Binary) -> bool {
    let plain =
        Matching { on: false, labels: Vec::new(), many: None, fill_left: None, fill_right: None };
    let sides = rate_of(&binary.left).zip(rate_of(&binary.right));
    let is_same = |((f, a), (g, b)): ((&str, &Range), (&str, &Range))| {
        let same_length =
            matches!((&a.length, &b.length), (Length::Fixed(a), Length::Fixed(b)) if a == b);
        let names = metric(a).zip(metric(b));
        f == g
            && same_length
            && a.selector.when == b.selector.when
            && names.is_some_and(|(a, b)| a == b)
    };
    binary.operator == Operator::Arithmetic(Arithmetic::Divide)
        && binary.matching == plain
        && sides.is_some_and(is_same)
}

/// The metric of a range, when it is named.
fn metric(range: &Range) -> Option<&str> {
    range.selector.name.as_deref()
}

/// A rate of series, and nothing around it.
fn rate_of(expr: &Expr) -> Option<(&'static str, &Range)> {
    let Kind::Call(call) = &expr.bare().kind else { return None };
    let name = RATES.iter().find(|it| **it == call.function.name)?;
    match &call.arguments.first()?.bare().kind {
        Kind::Range(range) => Some((name, range)),
        _ => None,
    }
}

/// What is wrong with that of which a quantile is taken.
fn quantile(of: &Expr) -> Option<(&'static str, &'static str)> {
    let (mut is_over_time, mut is_bucket) = (false, false);
    of.walk(&mut |it| match &it.kind {
        Kind::Range(range) => {
            is_over_time = true;
            is_bucket |= range.selector.name.as_deref().is_some_and(|it| it.ends_with("_bucket"));
        }
        Kind::Subquery(_) => is_over_time = true,
        // What a rule has made of buckets is a rate already.
        Kind::Selector(selector) => {
            is_over_time |= selector.name.as_deref().is_some_and(|it| it.contains(':'));
        }
        _ => {}
    });
    if !is_over_time {
        return Some((
            "a quantile of everything since the service began, or of no histogram at all",
            "Take the rate of its buckets: `histogram_quantile(0.95, sum by (le) (rate(…_bucket[5m])))`.",
        ));
    }
    let loses_le = |it: &Aggregation| {
        let named = it.labels.iter().any(|it| it == "le");
        if it.without { named } else { !named }
    };
    match &of.bare().kind {
        Kind::Aggregation(it) if is_bucket && loses_le(it) => Some((
            "a quantile of no buckets: their label `le` is gone",
            "Keep it: `sum by (le) (…)`, and any other label beside it.",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        let query = Query::parse(text).unwrap();
        lint(&query).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_ratio_of_a_series_and_itself_is_found() {
        let text = "rate(x{code=~\"5..\"}[5m]) / rate(x[5m]) > 0.05";
        assert!(
            found(text).starts_with("1:26: each series is divided by itself"),
            "{}",
            found(text)
        );
        assert!(!found("(rate(x{a=\"b\"}[1h])\n/ rate(x[1h])) > 14.4 * 0.001").is_empty());
        for fine in [
            "sum(rate(x{code=~\"5..\"}[5m])) / sum(rate(x[5m]))",
            "rate(x[5m]) / rate(x[1h])",
            "rate(x[5m]) / rate(y[5m])",
            "rate(x{code=\"500\"}[5m]) / ignoring(code) group_left rate(x{code=\"200\"}[5m])",
            "rate(x[5m]) / rate(x[5m] offset 1d)",
        ] {
            assert_eq!(found(fine), "");
        }
    }

    #[test]
    fn a_quantile_wants_rates_and_the_bounds_of_buckets() {
        for (text, what) in [
            ("histogram_quantile(0.95, x_bucket)", "since the service began"),
            ("histogram_quantile(0.95, sum by (le) (x))", "since the service began"),
            ("histogram_quantile(0.95, sum(rate(x_bucket[5m])))", "`le` is gone"),
            ("histogram_quantile(0.95, sum without (le) (rate(x_bucket[5m])))", "`le` is gone"),
        ] {
            assert!(found(text).contains(what), "{text}: {}", found(text));
        }
        for fine in [
            "histogram_quantile(0.95, sum(rate(x_bucket[5m])) by (le, service)) > 0.5",
            "histogram_quantile(0.95, rate(x_bucket{job=\"api\"}[5m])) > 0.5",
            "histogram_quantile(0.95, sum(rate(native[5m])))",
            "histogram_quantile(0.9, job:x_bucket:rate5m)",
        ] {
            assert_eq!(found(fine), "");
        }
    }
}
