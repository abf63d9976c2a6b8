//! Variables, and files of data → feeders.

use std::collections::BTreeSet;

use evenkeel_model::document::{Feeder, RowOrder, Rows, Slot};

use super::extract;
use super::plan::Element;
use super::words::Words;
use crate::compose;
use crate::draft::{self, Names};
use crate::notes::Notes;

/// Variables of the plan, what extractors keep, and what counters give.
pub(super) fn variables(
    plan: &Element<'_>,
    all: &[&Element<'_>],
    words: &mut Words,
    notes: &mut Notes,
) {
    let user_defined = plan.arguments(Some("TestPlan.user_defined_variables"));
    let more = all.iter().filter(|it| it.kind() == "Arguments").flat_map(|it| it.arguments(None));
    for it in user_defined.into_iter().chain(more) {
        words.values.insert(it.name.to_owned(), it.value.to_owned());
    }
    for element in all {
        if extract::KINDS.contains(&element.kind()) {
            words.extracted.extend(extract::variables(element));
        }
    }
    for element in all {
        let (name, slot) = match element.kind() {
            "CounterConfig" => {
                let why = "it counts the iterations of each user, from 0";
                notes.add(element.place(), element.title(), why);
                (element.text("CounterConfig.name"), Some(Slot::Iteration))
            }
            "RandomVariableConfig" => {
                let mut quiet = Notes::default();
                let mut bound = |name| {
                    let number = words.number(&element.place(), element.text(name), &mut quiet);
                    number.and_then(|it| u64::try_from(it).ok())
                };
                let bounds = bound("minimumValue")
                    .zip(bound("maximumValue"))
                    .filter(|(from, to)| from <= to);
                let format = element.text("outputFormat").is_empty();
                (
                    element.text("variableName"),
                    bounds.filter(|_| format).map(|(from, to)| Slot::Between(from, to)),
                )
            }
            _ => continue,
        };
        match slot {
            Some(slot) => {
                if element.kind() == "RandomVariableConfig" {
                    let why = "each use draws a number of its own";
                    notes.add(element.place(), element.title(), why);
                }
                words.slots.insert(name.to_owned(), slot);
            }
            None => notes.add(
                element.place(),
                element.title(),
                "only whole numbers from 0 on, unformatted, carry over",
            ),
        }
    }
}

/// Files of data, and users' parameters.
pub(super) fn feeders(all: &[&Element<'_>], words: &mut Words, notes: &mut Notes) -> Vec<Feeder> {
    let mut names = Names::default();
    let mut feeders = Vec::new();
    for element in all {
        match element.kind() {
            "CSVDataSet" => feeders.extend(csv(element, &mut names, words, notes)),
            "UserParameters" => feeders.extend(parameters(element, &mut names, words, notes)),
            _ => {}
        }
    }
    feeders
}

fn csv(
    element: &Element<'_>,
    names: &mut Names,
    words: &mut Words,
    notes: &mut Notes,
) -> Option<Feeder> {
    let place = element.place();
    let file = words.plain(&place, element.text("filename"), notes).filter(|it| !it.is_empty());
    let Some(file) = file else {
        notes.add(place, element.title(), "the name of its file is known only when it runs");
        return None;
    };
    let stem = file.rsplit(['/', '\\']).next().unwrap_or(&file);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let name = names.give(&feeder_name(stem), "-");
    let delimiter = element.text("delimiter");
    if !matches!(delimiter, "" | ",") {
        let why = format!(
            "its columns are parted by `{}`, and ours by commas; convert it",
            crate::notes::cut(delimiter)
        );
        notes.add(&place, format!("the file {}", crate::notes::cut(&file)), why);
    }
    let columns = element.text("variableNames");
    match columns.is_empty() {
        true => words.unnamed = Some(name.clone()),
        false => {
            let columns: Vec<&str> =
                columns.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
            for column in &columns {
                words
                    .columns
                    .insert((*column).to_owned(), (name.clone(), compose::variable(column)));
            }
            let header: Vec<_> = columns.iter().map(|it| compose::variable(it)).collect();
            let why = match element.flag("ignoreFirstLine") {
                true => format!(
                    "the first line of the file names the columns here; let it be `{}`",
                    header.join(",")
                ),
                false => format!(
                    "the first line of the file names the columns here; put `{}` before it",
                    header.join(",")
                ),
            };
            notes.add(
                &place,
                format!("the names of the columns of {}", crate::notes::cut(&file)),
                why,
            );
        }
    }
    let recycle = element.text("recycle") != "false";
    let order = if recycle { RowOrder::Sequential } else { RowOrder::Unique };
    Some(Feeder { name, rows: Rows::Csv(file.into()), order })
}

/// Values that users take in turn: a row each.
fn parameters(
    element: &Element<'_>,
    names: &mut Names,
    words: &mut Words,
    notes: &mut Notes,
) -> Option<Feeder> {
    let place = element.place();
    let columns: Vec<String> =
        element.texts("UserParameters.names").iter().map(|it| compose::variable(it)).collect();
    let is_unique = columns.iter().collect::<BTreeSet<_>>().len() == columns.len();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for row in element.rows("UserParameters.thread_values") {
        let cells: Vec<String> =
            row.iter().filter_map(|it| words.plain(&place, it, notes)).collect();
        if cells.len() == columns.len() {
            rows.push(cells);
        }
    }
    if columns.is_empty() || rows.is_empty() || !is_unique || rows.len() > 1_000 {
        notes.add(
            place,
            element.title(),
            "it has no rows of fixed values, or more than a document should have",
        );
        return None;
    }
    let name = names.give(&feeder_name(element.name()), "-");
    for (written, column) in element.texts("UserParameters.names").iter().zip(&columns) {
        words.columns.insert((*written).to_owned(), (name.clone(), column.clone()));
    }
    notes.add(
        place,
        element.title(),
        "its rows are given to iterations in turn, and not to threads",
    );
    Some(Feeder { name, rows: Rows::Inline(columns, rows), order: RowOrder::Sequential })
}

/// A name that begins with a letter.
fn feeder_name(text: &str) -> String {
    let label = draft::label(text);
    if label.starts_with(|it: char| it.is_ascii_digit()) { format!("data-{label}") } else { label }
}
