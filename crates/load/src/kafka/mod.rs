//! Kafka: records are produced when they are due, and what topics bring is timed from when it was due.
//!
//! ```text
//! driver     the thread that ties the parts together
//! producer   records → partitions → batches → acknowledgements
//! consumer   what topics bring, and which of it never came
//! link       brokers, topics and partitions, found and opened
//! stamp      the header by which a record is known again
//! partition  which partition a key belongs to
//! fault      what a failure counts as
//! alarm      waking up when something is due, to the microsecond
//! ```
//!
//! A topic lives on several brokers and moves between them, so a client library (`rskafka`) speaks the protocol
//! here instead of a machine of bytes; each worker is a thread with a runtime of its own.
//!
//! **A record is a request.** It is sent when it is handed to its partition, and answered when the broker says
//! that all replicas in sync have it (`acks=all`). At most `connections × streams` are under way. Nothing is
//! tried twice: what the broker says, or a broken connection, is the outcome. There is no linger: a record
//! leaves at once, unless five requests of its partition are under way (as many as Kafka's own producer allows);
//! then it leaves with all that came meanwhile as soon as one of them is answered. So batches form under
//! pressure, and only then. There is a connection for each partition and direction.
//!
//! **A topic that is consumed** is followed in the background, from the end of each partition at the start of the
//! load; partitions are shared out among the workers of all machines. Where the test also produces to the
//! topic, each record of the load is an outcome when it is fetched, timed from when it was due; one that was
//! acknowledged and has not come within the timeout is a timeout. Where it does not, each record is an outcome,
//! timed from when it was created. Clocks: times of records from this process are by its own clock; those from
//! other machines are by wall clocks, which have to be in step. A record that another machine was to fetch is
//! missed by nobody: compare the counts of the two routes. A topic that cannot be followed is an outcome as well, at
//! most once a second.
//!
//! Topics are opened while the load is prepared, for which a silent broker is waited for as long as the timeout, 15 s
//! at most. A broker that asks for SCRAM says how often the password is to be hashed, up to 2³² times, and the library
//! neither asks us nor lets anything else happen on its thread meanwhile. While a load is prepared that is nobody's
//! thread: whoever waits for it gives it up, as a drill does after 30 s.
//! Bytes are those of keys, values and headers, without the frames around them.
//!
//! Over TLS (`kafkas`) each broker is held to the name that it tells. Who comes is shown by PLAIN or SCRAM; a broker
//! that says no is an answer with its code, as any other.
//!
//! Deliberately absent: Kerberos and OAuth, groups of consumers, transactions, creation of topics, and reading
//! what others have compressed with lz4 or zstd.

mod alarm;
mod consumer;
mod driver;
mod fault;
mod link;
mod partition;
mod producer;
mod stamp;

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::document::{LoadTest, Pace};
use rskafka::client::SaslConfig;
use tokio::runtime::Runtime;

use crate::LoadError;
use crate::answer::Judge;
use crate::call::{Headers, What};
use crate::engine::{Agenda, Slice};
use crate::hand::{Wire, Worker};
use crate::order::Order;
use crate::route::Compiled;
use crate::target::Target;
use crate::tls;
use consumer::Shelves;
use driver::Driver;

/// A load of records that is ready to be sent.
pub(crate) struct Job {
    basis: Arc<Basis>,
    shelves: Arc<Shelves>,
}

/// How one comes to the brokers.
pub(crate) struct Access {
    pub(crate) tls: Option<tls::Client>,
    pub(crate) sasl: Option<SaslConfig>,
}

/// What every worker knows.
struct Basis {
    target: Target,
    access: Access,
    agenda: Agenda,
    routes: Vec<Route>,
    timeout: Duration,
    /// Records that a worker may have under way.
    under_way: usize,
    /// And for each connection more that it is given.
    streams: usize,
    pace: Pace,
    /// Workers of this process.
    workers: u32,
    /// Which load a record is of, and which process sent it.
    load: u64,
    process: u64,
}

/// One kind of record.
struct Route {
    what: What,
    judge: Judge,
    wants_headers: bool,
}

