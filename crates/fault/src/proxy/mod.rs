//! The proxy: links of a service to what it depends on, led through us for the time of a drill or a test.
//!
//! ```text
//!   service ──▶ listen (loopback) ─ up ─▶ upstream: the dependency
//!           ◀─ down: late, slow, lost, … ─
//! ```
//!
//! The latency of a drill is added as a whole to the way back, to every segment of every answer: so each
//! round trip gains exactly the delay, on connections that have long been open as on new ones. Connecting
//! itself is not delayed; it is the kernel that accepts.
//!
//! Links are opened and closed, and toxics laid, changed and lifted, while others carry data. A change is
//! made on the thread of the links: once it is made, whatever arrives meets it.
//!
//! The proxy has a thread of its own with its own runtime: its CPU time can be told from that of the
//! rest, and a load generator that is busy does not make a link slow that should be fast. Everything
//! here ends with the process, at the latest; each toxic also ends by itself when its time is up.

mod alarm;
mod bucket;
mod connection;
mod counts;
mod dose;
mod http;
mod lane;
mod link;
mod pipe;
mod tls;
mod toxic;
mod upstream;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use evenkeel_model::document::Dependency;
use evenkeel_units::Seed;
use rustix::net::sockopt::{set_socket_reuseaddr, set_tcp_nodelay};
use rustix::net::{AddressFamily, SocketFlags, SocketType, getsockname, socket_with};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use self::link::Link;
use self::tls::Impostor;
use self::toxic::{Laid, Toxics};

pub use self::counts::Counts;
pub use self::http::{Act, Http};
pub use self::tls::{Certificate, CertificateError};
pub use self::toxic::{Placed, Stream, Toxic};
pub(crate) use self::upstream::MARK;
pub use self::upstream::Upstream;

/// How long a link may take to stop or to resume listening, or to end.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Links, such as those of a service. They end when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    links: BTreeMap<String, Entry>,
    seed: Seed,
    runtime: Handle,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
    thread_id: i32,
}

#[derive(Debug)]
struct Entry {
    address: SocketAddr,
    toxics: watch::Sender<Arc<Toxics>>,
    listens: watch::Receiver<bool>,
    expiries: BTreeMap<usize, AbortHandle>,
    task: JoinHandle<()>,
}

