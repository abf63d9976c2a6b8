//! Went: where the budget went, and what is done as it goes.

use evenkeel_slo::attribution::{Attribution, Cause, Culprit};
use evenkeel_slo::policy::{Action, Level};
use maud::{Markup, html};

use super::view::{View, class};
use super::words;
use crate::figure;
use crate::html::piece::{self, Card, Column};

/// A load-line mark.
pub(super) struct LoadLine {
    /// At so much left, from 0 to 1.
    pub(super) remaining: f64,
    pub(super) label: String,
    /// Of its tone.
    pub(super) class: &'static str,
}

/// The load-line marks of an objective: the levels of its policy, and where its gate closes.
pub(super) fn marks(view: &View) -> Vec<LoadLine> {
    let charter = &view.sheet.charter;
    let minimum = charter.gate.minimum;
    let levels = charter.policy.levels();
    let level = |it: &Level| LoadLine {
        remaining: it.remaining.get(),
        label: format!("{} · {}", it.remaining, said(it)),
        class: tone(it),
    };
    let is_level = levels.iter().any(|it| it.remaining == minimum) || minimum.billionths() == 0;
    let gate = (!is_level).then(|| LoadLine {
        remaining: minimum.get(),
        label: format!("{minimum} · deploy gate closes"),
        class: "bad",
    });
    levels.iter().map(level).chain(gate).collect()
}

/// The worst of what is done at a level.
fn tone(of: &Level) -> &'static str {
    let worst = |it: &Action| match it {
        Action::Freeze { .. } | Action::Incident { .. } => 2,
        Action::Review { .. } | Action::Ticket { .. } => 1,
        Action::Notify { .. } => 0,
    };
    match of.actions.iter().map(worst).max() {
        Some(2) => "bad",
        Some(1) => "warn",
        _ => "plain",
    }
}

/// What is done at a level.
fn said(of: &Level) -> String {
    let action = |it: &Action| match it {
        Action::Notify { target, .. } => format!("notify {target}"),
        Action::Review { description } if description.is_empty() => "review changes".to_owned(),
        Action::Review { description } => format!("review {description}"),
        Action::Freeze { scope, .. } => format!("freeze {}", scope.name),
        Action::Ticket { description } if description.is_empty() => "ticket".to_owned(),
        Action::Ticket { description } => format!("ticket {description}"),
        Action::Incident { priority, .. } if priority.is_empty() => "incident".to_owned(),
        Action::Incident { priority, .. } => format!("incident {priority}"),
    };
    let all: Vec<_> = of.actions.iter().map(action).collect();
    if all.is_empty() { "nothing is done".to_owned() } else { all.join(", ") }
}

pub(super) fn card(view: &View) -> Markup {
    let card = Card {
        id: &view.id("went"),
        title: "Where the budget went",
        note: words::window_name(view.sheet),
        legend: html! {},
        body: html! { (causes(view)) (labels(view)) (ladder(view)) },
    };
    card.render()
}

fn causes(view: &View) -> Markup {
    let Some(left) = view.left() else {
        return html! { p.note { "Nothing was counted." } };
    };
    let went = &view.went;
    let all = went.total.bad();
    if all == 0 {
        return html! { p.note { "Nothing went: no bad " (view.events_word()) "." } };
    }
    // Where nothing may fail there is no budget to have a share of: then it is one of all that is bad.
    let (spent, of_what) = if left.is_finite() { (1.0 - left, "Budget") } else { (1.0, "Bad") };
    let most = went.culprits.iter().map(|it| it.counts.bad()).chain([went.rest]).max();
    let row = |name: Markup, class: &str, bad: u64| {
        let share = bad as f64 / all as f64;
        vec![
            name,
            html! { (figure::share(share * spent)) },
            html! { (piece::bar(class, bad as f64 / most.unwrap_or(1).max(1) as f64)) },
        ]
    };
    let of_culprit = |it: &Culprit| {
        let cause = found(view, it);
        let class = cause.map_or("acc", |it| class(it.1.kind));
        let name = html! {
            span.name {
                @match cause {
                    Some((number, cause)) => {
                        span.number.(class) { (number) } " " (cause.name)
                        small { (cause.kind.name()) " · " (view.moment(cause.time.from)) }
                    },
                    None => (it.name),
                }
            }
        };
        row(name, class, it.counts.bad())
    };
    let mut rows: Vec<_> = went.culprits.iter().map(of_culprit).collect();
    if went.rest > 0 {
        let word = if rows.is_empty() { "no known cause" } else { "the rest" };
        let name = html! { span.name { (word) small { "bad " (view.events_word()) " outside of what is marked" } } };
        rows.push(row(name, "plain", went.rest));
    }
    let columns = [Column::Words("Cause"), Column::Figures(of_what), Column::Words("Share")];
    html! {
        (piece::table("Where the budget went", &columns, &rows))
        @if view.events.is_empty() {
            p.note { "No deploy, drill or incident is known of in this window." }
        }
    }
}

/// The same, told apart by labels or by components.
fn labels(view: &View) -> Markup {
    let told = |(label, told): &(String, Attribution)| {
        let all = told.total.bad().max(1);
        let most = told.culprits.first().map_or(1, |it| it.counts.bad()).max(1);
        let row = |it: &Culprit| {
            let bad = it.counts.bad();
            vec![
                html! { span.name { (it.name) } },
                html! { (figure::share(bad as f64 / all as f64)) },
                html! { (piece::bar("acc", bad as f64 / most as f64)) },
            ]
        };
        let rows: Vec<_> = told.culprits.iter().take(LABELLED_MAX).map(row).collect();
        let columns = [Column::Words("Value"), Column::Figures("Bad"), Column::Words("Share")];
        html! {
            h3.rungs-head { "By " (label) }
            (piece::table(&format!("Bad {} by {label}", view.events_word()), &columns, &rows))
        }
    };
    let some = view.sheet.by_label.iter().take(LABELS_MAX).filter(|it| !it.1.culprits.is_empty());
    html! { @for it in some { (told(it)) } }
}

/// Labels that are shown.
const LABELS_MAX: usize = 2;
/// Values of each.
const LABELLED_MAX: usize = 4;

/// What went on that is blamed, and its number.
pub(super) fn found<'a>(view: &View<'a>, it: &Culprit) -> Option<(usize, &'a Cause)> {
    let number: usize = it.name.rsplit(' ').next()?.parse().ok()?;
    Some((number, view.events.get(number.checked_sub(1)?)?))
}

/// What is done as the budget goes, from full to dry; the step that holds is marked.
fn ladder(view: &View) -> Markup {
    let charter = &view.sheet.charter;
    let has_data = view.left().is_some();
    let now = charter.level(&view.sheet.standing);
    let here = |is_here: bool| html! { @if is_here && has_data { " " span.pill.plain { "now" } } };
    let levels = charter.policy.levels();
    let name = charter.name.as_deref();
    html! {
        h3.rungs-head { @match name { Some(it) => { "As it goes, by " (it) }, None => "As it goes" } }
        ul.rungs {
            @if let Some(highest) = levels.last() {
                li.ok { i {} div { "Nothing has to be done" (here(now.is_none())) } span { "> " (highest.remaining) } }
            }
            @for it in levels.iter().rev() {
                li.(tone(it)) { i {} div { (super::top::capital(&said(it))) (here(now == Some(it))) } span { "≤ " (it.remaining) } }
            }
            li.bad { i {} div { "Deploy gate closes" } span { "< " (charter.gate.minimum) } }
        }
    }
}
