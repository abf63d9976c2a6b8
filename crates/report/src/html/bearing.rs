//! Bearing: how much the service bears, how it scales, and how it stood a burst of load.

use evenkeel_model::outcome::{LoadLevel, Scalability, ScalePoint};
use maud::{Markup, html};

use super::piece::{self, Card, Ink};
use super::view::View;
use crate::chart::{Path, Plot, Readout, Rule, Scale, Series, Tick, stroke};
use crate::{bearing, figure};

/// What was found out, in sentences, and the charts behind it.
pub(super) fn section(view: &View) -> Option<Markup> {
    let outcome = view.outcome;
    let found: Vec<_> =
        bearing::sentences(outcome).into_iter().filter(|(name, _)| *name != "Sent").collect();
    let charts: Vec<Markup> = match &outcome.scalability {
        Some(it) if it.points.len() > 1 => vec![throughput(view, it), latency(it)],
        _ => Vec::new(),
    };
    if found.is_empty() && charts.is_empty() {
        return None;
    }
    let sentences = Card {
        id: "",
        title: "What it bears",
        note: String::new(),
        legend: html! {},
        body: html! { dl.facts.wide { @for (name, it) in &found { div { dt { (name) } dd { (it) } } } } },
    };
    Some(html! {
        div id="bears" {
            @if !found.is_empty() { (sentences.render()) }
            @if !charts.is_empty() { div.pair { @for it in &charts { (it) } } }
        }
    })
}

/// The axis of load, from nothing to a little beyond the last step.
fn across(of: &Scalability) -> Scale {
    let most =
        of.points.iter().map(|it| it.load.get()).filter(|it| it.is_finite()).fold(0.0, f64::max);
    Scale::from_zero(most, 5)
}

fn unit(of: &Scalability) -> &'static str {
    match of.points.first().map(|it| it.load) {
        Some(LoadLevel::Users(_)) => "by users at once",
        _ => "by requests planned each second",
    }
}

fn ticks(scale: &Scale) -> Vec<Tick> {
    let ticks = scale.ticks(5).into_iter();
    ticks.map(|it| Tick { at: scale.at(it), label: figure::decimal(it) }).collect()
}

/// The steps as points of a drawing.
fn points(
    of: &Scalability,
    value: impl Fn(&ScalePoint) -> Option<f64>,
    y: &Scale,
) -> Vec<Option<(f64, f64)>> {
    let across = across(of);
    let drawn = |it: &ScalePoint| {
        value(it).filter(|it| it.is_finite()).map(|value| (across.x(it.load.get()), y.y(value)))
    };
    of.points.iter().map(drawn).collect()
}

fn throughput(view: &View, of: &Scalability) -> Markup {
    let across = across(of);
    let fitted: Vec<(f64, f64)> = of.fit.map_or_else(Vec::new, |fit| {
        let steps = (0..=60).map(|step| across.hi() * f64::from(step) / 60.0);
        steps
            .map(|load| (load, if load < 1.0 { load * fit.lambda } else { fit.throughput(load) }))
            .collect()
    });
    let seen = of.points.iter().map(|it| it.throughput_per_second);
    let top =
        seen.chain(fitted.iter().map(|it| it.1)).filter(|it| it.is_finite()).fold(0.0, f64::max);
    let scale = Scale::from_zero(top, 4);
    let line = points(of, |it| Some(it.throughput_per_second), &scale);
    let curve: Vec<_> = fitted
        .iter()
        .filter(|it| it.1.is_finite())
        .map(|(load, it)| Some((across.x(*load), scale.y(*it))))
        .collect();
    let mut legend = vec![("cacc", Ink::Line, "measured")];
    if of.fit.is_some() {
        legend.push(("c99", Ink::Dash, "fitted curve"));
    }
    let sentence = bearing::sentences(view.outcome).into_iter().find(|it| it.0 == "Scales");
    let plot = Plot {
        id: "plot-scale".into(),
        summary: format!(
            "Requests answered right each second, {}.{}",
            unit(of),
            sentence.map(|it| format!(" Scales {}.", it.1)).unwrap_or_default()
        ),
        height: 200,
        y: scale
            .ticks(4)
            .into_iter()
            .map(|it| Tick { at: scale.at(it), label: figure::decimal(it) })
            .collect(),
        x: ticks(&across),
        paths: vec![
            Path::new("fit", stroke::line(&curve, 8.0)),
            Path::new("rps", stroke::line(&line, 8.0)),
            Path::new("dots", stroke::dots(&line)),
        ],
        readout: Some(readout(of)),
        ..Plot::default()
    };
    let card = Card {
        id: "",
        title: "Throughput against load",
        note: unit(of).to_owned(),
        legend: piece::legend(&legend),
        body: html! { (plot.render()) (table(of)) },
    };
    card.render()
}

