//! Sessions of ours in a PostgreSQL: what they hold ends with them, and they end with us.
//!
//! The server sees at once that a connection is closed, and rolls back. Should this host be cut off from it, the server
//! asks by TCP whether anybody is there, and gives up after [`KEEPALIVE`].

mod connections;
mod lock;
mod terminate;

use std::fmt;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Error};
use tokio::runtime::Runtime;

use super::access::Access;
use super::{Counters, Life};

pub(crate) use self::lock::Lock;
pub(crate) use self::terminate::Terminate;

/// A server that does not answer is not waited for for ever.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How often it is looked what became of it.
const LOOK: Duration = Duration::from_millis(100);
/// By this every session of ours is known, and spared by faults of ours.
const NAME: &str = "evenkeel";
/// The server asks a silent client after 5 s, and gives it up after 10 s more.
const KEEPALIVE: &str = "set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 2; \
                         set tcp_keepalives_count = 5";

/// Do something in a PostgreSQL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Postgres {
    /// Where it is.
    pub at: Access,
    /// What to do.
    pub task: Task,
}

/// What is done in a PostgreSQL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// End sessions of others.
    Terminate(Terminate),
    /// Take connections until so many are left.
    TakeConnections {
        /// How many are left to others.
        free: u32,
    },
    /// Lock a table.
    Lock(Lock),
}

impl Postgres {
    pub(super) fn run(self, life: &Life) -> io::Result<Counters> {
        let options: PgConnectOptions = self.at.url().parse().map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options = options.application_name(NAME);
        let server = Server { runtime, options };
        match self.task {
            Task::Terminate(it) => it.run(&server, life),
            Task::TakeConnections { free } => connections::take(&server, free, life),
            Task::Lock(it) => it.run(&server, life),
        }
    }
}

impl fmt::Display for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Task::Terminate(it) => write!(f, "{it}")?,
            Task::TakeConnections { free } => write!(f, "take connections until {free} are left")?,
            Task::Lock(it) => write!(f, "{it}")?,
        }
        write!(f, " at {}", self.at)
    }
}

/// A server, asked by one thread that waits for each answer.
#[derive(Debug)]
struct Server {
    runtime: Runtime,
    options: PgConnectOptions,
}

impl Server {
    fn connect(&self) -> Result<PgConnection, Error> {
        let connect = async {
            let mut session = self.options.connect().await?;
            sqlx::raw_sql(KEEPALIVE).execute(&mut session).await?;
            Ok(session)
        };
        self.ask(connect)
    }

    /// Who we are there, as SQL names it.
    fn role(&self, session: &mut PgConnection) -> io::Result<String> {
        let role = sqlx::query_scalar("select quote_ident(current_user)").fetch_one(session);
        self.ask(role).map_err(io::Error::other)
    }

    fn ask<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let late = |_| Error::Io(io::Error::from(io::ErrorKind::TimedOut));
        self.runtime
            .block_on(async { tokio::time::timeout(ANSWER_MAX, work).await })
            .map_err(late)?
    }
}

/// Whether the server said this: a code as in appendix A of its manual.
fn is_code(error: &Error, code: &str) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|it| it == code)
}
