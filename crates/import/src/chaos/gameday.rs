//! The plan of a game day, as Markdown: what it says is broken, and by what it is judged.
//!
//! ```text
//! # GameDay Exercise: …   name            ## Scenario          numbered steps: for people, and the faults
//! ## Objective            hypothesis      ## Success Criteria  figures with a limit; the rest is for people
//! ## Participants         and their roles ## Timeline          what is planned when
//! ## Prerequisites        to be confirmed
//! ```
//!
//! A step is a fault when it begins with a word for one (stop, kill, restart) and something that it is done to.
//! What comes of it is an experiment, and a `GameDay` that runs it.

use std::time::Duration;

use evenkeel_model::document::{
    ChaosExperiment, Comparison, Criterion, DayTime, Fault, GameDay, GameDayScenario, Metric, Mode,
    Participant, Planned, Prerequisite,
};
use evenkeel_model::yaml::Place;
use evenkeel_units::{Ratio, parse_duration};

use super::draft::{self, Draft, experiment};
use crate::draft::label;
use crate::notes::cut;

/// What is said of what people do.
const OF_PEOPLE: &str = "a game day has no part for it";

/// Whether a text is the plan of a game day.
pub(super) fn is_one(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|it| !it.is_empty()).unwrap_or_default();
    let title = first.strip_prefix("# ").map(|it| it.to_ascii_lowercase().replace([' ', '-'], ""));
    title.is_some_and(|it| it.contains("gameday"))
}

/// A part of the text under a heading.
struct Section<'a> {
    place: Place,
    title: String,
    lines: Vec<(Place, &'a str)>,
}

fn place(line: usize, text: &str) -> Place {
    let indent = text.chars().take_while(|it| it.is_whitespace()).count();
    Place { line: line as u32 + 1, column: indent as u32 + 1, length: 1 }
}

pub(super) fn import(text: &str, draft: &mut Draft) {
    let mut title = "";
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if let Some(it) = trimmed.strip_prefix("## ") {
            let title = it.trim().to_ascii_lowercase();
            sections.push(Section { place: place(n, line), title, lines: Vec::new() });
        } else if let Some(it) = trimmed.strip_prefix("# ").filter(|_| title.is_empty()) {
            title = it.trim();
        } else if let Some(section) = sections.last_mut().filter(|_| !trimmed.is_empty()) {
            section.lines.push((place(n, line), trimmed));
        } else if !trimmed.is_empty() {
            draft.leave_at(place(n, line), format!("`{}`", cut(trimmed)), OF_PEOPLE);
        }
    }
    let name = title.split_once(':').map_or(title, |(_, it)| it.trim());
    let name = if name.is_empty() { "game day" } else { name };
    let mut made = experiment(name);
    made.description = Some(title.to_owned()).filter(|it| !it.is_empty());
    let mut day = GameDay {
        name: label(name),
        title: Some(name.to_owned()),
        objective: None,
        participants: Vec::new(),
        prerequisites: Vec::new(),
        steps: Vec::new(),
        runs: GameDayScenario::Experiment(String::new()),
        success: Vec::new(),
        timeline: Vec::new(),
        time_zone: "UTC".to_owned(),
    };
    for mut section in sections {
        let place = section.place;
        draft.bound(&mut section.lines, place, "lines of this section");
        let texts = || section.lines.iter().map(|(_, it)| item(it).unwrap_or(it).to_owned());
        match section.title.as_str() {
            "objective" | "objectives" | "hypothesis" => {
                let words: Vec<_> = section.lines.iter().map(|(_, it)| *it).collect();
                made.hypothesis = Some(words.join(" ")).filter(|it| !it.is_empty());
                day.objective.clone_from(&made.hypothesis);
            }
            "participants" | "team" | "roles" => day.participants = texts().map(who).collect(),
            "prerequisites" | "preparation" | "checklist" => {
                day.prerequisites = texts().map(Prerequisite::Text).collect();
            }
            "scenario" => scenario(section, &mut made, &mut day, draft),
            "success criteria" => {
                for sentence in texts() {
                    match criterion(&sentence) {
                        Some(it) => made.success.push(it),
                        None => day.success.push(sentence),
                    }
                }
            }
            "timeline" | "schedule" | "agenda" => timeline(section, &mut day, draft),
            "observations" | "learnings" => {
                let why = "they are of a day that is over, or of none yet: `evenkeel gameday run` writes its own";
                draft.leave_at(place, format!("the section `{}`", cut(&section.title)), why);
            }
            _ => {
                draft.leave_at(place, format!("the section `{}`", cut(&section.title)), OF_PEOPLE);
            }
        }
    }
    if let Some(name) = draft.add(Place { line: 1, column: 1, length: 1 }, made) {
        day.runs = GameDayScenario::Experiment(name);
        draft.game_days.push(day);
    }
}

