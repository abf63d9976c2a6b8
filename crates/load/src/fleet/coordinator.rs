//! Coordinator: gives every agent of a fleet its share, starts them together, and says what they have counted as
//! if one machine had.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_model::Frame;
use evenkeel_units::{Clock, Moment, SystemClock};
use tokio::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel,
};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::clock::{ASKED, Clocks};
use super::deal::{Deal, Handover, LEASE, Part};
use super::link::{ALIVE_EVERY, LinkError, Reader, SILENCE, Writer, to_agent};
use super::message::{FromAgent, ToAgent};
use super::roll::Roll;
use super::share::shares;
use super::token::Token;
use super::{AGENTS_MAX, Event, FleetError, Member, OnLoss};
use crate::order::Order;

/// Every agent must be ready after so long: names are looked up, and data is read.
const READY_MAX: Duration = Duration::from_secs(25);

/// From when the start is said to when it is: every agent must have heard of it.
const LEAD: Duration = Duration::from_millis(250);

/// How often somebody is looked for who has fallen behind.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Agents that send one load together.
#[derive(Clone, Debug)]
pub struct Fleet {
    agents: Vec<String>,
    token: Token,
    on_loss: OnLoss,
}

/// A load that every agent of a fleet is ready to send. Dropping it lets them go.
pub struct Assembled {
    members: Vec<Member>,
    begin: oneshot::Sender<Say>,
    stop: Arc<Stop>,
    cpu_micros: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

/// A load that a fleet is sending. Dropping it stops the load.
pub struct Handle {
    stop: Arc<Stop>,
    cpu_micros: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

type Say = Box<dyn FnMut(Event) + Send>;

/// Somebody has had enough.
#[derive(Debug, Default)]
struct Stop {
    asked: AtomicBool,
    bell: Notify,
}

impl Fleet {
    /// The agents at these addresses, each `HOST:PORT`.
    ///
    /// # Errors
    /// When there is none, one is named twice, or there are more than a thousand.
    pub fn new(agents: Vec<String>, token: Token) -> Result<Self, FleetError> {
        let wrong = |reason: String| Err(FleetError::Agents { reason });
        if agents.is_empty() || agents.len() > AGENTS_MAX as usize {
            return wrong("there must be 1 to 1000 of them".to_owned());
        }
        for (number, agent) in agents.iter().enumerate() {
            let port = agent.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.and_then(|(_, it)| it.parse::<u16>().ok()).is_none_or(|it| it == 0) {
                return wrong(format!("`{agent}` is not HOST:PORT"));
            }
            if agents[..number].contains(agent) {
                return wrong(format!("`{agent}` is named twice"));
            }
        }
        Ok(Self { agents, token, on_loss: OnLoss::default() })
    }

    /// With something else to do when an agent is lost.
    #[must_use]
    pub fn on_loss(self, on_loss: OnLoss) -> Self {
        Self { on_loss, ..self }
    }

    /// Connects to every agent, gives it its share of the order, and waits until all are ready. It may take seconds,
    /// and waits for them. Data is read here; references are looked up by the agents, each for itself.
    ///
    /// # Errors
    /// When an agent cannot be had, or cannot send its share. Nothing has been sent then.
    pub fn assemble(&self, order: &Order) -> Result<Assembled, FleetError> {
        let orders = shares(order, self.agents.len() as u32)?;
        let deal = match self.on_loss {
            OnLoss::Fail => None,
            OnLoss::Redistribute => Some(Deal::new(order, &orders)?),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(FleetError::System)?;
        let (done, ready) = std::sync::mpsc::channel();
        let (begin, begun) = oneshot::channel();
        let (stop, cpu_micros) = (Arc::<Stop>::default(), Arc::<AtomicU64>::default());
        let (figures, stopped) = (Arc::clone(&cpu_micros), Arc::clone(&stop));
        let roll = Roll::new(orders.len(), order.test.routes.len(), order.test.transactions.len());
        let fleet = self.clone();
        let work = move || {
            runtime.block_on(async {
                let assembled = timeout(READY_MAX, Crew::assemble(&fleet, orders)).await;
                let late = || Err(FleetError::Late);
                match assembled.unwrap_or_else(|_| late()) {
                    Ok((crew, members)) => {
                        // Nobody waits any more when the run has ended meanwhile.
                        if done.send(Ok(members)).is_ok() {
                            crew.work(begun, &stopped, &figures, roll, deal).await;
                        }
                    }
                    Err(error) => drop(done.send(Err(error))),
                }
            });
        };
        let thread = std::thread::Builder::new().name("evenkeel-fleet".to_owned()).spawn(work);
        let thread = thread.map_err(FleetError::System)?;
        let members = ready.recv().unwrap_or(Err(FleetError::Late))?;
        Ok(Assembled { members, begin, stop, cpu_micros, thread })
    }
}

impl Assembled {
    /// Who is there, by the number of its share.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Has all agents start at the same moment, and says how it goes as one load does. `say` is called on a thread
    /// of the fleet.
    pub fn start(self, say: impl FnMut(Event) + Send + 'static) -> Handle {
        let Self { begin, stop, cpu_micros, thread, .. } = self;
        // The thread waits for this as long as its other end is held here.
        drop(begin.send(Box::new(say)));
        Handle { stop, cpu_micros, thread: Some(thread) }
    }
}

impl fmt::Debug for Assembled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembled").field("members", &self.members).finish_non_exhaustive()
    }
}

impl Handle {
    /// No agent sends anything new. Returns at once.
    pub fn stop(&self) {
        self.stop.asked.store(true, Ordering::Relaxed);
        self.stop.bell.notify_one();
    }

