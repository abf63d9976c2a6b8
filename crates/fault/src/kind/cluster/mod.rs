//! Faults of clusters of Kubernetes, asked over their API.
//!
//! ```text
//! podDelete, podEvict   pods are told to end: by a child of ours, which sees when as many are ready again
//! scale, cordon         what is set, and put back by whoever mends
//! ```

use std::time::Duration;

use evenkeel_model::document::Selector;
use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use super::{Aim, Past, count, reader};
use crate::act::Did;
use crate::holder::{Counters, Ending, Pods, Work};
use crate::kubernetes::{Change, Cluster, ClusterError, selector};
use crate::need::PlanError;
use crate::plan::{Op, Step, Undo};

pub(super) mod cordon;
pub(super) mod pod_delete;
pub(super) mod pod_evict;
pub(super) mod scale;

/// A child that tells the pods to end that are hit.
fn on_pods(aim: &Aim<'_>, ending: Ending) -> Result<Vec<Step>, PlanError> {
    let Some(Selector::Pods(of)) = aim.target.map(|it| &it.select) else { return Ok(Vec::new()) };
    let cluster = Cluster::find(&of.cluster)?;
    let hit = aim.hits.iter().filter_map(|it| Some(it.pod.as_ref()?.it.clone())).collect();
    let (namespace, selector) = (of.namespace.clone(), selector(of));
    Ok(vec![aim.hold(Work::Pods(Pods { cluster, namespace, selector, hit, ending }))])
}

/// What became of pods that were told to end.
fn ended(counted: &Counters, verb: &str) -> Evidence {
    let counter = reader(counted);
    let [hit, ended, refused, before] =
        ["pods_hit", "pods_ended", "pods_refused", "pods_ready_before"].map(counter);
    let again = counted.get("slowest_ready_again_seconds").copied();
    let mut summary = format!("{} of {} {verb}", ended as u64, count(hit as u64, "pod"));
    if refused > 0.0 {
        summary.push_str(&format!(", {} refused by a disruption budget", refused as u64));
    }
    if ended > 0.0 {
        summary.push_str(&match again.map(Duration::from_secs_f64) {
            Some(it) => format!(", {} ready again after {}", before as u64, Human(it)),
            None => format!(", fewer than the {} before were ready until the end", before as u64),
        });
    }
    let mut counters = vec![("pods_hit", hit), ("pods_ended", ended), ("pods_refused", refused)];
    counters.extend(again.map(|it| ("slowest_ready_again_seconds", it)));
    super::evidence(ended > 0.0, summary, &counters)
}

/// A step that is put back.
fn set(change: Result<Change, ClusterError>) -> Result<Vec<Step>, PlanError> {
    let change = change?;
    Ok(vec![Step { apply: Op::Set(change.clone()), undo: Undo::PutBack(change) }])
}

/// How it was with something that was set, at the end.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// It was as we set it at the beginning, and still was.
    pub(crate) to_the_end: bool,
    pub(crate) time: Duration,
}

fn held(past: &Past<'_>) -> Evidence {
    let [Did::Set(change, held)] = past.did else { return past.nothing() };
    let time = Human(held.time);
    let summary = match held.to_the_end {
        true => format!("{change}: it held for {time}"),
        false => format!("{change}: it was done, and did not hold any more after {time}"),
    };
    let counters = [
        ("held_to_the_end", f64::from(u8::from(held.to_the_end))),
        ("held_seconds", held.time.as_secs_f64()),
    ];
    super::evidence(held.to_the_end, summary, &counters)
}