/// The steps, all of which people read; those that begin with a word for a fault break something.
fn scenario(
    section: Section<'_>,
    made: &mut ChaosExperiment,
    day: &mut GameDay,
    draft: &mut Draft,
) {
    for (place, line) in section.lines {
        let Some(sentence) = item(line) else {
            draft.leave_at(place, format!("`{}`", cut(line)), "it is no step of a list");
            continue;
        };
        day.steps.push(sentence.to_owned());
        if let Some((fault, what)) = fault(sentence) {
            let target = draft::instances(Some(what), Mode::One);
            draft.whereabouts(place, &target);
            made.method.push(draft::step(fault, target, Duration::ZERO, None));
        }
    }
}

/// `09:45 - Team assembles`, `10:00-10:05 - Observe`.
fn timeline(section: Section<'_>, day: &mut GameDay, draft: &mut Draft) {
    for (place, line) in section.lines {
        let read = item(line).and_then(planned);
        let last = day.timeline.last().map(|it| it.at);
        match read.filter(|it| last.is_none_or(|last| last <= it.at)) {
            Some(it) => day.timeline.push(it),
            None => {
                let why = "it does not begin with a time of the day such as `09:45`, after the one before";
                draft.leave_at(place, format!("`{}`", cut(line)), why);
            }
        }
    }
    if !day.timeline.is_empty() {
        let why = "it is that of the people, and UTC here: write `timeZone`";
        draft.leave_at(section.place, "the time zone of the timeline", why);
    }
}

fn planned(line: &str) -> Option<Planned> {
    let (times, what) = line.split_once(' ')?;
    let (at, until) = match times.trim_end_matches(':').split_once(['-', '–']) {
        Some((at, until)) => (DayTime::parse(at)?, Some(DayTime::parse(until)?)),
        None => (DayTime::parse(times.trim_end_matches(':'))?, None),
    };
    let what = what.trim_start_matches(['-', '–', ':', ' ']).trim().to_owned();
    let in_order = until.is_none_or(|until| at <= until);
    (in_order && !what.is_empty()).then_some(Planned { at, until, what })
}

/// A name, with a role in parentheses behind it or none.
fn who(text: String) -> Participant {
    let split = text.strip_suffix(')').and_then(|it| it.rsplit_once(" ("));
    match split {
        Some((name, role)) => {
            Participant { name: name.trim().to_owned(), role: Some(role.to_owned()) }
        }
        None => Participant { name: text, role: None },
    }
}

/// The text of an item of a list.
fn item(line: &str) -> Option<&str> {
    let bare = line.trim_start_matches(|it: char| it.is_ascii_digit());
    let numbered = (bare.len() < line.len()).then(|| bare.strip_prefix(['.', ')'])).flatten();
    let rest = numbered.or_else(|| line.strip_prefix(['-', '*', '+']))?;
    Some(rest.trim_start_matches([' ', '\t']).trim_start_matches("[ ] ").trim())
        .filter(|it| !it.is_empty())
}

/// What a step breaks, and to what it is done.
fn fault(sentence: &str) -> Option<(Fault, &str)> {
    const WORDS: [(&str, Fault); 12] = [
        ("stop", Fault::Kill { every: None }),
        ("stopping", Fault::Kill { every: None }),
        ("kill", Fault::Kill { every: None }),
        ("killing", Fault::Kill { every: None }),
        ("terminate", Fault::Kill { every: None }),
        ("terminating", Fault::Kill { every: None }),
        ("shut down", Fault::Kill { every: None }),
        ("shutting down", Fault::Kill { every: None }),
        ("crash", Fault::Kill { every: None }),
        ("crashing", Fault::Kill { every: None }),
        ("restart", Fault::Restart { every: None }),
        ("restarting", Fault::Restart { every: None }),
    ];
    let lower = sentence.to_ascii_lowercase();
    let fits = |word: &str| lower.strip_prefix(word).is_some_and(|it| it.starts_with(' '));
    let (word, fault) = WORDS.iter().find(|(word, _)| fits(word))?;
    let mut what = sentence.get(word.len()..)?.trim().trim_end_matches('.');
    for article in ["the ", "one ", "an ", "a ", "our "] {
        what = what.strip_prefix(article).unwrap_or(what);
    }
    for end in [" instance", " instances", " process", " server"] {
        what = what.strip_suffix(end).unwrap_or(what);
    }
    let is_name = what.split_whitespace().count() <= 4
        && what.contains(|it: char| it.is_ascii_alphanumeric());
    is_name.then(|| (fault.clone(), what))
}

