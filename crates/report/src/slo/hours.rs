//! Hours: bad events by day and hour, so that what comes every night, or every Monday, shows.

use evenkeel_slo::{Counts, Unit};
use maud::{Markup, html};

use super::view::{DAYS, View};
use crate::chart::stroke::Pen;
use crate::chart::{Path, Plot, Readout, Scale, Series, Tick, heat};
use crate::figure;
use crate::html::piece::{self, Card};

/// Rows of the picture: pairs of hours of a day, or twelfths of an hour.
const ROWS: usize = 12;
/// More columns than these are put together.
const COLUMNS: usize = 100;

/// A column of the picture.
struct Column {
    name: String,
    /// The same, where there is little room.
    label: String,
    /// Seconds from the beginning of the window.
    from: f64,
    to: f64,
    /// From the lowest row up, which is the last of the day.
    cells: Vec<Option<Counts>>,
}

pub(super) fn card(view: &View) -> Option<Markup> {
    if !view.has_data() {
        return None;
    }
    let by_day = view.passed.length() >= DAYS;
    let columns = columns(view, by_day);
    let most =
        columns.iter().flat_map(|it| &it.cells).filter_map(|it| Some(it.as_ref()?.bad())).max()?;
    let axis = Scale::linear(
        columns.first().map_or(0.0, |it| it.from),
        columns.last().map_or(1.0, |it| it.to),
    );
    let plot = Plot {
        id: view.plot("hours"),
        summary: summary(view, &columns, by_day),
        height: 190,
        y: rows(by_day),
        x: ticks(&columns, &axis),
        paths: paths(&columns, &axis),
        readout: Some(readout(view, &columns, &axis, by_day)),
        ..Plot::default()
    };
    let ramp = html! {
        div.ramp {
            "none "
            span aria-hidden="true" { b.rnone {} @for level in 0..heat::LEVELS { b class=(format!("r{level}")) {} } }
            " " (view.amount(most))
        }
    };
    let card = Card {
        id: &view.id("hours"),
        title: match (view.sheet.standing.account.unit, by_day) {
            (Unit::Events, true) => "Bad events by hour of day",
            (Unit::Events, false) => "Bad events by minute of the hour",
            (Unit::Time, true) => "Bad time by hour of day",
            (Unit::Time, false) => "Bad time by minute of the hour",
        },
        note: format!("clocks of {}", view.here(view.sheet.at()).strftime("%Z")),
        legend: ramp,
        body: html! { div.heat { (plot.render()) } (table(view, &columns)) },
    };
    Some(card.render())
}

/// Days of the zone, or hours, with twelve cells each; of a long window several days share a column.
fn columns(view: &View, by_day: bool) -> Vec<Column> {
    let length = if by_day { 86_400.0 } else { 3_600.0 };
    let mut all: Vec<Column> = Vec::new();
    let mut key = None;
    for (slice, counts) in view.sheet.history.slices().filter(|it| view.passed.holds(it.0.from)) {
        let here = view.here(slice.from);
        let (column, row) = match by_day {
            true => (
                here.date().to_zoned(view.zone.clone()).ok(),
                usize::try_from(here.hour()).unwrap_or(0) / 2,
            ),
            false => (
                here.round(
                    jiff::ZonedRound::new().smallest(jiff::Unit::Hour).mode(jiff::RoundMode::Floor),
                )
                .ok(),
                usize::try_from(here.minute()).unwrap_or(0) / 5,
            ),
        };
        let Some(begin) = column else { continue };
        if key.as_ref() != Some(&begin) {
            let at = begin.timestamp();
            let from = view.seconds(at);
            let (name, label) = match by_day {
                true => (view.day(at), view.day(at)),
                false => (view.moment_with_day(at), view.moment(at)),
            };
            all.push(Column { name, label, from, to: from + length, cells: vec![None; ROWS] });
            key = Some(begin);
        }
        let cell = all.last_mut().and_then(|it| it.cells.get_mut(ROWS - 1 - row.min(ROWS - 1)));
        if let (Some(cell), Some(counts)) = (cell, counts) {
            *cell = Some([cell.unwrap_or_default(), counts].into_iter().sum());
        }
    }
    together(all)
}

/// Columns put together until there are few enough.
fn together(all: Vec<Column>) -> Vec<Column> {
    let many = all.len().div_ceil(COLUMNS).max(1);
    let mut found: Vec<Column> = Vec::new();
    for (n, column) in all.into_iter().enumerate() {
        match found.last_mut().filter(|_| n % many > 0) {
            None => found.push(column),
            Some(last) => {
                last.to = column.to;
                for (a, b) in last.cells.iter_mut().zip(column.cells) {
                    *a = match (*a, b) {
                        (Some(a), Some(b)) => Some([a, b].into_iter().sum()),
                        (a, b) => a.or(b),
                    };
                }
            }
        }
    }
    found
}

