//! Top: whose objective this is, how it stands, and the five figures.

use std::time::Duration;

use evenkeel_slo::gate::{Ground, Verdict};
use evenkeel_slo::{Exhaustion, Status, Unit};
use evenkeel_units::Human;
use maud::{Markup, html};

use super::view::{Step, View};
use super::words;
use crate::chart::scale::nines;
use crate::chart::spark;
use crate::figure;
use crate::html::piece;
use crate::mark::Tone;

/// The name of the objective, and what it is about.
pub(super) fn title(view: &View) -> Markup {
    let sheet = view.sheet;
    let of = &sheet.objective;
    let words = words::of(sheet);
    html! {
        div.title {
            h1 { (of.name) }
            (piece::pill(words.tone, words.pill))
            @if let Some(it) = &of.service { (piece::tag(it)) }
            @if let Some(it) = &of.owner { (piece::tag(it)) }
            @for (name, value) in &of.labels { (piece::tag(&format!("{name} {value}"))) }
            (piece::tag(&words::window_name(sheet)))
            (piece::tag(&view.in_full(sheet.at())))
        }
        p.sub {
            @if let Some(it) = &sheet.description { (it) }
            @else { (figure::share(of.promise.get())) " of " (view.events_word()) " good " (words::window(sheet)) }
        }
    }
}

/// How it stands, and why.
pub(super) fn verdict(view: &View) -> Markup {
    let words = words::of(view.sheet);
    let firing: Vec<_> = view.sheet.standing.firing().collect();
    html! {
        section.card.verdict.(words.tone.class()) id=(view.id("verdict")) {
            (piece::icon(words.tone))
            div {
                h2 { (words.headline) }
                p { (words::cause(view)) }
            }
            @if !firing.is_empty() {
                div.score { @for it in firing {
                    @let (tone, word) = words::alert(it);
                    (piece::pill(tone, &format!("{} {word}", it.rule.name)))
                } }
            }
        }
    }
}

/// The five figures.
pub(super) fn figures(view: &View) -> Markup {
    html! {
        div.kpis {
            (attainment(view))
            (left(view))
            (burn(view))
            (dry(view))
            (gate(view))
        }
    }
}

/// A figure of every step as a course.
fn course(view: &View, of: impl Fn(&Step) -> Option<f64>) -> Markup {
    spark::spark(&points(view, of))
}

fn points(view: &View, of: impl Fn(&Step) -> Option<f64>) -> Vec<(f64, Option<f64>)> {
    let axis = view.axis(view.passed);
    view.steps.iter().map(|it| (axis.x(view.seconds(it.time.to)), of(it))).collect()
}

fn attainment(view: &View) -> Markup {
    let sheet = view.sheet;
    let budget = sheet.standing.account.budget;
    let tone = match budget.kept() {
        None => Tone::Plain,
        Some(true) => Tone::Good,
        Some(false) => Tone::Bad,
    };
    let note = html! { "objective " b { (figure::share(sheet.objective.promise.get())) } };
    // What has two nines more than is promised is as good as all of it.
    let most = nines(sheet.objective.promise.get()) + 2.0;
    let course = course(view, |it| it.counts?.ratio().map(|it| nines(it).min(most)));
    let value = piece::big(&figure::share_or_none(budget.counts.ratio()));
    piece::figure(tone, "Attainment", value, note, course)
}

fn left(view: &View) -> Markup {
    let standing = &view.sheet.standing;
    let account = &standing.account;
    let amount = |it: f64| match account.unit {
        Unit::Events => figure::decimal(it),
        Unit::Time => {
            let sign = if it < 0.0 { "−" } else { "" };
            let it = Duration::try_from_secs_f64(it.abs() / 1e3).unwrap_or(Duration::MAX);
            format!("{sign}{}", figure::rough(it))
        }
    };
    let of_what = match account.unit {
        Unit::Events => " bad events",
        Unit::Time => " of bad time",
    };
    let note = match standing.status {
        Status::NoData => html! { "nothing was counted" },
        _ => html! {
            b { (amount(account.left_amount())) } " of " (amount(account.allowed())) (of_what)
        },
    };
    let value = piece::big(&figure::share_or_none(view.left()));
    let tone = words::left(standing.status);
    let course = spark::within(&points(view, |it| it.left), (0.0, 1.0));
    piece::figure(tone, "Error budget left", value, note, course)
}

