//! Assembly: from agents that come one by one to a crew that is ready, each with its share of the load.
//!
//! As soon as an agent is there, clocks are compared and it gets its order; from then on a task keeps it company. One that
//! was called is needed. One that came by itself may go before the start: its seat is free for the next one then, which may
//! be the same again.

use std::pin::pin;
use std::time::Duration;

use evenkeel_units::{Clock, SystemClock};
use tokio::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel,
};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::clock::{ASKED, Clocks};
use super::link::{ALIVE_EVERY, LinkError, Reader, SILENCE, Writer};
use super::meeting::{Arrival, Meeting, Met, Seat, Seats};
use super::message::{FromAgent, ToAgent};
use super::token::Token;
use super::{FleetError, Member};
use crate::order::Order;

/// Every agent must be ready after so long: it comes, names are looked up, and data is read.
const READY_MAX: Duration = Duration::from_secs(25);

/// What an agent said, by the number of its share; the last of each is an error.
pub(super) type Heard = (usize, Result<FromAgent, LinkError>);

/// Every agent, each with a task that talks to it.
pub(super) struct Crew {
    pub(super) clock: SystemClock,
    pub(super) members: Vec<(Member, Clocks, UnboundedSender<ToAgent>)>,
    pub(super) heard: Receiver<Heard>,
    /// Ends with the crew, and with it every connection.
    pub(super) tasks: JoinSet<()>,
}

/// A crew that is coming together.
pub(super) struct Assembly<'a> {
    meeting: &'a Meeting,
    token: &'a Token,
    clock: SystemClock,
    orders: Vec<Order>,
    seats: Seats,
    places: Vec<Option<Place>>,
    tell: Sender<Heard>,
    heard: Receiver<Heard>,
    tasks: JoinSet<()>,
    /// Who did not stay or was not let in last, and why.
    gone: Option<String>,
}

/// An agent that has its order.
struct Place {
    /// Its own until the load begins.
    _seat: Seat,
    member: Member,
    clocks: Clocks,
    say: UnboundedSender<ToAgent>,
    is_ready: bool,
}

impl<'a> Assembly<'a> {
    /// An agent for each of the orders.
    pub(super) fn new(meeting: &'a Meeting, token: &'a Token, orders: Vec<Order>) -> Self {
        let (tell, heard) = channel(64);
        Self {
            meeting,
            token,
            clock: SystemClock::start(),
            seats: Seats::new(orders.len()),
            places: orders.iter().map(|_| None).collect(),
            orders,
            tell,
            heard,
            tasks: JoinSet::new(),
            gone: None,
        }
    }

    /// The crew, when all are ready.
    pub(super) async fn finish(mut self) -> Result<Crew, FleetError> {
        let (came, mut arrivals) = unbounded_channel();
        let seats = self.seats.clone();
        let mut gathering = pin!(self.meeting.gather(self.token, &seats, &came));
        let mut late = pin!(sleep(READY_MAX));
        let mut joins = JoinSet::new();
        while !self.is_ready() {
            tokio::select! {
                gathered = &mut gathering => match gathered? {},
                Some(arrival) = arrivals.recv() => match arrival {
                    Arrival::Met(met) => {
                        let order = self.orders[met.seat.number()].clone();
                        joins.spawn(join(*met, order, self.clock));
                    }
                    Arrival::TurnedAway(peer, reason) => {
                        self.gone = Some(format!("{peer}: {reason}"));
                    }
                },
                Some(joined) = joins.join_next() => {
                    match joined.map_err(|it| FleetError::System(it.into()))? {
                        Ok((met, clocks)) => self.take_in(met, clocks),
                        Err((seat, error)) => self.lose(seat.name(), &error)?,
                    }
                }
                // Its other end is held here.
                Some((number, said)) = self.heard.recv() => self.hear(number, said)?,
                () = &mut late => return Err(self.late()),
            }
        }
        let members = self.places.into_iter().flatten().map(|it| (it.member, it.clocks, it.say));
        let members = members.collect();
        Ok(Crew { clock: self.clock, members, heard: self.heard, tasks: self.tasks })
    }

    fn is_ready(&self) -> bool {
        self.places.iter().all(|it| it.as_ref().is_some_and(|it| it.is_ready))
    }

    /// Somebody has its order, and is kept company.
    fn take_in(&mut self, met: Met, clocks: Clocks) {
        let Met { seat, name, reader, writer } = met;
        let (say, orders) = unbounded_channel();
        let number = seat.number();
        self.tasks.spawn(attend(number, reader, writer, orders, self.tell.clone()));
        let (address, round_trip) = (seat.name().to_owned(), clocks.round_trip());
        let member = Member { address, name, round_trip };
        self.places[number] = Some(Place { _seat: seat, member, clocks, say, is_ready: false });
    }

    fn hear(
        &mut self,
        number: usize,
        said: Result<FromAgent, LinkError>,
    ) -> Result<(), FleetError> {
        let Some(place) = &mut self.places[number] else { return Ok(()) };
        match said {
            Ok(FromAgent::Ready) => place.is_ready = true,
            Ok(FromAgent::Refused(reason) | FromAgent::Ended(Some(reason))) => {
                return Err(FleetError::of(&place.member.address, &reason));
            }
            Ok(_) => {}
            Err(error) => {
                let address = place.member.address.clone();
                self.places[number] = None;
                return self.lose(&address, &error);
            }
        }
        Ok(())
    }

