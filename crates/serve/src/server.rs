//! Server: everything opened, run, and ended in order.
//!
//! ```text
//! this thread      the door: waits for requests, answers what is short
//! blocking pool    queries and bodies, at most so many at a time
//! a second thread  scraping
//! a third          objectives judged and rules evaluated, at intervals, by a few more
//! a fourth         telling of alerts
//! a fifth          sending samples on
//! two more         the keeper of the store
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_metrics::config::Config;
use evenkeel_metrics::scrape::{Past, Pool, Watched};
use evenkeel_tsdb::{Keeper, OpenError, Options, Store, Tap};
use evenkeel_units::Clock;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::desk::Desk;
use crate::door::{Door, Guard, Patience};
use crate::forward::{Forward, Unforwarded};
use crate::ingest::Ingest;
use crate::intake::Stored;
use crate::own::Counts;
use crate::settings::{Again, Events, Settings, Wanted};
use crate::watch::{self as watching, Tellers, Watch};

/// Clients keep connections for the next request.
const PATIENCE: Patience = Patience {
    first: Duration::from_secs(10),
    next: Duration::from_mins(5),
    connection: Duration::from_hours(24),
    connections: 512,
};

/// Why a server could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Anybody could ask, and nobody would be asked who they are.
    #[error("other machines can reach {0}, and nobody is asked who they are")]
    Open(SocketAddr),
    /// Nothing can listen there.
    #[error("cannot listen at {at}")]
    Listen {
        /// Where.
        at: SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Store(#[from] OpenError),
    /// Something that is scraped cannot be asked.
    #[error("{0}")]
    Scrape(String),
    /// Somebody who is to be told of alerts cannot be, or an objective cannot be watched.
    #[error("{0}")]
    Watch(String),
    /// Somebody who samples are sent on to cannot be.
    #[error("{0}")]
    Forward(String),
    /// A thread cannot be had.
    #[error("cannot start")]
    Thread(#[source] std::io::Error),
}

/// What all requests have in common.
pub(crate) struct World<C> {
    pub(crate) store: Arc<Store>,
    /// The same, for those who bring samples.
    pub(crate) stored: Arc<Stored>,
    pub(crate) clock: C,
    pub(crate) watched: Watched,
    pub(crate) counts: Counts,
    pub(crate) ingest: Ingest,
    pub(crate) watch: Watch,
    pub(crate) forward: Arc<Forward>,
    pub(crate) data: PathBuf,
    /// Where it is reached.
    pub(crate) url: String,
    /// When it began, in milliseconds since 1970.
    pub(crate) began: i64,
    /// What went on, as the pages tell it.
    pub(crate) events: Option<Events>,
    /// Held by whoever reads the files again: one after the other, so that all goes on by the same.
    again: Mutex<Option<Again>>,
    /// What goes on with scraping.
    pools: UnboundedSender<Pool<Stored, C>>,
}

impl<C: Clock> World<C> {
    /// The moment, in milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.wall().as_millisecond()
    }

    /// What is wanted now.
    pub(crate) fn wanted(&self) -> Arc<Wanted> {
        self.watch.wanted()
    }
}

impl<C: Clock + Clone + 'static> World<C> {
    /// Reads the files again, and goes on with what they say; what cannot be done leaves everything as it was.
    pub(crate) async fn renewed(world: &Arc<Self>) -> Result<(), String> {
        let world = Arc::clone(world);
        let renewed = tokio::task::spawn_blocking(move || {
            let again = world.again.lock().unwrap_or_else(PoisonError::into_inner);
            let renewed = world.renew(again.as_ref());
            world.watch.was_read(world.now(), renewed.is_ok());
            renewed
        });
        renewed.await.unwrap_or_else(|_| Err("that went wrong here".to_owned()))
    }

    fn renew(&self, again: Option<&Again>) -> Result<(), String> {
        let wanted = again.ok_or("its files are read once, at the start")?.read()?;
        let now = self.wanted();
        let (now, then) = (&now.config, &wanted.config);
        let is_sent_on = !now.remote_writes.is_empty();
        if now.remote_writes != then.remote_writes
            || is_sent_on && now.external_labels != then.external_labels
        {
            let why = "`remote_write` has changed, or the `external_labels` that it adds, which takes a restart";
            return Err(why.to_owned());
        }
        let tellers = Tellers::open(&wanted.config, &self.watch.tellers())?;
        watching::check(&wanted)?;
        let pool = Pool::after(&self.watched, &wanted.config, &self.stored, &self.clock)?;
        self.watch.tell(tellers);
        self.watch.want(wanted);
        self.pools.send(pool).map_err(|_| "it ends".to_owned())
    }
}

