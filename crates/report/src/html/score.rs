//! Score: the reliability score, its parts, and what each was computed from.

use evenkeel_model::outcome::ScorePart;
use maud::{Markup, html};

use super::piece::{self, Card};
use super::view::View;
use crate::figure;

pub(super) fn card(view: &View) -> Option<Markup> {
    let score = &view.outcome.score;
    if score.parts.is_empty() {
        return None;
    }
    let seen: f64 = score.parts.iter().filter(|it| it.value.is_some()).map(|it| it.weight).sum();
    let missing = score.parts.iter().any(|it| it.value.is_none());
    let card = Card {
        id: "score",
        title: "Score card",
        note: if missing {
            "parts without data are left out, and the others weigh more".to_owned()
        } else {
            "weighted parts, each from 0 to 100".to_owned()
        },
        legend: html! {},
        body: html! {
            div.scorecard {
                div.total {
                    p.v { (figure::points(score.value)) small { " / 100" } }
                    p.note {
                        @match &score.grade {
                            Some(grade) => { "grade " b { (grade) } },
                            None => "no part has data",
                        }
                    }
                }
                ul.parts { @for it in &score.parts { (part(it, seen)) } }
            }
        },
    };
    Some(card.render())
}

fn part(it: &ScorePart, seen: f64) -> Markup {
    let class = match it.value {
        Some(value) if value >= 80.0 => "ok",
        Some(value) if value >= 60.0 => "warn",
        Some(_) => "bad",
        None => "plain",
    };
    html! {
        li {
            b { (it.name) }
            (piece::bar(class, it.value.unwrap_or(0.0) / 100.0))
            span.v { (figure::points(it.value)) }
            small {
                "weight " (figure::decimal(it.weight))
                @if it.value.is_none() { ", left out" }
                @else if (seen - 1.0).abs() > 0.005 && seen > 0.0 { ", here " (figure::decimal(it.weight / seen)) }
                @if !it.basis.is_empty() { " · " (it.basis) }
            }
        }
    }
}