fn paths(columns: &[Column], axis: &Scale) -> Vec<Path> {
    let across: Vec<_> = columns.iter().map(|it| axis.x(it.from)).chain([1000.0]).collect();
    let height = |row: usize| 1000.0 - row as f64 * 1000.0 / ROWS as f64;
    let edges: Vec<_> = (0..=ROWS).map(height).collect();
    // A cell in which nothing was bad is not one without data.
    let mut counted = Pen::default();
    for (n, column) in columns.iter().enumerate() {
        let full = |row: &usize| column.cells[*row].is_some();
        for row in (0..ROWS).filter(full) {
            counted.rect(
                (across[n], edges[row]),
                across[n + 1] - across[n],
                edges[row] - edges[row + 1],
            );
        }
    }
    let bad: Vec<Vec<u64>> = columns
        .iter()
        .map(|it| it.cells.iter().map(|it| it.map_or(0, Counts::bad)).collect())
        .collect();
    let mut seams = Pen::default();
    for x in &across {
        seams.to((*x, 0.0)).line((*x, 1000.0));
    }
    for y in &edges {
        seams.to((0.0, *y)).line((1000.0, *y));
    }
    let counted = [Path::new("hnone", counted.done())];
    let heat = heat::paths(&bad, &across, &edges);
    counted.into_iter().chain(heat).chain([Path::new("seams", seams.done())]).collect()
}

/// When a row begins, such as `06h` or `:30`.
fn row_name(row: usize, by_day: bool) -> String {
    if by_day { format!("{:02}h", row * 2) } else { format!(":{:02}", row * 5) }
}

fn rows(by_day: bool) -> Vec<Tick> {
    let tick = |row: usize| Tick {
        at: 1.0 - (row as f64 + 0.5) / ROWS as f64,
        label: row_name(row, by_day),
    };
    (0..ROWS).step_by(3).map(tick).collect()
}

fn ticks(columns: &[Column], axis: &Scale) -> Vec<Tick> {
    let every = columns.len().div_ceil(6).max(1);
    let middle = |it: &Column| axis.at(f64::midpoint(it.from, it.to));
    let tick = |it: &Column| Tick { at: middle(it), label: it.label.clone() };
    columns.iter().step_by(every).map(tick).collect()
}

/// The cell with most bad events of a column: its row from the top, and how many.
fn worst(of: &Column) -> Option<(usize, u64)> {
    let cells = of.cells.iter().enumerate().filter_map(|(row, it)| Some((row, it.as_ref()?.bad())));
    let (row, bad) = cells.filter(|it| it.1 > 0).max_by_key(|it| it.1)?;
    Some((ROWS - 1 - row, bad))
}

fn sum(of: &Column) -> Option<u64> {
    let counted = of.cells.iter().flatten().map(|it| it.bad());
    of.cells.iter().any(Option::is_some).then(|| counted.fold(0, u64::saturating_add))
}

fn summary(view: &View, columns: &[Column], by_day: bool) -> String {
    let worst = columns.iter().filter_map(|it| Some((it, worst(it)?))).max_by_key(|it| it.1.1);
    let worst = worst.map_or_else(
        || " There were none.".to_owned(),
        |(column, (row, bad))| {
            format!(
                " Most were {} on {} from {}.",
                view.amount(bad),
                column.name,
                row_name(row, by_day)
            )
        },
    );
    let what = if by_day { "day, in pairs of hours" } else { "hour, in five minutes" };
    format!("Bad {} by {what}.{worst}", view.events_word())
}

fn readout(view: &View, columns: &[Column], axis: &Scale, by_day: bool) -> Readout {
    let none = || figure::NONE.to_owned();
    let series = |name: &str, tell: &dyn Fn(&Column) -> String| Series {
        name: name.to_owned(),
        values: columns.iter().map(tell).collect(),
    };
    Readout {
        at: columns.iter().map(|it| axis.at(f64::midpoint(it.from, it.to))).collect(),
        steps: columns.iter().map(|it| it.name.clone()).collect(),
        series: vec![
            series("bad", &|it| sum(it).map_or_else(none, |it| view.amount(it))),
            series("most from", &|it| worst(it).map_or_else(none, |it| row_name(it.0, by_day))),
        ],
    }
}

fn table(view: &View, columns: &[Column]) -> Markup {
    let none = || figure::NONE.to_owned();
    let by_day = view.passed.length() >= DAYS;
    let heads = [if by_day { "Day" } else { "Hour" }, "Bad", "All", "Most from"];
    let all = |it: &Column| {
        let totals = it.cells.iter().flatten().map(|it| it.total);
        it.cells.iter().any(Option::is_some).then(|| totals.fold(0, u64::saturating_add))
    };
    let row = |it: &Column| {
        vec![
            it.name.clone(),
            sum(it).map_or_else(none, |it| view.amount(it)),
            all(it).map_or_else(none, |it| view.amount(it)),
            worst(it).map_or_else(none, |it| row_name(it.0, by_day)),
        ]
    };
    let rows: Vec<_> = columns.iter().map(row).collect();
    piece::data("Bad events by hour", &heads.map(str::to_owned), &rows)
}
