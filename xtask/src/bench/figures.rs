//! Figures: what was measured in each round, with its spread and, where there is one, its bar.

use serde_json::{Value, json};

/// One measure of one case, over all rounds.
#[derive(Debug)]
pub(super) struct Row {
    /// What was run.
    pub(super) case: String,
    /// Name in JSON, with the unit in it.
    pub(super) key: String,
    /// Name in the table.
    pub(super) label: String,
    pub(super) unit: Unit,
    /// By round; none where it could not be measured.
    pub(super) values: Vec<f64>,
    pub(super) bar: Option<Bar>,
}

/// How a value is shown; in JSON it stays as it is.
#[derive(Copy, Clone, Debug)]
pub(super) enum Unit {
    /// A number of things.
    Count,
    /// Seconds, shown as nanoseconds.
    Nanos,
    /// Seconds, shown as microseconds.
    Micros,
    /// Seconds, shown as milliseconds.
    Millis,
    /// A share of 1, shown as percent.
    Percent,
    /// How many times something.
    Times,
    /// Bytes, shown as megabytes.
    Megabytes,
    /// Bytes, a few.
    Bytes,
    /// A share of 1, so small that only its size matters.
    Tiny,
}

/// What must hold.
#[derive(Copy, Clone, Debug)]
pub(super) enum Bar {
    /// In every round.
    NeverAbove(f64),
    /// In the median round: a second in which a neighbour had the core must not decide.
    AtMost(f64),
    /// In the median round.
    AtLeast(f64),
}

impl Row {
    /// Whether the bar holds; `None` where there is none.
    pub(super) fn holds(&self) -> Option<bool> {
        let [_, median, max] = spread(&self.values)?;
        self.bar.map(|it| match it {
            Bar::NeverAbove(limit) => max <= limit,
            Bar::AtMost(limit) => median <= limit,
            Bar::AtLeast(limit) => median >= limit,
        })
    }

    /// Whether there is a bar that nothing was measured against.
    pub(super) fn is_open(&self) -> bool {
        self.bar.is_some() && self.values.is_empty()
    }

    pub(super) fn to_json(&self) -> Value {
        let [min, median, max] = match spread(&self.values) {
            Some(spread) => spread.map(|it| json!(it)),
            None => [Value::Null, Value::Null, Value::Null],
        };
        let mut row = json!({
            "case": self.case, "measure": self.key, "min": min, "median": median, "max": max,
            "rounds": self.values,
        });
        match self.bar {
            Some(Bar::NeverAbove(limit)) => row["never_above"] = json!(limit),
            Some(Bar::AtMost(limit)) => row["at_most"] = json!(limit),
            Some(Bar::AtLeast(limit)) => row["at_least"] = json!(limit),
            None => {}
        }
        if let Some(holds) = self.holds() {
            row["holds"] = json!(holds);
        }
        row
    }

    /// Smallest, median and largest, as people read them.
    fn shown(&self) -> [String; 3] {
        match spread(&self.values) {
            Some(spread) => spread.map(|it| self.unit.show(it)),
            None => ["–", "–", "–"].map(str::to_owned),
        }
    }

    /// Limit and whether it holds, for the last column.
    fn bar_text(&self) -> String {
        let limit = match self.bar {
            Some(Bar::NeverAbove(limit)) => format!("never > {}", self.unit.show(limit)),
            Some(Bar::AtMost(limit)) => format!("≤ {}", self.unit.show(limit)),
            Some(Bar::AtLeast(limit)) => format!("≥ {}", self.unit.show(limit)),
            None => return String::new(),
        };
        match self.holds() {
            Some(true) => format!("{limit}  holds"),
            Some(false) => format!("{limit}  MISSES"),
            None => format!("{limit}  not measured"),
        }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.0}"),
            Self::Nanos => format!("{:.1} ns", value * 1e9),
            Self::Micros => format!("{:.1} µs", value * 1e6),
            Self::Millis => format!("{:.2} ms", value * 1e3),
            Self::Percent => format!("{:.2} %", value * 1e2),
            Self::Times if value.abs() < 0.1 => format!("{value:.4} ×"),
            Self::Times => format!("{value:.2} ×"),
            Self::Megabytes => format!("{:.1} MB", value / 1e6),
            Self::Bytes => format!("{value:.2} B"),
            Self::Tiny => format!("{value:.0e}"),
        }
    }
}

/// Smallest, median and largest; `None` of nothing.
pub(super) fn spread(values: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some([*sorted.first()?, f64::midpoint(sorted[low], sorted[high]), *sorted.last()?])
}

