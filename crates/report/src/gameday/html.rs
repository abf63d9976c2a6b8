//! The record as a page, in one file that asks the network for nothing.

use evenkeel_model::outcome::CheckResult;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Happened, Record};
use crate::html::STYLE;
use crate::html::piece::{self, Card, Column};
use crate::mark;

/// Writes a record.
pub fn render(record: &Record) -> String {
    let day = &record.game_day;
    let tone = mark::ending(record.verdict.result);
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
    let (kind, name) = day.runs.document();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (record.title()) " · GameDay · Evenkeel" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    div.title {
                        h1 { (record.title()) }
                        span.pill.(tone.class()) { (record.verdict.result.word()) }
                        span.pill.plain { (record.run.started) }
                        span.pill.plain.mono { (record.run.id) }
                    }
                    @if let Some(objective) = &day.objective { p.sub { b { "Objective: " } (objective) } }
                    section.card.verdict.(tone.class()) {
                        (piece::icon(tone))
                        div {
                            h2 { (record.verdict.headline) }
                            @if !record.verdict.cause.is_empty() { p { (record.verdict.cause) } }
                        }
                    }
                    div.pair {
                        (part("Participants", items(day.participants.iter())))
                        (part("Prerequisites", html! {
                            ul.items {
                                @for it in &record.prerequisites { li { (it.what) " " small { (it.how) } } }
                            }
                        }))
                    }
                    (part("Scenario", html! {
                        @if !day.steps.is_empty() { ol.items { @for it in &day.steps { li { (it) } } } }
                        p { "Run: " (kind) " " code { (name) } }
                    }))
                    (part("Success criteria", html! {
                        ul.items {
                            @for it in &record.figures {
                                li { (sign(it.result)) " " (it.name) " " (it.limit) " " small { "measured " (it.measured) } }
                            }
                            @for it in &day.success { li { "☐ " (it) " " small { "people judge" } } }
                        }
                    }))
                    @if !day.timeline.is_empty() { (part("Planned", items(day.timeline.iter()))) }
                    (timeline(record))
                    (part("Observations", items(record.observations.iter())))
                    (part("Learnings", html! { p { "To be written by those who were there, in gameday.md." } }))
                }
                footer { p { "Written by Evenkeel " (record.run.version) ". One file; it asks the network for nothing." } }
            }
        }
    };
    page.into_string()
}

fn part(title: &str, body: Markup) -> Markup {
    Card { id: "", title, note: String::new(), legend: Markup::default(), body }.render()
}

fn items<'a>(of: impl Iterator<Item = &'a (impl ToString + 'a)>) -> Markup {
    html! { ul.items { @for it in of { li { (it.to_string()) } } } }
}

/// What happened, by the clock of the place.
fn timeline(record: &Record) -> Markup {
    let columns = [Column::Words("At"), Column::Words("What happened")];
    let row = |it: &Happened| vec![html! { span.mono { (it.at) } }, html! { (it.what) }];
    let rows: Vec<_> = record.happened.iter().map(row).collect();
    let body = piece::table("Timeline", &columns, &rows);
    let note = record.game_day.time_zone.clone();
    Card { id: "", title: "Timeline", note, legend: Markup::default(), body }.render()
}

const fn sign(result: CheckResult) -> char {
    mark::check(result).sign()
}
