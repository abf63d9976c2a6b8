//! Conditions: whole (`p95 < 500ms`), or as limits of the figures that are their keys.

use serde_json::{Value as Json, json};

use super::{PERCENT, cut, duration_pattern, quoted, rate_pattern, sentence};
use crate::decode::codec::{
    Any, Codec, Definitions, Forms, List, Problem, Takes, Word, wrong_sort,
};
use crate::decode::{Findings, codes};
use crate::document::{Criterion, CriterionError, Limit, Metric, Unit};
use crate::yaml::{Node, Place, Value};

/// A percentile by its name.
pub(in crate::decode) const QUANTILE: &str =
    r"p(?=[0-9.]*[1-9])(?:0*[0-9]{1,2}(?:\.[0-9]*)?|\.[0-9]+)";

/// What is said of a text that is no condition.
pub(in crate::decode) fn problem(error: &CriterionError) -> Problem {
    Problem::new(
        codes::CONDITION,
        quoted(&error.to_string(), 160),
        sentence(&quoted(&error.help(), 200)),
    )
}

/// The names of the figures of one unit.
fn names(unit: Unit) -> String {
    let named = Metric::NAMES.iter().filter(|(_, it)| it.unit() == unit).map(|(it, _)| *it);
    let mut names: Vec<_> = named.map(str::to_owned).collect();
    if unit == Unit::Seconds {
        names.push(format!("{QUANTILE}(?:_response_time|_latency)?"));
        names.push(format!("(?:response_time|latency)_{QUANTILE}"));
    }
    format!("(?:{})", names.join("|"))
}

/// A comparison with a limit of one unit.
fn limit(unit: Unit) -> String {
    let value = match unit {
        Unit::Ratio => PERCENT.to_owned(),
        Unit::Seconds => duration_pattern(),
        Unit::PerSecond => rate_pattern(),
        // `breakdown_threshold` is of users or of a rate.
        Unit::Users => format!(r"(?:\d+(?:\s*users?)?|{})", rate_pattern()),
    };
    format!(r"\s*(?:<=|>=|<|>)\s*{value}(?:\s* for \s*{})?", duration_pattern())
}

const UNITS: [Unit; 4] = [Unit::Ratio, Unit::Seconds, Unit::PerSecond, Unit::Users];

/// A condition, written whole.
pub(in crate::decode) fn condition() -> Word<Criterion> {
    let parse = |text: &str| Criterion::parse(text).map_err(|it| problem(&it));
    let schema = || {
        let forms = UNITS.map(|unit| format!("{}{}", names(unit), limit(unit)));
        super::whole(
            &format!("(?:{})", forms.join("|")),
            &["p95 < 500ms", "error_rate > 10% for 3s", "availability > 99.9%"],
        )
    };
    Word { expected: "a condition such as `p95 < 500ms`", takes: Takes::Text, parse, schema }
}

/// A comparison with a plain number.
pub(in crate::decode) fn plain() -> Word<Limit> {
    let parse = |text: &str| {
        Limit::parse(text).ok_or_else(|| {
            let message = format!("`{}` is no comparison with a number", cut(text));
            let help = "Write one of < <= > >= and a number, such as `\">= 1\"`; a share as `\">= 0.25\"`.";
            Problem::new(codes::CONDITION, message, help)
        })
    };
    let schema = || {
        super::whole(r"(?:<=|>=|<|>)\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,2})?", &[">= 1"])
    };
    Word { expected: "a comparison such as `>= 1`", takes: Takes::Text, parse, schema }
}

/// Conditions as a map from figures to limits.
pub(in crate::decode) struct Limits;

/// The same, to be used where a map is one of several forms.
pub(in crate::decode) const fn limits() -> Limits {
    Limits
}

impl Codec for Limits {
    type Value = Vec<Criterion>;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<Vec<Criterion>> {
        let Value::Map(entries) = &node.value else {
            wrong_sort(node, at, "a map", found);
            return None;
        };
        let read: Vec<_> = entries
            .iter()
            .map(|entry| {
                let Some(metric) = Metric::parse(&entry.key) else {
                    let it = problem(&CriterionError::Metric(cut(&entry.key)));
                    found.report(it.code, entry.key_place, it.message, it.help);
                    return None;
                };
                let text = match (entry.value.sort(), entry.value.text()) {
                    (crate::yaml::Sort::Null, _) | (_, None) => {
                        let expected = "a limit such as `\"< 500ms\"`";
                        wrong_sort(&entry.value, entry.key_place, expected, found);
                        return None;
                    }
                    (_, Some(text)) => text,
                };
                let place = match entry.value.place.length {
                    0 => entry.key_place,
                    _ => entry.value.place,
                };
                Criterion::parse_limit(metric, text)
                    .map_err(|error| {
                        let it = problem(&error);
                        let help = match error {
                            CriterionError::Form(_) => {
                                "Write a comparison and a limit in quotes, such as `\"< 1%\"`."
                                    .to_owned()
                            }
                            CriterionError::Comparison(_)
                            | CriterionError::Metric(_)
                            | CriterionError::Limit(_) => it.help,
                        };
                        found.report(it.code, place, it.message, help);
                    })
                    .ok()
            })
            .collect();
        read.into_iter().collect()
    }

    fn schema(&self, _: &mut Definitions) -> Json {
        let limits = UNITS.map(|unit| {
            let limit = json!({"type": "string", "pattern": format!(r"^{}\s*$", limit(unit))});
            (format!("^{}$", names(unit)), limit)
        });
        let limits: serde_json::Map<_, _> = limits.into_iter().collect();
        json!({"type": "object", "additionalProperties": false, "patternProperties": limits})
    }
}

/// What must hold: a map from figures to limits, or a list of conditions.
pub(in crate::decode) fn conditions() -> Forms<Vec<Criterion>> {
    let list: Any<Vec<Criterion>> = Box::new(List { of: condition(), min: 0 });
    Forms {
        expected: "a map of conditions",
        scalar: None,
        list: Some(list),
        map: Some(Box::new(Limits)),
    }
}
