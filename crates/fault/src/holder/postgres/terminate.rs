//! Sessions that are ended, and whether they come back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

use evenkeel_units::{Clock, Ratio, Seed, SystemClock};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use sqlx::Error;
use sqlx::postgres::PgConnection;

use super::{ANSWER_MAX, LOOK, NAME, Server};
use crate::holder::{Counters, Life, counters};
use crate::need::PlanError;

/// End a share of the sessions that match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terminate {
    /// Of those that match, rounded down.
    pub share: Ratio,
    /// Of this role.
    pub user: Option<String>,
    /// In this database.
    pub database: Option<String>,
    /// Of the application of this name.
    pub application: Option<String>,
    /// Of the run.
    pub seed: Seed,
}

/// Sessions of others that match, and whether we may end them: those of roles that we are, and with the right to it all
/// but those of superusers. What kind a session is can be hidden from us; ours are known by their name.
const MATCHING: &str = "
    select a.pid, pg_has_role('pg_signal_backend', 'MEMBER') or pg_has_role(a.usesysid, 'MEMBER')
    from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
    where coalesce(a.backend_type, 'client backend') = 'client backend'
      and a.pid <> pg_backend_pid() and a.application_name is distinct from $1
      and ($2::text is null or a.usename = $2) and ($3::text is null or a.datname = $3)
      and ($4::text is null or a.application_name = $4)
      and (not r.rolsuper or (select rolsuper from pg_roles where rolname = current_user))";
/// One that has gone meanwhile is not there to be ended.
const TERMINATE: &str = "
    select a.pid from pg_stat_activity a
    where a.pid = any($1) and a.application_name is distinct from $2 and pg_terminate_backend(a.pid)";

impl Terminate {
    pub(super) fn run(self, server: &Server, life: &Life) -> io::Result<Counters> {
        let mut session = server.connect().map_err(io::Error::other)?;
        let before = self.matching(server, &mut session).map_err(io::Error::other)?;
        if before.values().any(|may| !may) {
            return Err(io::Error::other(PlanError::Missing {
                what: "the right to end sessions of other roles".to_owned(),
                help: format!("`GRANT pg_signal_backend TO {}`", server.role(&mut session)?),
            }));
        }
        let chosen = self.pick(before.keys().copied().collect());
        if chosen.is_empty() {
            let message = format!(
                "{} of {} sessions that match is none: shares are rounded down, and sessions of superusers are a \
                 superuser's to end",
                self.share,
                before.len()
            );
            return Err(io::Error::other(message));
        }
        let clock = SystemClock::start();
        let terminate = sqlx::query_scalar::<_, i32>(TERMINATE).bind(&chosen).bind(NAME);
        let ended = server.ask(terminate.fetch_all(&mut session)).map_err(io::Error::other)?;
        let left = "select count(*) from pg_stat_activity where pid = any($1)";
        let mut gone = 0;
        while gone < ended.len() && clock.now().elapsed() < ANSWER_MAX {
            let left = sqlx::query_scalar::<_, i64>(left).bind(&ended).fetch_one(&mut session);
            gone = ended.len() - server.ask(left).map_err(io::Error::other)? as usize;
            if life.wait_for(LOOK / 10)? {
                break;
            }
        }
        life.ready()?;
        let mut back = BTreeSet::new();
        let mut back_after = None;
        while !life.wait_for(LOOK)? {
            // A server that is not there any more shows nobody; what has been seen stays.
            let Ok(now) = self.matching(server, &mut session) else { break };
            back.extend(now.into_keys().filter(|it| !before.contains_key(it)));
            if back.len() >= gone {
                back_after.get_or_insert_with(|| clock.now().elapsed().as_secs_f64());
            }
        }
        life.wait()?;
        let mut counted = counters([
            ("sessions_matched", before.len() as f64),
            ("sessions_terminated", gone as f64),
            ("sessions_back", back.len().min(gone) as f64),
        ]);
        counted.extend(back_after.map(|it| ("back_after_seconds".to_owned(), it)));
        Ok(counted)
    }

    /// By their numbers, and whether we may end them.
    fn matching(
        &self,
        server: &Server,
        session: &mut PgConnection,
    ) -> Result<BTreeMap<i32, bool>, Error> {
        let query = sqlx::query_as::<_, (i32, bool)>(MATCHING).bind(NAME);
        let query = query.bind(&self.user).bind(&self.database).bind(&self.application);
        Ok(server.ask(query.fetch_all(session))?.into_iter().collect())
    }

    /// Picks by the seed.
    fn pick(&self, mut order: Vec<i32>) -> Vec<i32> {
        let (wanted, of) = (self.share.floor_of(order.len()), order.len());
        let mut rng = self.seed.stream("fault/backends");
        // The first steps of a Fisher-Yates shuffle.
        for place in 0..wanted {
            order.swap(place, rng.random_range(place..of));
        }
        order.truncate(wanted);
        order
    }
}

impl fmt::Display for Terminate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "end {} of the sessions", self.share)?;
        for (word, of) in
            [("of", &self.user), ("in", &self.database), ("of the application", &self.application)]
        {
            of.iter().try_for_each(|it| write!(f, " {word} `{it}`"))?;
        }
        Ok(())
    }
}
