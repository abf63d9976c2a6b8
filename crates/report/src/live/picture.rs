//! Everything in its place, on a terminal of any size.
//!
//! From top to bottom: how far it is, the figures of this second, the charts, the lists. Charts take the room
//! that the lists leave; where there is too little for both, lists are shortened and say by how much. A terminal
//! too narrow for charts has them as one line each.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::lines::{BLUE, BOLD, DIM, GREEN, LABEL, Now, PLAIN, named, piece};
use super::{LiveView, charts, clock, lists};
use crate::figure;

/// Columns from which lists stand in two columns.
const TWO_COLUMNS: usize = 140;
/// Rows from which parts are set apart by an empty one.
const AIRY: usize = 30;
/// How the run is ended, for those who wonder.
const KEYS: &str = "q stops";

/// Draws the picture; without colours no cell has a style.
pub fn draw(view: &LiveView, area: Rect, buffer: &mut Buffer, color: bool) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let mut top = vec![head(view, width), bar(view, width)];
    if view.phases.len() > 1 {
        top.push(names(view, width));
    }
    let gap = usize::from(height >= AIRY);
    top.extend((0..gap).map(|_| Line::default()));
    top.extend(Now::of(view).lines());
    let left = height.saturating_sub(top.len() + gap);

    let mut columns = columns(view, width);
    let longest = |columns: &[Vec<lists::List>]| -> usize {
        let rows = |it: &Vec<lists::List>| it.iter().map(lists::List::rows).sum();
        columns.iter().map(rows).max().unwrap_or(0)
    };
    let least = charts::least_rows(width);
    let room = left.saturating_sub(longest(&columns) + gap);
    // The lists give way to charts of the least height, but not more than half of the room.
    let charts_rows = match room.max(least) {
        _ if view.seconds.is_empty() || left < 2 * least => 0,
        rows => rows.min(left),
    };
    if charts_rows == 0 {
        top.extend(sparklines(view, width));
    }
    let mut at = area.y;
    let bottom = area.y + area.height;
    for line in top {
        if at < bottom {
            buffer.set_line(area.x, at, &line, area.width);
            at += 1;
        }
    }
    if charts_rows > 0 {
        at += gap as u16;
        let height = (charts_rows as u16).min(bottom.saturating_sub(at));
        charts::draw(view, Rect { y: at, height, ..area }, buffer);
        at += height + gap as u16;
    }
    let rows = usize::from(bottom.saturating_sub(at));
    let wide = area.width / columns.len().max(1) as u16;
    for (index, column) in columns.iter_mut().enumerate() {
        lists::fit(column, rows);
        let x = area.x + index as u16 * wide;
        let lines = column.drain(..).flat_map(lists::List::into_lines);
        for (line, y) in lines.zip(at..bottom) {
            buffer.set_line(x, y, &line, wide.saturating_sub(1).max(1));
        }
    }
    if !color {
        for cell in &mut buffer.content {
            cell.set_style(Style::reset());
        }
    }
}

/// The lists, in two columns of about the same height where there is room for them.
fn columns(view: &LiveView, width: usize) -> Vec<Vec<lists::List>> {
    if width < TWO_COLUMNS {
        return vec![lists::all(view, width)];
    }
    let all = lists::all(view, width / 2);
    let half = all.iter().map(lists::List::rows).sum::<usize>().div_ceil(2);
    let (mut first, mut second, mut rows) = (Vec::new(), Vec::new(), 0);
    for it in all {
        rows += it.rows();
        if first.is_empty() || (second.is_empty() && rows <= half) {
            first.push(it);
        } else {
            second.push(it);
        }
    }
    vec![first, second]
}

fn head(view: &LiveView, width: usize) -> Line<'static> {
    let times = format!("{} of {}", clock(view.elapsed), clock(view.length));
    let name = figure::cut(&figure::plain(&view.name), width.saturating_sub(times.len() + 2));
    let phase = figure::cut(&figure::plain(&view.phase), width / 3);
    let used = figure::columns(&name) + figure::columns(&phase) + figure::columns(&times) + 4;
    let gap = width.saturating_sub(used + KEYS.len());
    let mut pieces = vec![
        piece(BOLD, name),
        piece(DIM, format!("  {times}")),
        piece(BLUE, format!("  {phase}")),
    ];
    if gap > 1 {
        pieces.push(piece(DIM, " ".repeat(gap) + KEYS));
    }
    Line::from(pieces)
}

/// Where a moment lies on a bar of so many cells.
fn cell(at: Duration, length: Duration, width: usize) -> usize {
    let share = at.as_secs_f64() / length.as_secs_f64().max(0.001);
    ((share * width as f64).round() as usize).min(width)
}

fn bar(view: &LiveView, width: usize) -> Line<'static> {
    let done = cell(view.elapsed, view.length, width);
    let begins: Vec<_> =
        view.phases.iter().skip(1).map(|it| cell(it.from, view.length, width)).collect();
    let draw = |at: usize| match (begins.contains(&at), at < done) {
        (true, _) => '┃',
        (false, true) => '━',
        (false, false) => '─',
    };
    let part =
        |style, cells: std::ops::Range<usize>| piece(style, cells.map(draw).collect::<String>());
    Line::from(vec![part(GREEN, 0..done), part(DIM, done..width)])
}

/// Names below the bar, each where its phase begins, as far as they fit.
fn names(view: &LiveView, width: usize) -> Line<'static> {
    let mut line: Vec<Span<'static>> = Vec::new();
    let mut used = 0;
    for it in &view.phases {
        let (from, to) = (cell(it.from, view.length, width), cell(it.to, view.length, width));
        let name = figure::cut(&figure::plain(&it.name), to.saturating_sub(from.max(used) + 1));
        if figure::columns(&name) < 2 {
            continue;
        }
        let gap = from.saturating_sub(used);
        used += gap + figure::columns(&name);
        let style = if it.name == view.phase { BOLD } else { DIM };
        line.extend([piece(PLAIN, " ".repeat(gap)), piece(style, name)]);
    }
    Line::from(line)
}

/// What charts would show, for terminals without room for them.
fn sparklines(view: &LiveView, width: usize) -> Vec<Line<'static>> {
    if view.seconds.is_empty() {
        return Vec::new();
    }
    let room = width.saturating_sub(LABEL);
    let last = || view.seconds.iter().skip(view.seconds.len().saturating_sub(room));
    let rates: Vec<_> = last().map(|it| it.good as f64).collect();
    let times: Vec<_> = last().map(|it| it.p99_seconds.unwrap_or(0.0)).collect();
    vec![
        named("right/s", vec![piece(BLUE, lists::sparkline(&rates))]),
        named(
            "p99",
            vec![piece(PLAIN.fg(ratatui::style::Color::Magenta), lists::sparkline(&times))],
        ),
    ]
}
