//! Alerts: burn rates by window, and which alerts fire.

use evenkeel_slo::standing::Burning;
use evenkeel_units::Human;
use maud::{Markup, html};

use super::view::View;
use super::words;
use crate::figure;
use crate::html::piece::{self, Card, Column};

pub(super) fn card(view: &View) -> Option<Markup> {
    let sheet = view.sheet;
    let burning = &sheet.standing.burning;
    if burning.is_empty() {
        return None;
    }
    let columns = [
        Column::Words("State"),
        Column::Words("Alert"),
        Column::Words("Long window"),
        Column::Figures("Burns"),
        Column::Words("Short window"),
        Column::Figures("Burns"),
        Column::Figures("Fires above"),
        Column::Figures("Budget if it lasts"),
    ];
    let rows: Vec<_> = burning.iter().map(|it| row(view, it)).collect();
    let firing = sheet.standing.firing().count();
    let tally = match firing {
        0 => "none fires".to_owned(),
        many => format!("{many} firing"),
    };
    let card = Card {
        id: &view.id("alerts"),
        title: "Burn-rate alerts",
        note: "over the long window it matters, over the short one it still goes on".to_owned(),
        legend: html! { p.tally { (piece::tag(&tally)) } },
        body: piece::stack("Burn-rate alerts", &columns, &rows),
    };
    Some(card.render())
}

fn row(view: &View, it: &Burning) -> Vec<Markup> {
    let (tone, word) = words::alert(it);
    let rule = &it.rule;
    let rate = |of| words::share(of).map_or_else(|| figure::NONE.to_owned(), figure::factor);
    let rule_holds = it.holds == Some(true);
    let burns = |of: Option<evenkeel_slo::Share>| {
        let is_over = of.is_some_and(|it| it > rule.factor);
        html! { @if is_over { b.(if rule_holds { tone.class() } else { "warn" }) { (rate(of)) } } @else { (rate(of)) } }
    };
    let window = view.sheet.objective.length.as_secs_f64();
    let share = rule.factor.get() * rule.long.as_secs_f64() / window;
    vec![
        piece::pill(tone, word),
        html! {
            (rule.name)
            @if let Some(by) = &it.inhibited_by { " " small { "by " (by) } }
        },
        html! { (Human(rule.long)) },
        burns(it.long),
        html! { @match rule.short { Some(short) => (Human(short)), None => "none" } },
        html! { @if rule.short.is_some() { (burns(it.short)) } @else { (figure::NONE) } },
        html! { (figure::factor(rule.factor.get())) },
        html! { (figure::share(share)) " in " (Human(rule.long)) },
    ]
}
