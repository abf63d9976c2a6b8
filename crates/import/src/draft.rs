//! A load test in the making: names that reports can tell apart, and nothing that the reader would refuse.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::document::{
    Call, Checks, Extract, LoadTest, Route, Scenario, Shape, StatusCheck, Template,
};
use evenkeel_units::Rate;

use crate::compose;
use crate::notes::{Notes, cut};
use crate::secrets::Secrets;

/// Headers that follow from the address and the body.
const OURS: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];

/// A load test in the making.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What there is so far.
    pub(crate) test: LoadTest,
    titles: Names,
    transactions: Names,
}

/// Names that have been given, each with how often it was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, u32>);

impl Names {
    /// This name, or one with a number behind it when it is taken.
    pub(crate) fn give(&mut self, name: &str, between: &str) -> String {
        let mut given = name.to_owned();
        while self.0.contains_key(&given) {
            let count = self.0.entry(name.to_owned()).or_insert(1);
            *count += 1;
            given = format!("{name}{between}{count}");
        }
        self.0.insert(given.clone(), 1);
        given
    }
}

/// What is right when nobody says it.
pub(crate) const ANY_GOOD: StatusCheck = StatusCheck { from: 200, to: 399 };

/// Checks of a status alone.
pub(crate) fn status(checks: Vec<StatusCheck>) -> Checks {
    let status = if checks.is_empty() { vec![ANY_GOOD] } else { checks };
    Checks { status, ..Checks::default() }
}

/// One user who does it all once: enough to see that it works.
pub(crate) fn one_user() -> Shape {
    Shape::Users {
        users: 1,
        ramp_up: Duration::ZERO,
        think_time: Duration::ZERO,
        duration: Duration::from_mins(10),
        iterations: Some(1),
    }
}

/// A request a second for a minute: enough to see that it works.
pub(crate) fn a_trickle() -> Shape {
    let rate = Rate::per_second(1.0).expect("one is a rate");
    Shape::Constant { rate, duration: Duration::from_mins(1) }
}

impl Draft {
    /// Begins one.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            test: LoadTest::new(label(name)),
            titles: Names::default(),
            transactions: Names::default(),
        }
    }

    /// Adds a request, and gives its number.
    pub(crate) fn request(
        &mut self,
        name: Option<&str>,
        request: Request,
        checks: Checks,
        extract: Vec<Extract>,
        notes: &mut Notes,
    ) -> usize {
        let Request { place, method, path, headers, body } = request;
        let mut sound = |template: Template| {
            let (template, same) = compose::writable(template);
            if !same {
                notes.add(
                    &place,
                    "a `$` just before a placeholder",
                    "it cannot be written; put it into the data",
                );
            }
            template
        };
        let path = sound(path);
        let headers = headers.into_iter().map(|(name, value)| (name, sound(value))).collect();
        let call = Call::Http { method, path, headers, body: body.map(&mut sound) };
        let name = title(&name.map_or_else(|| call.title(), str::to_owned));
        let name = self.titles.give(&name, " ");
        self.test.routes.push(Route { name, weight: 1, call, checks, extract });
        self.test.routes.len() - 1
    }

    /// Adds a transaction, and gives its number.
    pub(crate) fn transaction(&mut self, name: &str) -> usize {
        self.test.transactions.push(self.transactions.give(&title(name), " "));
        self.test.transactions.len() - 1
    }

    /// Adds a scenario.
    pub(crate) fn scenario(&mut self, scenario: Scenario) {
        self.test.scenarios.push(scenario);
    }
}

/// A request in the making.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Where it stands.
    pub(crate) place: String,
    /// Its method.
    pub(crate) method: String,
    /// Path and query, encoded.
    pub(crate) path: Template,
    /// Headers that [`Headers`] let pass.
    pub(crate) headers: Vec<(String, Template)>,
    /// Body.
    pub(crate) body: Option<Template>,
}

/// Headers that may be sent, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    /// In order.
    pub(crate) list: Vec<(String, Template)>,
}

