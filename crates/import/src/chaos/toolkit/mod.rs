//! Chaos Toolkit: an experiment as JSON or YAML.
//!
//! ```text
//! probe    a probe of the steady state, with its tolerance → a question of ours
//! command  a command of the method → a fault
//! words    the words of a command line, and `${name}` of the configuration
//! ```
//!
//! The method is a list that goes on by pauses and by how long commands take; ours has times, so that each fault
//! begins when it would have begun there. Secrets, headers and values of the configuration are never written down.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::document::{ChaosExperiment, Safety, Step, Target};
use evenkeel_model::yaml::{Node, Place, Sort};

use self::words::Configuration;
use super::counterpart::{Here, counterpart};
use super::draft::{Draft, experiment};
use super::fields::{Fields, LONGEST, items};
use crate::notes::cut;

pub(super) mod command;
mod probe;
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
    /// Steps that last until somebody ends them: of these, where they stand.
    open: Vec<(usize, Place)>,
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
            Some(Here::Kill | Here::Cpu) => {}
            _ if word == "toolkit/command/sleep" => {}
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
            Ok(command::Does::Waits(time)) if !is_background => self.pass(time, place, draft),
            Ok(command::Does::Waits(_)) => {}
            Ok(command::Does::Continues(targets)) => {
                targets.iter().for_each(|it| self.go_on(it, draft));
            }
            Ok(command::Does::Faults { faults, unread }) => {
                for it in unread {
                    draft.leave_at(place, format!("`{}` of {whole}", cut(&it.0)), it.1);
                }
                let mut longest = Duration::ZERO;
                for mut step in faults {
                    step.at = self.now;
                    longest = longest.max(step.duration.unwrap_or_default());
                    if !step.fault.is_one_shot() && step.duration.is_none() {
                        self.open.push((self.steps.len(), place));
                    }
                    self.steps.push(step);
                }
                if !is_background {
                    self.pass(longest, place, draft);
                }
            }
            Err(why) => draft.leave_at(place, whole, why),
        }
    }

    /// Ends what was to last until now.
    fn go_on(&mut self, target: &Target, draft: &mut Draft) {
        let (now, steps) = (self.now, &mut self.steps);
        self.open.retain(|(at, place)| {
            let ended = steps.get_mut(*at).filter(|it| it.target.as_ref() == Some(target));
            ended.map(|it| end(it, now, *place, draft)).is_none()
        });
    }

    /// The end of the method.
    fn close(mut self, made: &mut ChaosExperiment, draft: &mut Draft) {
        for (at, place) in std::mem::take(&mut self.open) {
            if let Some(step) = self.steps.get_mut(at) {
                end(step, self.now, place, draft);
            }
        }
        made.method = self.steps;
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