    /// Processor time that sending took on all machines, as far as it has been said.
    pub fn cpu_time(&self) -> Duration {
        Duration::from_micros(self.cpu_micros.load(Ordering::Relaxed))
    }

    /// Waits until the load has ended.
    pub fn join(mut self) {
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            // Only what the owner does in `say` can panic there.
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.stop();
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("cpu_time", &self.cpu_time()).finish_non_exhaustive()
    }
}

/// Every agent, each with a task that talks to it.
struct Crew {
    clock: SystemClock,
    members: Vec<(Member, Clocks, UnboundedSender<ToAgent>)>,
    heard: Receiver<(usize, Result<FromAgent, LinkError>)>,
    /// Ends with the crew, and with it every connection.
    tasks: JoinSet<()>,
}

/// An agent that has been given its order.
type Joined = (Reader, Writer, Member, Clocks);

impl Crew {
    async fn assemble(
        fleet: &Fleet,
        orders: Vec<Order>,
    ) -> Result<(Self, Vec<Member>), FleetError> {
        let clock = SystemClock::start();
        let mut joins = JoinSet::new();
        for (number, (address, order)) in fleet.agents.iter().cloned().zip(orders).enumerate() {
            let token = fleet.token.clone();
            joins.spawn(async move {
                let joined = join(&address, &token, order, clock).await;
                (number, joined.map_err(|it| FleetError::of(&address, &it)))
            });
        }
        let mut joined = Vec::new();
        while let Some(done) = joins.join_next().await {
            let (number, one) = done.map_err(|it| FleetError::System(it.into()))?;
            joined.push((number, one?));
        }
        joined.sort_by_key(|(number, _)| *number);
        let (tell, heard) = channel(64);
        let mut crew = Self { clock, members: Vec::new(), heard, tasks: JoinSet::new() };
        for (number, (reader, writer, member, clocks)) in joined {
            let (say, orders) = unbounded_channel();
            crew.tasks.spawn(attend(number, reader, writer, orders, tell.clone()));
            crew.members.push((member, clocks, say));
        }
        let mut waited_for = crew.members.len();
        while waited_for > 0 {
            // Every task says something before it ends.
            let Some((number, said)) = crew.heard.recv().await else {
                return Err(FleetError::Late);
            };
            let address = &crew.members[number].0.address;
            match said {
                Ok(FromAgent::Ready) => waited_for -= 1,
                Ok(FromAgent::Refused(reason) | FromAgent::Ended(Some(reason))) => {
                    return Err(FleetError::of(address, &reason));
                }
                Ok(_) => {}
                Err(error) => return Err(FleetError::of(address, &error)),
            }
        }
        let members = crew.members.iter().map(|(it, ..)| it.clone()).collect();
        Ok((crew, members))
    }

