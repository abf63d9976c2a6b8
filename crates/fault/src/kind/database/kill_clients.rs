//! `killClients`: a share of the clients of a Redis loses its connection.
//!
//! Simulates a failover, a proxy that is restarted, a server that throws out slow readers: clients find out when they use
//! the connection again. Does the pool throw it away, and is the command sent again?
//!
//! ```yaml
//! - killClients:
//!     share: 50%
//!     type: pubsub             # default `normal`; or `replica`
//!     target: {redis: "redis://chaos:${env:CHAOS_PASSWORD}@10.0.0.7:6379"}
//!     at: 10s
//! ```
//!
//! The seed picks among the clients of that type that are connected at that moment; the share is rounded down.
//! Connections of Evenkeel are spared. Needs: a user that may `CLIENT`. Release class D: nothing is left to undo.
//! Evidence: clients that are gone, and how many came back until the fault is over, and when.

use std::time::Duration;

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use crate::holder::{Counters, KillClients, RedisTask};
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "killClients",
    release: Release::OneShot,
    needs: "a user of the Redis with +client",
    about: "- killClients: {share: 50%, target: {redis: \"redis://10.0.0.7:6379\"}, at: 10s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::KillClients { share, of } = *aim.fault else { return Ok(Vec::new()) };
    super::in_redis(aim, RedisTask::Kill(KillClients { share, of, seed: aim.seed }))
}

fn evidence(counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let [matched, killed, back] =
        ["clients_matched", "clients_killed", "clients_back"].map(counter);
    let after = counted.get("back_after_seconds").copied();
    let returned = match (back as u64, after.map(Duration::from_secs_f64)) {
        (0, _) => "none came back".to_owned(),
        (some, Some(after)) => format!("{some} back after {}", Human(after)),
        (some, None) => format!("{some} came back"),
    };
    let of = count(matched as u64, "client");
    let summary = format!("{} of {of} killed, {returned}", killed as u64);
    let mut counters =
        vec![("clients_matched", matched), ("clients_killed", killed), ("clients_back", back)];
    counters.extend(after.map(|it| ("back_after_seconds", it)));
    crate::kind::evidence(killed > 0.0, summary, &counters)
}
