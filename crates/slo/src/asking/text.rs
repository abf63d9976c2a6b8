//! Text: the queries of a measure, with `$window` where a range belongs.

use std::time::Duration;

use evenkeel_model::document::{
    Bucketed, Expression, HistogramForm, LabelMatcher, MatchOperation, Query, SeriesSelector,
};

use crate::rules::{Per, duration};
use crate::share::decimal;

/// What stands for `rate` or `increase` in queries of ours.
const FUNCTION: &str = "$function";
/// What stands for the length of the window in seconds in queries of ours.
const SECONDS: &str = "$seconds";
/// What stands for the labels by which queries of ours are told apart.
const LABELS: &str = "$labels";

/// How many events there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    text: String,
    says: Says,
}

/// What a text of a [`Sum`] is worth.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Says {
    /// Either, by what is put in the place of [`FUNCTION`].
    Either,
    /// Events a second.
    Rate,
    /// Events of the window.
    Increase,
    /// It does not say: events of the window, unless the other side says events a second.
    Unsaid,
}

/// A query over a range.
pub(super) fn over(query: &str, range: Duration) -> String {
    let seconds = decimal(range.as_secs_f64());
    query.replace(Query::WINDOW, &duration(range)).replace(SECONDS, &seconds)
}

impl Sum {
    pub(super) fn of(expression: &Expression) -> Self {
        match expression {
            Expression::Selector(it) => {
                Self::either(format!("sum{LABELS}({FUNCTION}({it}[{}]))", Query::WINDOW))
            }
            Expression::Query(it) => {
                let calls = |name| calls(it.text(), name);
                let says = match (calls("increase"), calls("rate") || calls("irate")) {
                    (true, _) => Says::Increase,
                    (false, true) => Says::Rate,
                    (false, false) => Says::Unsaid,
                };
                Self { text: it.text().to_owned(), says }
            }
        }
    }

    /// What nobody is asked.
    pub(super) const fn nobodys() -> Self {
        Self::either(String::new())
    }

    const fn either(text: String) -> Self {
        Self { text, says: Says::Either }
    }

    /// How many there were within a range.
    pub(super) fn over(&self, range: Duration) -> String {
        let text = over(&self.text, range);
        match self.says {
            Says::Either => call(&text, "increase"),
            // On lines of their own, because a query may end with a comment.
            Says::Increase | Says::Unsaid => format!("sum(\n{text}\n)"),
            Says::Rate => format!("sum(\n{text}\n) * {}", decimal(range.as_secs_f64())),
        }
    }

    /// How many a second in a slice, whose length stands for `$window`.
    pub(super) fn a_second(&self) -> String {
        match self.says {
            Says::Either => call(&self.text, "rate"),
            Says::Rate => format!("sum(\n{}\n)", self.text),
            Says::Increase | Says::Unsaid => format!("sum(\n{}\n) / {SECONDS}", self.text),
        }
    }

    /// Both sides as rules have them, and what they say; `None` when one says events a second and the other events.
    pub(super) fn in_rules(&self, other: &Self) -> Option<(String, String, Per)> {
        let both = [self.says, other.says];
        let (per, function) = match (both.contains(&Says::Rate), both.contains(&Says::Increase)) {
            (true, true) => return None,
            (true, false) => (Per::Second, "rate"),
            (false, false) if !both.contains(&Says::Unsaid) => (Per::Second, "rate"),
            (false, _) => (Per::Window, "increase"),
        };
        let [one, all] = [self, other].map(|it| call(&it.text, function));
        Some((one, all, per))
    }

    /// How many there were within a range, told apart as `labels` says: `by (zone)`.
    pub(super) fn apart(&self, range: Duration, labels: &str) -> String {
        let text = over(&self.text, range);
        match self.says {
            Says::Either => {
                text.replace(LABELS, &format!(" {labels} ")).replace(FUNCTION, "increase")
            }
            Says::Increase | Says::Unsaid => format!("sum {labels} (\n{text}\n)"),
            Says::Rate => {
                format!("sum {labels} (\n{text}\n) * {}", decimal(range.as_secs_f64()))
            }
        }
    }
}

/// A query of ours with `rate` or `increase`, of all series together.
fn call(text: &str, function: &str) -> String {
    text.replace(LABELS, "").replace(FUNCTION, function)
}

/// Whether a query calls a function.
fn calls(query: &str, name: &str) -> bool {
    query.match_indices(name).any(|(at, _)| {
        let before = query.get(..at).and_then(|it| it.chars().next_back());
        let after = query.get(at + name.len()..).unwrap_or_default().trim_start();
        let is_word = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
        !before.is_some_and(is_word) && after.starts_with('(')
    })
}

/// Events within the bound of a histogram, and all of the histogram; `None` when its metric has no name.
pub(super) fn bucketed(of: &Bucketed) -> Option<(Sum, Sum)> {
    let name = of.histogram.metric.as_deref()?;
    let (histogram, range) = (&of.histogram, Query::WINDOW);
    Some(match of.form {
        HistogramForm::Classic => {
            let mut within = histogram.renamed(format!("{name}_bucket"));
            within.matchers.push(LabelMatcher {
                name: "le".to_owned(),
                operation: MatchOperation::Matches,
                value: spellings(of.bound),
            });
            let all = histogram.renamed(format!("{name}_count"));
            let sum =
                |it: SeriesSelector| Sum::either(format!("sum{LABELS}({FUNCTION}({it}[{range}]))"));
            (sum(within), sum(all))
        }
        HistogramForm::Native => {
            let all = format!("sum{LABELS}({FUNCTION}({histogram}[{range}]))");
            let bound = of.bound;
            let within =
                format!("histogram_fraction(-Inf, {bound}, {all}) * histogram_count({all})");
            (Sum::either(within), Sum::either(format!("histogram_count({all})")))
        }
    })
}

/// The ways in which exporters write a bound in `le`, as a pattern: `1` and `1.0`; `1000000`, `1e+06` of Go and Python, which
/// have an exponent from a million on and below a ten thousandth, and `1.0E7` of Java, from ten millions on and below a
/// thousandth.
pub(super) fn spellings(bound: f64) -> String {
    let plain = bound.to_string();
    let mut all = vec![plain.clone()];
    if !plain.contains('.') {
        all.push(format!("{plain}.0"));
    }
    let scientific = format!("{bound:e}");
    if let Some((digits, exponent)) = scientific.split_once('e') {
        let size: i32 = exponent.parse().unwrap_or_default();
        if !(-4..6).contains(&size) {
            let sign = if size < 0 { '-' } else { '+' };
            all.push(format!("{digits}e{sign}{:02}", size.abs()));
        }
        if !(-3..7).contains(&size) {
            let point = if digits.contains('.') { "" } else { ".0" };
            all.push(format!("{digits}{point}E{size}"));
        }
    }
    all.join("|").replace('.', "\\.").replace('+', "\\+")
}

/// How long ago each key was renewed, in seconds.
///
/// A series that has ended is not there to be stale. So it is looked for as long again as data may be old, and an hour at
/// least; after that it was given up.
pub(super) fn age(timestamp: &SeriesSelector, by: &[String], max_age: Duration) -> String {
    let reach = duration(max_age.saturating_mul(2).max(Duration::from_hours(1)));
    let last = format!("max_over_time({timestamp}[{reach}])");
    match by {
        [] => format!("time() - {last}"),
        keys => format!("time() - max by ({}) ({last})", keys.join(", ")),
    }
}
