//! Faults of clusters of Kubernetes, and their targets.

use super::{CLUSTER, Kind, ONCE, body, process, step};
use crate::decode::codec::{Integer, Named};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::{cluster, duration, request};
use crate::document::{Cluster, Fault, Pods, Step};

/// Pods of a cluster.
pub(super) fn pods(f: &mut Fields<'_>) -> Option<Pods> {
    let namespace = f.default("namespace", "Their namespace.", cluster::object(), "default");
    let of = cluster::label_value();
    let sentence = "Labels that each of them has, all of them.";
    let labels = f.required("labels", sentence, Named { key: cluster::label_key(), of });
    let cluster = which(f);
    let labels = labels?;
    if labels.is_empty() {
        let help = "Name at least one: without any, every pod of the namespace is meant.";
        f.refuse("labels", codes::RANGE, "there is no label", help);
    }
    Some(Pods { namespace: namespace?, labels: labels.into_iter().collect(), cluster: cluster? })
}

/// In which cluster something is.
fn which(f: &mut Fields<'_>) -> Option<Cluster> {
    let sentence = "The file that says how the cluster is reached. Default: that of `KUBECONFIG`, else \
                    `~/.kube/config`, else the account of the pod that this runs in.";
    let kubeconfig = f.optional("kubeconfig", sentence, request::folder());
    let sentence = "The context in it. Default: the current one.";
    let context = f.optional("context", sentence, cluster::context());
    Some(Cluster { kubeconfig, context })
}

fn pod_delete(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "How long a pod has to end, in whole seconds; `0s` removes it at once. Default: what it says itself.";
    let grace = f.optional("grace", sentence, duration());
    if grace.is_some_and(|it| it.subsec_nanos() > 0) {
        f.refuse(
            "grace",
            codes::RANGE,
            "it is no whole number of seconds",
            "Write one such as `5s`.",
        );
    }
    process::again(f, |every| Fault::PodDelete { grace, every })
}

fn scale(f: &mut Fields<'_>) -> Option<Step> {
    let deployment = f.required("deployment", "Its name.", cluster::object());
    let namespace = f.default("namespace", "Its namespace.", cluster::object(), "default");
    let replicas = Integer { min: 0, max: 10_000, reason: "Give the number of pods." };
    let replicas = f.required("replicas", "How many pods it has while the fault acts.", replicas);
    let cluster = which(f);
    let fault = deployment.zip(namespace).zip(replicas).zip(cluster).map(
        |(((deployment, namespace), replicas), cluster)| Fault::Scale {
            deployment,
            namespace,
            replicas: replicas as u32,
            cluster,
        },
    );
    step(f, fault, &CLUSTER)
}

fn cordon(f: &mut Fields<'_>) -> Option<Step> {
    let node = f.required("node", "Its name.", cluster::object());
    let cluster = which(f);
    let fault = node.zip(cluster).map(|(node, cluster)| Fault::Cordon { node, cluster });
    step(f, fault, &CLUSTER)
}

/// Every kind of this family, in the order of the manual.
pub(super) fn kinds() -> Vec<Kind> {
    vec![
        ("podDelete", "Pods are deleted.", body("PodDeleteFault", pod_delete)),
        (
            "podEvict",
            "Pods are evicted, as by a drain: unless a disruption budget stands against it.",
            body("PodEvictFault", |f| step(f, Some(Fault::PodEvict), &ONCE)),
        ),
        (
            "scale",
            "A deployment has another number of pods, and at the end its own again.",
            body("ScaleFault", scale),
        ),
        ("cordon", "A node takes no more pods, until the end.", body("CordonFault", cordon)),
    ]
}