/// Why links cannot be opened, or not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Links listen on loopback only: a fault must not become a service for others.
    #[error(
        "the link to `{link}` would listen on {address}, which others can reach: use 127.0.0.1"
    )]
    NotLoopback {
        /// Name of the dependency.
        link: String,
        /// As written.
        address: SocketAddr,
    },
    /// The address cannot be had.
    #[error("cannot listen on {address} for the link to `{link}`")]
    Bind {
        /// Name of the dependency.
        link: String,
        /// As written.
        address: SocketAddr,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The thread of the proxy cannot be started.
    #[error("cannot start the proxy")]
    Start(#[source] io::Error),
    /// There is a link of that name.
    #[error("there is a link to `{link}` already")]
    Twice {
        /// Name of the dependency.
        link: String,
    },
    /// The thread of the proxy has ended, which is a bug.
    #[error("the proxy has ended")]
    Ended,
    /// There is no such link.
    #[error("there is no link to `{link}`")]
    Unknown {
        /// As asked for.
        link: String,
    },
    /// A certificate cannot be shown.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The link did not do what it was told.
    #[error("the link to `{link}` did not {what} within 2s")]
    Stuck {
        /// Name of the dependency.
        link: String,
        /// What it was told.
        what: &'static str,
    },
}

impl Proxy {
    /// A proxy with a link for each dependency.
    pub fn start(dependencies: &[Dependency], seed: Seed) -> Result<Self, ProxyError> {
        let mut proxy = Self::without_links(seed)?;
        for it in dependencies {
            proxy.open(&it.name, it.listen, it.upstream.as_str())?;
        }
        Ok(proxy)
    }

    /// A proxy without links.
    pub fn without_links(seed: Seed) -> Result<Self, ProxyError> {
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(ProxyError::Start)?;
        let handle = runtime.handle().clone();
        let (stop, mut stopped) = watch::channel(false);
        let (tell, told) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("evenkeel-proxy".to_owned())
            .spawn(move || {
                tell.send(rustix::thread::gettid().as_raw_pid()).unwrap_or_default();
                // A sender that is gone means the same as being told.
                runtime.block_on(stopped.wait_for(|it| *it)).map(drop).unwrap_or_default();
            })
            .map_err(ProxyError::Start)?;
        let thread_id = told.recv().map_err(|it| ProxyError::Start(io::Error::other(it)))?;
        let (links, thread) = (BTreeMap::new(), Some(thread));
        Ok(Self { links, seed, runtime: handle, stop, thread, thread_id })
    }

    /// Opens a link: from now on it listens, and leads to `upstream`. Returns where it listens, which is known only now when the port is 0.
    pub fn open(
        &mut self,
        link: &str,
        listen: SocketAddr,
        upstream: impl Into<Upstream>,
    ) -> Result<SocketAddr, ProxyError> {
        let name = link.to_owned();
        if self.links.contains_key(link) {
            return Err(ProxyError::Twice { link: name });
        }
        if !listen.ip().is_loopback() {
            return Err(ProxyError::NotLoopback { link: name, address: listen });
        }
        let failed = |error| ProxyError::Bind { link: link.to_owned(), address: listen, error };
        let (listener, address) = bind(listen).map_err(failed)?;
        let (toxics, sight) = watch::channel(Arc::default());
        let (listens, listening) = watch::channel(true);
        let link = Link { name, upstream: upstream.into(), seed: self.seed, sight, listens };
        let name = link.name.clone();
        let task = self.runtime.spawn(link.run(listener));
        let expiries = BTreeMap::new();
        self.links.insert(name, Entry { address, toxics, listens: listening, expiries, task });
        Ok(address)
    }

    /// Closes a link, with all its connections and whatever lies on it. Once this returns, its port is
    /// free. Harmless when there is no such link.
    pub async fn close(&mut self, link: &str) -> Result<(), ProxyError> {
        let Some(Entry { toxics, expiries, task, .. }) = self.links.remove(link) else {
            return Ok(());
        };
        expiries.values().for_each(AbortHandle::abort);
        // It ends once nobody can change it any more.
        drop(toxics);
        match tokio::time::timeout(SETTLE_MAX, task).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ProxyError::Ended),
            Err(_) => Err(ProxyError::Stuck { link: link.to_owned(), what: "close" }),
        }
    }

    /// Where a link listens, also when its document left the choice of the port to us.
    pub fn address(&self, link: &str) -> Option<SocketAddr> {
        self.links.get(link).map(|it| it.address)
    }

    /// Lays a toxic on a link, under a number such as that of its fault; what lies there under this number
    /// is changed to it. With a `limit` it ends by itself after that time.
    pub async fn lay(
        &mut self,
        link: &str,
        id: usize,
        what: impl Into<Placed>,
        limit: Option<Duration>,
    ) -> Result<Arc<Counts>, ProxyError> {
        let placed = what.into();
        let refuses = placed.toxic == Toxic::Refuse;
        let chance = self.seed.stream(&format!("fault/toxic/{link}/{id}"));
        let impostor = match &placed.toxic {
            Toxic::Tls(certificate) => Some(Arc::new(Impostor::new(certificate)?)),
            _ => None,
        };
        let mut laid = Laid::new(placed, chance);
        laid.impostor = impostor;
        let counts = laid.counts.clone();
        let runtime = self.runtime.clone();
        let entry = self.entry(link)?;
        entry.forget(id);
        entry.change(&runtime, move |it| drop(it.insert(id, laid))).await?;
        if let Some(limit) = limit {
            let toxics = entry.toxics.clone();
            let expiry = async move {
                tokio::time::sleep(limit).await;
                change(&toxics, |it| drop(it.remove(&id)));
            };
            entry.expiries.insert(id, runtime.spawn(expiry).abort_handle());
        }
        if refuses {
            entry.settle(link, false).await?;
        }
        Ok(counts)
    }

    /// Takes a toxic off a link. Harmless when it is not there any more.
    pub async fn lift(&mut self, link: &str, id: usize) -> Result<(), ProxyError> {
        let runtime = self.runtime.clone();
        let entry = self.entry(link)?;
        entry.forget(id);
        entry.change(&runtime, move |it| drop(it.remove(&id))).await?;
        let refuses = entry.toxics.borrow().refuse().is_some();
        entry.settle(link, !refuses).await
    }

    /// CPU time that all links together have used.
    pub fn cpu_time(&self) -> Duration {
        let path = format!("/proc/self/task/{}", self.thread_id);
        let precise = std::fs::read_to_string(format!("{path}/schedstat"));
        let precise = precise.ok().and_then(|it| it.split(' ').next()?.parse().ok());
        if let Some(nanos) = precise {
            return Duration::from_nanos(nanos);
        }
        let stat = std::fs::read_to_string(format!("{path}/stat")).unwrap_or_default();
        crate::process::stat::Stat::parse(&stat).map(|it| it.cpu_time()).unwrap_or_default()
    }

    fn entry(&mut self, link: &str) -> Result<&mut Entry, ProxyError> {
        let unknown = || ProxyError::Unknown { link: link.to_owned() };
        self.links.get_mut(link).ok_or_else(unknown)
    }
}

