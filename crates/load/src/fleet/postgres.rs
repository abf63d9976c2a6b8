//! Postgres: a way between coordinator and agents where none can reach the other, but all a database.
//!
//! ```text
//! coordinator                 slots                     agents
//! offers so many    ──▶  1 │ free                ◀── each claims one that is free and is waited with
//!                        2 │ loader-1                   (FOR UPDATE SKIP LOCKED)
//!                       pieces
//! writes            ──▶  slot, direction, number, bytes ──▶ takes out what is for it, in order
//! ```
//!
//! A slot carries bytes as a connection does, and no more: the same TLS, proofs and messages go over it, so that the
//! database can neither read what is said nor order load. Each side looks for what is there again and again: at once
//! after something came, and less often the longer nothing does.

mod exchange;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use self::exchange::{Exchange, Side};
use super::link::{LinkError, SILENCE};

/// How often an agent looks for a slot.
const SEEK_EVERY: Duration = Duration::from_millis(500);

/// Made once, by whoever comes first.
const SCHEMA: &str = include_str!("postgres/tables.sql");

/// Who else makes it at the same time waits; any number will do.
const LOCK: i64 = 0x6576_656e_6b65_656c;

/// A database, named without a password.
#[derive(Clone)]
pub struct Database {
    url: String,
    options: Arc<PgConnectOptions>,
}

/// Why a database cannot be used: by whoever carries, for whoever talks.
type Trouble = Arc<OnceLock<String>>;

/// One end of a slot that has been claimed.
#[derive(Debug)]
pub(super) struct Line {
    stream: DuplexStream,
    /// Ends when all that was said is written.
    written: Option<oneshot::Receiver<()>>,
    trouble: Trouble,
}

/// Slots that are offered for as long as this is held.
#[derive(Debug)]
pub(super) struct Offers {
    claimed: UnboundedReceiver<(String, Line)>,
    trouble: Trouble,
}

impl Database {
    /// The database of a URL. The environment may hold the rest (`PGPASSWORD`, `PGPASSFILE`).
    ///
    /// # Errors
    /// When it is no such URL, or holds a password, which everybody on the machine could see.
    pub fn new(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.ok_or("it does not begin with `postgres://`")?;
        let user = rest.split(['/', '?']).next().and_then(|it| it.rsplit_once('@'));
        if user.is_some_and(|(it, _)| it.contains(':')) || rest.contains("password=") {
            return Err("it holds a password, which everybody on this machine could see: \
                        give that in PGPASSWORD, or in the file that PGPASSFILE names"
                .to_owned());
        }
        let options: PgConnectOptions = url.parse().map_err(|it: sqlx::Error| it.to_string())?;
        let options = Arc::new(options.application_name("evenkeel"));
        Ok(Self { url: url.to_owned(), options })
    }

    /// Whether somebody means a database by this.
    pub fn is_meant(url: &str) -> bool {
        url.starts_with("postgres://") || url.starts_with("postgresql://")
    }

    /// As it was named.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A connection, with the schema there.
    async fn connect(&self) -> Result<PgConnection, LinkError> {
        let connect = async {
            let mut connection = self.options.connect().await?;
            // Nothing of this has to be there after a crash.
            sqlx::query("set synchronous_commit = off").execute(&mut connection).await?;
            let found = "select to_regclass('evenkeel_fleet.pieces') is not null";
            if !sqlx::query_scalar::<_, bool>(found).fetch_one(&mut connection).await? {
                let mut making = connection.begin().await?;
                let lock = sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK);
                lock.execute(&mut *making).await?;
                sqlx::raw_sql(SCHEMA).execute(&mut *making).await?;
                making.commit().await?;
            }
            Ok(connection)
        };
        in_time(connect).await
    }

    /// Offers as many slots as agents are expected; one that is given up by whoever claimed it is offered anew.
    pub(super) async fn offer(&self, expected: usize) -> Result<Offers, LinkError> {
        let mut connection = self.connect().await?;
        // Of those that ended without clearing up.
        let left = "delete from evenkeel_fleet.slots
                    where waited < clock_timestamp() - interval '1 min'";
        in_time(sqlx::query(left).execute(&mut connection)).await?;
        let exchange = Exchange::new(connection, Side::Coordinator);
        let (tell, claimed) = unbounded_channel();
        let trouble = exchange.trouble();
        tokio::spawn(exchange.run(Some((expected, tell))));
        Ok(Offers { claimed, trouble })
    }

    /// Claims a slot as soon as there is one that is waited with.
    pub(super) async fn claim(&self, agent: &str) -> Result<Line, LinkError> {
        let mut connection = self.connect().await?;
        let claim = "update evenkeel_fleet.slots set agent = $1 where id = (
                         select id from evenkeel_fleet.slots
                         where agent is null and waited > clock_timestamp() - interval '3 s'
                         order by id limit 1 for update skip locked
                     ) returning id";
        loop {
            let claim = sqlx::query_scalar::<_, i64>(claim).bind(agent);
            if let Some(slot) = in_time(claim.fetch_optional(&mut connection)).await? {
                let mut exchange = Exchange::new(connection, Side::Agent);
                let line = exchange.open(slot);
                tokio::spawn(exchange.run(None));
                return Ok(line);
            }
            sleep(SEEK_EVERY).await;
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.url).finish()
    }
}

impl Offers {
    /// The next slot that somebody has claimed, and what that one calls itself.
    pub(super) async fn next(&mut self) -> Result<(String, Line), LinkError> {
        let claimed = self.claimed.recv().await;
        claimed.ok_or_else(|| LinkError::Database(self.trouble.get().cloned().unwrap_or_default()))
    }
}

/// A database that does not answer is not waited for for ever.
async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, LinkError> {
    let done = timeout(SILENCE, work).await;
    let done = done.map_err(|_| LinkError::Database("it did not answer for 5 s".to_owned()))?;
    done.map_err(|it| LinkError::Database(it.to_string()))
}

impl Line {
    /// The same error, or why the database is to blame for it.
    fn cause(&self, error: io::Error) -> io::Error {
        self.trouble.get().map_or(error, |it| io::Error::other(it.clone()))
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let ended = buf.filled().len() == before && buf.remaining() > 0;
        // What the other side ended, it ended with a last piece.
        Poll::Ready(match (ended, self.trouble.get()) {
            (true, Some(trouble)) => Err(io::Error::other(trouble.clone())),
            _ => Ok(()),
        })
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        Poll::Ready(written.map_err(|it| self.cause(it)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        if let Some(written) = &mut self.written {
            // Nothing is ever sent: whoever would is gone when all is written.
            drop(ready!(Pin::new(written).poll(cx)));
            self.written = None;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_password_is_refused() {
        for url in ["postgres://me:secret@db/it", "postgresql://db/it?password=secret"] {
            let error = Database::new(url).unwrap_err();
            assert!(error.contains("PGPASSWORD") && !error.contains("secret"), "{error}");
        }
        assert!(Database::new("http://db").is_err());
        assert_eq!(
            Database::new("postgres://me@db:5433/it").unwrap().url(),
            "postgres://me@db:5433/it"
        );
    }
}
