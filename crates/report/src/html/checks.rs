//! Checks: what decided the exit code, the failed ones first.

use evenkeel_model::outcome::{Check, CheckResult};
use maud::{Markup, html};

use super::piece::{self, Card};
use super::view::View;
use crate::figure;
use crate::mark;

pub(super) fn table(view: &View) -> Option<Markup> {
    let mut checks: Vec<&Check> = view.outcome.checks.iter().collect();
    checks.sort_by_key(|it| it.result);
    let (shown, judged): (Vec<&Check>, Vec<&Check>) =
        checks.into_iter().partition(|it| it.result == CheckResult::Info);
    if shown.is_empty() && judged.is_empty() {
        return None;
    }
    let card = Card {
        id: "checks",
        title: "Checks",
        note: match view.elapsed {
            Some(_) => "by what there is so far".to_owned(),
            None => "what decided the exit code".to_owned(),
        },
        legend: tally(&judged),
        body: html! {
            @if !judged.is_empty() { (rows("Checks", &judged)) }
            @if !shown.is_empty() {
                details.data {
                    summary { (shown.len()) " figures of single phases, shown and not judged" }
                    (rows("Checks of single phases", &shown))
                }
            }
        },
    };
    Some(card.render())
}

/// How many ended how.
fn tally(checks: &[&Check]) -> Markup {
    let kinds = [CheckResult::Fail, CheckResult::Inconclusive, CheckResult::Pass];
    let count = |result| checks.iter().filter(|it| it.result == result).count();
    html! {
        p.tally {
            @for result in kinds.into_iter().filter(|it| count(*it) > 0) {
                (piece::pill(mark::check(result), &format!("{} {}", count(result), mark::word(result)))) " "
            }
        }
    }
}

fn rows(region: &str, checks: &[&Check]) -> Markup {
    let cell = |name: &str, text: &str| {
        let text = if text.is_empty() { figure::NONE } else { text };
        html! { td.r.mono data-name=(name) { (text) } }
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label=(region) {
            table.stack {
                thead {
                    tr {
                        th scope="col" { "Result" }
                        th scope="col" { "Check" }
                        th.r scope="col" { "Limit" }
                        th.r scope="col" { "Measured" }
                        th.r scope="col" { "Baseline" }
                        th.r scope="col" { "Margin" }
                    }
                }
                tbody {
                    @for it in checks {
                        @let tone = mark::check(it.result);
                        tr {
                            td { (piece::pill(tone, mark::word(it.result))) }
                            td.name {
                                (it.name)
                                small {
                                    (mark::kind(it.kind))
                                    @if let Some(phase) = &it.phase { " · " (phase) }
                                }
                            }
                            (cell("Limit", &it.limit))
                            td.r.mono data-name="Measured" {
                                b.(tone.class()) { (if it.measured.is_empty() { figure::NONE } else { &it.measured }) }
                            }
                            (cell("Baseline", &it.baseline))
                            (cell("Margin", &it.margin))
                        }
                    }
                }
            }
        }
    }
}
