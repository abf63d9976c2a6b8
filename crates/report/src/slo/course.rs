//! Course: the burn-down. The budget is a level of water, and the thresholds of the policy are load-line marks on it.

use evenkeel_slo::attribution::Cause;
use evenkeel_slo::{Exhaustion, Interval, Status};
use maud::{Markup, html};

use super::view::{Step, View, class};
use super::{went, words};
use crate::chart::{
    Band, Mark, Path, Plot, Readout, Rule, Scale, Series, Tag, TagKind, Tick, stroke,
};
use crate::figure;
use crate::html::piece::{self, Card, Ink};

/// The most rows of the table behind a chart.
pub(super) const ROWS: usize = 60;

pub(super) fn card(view: &View) -> Option<Markup> {
    let left = view.left().filter(|it| it.is_finite())?;
    let axis = view.axis(view.reach);
    let scale = scale(view);
    let at = |it| axis.x(view.seconds(it));
    // A budget begins whole.
    let begin = (at(view.passed.from), scale.y(1.0));
    let levels = view.steps.iter().map(|it| it.left.map(|left| (at(it.time.to), scale.y(left))));
    let first = view.steps.first().and_then(|it| it.left).map(|_| begin);
    let line: Vec<_> = first.map(Some).into_iter().chain(levels).collect();
    let zero = scale.y(0.0);
    let with = |y: fn(f64, f64) -> f64| -> Vec<_> {
        line.iter().map(|it| it.map(|(x, level)| (x, y(level, zero)))).collect()
    };
    let floor: Vec<_> = line.iter().map(|it| it.map(|(x, _)| (x, zero))).collect();
    let mut paths = vec![
        Path::new("fill", stroke::ribbon(&with(f64::min), &floor)),
        Path::new("debt", stroke::ribbon(&floor, &with(f64::max))),
    ];
    paths.extend(forecast(view, &axis, &scale, left));
    let end = view.sheet.standing.account.bounds.to;
    paths.push(Path::new("planned", stroke::line(&[Some(begin), Some((at(end), zero))], 0.0)));
    paths.push(Path::new("water-line", stroke::line(&line, 2.0)));
    let plot = Plot {
        id: view.plot("course"),
        summary: summary(view, left),
        height: 300,
        y: scale
            .ticks(5)
            .into_iter()
            .map(|it| Tick { at: scale.at(it), label: figure::share(it) })
            .collect(),
        x: view.ticks(view.reach, 8),
        bands: view.events.iter().map(|it| band(view, &axis, it)).collect(),
        marks: marks(view, &axis),
        tags: tags(view, &axis, left),
        rules: went::marks(view)
            .into_iter()
            .map(|it| Rule { at: scale.at(it.remaining), label: it.label, class: it.class })
            .collect(),
        paths,
        readout: Some(readout(view, &axis)),
    };
    let mut legend = vec![("cacc", Ink::Line, "left"), ("cmut", Ink::Dash, "even pace")];
    if dry(view).is_some() {
        legend.push(("cwarn", Ink::Dash, "at the present pace"));
    }
    let card = Card {
        id: &view.id("course"),
        title: "Error budget burn-down",
        note: match view.passed.from > view.sheet.objective.elapsed(view.sheet.at()).from {
            true => format!("since the first data of {}", view.in_full(view.passed.from)),
            false => "the water level against the load lines".to_owned(),
        },
        legend: piece::legend(&legend),
        body: html! { (plot.render()) (table(view)) },
    };
    Some(card.render())
}

/// From what is overspent, if anything is, to a whole budget.
fn scale(view: &View) -> Scale {
    let least = view.steps.iter().filter_map(|it| it.left).fold(0.0, f64::min);
    match least < 0.0 {
        true => {
            let step = if least < -2.0 { 1.0 } else { 0.25 };
            Scale::linear((least / step).floor() * step, 1.0)
        }
        false => Scale::linear(0.0, 1.0),
    }
}

/// When the budget is dry, if it is within the picture of its window.
fn dry(view: &View) -> Option<jiff::Timestamp> {
    let window = view.sheet.standing.account.bounds.length();
    match view.sheet.standing.exhaustion? {
        Exhaustion::After { lasts, at } if lasts <= window => Some(at),
        _ => None,
    }
}

