//! The record as a page, in one file that asks the network for nothing.

use evenkeel_model::outcome::CheckResult;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Record;
use crate::html::STYLE;
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
                    (section("Verdict", html! { p { (record.verdict.headline) } p { (record.verdict.cause) } }))
                    (section("Participants", list(day.participants.iter().map(ToString::to_string))))
                    (section("Prerequisites", list(record.prerequisites.iter().map(|it| format!("{} ({})", it.what, it.how)))))
                    (section("Scenario", html! {
                        @if !day.steps.is_empty() { ol { @for it in &day.steps { li { (it) } } } }
                        p { "Run: " (kind) " " code { (name) } }
                    }))
                    (section("Success criteria", html! {
                        ul {
                            @for it in &record.figures {
                                li { (sign(it.result)) " " (it.name) " " (it.limit) ": measured " (it.measured) }
                            }
                            @for it in &day.success { li { "☐ " (it) " (people judge)" } }
                        }
                    }))
                    (section("Planned", list(day.timeline.iter().map(ToString::to_string))))
                    (section(&format!("Timeline ({})", day.time_zone), html! {
                        dl.facts { @for it in &record.happened { div { dt { (it.at) } dd { (it.what) } } } }
                    }))
                    (section("Observations", list(record.observations.iter().cloned())))
                    (section("Learnings", html! { p { "To be written by those who were there, in gameday.md." } }))
                }
                footer { p { "Written by Evenkeel " (record.run.version) ". One file; it asks the network for nothing." } }
            }
        }
    };
    page.into_string()
}

fn section(title: &str, body: Markup) -> Markup {
    html! { section.card { h2 { (title) } (body) } }
}

fn list(items: impl Iterator<Item = String>) -> Markup {
    html! { ul { @for it in items { li { (it) } } } }
}

const fn sign(result: CheckResult) -> char {
    mark::check(result).sign()
}
