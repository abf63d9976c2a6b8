//! Order: what is asked for, and its preparation: everything that can fail before the first request.

use std::fmt;
use std::io;
use std::time::Duration;

use evenkeel_model::document::{LoadTest, Reference, ResolveError, Shape, Text};
use evenkeel_units::Seed;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::hand::{self, Handle, Said};
use crate::protocol::http1::{self, RequestError};
use crate::routes::{Route, Routes};
use crate::schedule::Schedule;
use crate::target::Target;

/// Descriptors that are left to the rest of the process.
const DESCRIPTORS_LEFT: u64 = 128;

/// A load to send.
#[derive(Clone, Debug)]
pub struct Order {
    /// Where to: `http://host:port`.
    pub url: String,
    /// What. Its own shape and URL are not looked at.
    pub test: LoadTest,
    /// How many requests when: one shape after the other.
    pub shapes: Vec<Shape>,
    /// Of every choice.
    pub seed: Seed,
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
    /// The host has no address.
    #[error("cannot look up the host `{host}`")]
    Lookup {
        /// Its name.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A reference could not be read.
    #[error("cannot write the request of route `{route}`")]
    Reference {
        /// Name of the route.
        route: String,
        /// Which reference, and why.
        #[source]
        source: ResolveError,
    },
    /// A request cannot be written.
    #[error("cannot write the request of route `{route}`: {reason}")]
    Request {
        /// Name of the route.
        route: String,
        /// What is wrong with it.
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

/// A load that is ready to be sent. Holds secrets, and does not show them.
pub struct Prepared {
    pub(crate) target: Target,
    pub(crate) routes: Routes,
    pub(crate) schedule: Schedule,
    pub(crate) timeout: Duration,
    pub(crate) connections: usize,
    pub(crate) seed: Seed,
}

/// Makes an order ready: reads the URL, looks up its host, reads every reference with `look_up`, and
/// writes the requests.
///
/// # Errors
/// When the order cannot be sent as it stands; nothing has been sent then.
pub fn prepare(
    order: Order,
    look_up: impl Fn(&Reference) -> Result<String, ResolveError>,
) -> Result<Prepared, LoadError> {
    let target = Target::find(&order.url)?;
    let mut routes = Vec::new();
    for route in &order.test.routes {
        let resolve = |text: &Text| {
            let error = |source| LoadError::Reference { route: route.name.clone(), source };
            text.resolve(&look_up).map_err(error)
        };
        let path = resolve(&route.path)?;
        let body = route.body.as_ref().map(resolve).transpose()?;
        let headers = route
            .headers
            .iter()
            .map(|(name, value)| Ok((name.clone(), resolve(value)?)))
            .collect::<Result<Vec<_>, LoadError>>()?;
        let request = http1::encode(&target.host, &route.method, &path, &headers, body.as_deref())
            .map_err(|error: RequestError| LoadError::Request {
                route: route.name.clone(),
                reason: error.to_string(),
            })?;
        let ready = Route::new(request, &route.method, &route.status, &route.body_contains);
        routes.push((route.weight, ready));
    }
    let connections = order.test.connections;
    if connections == 0 {
        return Err(LoadError::NoConnections);
    }
    allow_descriptors(connections)?;
    Ok(Prepared {
        target,
        routes: Routes::new(routes).ok_or(LoadError::NoRoutes)?,
        schedule: Schedule::of(&order.shapes).ok_or(LoadError::Steps)?,
        timeout: order.test.timeout,
        connections: connections as usize,
        seed: order.seed,
    })
}

impl Prepared {
    /// Sends the load from a thread of its own, and says how it goes: first [`Said::Started`], then a
    /// frame at the end of each second, [`Said::Ended`] last. `say` is called on that thread and must
    /// not wait: what it waits for is not sent meanwhile.
    ///
    /// # Errors
    /// When the operating system refuses the thread or its descriptors.
    pub fn start(self, say: impl FnMut(Said) + Send + 'static) -> Result<Handle, LoadError> {
        hand::start(self, say).map_err(LoadError::System)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("target", &self.target)
            .field("routes", &self.routes.len())
            .field("timeout", &self.timeout)
            .field("connections", &self.connections)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
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
