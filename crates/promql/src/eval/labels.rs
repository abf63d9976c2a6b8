//! Labels: functions that look at the names of series, not at their values.

use std::cmp::Ordering;

use evenkeel_series::METRIC_NAME;
use regex::Regex;

use super::{Evaluated, Evaluation, Row, literal};
use crate::ast::Call;
use crate::position::Position;

impl Evaluation<'_> {
    /// `label_replace(v, to, replacement, from, pattern)`
    pub(super) fn label_replace(
        &self,
        at: Position,
        call: &Call,
        mut rows: Vec<Row>,
    ) -> Evaluated<Vec<Row>> {
        let [to, replacement, from, pattern] =
            [1, 2, 3, 4].map(|place| literal(call.arguments.get(place)));
        let pattern = Regex::new(&format!("^(?s:{pattern})$")).map_err(|_| {
            self.wrong(
                at,
                format!("invalid regular expression in label_replace(): {pattern}"),
                "mend it",
            )
        })?;
        self.label_name(at, "destination", to)?;
        for row in &mut rows {
            let Some(captures) = pattern.captures(row.labels.get(from)) else { continue };
            let mut value = String::new();
            captures.expand(replacement, &mut value);
            relabel(row, to, &value);
        }
        self.merged(rows, at)
    }

    /// `label_join(v, to, separator, from…)`
    pub(super) fn label_join(
        &self,
        at: Position,
        call: &Call,
        mut rows: Vec<Row>,
    ) -> Evaluated<Vec<Row>> {
        let [to, separator] = [1, 2].map(|place| literal(call.arguments.get(place)));
        let from: Vec<&str> = call.arguments.iter().skip(3).map(|it| literal(Some(it))).collect();
        for label in &from {
            self.label_name(at, "source", label)?;
        }
        self.label_name(at, "destination", to)?;
        for row in &mut rows {
            let values: Vec<&str> = from.iter().map(|label| row.labels.get(label)).collect();
            let value = values.join(separator);
            relabel(row, to, &value);
        }
        self.merged(rows, at)
    }

    fn label_name(&self, at: Position, which: &str, name: &str) -> Evaluated<()> {
        if name.is_empty() {
            return Err(self.wrong(
                at,
                format!("invalid {which} label name"),
                "give the label a name",
            ));
        }
        Ok(())
    }
}

/// A name that is set anew stays.
fn relabel(row: &mut Row, label: &str, value: &str) {
    row.labels = row.labels.with(label, value);
    row.nameless &= label != METRIC_NAME;
}

/// By the values of labels, the first first, then by all of them.
pub(super) fn sort_by(rows: &mut [Row], labels: &[&str], descending: bool) {
    rows.sort_by(|one, other| {
        let by_label =
            labels.iter().map(|label| natural(one.labels.get(label), other.labels.get(label)));
        let order = by_label
            .fold(Ordering::Equal, Ordering::then)
            .then_with(|| one.labels.cmp(&other.labels));
        if descending { order.reverse() } else { order }
    });
}

/// As people order: numbers in texts by their size.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let (left, rest) = chunk(one);
        let (right, other_rest) = chunk(other);
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len());
        }
        let digits = |text: &str| text.starts_with(|it: char| it.is_ascii_digit());
        let order = if digits(left) && digits(right) {
            let [left_number, right_number] = [left, right].map(|it| it.trim_start_matches('0'));
            left_number
                .len()
                .cmp(&right_number.len())
                .then(left_number.cmp(right_number))
                .then(left.len().cmp(&right.len()))
        } else {
            left.cmp(right)
        };
        if order.is_ne() {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
}

/// The digits with which a text begins, or all that comes before digits; and the rest.
fn chunk(text: &str) -> (&str, &str) {
    let is_digit = |it: char| it.is_ascii_digit();
    let starts_with_digit = text.starts_with(is_digit);
    let end = text.find(|it: char| is_digit(it) != starts_with_digit).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_are_ordered_by_size() {
        let mut texts = ["host10", "host2", "host", "host02", "a1b10", "a1b9"];
        texts.sort_by(|one, other| natural(one, other));
        assert_eq!(texts, ["a1b9", "a1b10", "host", "host2", "host02", "host10"]);
    }
}
