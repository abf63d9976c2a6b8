//! What Litmus does to a cluster: pods that are deleted, deployments that grow and shrink, nodes that are drained.

use std::time::Duration;

use evenkeel_model::document::{ChaosExperiment, Cluster, Fault, Mode};
use evenkeel_model::yaml::Place;
use evenkeel_units::Ratio;

use super::super::draft::{self, Draft};
use super::super::fields::Fields;
use super::super::kubernetes as k8s;
use super::super::pods::{self, Which};
use super::{Application, PODS, assume};

/// `pod-delete`: again and again, when it says how often.
pub(super) fn pod_delete(
    mut env: Fields<'_>,
    place: Place,
    (from, duration): (Duration, Option<Duration>),
    app: &Application<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let every = match env.take("CHAOS_INTERVAL") {
        Some(it) => draft.seconds(it),
        None => {
            assume("CHAOS_INTERVAL", "10s", place, draft);
            Some(Duration::from_secs(10))
        }
    };
    let (every, duration) = pods::rounds(every, duration);
    let grace = match env.take("FORCE").map(|it| it.value.text()) {
        Some(Some("true")) => Some(Duration::ZERO),
        Some(_) => None,
        None => {
            assume("FORCE", "false", place, draft);
            None
        }
    };
    let share = env.take("PODS_AFFECTED_PERC").and_then(|it| draft.percent(it));
    let mode = match share.filter(|it| *it != Ratio::ZERO) {
        None => Mode::One,
        Some(share) => {
            let why = "a share is rounded down here, because a limit is a limit; with few pods write `mode: one`";
            draft.leave_at(place, format!("at least one pod, however few {share} are"), why);
            Mode::Share(share)
        }
    };
    env.leave("SEQUENCE", "all that are hit are deleted at once", draft);
    env.leave("RANDOMNESS", "the time in between is always the same", draft);
    env.leave_all(&PODS, "pods are found by namespace and labels", draft);
    env.finish_as(k8s::OF_CLUSTER, draft);
    let (at, text) =
        app.labels.map_or((place, ""), |it| (it.key_place, it.value.text().unwrap_or_default()));
    let fault = Fault::PodDelete { grace, every };
    let which = Which::labelled(at, app.namespace, text, draft);
    which.delete(fault, mode, (from, duration), made, draft);
}

/// `pod-autoscaler`: a deployment has so many pods.
pub(super) fn scale(
    mut env: Fields<'_>,
    place: Place,
    (from, duration): (Duration, Option<Duration>),
    app: &Application<'_>,
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let replicas = env.take("REPLICA_COUNT");
    let share = env.take("APP_AFFECT_PERC");
    env.finish_as(k8s::OF_CLUSTER, draft);
    if let Some(it) = share.filter(|it| it.value.text() != Some("100")) {
        draft.leave(it, "one deployment is scaled: write a step for each of the others");
    }
    let Some(replicas) = replicas else {
        let why = "it does not say, and the usual value is in the cluster: write `scale` with its `deployment` and `replicas`";
        draft.leave_at(place, "`REPLICA_COUNT`", why);
        return;
    };
    let Some(replicas) = draft.count(replicas) else { return };
    let text = app.labels.and_then(|it| it.value.text()).unwrap_or_default();
    let Some(name) = k8s::telling_label(text).filter(|it| k8s::is_name(it)) else {
        let why = "no label says which: write `scale` with its `deployment` and `replicas`";
        draft.leave_at(place, "which deployment is meant", why);
        return;
    };
    if app.kind.is_some_and(|it| it != "deployment") || replicas > 10_000 {
        let why = "only deployments are scaled, and to at most 10000 pods";
        draft.leave_at(place, format!("`{name}` with {replicas} pods"), why);
        return;
    }
    let why =
        format!("a label tells it there, and its name here: `{name}` is written, after the label");
    draft.leave_at(place, "which deployment is meant", why);
    let namespace = app.namespace.filter(|it| k8s::is_name(it)).unwrap_or("default").to_owned();
    let (deployment, cluster) = (name.to_owned(), Cluster::default());
    let fault = Fault::Scale { deployment, namespace, replicas, cluster };
    lasting(fault, place, (from, duration), made, draft);
}

/// `node-drain`: a node takes no more pods.
pub(super) fn cordon(
    mut env: Fields<'_>,
    place: Place,
    times: (Duration, Option<Duration>),
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    let node = env.take("TARGET_NODE").and_then(|it| it.value.text()).map(str::trim);
    env.leave("NODE_LABEL", "a node is told by its name", draft);
    env.finish_as(k8s::OF_CLUSTER, draft);
    let Some(node) = node.filter(|it| k8s::is_name(it)) else {
        let why = "it does not say: write `cordon` with its name as `node`";
        draft.leave_at(place, "which node is meant", why);
        return;
    };
    let why = "the pods that are on it stay: write `podEvict` with their labels as the target";
    draft.leave_at(place, format!("that `{node}` is emptied"), why);
    let fault = Fault::Cordon { node: node.to_owned(), cluster: Cluster::default() };
    lasting(fault, place, times, made, draft);
}

/// Adds what a cluster has for a while.
fn lasting(
    fault: Fault,
    place: Place,
    (from, duration): (Duration, Option<Duration>),
    made: &mut ChaosExperiment,
    draft: &mut Draft,
) {
    draft.which_cluster(place);
    let duration = k8s::ending(duration, place, &format!("`{fault}`"), draft);
    made.method.push(draft::host_step(fault, from, duration));
}
