//! Changes: what is set in a cluster for a while, and put back.
//!
//! An object that was made anew under its name has another uid and is left alone, and so is one with a value that is not
//! ours any more. Both are looked at and set in one request each, which the cluster refuses when somebody else came in
//! between (`resourceVersion`).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Client;
use super::{Cluster, ClusterError};

/// By this a node shows who keeps pods from it.
const MARK: &str = "evenkeel.dev/cordoned-by";
/// How often it is tried again when somebody else came in between.
const TRIES: usize = 5;

/// Something that is set, and put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub cluster: Cluster,
    /// Of which object, and no other of its name.
    pub uid: String,
    /// What.
    pub setting: Setting,
}

/// What is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// How many pods a deployment has.
    Replicas {
        /// Where it is.
        namespace: String,
        /// Its name.
        deployment: String,
        /// Before.
        before: u32,
        /// By us.
        ours: u32,
    },
    /// A node takes no more pods.
    Cordon {
        /// Its name.
        node: String,
        /// By which run.
        mark: String,
    },
}

/// What putting back found.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mended {
    /// It was ours, and is as before.
    Undone,
    /// It is as it was before us.
    AsBefore,
    /// It is gone, or somebody else's.
    Foreign,
}

/// What is read of an object.
#[derive(Debug, Deserialize)]
struct Object {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Deserialize)]
struct Meta {
    uid: String,
    #[serde(rename = "resourceVersion")]
    version: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: u32,
    unschedulable: bool,
}

impl Change {
    /// Sets the number of pods of a deployment.
    pub(crate) fn scale(
        cluster: Cluster,
        namespace: &str,
        deployment: &str,
        replicas: u32,
    ) -> Result<Self, ClusterError> {
        let (namespace, deployment) = (namespace.to_owned(), deployment.to_owned());
        let setting = Setting::Replicas { namespace, deployment, before: 0, ours: replicas };
        let object = setting.must_be_there(&cluster.client()?)?;
        let before = object.spec.replicas;
        if before == replicas {
            return Err(ClusterError::Unfit(format!(
                "{} has {before} replicas already",
                setting.object()
            )));
        }
        let setting = match setting {
            Setting::Replicas { namespace, deployment, ours, .. } => {
                Setting::Replicas { namespace, deployment, before, ours }
            }
            it @ Setting::Cordon { .. } => it,
        };
        Ok(Self { cluster, uid: object.metadata.uid, setting })
    }

    /// Keeps new pods from a node.
    pub(crate) fn cordon(cluster: Cluster, node: &str, mark: &str) -> Result<Self, ClusterError> {
        let setting = Setting::Cordon { node: node.to_owned(), mark: mark.to_owned() };
        let object = setting.must_be_there(&cluster.client()?)?;
        if object.spec.unschedulable {
            return Err(ClusterError::Unfit(format!("{} is cordoned already", setting.object())));
        }
        Ok(Self { cluster, uid: object.metadata.uid, setting })
    }

    /// Makes the change, and reads back that it holds.
    pub(crate) fn make(&self) -> Result<(), ClusterError> {
        let client = self.cluster.client()?;
        for _ in 0..TRIES {
            let object = self.setting.must_be_there(&client)?;
            if object.metadata.uid != self.uid || self.is_foreign(&object) {
                let message =
                    format!("{} has been changed by others meanwhile", self.setting.object());
                return Err(ClusterError::Unfit(message));
            }
            if client.patch(&self.setting.path(), &self.patch(&object, true))? {
                break;
            }
        }
        match self.holds_by(&client)? {
            true => Ok(()),
            false => Err(ClusterError::Unmoved(self.to_string())),
        }
    }

    /// Whether it still is as we set it.
    pub(crate) fn holds(&self) -> Result<bool, ClusterError> {
        self.holds_by(&self.cluster.client()?)
    }

    fn holds_by(&self, client: &Client) -> Result<bool, ClusterError> {
        let object: Option<Object> = client.get(&self.setting.path())?;
        Ok(object.is_some_and(|it| {
            let is_shut = matches!(self.setting, Setting::Replicas { .. }) || it.spec.unschedulable;
            it.metadata.uid == self.uid && self.is_ours(&it) && is_shut
        }))
    }

