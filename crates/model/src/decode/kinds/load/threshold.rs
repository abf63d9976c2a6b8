//! What must hold: limits of figures, and what each is about.

use crate::decode::codec::{Any, Flag, Forms, List, Mapped, Object};
use crate::decode::fields::Fields;
use crate::decode::values::condition::{condition, limits};
use crate::decode::values::title;
use crate::document::{Criterion, Threshold};

/// A map from figures to limits, or a list of conditions, each by itself or with what it is about.
pub(super) fn thresholds() -> Forms<Vec<Threshold>> {
    let map: Any<Vec<Threshold>> = Box::new(Mapped { of: limits(), into: all });
    let one = Forms {
        expected: "a condition such as `p95 < 500ms`",
        scalar: Some(Box::new(Mapped { of: condition(), into: Threshold::from }) as Any<Threshold>),
        list: None,
        map: Some(Box::new(Object { title: "Threshold", fields: threshold })),
    };
    let list: Any<Vec<Threshold>> = Box::new(List { of: one, min: 0 });
    Forms { expected: "a map of conditions", scalar: None, list: Some(list), map: Some(map) }
}

fn all(criteria: Vec<Criterion>) -> Vec<Threshold> {
    criteria.into_iter().map(Threshold::from).collect()
}

fn threshold(f: &mut Fields<'_>) -> Option<Threshold> {
    let criterion = f.required("that", "The condition.", condition());
    let route = f.optional("route", "Only requests of this route count.", title());
    let phase = f.optional("phase", "Only requests of this phase count.", title());
    let sentence = "The load ends as soon as it does not hold: the run has failed.";
    let stop = f.default("stop", sentence, Flag, "false");
    Some(Threshold { criterion: criterion?, route, phase, stop: stop? })
}