/// A server that is open, and waits to be run.
pub struct Server<C> {
    listener: std::net::TcpListener,
    address: SocketAddr,
    guard: Guard,
    world: Arc<World<C>>,
    pool: Pool<Stored, C>,
    pools: UnboundedReceiver<Pool<Stored, C>>,
    keeper: Keeper,
}

impl<C: Clock + Clone + 'static> Server<C> {
    /// Opens the store, listens, and begins to keep the store; scrapes and answers nobody yet.
    ///
    /// # Errors
    /// When one of these cannot be done, or others could ask without a token.
    pub fn open(settings: Settings, clock: C) -> Result<Self, ServeError> {
        let Settings { listen, token, data, wanted, again, events } = settings;
        let guard = match token {
            Some(token) => Guard::Token(token),
            None if listen.ip().is_loopback() => Guard::Host,
            None => return Err(ServeError::Open(listen)),
        };
        let failed = |cause| ServeError::Listen { at: listen, cause };
        let listener = std::net::TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let tellers = Tellers::open(&wanted.config, &Tellers::default());
        let tellers = tellers.map_err(ServeError::Watch)?;
        watching::check(&wanted).map_err(ServeError::Watch)?;
        let began = clock.wall().as_millisecond();
        let forward = Forward::open(&wanted.config, &data).map_err(ServeError::Forward)?;
        let (forward, options) = (Arc::new(forward), options(&wanted.config));
        let store = Arc::new(match forward.is_empty() {
            true => Store::open(&data, options)?,
            false => Store::open_tapped(&data, options, Arc::clone(&forward) as Arc<dyn Tap>)?,
        });
        forward.begin(&store, began).map_err(|it| {
            ServeError::Forward(format!("cannot write down what remote_write has got: {it}"))
        })?;
        let stored = Arc::new(Stored::of(Arc::clone(&store)));
        let pool = Pool::open(&wanted.config, &stored, &clock).map_err(ServeError::Scrape)?;
        let (new_pools, pools) = unbounded_channel();
        let watch = Watch::new(wanted, tellers, began);
        let world = Arc::new(World {
            store: Arc::clone(&store),
            stored,
            watched: pool.watched(),
            counts: Counts::default(),
            ingest: Ingest::default(),
            watch,
            forward,
            data: std::path::absolute(&data).unwrap_or(data),
            url: format!("http://{address}"),
            began,
            events,
            again: Mutex::new(again),
            pools: new_pools,
            clock: clock.clone(),
        });
        let told = Arc::clone(&world);
        let keeper = Keeper::start(store, Arc::new(clock), move |_| told.counts.failure())
            .map_err(ServeError::Thread)?;
        Ok(Self { listener, address, guard, world, pool, pools, keeper })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was found when the store was opened.
    pub fn recovery(&self) -> &evenkeel_tsdb::Recovery {
        self.world.store.recovery()
    }

    /// What reads the files again, and goes on with what they say. What is wrong with them is said, and then everything is
    /// as it was.
    pub fn renewal(&self) -> impl AsyncFn() -> Result<(), String> + use<C> {
        let world = Arc::clone(&self.world);
        async move || World::renewed(&world).await
    }

    /// Scrapes and answers until `stop` is done; then everything that was taken in is brought to disk. What could not be sent on
    /// is said.
    ///
    /// # Errors
    /// When a thread cannot be had, or what was taken in cannot be written.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<Vec<Unforwarded>, RunError> {
        let Self { listener, guard, world, pool, pools, keeper, .. } = self;
        let (stopping, told) = watch::channel(false);
        let scraping = std::thread::Builder::new()
            .name("evenkeel-scrape".to_owned())
            .spawn(move || scrape(pool, pools, told))
            .map_err(RunError::Thread)?;
        let (watched, told) = (Arc::clone(&world), stopping.subscribe());
        let watching = std::thread::Builder::new()
            .name("evenkeel-watch".to_owned())
            .spawn(move || watching::run(watched, told))
            .map_err(RunError::Thread)?;
        let (telling, told) = (Arc::clone(&world), stopping.subscribe());
        let telling = std::thread::Builder::new()
            .name("evenkeel-tell".to_owned())
            .spawn(move || watching::tell(&telling, told))
            .map_err(RunError::Thread)?;
        let (draining, told) = watch::channel(false);
        let sending = Arc::clone(&world);
        let forwarding = std::thread::Builder::new()
            .name("evenkeel-forward".to_owned())
            .spawn(move || sending.forward.run(&sending.store, &sending.clock, &told))
            .map_err(RunError::Thread)?;
        let served = LocalSet::new().run_until(answer_all(listener, guard, &world, stop)).await;
        stopping.send_replace(true);
        world.watch.end();
        // They have told why, should they have ended by a panic.
        scraping.join().unwrap_or_default();
        watching.join().unwrap_or_default();
        telling.join().unwrap_or_default();
        // Nothing more comes: what is there is sent on.
        draining.send_replace(true);
        forwarding.join().unwrap_or_default();
        drop(keeper);
        world.store.sync().map_err(RunError::Store)?;
        world.forward.close(&world.store, world.now()).map_err(RunError::Forward)?;
        served.map_err(RunError::Thread)?;
        Ok(world.forward.unsent())
    }
}

