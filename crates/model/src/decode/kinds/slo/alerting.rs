//! What `alerting` of an `SLO` is made of.

use super::super::alert_policy::or_none;
use crate::decode::codec::{Any, Forms, Mapped, Object};
use crate::decode::fields::Fields;
use crate::decode::values::{name, prose};
use crate::document::{Alerting, Alerts, Notice};

/// Nobody, by a policy, or as a map says.
pub(super) fn alerting() -> Forms<Option<Alerting>> {
    let word = Mapped {
        of: name(),
        into: |it: String| match it.as_str() {
            "none" => None,
            _ => Some(Alerting { policy: by(it), ..Alerting::default() }),
        },
    };
    let whole = Object { title: "Alerting", fields: whole };
    let whole: Any<Option<Alerting>> = Box::new(Mapped { of: whole, into: Some });
    Forms {
        expected: "`none`, the name of an AlertPolicy, or a map",
        scalar: Some(Box::new(word)),
        list: None,
        map: Some(whole),
    }
}

/// The windows that a name stands for.
fn by(name: String) -> Alerts {
    if name == "default" { Alerts::Standard } else { Alerts::Named(name) }
}

fn whole(f: &mut Fields<'_>) -> Option<Alerting> {
    let sentence = "What the alerts are called. Default: made of the name of the objective.";
    let name = f.optional("name", sentence, prose());
    let sentence =
        "By which windows burning is noticed: the name of an AlertPolicy, or the spec of one.";
    let policy = f.default("policy", sentence, policy(), "default");
    let labels = super::labels(f, "labels", "Labels of every alert, by which they are routed.");
    let annotations = super::labels(f, "annotations", "Annotations of every alert, for people.");
    let page = notice(f, "page", "What pages have beside it, or `none`.");
    let ticket = notice(f, "ticket", "What tickets have beside it, or `none`.");
    Some(Alerting {
        name,
        policy: policy?,
        labels: labels?,
        annotations: annotations?,
        page,
        ticket,
    })
}

fn policy() -> Forms<Alerts> {
    let own = Mapped { of: super::super::alert_policy::SPEC, into: |it| Alerts::Own(Box::new(it)) };
    Forms {
        expected: "the name of an AlertPolicy, or the spec of one",
        scalar: Some(Box::new(Mapped { of: name(), into: by })),
        list: None,
        map: Some(Box::new(own)),
    }
}

/// What alerts of a severity have; nothing where they are not wanted.
fn notice(f: &mut Fields<'_>, field: &'static str, sentence: &'static str) -> Option<Notice> {
    let read = f.optional(field, sentence, or_none(Object { title: "Notice", fields: labelled }));
    if f.has(field) { read.flatten() } else { Some(Notice::default()) }
}

fn labelled(f: &mut Fields<'_>) -> Option<Notice> {
    let labels = super::labels(f, "labels", "Labels of these alerts.");
    let annotations = super::labels(f, "annotations", "Annotations of these alerts.");
    Some(Notice { labels: labels?, annotations: annotations? })
}
