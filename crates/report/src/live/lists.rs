//! Lists below the charts: limits, faults, guards, routes, what is watched, and what has happened.

use evenkeel_model::outcome::{Check, CheckResult, RouteFigures, WatchFigures};
use ratatui::text::Line;

use super::lines::{BLUE, BOLD, DIM, GREEN, LABEL, PLAIN, RED, YELLOW, named, piece};
use super::{LiveGuard, LiveView, clock};
use crate::figure;

/// Latest readings in a sparkline.
const READINGS: usize = 12;
/// Lines of what has happened.
const NEWS: usize = 4;

/// Lines that belong together, the first with their name.
pub(super) struct List {
    lines: Vec<Line<'static>>,
    hidden: usize,
}

impl List {
    fn new(name: &str, rows: Vec<Vec<ratatui::text::Span<'static>>>) -> Option<Self> {
        let lines: Vec<_> = rows
            .into_iter()
            .enumerate()
            .map(|(index, row)| named(if index == 0 { name } else { "" }, row))
            .collect();
        (!lines.is_empty()).then_some(Self { lines, hidden: 0 })
    }

    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Its lines; the last says how many more there are.
    pub(super) fn into_lines(self) -> Vec<Line<'static>> {
        let Self { mut lines, hidden } = self;
        if hidden > 0 && lines.len() > 1 {
            lines.pop();
            lines.push(named("", vec![piece(DIM, format!("and {} more", hidden + 1))]));
        }
        lines
    }

    fn shorten(&mut self) {
        self.lines.pop();
        self.hidden += 1;
    }
}

/// Shortens the longest lists until all of them have room; the last go first when even that is too much.
pub(super) fn fit(lists: &mut Vec<List>, rows: usize) {
    while lists.iter().map(List::rows).sum::<usize>() > rows {
        match lists.iter_mut().max_by_key(|it| it.rows()) {
            Some(longest) if longest.rows() > 2 => longest.shorten(),
            _ => drop(lists.pop()),
        }
    }
}

/// Every list that has something to say, in order of weight, for so many columns.
pub(super) fn all(view: &LiveView, width: usize) -> Vec<List> {
    let room = width.saturating_sub(LABEL);
    let lists = [
        limits(view, room),
        faults(view),
        guards(view, room),
        routes(view, room),
        watched(view, room),
        news(view),
    ];
    lists.into_iter().flatten().collect()
}

fn padded(text: &str, width: usize) -> String {
    let text = figure::cut(&figure::plain(text), width);
    let gap = " ".repeat(width - figure::columns(&text));
    text + &gap
}

/// Columns for names, so that what follows them begins in one column.
fn names<'a>(of: impl Iterator<Item = &'a str>, most: usize) -> usize {
    of.map(figure::columns).max().unwrap_or(0).min(most)
}

fn limits(view: &LiveView, room: usize) -> Option<List> {
    let text = |it: &Check| match it.name.contains(['<', '>', '≤', '≥']) {
        true => it.name.clone(),
        false => format!("{} {}", it.name, it.limit),
    };
    let texts: Vec<_> = view.checks.iter().map(text).collect();
    let measured = names(view.checks.iter().map(|it| it.measured.as_str()), room / 3);
    let wide = names(texts.iter().map(String::as_str), room.saturating_sub(measured + 12).max(8));
    let row = |(it, text): (&Check, &String)| {
        let (style, word) = match it.result {
            CheckResult::Pass => (GREEN, "✓ holds "),
            CheckResult::Fail => (RED, "✗ broken"),
            CheckResult::Inconclusive | CheckResult::Info => (DIM, "– open  "),
        };
        vec![
            piece(style, word),
            piece(PLAIN, format!("  {}  ", padded(text, wide))),
            piece(BOLD, &it.measured),
        ]
    };
    List::new("limits", view.checks.iter().zip(&texts).map(row).collect())
}

fn faults(view: &LiveView) -> Option<List> {
    let row = |it: &super::LiveFault| {
        let left = it.remaining.map_or(" (acted)".to_owned(), |it| format!("  {} left", clock(it)));
        vec![piece(RED, format!("● {}", it.label)), piece(PLAIN, left)]
    };
    List::new("faults", view.faults.iter().map(row).collect())
}

fn guards(view: &LiveView, room: usize) -> Option<List> {
    let mut sorted: Vec<&LiveGuard> = view.guards.iter().collect();
    sorted.sort_by(|a, b| b.rank().total_cmp(&a.rank()));
    let wide = names(sorted.iter().map(|it| it.condition.as_str()), room.saturating_sub(22).max(8));
    let row = |it: &&LiveGuard| {
        let full = (it.rank().max(0.0) * 10.0).round() as usize;
        let style = match it.rank() {
            c if c < 0.0 => DIM,
            c if c >= 0.8 => RED,
            c if c >= 0.5 => YELLOW,
            _ => GREEN,
        };
        vec![
            piece(PLAIN, format!("{}  ", padded(&it.condition, wide))),
            piece(style, format!("{}{}", "▰".repeat(full), "▱".repeat(10 - full))),
            piece(PLAIN, format!("  {}", it.value)),
        ]
    };
    List::new("guards", sorted.iter().map(row).collect())
}

