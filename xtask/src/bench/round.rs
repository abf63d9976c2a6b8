//! Rounds: what a case measures, again and again, and the rows that come of it.

use std::collections::BTreeMap;

use super::figures::{Bar, Row, Unit};

/// A figure of each round.
#[derive(Copy, Clone)]
pub(super) struct Line {
    /// In JSON, with the unit in it.
    pub(super) key: &'static str,
    /// In the table.
    label: &'static str,
    unit: Unit,
    bar: Option<Bar>,
}

/// What one round has found.
#[derive(Debug, Default)]
pub(super) struct Round(BTreeMap<String, f64>);

impl Round {
    pub(super) fn say(&mut self, key: &str, value: f64) {
        self.0.insert(key.to_owned(), value);
    }

    pub(super) fn get(&self, key: &str) -> Option<f64> {
        self.0.get(key).copied()
    }

    /// Says how many times one figure is of another, where both are known.
    pub(super) fn say_ratio(&mut self, key: &str, of: &str, to: &str) {
        if let (Some(of), Some(to)) = (self.get(of), self.get(to)) {
            self.say(key, of / to);
        }
    }
}

/// The figures of a case over all rounds.
pub(super) fn rows(name: &str, title: &str, lines: &[Line], rounds: &[Round]) -> Vec<Row> {
    let row = |line: &Line| Row {
        case: format!("{name}: {title}"),
        key: line.key.to_owned(),
        label: line.label.to_owned(),
        unit: line.unit,
        values: rounds.iter().filter_map(|it| it.get(line.key)).collect(),
        bar: line.bar,
    };
    lines.iter().map(row).collect()
}

/// A figure to look at.
pub(super) const fn line(key: &'static str, label: &'static str, unit: Unit) -> Line {
    Line { key, label, unit, bar: None }
}

/// A figure that must be good enough.
pub(super) const fn bar(key: &'static str, label: &'static str, unit: Unit, bar: Bar) -> Line {
    Line { key, label, unit, bar: Some(bar) }
}