/// All rows, by case. A single round has no spread, so one column says it all.
pub(super) fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|it| it.label.chars().count()).max().unwrap_or(0);
    let once = rows.iter().all(|it| it.values.len() <= 1);
    let mut text = String::new();
    let mut case = "";
    for row in rows {
        if row.case != case {
            case = &row.case;
            let columns = match once {
                true => format!("{:>12}", "measured"),
                false => format!("{:>12}{:>12}{:>12}", "min", "median", "max"),
            };
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}{case}\n  {:width$}{columns}   bar\n", ""));
        }
        let shown = row.shown();
        let shown = if once { &shown[1..2] } else { &shown[..] };
        let columns: String = shown.iter().map(|it| format!("{it:>12}")).collect();
        let line = format!("  {:<width$}{columns}   {}", row.label, row.bar_text());
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// All rows as a table of Markdown.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text =
        "| case | measure | min | median | max | bar |\n|---|---|---|---|---|---|\n".to_owned();
    let mut case = "";
    for row in rows {
        let named = if row.case == case { "" } else { &row.case };
        case = &row.case;
        let [min, median, max] = row.shown();
        let bar = row.bar_text().replace("  ", ", ");
        let line = format!("| {named} | {} | {min} | {median} | {max} | {bar} |\n", row.label);
        text.push_str(&line.replace("|  |", "| |"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[f64], bar: Option<Bar>) -> Row {
        let names = ["open model", "cpu_seconds_per_request", "CPU per request"];
        let [case, key, label] = names.map(str::to_owned);
        Row { case, key, label, unit: Unit::Micros, values: values.to_vec(), bar }
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(spread(&[4.0, 1.0, 3.0, 2.0]), Some([1.0, 2.5, 4.0]));
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some([1.0, 2.0, 3.0]));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn the_median_decides_where_not_every_round_must_hold() {
        let values = [1.0, 2.0, 3.0];
        assert_eq!(row(&values, Some(Bar::AtMost(1.9))).holds(), Some(false));
        assert_eq!(row(&values, Some(Bar::AtMost(2.0))).holds(), Some(true));
        assert_eq!(row(&values, Some(Bar::AtLeast(2.1))).holds(), Some(false));
        assert_eq!(row(&values, Some(Bar::AtLeast(2.0))).holds(), Some(true));
        assert_eq!(row(&values, Some(Bar::NeverAbove(2.9))).holds(), Some(false));
        assert_eq!(row(&values, Some(Bar::NeverAbove(3.0))).holds(), Some(true));
        assert_eq!(row(&values, None).holds(), None);
    }

    #[test]
    fn a_table_shows_the_spread_and_what_was_missed() {
        let rows = [
            row(&[5e-6, 6e-6, 7.25e-6], None),
            row(&[5e-6, 7.5e-6, 8e-6], Some(Bar::AtMost(7e-6))),
        ];
        let text = table(&rows);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "open model");
        assert_eq!(lines[1], "                          min      median         max   bar");
        assert_eq!(lines[2], "  CPU per request      5.0 µs      6.0 µs      7.2 µs");
        assert!(lines[3].ends_with("8.0 µs   ≤ 7.0 µs  MISSES"), "{text}");
    }

    #[test]
    fn what_was_not_measured_neither_holds_nor_misses() {
        let row = row(&[], Some(Bar::AtMost(1.0)));
        assert_eq!((row.holds(), row.is_open()), (None, true));
        assert_eq!(row.to_json()["median"], Value::Null);
        assert!(table(&[row]).ends_with("–   ≤ 1000000.0 µs  not measured\n"));
    }

    #[test]
    fn markdown_names_a_case_once() {
        let rows = [row(&[5e-6], None), row(&[5e-6], Some(Bar::AtMost(7e-6)))];
        let text = markdown(&rows);
        let lines: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| open model | CPU per request | 5.0 µs | 5.0 µs | 5.0 µs | |",
                "| | CPU per request | 5.0 µs | 5.0 µs | 5.0 µs | ≤ 7.0 µs, holds |",
            ]
        );
    }

    #[test]
    fn json_keeps_every_round_in_base_units() {
        let json = row(&[5e-6, 6e-6], Some(Bar::AtMost(7e-6))).to_json();
        assert_eq!(json["rounds"], json!([5e-6, 6e-6]));
        assert_eq!((&json["at_most"], &json["holds"]), (&json!(7e-6), &json!(true)));
    }
}
