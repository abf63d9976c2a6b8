//! Coordinator: gives every agent of a fleet its share, starts them together, and says what they have counted as
//! if one machine had.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use evenkeel_model::Frame;
use evenkeel_units::{Clock, Moment};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::assembly::{Assembly, Crew};
use super::deal::{Deal, Handover, LEASE, Part};
use super::link::SILENCE;
use super::meeting::Meeting;
use super::message::{FromAgent, ToAgent};
use super::roll::Roll;
use super::share::shares;
use super::token::Token;
use super::{Event, FleetError, Member, OnLoss};
use crate::order::Order;

/// From when the start is said to when it is: every agent must have heard of it.
const LEAD: Duration = Duration::from_millis(250);

/// How often somebody is looked for who has fallen behind.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Agents that send one load together.
#[derive(Clone, Debug)]
pub struct Fleet {
    meeting: Meeting,
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
    /// Agents that are met in this way.
    ///
    /// # Errors
    /// When there is to be none, one is named twice, or there are more than a thousand.
    pub fn new(meeting: Meeting, token: Token) -> Result<Self, FleetError> {
        meeting.check()?;
        Ok(Self { meeting, token, on_loss: OnLoss::default() })
    }

    /// With something else to do when an agent is lost.
    #[must_use]
    pub fn on_loss(self, on_loss: OnLoss) -> Self {
        Self { on_loss, ..self }
    }

    /// Meets every agent, gives it its share of the order, and waits until all are ready. It may take seconds,
    /// and waits for them. Data is read here; references are looked up by the agents, each for itself.
    ///
    /// # Errors
    /// When an agent cannot be had, or cannot send its share. Nothing has been sent then.
    pub fn assemble(&self, order: &Order) -> Result<Assembled, FleetError> {
        let orders = shares(order, self.meeting.expected() as u32)?;
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
                match Assembly::new(&fleet.meeting, &fleet.token, orders).finish().await {
                    Ok(crew) => {
                        let members = crew.members.iter().map(|(it, ..)| it.clone()).collect();
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
        let members =
            ready.recv().unwrap_or_else(|it| Err(FleetError::System(io::Error::other(it))))?;
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

impl Crew {
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
