//! Charts over time: the load against its plan, and response times.
//!
//! Lines are dots of braille, two across and four down in a cell; ticks and their labels are text beside them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;
use ratatui::widgets::canvas::{Canvas, Line as Stroke};

use super::LiveView;
use super::lines::{BLUE, DIM, GREEN, PLAIN, RED, piece};
use crate::chart::Scale;
use crate::figure;
use crate::steps::{Step, Steps};

/// Rows below which a chart says nothing.
pub(super) const LEAST_ROWS: usize = 6;
/// Columns from which two charts stand beside each other.
const BESIDE: usize = 72;

/// A line of a chart: a moment and a figure each; a figure that is not there is a gap.
struct Curve {
    color: Color,
    points: Vec<(f64, Option<f64>)>,
}

/// A chart, before it has a size.
struct Chart {
    title: Vec<Span<'static>>,
    scale: Scale,
    /// How a figure of the axis is written.
    show: fn(f64) -> String,
    /// Seconds from the left edge to the right one.
    time: Scale,
    curves: Vec<Curve>,
}

/// Whether both charts have room in so many columns and rows.
pub(super) fn least_rows(width: usize) -> usize {
    if width < BESIDE { 2 * LEAST_ROWS } else { LEAST_ROWS }
}

/// Draws both, beside each other where there is room.
pub(super) fn draw(view: &LiveView, area: Rect, buffer: &mut Buffer) {
    let beside = usize::from(area.width) >= BESIDE;
    let [first, second] = match beside {
        true => {
            let left = area.width / 2 - 1;
            let right = Rect { x: area.x + left + 2, width: area.width - left - 2, ..area };
            [Rect { width: left, ..area }, right]
        }
        false => {
            let top = area.height / 2;
            let below = Rect { y: area.y + top, height: area.height - top, ..area };
            [Rect { height: top, ..area }, below]
        }
    };
    load(view, first).draw(first, buffer);
    latency(view, second).draw(second, buffer);
}

/// Seconds on the axis of time: as long as the plan, or as long as it took.
fn end(view: &LiveView) -> f64 {
    let shown = view.seconds.last().map_or(0.0, |it| it.second as f64 + 1.0);
    view.length.as_secs_f64().max(shown)
}

fn steps(view: &LiveView, area: Rect) -> Steps {
    // Two dots across in a cell.
    Steps::new(&view.seconds, u64::from(area.width.max(20)) * 2)
}

fn load(view: &LiveView, area: Rect) -> Chart {
    let steps = steps(view, area);
    let rates = |of: fn(&Step) -> u64| -> Vec<_> {
        let rate = |it: &Step| (it.seconds > 0).then(|| it.rate(of(it)));
        steps.timed().map(|(at, it)| (at, rate(it))).collect()
    };
    let (good, bad) = (rates(|it| it.good), rates(|it| it.bad));
    let part = view.length.as_secs_f64() / view.planned.len().max(1) as f64;
    let ahead = view.planned.iter().zip(0u32..);
    let ahead: Vec<_> =
        ahead.map(|(rate, at)| ((f64::from(at) + 0.5) * part, Some(*rate))).collect();
    let asked = if ahead.is_empty() { rates(|it| it.planned) } else { ahead };
    let all = [&good, &bad, &asked].into_iter().flatten().filter_map(|it| it.1);
    let scale = Scale::from_zero(all.filter(|it| it.is_finite()).fold(0.0, f64::max), 4);
    let bad: Vec<_> = bad.into_iter().map(|(at, it)| (at, it.filter(|it| *it > 0.0))).collect();
    let mut title = vec![piece(BLUE, "━ right"), piece(DIM, "  ━ planned")];
    if bad.iter().any(|it| it.1.is_some()) {
        title.insert(1, piece(RED, "  ━ failed"));
    }
    Chart {
        title,
        scale,
        show: figure::decimal,
        time: Scale::linear(0.0, end(view)),
        curves: vec![
            Curve { color: Color::DarkGray, points: asked },
            Curve { color: Color::Red, points: bad },
            Curve { color: Color::Cyan, points: good },
        ],
    }
}

