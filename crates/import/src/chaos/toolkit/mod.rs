//! Chaos Toolkit: an experiment as JSON or YAML.
//!
//! ```text
//! probe    a probe of the steady state, with its tolerance → a question of ours
//! command  a command of the method → a fault, with those of units and of containers in files of their own
//! python   a function of an extension → a fault
//! words    the words of a command line, and `${name}` of the configuration
//! ```
//!
//! The method is a list that goes on by pauses and by how long commands take; ours has times, so that each fault
//! begins when it would have begun there. Secrets, headers and values of the configuration are never written down.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::document::{ActsOn, ChaosExperiment, Fault, Safety, Selector, Step};
use evenkeel_model::yaml::{Node, Place, Sort};

use self::command::{Does, Ending};
use self::words::Configuration;
use super::counterpart::{Here, counterpart};
use super::draft::{Draft, experiment};
use super::fields::{Fields, LONGEST, items};
use crate::notes::cut;

pub(super) mod command;
mod engine;
mod kubectl;
mod probe;
mod python;
mod unit;
pub(super) mod words;

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    let title = fields.text("title", draft).unwrap_or("chaos toolkit");
    let mut made = experiment(title);
    let about = fields.text("description", draft).filter(|it| *it != "N/A" && *it != title);
    made.description = Some(about.map_or_else(|| title.to_owned(), |it| format!("{title}\n{it}")));
    let configuration = Configuration::of(fields.take("configuration"), draft);
    let all = activities(root);
    if let Some(mut hypothesis) = fields.map("steady-state-hypothesis", draft) {
        made.hypothesis = hypothesis.text("title", draft).map(str::to_owned);
        for node in hypothesis.items("probes") {
            let activity = Activity::of(node, &all, draft);
            made.steady_state
                .extend(activity.and_then(|it| probe::probe(it, &configuration, draft)));
        }
        controls(&mut hypothesis, draft);
        hypothesis.finish(draft);
    }
    let mut clock = Clock::default();
    for node in fields.items("method") {
        if let Some(activity) = Activity::of(node, &all, draft) {
            clock.on(activity, &configuration, draft);
        }
    }
    clock.close(&mut made, draft);
    for node in fields.items("rollbacks") {
        if let Some(it) = Activity::of(node, &all, draft) {
            let why =
                "each fault is mended at its end, whatever happens; other commands are not run";
            draft.leave_at(node.place, format!("the rollback `{}`", cut(it.name)), why);
        }
    }
    controls(&mut fields, draft);
    fields.leave("secrets", "probes and faults need none", draft);
    fields.leave(
        "runtime",
        "the steady state is asked before, during and after, and what is broken is always mended",
        draft,
    );
    fields.leave_all(
        &["tags", "contributions", "extensions"],
        "it is about the experiment and does nothing",
        draft,
    );
    fields.skip(&["version"]);
    fields.finish(draft);
    draft.add(root.place, made);
}

fn controls(fields: &mut Fields<'_>, draft: &mut Draft) {
    for control in fields.items("controls") {
        let name = control.entry("name").and_then(|it| it.value.text()).unwrap_or_default();
        let why = "code beside an experiment is not run";
        draft.leave_at(control.place, format!("the control `{}`", cut(name)), why);
    }
}

/// What others may refer to, by its name.
type Named<'a> = BTreeMap<&'a str, &'a Node>;

fn activities(root: &Node) -> Named<'_> {
    let hypothesis = root.entry("steady-state-hypothesis").and_then(|it| it.value.entry("probes"));
    let lists = [hypothesis, root.entry("method"), root.entry("rollbacks")];
    let all = lists.into_iter().flatten().flat_map(|it| items(&it.value));
    let whole = all.filter(|it| it.entry("ref").is_none());
    let named = whole.filter_map(|it| Some((it.entry("name")?.value.text()?, it)));
    // Of several with one name the first is meant.
    named.rev().collect()
}

/// A probe or an action.
struct Activity<'a> {
    place: Place,
    name: &'a str,
    is_action: bool,
    fields: Fields<'a>,
    /// `process`, `http` or `python`.
    provider: &'a str,
    parameters: Fields<'a>,
}

impl<'a> Activity<'a> {
    /// Reads one, or the one that is referred to; what is none is a mistake.
    fn of(node: &'a Node, all: &Named<'a>, draft: &mut Draft) -> Option<Self> {
        let mut fields = Fields::of(node, node.place, draft);
        if let Some(name) = fields.text("ref", draft) {
            let Some(known) = all.get(name) else {
                let message = format!("there is no activity called `{}`", cut(name));
                draft.wrong(node.place, message, "Write the `name` of another activity.");
                return None;
            };
            fields.finish(draft);
            return Self::of(known, &Named::new(), draft);
        }
        let name = fields.text("name", draft).unwrap_or_default();
        let is_action = fields.text("type", draft) == Some("action");
        let Some(mut parameters) = fields.map("provider", draft) else {
            draft.wrong(node.place, "an activity without `provider`", "Say what is done or asked.");
            return None;
        };
        let provider = parameters.text("type", draft).unwrap_or_default();
        controls(&mut fields, draft);
        Some(Self { place: node.place, name, is_action, fields, provider, parameters })
    }

