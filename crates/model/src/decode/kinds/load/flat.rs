//! From what is written to what is sent: every request gets its number, every name is one, and every
//! placeholder has somebody who fills it.

use std::collections::BTreeSet;

use super::route::Request;
use super::scenario::{Draft, Step};
use crate::decode::fields::Fields;
use crate::decode::{codes, nearest};
use crate::document::{
    Call, Condition, Feeder, LoadStep, Route, Rows, Scenario, Slot, Template, Threshold,
};

/// The most requests of one load test: each has figures of its own, in every second of every report.
const MAX_ROUTES: usize = 1_000;

/// What the routes or scenarios of a load come to.
#[derive(Default)]
pub(super) struct Flat {
    pub(super) routes: Vec<Route>,
    pub(super) scenarios: Vec<Scenario>,
    pub(super) transactions: Vec<String>,
    pub(super) success: Vec<Threshold>,
}

/// Puts them together, and reports what is wrong between them.
struct Flattening<'f, 'a> {
    f: &'f mut Fields<'a>,
    /// `None` when the data could not be read, so that nothing can be said about it.
    feeders: Option<&'f [Feeder]>,
    names: BTreeSet<String>,
    transactions: BTreeSet<String>,
    /// What the steps of this scenario extract; `None` outside of any.
    vars: Option<BTreeSet<String>>,
    scenario: String,
    flat: Flat,
}

/// Routes without scenarios.
pub(super) fn routes(f: &mut Fields<'_>, routes: Vec<Request>, feeders: Option<&[Feeder]>) -> Flat {
    let mut it = Flattening::new(f, feeders);
    for (n, request) in routes.into_iter().enumerate() {
        it.request(request, &format!("routes/{n}"));
    }
    it.flat
}

/// Scenarios.
pub(super) fn scenarios(
    f: &mut Fields<'_>,
    drafts: Vec<Draft>,
    feeders: Option<&[Feeder]>,
) -> Flat {
    let mut it = Flattening::new(f, feeders);
    let mut names = BTreeSet::new();
    for (n, draft) in drafts.into_iter().enumerate() {
        let path = format!("scenarios/{n}");
        if !names.insert(draft.name.clone()) {
            it.ambiguous(&format!("{path}/name"), "scenarios", &draft.name);
        }
        let mut vars = BTreeSet::new();
        extracted(&draft.steps, &mut vars);
        it.vars = Some(vars);
        it.scenario.clone_from(&draft.name);
        let steps = it.steps(draft.steps, &format!("{path}/steps"));
        let Draft { name, weight, cookies, .. } = draft;
        it.flat.scenarios.push(Scenario { name, weight, cookies, steps });
    }
    it.flat
}

/// Every variable that the steps extract.
fn extracted(steps: &[Step], vars: &mut BTreeSet<String>) {
    for step in steps {
        match step {
            Step::Request(it) => vars.extend(it.route.extract.iter().map(|it| it.var.clone())),
            Step::Think(..) => {}
            Step::Repeat(_, steps) | Step::While(_, _, steps) | Step::Transaction(_, steps) => {
                extracted(steps, vars);
            }
            Step::If(_, then, otherwise) => {
                extracted(then, vars);
                extracted(otherwise, vars);
            }
        }
    }
}

impl<'f, 'a> Flattening<'f, 'a> {
    fn new(f: &'f mut Fields<'a>, feeders: Option<&'f [Feeder]>) -> Self {
        Self {
            f,
            feeders,
            names: BTreeSet::new(),
            transactions: BTreeSet::new(),
            vars: None,
            scenario: String::new(),
            flat: Flat::default(),
        }
    }

    fn ambiguous(&mut self, path: &str, what: &str, name: &str) {
        let message = format!("two {what} are called `{name}`");
        let help = "Give each a `name` of its own, so that reports can tell them apart.";
        self.f.refuse(path, codes::AMBIGUOUS, message, help);
    }

    fn steps(&mut self, steps: Vec<Step>, path: &str) -> Vec<LoadStep> {
        let all = steps.into_iter().enumerate();
        all.map(|(n, step)| self.step(step, &format!("{path}/{n}"))).collect()
    }

    fn step(&mut self, step: Step, path: &str) -> LoadStep {
        match step {
            Step::Request(request) => LoadStep::Request(self.request(*request, path)),
            Step::Think(from, to) => LoadStep::Think { from, to },
            Step::Repeat(times, steps) => {
                let steps = self.steps(steps, &format!("{path}/repeat/steps"));
                LoadStep::Repeat { times, steps }
            }
            Step::While(condition, at_most, steps) => {
                self.condition(&condition, &format!("{path}/while"));
                let steps = self.steps(steps, &format!("{path}/while/steps"));
                LoadStep::While { condition, at_most, steps }
            }
            Step::If(condition, then, otherwise) => {
                self.condition(&condition, &format!("{path}/if"));
                let then = self.steps(then, &format!("{path}/if/then"));
                let otherwise = self.steps(otherwise, &format!("{path}/if/else"));
                LoadStep::If { condition, then, otherwise }
            }
            Step::Transaction(name, steps) => {
                let path = format!("{path}/transaction");
                if !self.transactions.insert(name.clone()) {
                    self.ambiguous(&format!("{path}/name"), "transactions", &name);
                }
                let transaction = self.flat.transactions.len();
                self.flat.transactions.push(name);
                let steps = self.steps(steps, &format!("{path}/steps"));
                LoadStep::Transaction { transaction, steps }
            }
        }
    }

