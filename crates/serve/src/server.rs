//! Server: everything opened, run, and ended in order.
//!
//! ```text
//! this thread      the door: waits for requests, answers what is short
//! blocking pool    queries and bodies, at most so many at a time
//! a second thread  scraping
//! a third          objectives judged and rules evaluated, at intervals
//! a fourth         telling of alerts
//! a fifth          sending samples on
//! two more         the keeper of the store
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_metrics::config::Config;
use evenkeel_metrics::exposition::Format;
use evenkeel_metrics::scrape::{Leaving, Pool, Watched};
use evenkeel_promql::Cancel;
use evenkeel_tsdb::{Keeper, OpenError, Options, Store, Tap};
use evenkeel_units::Clock;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, watch};
use tokio::task::LocalSet;

use crate::api;
use crate::api::answer::Failed;
use crate::api::asked::Asked;
use crate::door::{Door, Guard, Packing, Patience, plain};
use crate::forward::{Forward, Unforwarded};
use crate::ingest::{BODY_MAX, Ingest};
use crate::intake::Stored;
use crate::own::Counts;
use crate::page::{self, Pages};
use crate::settings::{Again, Settings, Wanted};
use crate::watch::{self as watching, Tellers, Watch};

/// Clients keep connections for the next request.
const PATIENCE: Patience = Patience {
    first: Duration::from_secs(10),
    next: Duration::from_mins(5),
    connection: Duration::from_hours(24),
    connections: 512,
};
/// Bytes of the parameters of a query.
const FORM_MAX: usize = 1 << 20;
/// A body that is not whole by then never will be.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Queries that are worked on at a time; others wait within their timeout.
const QUERIES_MAX: usize = 16;
/// A body of so many bytes is read whatever else goes on.
const SMALL: usize = 1 << 20;
/// Larger bodies that are read, and all that are taken in, at a time; others wait.
const BODIES_MAX: usize = 8;

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
    again: Option<Again>,
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
    pub(crate) fn renew(&self) -> Result<(), String> {
        let renewed = self.try_to_renew();
        self.watch.was_read(self.now(), renewed.is_ok());
        renewed
    }

    fn try_to_renew(&self) -> Result<(), String> {
        let again = self.again.as_ref().ok_or("its files are read once, at the start")?;
        let wanted = again.read()?;
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
        let stored = Arc::new(Stored::of(Arc::clone(&self.store)));
        let pool = Pool::after(&self.watched, &wanted.config, &stored, &self.clock)?;
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
        let Settings { listen, token, data, wanted, again } = settings;
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
        let forward = Arc::new(Forward::open(&wanted.config).map_err(ServeError::Forward)?);
        let store = Arc::new(Store::open(&data, options(&wanted.config))?);
        if !forward.is_empty() {
            // Nobody else has the store yet, and so nobody else has tapped it.
            drop(store.tap(Arc::clone(&forward) as Arc<dyn Tap>));
        }
        let stored = Arc::new(Stored::of(Arc::clone(&store)));
        let pool = Pool::open(&wanted.config, &stored, &clock).map_err(ServeError::Scrape)?;
        let (new_pools, pools) = unbounded_channel();
        let began = clock.wall().as_millisecond();
        let watch = Watch::new(wanted, tellers, began);
        let world = Arc::new(World {
            store: Arc::clone(&store),
            watched: pool.watched(),
            counts: Counts::default(),
            ingest: Ingest::default(),
            watch,
            forward,
            data: std::path::absolute(&data).unwrap_or(data),
            url: format!("http://{address}"),
            began,
            again,
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
    pub fn renewal(&self) -> impl Fn() -> Result<(), String> + use<C> {
        let world = Arc::clone(&self.world);
        move || world.renew()
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
            .spawn(move || watching::run(&watched, told))
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
            .spawn(move || sending.forward.run(&sending.store, &told))
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

/// Scrapes with one pool after the other.
async fn scrape_on<C: Clock + Clone + 'static>(
    mut pool: Pool<Stored, C>,
    mut pools: UnboundedReceiver<Pool<Stored, C>>,
    mut told: watch::Receiver<bool>,
) {
    loop {
        let (stop, stopping) = watch::channel(None);
        let running = tokio::spawn(pool.run(stopping));
        let next = tokio::select! {
            next = pools.recv() => next,
            _ = told.wait_for(|it| *it) => None,
        };
        stop.send_replace(Some(match &next {
            Some(next) => Leaving::To(next.heirs()),
            None => Leaving::Ending,
        }));
        // It has told why, should it have ended by a panic.
        running.await.unwrap_or_default();
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
    let desk = Rc::new(Desk {
        world: Arc::clone(world),
        queries: Arc::new(Semaphore::new(QUERIES_MAX)),
        bodies: Semaphore::new(BODIES_MAX),
        pages: Pages::default(),
    });
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

/// Where requests are answered.
struct Desk<C> {
    world: Arc<World<C>>,
    queries: Arc<Semaphore>,
    bodies: Semaphore,
    pages: Pages,
}

type Answer = Response<Full<Bytes>>;

impl<C: Clock + Clone + 'static> Desk<C> {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let (handler, answer) = match &*path {
            "/api/v1/write" => ("write", self.take_in(request, Sent::Write).await),
            "/api/v1/otlp/v1/metrics" => ("otlp", self.take_in(request, Sent::Otlp).await),
            "/-/reload" => ("page", self.reload(&request).await),
            _ if api::is_here(&path) => ("api", self.api(request).await),
            _ if page::is_here(&path) => ("page", self.objectives(&request, &path).await),
            _ => ("page", self.page(&request, &path)),
        };
        self.world.counts.request(handler, answer.status().as_u16());
        answer
    }

    /// Objectives in a browser.
    async fn objectives(&self, request: &Request<Incoming>, path: &str) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "There is nothing here but pages to read.\n",
            );
        }
        let after = request.uri().query().and_then(|it| it.strip_prefix("after="));
        let after = after.and_then(|it| it.parse().ok()).unwrap_or(0);
        self.pages.answer(&self.world, &self.queries, path, after).await
    }

    fn page(&self, request: &Request<Incoming>, path: &str) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "There is nothing to change here.\n");
        }
        match path {
            "/-/healthy" => plain(StatusCode::OK, "Evenkeel is healthy.\n"),
            "/-/ready" => plain(StatusCode::OK, "Evenkeel is ready.\n"),
            "/metrics" => {
                let accept = request.headers().get(header::ACCEPT);
                let wants = |it: &HeaderValue| {
                    it.to_str().is_ok_and(|it| it.contains("application/openmetrics-text"))
                };
                let format =
                    if accept.is_some_and(wants) { Format::OpenMetrics } else { Format::Text };
                let World { counts, store, watch, forward, .. } = &*self.world;
                let text = counts.text(&store.statistics(), watch, forward, format);
                let packing = Packing::of(request.headers());
                packing.with(StatusCode::OK, format.content_type(), text)
            }
            _ => plain(StatusCode::NOT_FOUND, "There is no such page.\n"),
        }
    }

    /// Reads the files again.
    async fn reload(&self, request: &Request<Incoming>) -> Answer {
        if !matches!(*request.method(), Method::POST | Method::PUT) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "Send POST.\n");
        }
        // A page elsewhere can have a browser send this, though not hear what is answered.
        let origin = request.headers().get(header::ORIGIN);
        if origin.is_some_and(|it| it.as_bytes() != self.world.url.as_bytes()) {
            return plain(StatusCode::FORBIDDEN, "No page elsewhere may ask for this.\n");
        }
        let world = Arc::clone(&self.world);
        let renewed = tokio::task::spawn_blocking(move || world.renew()).await;
        match renewed.unwrap_or_else(|_| Err("that went wrong here".to_owned())) {
            Ok(()) => plain(StatusCode::OK, "The files are read.\n"),
            Err(why) => {
                let text = format!("Everything is as it was: {why}\n");
                plain(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }

    /// Answers a request of the API in a thread of its own; whoever goes away gives it up.
    async fn api(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let form = match head.method {
            Method::GET | Method::HEAD => Vec::new(),
            Method::POST => match Reading::of(body).whole(FORM_MAX).await {
                Ok(form) => form,
                Err(answer) => return answer,
            },
            _ => return plain(StatusCode::METHOD_NOT_ALLOWED, "Send GET, or POST with a form.\n"),
        };
        let asked = Asked::of(&form, head.uri.query().unwrap_or_default());
        let within = match asked.timeout() {
            Ok(within) => within,
            Err(failed) => return failed.response(),
        };
        let place = tokio::time::timeout(within, Arc::clone(&self.queries).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            let why = "too many queries are worked on: ask again later";
            return Failed::unavailable(why).response();
        };
        let packing = Packing::of(&head.headers);
        let (world, cancel) = (Arc::clone(&self.world), Cancel::default());
        let _given_up = GivenUp(cancel.clone());
        let worked = tokio::task::spawn_blocking(move || {
            let path = head.uri.path().strip_prefix("/api/v1/").unwrap_or_default();
            let answer = match api::answer(&*world, path, &asked, &cancel) {
                Ok(said) => said.response(packing),
                Err(failed) => failed.response(),
            };
            drop(place);
            answer
        });
        worked.await.unwrap_or_else(|_| Failed::internal("that went wrong here").response())
    }

    async fn take_in(&self, request: Request<Incoming>, sent: Sent) -> Answer {
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "Send POST.\n");
        }
        let (head, body) = request.into_parts();
        let mut body = Reading::of(body);
        // Small bodies of slow senders keep nobody from a place, and large ones wait before they fill the memory.
        if let Err(answer) = body.up_to(SMALL).await {
            return answer;
        }
        let Ok(_place) = self.bodies.acquire().await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "This server ends.\n");
        };
        let body = match body.whole(BODY_MAX).await {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let world = Arc::clone(&self.world);
        let taken = tokio::task::spawn_blocking(move || {
            let store = Stored::of(Arc::clone(&world.store));
            match sent {
                Sent::Write => world.ingest.write(&head.headers, &body, &store, &world.counts),
                Sent::Otlp => Ingest::otlp(&head.headers, &body, &store, &world.counts),
            }
        });
        let bug = || plain(StatusCode::INTERNAL_SERVER_ERROR, "That went wrong here.\n");
        taken.await.unwrap_or_else(|_| bug())
    }
}

