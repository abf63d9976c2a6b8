//! A thread group → a load test: its users as the shape, what they do as the scenario.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_model::document::{
    Call, Condition, LoadStep, LoadTest, Part, Scenario, Shape, Slot, Template,
};
use evenkeel_units::Rate;

use super::plan::Element;
use super::schedule;
use super::words::Words;
use crate::compose;
use crate::draft::{self, Draft};
use crate::notes::Notes;
use crate::secrets::Secrets;

/// How long a group runs at most whose end no clock sets.
const LONGEST: Duration = Duration::from_mins(10);

/// A thread group in the making.
pub(super) struct Group<'a> {
    pub(super) draft: Draft,
    pub(super) words: Words,
    pub(super) notes: &'a mut Notes,
    pub(super) secrets: &'a mut Secrets,
    /// Where requests go: the first server that a sampler names.
    pub(super) server: Option<String>,
    /// The longest time that a sampler waits, in milliseconds.
    pub(super) timeout: Option<u64>,
}

/// What holds for the samplers below: outer elements first.
#[derive(Clone, Default)]
pub(super) struct Scope<'s, 'a> {
    pub(super) headers: Vec<&'s Element<'a>>,
    pub(super) defaults: Vec<&'s Element<'a>>,
    pub(super) timers: Vec<&'s Element<'a>>,
    pub(super) checks: Vec<&'s Element<'a>>,
    pub(super) extracts: Vec<&'s Element<'a>>,
}

/// Timers that set how much load there is.
pub(super) const PACERS: [&str; 2] = ["ConstantThroughputTimer", "PreciseThroughputTimer"];

/// How many elements of a kind may hold for one sampler.
const MAX_IN_SCOPE: usize = 100;

impl<'s, 'a> Scope<'s, 'a> {
    /// With what stands among these elements.
    pub(super) fn with(&self, elements: &'s [Element<'a>]) -> Self {
        let mut scope = self.clone();
        for element in elements.iter().filter(|it| it.is_enabled()) {
            let kind = element.kind();
            let list = match kind {
                "HeaderManager" => &mut scope.headers,
                "ConfigTestElement" if is_http_defaults(element) => &mut scope.defaults,
                _ if PACERS.contains(&kind) => continue,
                _ if kind.ends_with("Timer") => &mut scope.timers,
                _ if kind.ends_with("Assertion") => &mut scope.checks,
                _ if super::extract::KINDS.contains(&kind) => &mut scope.extracts,
                _ => continue,
            };
            if list.len() < MAX_IN_SCOPE {
                list.push(element);
            }
        }
        scope
    }
}

/// Defaults of HTTP requests: those of other protocols are of the same class.
pub(super) fn is_http_defaults(element: &Element<'_>) -> bool {
    !element.text("HTTPSampler.domain").is_empty()
        || !element.text("HTTPSampler.path").is_empty()
        || !element.text("HTTPSampler.protocol").is_empty()
        || !element.text("HTTPSampler.port").is_empty()
        || !element.arguments(Some("HTTPsampler.Arguments")).is_empty()
}

impl<'a> Group<'a> {
    /// The load test of a group; none when it sends nothing.
    pub(super) fn build(
        mut self,
        element: &'a Element<'a>,
        scope: &Scope<'a, 'a>,
        cookies: bool,
    ) -> Option<LoadTest> {
        let scope = scope.with(&element.children);
        let steps = self.steps(&element.children, &scope, 0);
        if self.draft.test.routes.is_empty() {
            self.notes.add(element.place(), element.title(), "it sends nothing over HTTP");
            return None;
        }
        let sent = super::steps::requests(&steps);
        let shape = match element.kind() {
            "OpenModelThreadGroup" => self.open(element),
            _ => self.closed(element),
        };
        let shape = self.paced(element, shape, sent);
        let name = draft::title(if element.name().is_empty() { "users" } else { element.name() });
        self.draft.scenario(Scenario { name, weight: 1, cookies, steps });
        let mut test = self.draft.test;
        unset(&mut test, self.notes);
        test.shape = Some(shape);
        test.url = Some(self.server.unwrap_or_else(|| "http://127.0.0.1:80".to_owned()));
        if let Some(ms) = self.timeout {
            test.timeout = Duration::from_millis(ms);
        }
        if let Some(users) = test.shape.as_ref().and_then(Shape::users) {
            test.connections = test.connections.max(users);
        }
        Some(test)
    }