    /// Puts it back, when it is ours, and reads back that it is.
    pub(crate) fn take_back(&self) -> Result<Mended, ClusterError> {
        let client = self.cluster.client()?;
        let path = self.setting.path();
        let mut told = false;
        for _ in 0..=TRIES {
            let Some(object) = client.get::<Object>(&path)? else { return Ok(Mended::Foreign) };
            if object.metadata.uid != self.uid {
                return Ok(Mended::Foreign);
            }
            if !self.is_ours(&object) {
                return Ok(match (told, self.is_foreign(&object)) {
                    (true, _) => Mended::Undone,
                    (false, true) => Mended::Foreign,
                    (false, false) => Mended::AsBefore,
                });
            }
            told |= client.patch(&path, &self.patch(&object, false))?;
        }
        Err(ClusterError::Unmoved(format!("{} is not as before", self.setting.object())))
    }

    fn is_ours(&self, object: &Object) -> bool {
        match &self.setting {
            Setting::Replicas { ours, .. } => object.spec.replicas == *ours,
            Setting::Cordon { mark, .. } => object.metadata.annotations.get(MARK) == Some(mark),
        }
    }

    /// Neither as before nor as we set it.
    fn is_foreign(&self, object: &Object) -> bool {
        match &self.setting {
            Setting::Replicas { before, .. } => {
                object.spec.replicas != *before && !self.is_ours(object)
            }
            Setting::Cordon { .. } => object.spec.unschedulable && !self.is_ours(object),
        }
    }

    fn patch(&self, object: &Object, to_ours: bool) -> Value {
        let version = &object.metadata.version;
        match &self.setting {
            Setting::Replicas { before, ours, .. } => {
                let replicas = if to_ours { ours } else { before };
                json!({"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}})
            }
            Setting::Cordon { mark, .. } => {
                let (mark, unschedulable) =
                    if to_ours { (json!(mark), json!(true)) } else { (Value::Null, Value::Null) };
                json!({
                    "metadata": {"resourceVersion": version, "annotations": {MARK: mark}},
                    "spec": {"unschedulable": unschedulable},
                })
            }
        }
    }

    /// What a person would type.
    pub(crate) fn by_hand(&self) -> String {
        let kubectl = self.cluster.kubectl();
        match &self.setting {
            Setting::Replicas { namespace, deployment, before, .. } => {
                format!(
                    "{kubectl} -n {namespace} scale deployment/{deployment} --replicas={before}"
                )
            }
            Setting::Cordon { node, .. } => {
                format!("{kubectl} uncordon {node} && {kubectl} annotate node {node} {MARK}-")
            }
        }
    }

    /// What putting it back is, in words.
    pub(crate) fn back(&self) -> String {
        match &self.setting {
            Setting::Replicas { before, ours, .. } => format!(
                "scale {} to {before}, if it still has {ours}, at {}",
                self.setting.object(),
                self.cluster
            ),
            Setting::Cordon { .. } => {
                format!(
                    "uncordon {}, if its cordon is ours, at {}",
                    self.setting.object(),
                    self.cluster
                )
            }
        }
    }
}

impl Setting {
    fn path(&self) -> String {
        match self {
            Self::Replicas { namespace, deployment, .. } => {
                format!("/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}/scale")
            }
            Self::Cordon { node, .. } => format!("/api/v1/nodes/{node}"),
        }
    }

    fn object(&self) -> String {
        match self {
            Self::Replicas { namespace, deployment, .. } => {
                format!("deployment {namespace}/{deployment}")
            }
            Self::Cordon { node, .. } => format!("node {node}"),
        }
    }

    fn must_be_there(&self, client: &Client) -> Result<Object, ClusterError> {
        let none = || ClusterError::Unfit(format!("there is no {}", self.object()));
        client.get(&self.path())?.ok_or_else(none)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.setting {
            Setting::Replicas { before, ours, .. } => {
                write!(f, "scale {} from {before} to {ours}", self.setting.object())?;
            }
            Setting::Cordon { .. } => write!(f, "cordon {}", self.setting.object())?,
        }
        write!(f, " at {}", self.cluster)
    }
}