/// By what samples come.
#[derive(Copy, Clone, Debug)]
enum Sent {
    Write,
    Otlp,
}

/// Ends a query when nobody waits for it any more.
struct GivenUp(Cancel);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A body as far as it has been read.
struct Reading {
    body: Incoming,
    read: Vec<u8>,
}

impl Reading {
    const fn of(body: Incoming) -> Self {
        Self { body, read: Vec::new() }
    }

    /// Reads on until nothing comes any more, or there are more bytes than these; says whether that is all.
    async fn up_to(&mut self, most: usize) -> Result<bool, Answer> {
        let frames = async {
            while self.read.len() <= most {
                match self.body.frame().await {
                    None => return Ok(true),
                    Some(Ok(frame)) => {
                        let data = frame.data_ref().map_or(&[][..], |it| it);
                        self.read.extend_from_slice(data);
                    }
                    Some(Err(_)) => return Err("The body is not whole.\n"),
                }
            }
            Ok(false)
        };
        match tokio::time::timeout(BODY_TIME, frames).await {
            Ok(read) => read.map_err(|why| plain(StatusCode::BAD_REQUEST, why)),
            Err(_) => Err(plain(StatusCode::REQUEST_TIMEOUT, "That took too long.\n")),
        }
    }

    /// All of it, which is no more bytes than these.
    async fn whole(mut self, most: usize) -> Result<Vec<u8>, Answer> {
        match self.up_to(most).await? {
            true => Ok(self.read),
            false => {
                let text = format!("At most {most} bytes are taken.\n");
                Err(plain(StatusCode::PAYLOAD_TOO_LARGE, text))
            }
        }
    }
}
