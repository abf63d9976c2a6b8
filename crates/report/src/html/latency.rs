//! Latency: percentiles over time under their objectives, and every answer as heat.

use evenkeel_model::outcome::Heatmap;
use maud::{Markup, html};

use super::piece::{self, Card, Ink};
use super::view::{STEPS, View};
use crate::chart::{Mark, Path, Plot, Readout, Rule, Scale, Series, Tick, heat, stroke};
use crate::figure;
use crate::steps::{self, Step, Steps};

/// The most rows of a table behind a chart.
const ROWS: u64 = 60;

/// Percentiles over time.
pub(super) fn percentiles(view: &View) -> Option<Markup> {
    if !view.has_time() {
        return None;
    }
    let seen = || view.steps.steps.iter().flat_map(|it| [it.p50, it.p95, it.p99]).flatten();
    let limits = || view.limits.iter().map(|it| it.seconds);
    // Limits alone are no picture of anything.
    seen().next()?;
    let (lo, hi) =
        (seen().fold(f64::MAX, f64::min), seen().chain(limits()).fold(f64::MIN, f64::max));
    let scale = Scale::log_around(lo, hi);
    let points = |of: fn(&Step) -> Option<f64>| -> Vec<_> {
        let timed = view.steps.timed();
        timed.map(|(at, it)| of(it).map(|value| (view.time.x(at), scale.y(value)))).collect()
    };
    let (p50, p95, p99) = (points(|it| it.p50), points(|it| it.p95), points(|it| it.p99));
    let dash = view.time.x(view.steps.width as f64);
    let plot = Plot {
        id: "plot-latency".into(),
        summary: summary(view),
        height: 290,
        y: time_scale(&scale),
        x: view.time_ticks(13),
        bands: view.bands(),
        marks: view.phase_marks(),
        tags: view.phase_tags().into_iter().chain(view.fault_tags()).collect(),
        rules: rules(view, &scale),
        paths: vec![
            Path::new("b2", stroke::ribbon(&p99, &p95)),
            Path::new("b1", stroke::ribbon(&p95, &p50)),
            Path::new("l50", stroke::line(&p50, dash)),
            Path::new("l95", stroke::line(&p95, dash)),
            Path::new("l99", stroke::line(&p99, dash)),
        ],
        readout: Some(readout(view)),
    };
    let all = [
        ("c99", Ink::Line, "p99"),
        ("c95", Ink::Line, "p95"),
        ("c50", Ink::Line, "p50"),
        ("cbad", Ink::Box, "fault active"),
    ];
    let legend = if view.acted().next().is_some() { &all[..] } else { &all[..3] };
    let card = Card {
        id: "latency",
        title: "Latency percentiles",
        note: format!("{}, from when each request was due", view.pace()),
        legend: piece::legend(legend),
        body: html! { (plot.render()) (table(view)) },
    };
    Some(card.render())
}

fn summary(view: &View) -> String {
    let totals = &view.outcome.totals;
    let worst = view.steps.timed().filter_map(|(at, it)| Some((at, it.p99?)));
    let worst = worst.max_by(|a, b| a.1.total_cmp(&b.1));
    let peak = worst.map_or_else(String::new, |(at, p99)| {
        format!(" Highest p99 {} at {}.", figure::time(p99), figure::clock(at))
    });
    format!(
        "Response time by percentile over time. Over the whole run: median {}, p99 {}.{peak}",
        figure::time_or_none(totals.p50_seconds),
        figure::time_or_none(totals.p99_seconds),
    )
}

fn rules(view: &View, scale: &Scale) -> Vec<Rule> {
    // One beyond the picture would be drawn at its edge, as if it were there; more than a few lines would hide
    // what they limit. The checks name them all.
    let limits = view.limits.iter().filter(|it| scale.holds(it.seconds)).take(5);
    limits
        .map(|it| Rule { at: scale.at(it.seconds), label: it.label.clone(), class: "bad" })
        .collect()
}

