//! Top: whose run this is, what was believed, and what came of it.

use evenkeel_units::Human;
use maud::{Markup, html};

use super::piece;
use super::view::View;
use crate::figure;
use crate::mark::{self, Tone};

/// The bar above the page.
pub(super) fn bar(view: &View) -> Markup {
    let outcome = view.outcome;
    html! {
        header.bar-top {
            svg.mark viewBox="0 0 32 32" aria-hidden="true" { circle cx="16" cy="16" r="10" {} path d="M2 16h28" {} }
            ol.crumbs {
                li { b { "Evenkeel" } }
                li { (outcome.plan.drill) }
                li { (outcome.run.id) }
            }
            // Without a script nothing could be toggled: the script shows it.
            button.theme type="button" hidden aria-label="Change between light and dark" {
                svg viewBox="0 0 16 16" aria-hidden="true" { circle cx="8" cy="8" r="6" {} path d="M8 2a6 6 0 0 1 0 12z" {} }
            }
        }
    }
}

/// The name of the drill, what it is about, and the hypothesis.
pub(super) fn title(view: &View) -> Markup {
    let outcome = view.outcome;
    let plan = &outcome.plan;
    html! {
        div.title {
            h1 { (plan.drill) }
            (piece::pill(mark::ending(outcome.verdict.result), outcome.verdict.result.word()))
            (piece::tag(&plan.service.name))
            (piece::tag(&outcome.run.started))
            @if !outcome.duration.is_zero() { (piece::tag(&Human(outcome.duration).to_string())) }
            span.pill.plain.mono { "seed " (plan.seed) }
        }
        @if let Some(hypothesis) = &plan.hypothesis {
            p.sub { b { "Hypothesis: " } (hypothesis) }
        } @else if let Some(description) = &plan.description {
            p.sub { (description) }
        }
    }
}

/// The verdict, its cause, and the score.
pub(super) fn verdict(view: &View) -> Markup {
    let outcome = view.outcome;
    let verdict = &outcome.verdict;
    let tone = mark::ending(verdict.result);
    html! {
        section.card.verdict.(tone.class()) id="verdict" {
            (piece::icon(tone))
            div {
                h2 { (verdict.headline) }
                @if !verdict.cause.is_empty() { p { (verdict.cause) } }
            }
            div.score {
                div {
                    p.v { (figure::points(outcome.score.value)) small { " / 100" } }
                    (since(view))
                }
                @if let Some(grade) = &outcome.score.grade { span.grade { (grade) } }
                span.pill.plain.mono { "exit " (verdict.exit_code) }
            }
        }
    }
}

/// How the score has changed.
fn since(view: &View) -> Markup {
    let outcome = view.outcome;
    let (Some(now), Some(then)) = (outcome.score.value, outcome.score.baseline) else {
        return html! { p.note { "reliability score" } };
    };
    let change = (now - then).round();
    if !change.is_finite() {
        return html! { p.note { "reliability score" } };
    }
    let whom = outcome.baseline_run.as_deref().unwrap_or("a stored run");
    let (tone, sign) = match change {
        it if it < 0.0 => (Tone::Bad, "▼"),
        it if it > 0.0 => (Tone::Good, "▲"),
        _ => (Tone::Plain, "="),
    };
    html! {
        p.note title=(format!("compared with {whom}")) {
            b.(tone.class()) { (sign) " " (figure::decimal(change.abs())) } " since the baseline"
        }
    }
}