impl Headers {
    /// Adds a header, unless it is ours, or none that can be sent.
    pub(crate) fn add(
        &mut self,
        place: &str,
        name: &str,
        value: Template,
        secrets: &mut Secrets,
        notes: &mut Notes,
    ) {
        let token = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
        let lower = name.to_ascii_lowercase();
        if !(1..=128).contains(&name.len()) || !name.bytes().all(token) {
            notes.add(place, format!("the header `{}`", cut(name)), "that is no name of a header");
            return;
        }
        if OURS.contains(&lower.as_str()) {
            if lower == "host" {
                let why = "it follows from the address; name the server in `url`";
                notes.add(place, format!("the header `{name}: {}`", cut(&value.to_string())), why);
            }
            return;
        }
        let clean = |it: &str| it.chars().filter(|it| *it == '\t' || !it.is_control()).collect();
        let value = secrets.header(place, name, compose::map_text(value, clean), notes);
        match self.list.iter_mut().find(|(it, _)| it.eq_ignore_ascii_case(name)) {
            // A document names each header once; a list is what several mean.
            Some((_, known)) if lower != "content-type" => {
                compose::push_text(known, if lower == "cookie" { "; " } else { ", " });
                compose::append(known, value);
            }
            Some((_, known)) => *known = value,
            None => self.list.push((name.to_owned(), value)),
        }
    }

    /// Whether there is one of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.list.iter().any(|(it, _)| it.eq_ignore_ascii_case(name))
    }

    /// Adds a header, unless there is one of this name.
    pub(crate) fn add_default(&mut self, name: &str, value: &str) {
        if !self.has(name) {
            self.list.push((name.to_owned(), Template::literal(value)));
        }
    }
}

/// A method that can be sent.
pub(crate) fn method(text: &str) -> Option<String> {
    let upper = text.trim().to_ascii_uppercase();
    let fits = (1..=20).contains(&upper.len()) && upper.bytes().all(|it| it.is_ascii_uppercase());
    (fits && !["CONNECT", "TRACE"].contains(&upper.as_str())).then_some(upper)
}

/// A name that others can refer to.
pub(crate) fn label(text: &str) -> String {
    let mut label = String::new();
    for it in text.chars().take(256) {
        match it.to_ascii_lowercase() {
            it if it.is_ascii_lowercase() || it.is_ascii_digit() => label.push(it),
            _ if label.is_empty() || label.ends_with('-') => {}
            _ => label.push('-'),
        }
    }
    label.truncate(60);
    let label = label.trim_matches('-');
    if label.is_empty() { "imported".to_owned() } else { label.to_owned() }
}

/// A name for reports.
pub(crate) fn title(text: &str) -> String {
    let shown: String = text.chars().filter(|it| !it.is_control()).take(400).collect();
    let shown: String = shown.trim().chars().take(58).collect();
    let shown = shown.trim();
    if shown.is_empty() { "request".to_owned() } else { shown.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_called_the_same_is_numbered() {
        let mut draft = Draft::new("A test!");
        let request = || Request {
            place: String::new(),
            method: "GET".to_owned(),
            path: Template::literal("/"),
            headers: Vec::new(),
            body: None,
        };
        for _ in 0..2 {
            draft.request(
                Some("list"),
                request(),
                status(Vec::new()),
                Vec::new(),
                &mut Notes::default(),
            );
        }
        let names: Vec<_> = draft.test.routes.iter().map(|it| it.name.as_str()).collect();
        assert_eq!((draft.test.name.as_str(), names), ("a-test", vec!["list", "list 2"]));
    }

    proptest! {
        #[test]
        fn every_text_makes_a_name(text in ".{0,300}") {
            let label = label(&text);
            let fits = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
            prop_assert!((1..=63).contains(&label.len()) && label.bytes().all(fits));
            prop_assert!(!label.starts_with('-') && !label.ends_with('-'));
            let title = title(&text);
            prop_assert!((1..=64).contains(&title.chars().count()) && title.trim() == title);
        }
    }
}