    /// What it would do, as the table has it: the program, the function, or the protocol.
    fn word(&mut self, draft: &mut Draft) -> String {
        match self.provider {
            "process" => {
                let path = self.parameters.text("path", draft).unwrap_or_default();
                format!("toolkit/command/{}", path.rsplit('/').next().unwrap_or_default())
            }
            "python" => {
                let module = self.parameters.text("module", draft).unwrap_or_default();
                let function = self.parameters.text("func", draft).unwrap_or_default();
                format!("toolkit/python/{module}.{function}")
            }
            other => format!("toolkit/{other}"),
        }
    }
}

/// The method on its way, from one activity to the next.
#[derive(Default)]
struct Clock {
    now: Duration,
    steps: Vec<Step>,
    /// Steps that last until somebody ends them.
    open: Vec<Open>,
}

/// A step that lasts until somebody ends it.
struct Open {
    /// Which.
    at: usize,
    /// Where it stands.
    place: Place,
    /// What it is called there.
    name: Option<String>,
}

impl Open {
    /// Whether this ends it.
    fn is_ended(&self, step: &Step, by: &Ending) -> bool {
        match (by, &step.fault) {
            (Ending::Of(target), _) => step.target.as_ref() == Some(target),
            (Ending::Unit(unit), Fault::StopUnit { unit: stopped }) => unit == stopped,
            (Ending::Node(node), Fault::Cordon { node: cordoned, .. }) => node == cordoned,
            (Ending::Link(proxy, toxic), _) => {
                let Some(Selector::Dependency(of)) = step.target.as_ref().map(|it| &it.select)
                else {
                    return false;
                };
                proxy.as_ref().is_none_or(|it| crate::draft::label(it) == of.pattern)
                    && toxic.as_ref().is_none_or(|it| Some(it) == self.name.as_ref())
            }
            _ => false,
        }
    }
}

impl Clock {
    fn on(
        &mut self,
        mut activity: Activity<'_>,
        configuration: &Configuration<'_>,
        draft: &mut Draft,
    ) {
        let mut after = Duration::ZERO;
        if let Some(mut pauses) = activity.fields.map("pauses", draft) {
            let mut pause = |key: &str, draft: &mut Draft| {
                pauses.take(key).and_then(|it| draft.seconds(it)).unwrap_or_default()
            };
            let before = pause("before", draft);
            after = pause("after", draft);
            pauses.finish(draft);
            self.pass(before, activity.place, draft);
        }
        let is_background = activity
            .fields
            .take("background")
            .is_some_and(|it| it.value.sort() == Sort::Boolean(true));
        let place = activity.place;
        if activity.is_action {
            self.act(activity, is_background, configuration, draft);
        } else {
            let why = "a probe between the actions judges nothing: what must hold stands under `steadyState`";
            draft.leave_at(place, format!("the probe `{}`", cut(activity.name)), why);
        }
        self.pass(after, place, draft);
    }

    /// Goes on by this time.
    fn pass(&mut self, time: Duration, place: Place, draft: &mut Draft) {
        self.now += time;
        if self.now > LONGEST {
            draft.wrong(place, "the method lasts longer than 30 days", "Shorten its pauses.");
            self.now = Duration::ZERO;
        }
    }

    fn act(
        &mut self,
        mut activity: Activity<'_>,
        is_background: bool,
        configuration: &Configuration<'_>,
        draft: &mut Draft,
    ) {
        let whole = format!("the action `{}`", cut(activity.name));
        let word = activity.word(draft);
        let place = activity.place;
        let shown = word.rsplit('/').next().unwrap_or_default().to_owned();
        match counterpart(&word) {
            Some(Here::Kill | Here::Cpu | Here::Stop | Here::StopUnit) => {}
            _ if ["toolkit/command/sleep", "toolkit/command/kubectl"].contains(&word.as_str()) => {}
            Some(Here::PodDelete | Here::Scale | Here::Cordon | Here::Toxic) => {
                return self.call(activity, &shown, &whole, configuration, draft);
            }
            Some(it) => {
                let why = format!("`{}`: {}", cut(&shown), it.why_not().unwrap_or_default());
                draft.leave_at(place, whole, why);
                return;
            }
            None => {
                let why = format!("`{}` is no way of Chaos Toolkit to do anything", cut(&shown));
                draft.leave_at(place, whole, why);
                return;
            }
        }
        let arguments = activity.parameters.take("arguments");
        let words = match configuration.words(arguments) {
            Ok(it) => it,
            Err(why) => {
                draft.leave_at(place, whole, why);
                return;
            }
        };
        activity.parameters.leave(
            "timeout",
            "the `duration` of a fault says how long it lasts",
            draft,
        );
        activity.parameters.finish(draft);
        activity.fields.finish(draft);
        match command::command(&shown, &words) {
            Ok(does) => self.done(does, None, &whole, is_background, place, draft),
            Err(why) => draft.leave_at(place, whole, why),
        }
    }