fn latency(of: &Scalability) -> Markup {
    let across = across(of);
    let seen = || {
        of.points.iter().filter_map(|it| it.p95_seconds).filter(|it| it.is_finite() && *it > 0.0)
    };
    let medians = || {
        of.points.iter().filter_map(|it| it.p50_seconds).filter(|it| it.is_finite() && *it > 0.0)
    };
    let scale = Scale::log_around(
        medians().chain(seen()).fold(f64::MAX, f64::min),
        seen().fold(f64::MIN, f64::max),
    );
    let (p95, p50) =
        (points(of, |it| it.p95_seconds, &scale), points(of, |it| it.p50_seconds, &scale));
    let plot = Plot {
        id: "plot-scale-latency".into(),
        summary: format!("Median and 95th percentile of the response time, {}.", unit(of)),
        height: 200,
        y: scale
            .ticks(6)
            .into_iter()
            .map(|it| Tick { at: scale.at(it), label: figure::time(it) })
            .collect(),
        x: ticks(&across),
        rules: Vec::<Rule>::new(),
        paths: vec![
            Path::new("l50", stroke::line(&p50, 8.0)),
            Path::new("l95", stroke::line(&p95, 8.0)),
            Path::new("dots c95", stroke::dots(&p95)),
        ],
        readout: Some(readout(of)),
        ..Plot::default()
    };
    let card = Card {
        id: "",
        title: "Response time against load",
        note: unit(of).to_owned(),
        legend: piece::legend(&[("c95", Ink::Line, "p95"), ("c50", Ink::Line, "p50")]),
        body: plot.render(),
    };
    card.render()
}

fn readout(of: &Scalability) -> Readout {
    let across = across(of);
    let series = |name: &str, tell: &dyn Fn(&ScalePoint) -> String| Series {
        name: name.to_owned(),
        values: of.points.iter().map(tell).collect(),
    };
    let mut all = vec![
        series("answered right", &|it| figure::rate(it.throughput_per_second)),
        series("p95", &|it| figure::time_or_none(it.p95_seconds)),
        series("p50", &|it| figure::time_or_none(it.p50_seconds)),
    ];
    if let Some(fit) = of.fit {
        all.push(series("fitted", &|it| figure::rate(fit.throughput(it.load.get()))));
    }
    Readout {
        at: of.points.iter().map(|it| across.at(it.load.get())).collect(),
        steps: of.points.iter().map(|it| it.load.to_string()).collect(),
        series: all,
    }
}

fn table(of: &Scalability) -> Markup {
    let heads = ["Load", "Answered right", "p50", "p95"].map(str::to_owned);
    let row = |it: &ScalePoint| {
        vec![
            it.load.to_string(),
            figure::rate(it.throughput_per_second),
            figure::time_or_none(it.p50_seconds),
            figure::time_or_none(it.p95_seconds),
        ]
    };
    piece::data("Throughput against load", &heads, &of.points.iter().map(row).collect::<Vec<_>>())
}
