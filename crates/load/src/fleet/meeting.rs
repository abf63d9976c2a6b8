//! Meeting: how a coordinator gets hold of its agents: it calls them, they call it, or all come to a database.
//!
//! Who calls whom is a question of which ways are open, and nothing after the meeting knows of it. Each agent that has
//! shown that it knows the token gets a seat, whose number is that of its share.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::link::{LinkError, Reader, Wire, Writer, acceptor, answer, call, dial, over};
use super::postgres::{Database, Offers};
use super::token::{Role, Token};
use super::{AGENTS_MAX, FleetError};

/// So many may be about to say who they are.
pub(super) const STRANGERS_MAX: usize = 16;

/// After a connection that could not be taken.
pub(super) const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How a coordinator and its agents meet.
#[derive(Clone, Debug)]
pub enum Meeting {
    /// Agents listen at these addresses, each `HOST:PORT`.
    Call(Vec<String>),
    /// The coordinator listens at an address.
    Listen {
        /// `HOST:PORT`.
        address: String,
        /// How many agents call it.
        expected: u32,
    },
    /// All come to a database.
    Database {
        /// Which.
        database: Database,
        /// How many agents come.
        expected: u32,
    },
}

/// An agent that has shown that it knows the token.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) seat: Seat,
    /// What it calls itself.
    pub(super) name: String,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

/// What comes of somebody who has come.
#[derive(Debug)]
pub(super) enum Arrival {
    Met(Box<Met>),
    /// Where it came from, and why it was not let in.
    TurnedAway(String, LinkError),
}

/// One for each share, with the name of whoever sits there.
#[derive(Clone, Debug)]
pub(super) struct Seats(Arc<Mutex<Vec<Option<String>>>>);

/// One of them, for as long as this is held.
#[derive(Debug)]
pub(super) struct Seat {
    number: usize,
    name: String,
    seats: Seats,
}

impl Seats {
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![None; count])))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Option<String>>) -> T) -> T {
        // Whoever panicked had nothing half done.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who is there.
    pub(super) fn taken(&self) -> Vec<String> {
        self.with(|seats| seats.iter().flatten().cloned().collect())
    }

    /// The first that is free, for somebody of a name that nobody else has.
    fn take(&self, name: &str) -> Result<Seat, String> {
        self.with(|seats| {
            if name.is_empty() {
                return Err("it has no name: give it one with `--name`".to_owned());
            }
            if seats.iter().flatten().any(|it| it == name) {
                return Err(format!(
                    "an agent called `{name}` is here already: give each its own `--name`"
                ));
            }
            let free = seats.iter().position(Option::is_none);
            let number = free.ok_or("as many agents as are expected are here already")?;
            seats[number] = Some(name.to_owned());
            Ok(Seat { number, name: name.to_owned(), seats: self.clone() })
        })
    }
}

impl Seat {
    /// That of the share.
    pub(super) const fn number(&self) -> usize {
        self.number
    }

    /// Whose it is.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.with(|seats| seats[self.number] = None);
    }
}

impl Meeting {
    /// Whether it can come about.
    pub(super) fn check(&self) -> Result<(), FleetError> {
        let wrong = |reason: String| Err(FleetError::Agents { reason });
        if !(1..=AGENTS_MAX as usize).contains(&self.expected()) {
            return wrong("there must be 1 to 1000 of them".to_owned());
        }
        let addresses = match self {
            Self::Call(agents) => agents.as_slice(),
            Self::Listen { address, .. } => std::slice::from_ref(address),
            Self::Database { .. } => &[],
        };
        for (number, address) in addresses.iter().enumerate() {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.and_then(|(_, it)| it.parse::<u16>().ok()).is_none_or(|it| it == 0) {
                return wrong(format!("`{address}` is not HOST:PORT"));
            }
            if addresses[..number].contains(address) {
                return wrong(format!("`{address}` is named twice"));
            }
        }
        Ok(())
    }

    /// How many agents there are.
    pub(super) fn expected(&self) -> usize {
        match self {
            Self::Call(agents) => agents.len(),
            Self::Listen { expected, .. } | Self::Database { expected, .. } => *expected as usize,
        }
    }

    /// Where agents come to by themselves, so that one that goes may come again.
    pub(super) fn place(&self) -> Option<&str> {
        match self {
            Self::Call(_) => None,
            Self::Listen { address, .. } => Some(address),
            Self::Database { database, .. } => Some(database.url()),
        }
    }

