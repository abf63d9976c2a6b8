//! Faults: what was done to what, what shows that it acted, and how the service took it.

use evenkeel_model::outcome::FaultFigures;
use evenkeel_units::Moment;
use maud::{Markup, html};

use super::piece::{self, Card};
use super::view::View;
use crate::chart::stroke::Pen;
use crate::figure;
use crate::reaction::{Reaction, evidence, reaction, showed_after, shown};

/// Targets named before the rest is counted.
const TARGETS: usize = 4;

pub(super) fn table(view: &View) -> Option<Markup> {
    let faults = &view.outcome.faults;
    if faults.is_empty() {
        return None;
    }
    let body = html! {
        div.scroll tabindex="0" role="region" aria-label="Faults" {
            table.stack.faults {
                thead {
                    tr {
                        th scope="col" { "Fault" }
                        th scope="col" { "When" }
                        th scope="col" { "Evidence" }
                        th.r scope="col" { "Showed after" }
                        th.r scope="col" { "Recovered after" }
                    }
                }
                tbody { @for (index, it) in faults.iter().enumerate() { (row(view, index + 1, it)) } }
            }
        }
    };
    let card = Card {
        id: "faults",
        title: "Faults",
        note: "what was done, what shows that it acted, how the service took it".to_owned(),
        legend: piece::legend(&[
            ("cbad", piece::Ink::Box, "fault active"),
            ("cok", piece::Ink::Box, "recovering"),
        ]),
        body,
    };
    Some(card.render())
}

fn row(view: &View, number: usize, it: &FaultFigures) -> Markup {
    let (tone, word) = evidence(it);
    html! {
        tr {
            td.name {
                span.number.bad { (number) } " " (it.label)
                small {
                    @if it.targets.is_empty() { "no target" }
                    @for (index, target) in it.targets.iter().take(TARGETS).enumerate() {
                        @if index > 0 { ", " } (target)
                    }
                    @if it.targets.len() > TARGETS { " and " (it.targets.len() - TARGETS) " more" }
                    @if let Some(release) = it.release { " · release " (release) }
                }
            }
            td.when data-name="When" { (when(it)) (strip(view, it)) }
            td.evidence data-name="Evidence" {
                (piece::pill(tone, word)) " "
                span { (shown(it)) }
                @if let Some(error) = &it.error { small.bad { (error) } }
            }
            td.r data-name="Showed after" { (showed_after(it)) }
            td.r data-name="Recovered after" { (recovered(it)) }
        }
    }
}

fn when(it: &FaultFigures) -> String {
    let clock = |it: Moment| figure::clock(it.as_secs_f64());
    match (it.from, it.to) {
        (None, _) => "not begun".to_owned(),
        (Some(from), Some(to)) if to > from => format!("{} to {}", clock(from), clock(to)),
        (Some(from), _) => format!("at {}", clock(from)),
    }
}

fn recovered(it: &FaultFigures) -> Markup {
    match reaction(it) {
        Reaction::NotBegun => html! { (figure::NONE) },
        Reaction::NotObserved => html! { "not observed" },
        Reaction::NotRecovered => html! { b.bad { "not in this run" } },
        Reaction::Unharmed => html! { "was never unwell" },
        Reaction::Recovered(time) => html! { b.ok { (figure::span(time)) } },
    }
}

/// When in the run it acted, and how long the service took to be well again.
fn strip(view: &View, it: &FaultFigures) -> Markup {
    let Some(from) = it.from.map(Moment::as_secs_f64) else {
        return html! {};
    };
    let to = it.to.map_or(from, Moment::as_secs_f64);
    let x = view.time.x(from);
    let end = view.time.x(to).max(x + 8.0);
    let well = view.time.x(to + reaction(it).mending(view.time.hi()));
    let (mut acting, mut mending) = (Pen::default(), Pen::default());
    acting.rect((x, 1000.0), end - x, 1000.0);
    mending.rect((end, 1000.0), (well - end).max(0.0), 1000.0);
    html! {
        svg.strip viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true" {
            path.acting d=(acting.done()) {}
            path.mending d=(mending.done()) {}
        }
    }
}
