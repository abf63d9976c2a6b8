//! Kubernetes: the few calls that faults need, over a client of its own.
//!
//! ```text
//! access    which cluster, and how we are let in: a kubeconfig, or the account of the pod that we run in
//! client    one request, one answer, over TLS
//! answer    what comes back, and what it means when it is no
//! pods      which there are, deleting and evicting them
//! change    what is set and put back: replicas of a deployment, a node that takes no pods
//! ```
//!
//! A [`Cluster`] says where access is kept, never what it is: it may stand in journals and on a holder's pipe. Whoever
//! acts reads tokens and keys again, so that a token that is renewed stays good. Objects are known by their uid: what
//! has been made anew under the same name is somebody else.

mod access;
mod answer;
mod change;
mod client;
mod login;
mod pods;
#[cfg(test)]
mod tests;

use std::io;

use crate::need::PlanError;

pub(crate) use self::access::Cluster;
pub(crate) use self::change::{Change, Mended};
pub(crate) use self::client::Client;
pub(crate) use self::pods::{Evicted, Pod, PodRef, list, selector};

/// Why a cluster does not do as asked. No message holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is nothing that says how to reach one.
    #[error("no cluster is configured: there is no {looked_at}, and this runs in no pod")]
    None {
        /// Where it was looked for.
        looked_at: String,
    },
    /// What says how to reach it cannot be used.
    #[error("{place}: {reason}")]
    Config {
        /// The file, or the context in it.
        place: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// It cannot be asked.
    #[error("cannot ask the cluster at {server}: {error}")]
    Ask {
        /// Where it is.
        server: String,
        /// Why not.
        error: io::Error,
    },
    /// We are not let in, or may not do this.
    #[error("the cluster at {server} does not let us: {said}")]
    Forbidden {
        /// Where it is.
        server: String,
        /// In its words.
        said: String,
    },
    /// It said no.
    #[error("the cluster at {server} says: {said} (status {status})")]
    Said {
        /// Where it is.
        server: String,
        /// Of HTTP.
        status: u16,
        /// In its words.
        said: String,
    },
    /// Something makes no sense.
    #[error("{0}")]
    Unfit(String),
    /// It did as told, and that had no effect.
    #[error("the cluster was told, and it is as before: {0}")]
    Unmoved(String),
}

impl From<ClusterError> for PlanError {
    fn from(error: ClusterError) -> Self {
        let what = match &error {
            ClusterError::None { .. } | ClusterError::Config { .. } => "access to a cluster",
            ClusterError::Forbidden { .. } => "a right in the cluster",
            ClusterError::Unfit(reason) => return Self::Unfit(reason.clone()),
            _ => return Self::Look(io::Error::other(error)),
        };
        Self::Missing { what: what.to_owned(), help: error.to_string() }
    }
}
