//! Budgets: what this drill took of the error budgets, as a level of water between load-line marks;
//! and each objective on a scale of nines.

use evenkeel_model::outcome::BudgetFigures;
use maud::{Markup, html};

use super::kpi;
use super::piece::{self, Card};
use super::view::View;
use crate::chart::plot::percent;
use crate::chart::scale;
use crate::figure;
use crate::mark::Tone;

/// The load-line marks: what is left when a policy asks for more care.
const MARKS: [f64; 3] = [0.5, 0.25, 0.1];
/// Where the scale of nines ends.
const NINES: f64 = 5.0;

pub(super) fn cards(view: &View) -> Option<Markup> {
    let budgets = &view.outcome.budgets;
    if budgets.is_empty() {
        return None;
    }
    let card = Card {
        id: "budgets",
        title: "Error budgets",
        note: "what is left is the level of the water; the marks stand at 50, 25 and 10 %"
            .to_owned(),
        legend: html! {},
        body: html! { div.budgets { @for it in budgets { (one(it)) } } },
    };
    Some(card.render())
}

fn one(it: &BudgetFigures) -> Markup {
    let tone = kpi::spent(it);
    let word = match tone {
        Tone::Bad => "overspent",
        Tone::Warn | Tone::Doubt => "nearly spent",
        Tone::Good => "within budget",
        Tone::Plain => "no data",
    };
    let bad = it.total.saturating_sub(it.good);
    let seen = |figure: f64| if it.total > 0 { figure } else { f64::NAN };
    let of_window = seen(it.window_spent_minutes / it.window_budget_minutes);
    let spent = seen(it.spent_ratio);
    let window = figure::time(it.window.as_secs_f64());
    html! {
        article.budget {
            header { h3 { (it.objective) } (piece::pill(tone, word)) }
            div.tanks {
                (tank("this drill", 1.0 - spent))
                (tank(&window, 1.0 - of_window))
                dl {
                    div { dt { "Spent in this drill" } dd { b.(tone.class()) { (figure::share(spent)) } } }
                    div { dt { "Bad events" } dd { @if it.total == 0 { (figure::NONE) } @else { (figure::count(bad)) " of " (figure::decimal(it.allowed_bad)) " allowed" } } }
                    div { dt { "Burn rate" } dd { (figure::factor(seen(it.burn_rate))) } }
                    div { dt { "Of the " (window) " budget" } dd { (figure::share(of_window)) } }
                    div { dt { "In minutes of outage" } dd { (figure::minutes(seen(it.window_spent_minutes))) " of " (figure::minutes(it.window_budget_minutes)) } }
                }
            }
            (ruler(it))
        }
    }
}

/// A tank with what is left in it. An overspent budget leaves it dry, and without data there is none.
fn tank(name: &str, left: f64) -> Markup {
    let level = if left.is_nan() { 0.0 } else { left.clamp(0.0, 1.0) };
    let tone = match level {
        _ if left.is_nan() => Tone::Plain,
        it if it < 0.1 => Tone::Bad,
        it if it < 0.5 => Tone::Warn,
        _ => Tone::Good,
    };
    let y = 1000.0 - level * 1000.0;
    // A few waves across the tank; the lowest level shows none, it is dry.
    let swell = if level > 0.0 && level < 0.995 { 9.0 } else { 0.0 };
    let water = format!("M0 {y:.0}q125-{swell} 250 0t250 0t250 0t250 0V1000H0z");
    let (says, shown) = match left {
        it if it.is_nan() => (format!("{name}: no data"), "no data".to_owned()),
        it if it < 0.0 => (format!("{name}: nothing of the budget left"), "dry".to_owned()),
        it => (format!("{name}: {} of the budget left", figure::share(it)), figure::share(it)),
    };
    html! {
        figure.tank.(tone.class()) {
            div.basin role="img" aria-label=(says) {
                svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true" {
                    @if level > 0.0 { path.water d=(water) {} }
                }
                @for it in MARKS { i.load-line style={ "top:" (percent(1.0 - it)) } {} }
            }
            figcaption {
                b { (shown) }
                small { @if !left.is_nan() { "left · " } (name) }
            }
        }
    }
}

/// A share on the scale of nines, from 0 to 1.
fn nines(ratio: f64) -> f64 {
    ((scale::nines(ratio) - 0.5) / (NINES - 0.5)).clamp(0.0, 1.0)
}

fn ruler(it: &BudgetFigures) -> Markup {
    let measured = (it.total > 0).then(|| it.good as f64 / it.total as f64);
    let says = format!(
        "On a scale of nines: promised {}, measured {}",
        figure::share(it.target_ratio),
        figure::share_or_none(measured)
    );
    let tone = match measured {
        Some(ratio) if ratio < it.target_ratio => Tone::Bad,
        Some(_) => Tone::Good,
        None => Tone::Plain,
    };
    html! {
        div.nines role="img" aria-label=(says) {
            div.track {
                @for (n, label) in ["90%", "99%", "99.9%", "99.99%", "99.999%"].iter().enumerate() {
                    @let at = percent(((n + 1) as f64 - 0.5) / (NINES - 0.5));
                    i.nine style={ "left:" (at) } {}
                    span.nine style={ "left:" (at) } { (label) }
                }
                i.promised style={ "left:" (percent(nines(it.target_ratio))) } {}
                @if let Some(ratio) = measured {
                    i.measured.(tone.class()) style={ "left:" (percent(nines(ratio))) } {}
                }
            }
        }
        p.note { "promised " b { (figure::share(it.target_ratio)) } " · measured " b.(tone.class()) { (figure::share_or_none(measured)) } }
    }
}
