//! Load: what was sent against what was planned, and response time by percentile.

use evenkeel_model::outcome::Curve;
use maud::{Markup, html};

use super::piece::{self, Card, Ink};
use super::view::View;
use crate::chart::stroke::Pen;
use crate::chart::{Path, Plot, Readout, Rule, Scale, Series, Tick, stroke};
use crate::figure;
use crate::steps::{Step, Steps};

/// Both charts beside each other; the whole width for one alone.
pub(super) fn pair(view: &View) -> Option<Markup> {
    let cards: Vec<Markup> = [throughput(view), curves(view)].into_iter().flatten().collect();
    (!cards.is_empty()).then(|| html! { div.pair id="load" { @for it in &cards { (it) } } })
}

/// What the probes were answered, where nothing else was sent.
pub(super) fn answers(view: &View) -> Option<Markup> {
    throughput(view).map(|it| html! { div id="load" { (it) } })
}

/// How the chart is called, and what is drawn in it.
struct Words {
    title: &'static str,
    right: &'static str,
    planned: &'static str,
    wrong: &'static str,
    summary: &'static str,
}

const OF_LOAD: Words = Words {
    title: "Throughput and errors",
    right: "answered right",
    planned: "planned",
    wrong: "errors",
    summary: "Requests answered right each second, against those planned",
};
const OF_PROBES: Words = Words {
    title: "Answers of the probes",
    right: "held",
    planned: "asked",
    wrong: "did not hold",
    summary: "Probes that held each second, against those asked",
};

fn words(view: &View) -> &'static Words {
    if view.has_load() { &OF_LOAD } else { &OF_PROBES }
}

fn throughput(view: &View) -> Option<Markup> {
    if !view.has_time() {
        return None;
    }
    let (steps, words) = (&view.steps, words(view));
    let top = steps.steps.iter().flat_map(|it| [it.planned, it.good + it.bad].map(|n| it.rate(n)));
    let scale = Scale::from_zero(top.fold(0.0, f64::max), 4);
    let points = |of: fn(&Step) -> u64| -> Vec<_> {
        let point = |(at, it): (f64, &Step)| {
            (it.seconds > 0).then(|| (view.time.x(at), scale.y(it.rate(of(it)))))
        };
        steps.timed().map(point).collect()
    };
    let (good, planned) = (points(|it| it.good), points(|it| it.planned));
    let dash = view.time.x(steps.width as f64);
    let totals = &view.outcome.totals;
    let ticks = scale.ticks(4).into_iter();
    let plot = Plot {
        id: "plot-load".into(),
        summary: format!(
            "{}. {} right, {} failed, {} never sent.",
            words.summary,
            figure::count(totals.good),
            figure::count(totals.failed),
            figure::count(totals.missed)
        ),
        height: 230,
        y: ticks.map(|it| Tick { at: scale.at(it), label: figure::decimal(it) }).collect(),
        x: view.time_ticks(7),
        bands: view.bands(),
        paths: vec![
            Path::new("fill", stroke::area(&good)),
            Path::new("planned", stroke::line(&planned, dash)),
            Path::new("rps", stroke::line(&good, dash)),
            Path::new("err", errors(view, &scale, dash)),
        ],
        readout: Some(load_readout(view)),
        ..Plot::default()
    };
    let card = Card {
        id: "",
        title: words.title,
        note: "each second".to_owned(),
        legend: piece::legend(&[
            ("cacc", Ink::Line, words.right),
            ("cmut", Ink::Dash, words.planned),
            ("cbad", Ink::Box, words.wrong),
        ]),
        body: html! { (plot.render()) (load_table(view)) },
    };
    Some(card.render())
}

/// Bars of what failed and what was never sent, never too small to be seen.
fn errors(view: &View, scale: &Scale, dash: f64) -> String {
    let mut pen = Pen::default();
    for (at, it) in view.steps.timed().filter(|(_, it)| it.bad > 0) {
        let high = (1000.0 - scale.y(it.rate(it.bad))).max(14.0);
        pen.rect((view.time.x(at) - dash * 0.4, 1000.0), dash * 0.8, high);
    }
    pen.done()
}

fn load_readout(view: &View) -> Readout {
    let (steps, words) = (&view.steps, words(view));
    let series = |name: &str, tell: &dyn Fn(&Step) -> String| Series {
        name: name.to_owned(),
        values: steps.steps.iter().map(tell).collect(),
    };
    Readout {
        at: steps.timed().map(|(at, _)| view.time.at(at)).collect(),
        steps: (0..steps.steps.len()).map(|it| figure::clock(steps.from(it))).collect(),
        series: vec![
            series(words.right, &|it| figure::rate(it.rate(it.good))),
            series(words.planned, &|it| figure::rate(it.rate(it.planned))),
            series(words.wrong, &|it| figure::rate(it.rate(it.bad))),
            series("in flight", &|it| figure::count(it.in_flight)),
        ],
    }
}

fn load_table(view: &View) -> Markup {
    let heads = match view.has_load() {
        true => ["From", "Planned", "Answered right", "Failed or missed", "Share"],
        false => ["From", "Asked", "Held", "Did not hold", "Share"],
    };
    let coarse = Steps::new(&view.outcome.seconds, 60);
    let row = |(index, it): (usize, &Step)| {
        vec![
            figure::clock(coarse.from(index)),
            figure::count(it.planned),
            figure::count(it.good),
            figure::count(it.bad),
            figure::share_or_none(it.bad_ratio()),
        ]
    };
    let rows: Vec<_> = coarse.steps.iter().enumerate().map(row).collect();
    piece::data(words(view).title, &heads.map(str::to_owned), &rows)
}

