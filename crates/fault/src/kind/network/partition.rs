//! `partition`: nodes cannot reach each other. Packets between them that pass this host are dropped.
//!
//! Simulates a network that falls apart, which is what distributed systems are tested by: with two halves the larger
//! should go on and the smaller should stop; over a bridge, one node sees both; on a ring, each node sees a majority
//! and no two the same. With `oneWay`, packets arrive in one direction only, as with a broken route.
//!
//! ```yaml
//! - partition: {nodes: [10.0.0.1, 10.0.0.2, 10.0.0.3], shape: halves, at: 10s, duration: 30s}
//! ```
//!
//! Needs: `nft` and CAP_NET_ADMIN, on a host that the packets pass: a node itself (then it is cut off from the others
//! as the shape says), or the one on which containers run as nodes. The first half is the smaller one, and the bridge
//! is the node in the middle of the list. Release class A, as `loss`. Evidence: packets dropped.

use evenkeel_model::document::{Fault, Network, PartitionShape};
use evenkeel_model::event::Evidence;

use super::rules;
use crate::holder::Counters;
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "partition",
    release: Release::Lifetime,
    needs: "nft, CAP_NET_ADMIN",
    about: "- partition: {nodes: [10.0.0.1, 10.0.0.2, 10.0.0.3], shape: halves, at: 10s, duration: 30s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::Partition { nodes, shape, one_way } = aim.fault else { return Ok(Vec::new()) };
    let cut = cut(nodes.len(), *shape);
    let mut matches = Vec::new();
    for (from, node) in nodes.iter().enumerate() {
        // One way: what the later of two sends does not arrive at the earlier.
        let blocked = |to: &usize| cut(from, *to) && (!one_way || from > *to);
        let to: Vec<Network> = (0..nodes.len()).filter(blocked).map(|it| nodes[it]).collect();
        matches.extend(rules::between(node, &to));
    }
    if matches.is_empty() {
        let message = format!("a {shape} of {} nodes cuts nobody off", nodes.len());
        return Err(PlanError::Unfit(message));
    }
    rules::hold(aim, &matches, &["counter drop"])
}

/// Whether two of so many nodes do not see each other.
fn cut(nodes: usize, shape: PartitionShape) -> impl Fn(usize, usize) -> bool {
    let middle = nodes / 2;
    move |a, b| match shape {
        PartitionShape::Halves => (a < middle) != (b < middle),
        PartitionShape::Bridge => a != middle && b != middle && (a < middle) != (b < middle),
        PartitionShape::Ring => {
            // A majority is more than a half, oneself included, and half of the rest stands on either side.
            let side = middle.div_ceil(2);
            let apart = a.abs_diff(b);
            apart.min(nodes - apart) > side
        }
    }
}

fn evidence(counted: &Counters) -> Evidence {
    let [_, dropped] = rules::packets(counted);
    let summary = format!("{} between them dropped", count(dropped as u64, "packet"));
    crate::kind::evidence(dropped > 0.0, summary, &[("packets_dropped", dropped)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen_by(nodes: usize, shape: PartitionShape) -> Vec<Vec<usize>> {
        let cut = cut(nodes, shape);
        (0..nodes).map(|a| (0..nodes).filter(|b| !cut(a, *b)).collect()).collect()
    }

    #[test]
    fn the_first_half_is_the_smaller_one() {
        let halves = [vec![0, 1], vec![0, 1], vec![2, 3, 4], vec![2, 3, 4], vec![2, 3, 4]];
        assert_eq!(seen_by(5, PartitionShape::Halves), halves);
    }

    #[test]
    fn the_bridge_sees_and_is_seen_by_all() {
        let bridge =
            [vec![0, 1, 2], vec![0, 1, 2], vec![0, 1, 2, 3, 4], vec![2, 3, 4], vec![2, 3, 4]];
        assert_eq!(seen_by(5, PartitionShape::Bridge), bridge);
    }

    proptest! {
        #[test]
        fn on_a_ring_each_sees_a_majority_and_no_two_the_same(nodes in 5usize..60) {
            let seen = seen_by(nodes, PartitionShape::Ring);
            prop_assert!(seen.iter().all(|it| it.len() > nodes / 2));
            let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
            prop_assert_eq!(distinct.len(), nodes);
        }

        #[test]
        fn whoever_does_not_see_is_not_seen(nodes in 2usize..40, a in 0usize..40, b in 0usize..40) {
            for shape in [PartitionShape::Halves, PartitionShape::Bridge, PartitionShape::Ring] {
                let cut = cut(nodes, shape);
                let (a, b) = (a % nodes, b % nodes);
                prop_assert_eq!(cut(a, b), cut(b, a));
                prop_assert!(!cut(a, a));
            }
        }
    }
}