/// A figure with its limit, out of a sentence.
fn criterion(sentence: &str) -> Option<Criterion> {
    let lower = sentence.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| lower.contains(it));
    let make =
        |metric, comparison, limit| Some(Criterion { metric, comparison, limit, sustained: None });
    if let Some(share) = share(&lower) {
        let comparison = if lower.contains('<') || has(&["below", "less than", "under"]) {
            Comparison::Below
        } else if has(&["at most", "no more than"]) {
            Comparison::AtMost
        } else if lower.contains('>') || has(&["above", "more than", "over"]) {
            Comparison::Above
        } else {
            Comparison::AtLeast
        };
        let is_error = has(&["error rate", "errors", "failure rate"]);
        return match (is_error, comparison.wants_less()) {
            (true, true) => make(Metric::ErrorRate, comparison, share),
            (false, false) if has(&["success", "available", "availability", "uptime"]) => {
                make(Metric::Availability, comparison, share)
            }
            _ => None,
        };
    }
    let (_, after) = lower.split_once("within ").or_else(|| lower.split_once("in less than "))?;
    let recovers = has(&["failover", "recover", "restored", "back to normal"]);
    let detects = has(&["detect", "alert"]);
    let mut words = after.split_whitespace();
    let (number, unit) = (words.next()?, words.next().unwrap_or_default());
    let unit = match unit.trim_end_matches(['.', ',', ';', ')']) {
        "second" | "seconds" | "sec" | "s" => "s",
        "minute" | "minutes" | "min" | "m" => "m",
        "hour" | "hours" | "h" => "h",
        _ => "",
    };
    let number = number.trim_end_matches(['.', ',', ';', ')']);
    let time = parse_duration(&format!("{number}{unit}")).ok()?.as_secs_f64();
    match (recovers, detects) {
        (true, false) => make(Metric::RecoveryTime, Comparison::AtMost, time),
        (false, true) => make(Metric::DetectionTime, Comparison::AtMost, time),
        _ => None,
    }
}

/// The one share that a sentence names.
fn share(sentence: &str) -> Option<f64> {
    let (before, after) = sentence.split_once('%')?;
    let digits = |it: char| it.is_ascii_digit() || it == '.';
    let number = before.trim_end().rsplit(|it| !digits(it)).next()?;
    let share = number.parse::<f64>().ok().and_then(|it| Ratio::new(it / 100.0))?;
    (!after.contains('%')).then(|| share.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_with_a_figure_and_a_limit_is_a_criterion() {
        for (sentence, expected) in [
            ("Application remains available (> 99% success rate)", Some("availability > 99%")),
            ("Error rate stays below 0.5 %", Some("error_rate < 0.5%")),
            ("Failover completes within 30 seconds", Some("recovery_time <= 30s")),
            ("The alert fires within 1 minute", Some("detection_time <= 1m")),
            ("Service recovers within 90s.", Some("recovery_time <= 1m30s")),
            ("No data loss", None),
            ("All alerts fire correctly", None),
            ("CPU below 80%", None),
            ("Between 1% and 2% errors", None),
        ] {
            assert_eq!(
                criterion(sentence).map(|it| it.to_string()).as_deref(),
                expected,
                "{sentence}"
            );
        }
    }

    #[test]
    fn a_step_is_a_fault_only_when_it_begins_with_a_word_for_one() {
        let named = |it| fault(it).map(|(fault, what)| (fault.kind(), what.to_owned()));
        let expected = |kind, what: &str| Some((kind, what.to_owned()));
        assert_eq!(
            named("Stopping the primary PostgreSQL instance"),
            expected("kill", "primary PostgreSQL")
        );
        assert_eq!(named("Restart one gateway."), expected("restart", "gateway"));
        assert_eq!(named("Observing automatic failover to replica"), None);
        assert_eq!(named("Stopwatch the team"), None);
        assert_eq!(named("Stop everything that has anything to do with it"), None);
    }
}
