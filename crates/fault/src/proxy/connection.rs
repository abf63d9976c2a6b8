//! One connection through a link: a lane for each of its streams, and what lies on the link as a whole.
//!
//! A connection does all it can without waiting (read, sort, delay, send), then waits for whichever
//! comes first: a socket, the alarm of the next segment, or a change of what lies on the link. So a fault
//! acts on connections that were there before it, and ends on them, too.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::http::{Exchanges, Sorted};
use super::lane::Lane;
use super::tls::meet;
use super::toxic::{Laid, Stream, Toxics};
use super::upstream::Upstream;

/// Read at a time.
const READ_BYTES: usize = 64 * 1024;
/// Turns in a row before other connections have theirs.
const TURNS_MAX: u32 = 32;
/// A dependency that does not even answer a connect is given up; the client has long done so.
const CONNECT_MAX: Duration = Duration::from_secs(30);

thread_local! {
    /// One for all connections: none of them waits while it holds it.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What lies on a link, as every connection of it sees it.
pub(crate) type Sight = watch::Receiver<Arc<Toxics>>;

/// Serves one accepted client until both sides are done or the link cuts it off.
pub(crate) async fn serve(
    client: TcpStream,
    upstream: &Upstream,
    mut sight: Sight,
    rng: ChaCha8Rng,
) {
    let impostor = sight.borrow().tls().cloned();
    let client = match impostor {
        // Large, and rarely needed.
        Some(laid) => Box::pin(meet(client, laid)).await,
        None => Some(client),
    };
    let Some(client) = client else { return };
    let watch = sight.clone();
    let upstream = tokio::select! {
        // On one host that is done at once.
        biased;
        it = connect(&client, upstream, &mut sight) => it,
        () = refused(watch, &client) => return,
    };
    // When nobody listens there the client hears of an end. A reset could reach it while it still connects.
    let Some(upstream) = upstream else { return };
    // Whatever lies on the link by now is news to it.
    sight.mark_changed();
    let mut connection = Connection {
        client,
        upstream,
        up: Lane::new(Stream::Up),
        down: Lane::new(Stream::Down),
        exchanges: Exchanges::default(),
        quiet: true,
        swallowed: false,
        toxics: Arc::default(),
        sight,
        rng,
        alarm: Alarm::default(),
    };
    if connection.run().await.is_err() {
        reset(&connection.client);
        reset(&connection.upstream);
    }
}

/// Connects to the dependency. `None`: the client has nobody to talk to.
async fn connect(client: &TcpStream, upstream: &Upstream, sight: &mut Sight) -> Option<TcpStream> {
    // Large, and rarely needed.
    let is_black = sight.borrow().black_hole().is_some();
    if is_black && Box::pin(swallow(client, sight)).await {
        reset(client);
        return None;
    }
    tokio::time::timeout(CONNECT_MAX, upstream.connect(client)).await.ok()?.ok()
}

/// While a black hole lies on the link, whoever connects is let in and heard by nobody. `true`: the
/// client lost something, and must not go on as if nothing had been.
async fn swallow(client: &TcpStream, sight: &mut Sight) -> bool {
    let mut lost = false;
    let mut scratch = [0; 4096];
    loop {
        let Some(laid) = sight.borrow_and_update().black_hole().cloned() else { return lost };
        let read = tokio::select! {
            changed = sight.changed() => if changed.is_err() { return true } else { continue },
            ready = client.readable() => ready.and_then(|()| client.try_read(&mut scratch)),
        };
        match read {
            Ok(0) => return true,
            Ok(bytes) => note_swallowed(&laid, bytes, &mut lost),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return true,
        }
    }
}

/// Reads what has come. Where that leaves room it was all there is, and nobody asks again to hear so.
fn read(from: &TcpStream, scratch: &mut [u8]) -> io::Result<usize> {
    let mut came = Err(io::ErrorKind::WouldBlock.into());
    let asked = from.try_io(Interest::READABLE, || {
        let bytes = rustix::io::read(from, &mut *scratch)?;
        came = Ok(bytes);
        match (1..scratch.len()).contains(&bytes) {
            // An end that has come, too, is never forgotten.
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    });
    match asked {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => came,
    }
}

/// What a socket had to say; `None`: nothing yet.
fn received(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        read => read.map(Some),
    }
}

fn note_swallowed(laid: &Laid, bytes: usize, swallowed: &mut bool) {
    if !std::mem::replace(swallowed, true) {
        laid.counts.swallowed.fetch_add(1, Ordering::Relaxed);
    }
    laid.counts.swallowed_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// Ends, with the client cut off, when the link begins to refuse.
async fn refused(mut sight: Sight, client: &TcpStream) {
    let Ok(toxics) = sight.wait_for(|it| it.refuse().is_some()).await else { return };
    if let Some(laid) = toxics.refuse() {
        laid.counts.reset.fetch_add(1, Ordering::Relaxed);
    }
    reset(client);
}

/// Makes the close that follows a reset instead of a polite end. A socket that cannot be told so is
/// closed in any case.
fn reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap_or_default();
}

/// Ends, giving back what it saw with, once what lies on the link changes or the link ends.
async fn news(mut sight: Sight) -> Sight {
    // Which of both it was is seen by whoever looks.
    sight.changed().await.unwrap_or_default();
    sight
}

struct Connection {
    client: TcpStream,
    upstream: TcpStream,
    up: Lane,
    down: Lane,
    exchanges: Exchanges,
    /// Every request so far seems to have its answer: the last bytes came from the dependency.
    quiet: bool,
    swallowed: bool,
    toxics: Arc<Toxics>,
    sight: Sight,
    rng: ChaCha8Rng,
    alarm: Alarm,
}

impl Connection {
    /// Until both streams have ended, or the link; an error means that both sides are to be reset.
    async fn run(&mut self) -> io::Result<()> {
        let mut turns = 0;
        // One for all waits: nothing is begun anew for each.
        let mut watch = self.sight.clone();
        watch.mark_unchanged();
        let mut news = pin!(news(watch));
        while !(self.up.write_ended && self.down.write_ended) {
            let now = Instant::now();
            match self.sight.has_changed() {
                Ok(false) => {}
                Ok(true) => {
                    self.toxics = self.sight.borrow_and_update().clone();
                    self.changed(now)?;
                }
                Err(_) => return Ok(()),
            }
            if SCRATCH.with_borrow_mut(|scratch| self.turn(scratch, now))? {
                turns += 1;
                if turns % TURNS_MAX == 0 {
                    tokio::task::yield_now().await;
                }
                continue;
            }
            if let Some(sight) = poll_fn(|it| self.wait(it, news.as_mut())).await? {
                news.set(self::news(sight));
            }
        }
        Ok(())
    }

    /// Waits until there may be something to do; with a sight, what lies on the link has changed, or the link has ended.
    fn wait(
        &mut self,
        context: &mut Context<'_>,
        news: Pin<&mut impl Future<Output = Sight>>,
    ) -> Poll<io::Result<Option<Sight>>> {
        if let Poll::Ready(sight) = news.poll(context) {
            return Poll::Ready(Ok(Some(sight)));
        }
        let [up, down] = [&self.up, &self.down];
        let next = [up.next, down.next].into_iter().flatten().min();
        let mut ready = self.alarm.poll(next, context).map(Ok);
        let mut also = |it: Poll<io::Result<()>>| {
            if ready.is_pending() {
                ready = it;
            }
        };
        if up.wants_read() {
            also(self.client.poll_read_ready(context));
        }
        if down.wants_read() {
            also(self.upstream.poll_read_ready(context));
        }
        if up.wants_write {
            also(self.upstream.poll_write_ready(context));
        }
        if down.wants_write {
            also(self.client.poll_write_ready(context));
        }
        ready.map(|it| it.map(|()| None))
    }

    /// What lies on the link is not what it was.
    fn changed(&mut self, now: Instant) -> io::Result<()> {
        if let Some(laid) = self.toxics.refuse() {
            laid.counts.reset.fetch_add(1, Ordering::Relaxed);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if let Some(laid) = self.toxics.black_hole().cloned() {
            let lost = self.up.clear() + self.down.clear();
            if lost > 0 {
                note_swallowed(&laid, lost, &mut self.swallowed);
            }
        } else if self.swallowed {
            // Its streams have holes in them now.
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        for lane in [&mut self.up, &mut self.down] {
            lane.see(&self.toxics, now, &mut self.rng)?;
        }
        self.step_aside(now);
        Ok(())
    }

    /// Does what can be done at once. `true`: something moved, so there may be more.
    fn turn(&mut self, scratch: &mut [u8], now: Instant) -> io::Result<bool> {
        let mut moved = false;
        let is_lost = self.toxics.black_hole().is_some();
        let is_sorted = self.toxics.has_http() || self.exchanges.is_within();
        if self.up.wants_read() {
            let flows = self.up.flows() && !is_lost && !is_sorted;
            let read = match flows {
                true => self.up.flow(&self.client),
                false => read(&self.client, scratch),
            };
            if let Some(bytes) = received(read)? {
                match flows && bytes > 0 {
                    true => self.quiet = false,
                    false => self.take_request(scratch.get(..bytes).unwrap_or_default(), now)?,
                }
                moved = true;
            }
        }
        if self.down.wants_read() {
            let flows = self.down.flows() && !is_lost && !is_sorted;
            let read = match flows {
                true => self.down.flow(&self.upstream),
                false => read(&self.upstream, scratch),
            };
            if let Some(bytes) = received(read)? {
                match flows && bytes > 0 {
                    true => self.quiet = true,
                    false => self.take_answer(scratch.get(..bytes).unwrap_or_default(), now)?,
                }
                moved = true;
            }
        }
        if is_lost {
            self.up.hold(now)?;
            self.down.hold(now)?;
            return Ok(moved);
        }
        moved |= self.up.flush(&self.upstream, now, &mut self.rng, self.down.is_over())?;
        moved |= self.down.flush(&self.client, now, &mut self.rng, self.up.is_over())?;
        moved |= self.down.follow(&self.up, now, &mut self.rng);
        moved |= self.up.follow(&self.down, now, &mut self.rng);
        Ok(moved)
    }

    fn take_request(&mut self, bytes: &[u8], now: Instant) -> io::Result<()> {
        if !self.up.admits(bytes.len(), now) {
            return Ok(());
        }
        if self.swallows(bytes)? {
            self.up.read_ended |= bytes.is_empty();
            return Ok(());
        }
        if bytes.is_empty() {
            self.up.hear_end(now, &mut self.rng);
            return Ok(());
        }
        if !self.toxics.has_http() && !self.exchanges.is_within() {
            self.quiet = false;
            return self.up.pass(bytes, &self.upstream, now, &mut self.rng);
        }
        let sorted = self.exchanges.request(bytes, self.quiet, &self.toxics);
        self.quiet &= sorted.up.is_empty();
        self.carry(sorted, now);
        Ok(())
    }

    /// Puts on their way what has become of bytes.
    fn carry(&mut self, sorted: Sorted, now: Instant) {
        self.up.push(sorted.up, now, &mut self.rng);
        for piece in sorted.down {
            self.down.push_late(piece, now, &mut self.rng);
        }
        if sorted.close {
            self.up.end(now, &mut self.rng);
            self.down.end(now, &mut self.rng);
        }
        self.step_aside(now);
    }

    /// Nothing is parsed for longer than it has to be.
    fn step_aside(&mut self, now: Instant) {
        if !self.toxics.has_http() {
            let head = self.exchanges.leave();
            self.up.push(head, now, &mut self.rng);
        }
    }

    fn take_answer(&mut self, bytes: &[u8], now: Instant) -> io::Result<()> {
        if !self.down.admits(bytes.len(), now) {
            return Ok(());
        }
        if self.swallows(bytes)? {
            self.down.read_ended |= bytes.is_empty();
            return Ok(());
        }
        self.quiet = true;
        let is_end = bytes.is_empty();
        if self.exchanges.is_within() {
            let sorted = self.exchanges.answer(bytes, &self.toxics);
            self.carry(sorted, now);
        } else if !is_end {
            return self.down.pass(bytes, &self.client, now, &mut self.rng);
        }
        if is_end {
            self.down.hear_end(now, &mut self.rng);
        }
        Ok(())
    }

    /// Whether these bytes disappear in a black hole. An error: the connection goes with them.
    fn swallows(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let Some(laid) = self.toxics.black_hole() else { return Ok(false) };
        // An end that nobody hears of is lost, too.
        note_swallowed(laid, bytes.len(), &mut self.swallowed);
        let both = self.up.read_ended && self.down.read_ended;
        if both { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(true) }
    }
}
