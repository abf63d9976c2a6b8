//! Packets that are held back or damaged by a process of ours.

use std::time::Duration;

use evenkeel_model::document::{Direction, Protocol, Traffic};
use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use crate::holder::{Counters, Work};
use crate::kind::{Aim, count};
use crate::need::{NET_ADMIN, PlanError};
use crate::netlink::{Disturbance, Treatment};
use crate::plan::Step;

/// The port by which a host is reached when something goes wrong; it is never disturbed.
const SPARED: Traffic =
    Traffic { host: None, port: Some(22), protocol: Protocol::Tcp, direction: Direction::Both };

/// A step that treats packets in a child of ours.
pub(super) fn treat(
    aim: &Aim<'_>,
    traffic: Traffic,
    treatment: Treatment,
) -> Result<Vec<Step>, PlanError> {
    NET_ADMIN.must_be_there()?;
    super::rules::may_be_hit(&traffic)?;
    let (traffic, spared) = (vec![traffic], vec![SPARED]);
    let disturbance = Disturbance { traffic, spared, treatment, seed: aim.seed };
    aim.hold_in_network(Work::Packets(disturbance))
}

/// What shows that packets were treated: so many in all, and so many of them in the way that was asked for.
pub(super) fn evidence(counted: &Counters, treated: &str, how: &str) -> Evidence {
    let counter = crate::kind::reader(counted);
    let (packets, treated) = (counter("packets"), counter(treated));
    let mut summary = match packets as u64 {
        0 => "no such packet passed".to_owned(),
        all => format!("{} of {} {how}", treated as u64, count(all, "packet")),
    };
    if let Some(median) = counted.get("delay_median_seconds") {
        let median = Duration::try_from_secs_f64(*median).unwrap_or_default();
        summary.push_str(&format!(", held back for {} in the median", Human(median)));
    }
    if counter("passed") > 0.0 {
        summary.push_str(&format!("; {} passed a full queue", counter("passed") as u64));
    }
    Evidence { acted: treated > 0.0, summary, counters: counted.clone() }
}