    /// Has agents take their seats, for as long as it is waited for.
    pub(super) async fn gather(
        &self,
        token: &Token,
        seats: &Seats,
        came: &UnboundedSender<Arrival>,
    ) -> Result<Infallible, FleetError> {
        let lobby = match self {
            Self::Call(agents) => return call_all(agents, token, seats, came).await,
            Self::Listen { address, .. } => {
                let listener = TcpListener::bind(address).await;
                let address = address.clone();
                Lobby::Address(listener.map_err(|source| FleetError::Listen { address, source })?)
            }
            Self::Database { database, expected } => {
                let offers = database.offer(*expected as usize).await;
                Lobby::Database(offers.map_err(FleetError::database)?)
            }
        };
        wait(lobby, token, seats, came).await
    }
}

/// Calls everybody at once, and then is content.
async fn call_all(
    agents: &[String],
    token: &Token,
    seats: &Seats,
    came: &UnboundedSender<Arrival>,
) -> Result<Infallible, FleetError> {
    let mut calls = JoinSet::new();
    for address in agents {
        let seat = seats.take(address).map_err(|reason| FleetError::Agents { reason })?;
        let (token, came) = (token.clone(), came.clone());
        calls.spawn(async move {
            let called =
                async { call(dial(seat.name()).await?, &token, Role::Coordinator, "").await };
            let called = called.await.map_err(|it| FleetError::of(seat.name(), &it));
            called.map(|(reader, writer, name)| {
                // Whoever heard of it may have given up.
                drop(came.send(Arrival::Met(Box::new(Met { seat, name, reader, writer }))));
            })
        });
    }
    while let Some(called) = calls.join_next().await {
        called.map_err(|it| FleetError::System(it.into()))??;
    }
    std::future::pending().await
}

/// Where somebody may come in.
#[derive(Debug)]
enum Lobby {
    Address(TcpListener),
    Database(Offers),
}

impl Lobby {
    /// Who comes next, and from where.
    async fn next(&mut self) -> Result<(String, Box<dyn Wire>), FleetError> {
        match self {
            Self::Address(listener) => loop {
                let accepted = listener.accept().await;
                match accepted
                    .map_err(LinkError::Connect)
                    .and_then(|(stream, peer)| Ok((peer.to_string(), over(stream)?)))
                {
                    Ok(it) => return Ok(it),
                    Err(_) => sleep(ACCEPT_AGAIN).await,
                }
            },
            Self::Database(offers) => {
                let (name, line) = offers.next().await.map_err(FleetError::database)?;
                Ok((name, Box::new(line)))
            }
        }
    }
}

/// Lets in whoever has a seat; others are turned away, and told why.
async fn wait(
    mut lobby: Lobby,
    token: &Token,
    seats: &Seats,
    came: &UnboundedSender<Arrival>,
) -> Result<Infallible, FleetError> {
    let acceptor = acceptor().map_err(|it| FleetError::System(std::io::Error::other(it)))?;
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    let mut guests = JoinSet::new();
    loop {
        let (peer, wire) = tokio::select! {
            next = lobby.next() => next?,
            Some(_) = guests.join_next() => continue,
        };
        let Ok(place) = Arc::clone(&strangers).try_acquire_owned() else { continue };
        let (acceptor, token) = (acceptor.clone(), token.clone());
        let (seats, came) = (seats.clone(), came.clone());
        guests.spawn(async move {
            let seat = |name: &str| seats.take(name);
            let met = answer(wire, &acceptor, &token, Role::Coordinator, "", seat).await;
            drop(place);
            // Whoever heard of it may have given up.
            drop(came.send(match met {
                Ok((reader, writer, seat)) => {
                    let name = seat.name().to_owned();
                    Arrival::Met(Box::new(Met { seat, name, reader, writer }))
                }
                Err(error) => Arrival::TurnedAway(peer, error),
            }));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seat_is_for_one_of_its_own_name_and_free_again_when_that_one_has_gone() {
        let seats = Seats::new(2);
        let first = seats.take("a").unwrap();
        let error = seats.take("a").unwrap_err();
        assert_eq!(error, "an agent called `a` is here already: give each its own `--name`");
        let second = seats.take("b").unwrap();
        assert_eq!((first.number(), second.number()), (0, 1));
        assert_eq!(seats.take("c").unwrap_err(), "as many agents as are expected are here already");
        drop(first);
        assert_eq!(seats.take("c").unwrap().number(), 0);
        assert_eq!(seats.taken(), ["b"]);
    }
}
