//! Pods that are deleted: `pod-delete` of Litmus, `pod-kill` of Chaos Mesh, `terminate_pods` of Chaos Toolkit.

use std::time::Duration;

use evenkeel_model::document::{ChaosExperiment, Fault, Labels, Mode};
use evenkeel_model::yaml::{Entry, Place};
use evenkeel_units::Ratio;

use super::HITS_MORE;
use super::draft::{self, Draft};
use super::fields::{Fields, items};
use super::kubernetes as k8s;

/// Pods by namespace and labels, where they stand in a file.
pub(super) struct Which<'a> {
    pub(super) place: Place,
    pub(super) namespace: Option<&'a str>,
    pub(super) labels: Labels,
    /// Whether that is all there is to say of them.
    is_whole: bool,
}

/// What is said of other ways to choose among pods.
const BY_LABELS: &str = "pods are found by namespace and labels";

impl<'a> Which<'a> {
    /// `app=shop,tier=web`.
    pub(super) fn labelled(
        place: Place,
        namespace: Option<&'a str>,
        text: &str,
        draft: &mut Draft,
    ) -> Self {
        let mut labels = Labels::new();
        let mut is_whole = true;
        for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            match part.split_once('=') {
                Some((key, value)) if !key.ends_with('!') => {
                    let value = value.trim_start_matches('=').trim();
                    labels.insert(key.trim().to_owned(), value.to_owned());
                }
                _ => {
                    let why = format!("a label is a key and a value; {HITS_MORE}");
                    draft.leave_at(place, format!("`{part}`"), why);
                    is_whole = false;
                }
            }
        }
        Self { place, namespace, labels, is_whole }
    }

    /// The selector of Chaos Mesh.
    pub(super) fn selected(entry: &'a Entry, draft: &mut Draft) -> Self {
        let place = entry.key_place;
        let mut selector = Fields::of(&entry.value, place, draft);
        let mut namespace = None;
        if let Some(it) = selector.take("namespaces") {
            let all = items(&it.value);
            namespace = all.first().and_then(|it| it.text());
            if all.len() > 1 {
                draft.leave(it, "pods are of one namespace: write a step for each of the others");
            }
        }
        let mut labels = Labels::new();
        let mut is_whole = true;
        if let Some(it) = selector.map("labelSelectors", draft) {
            for entry in it.rest() {
                match entry.value.text() {
                    Some(text) => drop(labels.insert(entry.key.clone(), text.to_owned())),
                    None => {
                        draft.leave(entry, format!("a label is a key and a value; {HITS_MORE}"));
                        is_whole = false;
                    }
                }
            }
        }
        let is_other = |it: &&Entry| items(&it.value).iter().any(|it| it.text() != Some("Running"));
        if let Some(it) = selector.take("podPhaseSelectors").filter(is_other) {
            draft.leave(it, format!("only pods that run are deleted; {HITS_MORE}"));
            is_whole = false;
        }
        is_whole &= selector.rest().next().is_none();
        selector.finish_as(&format!("{BY_LABELS}; {HITS_MORE}"), draft);
        Self { place, namespace, labels, is_whole }
    }

    /// Deletes them.
    pub(super) fn delete(
        self,
        fault: Fault,
        mode: Mode,
        (from, duration): (Duration, Option<Duration>),
        made: &mut ChaosExperiment,
        draft: &mut Draft,
    ) {
        if !self.is_whole {
            return;
        }
        let named = self.namespace.unwrap_or("default");
        let fits = |(key, value): (&String, &String)| k8s::is_label(key, value);
        if self.labels.is_empty() || !self.labels.iter().all(fits) || !k8s::is_name(named) {
            let why = "pods are named by their namespace and one label or more: write `podDelete` with `target: {pods: {namespace, labels}}`";
            draft.leave_at(self.place, "which pods are meant", why);
            return;
        }
        if self.namespace.is_none() {
            let why = "it does not say: `default` is written";
            draft.leave_at(self.place, "the namespace of the pods", why);
        }
        let why = "the current context of your kubeconfig is meant: write `context` into `pods` to be sure";
        draft.leave_at(self.place, "in which cluster the pods are", why);
        let target = draft::pods(named, self.labels, mode);
        made.method.push(draft::step(fault, target, from, duration));
    }
}

/// How often, and for how long: at least twice, or once.
pub(super) fn rounds(
    every: Option<Duration>,
    duration: Option<Duration>,
) -> (Option<Duration>, Option<Duration>) {
    let often = every.filter(|it| *it >= Duration::from_secs(1));
    match often.zip(duration).filter(|(every, duration)| every < duration) {
        Some((every, duration)) => (Some(every), Some(duration)),
        None => (None, None),
    }
}

/// `mode` and `value` of Chaos Mesh.
pub(super) fn mode(spec: &mut Fields<'_>, draft: &mut Draft) -> Mode {
    let value = spec.take("value");
    let word = spec.take("mode");
    let count = |draft: &mut Draft| value.and_then(|it| draft.count(it)).filter(|it| *it > 0);
    let share =
        |draft: &mut Draft| value.and_then(|it| draft.percent(it)).filter(|it| *it != Ratio::ZERO);
    match word.and_then(|it| it.value.text()).unwrap_or("one") {
        "all" => Mode::All,
        "fixed" => count(draft).map_or(Mode::One, Mode::Count),
        "fixed-percent" => share(draft).map_or(Mode::One, Mode::Share),
        "random-max-percent" => share(draft).map_or(Mode::One, Mode::AtMost),
        "one" => Mode::One,
        _ => {
            if let Some(it) = word {
                draft.leave(it, "it is no mode that we know: one pod is hit");
            }
            Mode::One
        }
    }
}
