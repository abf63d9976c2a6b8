//! `chaosmonkey:`: one experiment for each group that opted in, which kills one of its instances, by chance.
//!
//! ```yaml
//! chaosmonkey:
//!   enabled: true
//!   schedule: {enabled: true, frequency: daily, hour: 10}
//!   termination: {asg_only: true, probability: 0.1, opt_in: [web], opt_out: [database]}
//! ```

use std::time::Duration;

use evenkeel_model::document::{Fault, Mode, Monkey, Schedule};
use evenkeel_model::yaml::{Entry, Node, Place, Sort};
use evenkeel_units::Ratio;

use super::draft::{self, Draft, experiment};
use super::fields::{Fields, at};
use crate::draft::label;

pub(super) fn import(root: &Node, draft: &mut Draft) {
    let mut fields = Fields::of(root, root.place, draft);
    if let Some(mut monkey) = fields.map("chaosmonkey", draft) {
        if let Some(it) = monkey.take("enabled")
            && it.value.sort() != Sort::Boolean(true)
        {
            draft.leave(it, "an experiment runs when it is asked for, and not otherwise");
        }
        let schedule = monkey.map("schedule", draft).and_then(|it| times(it, draft));
        if let Some(termination) = monkey.map("termination", draft) {
            groups(termination, schedule.as_ref(), draft);
        }
        monkey.finish(draft);
    }
    fields.finish(draft);
}

/// Once a day, an hour or a week.
fn times(mut fields: Fields<'_>, draft: &mut Draft) -> Option<Schedule> {
    let enabled = fields.take("enabled");
    if let Some(it) = enabled.filter(|it| it.value.sort() != Sort::Boolean(true)) {
        draft.leave(it, "an experiment whose times nobody waits for is run when it is asked for");
    }
    let hour = fields.take("hour").and_then(|it| draft.count(it).map(|hour| (it, hour)));
    let frequency = fields.take("frequency");
    let text = match (frequency.and_then(|it| it.value.text()).unwrap_or("daily"), hour) {
        ("hourly", _) => Some("0 * * * *".to_owned()),
        ("daily", Some((_, hour))) => Some(format!("0 {hour} * * *")),
        ("weekdays", Some((_, hour))) => Some(format!("0 {hour} * * Mon-Fri")),
        ("weekly", Some((_, hour))) => Some(format!("0 {hour} * * Mon")),
        _ => None,
    };
    let schedule = text.and_then(|it| Schedule::parse(&it).ok());
    let entry = hour.map(|(entry, _)| entry).or(frequency);
    match (&schedule, entry) {
        (Some(_), Some(entry)) => {
            let why = "it was that of the machine that ran it, and is UTC here: write `timeZone` under `safety`";
            draft.leave_at(entry.key_place, "the time zone of its hour", why);
        }
        (None, Some(entry)) => {
            draft.leave(
                entry,
                "these are no times: write them under `schedule`, such as `0 10 * * Mon-Fri`",
            );
        }
        (_, None) => {}
    }
    fields.finish(draft);
    schedule
}

fn groups(mut fields: Fields<'_>, schedule: Option<&Schedule>, draft: &mut Draft) {
    let probability = fields.take("probability").and_then(|it| chance(it, draft));
    let mut opt_out = names(fields.items("opt_out"), draft);
    draft.bound(&mut opt_out, Place::default(), "groups");
    for group in fields.items("opt_in") {
        let Some(name) = name(group, draft) else { continue };
        let target = draft::instances(Some(&name), Mode::One);
        draft.whereabouts(group.place, &target);
        let mut made = experiment(&format!("{name}-loses-one"));
        made.hypothesis = Some(format!("{name} survives the loss of one instance"));
        made.method.push(draft::step(Fault::Kill { every: None }, target, Duration::ZERO, None));
        made.schedule = schedule.cloned();
        // A Service goes by its label.
        let opt_in = vec![label(&name)];
        let opt_out: Vec<String> = opt_out.iter().map(|it| label(it)).collect();
        let probability = probability.unwrap_or(Ratio::ONE);
        made.monkey = Some(Monkey { probability, opt_in, opt_out });
        draft.add(group.place, made);
    }
    let why = "the probability is that of a run: write it for the times under `schedule`";
    fields.leave("mean_time_between_kills", why, draft);
    fields.leave("asg_only", "there are no scaling groups: the Service names its instances", draft);
    fields.finish(draft);
}

/// A share of the runs, as a number between 0 and 1.
fn chance(entry: &Entry, draft: &mut Draft) -> Option<Ratio> {
    let share = draft.number(entry)?;
    match Ratio::new(share) {
        Some(Ratio::ZERO) => {
            draft.leave(entry, "it would never do anything, and always does");
            None
        }
        Some(it) => Some(it),
        None => {
            let place = at(entry.value.place, entry.key_place);
            draft.wrong(place, "a probability lies between 0 and 1", "Write one such as `0.1`.");
            None
        }
    }
}

fn names(groups: &[Node], draft: &mut Draft) -> Vec<String> {
    groups.iter().filter_map(|it| name(it, draft)).collect()
}

fn name(group: &Node, draft: &mut Draft) -> Option<String> {
    let name = group.text().filter(|it| !it.is_empty());
    if name.is_none() {
        draft.wrong(group.place, "a name of a group belongs here", "Write its name.");
    }
    name.map(str::to_owned)
}