    fn number(&mut self, element: &Element<'_>, text: &str, what: &str, otherwise: i64) -> i64 {
        if text.is_empty() {
            return otherwise;
        }
        let number = self.words.number(&element.place(), text, self.notes);
        number.unwrap_or_else(|| {
            let instead = if otherwise < 0 { "none".to_owned() } else { otherwise.to_string() };
            let why =
                format!("`{}` is not a number; {instead} is written", crate::notes::cut(text));
            self.notes.add(element.place(), what, why);
            otherwise
        })
    }

    /// Threads that come one after the other, and go through it again and again.
    fn closed(&mut self, element: &Element<'_>) -> Shape {
        let place = element.place();
        let users = self.number(
            element,
            element.text("ThreadGroup.num_threads"),
            "the number of threads",
            1,
        );
        if users > 65_535 {
            self.notes.add(&place, format!("{users} threads"), "65535 is what one host can have");
        }
        let ramp_up = self.number(element, element.text("ThreadGroup.ramp_time"), "the ramp-up", 0);
        let mut ramp_up = Duration::from_secs(ramp_up.clamp(0, 31_536_000) as u64);
        let loops = element.inner("ThreadGroup.main_controller", "LoopController.loops");
        let forever = element
            .inner("ThreadGroup.main_controller", "LoopController.continue_forever")
            == "true";
        let loops = self.number(element, loops, "the number of loops", -1);
        let iterations = u32::try_from(loops).ok().filter(|it| *it > 0 && !(forever && loops < 0));
        let scheduled = element.flag("ThreadGroup.scheduler");
        let length = self.number(element, element.text("ThreadGroup.duration"), "the duration", 0);
        let duration = match u64::try_from(length).ok().filter(|it| scheduled && *it > 0) {
            Some(seconds) => Duration::from_secs(seconds.min(31_536_000)),
            None => {
                let longest = LONGEST.max(ramp_up.saturating_mul(2));
                let why = "a load has an end; this much is written as the longest time, change `duration`";
                self.notes.add(&place, "a group without a duration", why);
                longest
            }
        };
        let delay = self.number(element, element.text("ThreadGroup.delay"), "the delay", 0);
        if scheduled && delay > 0 {
            self.notes.add(&place, format!("a delay of {delay} s"), "load begins at once");
        }
        match element.text("ThreadGroup.on_sample_error") {
            "" | "continue" => {
                let why = "an iteration ends with its first wrong answer here";
                self.notes.add(&place, "going on after a wrong answer", why);
            }
            "startnextloop" => {}
            other => {
                let why = "a wrong answer ends the iteration; add a criterion with `stop: true` to end the load";
                self.notes.add(
                    &place,
                    format!("`{}` after a wrong answer", crate::notes::cut(other)),
                    why,
                );
            }
        }
        ramp_up = ramp_up.min(duration);
        let users = users.clamp(1, 65_535) as u32;
        Shape::Users { users, ramp_up, think_time: Duration::ZERO, duration, iterations }
    }

    fn open(&mut self, element: &Element<'_>) -> Shape {
        let written = element.text("OpenModelThreadGroup.schedule");
        let text = self.words.read(&element.place(), written, self.notes).to_string();
        schedule::shape(&text).unwrap_or_else(|why| {
            let what = format!("the schedule `{}`", crate::notes::cut(written));
            self.notes.add(element.place(), what, format!("{why}; a request a second is written"));
            draft::a_trickle()
        })
    }

    /// With a timer of throughput, users are as many as it takes, and the rate is what counts.
    fn paced(&mut self, element: &'a Element<'a>, shape: Shape, sent: u64) -> Shape {
        let all = element.below();
        let mut pacers = all.iter().filter(|it| PACERS.contains(&it.kind()));
        let Some(pacer) = pacers.next() else { return shape };
        for other in pacers {
            self.notes.add(
                other.place(),
                other.title(),
                "a test has one rate, and an earlier timer says it",
            );
        }
        let place = pacer.place();
        let throughput = self.words.plain(&place, pacer.text("throughput"), self.notes);
        let throughput = throughput
            .and_then(|it| it.parse::<f64>().ok())
            .filter(|it| it.is_finite() && *it > 0.0);
        let Some(throughput) = throughput else {
            self.notes.add(place, pacer.title(), "its throughput is not a number above 0");
            return shape;
        };
        let Shape::Users { users, ramp_up, duration, iterations, .. } = shape else {
            self.notes.add(place, pacer.title(), "the schedule of the group says the rate");
            return shape;
        };
        let samples = match pacer.kind() {
            "PreciseThroughputTimer" => {
                let period =
                    self.number(pacer, pacer.text("throughputPeriod"), "the period", 3_600).max(1);
                throughput / period as f64
            }
            _ => {
                let alone =
                    pacer.text("calcMode").ends_with('0') || pacer.text("calcMode").is_empty();
                throughput / 60.0 * if alone { f64::from(users) } else { 1.0 }
            }
        };
        let rate =
            Rate::per_second((samples / sent.max(1) as f64).clamp(1e-6, 1e6)).unwrap_or_default();
        let why = format!(
            "iterations of {sent} requests begin at {rate} here, whether or not answers come"
        );
        self.notes.add(
            place,
            format!("that {} only slows {users} threads down", pacer.title()),
            why,
        );
        match iterations {
            Some(each) => Shape::Volume { requests: u64::from(each) * u64::from(users), rate },
            None => Shape::Soak { rate, ramp_up, duration },
        }
    }
}

