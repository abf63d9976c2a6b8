//! Workload: which documents of Kubernetes have pods, and what matters of these.

use evenkeel_model::yaml::{Node, Place, Value};

/// Kinds that have pods, the group of their API, and where the pod is.
const WORKLOADS: [(&str, &str, &str); 9] = [
    ("Pod", "v1", ""),
    ("PodTemplate", "v1", "template"),
    ("ReplicationController", "v1", "spec/template"),
    ("Deployment", "apps/", "spec/template"),
    ("StatefulSet", "apps/", "spec/template"),
    ("DaemonSet", "apps/", "spec/template"),
    ("ReplicaSet", "apps/", "spec/template"),
    ("Job", "batch/", "spec/template"),
    ("CronJob", "batch/", "spec/jobTemplate/spec/template"),
];

/// Kinds of the group without a name that stand beside workloads. `Service` is not among them: so is one of ours called.
const CORE: [&str; 8] = [
    "ConfigMap",
    "Secret",
    "Namespace",
    "ServiceAccount",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "LimitRange",
    "ResourceQuota",
];

/// How deep lists of documents are looked into: `kubectl` writes one.
const LISTS_MAX: usize = 4;

/// A pod, or what pods are made from.
pub(super) struct Pod<'a> {
    /// Of the document.
    pub(super) kind: &'static str,
    /// The metadata of the pod.
    pub(super) metadata: Option<&'a Node>,
    pub(super) spec: &'a Node,
}

impl Pod<'_> {
    /// Whether its end is a success: nobody sends it requests.
    pub(super) fn is_batch(&self) -> bool {
        matches!(self.kind, "Job" | "CronJob")
    }
}

/// What a container is in its pod.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// What the pod is for.
    Main,
    /// Starts before and runs beside: an init container with `restartPolicy: Always`.
    Sidecar,
    /// Runs to its end before the others start.
    Init,
}

pub(super) struct Container<'a> {
    pub(super) node: &'a Node,
    pub(super) role: Role,
}

impl<'a> Container<'a> {
    pub(super) fn name(&self) -> &'a str {
        text(self.node, "name").unwrap_or("without a name")
    }

    /// Where it is named, or begins.
    pub(super) fn place(&self) -> Place {
        self.node.entry("name").map_or(self.node.place, |it| it.value.place)
    }

    /// The ports that it says it has: name and number.
    pub(super) fn ports(
        &self,
    ) -> impl Iterator<Item = (Option<&'a str>, Option<&'a str>)> + use<'a> {
        let ports = self.node.entry("ports").map(|it| items(&it.value)).unwrap_or_default();
        ports.iter().map(|it| (text(it, "name"), text(it, "containerPort")))
    }
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.entry(key).and_then(|it| it.value.text())
}

pub(super) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        Value::Map(_) | Value::Scalar { .. } => &[],
    }
}

/// Whether a document has pods.
pub(super) fn has_pods(root: &Node) -> bool {
    !pods(root).is_empty()
}

/// Whether a document is of the API of Kubernetes, or of what belongs to it.
pub(super) fn is_of_kubernetes(root: &Node) -> bool {
    let (Some(version), Some(kind)) = (text(root, "apiVersion"), text(root, "kind")) else {
        return false;
    };
    match version.split_once('/') {
        Some((group, _)) => {
            matches!(group, "apps" | "batch" | "autoscaling" | "policy")
                || group.ends_with(".k8s.io")
        }
        // What tells a Service of theirs from one of ours is what it is made of.
        None if kind == "Service" => ["spec/ports", "spec/selector", "spec/externalName"]
            .iter()
            .any(|it| root.at(it).is_some()),
        None => version == "v1" && (CORE.contains(&kind) || kind == "List"),
    }
}

/// The pods of a document.
pub(super) fn pods(root: &Node) -> Vec<Pod<'_>> {
    let mut found = Vec::new();
    collect(root, LISTS_MAX, &mut found);
    found
}

fn collect<'a>(root: &'a Node, depth: usize, found: &mut Vec<Pod<'a>>) {
    let (Some(version), Some(kind)) = (text(root, "apiVersion"), text(root, "kind")) else {
        return;
    };
    if version == "v1" && kind == "List" {
        let Some(depth) = depth.checked_sub(1) else { return };
        let listed = root.entry("items").map(|it| items(&it.value)).unwrap_or_default();
        return listed.iter().for_each(|it| collect(it, depth, found));
    }
    let is_it = |it: &&(&str, &str, &str)| {
        it.0 == kind && (version == it.1 || (it.1.ends_with('/') && version.starts_with(it.1)))
    };
    let Some((kind, _, path)) = WORKLOADS.iter().find(is_it) else { return };
    let Some(pod) = root.at(path) else { return };
    if let Some(spec) = pod.entry("spec") {
        let metadata = pod.entry("metadata").map(|it| &it.value);
        found.push(Pod { kind, metadata, spec: &spec.value });
    }
}

/// The containers of a pod.
pub(super) fn containers<'a>(pod: &Pod<'a>) -> Vec<Container<'a>> {
    let of = |key: &str| pod.spec.entry(key).map(|it| items(&it.value)).unwrap_or_default();
    let init = of("initContainers").iter().map(|node| {
        let is_sidecar = text(node, "restartPolicy") == Some("Always");
        Container { node, role: if is_sidecar { Role::Sidecar } else { Role::Init } }
    });
    init.chain(of("containers").iter().map(|node| Container { node, role: Role::Main })).collect()
}
