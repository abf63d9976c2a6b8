//! Faults of databases: what is done in sessions of ours, which end with us.

use evenkeel_model::document::{DatabaseUrl, Reference, ResolveError, Selector};

use super::Aim;
use crate::holder::{Access, Address, Postgres, Redis, RedisTask, Task, Work};
use crate::need::PlanError;
use crate::plan::Step;

pub(super) mod kill_clients;
pub(super) mod lock_table;
pub(super) mod pause_clients;
pub(super) mod take_connections;
pub(super) mod terminate_backends;

/// What a holder does in the PostgreSQL that it is aimed at.
fn in_postgres(aim: &Aim<'_>, task: Task) -> Result<Vec<Step>, PlanError> {
    let Some(Selector::Postgres(url)) = aim.target.map(|it| &it.select) else {
        return Ok(Vec::new());
    };
    let (at, _) = access(url)?;
    Ok(vec![aim.hold(Work::Postgres(Postgres { at, task }))])
}

/// What a holder does in the Redis that it is aimed at.
fn in_redis(aim: &Aim<'_>, task: RedisTask) -> Result<Vec<Step>, PlanError> {
    let Some(Selector::Redis(url)) = aim.target.map(|it| &it.select) else {
        return Ok(Vec::new());
    };
    let (at, resolved) = access(url)?;
    // The document may say no more than where the URL is kept.
    resolved.parse::<Address>().map_err(|it| PlanError::Unfit(format!("{at}: {it}")))?;
    Ok(vec![aim.hold(Work::Redis(Redis { at, task }))])
}

/// How a server is reached, and its URL with every reference looked up.
fn access(url: &DatabaseUrl) -> Result<(Access, String), PlanError> {
    let resolved = url.resolve(look_up).map_err(|it| PlanError::Missing {
        what: "to be let into the database".to_owned(),
        help: it.to_string(),
    })?;
    Ok((Access::new(url.to_string(), resolved.clone()), resolved))
}

/// What a reference stands for.
fn look_up(reference: &Reference) -> Result<String, ResolveError> {
    let found = match reference {
        Reference::Env(name) => std::env::var(name).map_err(|it| it.to_string()),
        Reference::File(file) => std::fs::read_to_string(file.path())
            .map(|it| it.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|it| it.to_string()),
    };
    found.map_err(|reason| ResolveError::new(reference, reason))
}