fn time_scale(scale: &Scale) -> Vec<Tick> {
    let ticks = scale.ticks(9).into_iter();
    ticks.map(|it| Tick { at: scale.at(it), label: figure::time(it) }).collect()
}

fn readout(view: &View) -> Readout {
    let series = |name: &str, tell: &dyn Fn(&Step) -> String| Series {
        name: name.to_owned(),
        values: view.steps.steps.iter().map(tell).collect(),
    };
    Readout {
        at: view.steps.timed().map(|(at, _)| view.time.at(at)).collect(),
        steps: (0..view.steps.steps.len()).map(|it| figure::clock(view.steps.from(it))).collect(),
        series: vec![
            series("p99", &|it| figure::time_or_none(it.p99)),
            series("p95", &|it| figure::time_or_none(it.p95)),
            series("p50", &|it| figure::time_or_none(it.p50)),
            series("answered", &|it| figure::rate(it.rate(it.good))),
            series("errors", &|it| figure::share_or_none(it.bad_ratio())),
        ],
    }
}

fn table(view: &View) -> Markup {
    let heads = ["From", "p50", "p95", "p99", "Answered right", "Failed or missed", "In flight"];
    let coarse = Steps::new(&view.outcome.seconds, ROWS);
    let rows: Vec<_> = coarse
        .steps
        .iter()
        .enumerate()
        .map(|(index, it)| {
            vec![
                figure::clock(coarse.from(index)),
                figure::time_or_none(it.p50),
                figure::time_or_none(it.p95),
                figure::time_or_none(it.p99),
                figure::count(it.good),
                figure::count(it.bad),
                figure::count(it.in_flight),
            ]
        })
        .collect();
    piece::data("Latency percentiles", &heads.map(str::to_owned), &rows)
}

/// Every answer by when and how long.
pub(super) fn heatmap(view: &View) -> Option<Markup> {
    let (columns, width) = steps::columns(&view.outcome.heatmap, STEPS);
    let most = columns.iter().flatten().copied().max().filter(|it| *it > 0)?;
    let edges = edges(&view.outcome.heatmap)?;
    // Rows that nothing fell into are left out at either end, but for one as a margin.
    let used = |row: usize| columns.iter().any(|it| it.get(row).is_some_and(|it| *it > 0));
    let rows = edges.len() - 1;
    let first = (0..rows).find(|it| used(*it))?.saturating_sub(1);
    let last = (0..rows).rfind(|it| used(*it))?.saturating_add(2).min(rows);
    let cropped: Vec<Vec<u64>> = columns.iter().map(|it| it[first..last].to_vec()).collect();
    let edges = &edges[first..=last];
    let scale = Scale::log(edges[0], edges[edges.len() - 1]);
    let heights: Vec<f64> = edges.iter().map(|it| scale.y(*it)).collect();
    let across: Vec<f64> =
        (0..=columns.len() as u64).map(|it| view.time.x((it * width) as f64)).collect();
    let plot = Plot {
        id: "plot-heatmap".into(),
        summary: format!(
            "How many answers took how long, over time, on a logarithmic scale. At most {} in one cell.",
            figure::count(most)
        ),
        height: 240,
        y: time_scale(&scale),
        x: view.time_ticks(13),
        marks: view
            .acted()
            .map(|(_, from, _)| Mark { at: view.time.at(from), class: "mk event bad" })
            .collect(),
        tags: view.fault_tags(),
        rules: rules(view, &scale),
        paths: heat::paths(&cropped, &across, &heights),
        readout: Some(heat_readout(&cropped, edges, &view.time, width)),
        ..Plot::default()
    };
    let ramp = html! {
        div.ramp {
            "1 "
            span aria-hidden="true" { @for level in 0..heat::LEVELS { b class=(format!("r{level}")) {} } }
            " " (figure::count(most)) " answers"
        }
    };
    let note = match view.has_load() {
        true => "every answer, right or wrong; two bands are two kinds of answer",
        false => "every answer, whether the probe held or not",
    };
    let card = Card {
        id: "heatmap",
        title: if view.has_load() { "Latency heatmap" } else { "Answer times" },
        note: note.to_owned(),
        legend: ramp,
        body: html! { div.heat { (plot.render()) } (heat_table(&cropped, edges, width)) },
    };
    Some(card.render())
}