/// From now to where it is dry, or to the end of the picture.
fn forecast(view: &View, axis: &Scale, scale: &Scale, left: f64) -> Vec<Path> {
    let Some(dry) = dry(view) else { return Vec::new() };
    let (now, end) = (view.seconds(view.passed.to), view.seconds(view.reach.to));
    let lasts = view.seconds(dry) - now;
    let shown = (end - now).min(lasts);
    let then = left * (1.0 - shown / lasts);
    let line = [Some((axis.x(now), scale.y(left))), Some((axis.x(now + shown), scale.y(then)))];
    let zero = scale.y(0.0);
    let floor: Vec<_> = line.iter().map(|it| it.map(|(x, _)| (x, zero))).collect();
    vec![
        Path::new("to-come", stroke::ribbon(&line, &floor)),
        Path::new("forecast", stroke::line(&line, 0.0)),
    ]
}

fn band(view: &View, axis: &Scale, it: &Cause) -> Band {
    let shown = it.time.common(view.passed);
    let class = match class(it.kind) {
        "acc" => "band acc",
        "drill" => "band drill",
        _ => "band bad",
    };
    let at = |it| axis.at(view.seconds(it));
    Band { from: at(shown.from), to: at(shown.to), class }
}

fn marks(view: &View, axis: &Scale) -> Vec<Mark> {
    let at = |it| axis.at(view.seconds(it));
    let event = |it: &&Cause| {
        let class = match class(it.kind) {
            "acc" => "mk event acc",
            "drill" => "mk event drill",
            _ => "mk event bad",
        };
        Mark { at: at(it.time.from.max(view.passed.from)), class }
    };
    let now = Mark { at: at(view.passed.to), class: "mk now" };
    let dry = dry(view).filter(|it| *it <= view.reach.to);
    let dry = dry.map(|it| Mark { at: at(it), class: "mk event warn" });
    view.events.iter().map(event).chain([now]).chain(dry).collect()
}

fn tags(view: &View, axis: &Scale, left: f64) -> Vec<Tag> {
    let at = |it| axis.at(view.seconds(it));
    let tag = |at: f64, sign: String, class, text| Tag {
        at,
        to: at,
        kind: TagKind::Event { sign, class },
        text,
    };
    let event = |(n, it): (usize, &&Cause)| {
        let from = at(it.time.from.max(view.passed.from));
        tag(from, (n + 1).to_string(), class(it.kind), View::called(it))
    };
    let now = tag(at(view.passed.to), "now".to_owned(), "acc", figure::share(left));
    let dry = dry(view).filter(|it| *it <= view.reach.to);
    let dry = dry.map(|it| tag(at(it), "dry".to_owned(), "warn", format!("≈ {}", view.day(it))));
    view.events.iter().enumerate().map(event).chain([now]).chain(dry).collect()
}

fn summary(view: &View, left: f64) -> String {
    let fell = view.steps.windows(2).filter_map(|it| Some((&it[1], it[0].left? - it[1].left?)));
    let worst = fell.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|it| it.1 > 0.0);
    let worst = worst.map_or_else(String::new, |(step, by)| {
        format!(" The steepest fall was {} at {}.", figure::share(by), view.moment(step.time.from))
    });
    let dry = match view.sheet.standing.status {
        Status::Exhausted => " It is dry.".to_owned(),
        _ => words::pace(view).map_or_else(String::new, |it| format!(" {it}")),
    };
    format!(
        "What was left of the error budget over time, from all of it to {} now.{worst}{dry}",
        figure::share(left)
    )
}

fn readout(view: &View, axis: &Scale) -> Readout {
    let series = |name: &str, tell: &dyn Fn(&Step) -> String| Series {
        name: name.to_owned(),
        values: view.steps.iter().map(tell).collect(),
    };
    Readout {
        at: view.steps.iter().map(|it| axis.at(view.seconds(it.time.to))).collect(),
        steps: view.steps.iter().map(|it| view.moment(it.time.to)).collect(),
        series: vec![
            series("left", &|it| figure::share_or_none(it.left)),
            series("bad in this step", &|it| {
                it.counts.map_or_else(|| figure::NONE.to_owned(), |it| view.amount(it.bad()))
            }),
        ],
    }
}

fn table(view: &View) -> Markup {
    let heads = ["Until", "Left", "Good", "Bad"];
    let every = view.steps.len().div_ceil(ROWS).max(1);
    let row = |some: &[Step]| {
        let last = &some[some.len() - 1];
        let time = Interval::new(some[0].time.from, last.time.to);
        let counts = view.sheet.history.counts(time);
        let shown =
            |it: Option<u64>| it.map_or_else(|| figure::NONE.to_owned(), |it| view.amount(it));
        vec![
            view.moment(last.time.to),
            figure::share_or_none(some.iter().rev().find_map(|it| it.left)),
            shown(counts.map(|it| it.good)),
            shown(counts.map(evenkeel_slo::Counts::bad)),
        ]
    };
    let rows: Vec<_> = view.steps.chunks(every).map(row).collect();
    piece::data("Error budget burn-down", &heads.map(str::to_owned), &rows)
}
