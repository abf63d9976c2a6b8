//! `scale`: a deployment has another number of pods, and at the end its own again.
//!
//! Simulates capacity that is lost, or a service that is away: to none, nobody answers; to fewer, the others have to
//! carry the load.
//!
//! ```yaml
//! - scale: {deployment: api, namespace: shop, replicas: 1, context: staging, at: 10s, duration: 1m}
//! ```
//!
//! At the end the number before is set again, when it is still ours that is set; one that an autoscaler or a person has
//! set meanwhile stands, and so does that of a deployment that was made anew. Needs: access to the cluster with the
//! rights to `get` and `patch` `deployments/scale`. Release class C: when we are gone, the guardian puts it back, and
//! after a reboot whoever mends next, if the journal outlived it. Evidence: the cluster showed our number, at the beginning and at the end.

use evenkeel_model::document::Fault;

use crate::kind::Kind;
use crate::kubernetes::{Change, Cluster};
use crate::plan::Release;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "scale",
    release: Release::Guardian,
    needs: "access to a cluster, with the rights to get and patch deployments/scale",
    about: "- scale: {deployment: api, namespace: shop, replicas: 1, at: 10s, duration: 1m}",
    plan: |aim| {
        let Fault::Scale { deployment, namespace, replicas, cluster } = aim.fault else {
            return Ok(Vec::new());
        };
        let cluster = Cluster::find(cluster)?;
        super::set(Change::scale(cluster, namespace, deployment, *replicas))
    },
    evidence: super::held,
};
