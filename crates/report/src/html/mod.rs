//! HTML: a run on one page, in one file that opens anywhere.
//!
//! ```text
//! shell    what is around every page: its policy, its bar on top, its scripts
//! view     what every section looks at: the outcome, its steps, its objectives as lines
//! piece    pills, cards, tables: what sections are made of
//! top      name, hypothesis, verdict
//! kpi      the five figures
//! latency  percentiles over time, and the heatmap
//! bearing  how much the service bears, how it scales, how it stood a burst
//! times    response and service times, and how the load was sent
//! watch    the target's side beside the load
//! load     throughput and errors; response time by percentile
//! checks   what decided the exit code
//! faults   what was done, what shows that it acted, and how the service took it
//! budget   error budgets as water levels; objectives on a scale of nines
//! score    the score and its parts
//! details  phases, routes, steady state, guards, and the run itself
//! ```
//!
//! The verdict comes first, then the reasons, then everything else. Of an experiment without load the faults come
//! first, and answers of probes stand where requests do; what only a load has is left out. The page asks the network for
//! nothing, and its policy forbids it to. Without its script it reads the same: the script only adds
//! a readout under the pointer and the choice of theme. All text is escaped by the template.

use std::time::Duration;

use evenkeel_model::Outcome;
use maud::{Markup, html};

mod bearing;
mod budget;
mod checks;
mod details;
mod faults;
mod kpi;
mod latency;
mod load;
pub(crate) mod piece;
mod score;
pub(crate) mod shell;
mod times;
mod top;
mod view;
mod watch;

pub(crate) use self::shell::STYLE;
use self::shell::{Live, Shell};
use self::view::View;

/// Writes an outcome as a page.
pub fn render(outcome: &Outcome) -> String {
    page(&View::new(outcome), None)
}

/// Writes what a run has come to so far as a page that follows it: its script asks the server it came from for
/// the picture after this `number`, and shows that in its place; without a script the page is loaded again every
/// two seconds. The first page that has no number is the report, and the last.
pub fn render_live(outcome: &Outcome, elapsed: Duration, number: u64) -> String {
    page(&View { elapsed: Some(elapsed), ..View::new(outcome) }, Some(number))
}

fn page(view: &View, number: Option<u64>) -> String {
    let outcome = view.outcome;
    let version = &outcome.run.version;
    let sections = sections(view);
    let shell = Shell {
        title: format!("{} · {} · Evenkeel", outcome.plan.drill, top::word(view)),
        version,
        skip: ("#verdict", "Skip to the verdict"),
        live: number.map(|number| Live { number, refresh_seconds: 2 }),
        crumbs: top::crumbs(view),
        main: html! {
            (top::title(view))
            (top::verdict(view))
            (kpi::cards(view))
            (contents(&sections))
            @for section in &sections { (section.body) }
        },
        footer: match number {
            Some(_) => {
                html! { p { "Drawn by Evenkeel " (version) ", anew each second while the load goes on." } }
            }
            None => {
                html! { p { "Written by Evenkeel " (version) ". One file; it asks the network for nothing." } }
            }
        },
    };
    shell.render()
}

/// A part of the page with a place in its contents.
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) body: Markup,
}

fn sections(view: &View) -> Vec<Section> {
    let section = |id, name, body: Option<Markup>| body.map(|body| Section { id, name, body });
    let is_over = view.elapsed.is_none();
    if !view.has_load() {
        // What was broken comes first, then what the probes saw of it.
        let all = [
            section("faults", "Faults", faults::table(view)),
            section("load", "Probes", load::answers(view)),
            section("heatmap", "Times", latency::heatmap(view).filter(|_| view.has_waits())),
            section("safety", "Steady state", details::safety(view)),
            section("routes", "Each probe", details::routes(view).filter(|_| view.has_waits())),
            section("checks", "Checks", checks::table(view)),
            section("score", "Score", score::card(view).filter(|_| is_over)),
            section("run", "Run", Some(details::run(view))),
        ];
        return all.into_iter().flatten().collect();
    }
    let all = [
        section("latency", "Latency", latency::percentiles(view)),
        // What a run found out, and the parts of its score, are known at its end.
        section("bears", "What it bears", bearing::section(view).filter(|_| is_over)),
        section("heatmap", "Heatmap", latency::heatmap(view)),
        section("load", "Load", load::pair(view)),
        section("times", "Times", times::table(view)),
        section("watched", "Watched", watch::section(view)),
        section("checks", "Checks", checks::table(view)),
        section("faults", "Faults", faults::table(view)),
        section("budgets", "Budgets", budget::cards(view)),
        section("score", "Score", score::card(view).filter(|_| is_over)),
        section("phases", "Phases", details::phases(view)),
        section("routes", "Routes", details::routes(view)),
        section("safety", "Safety", details::safety(view)),
        section("run", "Run", Some(details::run(view))),
    ];
    all.into_iter().flatten().collect()
}

/// The names of the parts of a page, as links.
pub(crate) fn contents(sections: &[Section]) -> Markup {
    if sections.len() < 3 {
        return html! {};
    }
    html! {
        nav.contents aria-label="Contents" {
            ul { @for it in sections { li { a href={ "#" (it.id) } { (it.name) } } } }
        }
    }
}