/// Why a server ended otherwise than it was told.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A thread, or something else of the system, cannot be had.
    #[error("cannot go on")]
    Thread(#[source] std::io::Error),
    /// What was taken in last is not on disk.
    #[error("what was taken in last could not be written")]
    Store(#[source] evenkeel_tsdb::WriteError),
    /// What databases have got is not written down.
    #[error("what was sent on last could not be written down, and is sent again")]
    Forward(#[source] std::io::Error),
}

fn options(config: &Config) -> Options {
    let defaults = Options::default();
    Options {
        late: config.out_of_order.unwrap_or(defaults.late),
        retention: config.retention.or(defaults.retention),
        ..defaults
    }
}

fn scrape<C: Clock + Clone + 'static>(
    pool: Pool<Stored, C>,
    pools: UnboundedReceiver<Pool<Stored, C>>,
    told: watch::Receiver<bool>,
) {
    // Without a runtime nothing is scraped, which the targets say: nobody ever asked them.
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
        runtime.block_on(scrape_on(pool, pools, told));
    }
}

/// Scrapes with one pool after the other, each of which goes on where the one before it was.
async fn scrape_on<C: Clock + Clone + 'static>(
    mut pool: Pool<Stored, C>,
    mut pools: UnboundedReceiver<Pool<Stored, C>>,
    mut told: watch::Receiver<bool>,
) {
    let mut past = Past::default();
    loop {
        let (stop, stopping) = watch::channel(false);
        let running = tokio::spawn(pool.run(past, stopping));
        let next = tokio::select! {
            next = pools.recv() => next,
            _ = told.wait_for(|it| *it) => None,
        };
        stop.send_replace(true);
        // It has told why, should it have ended by a panic.
        past = running.await.unwrap_or_default();
        match next {
            Some(next) => pool = next,
            None => return,
        }
    }
}

async fn answer_all<C: Clock + Clone + 'static>(
    listener: std::net::TcpListener,
    guard: Guard,
    world: &Arc<World<C>>,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let desk = Rc::new(Desk::of(Arc::clone(world)));
    let answer = move |request| {
        let desk = Rc::clone(&desk);
        async move { desk.answer(request).await }
    };
    let mut door = Door::open(listener, guard, PATIENCE, answer)?;
    tokio::select! {
        never = door.serve() => match never {},
        () = stop => {}
    }
    door.close().await;
    Ok(())
}
