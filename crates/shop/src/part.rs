//! The shell around each part: opens it, serves it with health and metrics, and ends in good order.
//!
//! A part ends when told (SIGTERM, SIGINT) and when its supervisor is gone: its standard input is a
//! pipe whose other end only the supervisor holds. A part that a drill has paused could not read that
//! end of file, so on Linux the kernel is asked to continue it when the supervisor dies.

use std::future::Future;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_health::check::Disk;
use evenkeel_health::{Builder, Drain, DrainPolicy, Health, HealthService, Policy, Weight};
use evenkeel_units::Ratio;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::args::{PartArgs, PartName};
use crate::database::Database;
use crate::error::ShopError;
use crate::gateway::Gateway;
use crate::inventory::Inventory;
use crate::metrics::{Metrics, Page};
use crate::misbehave::Sickness;
use crate::payment::Payment;
use crate::ports::listen;
use crate::recommendations::Recommendations;
use crate::serve::{Answers, error, probed, probes, raw, serve};

/// How a part ends: at once not ready, and nothing more accepted, as the balancer asks the next one when it is refused; what is
/// under way has half a second.
const ENDS: DrainPolicy = DrainPolicy {
    delay: Duration::ZERO,
    grace: Duration::from_millis(500),
    reserve: Duration::ZERO,
};
/// How often a part asks its database. Often, as a drill wants to see what it breaks.
const ASKED: Policy = Policy {
    weight: Weight::Critical,
    every: Duration::from_millis(500),
    timeout: Duration::from_millis(400),
    rise: 1,
    fall: 2,
    stale_after: Duration::from_secs(3),
};
/// Less of the disk than this share is a warning to whoever looks.
const FREE: Ratio = Ratio::percent(5);

/// An answer, and the route it belongs to in the metrics.
pub(crate) struct Answer {
    pub(crate) route: &'static str,
    pub(crate) response: Response<Full<Bytes>>,
}

/// What differs between the parts.
pub(crate) trait Part: Send + Sync + 'static {
    /// Answers one request that is not about health or metrics.
    fn answer(self: &Arc<Self>, request: Request<Bytes>) -> impl Future<Output = Answer> + Send;

    /// Where its data lives. It can answer as long as this does, and this is what must not be lost.
    fn database(&self) -> &Database;

    /// Adds checks of its own.
    fn checks(&self, builder: Builder) -> Builder {
        builder
    }

    /// Adds gauges of its own.
    fn gauges(&self, _page: &mut Page) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Runs one process of the shop until it is told to end or its supervisor is gone.
pub async fn part(args: PartArgs) -> Result<(), ShopError> {
    #[cfg(target_os = "linux")]
    wake_without_parent()?;
    let stop = told_to_end()?;
    let who = format!("{}-{}", args.name, args.instance);
    let listener = TcpListener::from_std(listen(args.port, &who)?)
        .map_err(|source| ShopError::Listen { port: args.port, part: who, source })?;
    let metrics = Arc::new(Metrics::default());
    let ending = match args.name {
        PartName::Gateway => {
            let gateway = Gateway::open(&args, Arc::clone(&metrics)).await?;
            run(gateway, &args, metrics, listener, stop).await
        }
        PartName::Inventory => {
            let part = Arc::new(Inventory::open(&args.data).await?);
            run(part, &args, metrics, listener, stop).await
        }
        PartName::Payment => {
            let part = Arc::new(Payment::open(&args.data).await?);
            run(part, &args, metrics, listener, stop).await
        }
        PartName::Recommendations => {
            let part = Arc::new(Recommendations::open(&args.data).await?);
            run(part, &args, metrics, listener, stop).await
        }
    }?;
    if ending == Ending::Orphaned && args.data_is_temporary {
        // Several orphans tidy up at once; whoever comes second finds nothing to do.
        std::fs::remove_dir_all(&args.data).unwrap_or_default();
    }
    Ok(())
}

/// Makes the tables of all parts and fills them, before any part starts.
pub(crate) async fn prepare(folder: &Path) -> Result<(), ShopError> {
    crate::gateway::prepare(folder).await?;
    crate::inventory::prepare(folder).await?;
    crate::payment::prepare(folder).await?;
    crate::recommendations::prepare(folder).await
}

