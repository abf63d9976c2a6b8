//! Top: whose run this is, what was believed, and what came of it.

use std::time::Duration;

use evenkeel_model::outcome::CheckResult;
use evenkeel_units::Human;
use maud::{Markup, html};

use super::piece;
use super::view::View;
use crate::figure;
use crate::mark::{self, Tone};

/// Whose run this is.
pub(super) fn crumbs(view: &View) -> Markup {
    html! {
        li { (view.outcome.plan.drill) }
        li { (view.outcome.run.id) }
    }
}

/// The name of the drill, what it is about, and the hypothesis.
pub(super) fn title(view: &View) -> Markup {
    let outcome = view.outcome;
    let plan = &outcome.plan;
    html! {
        div.title {
            h1 { (plan.drill) }
            (piece::pill(tone(view), word(view)))
            (piece::tag(&plan.service.name))
            (piece::tag(&outcome.run.started))
            @if view.elapsed.is_none() && !outcome.duration.is_zero() { (piece::tag(&Human(outcome.duration).to_string())) }
            span.pill.plain.mono { "seed " (plan.seed) }
        }
        @if let Some(hypothesis) = &plan.hypothesis {
            p.sub { b { "Hypothesis: " } (hypothesis) }
        } @else if let Some(description) = &plan.description {
            p.sub { (description) }
        }
    }
}

/// How the run ended, in a word.
pub(super) fn word(view: &View) -> &'static str {
    if view.elapsed.is_some() { "under way" } else { view.outcome.verdict.result.word() }
}

fn tone(view: &View) -> Tone {
    match view.elapsed {
        Some(_) => Tone::Plain,
        None => mark::ending(view.outcome.verdict.result),
    }
}

/// The verdict, its cause, and the score; of a run under way, how far it is.
pub(super) fn verdict(view: &View) -> Markup {
    if let Some(elapsed) = view.elapsed {
        return so_far(view, elapsed);
    }
    let outcome = view.outcome;
    let verdict = &outcome.verdict;
    let tone = tone(view);
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

/// How far a run is, and how its limits stand.
fn so_far(view: &View, elapsed: Duration) -> Markup {
    let outcome = view.outcome;
    let length = outcome.plan.length();
    let judged = || outcome.checks.iter().filter(|it| it.result != CheckResult::Info);
    let broken = judged().filter(|it| it.result == CheckResult::Fail).count();
    let stands = match (outcome.seconds.is_empty(), judged().count(), broken) {
        (true, ..) => "No second of load has been counted yet.".to_owned(),
        (_, 0, _) => "Nothing is asked of it.".to_owned(),
        (_, all, 0) => format!("Nothing is broken so far, of {all} checks."),
        (_, all, broken) => format!("{broken} of {all} checks are broken so far."),
    };
    let tone = if broken > 0 { Tone::Bad } else { Tone::Plain };
    let (at, end) = (elapsed.min(length).as_secs_f64(), length.as_secs_f64());
    html! {
        section.card.verdict.(tone.class()) id="verdict" {
            (piece::icon(tone))
            div.way {
                h2 { "Under way: " (figure::clock(at)) " of " (figure::clock(end)) }
                p { (stands) }
                progress aria-label="Load sent" max=(end.max(1.0)) value=(at) {}
            }
        }
        p.pill.warn #stale hidden { "Nothing more is heard of this load: this is its last picture." }
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
