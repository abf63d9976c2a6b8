//! Manifest: the probes in the manifests of Kubernetes, read strictly, judged, and written.
//!
//! ```text
//! workload  which documents there are, and the pods in them
//! probe     one probe, as the API of Kubernetes has it, with its defaults
//! lint      what a probe does that nobody wants
//! write     the probes of a service with `evenkeel-health`, with what they add up to
//! ```
//!
//! What the API server would refuse is an error, and so is what cannot have been meant. What is right for some and a trap for most
//! is advice.

use evenkeel_model::Diagnostic;
use evenkeel_model::decode::Findings;
use evenkeel_model::yaml::Node;

mod lint;
mod probe;
mod workload;
mod write;

pub(crate) use write::{Manifest, Over, Wish};

/// The annotation of a pod that says for how long it goes on to take requests after SIGTERM, such as `15s`: what
/// [`DrainPolicy::delay`](evenkeel_health::DrainPolicy) is. Nothing else in a manifest tells.
pub(crate) const DRAIN_DELAY: &str = "evenkeel.dev/drain-delay";

/// Whether these documents are of Kubernetes: any has pods, or all of them are of kinds that its API has.
pub(crate) fn is_kubernetes(roots: &[Node]) -> bool {
    roots.iter().any(workload::has_pods)
        || (!roots.is_empty() && roots.iter().all(workload::is_of_kubernetes))
}

/// What is wrong with the probes of all pods in these documents, beside what was wrong with reading them.
pub(crate) fn inspect(roots: &[Node], mut found: Findings) -> Vec<Diagnostic> {
    for pod in roots.iter().flat_map(workload::pods) {
        lint::lint(&pod, &mut found);
    }
    found.into_parts().1
}

#[cfg(test)]
mod tests;
