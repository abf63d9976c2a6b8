//! `cordon`: a node takes no more pods, as by `kubectl cordon`.
//!
//! Simulates a node that is taken out: pods that are there stay, and those that are made anew have to find room
//! elsewhere. With `podEvict` or `podDelete` beside it, it is a drain. Is there room for them?
//!
//! ```yaml
//! - cordon: {node: worker-1, at: 10s, duration: 1m}
//! ```
//!
//! A node that is cordoned already is refused. Ours is told by an annotation with the mark of the run
//! (`evenkeel.dev/cordoned-by`), without which nothing is uncordoned. Needs: access to the cluster with the rights to
//! `get` and `patch` nodes. Release class C: when we are gone, the guardian uncordons it, and after a reboot whoever mends
//! next, if the journal outlived it. Evidence: the cluster showed our cordon, at the beginning and at the end.

use evenkeel_model::document::Fault;

use crate::kind::Kind;
use crate::kubernetes::{Change, Cluster};
use crate::plan::Release;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "cordon",
    release: Release::Guardian,
    needs: "access to a cluster, with the rights to get and patch nodes",
    about: "- cordon: {node: worker-1, at: 10s, duration: 1m}",
    plan: |aim| {
        let Fault::Cordon { node, cluster } = aim.fault else { return Ok(Vec::new()) };
        super::set(Change::cordon(Cluster::find(cluster)?, node, aim.mark))
    },
    evidence: super::held,
};