/// Edges that a logarithmic scale can take: above zero, and with an end. `None` when there are none.
fn edges(heatmap: &Heatmap) -> Option<Vec<f64>> {
    let mut edges = heatmap.edges_seconds.clone();
    if let [first, second, ..] = edges.as_mut_slice()
        && *first <= 0.0
    {
        *first = *second / 2.0;
    }
    if edges.len() < 2 || !(edges[0] > 0.0 && edges[0].is_finite()) {
        return None;
    }
    for at in 1..edges.len() {
        if !edges[at].is_finite() || edges[at] <= edges[at - 1] {
            edges[at] = edges[at - 1] * 2.0;
        }
    }
    Some(edges)
}

fn heat_readout(columns: &[Vec<u64>], edges: &[f64], time: &Scale, width: u64) -> Readout {
    let from = |index: usize| index as f64 * width as f64;
    let between =
        |row: usize| format!("{} to {}", figure::time(edges[row]), figure::time(edges[row + 1]));
    let most = |it: &Vec<u64>| {
        let fullest = it.iter().enumerate().max_by_key(|(_, count)| **count).filter(|it| *it.1 > 0);
        fullest.map_or_else(|| figure::NONE.to_owned(), |(row, _)| between(row))
    };
    let slowest = |it: &Vec<u64>| {
        let row = it.iter().rposition(|it| *it > 0);
        row.map_or_else(|| figure::NONE.to_owned(), |row| figure::time(edges[row + 1]))
    };
    let series = |name: &str, tell: &dyn Fn(&Vec<u64>) -> String| Series {
        name: name.to_owned(),
        values: columns.iter().map(tell).collect(),
    };
    Readout {
        at: (0..columns.len()).map(|it| time.at(from(it) + width as f64 / 2.0)).collect(),
        steps: (0..columns.len()).map(|it| figure::clock(from(it))).collect(),
        series: vec![
            series("answers", &|it| figure::count(it.iter().sum())),
            series("most took", &most),
            series("all within", &slowest),
        ],
    }
}

/// The heat as counts, in rows of time and a few bands of response time.
fn heat_table(columns: &[Vec<u64>], edges: &[f64], width: u64) -> Markup {
    let within = |it: &f64| (edges[0]..edges[edges.len() - 1]).contains(it);
    let mut bounds: Vec<f64> = (-6..4)
        .flat_map(|decade| [1.0, 3.0].map(|it| it * 10f64.powi(decade)))
        .filter(within)
        .collect();
    bounds.push(edges[edges.len() - 1]);
    let band =
        |edge: f64| bounds.iter().position(|it| edge <= *it * 1.000_1).unwrap_or(bounds.len() - 1);
    let heads: Vec<String> = std::iter::once("From".to_owned())
        .chain(bounds.iter().map(|it| format!("up to {}", figure::time(*it))))
        .collect();
    let chunk = columns.len().div_ceil(30).max(1);
    let rows: Vec<Vec<String>> = columns
        .chunks(chunk)
        .enumerate()
        .map(|(index, chunk_columns)| {
            let mut counts = vec![0; bounds.len()];
            for column in chunk_columns {
                for (row, count) in column.iter().enumerate() {
                    counts[band(edges[row + 1])] += count;
                }
            }
            let from = figure::clock((index * chunk) as f64 * width as f64);
            std::iter::once(from).chain(counts.into_iter().map(figure::count)).collect()
        })
        .collect();
    piece::data("Latency heatmap", &heads, &rows)
}
