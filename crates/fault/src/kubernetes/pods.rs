//! Pods: which ones match, and deleting and evicting them.

use std::fmt;

use evenkeel_model::document::Pods;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Client;
use super::{Cluster, ClusterError};

/// So many pods are asked for at once.
const PAGE: usize = 500;
/// More than that are no target but a whole cluster.
const PODS_MAX: usize = 10_000;

/// A pod, and no other of its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRef {
    /// Its name.
    pub name: String,
    /// What no other pod has.
    pub uid: String,
}

impl fmt::Display for PodRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A pod as the cluster shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) it: PodRef,
    /// It runs, and nobody has told it to end.
    pub(crate) is_running: bool,
    /// It runs, and its readiness probes say so.
    pub(crate) is_ready: bool,
}

/// What came of an eviction or a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Evicted {
    /// The pod is told to end.
    Told,
    /// There is no such pod any more.
    Gone,
    /// A disruption budget stands against it; in the words of the cluster.
    Refused(String),
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Default, Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Meta,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Meta {
    name: String,
    uid: String,
    #[serde(default, rename = "deletionTimestamp")]
    ends: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl From<Item> for Pod {
    fn from(item: Item) -> Self {
        let Item { metadata: Meta { name, uid, ends }, status } = item;
        let is_running = status.phase == "Running" && ends.is_none();
        let ready = |it: &Condition| it.kind == "Ready" && it.status == "True";
        let is_ready = is_running && status.conditions.iter().any(ready);
        Self { it: PodRef { name, uid }, is_running, is_ready }
    }
}

/// Pods that match, and the cluster that they are in.
pub(crate) fn list(pods: &Pods) -> Result<(Cluster, Vec<Pod>), ClusterError> {
    let cluster = Cluster::find(&pods.cluster)?;
    let found = cluster.client()?.pods(&pods.namespace, &selector(pods))?;
    Ok((cluster, found))
}

/// Labels as the API asks for them.
pub(crate) fn selector(pods: &Pods) -> String {
    let labels = pods.labels.iter().map(|(key, value)| format!("{key}={value}"));
    labels.collect::<Vec<_>>().join(",")
}

impl Client {
    /// All pods with these labels, in the order of their names.
    pub(crate) fn pods(&self, namespace: &str, selector: &str) -> Result<Vec<Pod>, ClusterError> {
        let selector = escaped(selector);
        let base =
            format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}&limit={PAGE}");
        let (mut found, mut path) = (Vec::new(), base.clone());
        loop {
            let none = || ClusterError::Unfit(format!("there is no namespace `{namespace}`"));
            let page: List = self.get(&path)?.ok_or_else(none)?;
            found.extend(page.items.into_iter().map(Pod::from));
            if found.len() > PODS_MAX {
                let message = format!("more than {PODS_MAX} pods match: name them more closely");
                return Err(ClusterError::Unfit(message));
            }
            match page.metadata.next.filter(|it| !it.is_empty()) {
                Some(next) => path = format!("{base}&continue={}", escaped(&next)),
                None => break,
            }
        }
        found.sort_by(|a, b| a.it.name.cmp(&b.it.name));
        Ok(found)
    }

    /// Tells a pod to end.
    pub(crate) fn delete(
        &self,
        namespace: &str,
        pod: &PodRef,
        grace: Option<u64>,
    ) -> Result<Evicted, ClusterError> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{}", pod.name);
        let mut options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": pod.uid}});
        if let (Some(seconds), Some(map)) = (grace, options.as_object_mut()) {
            map.insert("gracePeriodSeconds".to_owned(), seconds.into());
        }
        self.end("DELETE", &path, &options)
    }

    /// Tells a pod to end, as a drain does: unless a disruption budget stands against it.
    pub(crate) fn evict(&self, namespace: &str, pod: &PodRef) -> Result<Evicted, ClusterError> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{}/eviction", pod.name);
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        });
        self.end("POST", &path, &eviction)
    }

    fn end(&self, method: &str, path: &str, body: &Value) -> Result<Evicted, ClusterError> {
        let answer = self.send(method, path, body)?;
        match answer.status {
            // Gone, or another pod of this name.
            404 | 409 => Ok(Evicted::Gone),
            _ if answer.is_of_budget() => Ok(Evicted::Refused(answer.said())),
            _ => self.must(answer).map(|_| Evicted::Told),
        }
    }
}

/// As a query has it.
fn escaped(text: &str) -> String {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
    let escape = |it: u8| if plain(it) { char::from(it).to_string() } else { format!("%{it:02X}") };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_told_to_end_is_no_candidate() {
        let of = |ends: &str, phase: &str, ready: &str| {
            let text = format!(
                r#"{{"metadata": {{"name": "a", "uid": "u"{ends}}}, "status": {{"phase": "{phase}",
                    "conditions": [{{"type": "Ready", "status": "{ready}"}}]}}}}"#
            );
            let pod = Pod::from(serde_json::from_str::<Item>(&text).unwrap());
            (pod.is_running, pod.is_ready)
        };
        assert_eq!(of("", "Running", "True"), (true, true));
        assert_eq!(of("", "Running", "False"), (true, false));
        assert_eq!(of("", "Pending", "False"), (false, false));
        assert_eq!(
            of(r#", "deletionTimestamp": "2026-01-01T00:00:00Z""#, "Running", "True"),
            (false, false)
        );
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("app.kubernetes.io/name=a,b=c"), "app.kubernetes.io%2Fname%3Da%2Cb%3Dc");
    }
}
