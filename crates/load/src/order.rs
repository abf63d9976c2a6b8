//! Order: what is asked for, and its preparation: everything that can fail before the first request.

use std::fmt;
use std::io;
use std::sync::Arc;

use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::document::{self, LoadTest, Owner, Reference, ResolveError, Shape};
use evenkeel_units::{Moment, Seed};
use rskafka::client::SaslConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::access;
use crate::crowd::Crowd;
use crate::engine::{Agenda, Engine, Job, Slice};
use crate::hand::{self, Handle, Said, Worker};
use crate::kafka;
use crate::protocol::Protocol;
use crate::protocol::dns::Dns;
use crate::protocol::grpc::{Descriptors, Grpc};
use crate::protocol::http1::Http1;
use crate::protocol::http2::Http2;
use crate::protocol::plain::{Datagram, Stream};
use crate::protocol::websocket::WebSocket;
use crate::reactor::Reactor;
use crate::route::{self, Compiled};
use crate::scenario::{Compiler, ProgramError};
use crate::schedule::Schedule;
use crate::target::{Scheme, Target};
use crate::tls;

/// Descriptors that are left to the rest of the process.
const DESCRIPTORS_LEFT: u64 = 128;

/// A load to send.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Where to: `scheme://host:port`.
    pub url: String,
    /// What. Its own shape and URL are not looked at.
    pub test: LoadTest,
    /// How many requests when: one shape after the other.
    pub shapes: Vec<Shape>,
    /// Of every choice.
    pub seed: Seed,
    /// Which part of it: all of it, or what one of several machines sends.
    pub share: Share,
}

/// Which part of a load one of several senders takes: every `of`-th arrival and user, from `number` on.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// From 0.
    pub number: u64,
    /// How many there are.
    pub of: u64,
}

impl Share {
    /// The whole load.
    pub const WHOLE: Self = Self { number: 0, of: 1 };

    /// Part `number` of `of` of it; `None` when there are more parts than can be counted.
    pub(crate) fn part(self, number: u64, of: u64) -> Option<Self> {
        let number = number.checked_mul(self.of)?.checked_add(self.number)?;
        Some(Self { number, of: self.of.checked_mul(of)? })
    }

    /// How many of the first `all` arrivals are of it, where each machine has so many workers.
    pub(crate) fn arrivals(self, workers: u32, all: u64) -> u64 {
        let Slice { worker, workers: round } = self.slice(0, workers);
        let workers = u64::from(workers);
        all / round * workers + (all % round).saturating_sub(worker).min(workers)
    }

    /// What one of the workers of a machine that has this share takes of the load. Of all workers of all machines,
    /// those of one machine follow each other.
    pub(crate) fn slice(self, worker: u32, workers: u32) -> Slice {
        let workers = u64::from(workers);
        let worker = self.number.saturating_mul(workers).saturating_add(u64::from(worker));
        Slice { worker, workers: self.of.saturating_mul(workers) }
    }
}

/// Why a load cannot be sent. Says where it is wrong, never what a reference held.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The URL is not one that can be sent to.
    #[error("cannot send to `{url}`: {reason}")]
    Url {
        /// As written, without a user.
        url: String,
        /// What is wrong, and the fix.
        reason: &'static str,
    },
    /// A reference, a row of data or a scenario could not be read.
    #[error("cannot prepare the load: {reason}")]
    Scenario {
        /// What, and why.
        reason: String,
    },
    /// A request cannot be written.
    #[error("cannot write the request of route `{route}`: {reason}")]
    Request {
        /// Name of the route.
        route: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What is trusted, or what is shown, cannot be read.
    #[error("cannot prepare TLS: {reason}")]
    Tls {
        /// Which file, and why.
        reason: String,
    },
    /// There is nothing to request.
    #[error("no route has a weight above 0")]
    NoRoutes,
    /// There is nothing to request with.
    #[error("`connections` is 0, so that nothing can be sent")]
    NoConnections,
    /// A staircase of millions of steps.
    #[error("the shapes have more than 100 000 steps")]
    Steps,
    /// Users who have a connection of their own, and not enough of them.
    #[error(
        "{users} users of one thread want a connection each, and it has {connections}: raise `connections`"
    )]
    Users {
        /// How many users a thread has.
        users: u64,
        /// How many connections.
        connections: usize,
    },
    /// The operating system allows fewer open files.
    #[error(
        "{connections} connections need more open files than the {limit} allowed: raise `ulimit -n`"
    )]
    Descriptors {
        /// How many were asked for.
        connections: u32,
        /// How many open files are allowed.
        limit: u64,
    },
    /// The operating system refused something that the load needs.
    #[error("cannot start the load")]
    System(#[source] io::Error),
}

impl From<ProgramError> for LoadError {
    fn from(error: ProgramError) -> Self {
        Self::Scenario { reason: in_one_line(&error) }
    }
}

