//! Level: the indicator over time, on a scale of nines.

use evenkeel_slo::Counts;
use maud::{Markup, html};

use super::course::ROWS;
use super::view::{Step, View};
use crate::chart::scale::nines;
use crate::chart::{Path, Plot, Readout, Rule, Scale, Series, Tick, stroke};
use crate::figure;
use crate::html::piece::{self, Card, Ink};

pub(super) fn card(view: &View) -> Option<Markup> {
    if !view.has_data() {
        return None;
    }
    let promise = view.sheet.objective.promise.get();
    let axis = view.axis(view.passed);
    let ratio = |it: &Step| it.counts.and_then(Counts::ratio);
    let scale = scale(view.steps.iter().filter_map(ratio), promise);
    let middle =
        |it: &Step| axis.x(f64::midpoint(view.seconds(it.time.from), view.seconds(it.time.to)));
    let point = |it: &Step| ratio(it).map(|ratio| (middle(it), scale.y(nines(ratio))));
    let line: Vec<_> = view.steps.iter().map(point).collect();
    let dash = axis.x(view.step.as_secs_f64()) - axis.x(0.0);
    let plot = Plot {
        id: view.plot("level"),
        summary: summary(view, promise),
        height: 190,
        y: ticks(&scale),
        x: view.ticks(view.passed, 6),
        rules: vec![Rule {
            at: scale.at(nines(promise)),
            label: format!("objective {}", figure::share(promise)),
            class: "strong",
        }],
        paths: vec![Path::new("sli", stroke::line(&line, dash))],
        readout: Some(Readout {
            at: view.steps.iter().map(|it| middle(it) / 1000.0).collect(),
            steps: view.steps.iter().map(|it| view.moment(it.time.from)).collect(),
            series: vec![
                series(view, "good", &|it| figure::share_or_none(ratio(it))),
                series(view, "bad", &|it| amount(view, it.counts.map(Counts::bad))),
                series(view, "of", &|it| amount(view, it.counts.map(|it| it.total))),
            ],
        }),
        ..Plot::default()
    };
    let card = Card {
        id: &view.id("level"),
        title: "Indicator on a scale of nines",
        note: view.pace(),
        legend: piece::legend(&[
            ("cok", Ink::Line, "good share"),
            ("ctext", Ink::Dash, "objective"),
        ]),
        body: html! { (plot.render()) (table(view)) },
    };
    Some(card.render())
}

fn series(view: &View, name: &str, tell: &dyn Fn(&Step) -> String) -> Series {
    Series { name: name.to_owned(), values: view.steps.iter().map(tell).collect() }
}

fn amount(view: &View, of: Option<u64>) -> String {
    of.map_or_else(|| figure::NONE.to_owned(), |it| view.amount(it))
}

/// From the nines of the worst step to one nine more than is promised; all is at the top.
fn scale(seen: impl Iterator<Item = f64>, promise: f64) -> Scale {
    let least = seen.map(nines).fold(nines(promise), f64::min);
    let lo = (least - 0.2).floor().max(0.0);
    let hi = (nines(promise).ceil() + 1.0).min(9.0);
    Scale::linear(lo, hi.max(lo + 1.0))
}

fn ticks(scale: &Scale) -> Vec<Tick> {
    let top = scale.hi();
    let tick = |nines: f64| {
        let is_top = nines > top - 0.5;
        // What has more nines than the top shows is drawn there, and so is all of it.
        let label =
            if is_top { "100%".to_owned() } else { figure::share(1.0 - 10f64.powf(-nines)) };
        Tick { at: scale.at(nines), label }
    };
    (0..10).map(f64::from).filter(|it| scale.holds(*it)).map(tick).collect()
}

fn summary(view: &View, promise: f64) -> String {
    let ratios = || view.steps.iter().filter_map(|it| Some((it, it.counts?.ratio()?)));
    let below = ratios().filter(|it| it.1 < promise).count();
    let worst = ratios().min_by(|a, b| a.1.total_cmp(&b.1)).map_or_else(String::new, |(at, it)| {
        format!(" The worst was {} at {}.", figure::share(it), view.moment(at.time.from))
    });
    format!(
        "The share of good {} over time, {}, on a scale of nines. {below} of {} steps were below the objective of {}.{worst}",
        view.events_word(),
        view.pace(),
        ratios().count(),
        figure::share(promise)
    )
}

fn table(view: &View) -> Markup {
    let heads = ["From", "Good", "Bad", "All"];
    let every = view.steps.len().div_ceil(ROWS).max(1);
    let row = |some: &[Step]| {
        let counts: Option<Counts> =
            some.iter().filter_map(|it| it.counts).reduce(|a, b| [a, b].into_iter().sum());
        vec![
            view.moment(some[0].time.from),
            figure::share_or_none(counts.and_then(Counts::ratio)),
            amount(view, counts.map(Counts::bad)),
            amount(view, counts.map(|it| it.total)),
        ]
    };
    let rows: Vec<_> = view.steps.chunks(every).map(row).collect();
    piece::data("Indicator", &heads.map(str::to_owned), &rows)
}