impl Entry {
    /// What lies there under this number does not end by itself any more.
    fn forget(&mut self, id: usize) {
        if let Some(expiry) = self.expiries.remove(&id) {
            expiry.abort();
        }
    }

    /// Changes what lies on the link, on its own thread: no connection is amid anything then.
    async fn change(
        &self,
        runtime: &Handle,
        by: impl FnOnce(&mut BTreeMap<usize, Laid>) + Send + 'static,
    ) -> Result<(), ProxyError> {
        let toxics = self.toxics.clone();
        let changed = runtime.spawn(async move { change(&toxics, by) });
        changed.await.map_err(|_| ProxyError::Ended)
    }

    async fn settle(&mut self, link: &str, listens: bool) -> Result<(), ProxyError> {
        let settled = self.listens.wait_for(|it| *it == listens);
        match tokio::time::timeout(SETTLE_MAX, settled).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                let what = if listens { "listen again" } else { "stop listening" };
                Err(ProxyError::Stuck { link: link.to_owned(), what })
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic of the proxy has been printed; there is nothing left to end.
            thread.join().unwrap_or_default();
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    // The standard library sets SO_REUSEADDR, so connections of an earlier drill that linger do not
    // keep the port.
    let listener = match address.port() {
        0 => {
            // The kernel lets a port go that it chose itself as soon as nobody listens on it, and a link
            // that refuses has to keep it. So it is reserved here and then asked for by number.
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let kind = SocketType::STREAM;
            let flags = SocketFlags::CLOEXEC;
            let reserved = socket_with(family, kind, flags, None)?;
            set_socket_reuseaddr(&reserved, true)?;
            rustix::net::bind(&reserved, &address)?;
            let chosen = SocketAddr::try_from(getsockname(&reserved)?)?;
            TcpListener::bind(chosen)?
        }
        _ => TcpListener::bind(address)?,
    };
    listener.set_nonblocking(true)?;
    // Clients have it from their listener. Without it the kernel would add delays that nobody asked for.
    set_tcp_nodelay(&listener, true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn change(toxics: &watch::Sender<Arc<Toxics>>, by: impl FnOnce(&mut BTreeMap<usize, Laid>)) {
    toxics.send_modify(|it| by(&mut Arc::make_mut(it).0));
}
