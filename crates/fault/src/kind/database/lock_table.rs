//! `lockTable`: a session of ours locks a table of a PostgreSQL.
//!
//! Simulates a migration at noon, a forgotten transaction, a backup: whoever needs the table waits, connections pile up
//! behind it, and time limits show what they are worth.
//!
//! ```yaml
//! - lockTable: {table: public.orders, mode: accessExclusive, target: {postgres: "postgres://app@10.0.0.7/orders"}, at: 10s, duration: 20s}
//! ```
//!
//! `accessExclusive` (the default) stops readers and writers, `exclusive` writers. When others hold the table for 3 s
//! the fault fails, so that nobody queues behind it for longer. Needs: UPDATE, DELETE or TRUNCATE on the table. Release
//! class A: the lock lives in our session; the server also ends one that is silent for 5 s. Evidence: sessions that waited.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use crate::holder::{Counters, Lock, Task};
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "lockTable",
    release: Release::Lifetime,
    needs: "UPDATE, DELETE or TRUNCATE on the table",
    about: "- lockTable: {table: public.orders, target: {postgres: \"postgres://app@10.0.0.7/orders\"}, at: 10s, duration: 20s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::LockTable { table, mode } = aim.fault else { return Ok(Vec::new()) };
    super::in_postgres(aim, Task::Lock(Lock { table: table.clone(), mode: *mode }))
}

fn evidence(counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let [waited, most] = ["sessions_that_waited", "most_sessions_at_once"].map(counter);
    let summary = match waited as u64 {
        0 => "nobody waited for the table".to_owned(),
        some => format!("{} waited, at most {} at once", count(some, "session"), most as u64),
    };
    let counters = [("sessions_that_waited", waited), ("most_sessions_at_once", most)];
    crate::kind::evidence(waited > 0.0, summary, &counters)
}
