//! Controllers → steps.

use evenkeel_model::document::{Condition, LoadStep, Slot, Template};
use evenkeel_units::Ratio;

use super::group::{self, Group, Scope};
use super::plan::Element;
use crate::MAX_REQUESTS;
use crate::compose;
use crate::notes::cut;

/// How deep controllers may be nested: documents have their own limit.
const MAX_DEPTH: usize = 14;

/// How often a loop is gone through whose end only a run would tell.
const MOST: u32 = 100;

/// How many requests the steps make, where every condition holds once.
pub(super) fn requests(steps: &[LoadStep]) -> u64 {
    steps
        .iter()
        .map(|it| match it {
            LoadStep::Request(_) => 1,
            LoadStep::Think { .. } => 0,
            LoadStep::Repeat { times, steps } => requests(steps).saturating_mul(u64::from(*times)),
            LoadStep::While { steps, .. } | LoadStep::Transaction { steps, .. } => requests(steps),
            LoadStep::If { then, otherwise, .. } => requests(then).max(requests(otherwise)),
        })
        .fold(0, u64::saturating_add)
}

/// Whether elements of this kind have steps in them.
pub(super) fn is_controller(kind: &str) -> bool {
    kind.ends_with("Controller") || kind.ends_with("Control") || kind == "RunTime"
}

