//! `chaosmonkey:`: one experiment for each group that opted in, which kills one of its instances.
//!
//! ```yaml
//! chaosmonkey:
//!   enabled: true
//!   schedule: {enabled: true, frequency: daily, hour: 10}
//!   termination: {asg_only: true, probability: 0.1, opt_in: [web], opt_out: [database]}
//! ```

use std::time::Duration;

use evenkeel_model::document::{Fault, Mode};
use evenkeel_model::yaml::{Node, Sort};

use super::draft::{self, Draft, experiment};
use super::fields::{Fields, items};

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    if let Some(mut monkey) = fields.map("chaosmonkey", draft) {
        if let Some(it) = monkey.take("enabled")
            && it.value.sort() != Sort::Boolean(true)
        {
            draft.leave(it, "an experiment runs when it is asked for, and not otherwise");
        }
        monkey.leave("schedule", super::NO_SCHEDULE, draft);
        if let Some(termination) = monkey.map("termination", draft) {
            groups(termination, draft);
        }
        monkey.finish(draft);
    }
    fields.finish(draft);
}

fn groups(mut fields: Fields<'_>, draft: &mut Draft) {
    for group in fields.items("opt_in") {
        let Some(name) = group.text().filter(|it| !it.is_empty()) else {
            draft.wrong(group.place, "a name of a group belongs here", "Write its name.");
            continue;
        };
        let target = draft::instances(Some(name), Mode::One);
        draft.whereabouts(group.place, &target);
        let mut made = experiment(&format!("{name}-loses-one"));
        made.hypothesis = Some(format!("{name} survives the loss of one instance"));
        made.method.push(draft::step(Fault::Kill { every: None }, target, Duration::ZERO, None));
        draft.add(group.place, made);
    }
    if let Some(entry) = fields.take("opt_out") {
        for group in items(&entry.value) {
            let what = format!("the group `{}` under `opt_out`", group.text().unwrap_or_default());
            let why = "nothing is hit that no experiment names; its Service allows nothing unless `allowFaults` says so";
            draft.leave_at(group.place, what, why);
        }
    }
    let why = "nothing is left to chance yet whether it runs: it does when it is asked for";
    fields.leave_all(&["probability", "mean_time_between_kills"], why, draft);
    fields.leave("asg_only", "there are no scaling groups: the Service names its instances", draft);
    fields.finish(draft);
}
