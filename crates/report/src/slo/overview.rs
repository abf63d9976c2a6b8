//! Overview: all objectives beside each other, by service; the worst first.

use std::collections::BTreeMap;

use evenkeel_slo::Status;
use maud::{Markup, html};

use super::view::View;
use super::{Sheet, top, words};
use crate::chart::plot::percent;
use crate::chart::spark;
use crate::figure;
use crate::html::piece::{self, Card, Column};
use crate::mark::Tone;

/// How all stand, in a word.
pub(super) fn word(sheets: &[Sheet]) -> &'static str {
    match worst(sheets) {
        Tone::Bad => "budgets exhausted or burning",
        Tone::Warn | Tone::Doubt => "budgets at risk",
        Tone::Good => "all within budget",
        Tone::Plain => "no data",
    }
}

const fn rank(of: Tone) -> u8 {
    match of {
        Tone::Bad => 0,
        Tone::Warn | Tone::Doubt => 1,
        Tone::Plain => 2,
        Tone::Good => 3,
    }
}

fn worst(sheets: &[Sheet]) -> Tone {
    let tones = sheets.iter().map(|it| words::of(it).tone);
    tones.min_by_key(|it| rank(*it)).unwrap_or(Tone::Plain)
}

/// What is shown, and as of when.
pub(super) fn title(sheets: &[Sheet]) -> Markup {
    html! {
        div.title {
            h1 { "Objectives" }
            @if let Some(it) = sheets.first() { (piece::tag(&View::new(it, "").in_full(it.at()))) }
        }
        p.sub { "What was promised, what was reached, and what is left of each error budget" }
    }
}

/// All of them; `href` says where the page of one is, by its place and itself.
pub(super) fn all(sheets: &[Sheet], href: &dyn Fn(usize, &Sheet) -> String) -> Markup {
    let mut services: BTreeMap<Option<&str>, Vec<(usize, &Sheet)>> = BTreeMap::new();
    for (number, sheet) in sheets.iter().enumerate() {
        services.entry(sheet.objective.service.as_deref()).or_default().push((number, sheet));
    }
    for group in services.values_mut() {
        group.sort_by_key(|(_, it)| (rank(words::of(it).tone), it.objective.name.clone()));
    }
    let mut services: Vec<_> = services.into_iter().collect();
    let worst = |of: &[(usize, &Sheet)]| of.first().map_or(3, |it| rank(words::of(it.1).tone));
    services.sort_by_key(|(_, group)| worst(group));
    html! {
        (verdict(sheets))
        @for (service, group) in &services { (of_service(*service, group, href)) }
    }
}

fn verdict(sheets: &[Sheet]) -> Markup {
    let tone = worst(sheets);
    let of = |wanted: Tone| sheets.iter().filter(|it| words::of(it).tone == wanted).count();
    let (bad, doubt, good, none) = (of(Tone::Bad), of(Tone::Warn), of(Tone::Good), of(Tone::Plain));
    let headline = match (sheets.len(), bad, doubt, none) {
        (0, ..) => "There are no objectives".to_owned(),
        (all, 0, 0, 0) => format!("All {all} promises are kept"),
        (all, 0, 0, none) => format!("{none} of {all} objectives have no data"),
        (all, 0, doubt, _) => format!("{doubt} of {all} error budgets are at risk"),
        (all, bad, ..) => format!("{bad} of {all} error budgets are exhausted or burn fast"),
    };
    let closed = sheets.iter().filter(|it| words::gate(it.decision.verdict).0 == Tone::Bad).count();
    html! {
        section.card.verdict.(tone.class()) #verdict {
            (piece::icon(tone))
            div {
                h2 { (headline) }
                p {
                    @match closed {
                        _ if sheets.is_empty() => "Name files with SLOs, and they are judged and shown here.",
                        0 => "No deploy gate is closed.",
                        1 => "One deploy gate is closed.",
                        many => { (many) " deploy gates are closed." },
                    }
                }
            }
            p.tally {
                @for (tone, many, word) in [
                    (Tone::Bad, bad, "exhausted or burning"), (Tone::Warn, doubt, "at risk"),
                    (Tone::Good, good, "within budget"), (Tone::Plain, none, "no data"),
                ].into_iter().filter(|it| it.1 > 0) { (piece::pill(tone, &format!("{many} {word}"))) }
            }
        }
    }
}

fn of_service(
    service: Option<&str>,
    group: &[(usize, &Sheet)],
    href: &dyn Fn(usize, &Sheet) -> String,
) -> Markup {
    let columns = [
        Column::Words("State"),
        Column::Words("Objective"),
        Column::Figures("Promised"),
        Column::Figures("Reached"),
        Column::Words("Budget left"),
        Column::Words("Course"),
        Column::Figures("Burns"),
        Column::Words("Gate"),
    ];
    let rows: Vec<_> = group.iter().map(|(number, it)| row(it, &href(*number, it))).collect();
    let title = service.unwrap_or("Of no service");
    let card = Card {
        id: "",
        title,
        note: match group.len() {
            1 => "1 objective".to_owned(),
            many => format!("{many} objectives"),
        },
        legend: html! {},
        body: html! { div.overview { (piece::stack(title, &columns, &rows)) } },
    };
    card.render()
}

fn row(sheet: &Sheet, href: &str) -> Vec<Markup> {
    let words = words::of(sheet);
    let standing = &sheet.standing;
    let left = standing.account.left().map(evenkeel_slo::Share::get);
    let rate = words::share(standing.recent.map(|it| it.0));
    let (gate_tone, gate) = words::gate(sheet.decision.verdict);
    vec![
        piece::pill(words.tone, words.pill),
        html! {
            span.name {
                a href=(href) { (sheet.objective.name) }
                small { (sheet.description.as_deref().unwrap_or_default()) }
            }
        },
        html! { (figure::share(sheet.objective.promise.get())) " " small { (words::window_name(sheet)) } },
        html! { (figure::share_or_none(standing.account.budget.counts.ratio())) },
        html! {
            span.level {
                (water(words::left(standing.status), left, sheet))
                b { (figure::share_or_none(left)) }
            }
        },
        course(sheet),
        html! { (rate.map_or_else(|| figure::NONE.to_owned(), figure::factor)) },
        piece::pill(gate_tone, &top::capital(gate)),
    ]
}

/// What is left as a level between the load lines of the policy.
fn water(tone: Tone, left: Option<f64>, sheet: &Sheet) -> Markup {
    let minimum = sheet.charter.gate.minimum;
    let marks = sheet.charter.policy.levels().iter().map(|it| it.remaining).chain([minimum]);
    html! {
        span.gauge.(if sheet.standing.status == Status::NoData { "plain" } else { tone.class() }) aria-hidden="true" {
            @if let Some(left) = left { i style={ "width:" (percent(left.clamp(0.0, 1.0))) } {} }
            @for it in marks { b style={ "left:" (percent(it.get())) } {} }
        }
    }
}

/// The burn-down, small.
fn course(sheet: &Sheet) -> Markup {
    let view = View::new(sheet, "");
    let axis = view.axis(view.passed);
    let every = view.steps.len().div_ceil(90).max(1);
    let point = |some: &[super::view::Step]| {
        let last = &some[some.len() - 1];
        (axis.x(view.seconds(last.time.to)), last.left)
    };
    html! {
        span.course.(words::left(sheet.standing.status).class()) aria-hidden="true" {
            (spark::within(&view.steps.chunks(every).map(point).collect::<Vec<_>>(), (0.0, 1.0)))
        }
    }
}
