//! Exchange: carries the bytes of slots into the tables and out of them, over one connection to the database.
//!
//! One turn after the other: what is to be said is written, what has come is taken out, and slots that are free are
//! offered as long as agents are waited for. An agent has one slot, a coordinator all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::io::{duplex, split};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedSender, channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::{Line, Trouble, in_time};
use crate::fleet::link::LinkError;

/// Bytes of a piece at most, as the table has it.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// Pieces that are written or taken out at a time.
const PIECES_MAX: u16 = 16;

/// Between two looks for pieces, soon after something was said, and when nothing has been for a while.
const LOOK_SOON: Duration = Duration::from_millis(1);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How often a coordinator says that it still needs its slots.
const WAIT_EVERY: Duration = Duration::from_secs(1);

/// What one line has said; nothing when it has said all.
type Said = (i64, Option<Vec<u8>>);

/// So many slots are offered, and who is told of one that somebody has claimed.
pub(super) type Offering = (usize, UnboundedSender<(String, Line)>);

/// Which side of the slots this is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Coordinator,
    Agent,
}

/// A slot that is open.
struct Open {
    /// What comes goes here, until the other side has said all.
    put: Option<Sender<Vec<u8>>>,
    /// Gone as soon as all that was said here is written.
    _unwritten: oneshot::Sender<()>,
}

/// Everything that one process has to do with the tables.
pub(super) struct Exchange {
    connection: PgConnection,
    side: Side,
    open: BTreeMap<i64, Open>,
    /// Slots that nobody has claimed.
    free: Vec<i64>,
    say: Sender<Said>,
    said: Receiver<Said>,
    waited: Instant,
    trouble: Trouble,
}

impl Exchange {
    pub(super) fn new(connection: PgConnection, side: Side) -> Self {
        let (say, said) = channel(PIECES_MAX.into());
        Self {
            connection,
            side,
            open: BTreeMap::new(),
            free: Vec::new(),
            say,
            said,
            waited: Instant::now(),
            trouble: Trouble::default(),
        }
    }

    /// Where it is said what is wrong with the database.
    pub(super) fn trouble(&self) -> Trouble {
        Trouble::clone(&self.trouble)
    }

    /// Our end of a slot.
    pub(super) fn open(&mut self, slot: i64) -> Line {
        let (stream, theirs) = duplex(PIECE_BYTES_MAX);
        let (reads, writes) = split(theirs);
        let (put, came) = channel(PIECES_MAX.into());
        let (unwritten, written) = oneshot::channel();
        self.open.insert(slot, Open { put: Some(put), _unwritten: unwritten });
        tokio::spawn(say_all(slot, reads, self.say.clone()));
        tokio::spawn(hear_all(came, writes));
        Line { stream, written: Some(written), trouble: self.trouble() }
    }

    /// Carries until nobody wants anything carried any more; offers slots until nobody wants to be told.
    pub(super) async fn run(mut self, mut offering: Option<Offering>) {
        if let Err(error) = self.carry(&mut offering).await {
            // Nobody else says any.
            self.trouble.set(error.to_string()).unwrap_or_default();
        }
    }

