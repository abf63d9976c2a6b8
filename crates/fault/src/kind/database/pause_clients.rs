//! `pauseClients`: commands of the clients of a Redis wait.
//!
//! Simulates a slow command that holds up all others, a fork of a large server, a disk that syncs; and by `mode: write` a
//! failover that is being prepared: connections stay, and answers are late. Do time limits and circuit breakers work?
//!
//! ```yaml
//! - pauseClients: {mode: all, target: {redis: "redis://chaos:${env:CHAOS_PASSWORD}@10.0.0.7:6379"}, at: 10s, duration: 20s}
//! ```
//!
//! `all` (the default) lets every command wait, `write` those that write or might (`EVAL`, `PUBLISH`). Needs: Redis 6.2 or
//! later, or Valkey, and a user that may `CLIENT` and `PING`, for `write` `PUBLISH` to the channel `evenkeel`. Release
//! class B: the server ends it 1 s after it last heard of us. It is never taken back, for that would wait, too, or end
//! a pause that somebody else has laid: it ends up to 1 s late, or 3 s when the way to the server is cut off. Evidence:
//! how long a command of ours waited, and how long it took before.

use std::time::Duration;

use evenkeel_model::document::{Fault, PauseMode};
use evenkeel_model::event::Evidence;
use evenkeel_units::Human;

use crate::holder::{Counters, RedisTask};
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "pauseClients",
    release: Release::Lease,
    needs: "Redis 6.2, and a user of it with +client +ping +publish &evenkeel",
    about: "- pauseClients: {mode: all, target: {redis: \"redis://10.0.0.7:6379\"}, at: 10s, duration: 20s}",
    plan,
    evidence: |past| past.held(|it| evidence(past.fault, it)),
};

/// A server that is only busy is not so late.
const LATE: Duration = Duration::from_millis(100);

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::PauseClients { mode } = *aim.fault else { return Ok(Vec::new()) };
    super::in_redis(aim, RedisTask::Pause(mode))
}

fn evidence(fault: &Fault, counted: &Counters) -> Evidence {
    let counter = crate::kind::reader(counted);
    let [longest, usual] = ["longest_wait_seconds", "usual_wait_seconds"].map(counter);
    let command = match fault {
        Fault::PauseClients { mode: PauseMode::Write } => "PUBLISH",
        _ => "PING",
    };
    let [waited, before] = [longest, usual].map(|it| Human(Duration::from_secs_f64(it)));
    let summary = format!("a {command} waited {waited}, and took {before} before");
    let counters = [("longest_wait_seconds", longest), ("usual_wait_seconds", usual)];
    crate::kind::evidence(longest - usual >= LATE.as_secs_f64(), summary, &counters)
}
