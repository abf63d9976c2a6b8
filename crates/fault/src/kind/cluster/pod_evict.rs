//! `podEvict`: pods of a cluster are evicted, as by `kubectl drain`.
//!
//! Simulates a node that is drained. Unlike a deletion it asks the disruption budgets: what they refuse is a result,
//! too, and is told.
//!
//! ```yaml
//! - podEvict: {target: {pods: {namespace: shop, labels: {app: api}}, mode: 2}, at: 10s}
//! ```
//!
//! Candidates are those of `podDelete`. Needs: access to the cluster with the rights to `list` pods and to `create`
//! `pods/eviction`. Release class D: nothing is left to undo. Evidence: pods that the cluster does not show any more, or
//! shows as ending, and those that a budget refused; when every one was refused, nothing was broken, and it has not
//! acted.

use crate::holder::Ending;
use crate::kind::Kind;
use crate::plan::Release;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "podEvict",
    release: Release::OneShot,
    needs: "access to a cluster, with the rights to list and evict pods",
    about: "- podEvict: {target: {pods: {namespace: shop, labels: {app: api}}, mode: 2}, at: 10s}",
    plan: |aim| super::on_pods(aim, Ending::Evict),
    evidence: |past| past.held(|it| super::ended(it, "evicted")),
};
