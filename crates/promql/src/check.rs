//! Checking: whether the parts of an expression fit together.

use evenkeel_series::METRIC_NAME;

use crate::ast::{Binary, Call, Expr, Kind, Many, Operator, Selector, Type};
use crate::position::{Position, Problem};

/// Everything that does not fit.
pub(crate) fn check(text: &str, expr: &Expr) -> Vec<Problem> {
    let mut check = Check { text, found: Vec::new() };
    check.expr(expr);
    check.found
}

struct Check<'a> {
    text: &'a str,
    found: Vec<Problem>,
}

impl Check<'_> {
    fn wrong(&mut self, at: Position, what: impl Into<String>, fix: &str) {
        let line_and_column = at.line_and_column(self.text);
        self.found.push(Problem { at, line_and_column, what: what.into(), fix: fix.to_owned() });
    }

    fn expr(&mut self, expr: &Expr) {
        for child in expr.children() {
            self.expr(child);
        }
        match &expr.kind {
            Kind::Number(_) | Kind::Text(_) | Kind::Parentheses(_) => {}
            Kind::Selector(selector) => self.selector(expr.at, selector),
            Kind::Range(range) => self.selector(expr.at, &range.selector),
            Kind::Subquery(subquery) => {
                self.wants(&subquery.of, Type::Vector, "a subquery");
            }
            Kind::Call(call) => self.call(expr.at, call),
            Kind::Aggregation(it) => {
                self.wants(&it.of, Type::Vector, it.operation.name());
                if let (Some(parameter), Some(wanted)) = (&it.parameter, it.operation.parameter()) {
                    self.wants(parameter, wanted, it.operation.name());
                }
            }
            Kind::Binary(binary) => self.binary(expr.at, binary),
            Kind::Sign { of, .. } => {
                let is = of.kind_of_value();
                if !matches!(is, Type::Scalar | Type::Vector) {
                    let what = format!("the sign of {is}");
                    self.wrong(expr.at, what, "only scalars and instant vectors have one");
                }
            }
        }
    }

    fn wants(&mut self, expr: &Expr, wanted: Type, whose: &str) {
        let is = expr.kind_of_value();
        if is == wanted {
            return;
        }
        let fix = match (wanted, is) {
            (Type::Range, Type::Vector) => "add a range like [5m]",
            (Type::Vector, Type::Range) => {
                "take the range away, or put a function like rate() around it"
            }
            (Type::Scalar, Type::Vector) => "put scalar() around it",
            (Type::Vector, Type::Scalar) => "put vector() around it",
            _ => "see docs/promql.md for what it takes",
        };
        self.wrong(expr.at, format!("`{whose}` wants {wanted}, and this is {is}"), fix);
    }

    fn selector(&mut self, at: Position, selector: &Selector) {
        if let Some(name) = &selector.name {
            let before = selector.matchers.split_last().map_or(&[][..], |(_, before)| before);
            if before.iter().any(|matcher| matcher.name() == METRIC_NAME) {
                self.wrong(at, format!("a second name beside `{name}`"), "keep one of the two");
            }
        } else if selector.matchers.iter().all(|matcher| matcher.is_met_by("")) {
            self.wrong(
                at,
                "a selector that every series may meet",
                "add a matcher that an empty value does not meet",
            );
        }
    }

    fn call(&mut self, at: Position, call: &Call) {
        let function = call.function;
        let (least, given) = (function.takes.len() - function.optional, call.arguments.len());
        let most = function.takes.len().saturating_add(function.repeated);
        if given < least || given > most {
            let takes = if least == most {
                least.to_string()
            } else if most == usize::MAX {
                format!("at least {least}")
            } else {
                format!("{least} to {most}")
            };
            let what = format!("`{}` takes {takes} arguments, and has {given}", function.name);
            self.wrong(at, what, "add what is missing, or take away what is too much");
            return;
        }
        for (position, argument) in call.arguments.iter().enumerate() {
            let wanted = function.takes.get(position).or_else(|| function.takes.last());
            let Some(wanted) = wanted else { continue };
            if function.name == "info" && position == 1 {
                self.label_selector(argument);
            } else {
                self.wants(argument, *wanted, function.name);
            }
            if *wanted == Type::Text && !matches!(argument.bare().kind, Kind::Text(_)) {
                self.wrong(argument.at, "a text that is no literal", "write it in quotes");
            }
        }
    }

    /// The second argument of `info` names labels, not series: it may be met by every series.
    fn label_selector(&mut self, argument: &Expr) {
        self.found.retain(|problem| problem.at != argument.at);
        let is_one = matches!(&argument.kind, Kind::Selector(selector) if selector.name.is_none());
        if !is_one {
            self.wrong(
                argument.at,
                "`info` wants labels here",
                "write matchers in braces, without a name",
            );
        }
    }

    fn binary(&mut self, at: Position, binary: &Binary) {
        let sides = [&binary.left, &binary.right];
        for side in sides {
            let is = side.kind_of_value();
            if !matches!(is, Type::Scalar | Type::Vector) {
                let what = format!("`{}` with {is}", binary.operator.sign());
                self.wrong(side.at, what, "operators take scalars and instant vectors");
            }
        }
        let [left, right] = sides.map(Expr::kind_of_value);
        let scalars = left == Type::Scalar && right == Type::Scalar;
        let one_scalar = left == Type::Scalar || right == Type::Scalar;
        let is_comparison = matches!(binary.operator, Operator::Comparison(_));
        if binary.as_bool && !is_comparison {
            self.wrong(binary.operator_at, "`bool` after what compares nothing", "take it away");
        }
        if is_comparison && !binary.as_bool && scalars {
            self.wrong(
                binary.operator_at,
                "scalars compared without `bool`",
                "write `bool` after the operator",
            );
        }
        if scalars && matches!(binary.operator, Operator::Trim { .. }) {
            self.wrong(
                binary.operator_at,
                "scalars are not trimmed",
                "put a vector of histograms to the left",
            );
        }
        let matching = &binary.matching;
        let filled = matching.fill_left.is_some() || matching.fill_right.is_some();
        if one_scalar {
            if !matching.labels.is_empty() {
                self.wrong(
                    at,
                    "labels to match by beside a scalar",
                    "take `on` or `ignoring` away",
                );
            }
            if filled {
                self.wrong(at, "`fill` beside a scalar", "take it away");
            }
        }
        if matches!(binary.operator, Operator::Set(_)) {
            if one_scalar {
                self.wrong(at, "a set operator with a scalar", "put vector() around the scalar");
            }
            if matching.many.is_some() {
                self.wrong(at, "`group_left` or `group_right` of a set operator", "take it away");
            }
            if filled {
                self.wrong(at, "`fill` of a set operator", "take it away");
            }
        }
        if let Some(Many::Left(taken) | Many::Right(taken)) = &matching.many
            && let Some(label) =
                taken.iter().find(|label| matching.on && matching.labels.contains(label))
        {
            let what = format!("label `{label}` both matched and taken over");
            self.wrong(binary.operator_at, what, "take it away from one of the two");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Query;

    fn problems(text: &str) -> Vec<String> {
        match Query::parse(text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn types_that_do_not_fit_are_said_all_at_once() {
        let found = problems("rate(x) + abs(y[5m])");
        assert_eq!(
            found,
            [
                "1:6: `rate` wants a range vector, and this is an instant vector: add a range like [5m]",
                "1:15: `abs` wants an instant vector, and this is a range vector: take the range away, or put a \
                 function like rate() around it",
            ]
        );
    }

    #[test]
    fn what_fits_is_fine() {
        for text in [
            "1 == bool 2",
            "x and on (a) y",
            "round(x)",
            "label_join(x, \"a\", \"b\")",
            "info(x, {a=\"b\"})",
        ] {
            assert_eq!(problems(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_not() {
        for text in [
            "1 == 2",
            "x and 1",
            "x + bool y",
            "x + on (a) group_left (a) y",
            "{a=\"\"}",
            "x{__name__=\"y\"}",
            "-\"a\"",
            "sum(1)",
            "topk(x, y)",
            "\"a\" + 1",
            "x and on (a) group_left y",
            "pi(1)",
            "1 </ 2",
        ] {
            assert_eq!(problems(text).len(), 1, "{text}: {:?}", problems(text));
        }
    }
}
