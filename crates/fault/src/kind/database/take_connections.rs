//! `takeConnections`: sessions of ours take up the connections of a PostgreSQL until so many are left.
//!
//! Simulates a leak of connections, a pool that is too large, a connection limit that is too low: whoever has a
//! connection keeps it, and whoever wants one is refused (`too_many_connections`).
//!
//! ```yaml
//! - takeConnections: {free: 0, target: {postgres: "postgres://app:${env:APP_PASSWORD}@10.0.0.7/orders"}, at: 10s, duration: 30s}
//! ```
//!
//! It is what `ALTER ROLE … CONNECTION LIMIT` brings about, without changing a role: that would outlive us, the server
//! and this host. The limits of the role and the database of the URL count as well as that of the server, so that a
//! role with a limit of its own leaves others their connections. What a client gives back is taken within 100 ms; what
//! is reserved for superusers stays. Needs: to be let in; nothing else. Release class A: the connections are ours, and the
//! server sees at once that they are closed. Evidence: connections held, connections left, and whether one more of ours
//! was refused.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use crate::holder::{Counters, Task};
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "takeConnections",
    release: Release::Lifetime,
    needs: "a role that may connect",
    about: "- takeConnections: {free: 0, target: {postgres: \"postgres://app@10.0.0.7/orders\"}, at: 10s, duration: 30s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::TakeConnections { free } = *aim.fault else { return Ok(Vec::new()) };
    super::in_postgres(aim, Task::TakeConnections { free })
}

fn evidence(counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let [held, left, refused] =
        ["connections_held", "connections_left", "connects_refused"].map(counter);
    let seen = if refused > 0.0 { ", and one more was refused" } else { "" };
    let of = count(held as u64, "connection");
    let summary = format!("{of} taken, {} left{seen}", left as u64);
    let counters =
        [("connections_held", held), ("connections_left", left), ("connects_refused", refused)];
    crate::kind::evidence(held > 0.0, summary, &counters)
}