/// Variables that no request of the group keeps stay as they are written: their extractor was left out with
/// its sampler.
fn unset(test: &mut LoadTest, notes: &mut Notes) {
    let kept: BTreeSet<String> =
        test.routes.iter().flat_map(|it| it.extract.iter().map(|it| it.var.clone())).collect();
    let mut mend = |template: &mut Template| {
        let mut mended = Template::default();
        for part in std::mem::take(&mut template.parts) {
            match part {
                Part::Slot(Slot::Var(name)) if !kept.contains(&name) => {
                    let why =
                        "no request keeps it, because its extractor or its sampler is left out";
                    notes.add("the whole", format!("the variable `{name}`"), why);
                    compose::push_text(&mut mended, &name);
                }
                other => compose::push(&mut mended, other),
            }
        }
        *template = mended;
    };
    for route in &mut test.routes {
        if let Call::Http { path, headers, body, .. } = &mut route.call {
            let values = headers.iter_mut().map(|(_, it)| it);
            std::iter::once(path).chain(values).chain(body).for_each(&mut mend);
        }
    }
    test.scenarios.iter_mut().for_each(|it| conditions(&mut it.steps, &mut mend));
}

fn conditions(steps: &mut [LoadStep], mend: &mut impl FnMut(&mut Template)) {
    for step in steps {
        match step {
            LoadStep::If {
                condition: Condition::Equal(a, b) | Condition::Different(a, b), ..
            }
            | LoadStep::While {
                condition: Condition::Equal(a, b) | Condition::Different(a, b),
                ..
            } => {
                mend(a);
                mend(b);
            }
            _ => {}
        }
        match step {
            LoadStep::Repeat { steps, .. }
            | LoadStep::While { steps, .. }
            | LoadStep::Transaction { steps, .. } => {
                conditions(steps, mend);
            }
            LoadStep::If { then, otherwise, .. } => {
                conditions(then, mend);
                conditions(otherwise, mend);
            }
            LoadStep::Request(_) | LoadStep::Think { .. } => {}
        }
    }
}

/// The pause that a timer makes: the shortest and the longest.
pub(super) fn pause(element: &Element<'_>, words: &Words, notes: &mut Notes) -> Option<LoadStep> {
    let place = element.place();
    let mut number = |name: &str| {
        let text = words.plain(&place, element.text(name), notes)?;
        let number = if text.is_empty() { Some(0.0) } else { text.parse::<f64>().ok() };
        number.filter(|it| it.is_finite() && (0.0..=86_400_000.0).contains(it))
    };
    let (delay, range) = match element.kind() {
        "TestAction" => (number("ActionProcessor.duration"), Some(0.0)),
        "ConstantTimer" => (number("ConstantTimer.delay"), Some(0.0)),
        _ => (number("ConstantTimer.delay"), number("RandomTimer.range")),
    };
    let Some((delay, range)) = delay.zip(range) else {
        notes.add(place, element.title(), "its time is not a number of milliseconds that is fixed");
        return None;
    };
    // A uniform distribution has the same mean and the same deviation when it is this wide on either side.
    let spread = |mean: f64, deviation: f64| {
        let half = deviation * 3.0_f64.sqrt();
        ((mean - half).max(0.0), mean + half)
    };
    let (from, to) = match element.kind() {
        "UniformRandomTimer" => (delay, delay + range),
        "ConstantTimer" | "TestAction" => (delay, delay),
        kind @ ("GaussianRandomTimer" | "PoissonRandomTimer") => {
            let why = "pauses are equally likely between two times here, with the same mean and deviation";
            notes.add(place, element.title(), why);
            match kind {
                "GaussianRandomTimer" => spread(delay, range),
                _ => spread(delay + range, range.sqrt()),
            }
        }
        _ => {
            notes.add(place, element.title(), "this timer has no counterpart");
            return None;
        }
    };
    let [from, to] = [from, to].map(|it| Duration::from_millis(it.round() as u64));
    (!to.is_zero()).then_some(LoadStep::Think { from, to })
}
