//! What a `ChaosExperiment` is made of.

use super::faults::{TARGET, steps};
use super::safety::{SAFETY, probes};
use crate::decode::codec::{List, Object};
use crate::decode::fields::Fields;
use crate::decode::values::condition::conditions;
use crate::decode::values::{length, prose, schedule, some_share, title};
use crate::document::{ChaosExperiment, Monkey};

pub(super) const SPEC: Object<ChaosExperiment> =
    Object { title: "ChaosExperiment", fields: experiment };

fn experiment(f: &mut Fields<'_>) -> Option<ChaosExperiment> {
    let title = f.optional("title", "For people: what it is called in sentences.", prose());
    let description = f.optional("description", "For people.", prose());
    let sentence = "What is believed, and shall be disproved if it is wrong.";
    let hypothesis = f.optional("hypothesis", sentence, prose());
    let sentence = "What must hold before, is watched during, and must hold again after.";
    let steady_state = f.or_empty("steadyState", sentence, probes());
    let sentence = "The target of the faults that name none of their own.";
    let target = f.optional("target", sentence, TARGET);
    let sentence = "What happens: faults with their times.";
    let method = f.required("method", sentence, List { of: steps(), min: 1 });
    let safety = f.or_empty("safety", "The limits within which it may act.", SAFETY);
    let sentence = "What must hold for the hypothesis to stand.";
    let success = f.or_empty("success", sentence, conditions());
    let sentence = "How long it goes on after its last fault when it runs by itself. \
                    Default: 30s when a fault acts once, else 5s.";
    let observe = f.optional("observe", sentence, length());
    let sentence = "When `evenkeel chaos schedule` runs it: cron, with a time zone behind it or in that of `safety`, \
                    or `@every 2h`.";
    let schedule = f.optional("schedule", sentence, schedule());
    let sentence =
        "Leaves it to chance whether a run breaks anything, within groups that opted in or out.";
    let monkey = f.optional("monkey", sentence, Object { title: "Monkey", fields: monkey });

    let mut method = method?;
    for step in &mut method {
        if step.target.is_none() && !step.fault.needs_no_target() {
            step.target.clone_from(&target);
        }
    }
    Some(ChaosExperiment {
        name: String::new(),
        title,
        description,
        hypothesis,
        steady_state: steady_state?,
        method,
        safety: safety?,
        success: success?,
        observe,
        schedule,
        monkey,
    })
}

fn monkey(f: &mut Fields<'_>) -> Option<Monkey> {
    let sentence = "The share of the runs that break anything, drawn by the seed of the run.";
    let probability = f.required("probability", sentence, some_share());
    let sentence = "Only these are hit: names of Services, instances, dependencies or programs; `*` stands for \
                    anything. Default: all.";
    let opt_in = f.or_empty("optIn", sentence, List { of: title(), min: 0 });
    let sentence = "These are never hit, whatever else is said.";
    let opt_out = f.or_empty("optOut", sentence, List { of: title(), min: 0 });
    Some(Monkey { probability: probability?, opt_in: opt_in?, opt_out: opt_out? })
}
