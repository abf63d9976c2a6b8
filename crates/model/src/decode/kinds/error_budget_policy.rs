//! What an `ErrorBudgetPolicy` is made of.

use std::cmp::Reverse;

use crate::decode::codec::{Any, List, Object, OneKey};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::{name, prose, share};
use crate::document::{Action, BudgetThreshold, ErrorBudgetPolicy, Gate, Severity};

pub(super) const SPEC: Object<ErrorBudgetPolicy> =
    Object { title: "ErrorBudgetPolicy", fields: policy };

fn policy(f: &mut Fields<'_>) -> Option<ErrorBudgetPolicy> {
    let description = f.optional("description", "For people.", prose());
    let sentence = "It is about the objectives of this service. Default: of all.";
    let service = f.optional("service", sentence, name());
    let sentence = "It is about these SLOs alone. Default: all of the service.";
    let objectives = f.or_empty("objectives", sentence, List { of: name(), min: 0 });
    let thresholds = List { of: Object { title: "BudgetThreshold", fields: threshold }, min: 1 };
    let sentence = "What is done when no more than a share of the budget is left; the smallest share reached holds.";
    let thresholds = f.or_empty("thresholds", sentence, thresholds);
    let sentence = "How much more than a threshold must be left before it is no longer in force.";
    let hysteresis = f.default("hysteresis", sentence, share(), "0%");
    let sentence = "When nobody may deploy. Default: the policy closes no gate.";
    let gate = f.optional("gate", sentence, Object { title: "Gate", fields: gate });
    f.at_least_one(&["thresholds", "gate"]);
    let mut thresholds = thresholds?;
    for (n, it) in thresholds.iter().enumerate() {
        if thresholds.iter().take(n).any(|before| before.remaining == it.remaining) {
            let message = format!("a second threshold at {}", it.remaining);
            let path = format!("thresholds/{n}/remaining");
            f.refuse(&path, codes::RANGE, message, "Put the actions of both into one list.");
        }
    }
    thresholds.sort_by_key(|it| Reverse(it.remaining));
    Some(ErrorBudgetPolicy {
        name: String::new(),
        description,
        service,
        objectives: objectives?,
        thresholds,
        hysteresis: hysteresis?,
        gate,
    })
}

fn threshold(f: &mut Fields<'_>) -> Option<BudgetThreshold> {
    let sentence = "The share of the budget that is left, or less.";
    let remaining = f.required("remaining", sentence, share());
    let actions = f.required("actions", "What is done, in order.", List { of: action(), min: 1 });
    Some(BudgetThreshold { remaining: remaining?, actions: actions? })
}

fn action() -> OneKey<Action> {
    let body = |title, fields| -> Any<Action> { Box::new(Object { title, fields }) };
    OneKey {
        expected: "an action",
        kinds: vec![
            ("notify", "Somebody is told.", body("Notify", notify)),
            ("review", "People look back at what happened.", body("Review", review)),
            ("freeze", "Nothing is deployed.", body("Freeze", freeze)),
            ("ticket", "Work is written down.", body("Ticket", ticket)),
            ("incident", "It is an incident.", body("Incident", incident)),
        ],
    }
}

fn description(f: &mut Fields<'_>) -> Option<String> {
    f.optional("description", "For people.", prose())
}

fn notify(f: &mut Fields<'_>) -> Option<Action> {
    let target = f.required("target", "Who is told, or where.", prose());
    let description = description(f);
    Some(Action::Notify { target: target?, description })
}

fn review(f: &mut Fields<'_>) -> Option<Action> {
    Some(Action::Review { description: description(f) })
}

fn freeze(f: &mut Fields<'_>) -> Option<Action> {
    let scope = f.optional("scope", "What is not deployed. Default: anything.", prose());
    let sentence = "Kinds of deployments that it spares.";
    let spares = f.or_empty("spares", sentence, List { of: prose(), min: 0 });
    let description = description(f);
    Some(Action::Freeze { scope, spares: spares?, description })
}

fn ticket(f: &mut Fields<'_>) -> Option<Action> {
    let target = f.optional("target", "Where it is written down.", prose());
    Some(Action::Ticket { target, description: description(f) })
}

fn incident(f: &mut Fields<'_>) -> Option<Action> {
    let priority = f.optional("priority", "Its priority, such as `P1`.", prose());
    Some(Action::Incident { priority, description: description(f) })
}

fn gate(f: &mut Fields<'_>) -> Option<Gate> {
    let sentence = "The least share of the budget that has to be left.";
    let min_remaining = f.default("minRemaining", sentence, share(), "10%");
    let words =
        [("page", Some(Severity::Page)), ("ticket", Some(Severity::Ticket)), ("none", None)];
    let words = super::words("`page`, `ticket` or `none`", &words);
    let sentence = "Nobody may deploy while an alert fires that is at least so urgent.";
    let closed_by = f.default("closedBy", sentence, words, "page");
    let sentence = "Kinds of deployments that pass nevertheless, with a reason that is kept.";
    let exceptions = f.or_empty("exceptions", sentence, List { of: prose(), min: 0 });
    Some(Gate { min_remaining: min_remaining?, closed_by: closed_by?, exceptions: exceptions? })
}
