//! Watch: the target's side during the load, on the axis of time of all charts.

use evenkeel_model::outcome::WatchFigures;
use maud::{Markup, html};

use super::piece::{self, Card};
use super::view::{STEPS, View};
use crate::chart::{Path, Plot, Readout, Rule, Scale, Series, Tick, stroke};
use crate::figure;

/// The most figures that are drawn; the report for programs has them all.
const MOST: usize = 24;
const IDS: [&str; MOST] = [
    "plot-w1", "plot-w2", "plot-w3", "plot-w4", "plot-w5", "plot-w6", "plot-w7", "plot-w8",
    "plot-w9", "plot-w10", "plot-w11", "plot-w12", "plot-w13", "plot-w14", "plot-w15", "plot-w16",
    "plot-w17", "plot-w18", "plot-w19", "plot-w20", "plot-w21", "plot-w22", "plot-w23", "plot-w24",
];

/// A chart for each figure; those that were never read say why.
pub(super) fn section(view: &View) -> Option<Markup> {
    let watches = &view.outcome.watches;
    if watches.is_empty() {
        return None;
    }
    let hidden = watches.len().saturating_sub(MOST);
    Some(html! {
        div.pair id="watched" {
            @for (it, id) in watches.iter().zip(IDS) { (chart(view, it, id)) }
        }
        @if hidden > 0 { p.note { (hidden) " more figures are in the report for programs." } }
    })
}

/// Such as `memory bytes`: the name of a figure in words.
fn words(of: &WatchFigures) -> String {
    match of.figure.is_empty() {
        true => of.watch.clone(),
        false => format!("{}: {}", of.watch, of.figure.replace('_', " ")),
    }
}

/// A value beside an axis: the heading says the rest of its unit.
fn short(of: &WatchFigures, value: f64) -> String {
    let text = of.show(value);
    text.trim_end_matches("/s").trim_end_matches(" cores").to_owned()
}

/// What an axis counts in, so that its ticks are round: bytes go by 1024.
fn unit(of: &WatchFigures, top: f64) -> f64 {
    if !of.figure.contains("bytes") || top < 1.0 {
        return 1.0;
    }
    // From half of the next unit on, in that: four digits are too wide for an axis.
    1024_f64.powi(((top * 2.0).log2() / 10.0).floor() as i32)
}

fn chart(view: &View, of: &WatchFigures, id: &'static str) -> Markup {
    let title = words(of);
    let unread = match (of.unread, &of.error) {
        (_, None) => String::new(),
        (0, Some(note)) => note.clone(),
        (n, Some(error)) => format!("not read {} times: {error}", figure::count(n)),
    };
    // Of many readings within one step of the chart the highest is drawn: peaks are what limits are about.
    let width = (view.time.hi() / STEPS as f64).max(f64::MIN_POSITIVE);
    let mut drawn: Vec<(f64, f64)> = Vec::new();
    for it in of.points.iter().filter(|it| it.value.is_finite()) {
        let at = it.at.as_secs_f64();
        match drawn.last_mut() {
            Some(last) if ((last.0 / width).floor() - (at / width).floor()).abs() < 0.5 => {
                last.1 = last.1.max(it.value);
            }
            _ => drawn.push((at, it.value)),
        }
    }
    let body = match drawn.is_empty() {
        true => html! { p.note { "Nothing was read." } },
        false => plot(view, of, id, &title, &drawn),
    };
    Card { id: "", title: &title, note: unread, legend: html! {}, body }.render()
}

fn plot(
    view: &View,
    of: &WatchFigures,
    id: &'static str,
    title: &str,
    drawn: &[(f64, f64)],
) -> Markup {
    let values = || drawn.iter().map(|it| it.1);
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    let limit = of.limit.filter(|it| it.is_finite());
    let top = most.max(limit.unwrap_or(0.0));
    let unit = unit(of, top);
    let scale = Scale::from_zero(top / unit, 3);
    let line: Vec<_> =
        drawn.iter().map(|(at, it)| Some((view.time.x(*at), scale.y(*it / unit)))).collect();
    let plot = Plot {
        id: id.into(),
        summary: format!("{title} over time: from {} to {}.", of.show(least), of.show(most)),
        height: 120,
        y: scale
            .ticks(3)
            .into_iter()
            .map(|it| Tick { at: scale.at(it), label: short(of, it * unit) })
            .collect(),
        x: view.time_ticks(6),
        bands: view.bands(),
        marks: view.phase_marks(),
        rules: limit
            .map(|it| Rule {
                at: scale.at(it / unit),
                label: format!("limit {}", of.show(it)),
                class: "bad",
            })
            .into_iter()
            .collect(),
        paths: vec![
            Path::new("fill", stroke::area(&line)),
            Path::new("rps", stroke::line(&line, 8.0)),
        ],
        readout: Some(Readout {
            at: drawn.iter().map(|it| view.time.at(it.0)).collect(),
            steps: drawn.iter().map(|it| figure::clock(it.0)).collect(),
            series: vec![Series {
                name: title.to_owned(),
                values: drawn.iter().map(|it| of.show(it.1)).collect(),
            }],
        }),
        ..Plot::default()
    };
    let heads = ["At", "Value"].map(str::to_owned);
    let every = drawn.len().div_ceil(60);
    let row = |(at, it): &(f64, f64)| vec![figure::clock(*at), of.show(*it)];
    let rows: Vec<_> = drawn.iter().step_by(every.max(1)).map(row).collect();
    html! { (plot.render()) (piece::data(title, &heads, &rows)) }
}
