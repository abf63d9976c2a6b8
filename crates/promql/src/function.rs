//! Functions: what each is called, takes and gives.

use crate::ast::Type;

/// A function of the language.
#[derive(Debug, PartialEq)]
pub struct Function {
    /// As it is written.
    pub name: &'static str,
    /// What it takes.
    pub takes: &'static [Type],
    /// How many of those may be left out, the last first.
    pub optional: usize,
    /// How often the last may be repeated beyond that.
    pub repeated: usize,
    /// What it gives.
    pub gives: Type,
    /// Whether Prometheus asks for a flag before it knows the function.
    pub experimental: bool,
}

use Type::{Range, Scalar, Text, Vector};

const ENDLESS: usize = usize::MAX;

const fn stable(name: &'static str, takes: &'static [Type], gives: Type) -> Function {
    Function { name, takes, optional: 0, repeated: 0, gives, experimental: false }
}

const fn experimental(name: &'static str, takes: &'static [Type], gives: Type) -> Function {
    Function { experimental: true, ..stable(name, takes, gives) }
}

/// Of the moment of evaluation if nothing is given.
const fn date(name: &'static str) -> Function {
    Function { optional: 1, ..stable(name, &[Vector], Vector) }
}

const fn map(name: &'static str) -> Function {
    stable(name, &[Vector], Vector)
}

const fn over(name: &'static str) -> Function {
    stable(name, &[Range], Vector)
}

/// Every function, in order of name.
pub static FUNCTIONS: &[Function] = &[
    map("abs"),
    map("absent"),
    over("absent_over_time"),
    map("acos"),
    map("acosh"),
    map("asin"),
    map("asinh"),
    map("atan"),
    map("atanh"),
    over("avg_over_time"),
    map("ceil"),
    over("changes"),
    stable("clamp", &[Vector, Scalar, Scalar], Vector),
    stable("clamp_max", &[Vector, Scalar], Vector),
    stable("clamp_min", &[Vector, Scalar], Vector),
    map("cos"),
    map("cosh"),
    over("count_over_time"),
    date("day_of_month"),
    date("day_of_week"),
    date("day_of_year"),
    date("days_in_month"),
    map("deg"),
    over("delta"),
    over("deriv"),
    experimental("double_exponential_smoothing", &[Range, Scalar, Scalar], Vector),
    experimental("end", &[], Scalar),
    map("exp"),
    over("first_over_time"),
    map("floor"),
    map("histogram_avg"),
    map("histogram_count"),
    stable("histogram_fraction", &[Scalar, Scalar, Vector], Vector),
    stable("histogram_quantile", &[Scalar, Vector], Vector),
    Function {
        repeated: 9,
        ..experimental("histogram_quantiles", &[Vector, Text, Scalar], Vector)
    },
    map("histogram_stddev"),
    map("histogram_stdvar"),
    map("histogram_sum"),
    date("hour"),
    over("idelta"),
    over("increase"),
    Function { optional: 1, ..experimental("info", &[Vector, Vector], Vector) },
    over("irate"),
    Function {
        optional: 1,
        repeated: ENDLESS,
        ..stable("label_join", &[Vector, Text, Text, Text], Vector)
    },
    stable("label_replace", &[Vector, Text, Text, Text, Text], Vector),
    over("last_over_time"),
    map("ln"),
    map("log10"),
    map("log2"),
    experimental("mad_over_time", &[Range], Vector),
    experimental("max_of", &[Scalar, Scalar], Scalar),
    over("max_over_time"),
    experimental("min_of", &[Scalar, Scalar], Scalar),
    over("min_over_time"),
    date("minute"),
    date("month"),
    stable("pi", &[], Scalar),
    stable("predict_linear", &[Range, Scalar], Vector),
    over("present_over_time"),
    stable("quantile_over_time", &[Scalar, Range], Vector),
    map("rad"),
    experimental("range", &[], Scalar),
    over("rate"),
    over("resets"),
    Function { optional: 1, ..stable("round", &[Vector, Scalar], Vector) },
    stable("scalar", &[Vector], Scalar),
    map("sgn"),
    map("sin"),
    map("sinh"),
    map("sort"),
    Function {
        optional: 1,
        repeated: ENDLESS,
        ..experimental("sort_by_label", &[Vector, Text], Vector)
    },
    Function {
        optional: 1,
        repeated: ENDLESS,
        ..experimental("sort_by_label_desc", &[Vector, Text], Vector)
    },
    map("sort_desc"),
    map("sqrt"),
    experimental("start", &[], Scalar),
    over("stddev_over_time"),
    over("stdvar_over_time"),
    experimental("step", &[], Scalar),
    over("sum_over_time"),
    map("tan"),
    map("tanh"),
    stable("time", &[], Scalar),
    map("timestamp"),
    experimental("ts_of_first_over_time", &[Range], Vector),
    experimental("ts_of_last_over_time", &[Range], Vector),
    experimental("ts_of_max_over_time", &[Range], Vector),
    experimental("ts_of_min_over_time", &[Range], Vector),
    stable("vector", &[Scalar], Vector),
    date("year"),
];

impl Function {
    /// The one of that name.
    pub fn of(name: &str) -> Option<&'static Self> {
        let at = FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok()?;
        FUNCTIONS.get(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_in_order_of_name() {
        assert!(FUNCTIONS.is_sorted_by(|one, other| one.name < other.name));
    }
}