impl Route {
    fn topic(&self) -> &str {
        match &self.what {
            What::Produce { topic, .. } | What::Consume { topic } => topic,
            _ => unreachable!("a load of records has no other routes"),
        }
    }

    fn produces(&self) -> bool {
        matches!(self.what, What::Produce { .. })
    }
}

/// Topics are consumed in the background: nobody arrives to do it. Says whether there are any.
pub(crate) fn set_aside(test: &mut LoadTest) -> bool {
    let mut any = false;
    for route in &mut test.routes {
        if route.call.is_followed() {
            route.weight = 0;
            any = true;
        }
    }
    any
}

impl Job {
    /// Makes the routes ready.
    ///
    /// # Errors
    /// When one of them is not of Kafka.
    pub(crate) fn new(
        target: Target,
        access: Access,
        routes: Vec<Compiled>,
        agenda: Agenda,
        order: &Order,
        workers: u32,
    ) -> Result<Self, LoadError> {
        let routes: Vec<_> = routes.into_iter().map(route).collect::<Result<_, _>>()?;
        let test = &order.test;
        let streams = test.sending.streams.max(1);
        let under_way = u64::from(test.connections) * u64::from(streams);
        let basis = Basis {
            target,
            access,
            timeout: agenda.timeout,
            agenda,
            routes,
            under_way: (under_way / u64::from(workers)).max(1) as usize,
            streams: streams as usize,
            pace: test.sending.pace,
            workers,
            load: order.seed.choices("load/kafka").below(0, u64::MAX),
            process: RandomState::new().hash_one(0),
        };
        Ok(Self { basis: Arc::new(basis), shelves: Arc::default() })
    }

    /// The workers, with every topic opened that can be; they open them side by side.
    pub(crate) fn workers<'w>(
        &self,
        of: impl Iterator<Item = (Slice, &'w Arc<Wire>)>,
    ) -> io::Result<VecDeque<Worker>> {
        std::thread::scope(|scope| {
            let opening: Vec<_> = of
                .map(|(slice, wire)| scope.spawn(move || self.worker(slice, Arc::clone(wire))))
                .collect();
            let bug = |_| Err(io::Error::other("a bug of Evenkeel ended a thread"));
            opening.into_iter().map(|it| it.join().unwrap_or_else(bug)).collect()
        })
    }

    /// One worker. Its runtime must not begin, nor be dropped, within another.
    fn worker(&self, slice: Slice, wire: Arc<Wire>) -> io::Result<Worker> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut home = Home(Some(runtime));
        let mut driver =
            Driver::new(Arc::clone(&self.basis), Arc::clone(&self.shelves), slice, wire);
        home.block_on(driver.open());
        Ok(Box::new(move |clock, say| home.block_on(driver.run(clock, say))))
    }
}

/// A runtime that waits for nobody when it is dropped: not for names that are still being looked up, and not where
/// nobody may wait, because a load that was never sent is dropped by whoever it was for.
struct Home(Option<Runtime>);

impl Home {
    fn block_on<T>(&mut self, future: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("it is there until it is dropped").block_on(future)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

fn route(compiled: Compiled) -> Result<Route, LoadError> {
    let (name, call, judge, extracts) = compiled.into_parts();
    let wrong =
        |reason: &str| LoadError::Request { route: name.clone(), reason: reason.to_owned() };
    if extracts {
        return Err(wrong("an acknowledgement holds nothing to extract"));
    }
    match &call.what {
        What::Produce { topic, .. } | What::Consume { topic } => {
            // What Kafka allows as the name of a topic.
            let fits = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
            if topic.is_empty() || topic.len() > 249 || !topic.bytes().all(fits) {
                return Err(wrong("its topic is no name of letters, digits, `.`, `_` and `-`"));
            }
        }
        _ => return Err(wrong("it cannot be sent over kafka: write `produce` or `consume`")),
    }
    Ok(Route { what: call.what, judge, wants_headers: matches!(call.wants_headers, Headers::All) })
}
