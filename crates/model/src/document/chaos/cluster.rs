//! Clusters of Kubernetes: which one, and which of its pods.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Labels;

/// A cluster. Without anything said, the one that kubectl would ask, or the one that this runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The file that says how it is reached; `None`: that of `KUBECONFIG`, or the usual one.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; `None`: the current one.
    pub context: Option<String>,
}

/// Pods of a namespace by their labels, all of which have to fit. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pods {
    /// The namespace.
    pub namespace: String,
    /// The labels.
    pub labels: Labels,
    /// Where they are.
    pub cluster: Cluster,
}

impl fmt::Display for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<_> = self.labels.iter().map(|(key, it)| format!("{key}={it}")).collect();
        write!(f, "pods {} of {}", labels.join(","), self.namespace)
    }
}
