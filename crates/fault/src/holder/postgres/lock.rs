//! A table that is locked by a session of ours, and who waits for it.
//!
//! The session gives up when the lock is not to be had, so that nobody queues behind it for long; and the server ends
//! it when it says nothing for 5 s, so that a holder that is stopped holds nothing either.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use evenkeel_model::document::LockMode;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Error};

use super::{LOOK, Server, is_code};
use crate::holder::{Counters, Life, counters};
use crate::need::PlanError;

/// Lock a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// As SQL names it.
    pub table: String,
    /// What others cannot do meanwhile.
    pub mode: LockMode,
}

/// Shorter than we wait for an answer.
const SETTINGS: &str = "set lock_timeout = '3s'; set idle_in_transaction_session_timeout = '5s'";
/// As the server writes its name, and whether we may lock it.
const FIND: &str = "
    select format('%I.%I', n.nspname, c.relname), has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE')
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1)";
const WAITERS: &str = "
    select pid from pg_locks
    where not granted and locktype = 'relation' and relation = $1::text::regclass
      and database = (select oid from pg_database where datname = current_database())";
/// `lock_not_available`
const NOT_AVAILABLE: &str = "55P03";

impl Lock {
    pub(super) fn run(self, server: &Server, life: &Life) -> io::Result<Counters> {
        let mut session = server.connect().map_err(io::Error::other)?;
        let find = sqlx::query_as::<_, (String, bool)>(FIND).bind(&self.table);
        let found = server.ask(find.fetch_optional(&mut session)).map_err(io::Error::other)?;
        let Some((name, may)) = found else {
            let message = format!("there is no table {} in that database", self.table);
            return Err(io::Error::other(PlanError::Unfit(message)));
        };
        if !may {
            return Err(io::Error::other(PlanError::Missing {
                what: format!("the right to lock {name}"),
                help: format!("`GRANT UPDATE ON {name} TO {}`", server.role(&mut session)?),
            }));
        }
        let mode = match self.mode {
            LockMode::AccessExclusive => "access exclusive",
            LockMode::Exclusive => "exclusive",
        };
        // The server has quoted the name itself.
        let lock = AssertSqlSafe(format!("begin; lock table {name} in {mode} mode"));
        let lock = async {
            sqlx::raw_sql(SETTINGS).execute(&mut session).await?;
            sqlx::raw_sql(lock).execute(&mut session).await
        };
        server.ask(lock).map_err(|it| why_not(&name, it))?;
        life.ready()?;
        let mut waited = BTreeSet::new();
        let mut most = 0;
        loop {
            let is_over = life.wait_for(LOOK)?;
            let now = sqlx::query_scalar::<_, i32>(WAITERS).bind(&name).fetch_all(&mut session);
            let now = server.ask(now).map_err(io::Error::other)?;
            most = most.max(now.len());
            waited.extend(now);
            if is_over {
                break;
            }
        }
        server.ask(sqlx::raw_sql("rollback").execute(&mut session)).map_err(io::Error::other)?;
        Ok(counters([
            ("sessions_that_waited", waited.len() as f64),
            ("most_sessions_at_once", most as f64),
        ]))
    }
}

fn why_not(name: &str, error: Error) -> io::Error {
    if is_code(&error, NOT_AVAILABLE) {
        let message = format!("{name} is locked by others, and was for 3s: try again later");
        return io::Error::other(PlanError::Unfit(message));
    }
    io::Error::other(error)
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mode {
            LockMode::AccessExclusive => write!(f, "lock {} for everybody", self.table),
            LockMode::Exclusive => write!(f, "lock {} for whoever writes", self.table),
        }
    }
}