/// Shares worth naming on the axis of a percentile curve.
const SHARES: [(f64, &str); 7] = [
    (0.5, "p50"),
    (0.75, "p75"),
    (0.9, "p90"),
    (0.95, "p95"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
];
/// How a curve is drawn.
#[derive(Copy, Clone)]
struct Style {
    /// Class of its path.
    path: &'static str,
    /// Class of its entry in the legend.
    key: &'static str,
    ink: Ink,
}

/// The baseline is dashed, so that colour alone does not tell it from the others.
const BASELINE: Style = Style { path: "base", key: "cmut", ink: Ink::Dash };
const OTHERS: [Style; 4] = [
    Style { path: "cur", key: "c99", ink: Ink::Line },
    Style { path: "cur two", key: "cacc", ink: Ink::Line },
    Style { path: "cur three", key: "cwarn", ink: Ink::Line },
    Style { path: "cur four", key: "c50", ink: Ink::Line },
];

/// Nines of a share: 0.9 is one, 0.99 is two. The tail gets the room it deserves.
fn nines(share: f64) -> f64 {
    -(1.0 - share.clamp(0.0, 0.999_99)).log10()
}

fn curves(view: &View) -> Option<Markup> {
    let curves: Vec<&Curve> = view.outcome.curves.iter().collect();
    let all = || curves.iter().flat_map(|it| it.points.iter().copied()).filter(drawable);
    let (lo, hi) =
        all().fold((f64::MAX, f64::MIN), |(lo, hi), (_, time)| (lo.min(time), hi.max(time)));
    all().next()?;
    let ends = all().filter(|it| it.0 < 1.0).map(|it| nines(it.0)).fold(2.0, f64::max).min(4.2);
    let scale = Scale::log_around(lo, view.limits.iter().map(|it| it.seconds).fold(hi, f64::max));
    let across = Scale::linear(nines(FROM), ends);
    let path = |(it, style): (&&Curve, &Style)| {
        let shown = it.points.iter().filter(|it| drawable(it) && nines(it.0) <= ends + 1e-9);
        let points: Vec<_> =
            shown.map(|(share, time)| Some((across.x(nines(*share)), scale.y(*time)))).collect();
        Path::new(style.path, stroke::line(&points, 8.0))
    };
    let styles = styles(&curves);
    let plot = Plot {
        id: "plot-curve".into(),
        summary: format!(
            "Response time by percentile, on an axis that widens the tail: {}.",
            names(&curves)
        ),
        height: 230,
        y: scale
            .ticks(8)
            .into_iter()
            .map(|it| Tick { at: scale.at(it), label: figure::time(it) })
            .collect(),
        x: SHARES
            .iter()
            .filter(|(share, name)| nines(*share) <= ends && !["p75", "p95"].contains(name))
            .map(|(share, name)| Tick { at: across.at(nines(*share)), label: (*name).to_owned() })
            .collect(),
        rules: view
            .limits
            .iter()
            .take(4)
            .map(|it| Rule { at: scale.at(it.seconds), label: it.label.clone(), class: "bad" })
            .collect(),
        paths: curves.iter().zip(&styles).map(path).collect(),
        readout: Some(curve_readout(&curves, &across, ends)),
        ..Plot::default()
    };
    let entry = |(it, style): (&&Curve, &Style)| (style.key, style.ink, it.name.clone());
    let legend: Vec<_> = curves.iter().zip(&styles).map(entry).collect();
    let legend: Vec<_> =
        legend.iter().map(|(key, ink, name)| (*key, *ink, name.as_str())).collect();
    let card = Card {
        id: "",
        title: "Response time by percentile",
        note: String::new(),
        legend: piece::legend(&legend),
        body: html! { (plot.render()) (curve_table(&curves)) },
    };
    Some(card.render())
}

/// The share that the curves begin at; below it nothing is to be learnt.
const FROM: f64 = 0.1;

/// Whether a point of a curve has a place in the chart.
fn drawable((share, time): &(f64, f64)) -> bool {
    *share >= FROM && *time > 0.0 && time.is_finite()
}

fn names(curves: &[&Curve]) -> String {
    curves.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(" and ")
}

fn styles(curves: &[&Curve]) -> Vec<Style> {
    let mut free = OTHERS.into_iter().cycle();
    let style = |it: &&Curve| match it.name == "baseline" {
        true => BASELINE,
        false => free.next().unwrap_or(OTHERS[0]),
    };
    curves.iter().map(style).collect()
}

/// The time within which a share of the answers came.
fn at_share(curve: &Curve, share: f64) -> String {
    let found = curve.points.iter().find(|it| it.0 >= share - 1e-9);
    found.map_or_else(|| figure::NONE.to_owned(), |it| figure::time(it.1))
}

fn curve_readout(curves: &[&Curve], across: &Scale, ends: f64) -> Readout {
    let shares: Vec<_> = SHARES.into_iter().filter(|(share, _)| nines(*share) <= ends).collect();
    let series = |it: &&Curve| Series {
        name: it.name.clone(),
        values: shares.iter().map(|(share, _)| at_share(it, *share)).collect(),
    };
    Readout {
        at: shares.iter().map(|(share, _)| across.at(nines(*share))).collect(),
        steps: shares.iter().map(|(_, name)| (*name).to_owned()).collect(),
        series: curves.iter().map(series).collect(),
    }
}

fn curve_table(curves: &[&Curve]) -> Markup {
    let heads: Vec<String> = std::iter::once("Percentile".to_owned())
        .chain(curves.iter().map(|it| it.name.clone()))
        .collect();
    let row = |(share, name): &(f64, &str)| {
        let times = curves.iter().map(|it| at_share(it, *share));
        std::iter::once((*name).to_owned()).chain(times).collect()
    };
    let rows: Vec<Vec<String>> = SHARES.iter().map(row).collect();
    piece::data("Response time by percentile", &heads, &rows)
}
