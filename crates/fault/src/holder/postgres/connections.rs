//! Connections that are taken until so many are left, and are taken again when somebody gives one back.

use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

use super::{LOOK, Server, is_code};
use crate::holder::{Counters, Life, counters};
use crate::need::PlanError;

/// How many more the server would let in as our role into our database: as superusers see it, too, so that what is
/// reserved for them stays.
const FREE: &str = "
    with sessions as (
        select usesysid, datid from pg_stat_activity
        where datid is not null and usesysid is not null
          and coalesce(backend_type, 'client backend') = 'client backend'
    )
    select least(
        current_setting('max_connections')::bigint
            - current_setting('superuser_reserved_connections')::bigint
            - coalesce(current_setting('reserved_connections', true), '0')::bigint
            - (select count(*) from sessions),
        (select rolconnlimit - (select count(*) from sessions s where s.usesysid = r.oid)
            from pg_roles r where r.rolname = current_user and r.rolconnlimit >= 0 and not r.rolsuper),
        (select datconnlimit - (select count(*) from sessions s where s.datid = d.oid)
            from pg_database d where d.datname = current_database() and d.datconnlimit >= 0)
    )";
/// `too_many_connections`
const TOO_MANY: &str = "53300";

/// Takes connections, and holds them to the end.
pub(super) fn take(server: &Server, free: u32, life: &Life) -> io::Result<Counters> {
    // Each is a descriptor of ours.
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files)?;
    let mut session = server.connect().map_err(io::Error::other)?;
    let mut held = Vec::new();
    let mut left;
    let mut refused = 0;
    let mut is_ready = false;
    loop {
        let now = sqlx::query_scalar::<_, i64>(FREE).fetch_one(&mut session);
        left = server.ask(now).map_err(io::Error::other)?;
        // One that is refused by everybody else's limit, or by somebody who was faster, shows that there are no more.
        let mut is_full = false;
        while left > i64::from(free) && !is_full && !life.wait_for(std::time::Duration::ZERO)? {
            match server.connect() {
                Ok(it) => held.push(it),
                Err(error) if is_code(&error, TOO_MANY) => is_full = true,
                Err(error) => return Err(io::Error::other(error)),
            }
            left -= 1;
        }
        if !is_ready {
            if held.is_empty() {
                let message = format!("no more than {} connections are free already", left.max(0));
                return Err(io::Error::other(PlanError::Unfit(message)));
            }
            // That others are refused is seen, not concluded; a superuser would be let in.
            if free == 0 && server.connect().is_err_and(|it| is_code(&it, TOO_MANY)) {
                refused = 1;
            }
            life.ready()?;
            is_ready = true;
        }
        if life.wait_for(LOOK)? {
            break;
        }
    }
    Ok(counters([
        ("connections_held", held.len() as f64),
        ("connections_left", left.max(0) as f64),
        ("connects_refused", f64::from(refused)),
    ]))
}