    /// Somebody has gone.
    fn lose(&mut self, address: &str, error: &LinkError) -> Result<(), FleetError> {
        match self.meeting.place() {
            None => Err(FleetError::of(address, error)),
            Some(_) => {
                self.gone = Some(format!("{address}: {error}"));
                Ok(())
            }
        }
    }

    /// What is missing, when it has taken too long.
    fn late(&self) -> FleetError {
        let came = self.seats.taken();
        match self.meeting.place() {
            Some(place) if came.len() < self.orders.len() => FleetError::Few {
                place: place.to_owned(),
                expected: self.orders.len(),
                came,
                gone: self.gone.clone(),
            },
            _ => {
                let ready = |it: &Option<Place>| it.as_ref().is_some_and(|it| it.is_ready);
                let ready: Vec<bool> = self.places.iter().map(ready).collect();
                let waited_for = came.into_iter().zip(ready).filter(|(_, ready)| !ready);
                let names: Vec<_> = waited_for.map(|(name, _)| name).collect();
                FleetError::Late { waited_for: names.join(", ") }
            }
        }
    }
}

/// Compares clocks with an agent, and gives it its order.
async fn join(
    mut met: Met,
    order: Order,
    clock: SystemClock,
) -> Result<(Met, Clocks), (Seat, LinkError)> {
    let joined = async {
        let clocks = compare(&mut met.reader, &mut met.writer, clock).await?;
        met.writer.say(&ToAgent::Order(Box::new(order))).await?;
        Ok(clocks)
    };
    match joined.await {
        Ok(clocks) => Ok((met, clocks)),
        Err(error) => Err((met.seat, error)),
    }
}

/// What the clock of an agent says.
async fn compare(
    reader: &mut Reader,
    writer: &mut Writer,
    clock: SystemClock,
) -> Result<Clocks, LinkError> {
    let mut clocks = Clocks::default();
    for _ in 0..ASKED {
        let asked = clock.now();
        writer.say(&ToAgent::Clock).await?;
        let answer = async {
            loop {
                if let FromAgent::Clock(theirs) = reader.next().await? {
                    return Ok::<_, LinkError>(theirs);
                }
            }
        };
        let theirs = timeout(SILENCE, answer).await.map_err(|_| LinkError::Silent)??;
        clocks.heard(asked, theirs, clock.now());
    }
    Ok(clocks)
}

/// Talks to an agent until it is gone, or everybody is: passes on what it says, and what it is told.
async fn attend(
    number: usize,
    mut reader: Reader,
    mut writer: Writer,
    mut orders: UnboundedReceiver<ToAgent>,
    tell: Sender<(usize, Result<FromAgent, LinkError>)>,
) {
    let mut alive = interval(ALIVE_EVERY);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let error = loop {
        let patience = reader.patience();
        let said = tokio::select! {
            // What has come is heard first: who was held up itself takes nobody for gone.
            biased;
            heard = reader.next() => match heard {
                // Nobody listens any more once the load is over.
                Ok(it) => match tell.send((number, Ok(it))).await {
                    Ok(()) => continue,
                    Err(_) => return writer.close().await,
                },
                Err(error) => break error,
            },
            order = orders.recv() => match order {
                Some(order) => writer.say(&order).await,
                None => return writer.close().await,
            },
            _ = alive.tick() => writer.say(&ToAgent::Alive).await,
            () = sleep_until(patience) => reader.is_there(),
        };
        if let Err(error) = said {
            break error;
        }
    };
    // Nobody listens any more once the load is over.
    drop(tell.send((number, Err(error))).await);
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Share;
    use evenkeel_model::document::LoadTest;
    use evenkeel_units::Seed;
    use tokio::net::TcpListener;

    #[tokio::test(start_paused = true)]
    async fn agents_that_do_not_come_are_not_waited_for_for_ever() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap().to_string();
        let meeting = || Meeting::Listen { address: address.clone(), expected: 2 };
        let token = Token::new("the token of the fleet").unwrap();
        let (url, test) = ("http://127.0.0.1:1".to_owned(), LoadTest::new("it"));
        let order = Order { url, test, shapes: Vec::new(), seed: Seed(1), share: Share::WHOLE };
        let assemble = async |meeting: Meeting| {
            let orders = vec![order.clone(), order.clone()];
            Assembly::new(&meeting, &token, orders).finish().await.err().unwrap().to_string()
        };
        assert_eq!(assemble(meeting()).await, format!("cannot wait for agents at {address}"));
        drop(free);
        assert_eq!(
            assemble(meeting()).await,
            format!("0 of 2 agents came to {address} within 25 s")
        );
    }

    #[test]
    fn who_came_and_who_did_not_stay_is_said() {
        let error = FleetError::Few {
            place: "10.0.0.1:7071".to_owned(),
            expected: 3,
            came: vec!["a".to_owned(), "b".to_owned()],
            gone: Some("10.0.0.9:4711: it does not know the token".to_owned()),
        };
        assert_eq!(
            error.to_string(),
            "2 of 3 agents came to 10.0.0.1:7071 within 25 s: a, b; turned away or gone again: \
             10.0.0.9:4711: it does not know the token"
        );
    }
}