fn latency(view: &LiveView, area: Rect) -> Chart {
    let steps = steps(view, area);
    let times = |of: fn(&Step) -> Option<f64>| -> Vec<_> {
        steps.timed().map(|(at, it)| (at, of(it).filter(|it| it.is_finite()))).collect()
    };
    let (p50, p95, p99) = (times(|it| it.p50), times(|it| it.p95), times(|it| it.p99));
    let all = || [&p50, &p95, &p99].into_iter().flatten().filter_map(|it| it.1);
    let scale = Scale::log_around(all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    Chart {
        title: vec![
            piece(GREEN, "━ p50"),
            piece(PLAIN.fg(Color::Blue), "  ━ p95"),
            piece(PLAIN.fg(Color::Magenta), "  ━ p99"),
        ],
        scale,
        show: figure::time,
        time: Scale::linear(0.0, end(view)),
        curves: vec![
            Curve { color: Color::Magenta, points: p99 },
            Curve { color: Color::Blue, points: p95 },
            Curve { color: Color::Green, points: p50 },
        ],
    }
}

impl Chart {
    fn draw(self, area: Rect, buffer: &mut Buffer) {
        if usize::from(area.height) < 4 || area.width < 16 {
            return;
        }
        let ticks = self.scale.ticks(usize::from(area.height - 2).clamp(2, 6) - 1);
        let labels: Vec<_> = ticks.iter().map(|it| (*it, (self.show)(*it))).collect();
        let wide = labels.iter().map(|it| figure::columns(&it.1)).max().unwrap_or(0).min(8) as u16;
        let plot = Rect {
            x: area.x + wide + 1,
            y: area.y + 1,
            width: area.width - wide - 1,
            height: area.height - 2,
        };
        buffer.set_line(plot.x, area.y, &Line::from(self.title.clone()), plot.width);
        let mut free: Option<u16> = None;
        for (value, label) in labels {
            let up = (self.scale.at(value) * f64::from(plot.height - 1)).round() as u16;
            let row = plot.y + plot.height - 1 - up;
            // Ticks come in order, the lowest first; one row holds one label.
            if free.is_some_and(|it| row >= it) {
                continue;
            }
            free = Some(row);
            let gap = usize::from(wide).saturating_sub(figure::columns(&label));
            let text = " ".repeat(gap) + &figure::cut(&label, usize::from(wide));
            buffer.set_stringn(area.x, row, text, usize::from(wide), DIM);
            buffer.set_string(area.x + wide, row, "┤", DIM);
        }
        self.times(plot, buffer);
        let dots = Canvas::default()
            .marker(Marker::Braille)
            .x_bounds([0.0, 1.0])
            .y_bounds([0.0, 1.0])
            .paint(|context| {
                for curve in &self.curves {
                    self.strokes(curve).iter().for_each(|it| context.draw(it));
                    context.layer();
                }
            });
        dots.render(plot, buffer);
    }

    /// Labels of the axis of time, in the row below the plot.
    fn times(&self, plot: Rect, buffer: &mut Buffer) {
        let row = plot.y + plot.height;
        let mut free = plot.x;
        for at in self.time.time_ticks(usize::from(plot.width / 10).clamp(1, 12)) {
            let label = figure::clock(at);
            let wide = figure::columns(&label) as u16;
            let middle = plot.x + (self.time.at(at) * f64::from(plot.width - 1)).round() as u16;
            let from = middle.saturating_sub(wide / 2).max(plot.x);
            if from >= free && from + wide <= plot.x + plot.width {
                buffer.set_string(from, row, label, DIM);
                free = from + wide + 1;
            }
        }
    }

    /// A curve as strokes from point to point; a point alone is a dot.
    fn strokes(&self, curve: &Curve) -> Vec<Stroke> {
        let place = |(at, value): (f64, Option<f64>)| {
            value.map(|value| (self.time.at(at), self.scale.at(value)))
        };
        let mut last = None;
        let mut strokes = Vec::new();
        for point in curve.points.iter().copied().map(place) {
            if let Some((x, y)) = point {
                let (from_x, from_y) = last.unwrap_or((x, y));
                strokes.push(Stroke::new(from_x, from_y, x, y, curve.color));
            }
            last = point;
        }
        strokes
    }
}
