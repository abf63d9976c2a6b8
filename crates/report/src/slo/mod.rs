//! SLO: how an objective stands and how it got there, as a page; and all objectives beside each other.
//!
//! ```text
//! view      what every section looks at: the steps of the window, its axis of time, what happened in it
//! words     how it stands, in a word and in a sentence
//! top       name, verdict, and the five figures
//! course    the burn-down: the budget as a level of water, between the load-line marks of the policy
//! went      where the budget went, and what the policy does as it goes
//! level     the indicator over time, on a scale of nines
//! hours     bad events by day and hour
//! alerts    burn rates by window, and which alerts fire
//! details   how it was counted
//! overview  all objectives, by service
//! ```
//!
//! The verdict comes first. What is judged and what was counted is the engine's; here it is drawn, with the kit of the
//! other reports: one file, without a request, that reads the same without its script. Where there is no data, none is
//! shown: no line, no level, no colour that stands for good.

use evenkeel_slo::attribution::{Attribution, Cause};
use evenkeel_slo::gate::Decision;
use evenkeel_slo::{Charter, History, Objective, Standing};
use jiff::Timestamp;
use maud::{Markup, html};

mod alerts;
mod course;
mod details;
mod hours;
mod level;
mod overview;
mod top;
mod view;
mod went;
mod words;

use self::view::View;
use crate::html::shell::{Live, Shell};
use crate::html::{Section, contents};

/// What a page shows of an objective.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The objective.
    pub objective: Objective,
    /// What its document says of it.
    pub description: Option<String>,
    /// What is done as its budget goes.
    pub charter: Charter,
    /// How it stands.
    pub standing: Standing,
    /// Its window so far in slices, with what gaps mean in their place, and without the times that do not count. Where it
    /// begins later than the window, only that is drawn: nothing was counted before.
    pub history: History,
    /// What the gate says to a usual change.
    pub decision: Decision,
    /// Deploys, drills and incidents, in any order; those outside of the window are passed over.
    pub causes: Vec<Cause>,
    /// Bad events told apart by labels of its series: the name of the label, and who they were of.
    pub by_label: Vec<(String, Attribution)>,
    /// What was asked.
    pub queries: Vec<String>,
    /// What is wrong with what was asked.
    pub flaw: Option<String>,
    /// Where it was counted, for people.
    pub source: String,
}

impl Sheet {
    /// The moment it is about.
    pub const fn at(&self) -> Timestamp {
        self.standing.account.at
    }
}

/// Where a page is served, that follows how things stand.
#[derive(Copy, Clone, Debug)]
pub struct Served {
    /// Which picture it is: a later one has a larger number.
    pub number: u64,
    /// How often there is a new one, in seconds.
    pub every_seconds: u32,
}

/// Of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// One objective, as a page that is served beside the overview at `/`.
pub fn page(sheet: &Sheet, served: Served) -> String {
    let view = View::new(sheet, "");
    let crumbs = html! {
        li { a href="/" { "Objectives" } }
        @if let Some(it) = &sheet.objective.service { li { (it) } }
        li { (sheet.objective.name) }
    };
    let title = format!("{} · {} · Evenkeel", sheet.objective.name, words::of(sheet).pill);
    shell(title, "#verdict", crumbs, whole(&view), Some(served))
}

/// All objectives beside each other, as a page that is served at `/`; that of `NAME` is at `/slo/NAME`.
pub fn overview(sheets: &[Sheet], served: Served) -> String {
    let title = format!("Objectives · {} · Evenkeel", overview::word(sheets));
    let href = |_, it: &Sheet| format!("/slo/{}", segment(&it.objective.name));
    let main = html! { (overview::title(sheets)) (overview::all(sheets, &href)) };
    shell(title, "#verdict", html! { li { "Objectives" } }, main, Some(served))
}

/// Objectives as one file: the page of one, or an overview and the page of each below it.
pub fn file(sheets: &[Sheet]) -> String {
    if let [sheet] = sheets {
        let view = View::new(sheet, "");
        let title = format!("{} · {} · Evenkeel", sheet.objective.name, words::of(sheet).pill);
        let crumbs = html! {
            @if let Some(it) = &sheet.objective.service { li { (it) } }
            li { (sheet.objective.name) }
        };
        return shell(title, "#verdict", crumbs, whole(&view), None);
    }
    let href = |number: usize, _: &Sheet| format!("#s{number}");
    let main = html! {
        (overview::title(sheets))
        (overview::all(sheets, &href))
        @for (number, sheet) in sheets.iter().enumerate() {
            article.sheet id=(format!("s{number}")) { (whole(&View::new(sheet, &format!("s{number}-")))) }
        }
    };
    let title = format!("Objectives · {} · Evenkeel", overview::word(sheets));
    shell(title, "#verdict", html! { li { "Objectives" } }, main, None)
}

/// A name as a segment of a path: the page of an objective is served at `/slo/SEGMENT`.
pub fn segment(name: &str) -> String {
    let kept = |it: u8| it.is_ascii_alphanumeric() || b"-_.~".contains(&it);
    let each = |it: u8| if kept(it) { char::from(it).to_string() } else { format!("%{it:02X}") };
    name.bytes().map(each).collect()
}

fn shell(
    title: String,
    skip: &'static str,
    crumbs: Markup,
    main: Markup,
    served: Option<Served>,
) -> String {
    let live = |it: Served| Live { number: it.number, refresh_seconds: it.every_seconds };
    let shell = Shell {
        title,
        version: VERSION,
        skip: (skip, "Skip to the verdict"),
        live: served.map(live),
        crumbs,
        main: html! {
            @if served.is_some() {
                p.pill.warn #stale hidden { "Nothing more is heard of the server: this is its last picture." }
            }
            (main)
        },
        footer: match served {
            Some(it) => {
                html! { p { "Drawn by Evenkeel " (VERSION) ", anew every " (it.every_seconds) " seconds." } }
            }
            None => {
                html! { p { "Written by Evenkeel " (VERSION) ". One file; it asks the network for nothing." } }
            }
        },
    };
    shell.render()
}

/// Everything about one objective.
fn whole(view: &View) -> Markup {
    let section = |id, name, body: Option<Markup>| body.map(|body| Section { id, name, body });
    let all = [
        section("course", "Burn-down", course::card(view)),
        section("went", "Where it went", Some(went::card(view))),
        section("level", "Indicator", level::card(view)),
        section("hours", "Hours", hours::card(view)),
        section("alerts", "Alerts", alerts::card(view)),
        section("counted", "How it was counted", Some(details::card(view))),
    ];
    let sections: Vec<_> = all.into_iter().flatten().collect();
    let some = |ids: [&str; 2]| -> Vec<&Markup> {
        sections.iter().filter(|it| ids.contains(&it.id)).map(|it| &it.body).collect()
    };
    html! {
        (top::title(view))
        (top::verdict(view))
        (top::figures(view))
        @if view.prefix.is_empty() { (contents(&sections)) }
        div.wide { @for it in some(["course", "went"]) { (it) } }
        div.pair { @for it in some(["level", "hours"]) { (it) } }
        @for it in some(["alerts", "counted"]) { (it) }
    }
}