/// Makes each worker of a load.
type Make = Box<dyn FnMut(Slice, Arc<hand::Wire>) -> io::Result<Worker> + Send>;

/// A load that is ready to be sent. Holds secrets, and does not show them.
pub struct Prepared {
    share: Share,
    /// One for each worker.
    wires: Vec<Arc<hand::Wire>>,
    make: Make,
}

/// What is the same for every protocol.
struct Basis {
    target: Target,
    agenda: Agenda,
    order: Order,
    workers: u32,
}

/// Makes an order ready: reads the URL, looks up its host, reads every reference with `look_up`, reads data,
/// writes the requests, and opens the topics of Kafka. It may take seconds, and waits for them, so that it is no work
/// for a thread on which others wait.
///
/// # Errors
/// When the order cannot be sent as it stands; nothing has been sent then.
pub fn prepare(
    order: Order,
    look_up: impl Fn(&Reference) -> Result<String, ResolveError>,
) -> Result<Prepared, LoadError> {
    let mut target = Target::find(&order.url)?;
    if order.test.connections == 0 {
        return Err(LoadError::NoConnections);
    }
    allow_descriptors(order.test.connections)?;
    if let Scheme::Ws | Scheme::Wss = target.scheme {
        target.opening = access::opening(&order.test.sending.websocket, &look_up)?;
    }
    let mut test = order.test.clone();
    let consumes = kafka::set_aside(&mut test);
    let mut compiler = Compiler::new(&test, &look_up)?;
    let described = describe(&test, &target)?;
    let compiled = route::compile(&test, &mut compiler, described.as_ref())?;
    let program = compiler.program(order.seed, |it| compiled[it as usize].is_plain)?;
    if program.is_empty() && !consumes {
        return Err(LoadError::NoRoutes);
    }
    let schedule = Schedule::of(&order.shapes).ok_or(LoadError::Steps)?;
    // More threads than connections would have nothing to send on.
    let workers = order.test.sending.threads.clamp(1, order.test.connections);
    each_has_one(&order, &schedule, workers)?;
    let agenda = Agenda::new(&test, order.seed, program, schedule);
    let basis = Basis { target, agenda, order, workers };
    match basis.target.scheme {
        Scheme::Http | Scheme::Https if basis.order.test.sending.http2 => {
            basis.speak::<Http2>(compiled)
        }
        Scheme::Http | Scheme::Https => basis.speak::<Http1>(compiled),
        Scheme::Grpc | Scheme::Grpcs => basis.speak::<Grpc>(compiled),
        Scheme::Ws | Scheme::Wss => basis.speak::<WebSocket>(compiled),
        Scheme::Tcp | Scheme::Tls => basis.speak::<Stream>(compiled),
        Scheme::Udp => basis.speak::<Datagram>(compiled),
        Scheme::Dns => basis.speak::<Dns>(compiled),
        Scheme::Kafka | Scheme::Kafkas => {
            let sasl = basis.order.test.sending.sasl.as_ref();
            let credentials = sasl.map(|it| access::credentials(it, &look_up)).transpose()?;
            basis.speak_kafka(compiled, credentials)
        }
    }
}

/// Users who have a connection of their own must have one: nobody ever gives one back to those who wait.
fn each_has_one(order: &Order, schedule: &Schedule, workers: u32) -> Result<(), LoadError> {
    if order.test.sending.connection != Owner::User {
        return Ok(());
    }
    let all = u64::from(schedule.crowds().iter().map(Crowd::size).max().unwrap_or(0));
    for worker in 0..workers {
        let users = order.share.slice(worker, workers).of(all);
        let connections = share(order.test.connections, worker, workers);
        if users > connections as u64 {
            return Err(LoadError::Users { users, connections });
        }
    }
    Ok(())
}

/// The descriptions of all messages of gRPC in a test: from its files, or from the server itself.
fn describe(test: &LoadTest, target: &Target) -> Result<Option<Descriptors>, LoadError> {
    let methods: Vec<_> = test
        .routes
        .iter()
        .filter_map(|it| match &it.call {
            document::Call::Grpc { method, .. } => Some(&**method),
            _ => None,
        })
        .collect();
    if methods.is_empty() {
        return Ok(None);
    }
    let (schema, secure) = (&test.sending.grpc, target.scheme.is_secure());
    let described = match schema.files.is_empty() {
        false => Descriptors::from_files(schema),
        true => {
            let tls = secure.then(|| tls_of(test, target, Grpc::ALPN)).transpose()?;
            let connect = || tls::blocking::connect(target, tls.as_ref());
            Descriptors::by_reflection(connect, &target.host, secure, &methods)
        }
    };
    let described = described.map_err(|it| LoadError::Scenario { reason: in_one_line(&it) })?;
    Ok(Some(described))
}