    /// Sends the load from beginning to end.
    async fn work(
        mut self,
        begun: oneshot::Receiver<Say>,
        stop: &Stop,
        cpu_micros: &AtomicU64,
        mut roll: Roll,
        mut deal: Option<Deal>,
    ) {
        // Tasks keep the agents company meanwhile.
        let Ok(mut say) = begun.await else { return };
        let far = self.members.iter().map(|(it, ..)| it.round_trip).max();
        let at = self.clock.now() + LEAD + far.unwrap_or_default();
        let until = deal.as_ref().map(|_| Moment::at(LEASE));
        for (_, clocks, agent) in &self.members {
            // Whoever has gone is missed below.
            drop(agent.send(ToAgent::Start { at: clocks.theirs(at), until }));
        }
        sleep_until(Instant::now() + (at - self.clock.now())).await;
        say(Event::Started);
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut lost, mut stopping) = (Vec::new(), false);
        let mut heard = vec![Moment::START; self.members.len()];
        loop {
            tokio::select! {
                () = stop.bell.notified(), if !stopping => {
                    stopping = stop.asked.load(Ordering::Relaxed);
                    if stopping {
                        self.members.iter().for_each(|(.., it)| drop(it.send(ToAgent::Stop)));
                    }
                }
                Some((number, said)) = self.heard.recv() => {
                    heard[number] = Moment::at(self.clock.now() - at);
                    let trouble = match said {
                        Ok(FromAgent::Second(frame)) => {
                            let is_next = roll.heard(number) == Some(frame.second);
                            let wrong = roll.second(number, &frame).err();
                            if is_next && wrong.is_none() {
                                let frame = Frame { series: Vec::new(), transactions: Vec::new(), ..*frame };
                                say(Event::Part { agent: self.members[number].0.clone(), frame });
                            }
                            wrong.map(str::to_owned)
                        }
                        Ok(FromAgent::Ended(None)) => {
                            roll.ended(number);
                            deal.iter_mut().for_each(|it| it.ended(number));
                            None
                        }
                        Ok(FromAgent::Ended(Some(reason)) | FromAgent::Refused(reason)) => {
                            Some(reason)
                        }
                        Ok(FromAgent::Clock(_) | FromAgent::Ready | FromAgent::Alive) => None,
                        Err(error) => Some(error.to_string()),
                    };
                    lost.extend(trouble.map(|it| (number, it)));
                }
                _ = looks.tick() => {
                    let behind = roll.behind(self.clock.now() - at).into_iter();
                    lost.extend(behind.map(|it| (it, "it fell 10 s behind".to_owned())));
                    for (number, (_, _, agent)) in self.members.iter().enumerate() {
                        if let Some(deal) = deal.as_mut().filter(|_| roll.heard(number).is_some()) {
                            drop(agent.send(ToAgent::Until(deal.until(number, heard[number]))));
                        }
                    }
                }
            }
            for (number, reason) in lost.drain(..) {
                let Some(second) = roll.heard(number) else { continue };
                let (member, _, agent) = &self.members[number];
                // If it is still there, it sends no more.
                drop(agent.send(ToAgent::Stop));
                say(Event::Lost { agent: member.clone(), second, reason });
                let now = Moment::at(self.clock.now() - at);
                let handover = deal.as_mut().filter(|_| !stopping);
                let handover = handover.and_then(|it| it.lost(number, second, now));
                roll.lost(number, handover.as_ref().map_or(&[], |it| &it.missed));
                if let Some(handover) = handover {
                    say(self.hand_on(number, handover));
                }
            }
            roll.pass(self.clock.now() - at, stopping);
            while let Some(frame) = roll.take() {
                cpu_micros.fetch_add(frame.cpu_micros, Ordering::Relaxed);
                say(Event::Second(frame));
            }
            if roll.is_over() {
                break;
            }
        }
        let error = roll.nobody_stayed().then(|| "every agent was lost".to_owned());
        say(Event::Ended { error });
        self.leave().await;
    }

    /// Gives what a lost agent had to those who take it over.
    fn hand_on(&self, number: usize, handover: Handover) -> Event {
        let Handover { from, parts, missed } = handover;
        let mut by: Vec<Member> = Vec::new();
        for Part { to, share, since, connections } in parts {
            let (member, _, agent) = &self.members[to];
            // Whoever has gone is lost itself, and what it was given is handed on with the rest.
            drop(agent.send(ToAgent::TakeOver { share, from: since, connections }));
            if !by.contains(member) {
                by.push(member.clone());
            }
        }
        let agent = self.members[number].0.clone();
        Event::HandedOn { agent, by, from, missed: missed.iter().sum() }
    }

    /// Says goodbye to everybody, so that no agent takes it for a loss.
    async fn leave(mut self) {
        self.members.clear();
        self.heard.close();
        let leave = async { while self.tasks.join_next().await.is_some() {} };
        timeout(SILENCE, leave).await.unwrap_or_default();
    }
}

/// Connects to an agent, compares clocks, and gives it its order.
async fn join(
    address: &str,
    token: &Token,
    order: Order,
    clock: SystemClock,
) -> Result<Joined, LinkError> {
    let (mut reader, mut writer, name) = to_agent(address, token).await?;
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
    writer.say(&ToAgent::Order(Box::new(order))).await?;
    let member = Member { address: address.to_owned(), name, round_trip: clocks.round_trip() };
    Ok((reader, writer, member, clocks))
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