    /// Calls a function.
    fn call(
        &mut self,
        mut activity: Activity<'_>,
        name: &str,
        whole: &str,
        configuration: &Configuration<'_>,
        draft: &mut Draft,
    ) {
        let place = activity.place;
        let entry = activity.parameters.take("arguments");
        let why = "the kubeconfig says how a cluster is reached";
        activity.parameters.leave("secrets", why, draft);
        activity.parameters.finish(draft);
        activity.fields.finish(draft);
        let place_of = entry.map_or(place, |it| it.key_place);
        match python::arguments(entry, place_of, configuration) {
            Err(why) => draft.leave_at(place, whole, why),
            Ok(arguments) => {
                match python::function(name, place, &arguments, draft) {
                    // A function returns once it has begun.
                    Some((does, called)) => self.done(does, called, whole, true, place, draft),
                    None => draft.leave_at(place, whole, "nothing of it carries over"),
                }
            }
        }
    }

    /// Goes on by what was done.
    fn done(
        &mut self,
        does: Does,
        called: Option<String>,
        whole: &str,
        is_background: bool,
        place: Place,
        draft: &mut Draft,
    ) {
        match does {
            Does::Waits(time) if !is_background => self.pass(time, place, draft),
            Does::Waits(_) => {}
            Does::Ends(all) => {
                if all.iter().filter(|it| self.go_on(it, draft)).count() == 0 {
                    let why = "nothing that began here is taken back by it";
                    draft.leave_at(place, whole, why);
                }
            }
            Does::Faults { faults, unread } => {
                for it in unread {
                    draft.leave_at(place, format!("`{}` of {whole}", cut(&it.0)), it.1);
                }
                let mut longest = Duration::ZERO;
                for step in faults {
                    longest = longest.max(step.duration.unwrap_or_default());
                    self.begin(step, called.clone(), place, draft);
                }
                if !is_background {
                    self.pass(longest, place, draft);
                }
            }
        }
    }

    /// Begins a fault, which ends at once, by its duration, or when somebody ends it.
    fn begin(&mut self, mut step: Step, name: Option<String>, place: Place, draft: &mut Draft) {
        step.at = self.now;
        if step.fault.is_one_shot() || step.duration.is_some() {
            self.steps.push(step);
            return;
        }
        // Another number for the same deployment ends the first.
        let (now, steps) = (self.now, &mut self.steps);
        self.open.retain(|it| {
            let ended = steps.get_mut(it.at).filter(|it| is_same_deployment(it, &step));
            ended.map(|step| end(step, now, it.place, draft)).is_none()
        });
        let is_of_link = |step: &Step| step.acts_on() == ActsOn::Link;
        let taken = self.open.iter().filter_map(|it| self.steps.get(it.at));
        if is_of_link(&step) && taken.into_iter().any(|it| it.target == step.target) {
            let why =
                "a link bears one fault at a time: write it as a step of its own, after the other";
            draft.leave_at(place, format!("`{}`", step.fault), why);
            return;
        }
        self.open.push(Open { at: self.steps.len(), place, name });
        self.steps.push(step);
    }

    /// Ends what was to last until now; whether anything was.
    fn go_on(&mut self, by: &Ending, draft: &mut Draft) -> bool {
        let (now, steps, before) = (self.now, &mut self.steps, self.open.len());
        self.open.retain(|open| {
            let ended = steps.get_mut(open.at).filter(|it| open.is_ended(it, by));
            ended.map(|it| end(it, now, open.place, draft)).is_none()
        });
        self.open.len() < before
    }

    /// The end of the method.
    fn close(mut self, made: &mut ChaosExperiment, draft: &mut Draft) {
        let mut restored = Vec::new();
        for Open { at, place, .. } in std::mem::take(&mut self.open) {
            let before = self.steps.get(..at).unwrap_or_default();
            let Some(last) = self.steps.get(at) else { continue };
            if last.at == self.now && before.iter().any(|it| is_same_deployment(it, last)) {
                let why = "the number from before comes back by itself at the end of a fault";
                draft.leave_at(place, format!("`{}`", last.fault), why);
                restored.push(at);
            } else if let Some(step) = self.steps.get_mut(at) {
                end(step, self.now, place, draft);
            }
        }
        let mut at = 0..;
        self.steps.retain(|_| at.next().is_none_or(|it| !restored.contains(&it)));
        made.method = self.steps;
    }
}

/// Whether both say how many pods a deployment has.
fn is_same_deployment(one: &Step, other: &Step) -> bool {
    match (&one.fault, &other.fault) {
        (
            Fault::Scale { deployment, namespace, .. },
            Fault::Scale { deployment: of, namespace: at, .. },
        ) => (deployment, namespace) == (of, at),
        _ => false,
    }
}

/// Ends a step; what would end as it begins gets a time.
fn end(step: &mut Step, now: Duration, place: Place, draft: &mut Draft) {
    let time = now.saturating_sub(step.at);
    if time.is_zero() {
        draft.leave_at(place, format!("how long `{}` lasts", step.fault), super::NO_END);
    }
    step.duration = Some(if time.is_zero() { Safety::MAX_DURATION } else { time });
}