async fn run(
    part: Arc<impl Part>,
    args: &PartArgs,
    metrics: Arc<Metrics>,
    listener: TcpListener,
    stop: impl Future<Output = Ending>,
) -> Result<Ending, ShopError> {
    let sickness = Sickness::start(&args.misbehave);
    let database = part.database().clone();
    let checks = Health::builder()
        .check("database", ASKED, move || {
            let database = database.clone();
            async move { database.alive().await }
        })
        .check("disk", Policy::default(), Disk::of(&args.data).free_at_least(FREE))
        .lag("runtime", Policy::default(), Duration::from_secs(1));
    let health = part.checks(checks).start()?;
    let drain = Drain::try_new(ENDS)?;
    let probes = probes(health.clone());
    let shell = Shell { part: Arc::clone(&part), metrics, sickness, probes };
    let end = async {
        let ending = stop.await;
        drain.run(&health).await;
        ending
    };
    let ((), ending) = tokio::join!(serve(listener, Arc::new(shell), &drain), end);
    part.database().close().await;
    Ok(ending)
}

struct Shell<P> {
    part: Arc<P>,
    metrics: Arc<Metrics>,
    sickness: Sickness,
    probes: HealthService,
}

impl<P: Part> Answers for Shell<P> {
    async fn answer(self: &Arc<Self>, request: Request<Bytes>) -> Response<Full<Bytes>> {
        let begun = Instant::now();
        let method = request.method().clone();
        let asked = probed(&self.probes, &request);
        let Answer { route, response } = match request.uri().path() {
            _ if let Some(response) = asked => Answer { route: "/health", response },
            "/metrics" => Answer { route: "/metrics", response: self.page().await },
            _ if self.sickness.strike().await => Answer {
                route: "misbehaviour",
                response: error(StatusCode::INTERNAL_SERVER_ERROR, "told to fail"),
            },
            _ => self.part.answer(request).await,
        };
        self.metrics.request(route, &method, response.status(), begun.elapsed());
        response
    }
}

impl<P: Part> Shell<P> {
    async fn page(&self) -> Response<Full<Bytes>> {
        let mut page = self.metrics.page();
        self.part.gauges(&mut page).await;
        raw(StatusCode::OK, "text/plain; version=0.0.4", page.into_text())
    }
}

/// The answer to a path or method that a part does not have.
pub(crate) fn unknown(method: &Method, path: &str) -> Answer {
    let what = format!("nothing here for {method} {path}");
    Answer { route: "unknown", response: error(StatusCode::NOT_FOUND, what) }
}

/// The answer when the part's own database fails it.
pub(crate) fn broken(error_: &sqlx::Error) -> Response<Full<Bytes>> {
    error(StatusCode::INTERNAL_SERVER_ERROR, format!("the database failed: {error_}"))
}

/// Why a part ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Somebody asked for it.
    Told,
    /// The supervisor is gone.
    Orphaned,
}

/// Ends on SIGTERM, SIGINT, or when standard input is closed.
fn told_to_end() -> Result<impl Future<Output = Ending>, ShopError> {
    let signals = told_by_signal()?;
    let closed = stdin_closed();
    Ok(async {
        tokio::select! {
            () = signals => Ending::Told,
            () = closed => Ending::Orphaned,
        }
    })
}

/// Ends on SIGTERM or SIGINT.
pub(crate) fn told_by_signal() -> Result<impl Future<Output = ()>, ShopError> {
    let system = |source| ShopError::System { what: "a signal handler", source };
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ends when standard input is closed. Read by a thread of its own: the runtime's would keep the
/// runtime from ending while it waits for input that never comes.
pub(crate) fn stdin_closed() -> impl Future<Output = ()> {
    let (closed, wait) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut ignored = [0; 256];
        while matches!(std::io::stdin().read(&mut ignored), Ok(read) if read > 0) {}
        drop(closed);
    });
    async { wait.await.unwrap_or_default() }
}

#[cfg(target_os = "linux")]
fn wake_without_parent() -> Result<(), ShopError> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::CONT))
        .map_err(|error| ShopError::System { what: "a death signal", source: error.into() })
}