    async fn carry(&mut self, offering: &mut Option<Offering>) -> Result<(), LinkError> {
        let (mut said, mut pause) = (Vec::new(), LOOK_SOON);
        loop {
            offering.take_if(|(_, tell)| tell.is_closed());
            match offering {
                Some(offering) => self.offer(offering).await?,
                None if self.open.is_empty() => return self.withdraw().await,
                None => self.withdraw().await?,
            }
            if self.side == Side::Coordinator && self.waited.elapsed() >= WAIT_EVERY {
                self.wait().await?;
            }
            let moved = self.write(&mut said).await? + self.take().await?;
            pause = if moved > 0 { LOOK_SOON } else { LOOK_AGAIN.min(pause * 2) };
            tokio::select! {
                // A sender is held here, so that there may be nothing, but never an end.
                _ = self.said.recv_many(&mut said, PIECES_MAX.into()) => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Offers what is missing, and opens what has been claimed.
    async fn offer(&mut self, (expected, tell): &Offering) -> Result<(), LinkError> {
        let missing = expected.saturating_sub(self.free.len() + self.open.len());
        if missing > 0 {
            let offer = "insert into evenkeel_fleet.slots (agent)
                         select null from generate_series(1, $1) returning id";
            let offer = sqlx::query_scalar::<_, i64>(offer)
                .bind(i64::try_from(missing).unwrap_or(i64::MAX));
            self.free.extend(in_time(offer.fetch_all(&mut self.connection)).await?);
        }
        let look = "update evenkeel_fleet.slots set waited = clock_timestamp() where id = any($1)
                    returning id, agent";
        let look = sqlx::query(look).bind(&self.free).fetch_all(&mut self.connection);
        for row in in_time(look).await? {
            let (slot, agent): (i64, Option<String>) = (row.get(0), row.get(1));
            let Some(agent) = agent else { continue };
            self.free.retain(|it| *it != slot);
            let line = self.open(slot);
            // Whoever is told no more drops the line, which is closed then.
            drop(tell.send((agent, line)));
        }
        Ok(())
    }

    /// Takes back what nobody has claimed.
    async fn withdraw(&mut self) -> Result<(), LinkError> {
        let free = std::mem::take(&mut self.free);
        self.remove(&free).await
    }

    async fn remove(&mut self, slots: &[i64]) -> Result<(), LinkError> {
        if !slots.is_empty() {
            let remove = sqlx::query("delete from evenkeel_fleet.slots where id = any($1)");
            in_time(remove.bind(slots).execute(&mut self.connection)).await?;
        }
        Ok(())
    }

    /// Says that somebody is here still.
    async fn wait(&mut self) -> Result<(), LinkError> {
        let slots: Vec<i64> = self.open.keys().copied().collect();
        let wait = "update evenkeel_fleet.slots set waited = clock_timestamp() where id = any($1)";
        in_time(sqlx::query(wait).bind(slots).execute(&mut self.connection)).await?;
        self.waited = Instant::now();
        Ok(())
    }

    /// Writes what was said; who has said all is let go.
    async fn write(&mut self, said: &mut Vec<Said>) -> Result<usize, LinkError> {
        let count = said.len();
        if count == 0 {
            return Ok(0);
        }
        let all = said.iter().filter(|(_, bytes)| bytes.is_none());
        let all: Vec<i64> = all.map(|(slot, _)| *slot).collect();
        let (slots, pieces): (Vec<i64>, Vec<Option<Vec<u8>>>) = said.drain(..).unzip();
        // A slot that has been removed is heard by nobody.
        let write = "insert into evenkeel_fleet.pieces (slot, to_agent, bytes)
                     select slot, $3, bytes
                     from unnest($1, $2) with ordinality as said (slot, bytes, place)
                     where exists (select from evenkeel_fleet.slots where id = slot)
                     order by place";
        let to_agent = self.side == Side::Coordinator;
        let write = sqlx::query(write).bind(slots).bind(pieces).bind(to_agent);
        in_time(write.execute(&mut self.connection)).await?;
        // The last one to go clears up.
        let both = all.iter().filter(|it| self.open.get(it).is_some_and(|it| it.put.is_none()));
        let both: Vec<i64> = both.copied().collect();
        self.remove(&both).await?;
        all.iter().for_each(|it| drop(self.open.remove(it)));
        Ok(count)
    }

    /// Takes out what has come, for those who have heard all that came before.
    async fn take(&mut self) -> Result<usize, LinkError> {
        let hears =
            |it: &Open| it.put.as_ref().is_some_and(|it| it.capacity() == usize::from(PIECES_MAX));
        let slots = self.open.iter().filter(|(_, it)| hears(it)).map(|(slot, _)| *slot);
        let slots: Vec<i64> = slots.collect();
        if slots.is_empty() {
            return Ok(0);
        }
        let take = "with taken as (
                        delete from evenkeel_fleet.pieces where number in (
                            select number from evenkeel_fleet.pieces
                            where slot = any($1) and to_agent = $2 order by number limit $3
                        ) returning number, slot, bytes
                    ) select slot, bytes from taken order by number";
        let to_agent = self.side == Side::Agent;
        let take = sqlx::query(take).bind(slots).bind(to_agent).bind(i64::from(PIECES_MAX));
        let rows = in_time(take.fetch_all(&mut self.connection)).await?;
        for row in &rows {
            let (slot, bytes): (i64, Option<Vec<u8>>) = (row.get(0), row.get(1));
            let Some(open) = self.open.get_mut(&slot) else { continue };
            match (bytes, &open.put) {
                // It has room for all that can come at once; whoever hears no more needs none.
                (Some(bytes), Some(put)) => put.try_send(bytes).unwrap_or_default(),
                _ => open.put = None,
            }
        }
        Ok(rows.len())
    }
}

/// Passes on what is said, until nothing more is.
async fn say_all(slot: i64, mut reads: ReadHalf<DuplexStream>, say: Sender<Said>) {
    loop {
        let mut bytes = Vec::with_capacity(PIECE_BYTES_MAX);
        let piece = match reads.read_buf(&mut bytes).await {
            Ok(1..) => Some(bytes),
            _ => None,
        };
        let last = piece.is_none();
        if say.send((slot, piece)).await.is_err() || last {
            return;
        }
    }
}

/// Passes on what has come, until all has.
async fn hear_all(mut came: Receiver<Vec<u8>>, mut writes: WriteHalf<DuplexStream>) {
    while let Some(bytes) = came.recv().await {
        if writes.write_all(&bytes).await.is_err() {
            return;
        }
    }
    writes.shutdown().await.unwrap_or_default();
}
