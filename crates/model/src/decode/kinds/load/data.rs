//! Data that scenarios take rows from.

use std::collections::BTreeSet;

use crate::decode::codec::{List, Named, Object};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::kinds::words;
use crate::decode::values::call::{column, file, variable};
use crate::decode::values::prose;
use crate::document::{Feeder, RowOrder, Rows};

pub(super) fn feeders() -> Named<String, Object<Feeder>> {
    Named { key: variable(), of: Object { title: "Data", fields: feeder } }
}

fn feeder(f: &mut Fields<'_>) -> Option<Feeder> {
    let sentence = "A file of comma-separated values; its first line names the columns.";
    let csv = f.optional("csv", sentence, file());
    let json_lines = f.optional("jsonLines", "A file with a JSON object a line.", file());
    let row = Named { key: column(), of: prose() };
    let sentence = "The rows themselves: a map from column to value for each.";
    let rows = f.optional("rows", sentence, List { of: row, min: 1 });
    let order = [
        ("sequential", RowOrder::Sequential),
        ("random", RowOrder::Random),
        ("unique", RowOrder::Unique),
    ];
    let sentence = "Which row comes next: `sequential` (and from the first again), `random`, or `unique`, each once.";
    let order = f.default("order", sentence, words("an order", &order), "sequential");
    f.exactly_one(&["csv", "jsonLines", "rows"]);
    let inline = rows.and_then(|it| table(f, it));
    let rows = csv.map(Rows::Csv).or(json_lines.map(Rows::JsonLines)).or(inline)?;
    Some(Feeder { name: String::new(), rows, order: order? })
}

/// Rows in the order of their columns, which all must have.
fn table(f: &mut Fields<'_>, rows: Vec<Vec<(String, String)>>) -> Option<Rows> {
    let columns: Vec<String> = rows.first()?.iter().map(|(it, _)| it.clone()).collect();
    if columns.is_empty() {
        let help = "Write a row such as `{id: 1, name: a}`.";
        f.refuse("rows/0", codes::RANGE, "the first row has no columns", help);
        return None;
    }
    let wanted: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
    let mut is_whole = true;
    let mut table = Vec::with_capacity(rows.len());
    for (n, row) in rows.into_iter().enumerate() {
        let there: BTreeSet<&str> = row.iter().map(|(it, _)| it.as_str()).collect();
        let missing = wanted.difference(&there).next().map(|it| format!("has no `{it}`"));
        let more = there.difference(&wanted).next().map(|it| format!("has a `{it}`"));
        if let Some(what) = missing.or(more) {
            let message = format!("the row {what}, unlike the first");
            let help = "Give every row the same columns.";
            f.refuse(&format!("rows/{n}"), codes::RANGE, message, help);
            is_whole = false;
            continue;
        }
        let value = |column: &String| {
            let cell = row.iter().find(|(it, _)| it == column);
            cell.map(|(_, it)| it.clone()).unwrap_or_default()
        };
        table.push(columns.iter().map(value).collect());
    }
    is_whole.then_some(Rows::Inline(columns, table))
}