fn tls_of(test: &LoadTest, target: &Target, alpn: &[&[u8]]) -> Result<tls::Client, LoadError> {
    tls::Client::new(&test.sending.tls, &target.name, alpn)
        .map_err(|it| LoadError::Tls { reason: in_one_line(&it) })
}

impl Basis {
    fn speak<P: Protocol + 'static>(self, routes: Vec<Compiled>) -> Result<Prepared, LoadError> {
        let Self { target, agenda, order, workers } = self;
        let secure = target.scheme.is_secure();
        let routes: Vec<route::Route<P>> = routes
            .into_iter()
            .map(|it| it.ready(&target.host, secure))
            .collect::<Result<_, _>>()?;
        let tls = secure.then(|| tls_of(&order.test, &target, P::ALPN)).transpose()?;
        let make = move |slice: Slice, wire: Arc<hand::Wire>| {
            let local = (slice.worker % u64::from(workers)) as u32;
            let job = Job::<P> {
                target: target.clone(),
                tls: tls.clone(),
                routes: routes.clone(),
                agenda: agenda.clone(),
                connections: share(order.test.connections, local, workers),
                streams: order.test.sending.streams,
                pace: order.test.sending.pace,
            };
            let reactor = Reactor::new(wire.bell())?;
            let engine = Engine::new(job, slice, reactor, wire);
            Ok::<Worker, _>(Box::new(move |clock, say| engine.run(clock, &mut &mut *say)))
        };
        let wires = hand::wires(workers)?;
        Ok(Prepared { share: order.share, wires, make: Box::new(make) })
    }
}

impl Basis {
    fn speak_kafka(
        self,
        routes: Vec<Compiled>,
        sasl: Option<SaslConfig>,
    ) -> Result<Prepared, LoadError> {
        let Self { target, agenda, order, workers } = self;
        if order.test.sending.connection != Owner::Shared {
            let reason = "Kafka has a connection for each partition: leave `connection` away";
            return Err(LoadError::Scenario { reason: reason.to_owned() });
        }
        let settings = &order.test.sending.tls;
        let tls = match target.scheme.is_secure() {
            // Every broker has a name of its own, and is held to it.
            true if settings.server_name.is_some() => {
                let reason =
                    "brokers are known by the names that they tell: leave `serverName` away";
                return Err(LoadError::Tls { reason: reason.to_owned() });
            }
            true => Some(tls_of(&order.test, &target, &[])?),
            false => None,
        };
        let access = kafka::Access { tls, sasl };
        let job = kafka::Job::new(target, access, routes, agenda, &order, workers)?;
        let wires = hand::wires(workers)?;
        let slices = (0..workers).map(|it| order.share.slice(it, workers));
        let mut opened = job.workers(slices.zip(&wires)).map_err(LoadError::System)?;
        let make = move |_, _| Ok(opened.pop_front().expect("there is one for each wire"));
        Ok(Prepared { share: order.share, wires, make: Box::new(make) })
    }
}

/// What worker `worker` of `workers` gets of `all`.
pub(crate) fn share(all: u32, worker: u32, workers: u32) -> usize {
    (all / workers + u32::from(worker < all % workers)) as usize
}

impl Prepared {
    /// Sends the load from threads of its own, and says how it goes: first [`Said::Started`], then a
    /// frame at the end of each second, [`Said::Ended`] last. `say` is called on those threads, one at a time,
    /// and must not wait: what it waits for is not sent meanwhile.
    ///
    /// # Errors
    /// When the operating system refuses the threads or their descriptors.
    pub fn start(mut self, say: impl FnMut(Said) + Send + 'static) -> Result<Handle, LoadError> {
        let workers = self.wires.len() as u32;
        let make = |worker, wire| (self.make)(self.share.slice(worker, workers), wire);
        hand::start(self.wires, make, say).map_err(LoadError::System)
    }

    /// Sends nothing that is due at `until` or later, unless the handle is told to.
    pub(crate) fn until(self, until: Moment) -> Self {
        self.wires.iter().for_each(|it| it.send_until(until));
        self
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("workers", &self.wires.len()).finish_non_exhaustive()
    }
}

/// Raises the limit of open files as far as the connections need and the system lets.
fn allow_descriptors(connections: u32) -> Result<(), LoadError> {
    let needed = u64::from(connections) + DESCRIPTORS_LEFT;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|it| it >= needed) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(needed), maximum };
    setrlimit(Resource::Nofile, raised).map_err(|_| LoadError::Descriptors {
        connections,
        limit: maximum.or(current).unwrap_or(0),
    })
}

/// Raises it by so many more, as far as the system lets; connections beyond that fail, and are counted as failed.
pub(crate) fn allow_more_descriptors(connections: u32) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Some(current) = current {
        let wanted = current.saturating_add(u64::from(connections));
        let wanted = maximum.map_or(wanted, |it| wanted.min(it));
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap_or_default();
    }
}