fn burn(view: &View) -> Markup {
    let standing = &view.sheet.standing;
    let name = match standing.recent {
        Some((_, over)) => format!("Burn rate, {}", Human(over.length())),
        None => "Burn rate".to_owned(),
    };
    let rate = words::share(standing.recent.map(|it| it.0));
    let value = piece::big(&rate.map_or_else(|| figure::NONE.to_owned(), figure::factor));
    let shortest = standing.burning.iter().map(|it| it.rule.long).min();
    let slower: Vec<_> =
        standing.burning.iter().filter(|it| Some(it.rule.long) != shortest).take(2).collect();
    let note = html! {
        @for (n, it) in slower.iter().enumerate() {
            @if n > 0 { " · " }
            (Human(it.rule.long)) " " b { (rate_of(words::share(it.long))) }
        }
        @if slower.is_empty() { "1× lasts exactly as long as the window" }
    };
    let firing = standing.firing().map(words::alert).map(|it| it.0);
    let tone = match firing.max_by_key(|it| *it == Tone::Bad) {
        Some(it) => it,
        None => rate.map_or(Tone::Plain, |it| if it > 1.0 { Tone::Warn } else { Tone::Good }),
    };
    let rest = 1.0 - view.sheet.objective.promise.get();
    let speed = |it: &Step| it.counts?.ratio().filter(|_| rest > 0.0).map(|it| (1.0 - it) / rest);
    piece::figure(tone, &name, value, note, course(view, |it| speed(it).map(f64::sqrt)))
}

fn rate_of(of: Option<f64>) -> String {
    of.map_or_else(|| figure::NONE.to_owned(), figure::factor)
}

fn dry(view: &View) -> Markup {
    let standing = &view.sheet.standing;
    let pace = standing.recent.map(|it| Human(it.1.length()).to_string()).unwrap_or_default();
    let (tone, value, note) = match standing.exhaustion {
        None => (Tone::Plain, figure::NONE.to_owned(), "no data".to_owned()),
        Some(Exhaustion::Already) => (Tone::Bad, "dry".to_owned(), "nothing is left".to_owned()),
        Some(Exhaustion::Never) => {
            (Tone::Good, "never".to_owned(), format!("nothing bad in the last {pace}"))
        }
        Some(Exhaustion::NotInWindow) => {
            let end = view.day(standing.account.bounds.to);
            (Tone::Good, "lasts".to_owned(), format!("until it is whole again on {end}"))
        }
        Some(Exhaustion::After { lasts, .. }) if lasts > standing.account.bounds.length() => {
            (Tone::Good, "lasts".to_owned(), format!("at the last {pace}'s pace"))
        }
        Some(Exhaustion::After { lasts, at }) => {
            let note = format!("on {}, at the last {pace}'s pace", view.day(at));
            (Tone::Warn, figure::rough(lasts), note)
        }
    };
    piece::figure(tone, "Runs dry in", piece::big(&value), html! { (note) }, html! {})
}

fn gate(view: &View) -> Markup {
    let sheet = view.sheet;
    let (tone, word) = words::gate(sheet.decision.verdict);
    let ground = sheet.decision.grounds.iter().find(|it| !matches!(it, Ground::Enough { .. }));
    let note = match (sheet.decision.verdict, ground) {
        (Verdict::Closed | Verdict::Inconclusive, Some(it)) => it.to_string(),
        _ => format!("closes below {} left", sheet.charter.gate.minimum),
    };
    let level = sheet.charter.level(&sheet.standing).map(|it| it.remaining);
    // From full to dry; the one that holds is marked.
    let levels: Vec<_> =
        sheet.charter.policy.levels().iter().rev().map(|it| Some(it.remaining)).collect();
    let ladder = html! {
        div.ladder aria-hidden="true" {
            @for it in [None].into_iter().chain(levels) { i.on[it == level && view.left().is_some()] {} }
        }
    };
    let value = html! { (capital(word)) };
    piece::figure(tone, "Deploy gate", value, html! { (note) }, ladder)
}

/// A word as the first of a line.
pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
