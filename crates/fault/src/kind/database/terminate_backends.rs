//! `terminateBackends`: a share of the sessions of a PostgreSQL is ended.
//!
//! Simulates a failover, a restart behind a pooler, an administrator: what was under way is rolled back, and clients
//! find out when they use the connection again. Does the pool throw it away, and is the work done again?
//!
//! ```yaml
//! - terminateBackends:
//!     share: 50%
//!     user: app                # only of this role; likewise `database`, `application`
//!     target: {postgres: "postgres://chaos:${env:CHAOS_PASSWORD}@10.0.0.7/orders"}
//!     at: 10s
//! ```
//!
//! The seed picks among the sessions that match at that moment; the share is rounded down. Never ended: sessions of
//! Evenkeel, those of superusers unless we are one, and what the server itself runs. Needs: a role that is a member of
//! `pg_signal_backend`, or of the roles whose sessions are ended. Release class D: nothing is left to undo. Evidence:
//! sessions that are gone, and how many came back until the fault is over, and when.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use evenkeel_units::Human;
use std::time::Duration;

use crate::holder::{Counters, Task, Terminate};
use crate::kind::{Aim, Kind, count};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "terminateBackends",
    release: Release::OneShot,
    needs: "a role with pg_signal_backend, or the roles whose sessions are ended",
    about: "- terminateBackends: {share: 50%, user: app, target: {postgres: \"postgres://chaos@10.0.0.7/orders\"}, at: 10s}",
    plan,
    evidence: |past| past.held(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::TerminateBackends { share, user, database, application } = aim.fault else {
        return Ok(Vec::new());
    };
    let [user, database, application] = [user, database, application].map(Clone::clone);
    let it = Terminate { share: *share, user, database, application, seed: aim.seed };
    super::in_postgres(aim, Task::Terminate(it))
}

fn evidence(counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let [matched, ended, back] =
        ["sessions_matched", "sessions_terminated", "sessions_back"].map(counter);
    let after = counted.get("back_after_seconds").copied();
    let returned = match (back as u64, after.map(Duration::from_secs_f64)) {
        (0, _) => "none came back".to_owned(),
        (some, Some(after)) => format!("{some} back after {}", Human(after)),
        (some, None) => format!("{some} came back"),
    };
    let of = count(matched as u64, "session");
    let summary = format!("{} of {of} ended, {returned}", ended as u64);
    let mut counters = vec![
        ("sessions_matched", matched),
        ("sessions_terminated", ended),
        ("sessions_back", back),
    ];
    counters.extend(after.map(|it| ("back_after_seconds", it)));
    crate::kind::evidence(ended > 0.0, summary, &counters)
}
