//! Queries of other tools, with `$window` where the range belongs.

use std::sync::LazyLock;

use evenkeel_model::document::{Expression, Query, SeriesSelector};
use evenkeel_model::yaml::Entry;
use regex::{NoExpand, Regex};

use crate::fields::at;
use crate::ledger::Ledger;
use crate::notes::cut;

/// What stands for the range in templates of Go.
static TEMPLATE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{\{-?\s*\.\s*window\s*-?\}\}").ok());

/// A range that is fixed.
static RANGE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\[\s*(?:\d+(?:ms|[smhdwy])\s*)+\]").ok());

/// The same query, with `$window` for the range.
fn with_window(text: &str) -> String {
    let text = text.trim();
    let of_go =
        TEMPLATE.as_ref().map(|it| it.replace_all(text, NoExpand(Query::WINDOW)).into_owned());
    let text = of_go.unwrap_or_else(|| text.to_owned());
    // slo-generator writes `[window]`, and `[window:1m]`.
    text.replace("[window]", "[$window]").replace("[window:", "[$window:")
}

/// What `sum(…)` is the sum of, when that is nothing but a selector.
fn summed(text: &str) -> Option<SeriesSelector> {
    let inner = text.strip_prefix("sum")?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
    SeriesSelector::parse(inner).ok()
}

/// What `sum(rate(…[5m]))` and `sum(increase(…[5m]))` are of, when that is nothing but counters.
fn increased(text: &str) -> Option<SeriesSelector> {
    let range = RANGE.as_ref()?.find(text)?;
    let (before, after) = (text.get(..range.start())?, text.get(range.end()..)?);
    let function = before.strip_prefix("sum")?.trim_start().strip_prefix('(')?.trim_start();
    let inner = ["rate", "increase"].iter().find_map(|it| function.strip_prefix(it))?;
    let is_closed = after.chars().filter(|it| !it.is_whitespace()).eq([')', ')']);
    let selector = inner.trim_start().strip_prefix('(')?;
    is_closed.then(|| SeriesSelector::parse(selector).ok()).flatten()
}

/// Values of an entry; what cannot be read is a mistake of the document.
impl Ledger {
    /// Counters, or a query for events within a window.
    pub(super) fn expression(&mut self, entry: &Entry) -> Option<Expression> {
        let text = self.query_text(entry)?;
        if let Some(selector) = summed(&text) {
            return Some(Expression::Selector(selector));
        }
        if let Ok(it) = Expression::parse(&text) {
            return Some(it);
        }
        if let Some(selector) = increased(&text) {
            self.fixed_range(entry, &text, "counters are counted over many windows");
            return Some(Expression::Selector(selector));
        }
        self.ranged(entry, &text).map(Expression::Query)
    }

    /// A query that says a share over a window.
    pub(super) fn ratio_query(&mut self, entry: &Entry) -> Option<Query> {
        let text = self.query_text(entry)?;
        match Query::new(&text) {
            Ok(it) => Some(it),
            Err(_) => self.ranged(entry, &text),
        }
    }

    /// A query as it is written, with what stands for the range in our words.
    fn query_text(&mut self, entry: &Entry) -> Option<String> {
        let text = entry.value.text().map(with_window).filter(|it| !it.is_empty());
        let place = at(entry.value.place, entry.key_place);
        match text {
            Some(text) if text.contains("{{") => {
                let message = format!("`{}` has a placeholder that nobody fills in", entry.key);
                self.wrong(place, message, "Only `{{.window}}` has a meaning here.");
                None
            }
            Some(text) => Some(text),
            None => {
                let message = format!("`{}` is no query", entry.key);
                self.wrong(place, message, "Write a query of Prometheus.");
                None
            }
        }
    }

    fn fixed_range(&mut self, entry: &Entry, text: &str, why: &str) {
        self.leave_at(entry.key_place, format!("the range in `{}`", cut(text)), why);
    }

    /// A query whose range is fixed.
    fn ranged(&mut self, entry: &Entry, text: &str) -> Option<Query> {
        let any = RANGE.as_ref().map(|it| it.replace_all(text, NoExpand("[$window]")).into_owned());
        match any.as_deref().map(Query::new) {
            Some(Ok(query)) => {
                let why = "one objective is asked over many windows: `$window` is written";
                self.fixed_range(entry, text, why);
                Some(query)
            }
            Some(Err(_)) | None => {
                let message = format!("`{}`: `{}` has no range", entry.key, cut(text));
                let help = "Write counters such as `http_requests_total{code=~\"5..\"}`, or a query with a range: \
                            `sum(increase(http_requests_total[30d]))`.";
                self.wrong(at(entry.value.place, entry.key_place), message, help);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_say_the_range_is_read() {
        for text in ["x[{{.window}}]", "x[{{ .window }}]", "x[{{-.window-}}]", "x[window]"] {
            assert_eq!(with_window(text), "x[$window]", "{text}");
        }
        assert_eq!(with_window("a[window:5m]"), "a[$window:5m]");
    }

    #[test]
    fn a_sum_of_counters_is_the_counters() {
        assert_eq!(summed("sum(a{b=\"c\"})").unwrap().to_string(), "a{b=\"c\"}");
        assert_eq!(summed("sum(rate(a[5m]))"), None);
        assert_eq!(increased("sum(rate(a{b=\"c\"}[5m]))").unwrap().to_string(), "a{b=\"c\"}");
        assert_eq!(increased("sum(rate(a[5m])) + sum(rate(b[5m]))"), None);
    }
}