impl<'a> Group<'a> {
    /// The steps of these elements, in order.
    pub(super) fn steps(
        &mut self,
        elements: &'a [Element<'a>],
        scope: &Scope<'a, 'a>,
        depth: usize,
    ) -> Vec<LoadStep> {
        let mut steps = Vec::new();
        for element in elements.iter().filter(|it| it.is_enabled()) {
            if depth > MAX_DEPTH {
                let why = format!("controllers are nested more than {MAX_DEPTH} levels deep");
                self.notes.add(element.place(), element.title(), why);
                break;
            }
            if self.draft.test.routes.len() >= MAX_REQUESTS {
                self.notes.add(
                    element.place(),
                    "all that follows",
                    "there are too many requests for one test",
                );
                break;
            }
            let kind = element.kind();
            if is_controller(kind) {
                steps.extend(self.controller(element, scope, depth));
            } else {
                steps.extend(self.single(element, scope));
            }
        }
        steps
    }

    /// A sampler or a pause. What is none of the sequence says nothing here.
    fn single(&mut self, element: &'a Element<'a>, scope: &Scope<'a, 'a>) -> Vec<LoadStep> {
        match element.kind() {
            "HTTPSamplerProxy" | "HTTPSampler" | "HTTPSampler2" => {
                let scope = scope.with(&element.children);
                let mut steps = self.pauses(&scope);
                let number = self.sampler(element, &scope);
                let Some(number) = number else { return Vec::new() };
                steps.push(LoadStep::Request(number));
                steps
            }
            "TestAction" => match element.text("ActionProcessor.action") {
                "1" | "" => {
                    let scope = Scope::default().with(&element.children);
                    let own = group::pause(element, &self.words, self.notes);
                    self.pauses(&scope).into_iter().chain(own).collect()
                }
                _ => {
                    let why = "a scenario goes to its end, or to the first wrong answer";
                    self.notes.add(element.place(), element.title(), why);
                    Vec::new()
                }
            },
            kind if kind.ends_with("Sampler") || kind.ends_with("Request") => {
                self.notes.add(
                    element.place(),
                    element.title(),
                    "only requests of HTTP carry over",
                );
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn pauses(&mut self, scope: &Scope<'a, 'a>) -> Vec<LoadStep> {
        scope.timers.iter().filter_map(|it| group::pause(it, &self.words, self.notes)).collect()
    }

    fn controller(
        &mut self,
        element: &'a Element<'a>,
        scope: &Scope<'a, 'a>,
        depth: usize,
    ) -> Vec<LoadStep> {
        let place = element.place();
        let scope = &scope.with(&element.children);
        let children = &element.children;
        match element.kind() {
            "GenericController" | "RecordingController" | "CriticalSectionController" => {
                if element.kind() == "CriticalSectionController" {
                    self.notes.add(place, element.title(), "users do not wait for each other");
                }
                self.steps(children, scope, depth)
            }
            "TransactionController" => {
                let transaction = self.draft.transaction(element.name());
                let steps = self.steps(children, scope, depth + 1);
                match steps.is_empty() {
                    true => {
                        self.draft.test.transactions.pop();
                        Vec::new()
                    }
                    false => vec![LoadStep::Transaction { transaction, steps }],
                }
            }
            "LoopController" => self.repeat(element, scope, depth),
            "OnceOnlyController" => {
                let why = "it is done in the first iteration of a user; what it extracts may be gone in the next";
                self.notes.add(place, element.title(), why);
                let condition =
                    Condition::Equal(compose::slot(Slot::Iteration), Template::literal("0"));
                let then = self.steps(children, scope, depth + 1);
                either(condition, then)
            }
            "IfController" => {
                let written = element.text("IfController.condition");
                if written.contains("last_sample_ok") {
                    // Steps go on only while answers are right.
                    return self.steps(children, scope, depth);
                }
                let Some(condition) = self.condition(element, written) else { return Vec::new() };
                let then = self.steps(children, scope, depth + 1);
                either(condition, then)
            }
            "WhileController" => {
                let written = element.text("WhileController.condition");
                let Some(condition) = self.condition(element, written) else { return Vec::new() };
                self.notes.add(
                    place,
                    element.title(),
                    format!("a loop has an end: `atMost: {MOST}` is written"),
                );
                let steps = self.steps(children, scope, depth + 1);
                match steps.is_empty() {
                    true => Vec::new(),
                    false => vec![LoadStep::While { condition, at_most: MOST, steps }],
                }
            }
            "ThroughputController" => self.share(element, scope, depth),
            "RandomController" | "InterleaveControl" => self.one_of(element, scope, depth),
            "RandomOrderController" => {
                self.notes.add(
                    place,
                    element.title(),
                    "steps are done in the order in which they stand",
                );
                self.steps(children, scope, depth)
            }
            _ => {
                self.notes.add(
                    place,
                    element.title(),
                    "this controller has no counterpart; what stands in it is left out",
                );
                Vec::new()
            }
        }
    }

    fn repeat(
        &mut self,
        element: &'a Element<'a>,
        scope: &Scope<'a, 'a>,
        depth: usize,
    ) -> Vec<LoadStep> {
        let loops =
            self.words.number(&element.place(), element.text("LoopController.loops"), self.notes);
        let times = match loops.and_then(|it| u32::try_from(it).ok()) {
            Some(0) => return Vec::new(),
            Some(times) => times.min(1_000_000),
            None => {
                let why = format!("a loop has an end: `times: {MOST}` is written");
                self.notes.add(element.place(), element.title(), why);
                MOST
            }
        };
        let steps = self.steps(&element.children, scope, depth + 1);
        match (times, steps.is_empty()) {
            (_, true) => Vec::new(),
            (1, false) => steps,
            (times, false) => vec![LoadStep::Repeat { times, steps }],
        }
    }

    /// In a share of the iterations.
    fn share(
        &mut self,
        element: &'a Element<'a>,
        scope: &Scope<'a, 'a>,
        depth: usize,
    ) -> Vec<LoadStep> {
        let percent = self.words.plain(
            &element.place(),
            element.text("ThroughputController.percentThroughput"),
            self.notes,
        );
        let share =
            percent.and_then(|it| it.parse::<f64>().ok()).and_then(|it| Ratio::new(it / 100.0));
        let by_share = element.text("ThroughputController.style") == "1";
        let Some(share) = share.filter(|_| by_share) else {
            let why = "only a share of the iterations carries over, and not a number of them; its steps are always done";
            self.notes.add(element.place(), element.title(), why);
            return self.steps(&element.children, scope, depth);
        };
        if share == Ratio::ZERO {
            self.notes.add(element.place(), element.title(), "it is never done");
            return Vec::new();
        }
        let then = self.steps(&element.children, scope, depth + 1);
        if share == Ratio::ONE { then } else { either(Condition::Chance(share), then) }
    }

    /// One of the children, each as likely: the first by a chance of one in n, else the second by one in n - 1.
    fn one_of(
        &mut self,
        element: &'a Element<'a>,
        scope: &Scope<'a, 'a>,
        depth: usize,
    ) -> Vec<LoadStep> {
        if element.kind() == "InterleaveControl" {
            let why = "one of its children is chosen by chance, and not the next in turn";
            self.notes.add(element.place(), element.title(), why);
        }
        let mut choices = Vec::new();
        for child in &element.children {
            let steps = self.steps(std::slice::from_ref(child), scope, depth + 1);
            if !steps.is_empty() {
                choices.push(steps);
            }
        }
        if choices.len() + depth > MAX_DEPTH {
            let why = "too many choices would be nested; the last of them are left out";
            self.notes.add(element.place(), element.title(), why);
            choices.truncate(MAX_DEPTH.saturating_sub(depth).max(1));
        }
        let mut chosen = choices.pop().unwrap_or_default();
        for (n, then) in choices.into_iter().rev().enumerate() {
            let chance = Ratio::new(1.0 / (n + 2) as f64).unwrap_or(Ratio::ONE);
            chosen = vec![LoadStep::If {
                condition: Condition::Chance(chance),
                then,
                otherwise: chosen,
            }];
        }
        chosen
    }

    /// A comparison of two texts: `"${a}" == "b"`, also within `${__jexl3(…)}` and `${__groovy(…)}`.
    fn condition(&mut self, element: &Element<'_>, written: &str) -> Option<Condition> {
        let place = element.place();
        let read = sides(written).map(|(left, equal, right)| {
            let mut side = |it: &str| self.words.read(&place, &unquoted(it), self.notes);
            let (left, right) = (side(left), side(right));
            match equal {
                true => Condition::Equal(left, right),
                false => Condition::Different(left, right),
            }
        });
        if read.is_none() {
            let why = "only whether two texts are equal carries over, such as `\"${a}\" == \"b\"`; what stands in it is left out";
            self.notes.add(place, format!("{} ({})", element.title(), cut(written)), why);
        }
        read
    }
}

fn either(condition: Condition, then: Vec<LoadStep>) -> Vec<LoadStep> {
    match then.is_empty() {
        true => Vec::new(),
        false => vec![LoadStep::If { condition, then, otherwise: Vec::new() }],
    }
}

/// The two sides of a comparison, and whether they are to be equal.
fn sides(written: &str) -> Option<(&str, bool, &str)> {
    let mut text = written.trim();
    for function in ["__jexl3(", "__jexl2(", "__jexl(", "__groovy(", "__javaScript("] {
        let inside = text.strip_prefix("${").and_then(|it| it.strip_prefix(function));
        if let Some(inside) = inside
            .and_then(|it| it.strip_suffix('}'))
            .and_then(|it| it.trim_end().strip_suffix(')'))
        {
            // What follows a comma is the name of a variable for the result.
            text = inside.strip_suffix(',').unwrap_or(inside).trim();
        }
    }
    if ["&&", "||", "=~", "<=", ">=", " and ", " or "].iter().any(|it| text.contains(it)) {
        return None;
    }
    let (left, equal, right) = match (text.split_once("=="), text.split_once("!=")) {
        (Some((left, right)), None) => (left, true, right),
        (None, Some((left, right))) => (left, false, right),
        _ => return None,
    };
    let fits = |it: &str| {
        let it = it.trim();
        let plain = |it: &str| it.chars().all(|it| it.is_alphanumeric() || "._-${}:".contains(it));
        let quoted = it.len() > 1
            && [('"', '"'), ('\'', '\'')]
                .iter()
                .any(|(a, b)| it.starts_with(*a) && it.ends_with(*b));
        quoted || plain(it) || it.starts_with("vars.get(")
    };
    (fits(left) && fits(right)).then_some((left, equal, right))
}

/// `"a"` → `a`, and `vars.get("a")` → `${a}`.
fn unquoted(side: &str) -> String {
    let side = side.trim();
    let variable = side.strip_prefix("vars.get(").and_then(|it| it.strip_suffix(')'));
    let strip = |it: &str| {
        let it = it.trim();
        let inner =
            ['"', '\''].iter().find_map(|quote| it.strip_prefix(*quote)?.strip_suffix(*quote));
        inner.unwrap_or(it).to_owned()
    };
    match variable {
        Some(name) => format!("${{{}}}", strip(name)),
        None => strip(side),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_of_two_texts_are_read_and_programs_are_not() {
        for (written, expected) in [
            ("\"${a}\" == \"b\"", Some(("${a}", true, "b"))),
            ("${__jexl3(\"${a}\" != \"<EOF>\")}", Some(("${a}", false, "<EOF>"))),
            ("${__groovy(vars.get(\"a\") == 'b',)}", Some(("${a}", true, "b"))),
            ("${a}==${b}", Some(("${a}", true, "${b}"))),
            ("${a} > 1", None),
            ("${__groovy(x() == 1)}", None),
            ("\"${a}\" == \"b\" && true", None),
            ("", None),
        ] {
            let read = sides(written).map(|(a, equal, b)| (unquoted(a), equal, unquoted(b)));
            assert_eq!(
                read,
                expected.map(|(a, equal, b)| (a.to_owned(), equal, b.to_owned())),
                "{written}"
            );
        }
    }
}
