//! `podDelete`: pods of a cluster are deleted, as `kubectl delete pod` does it.
//!
//! Simulates a pod that ends: by a node that goes, a rollout, an operator. Whether, and how fast, a controller makes a
//! new one, and what users see meanwhile, is what the drill is after.
//!
//! ```yaml
//! - podDelete:
//!     grace: 0s                # at once, as by SIGKILL; else what the pod says itself
//!     target: {pods: {namespace: shop, labels: {app: api}, context: staging}, mode: one}
//!     at: 10s
//! ```
//!
//! With `every` it is done again and again for its `duration`, to pods that the seed picks anew. Candidates are pods
//! that run and that nobody has told to end. The blast radius counts them, and those that are not ready are not well.
//! A pod is known by its uid: one that was made anew under its name is left alone.
//!
//! Needs: access to the cluster (a kubeconfig with a token or a certificate, or the account of the pod that this runs
//! in) with the rights to `list` and `delete` pods. Release class D: nothing is left to undo. Evidence: pods that the
//! cluster does not show any more, or shows as ending; and how long it took until as many were ready as before.

use evenkeel_model::document::Fault;

use crate::holder::Ending;
use crate::kind::Kind;
use crate::plan::Release;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "podDelete",
    release: Release::OneShot,
    needs: "access to a cluster, with the rights to list and delete pods",
    about: "- podDelete: {target: {pods: {namespace: shop, labels: {app: api}}}, at: 10s}",
    plan: |aim| {
        let Fault::PodDelete { grace, .. } = aim.fault else { return Ok(Vec::new()) };
        super::on_pods(aim, Ending::Delete { grace: grace.map(|it| it.as_secs()) })
    },
    evidence: |past| past.held(|it| super::ended(it, "deleted")),
};