/// A column of the table of routes: its head, its width, and what stands in it.
type Column = (&'static str, usize, fn(&RouteFigures) -> String);

/// The columns in the order in which they are left out when there is no room for them, the last first.
const COLUMNS: [Column; 5] = [
    ("p95", 9, |it| figure::time_or_none(it.figures.p95_seconds)),
    ("failed", 8, |it| figure::count(it.figures.failed)),
    ("p99", 9, |it| figure::time_or_none(it.figures.p99_seconds)),
    ("right", 10, |it| figure::count(it.figures.good)),
    ("p50", 9, |it| figure::time_or_none(it.figures.p50_seconds)),
];
/// The order in which they stand.
const ORDER: [&str; 5] = ["right", "failed", "p50", "p95", "p99"];

/// A table by route; one route alone is the whole load.
fn routes(view: &LiveView, room: usize) -> Option<List> {
    if view.routes.len() < 2 {
        return None;
    }
    // Twelve columns are the least for a name.
    let mut taken = 12;
    let fits = |it: &&Column| {
        taken += it.1;
        taken <= room
    };
    let mut columns: Vec<&Column> = COLUMNS.iter().take_while(fits).collect();
    columns.sort_by_key(|it| ORDER.iter().position(|name| *name == it.0));
    let taken: usize = columns.iter().map(|it| it.1).sum();
    let wide = names(view.routes.iter().map(|it| it.name.as_str()), room.saturating_sub(taken));
    let cells =
        |of: &RouteFigures| -> String { columns.iter().map(|it| right(&it.2(of), it.1)).collect() };
    let head: String = columns.iter().map(|it| right(it.0, it.1)).collect();
    let row = |it: &RouteFigures| {
        let style = if it.figures.failed > 0 { RED } else { PLAIN };
        vec![piece(PLAIN, padded(&it.name, wide)), piece(style, cells(it))]
    };
    let head = vec![piece(DIM, " ".repeat(wide) + &head)];
    List::new("routes", std::iter::once(head).chain(view.routes.iter().map(row)).collect())
}

/// Text at the right edge of so many columns.
fn right(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(figure::columns(text))) + text
}

fn watched(view: &LiveView, room: usize) -> Option<List> {
    let name = |it: &WatchFigures| match it.figure.is_empty() {
        true => it.watch.clone(),
        false => format!("{} {}", it.watch, it.figure.replace('_', " ")),
    };
    let last = |it: &WatchFigures| it.points.last().map(|it| it.value).filter(|it| it.is_finite());
    let value = |it: &WatchFigures| match (last(it), &it.error) {
        (Some(value), _) => it.show(value),
        (None, Some(error)) => format!("not read: {error}"),
        (None, None) => figure::NONE.to_owned(),
    };
    let texts: Vec<_> = view.watches.iter().map(|it| (name(it), value(it))).collect();
    let values = names(texts.iter().map(|it| it.1.as_str()), room / 3);
    let wide = names(texts.iter().map(|it| it.0.as_str()), room.saturating_sub(values + 2).max(8));
    let row = |(it, (name, value)): (&WatchFigures, &(String, String))| {
        let over = last(it).zip(it.limit).is_some_and(|(last, limit)| last > limit);
        let limit = it.limit.map_or_else(String::new, |limit| {
            format!(" {} {}", if over { "✗ over" } else { "of ≤" }, it.show(limit))
        });
        let from = it.points.len().saturating_sub(READINGS);
        let readings: Vec<_> = it.points.iter().skip(from).map(|it| it.value).collect();
        vec![
            piece(PLAIN, format!("{}  ", padded(name, wide))),
            piece(if over { RED } else { BOLD }, value),
            piece(DIM, limit),
            piece(BLUE, format!("  {}", sparkline(&readings))),
        ]
    };
    List::new("watched", view.watches.iter().zip(&texts).map(row).collect())
}

fn news(view: &LiveView) -> Option<List> {
    let from = view.news.len().saturating_sub(NEWS);
    List::new("news", view.news.iter().skip(from).map(|it| vec![piece(PLAIN, it)]).collect())
}

/// Values as blocks, from nothing to the highest.
pub(super) fn sparkline(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().filter(|it| it.is_finite()).fold(0.0, f64::max);
    let block = |it: &f64| match most > 0.0 && it.is_finite() {
        true => BLOCKS[((it / most * 7.0).round() as usize).min(7)],
        false => BLOCKS[0],
    };
    values.iter().map(block).collect()
}