    fn request(&mut self, request: Request, path: &str) -> usize {
        let Request { route, success } = request;
        let number = self.flat.routes.len();
        if number == MAX_ROUTES {
            let message = format!("more than {MAX_ROUTES} requests in one load test");
            self.f.refuse(path, codes::TOO_MANY, message, "Split the document.");
        }
        if number >= MAX_ROUTES {
            return number;
        }
        if !self.names.insert(route.name.clone()) {
            self.ambiguous(&format!("{path}/name"), "routes", &route.name);
        }
        for (field, template) in fields(&route.call) {
            self.template(template, &format!("{path}/{field}"));
        }
        let of_route =
            |criterion| Threshold { route: Some(route.name.clone()), ..Threshold::from(criterion) };
        self.flat.success.extend(success.into_iter().map(of_route));
        self.flat.routes.push(route);
        number
    }

    fn condition(&mut self, condition: &Condition, path: &str) {
        match condition {
            Condition::Exists(name) => self.var(name, &format!("{path}/exists")),
            Condition::Equal(a, b) => {
                self.template(a, &format!("{path}/equal/0"));
                self.template(b, &format!("{path}/equal/1"));
            }
            Condition::Different(a, b) => {
                self.template(a, &format!("{path}/different/0"));
                self.template(b, &format!("{path}/different/1"));
            }
            Condition::Chance(_) => {}
        }
    }

    fn template(&mut self, template: &Template, path: &str) {
        for slot in template.slots() {
            match slot {
                Slot::Data { feeder, column } => self.data(feeder, column, path),
                Slot::Var(name) => self.var(name, path),
                Slot::User | Slot::Iteration | Slot::Time | Slot::Uuid | Slot::Between(..) => {}
            }
        }
    }

    fn data(&mut self, name: &str, column: &str, path: &str) {
        let Some(feeders) = self.feeders else { return };
        let Some(feeder) = feeders.iter().find(|it| it.name == name) else {
            let help = match nearest(name, feeders.iter().map(|it| it.name.as_str())) {
                Some(nearest) => format!("Did you mean `{nearest}`?"),
                None => format!("Add `data: {{{name}: {{csv: {name}.csv}}}}`."),
            };
            let message = format!("there is no data called `{name}`");
            self.f.refuse(path, codes::UNKNOWN_VALUE, message, help);
            return;
        };
        let Rows::Inline(columns, _) = &feeder.rows else { return };
        if !columns.iter().any(|it| it == column) {
            let help = match nearest(column, columns.iter().map(String::as_str)) {
                Some(nearest) => format!("Did you mean `{nearest}`?"),
                None => format!("Its columns are {}.", columns.join(", ")),
            };
            let message = format!("`{name}` has no column `{column}`");
            self.f.refuse(path, codes::UNKNOWN_VALUE, message, help);
        }
    }

    fn var(&mut self, name: &str, path: &str) {
        let (message, help) = match &self.vars {
            None => (
                format!("nothing extracts `{name}`"),
                "Requests that build on answers are steps of a scenario; write `scenarios`."
                    .to_owned(),
            ),
            Some(vars) if vars.contains(name) => return,
            Some(vars) => (
                format!("no step of `{}` extracts `{name}`", self.scenario),
                match nearest(name, vars.iter().map(String::as_str)) {
                    Some(nearest) => format!("Did you mean `{nearest}`?"),
                    None => format!(
                        "Add `extract: {{{name}: {{json: \"$.{name}\"}}}}` to the step whose answer has it."
                    ),
                },
            ),
        };
        self.f.refuse(path, codes::UNKNOWN_VALUE, message, help);
    }
}

/// The templates of a call, and where each stands in its document.
fn fields(call: &Call) -> Vec<(String, &Template)> {
    let named = |under: &str, all: &'_ [(String, Template)]| -> Vec<String> {
        all.iter().map(|(name, _)| format!("{under}/{name}")).collect()
    };
    let own = |name: &str| name.to_owned();
    match call {
        Call::Http { path, headers, body, .. } => {
            let of_headers = named("headers", headers).into_iter();
            let headers = of_headers.zip(headers.iter().map(|(_, it)| it));
            let body = body.iter().map(|it| (own("body"), it));
            std::iter::once((own("path"), path)).chain(headers).chain(body).collect()
        }
        Call::Grpc { messages, metadata, .. } => {
            let several = messages.len() > 1;
            let place = |n: usize| match several {
                true => format!("grpc/messages/{n}"),
                false => own("grpc/message"),
            };
            let messages = messages.iter().enumerate().map(|(n, it)| (place(n), it));
            let names = named("grpc/metadata", metadata).into_iter();
            messages.chain(names.zip(metadata.iter().map(|(_, it)| it))).collect()
        }
        Call::Message { payload, .. } => vec![(own("message/send"), payload)],
        Call::Produce { key, value, .. } => {
            let key = key.iter().map(|it| (own("produce/key"), it));
            std::iter::once((own("produce/value"), value)).chain(key).collect()
        }
        Call::Consume { .. } => Vec::new(),
        Call::Query { name, .. } => vec![(own("query/name"), name)],
    }
}
