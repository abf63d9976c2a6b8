//! Details: how it was counted.

use evenkeel_slo::Unit;
use evenkeel_slo::exclusion::ledger;
use maud::{Markup, html};

use super::view::View;
use super::words;
use crate::figure;
use crate::html::piece::Card;

pub(super) fn card(view: &View) -> Markup {
    let sheet = view.sheet;
    let account = &sheet.standing.account;
    let counts = account.budget.counts;
    let coverage = sheet.standing.coverage;
    let covered = coverage.present.as_secs_f64() / coverage.of.as_secs_f64().max(1e-3);
    let excluded =
        ledger(&sheet.objective.exclusions, sheet.objective.elapsed(sheet.at()), &sheet.history);
    let row = |name: &str, what: Markup| html! { div { dt { (name) } dd { (what) } } };
    let card = Card {
        id: &view.id("counted"),
        title: "How it was counted",
        note: String::new(),
        legend: html! {},
        body: html! {
            dl.facts.wide {
                (row("Window", html! {
                    (words::window_name(sheet)) ": " (view.in_full(account.bounds.from)) " to " (view.in_full(account.bounds.to))
                }))
                (row("Counted", html! {
                    @if counts.total == 0 { "nothing" }
                    @else { (view.amount(counts.bad())) " bad of " (view.amount(counts.total)) @if account.unit == Unit::Events { " events" } }
                }))
                (row("Data", html! { (figure::share(covered)) " of the window so far" }))
                (row("Source", html! { (sheet.source) }))
                @for it in &sheet.queries { (row("Asked", html! { code.mono { (it) } })) }
                @for it in &excluded.entries {
                    (row("Left out", html! {
                        (figure::rough(it.time.length())) " by " (it.who) ": " (it.why)
                        @if it.after_the_fact { " (entered after the fact)" }
                    }))
                }
                @if let Some(it) = &sheet.flaw { (row("Note", html! { b.warn { (it) } })) }
            }
        },
    };
    card.render()
}
