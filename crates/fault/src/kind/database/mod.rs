//! Faults of databases: what is done in sessions of ours, which end with us.

use evenkeel_model::document::{Reference, ResolveError, Selector};

use super::Aim;
use crate::holder::{Access, Postgres, Task, Work};
use crate::need::PlanError;
use crate::plan::Step;

pub(super) mod lock_table;
pub(super) mod take_connections;
pub(super) mod terminate_backends;

/// What a holder does in the PostgreSQL that it is aimed at.
fn in_postgres(aim: &Aim<'_>, task: Task) -> Result<Vec<Step>, PlanError> {
    let Some(Selector::Postgres(url)) = aim.target.map(|it| &it.select) else {
        return Ok(Vec::new());
    };
    let resolved = url.resolve(look_up).map_err(|it| PlanError::Missing {
        what: "to be let into the database".to_owned(),
        help: it.to_string(),
    })?;
    let at = Access::new(url.to_string(), resolved);
    Ok(vec![aim.hold(Work::Postgres(Postgres { at, task }))])
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
