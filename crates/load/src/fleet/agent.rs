//! Agent: sends its share of whatever a coordinator orders, one coordinator at a time.
//!
//! ```text
//! greeting ─▶ order ─▶ preparing ─▶ ready ─▶ start ─▶ sending ─▶ ended
//! ```
//!
//! It waits for coordinators, calls one, or looks for one in a database, again and again until one is there. Load that
//! nobody watches is not sent: when the coordinator is gone, the agent stops, and waits for the next one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::document::{Reference, ResolveError};
use evenkeel_units::{Clock, Moment, SystemClock};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_rustls::TlsAcceptor;

use super::AGENTS_MAX;
use super::link::{
    ALIVE_EVERY, LinkError, Reader, Wire, Writer, acceptor, answer, call, dial, over,
};
use super::meeting::{ACCEPT_AGAIN, STRANGERS_MAX};
use super::message::{FromAgent, ToAgent};
use super::postgres::Database;
use super::token::{Role, Token};
use crate::hand::{Handle, Said};
use crate::order::{Order, Prepared, Share, prepare};

/// After a coordinator, and after none could be had.
const CALL_AGAIN: Duration = Duration::from_secs(1);

/// Timers of the runtime are late by up to so much.
const TIMER_LATE: Duration = Duration::from_millis(1);

/// Reads references on the agent's side.
pub type LookUp = fn(&Reference) -> Result<String, ResolveError>;

/// What an agent tells whoever started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A coordinator has shown that it knows the token.
    Serves(String),
    /// Nothing more is sent for it; why it was not to the end, when it was not.
    Free(Option<String>),
    /// Somebody was not let in.
    TurnedAway(String, String),
    /// No coordinator is to be had here, and why; said once for each reason.
    Missed(String, String),
}

/// A process that sends load for coordinators.
pub struct Agent {
    door: Arc<Door>,
    once: bool,
}

/// What all connections of an agent share.
struct Door {
    token: Token,
    name: String,
    /// Where the one coordinator sits.
    seat: Arc<Mutex<()>>,
    look_up: LookUp,
    say: Box<dyn Fn(Notice) + Send + Sync>,
}

impl Agent {
    /// An agent of this name, for coordinators that know the token. References of orders are read with `look_up`; `say`
    /// hears who comes and goes.
    pub fn new(
        token: Token,
        name: String,
        look_up: LookUp,
        say: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Self {
        let (seat, say) = (Arc::default(), Box::new(say));
        Self { door: Arc::new(Door { token, name, seat, look_up, say }), once: false }
    }

    /// One that ends after the first load.
    #[must_use]
    pub fn once(self, once: bool) -> Self {
        Self { once, ..self }
    }

    /// Serves coordinators that call it. Like all of these it goes on until it is dropped, which stops what it sends;
    /// that of an agent which works once ends with its load.
    ///
    /// # Errors
    /// Why that load did not go to its end.
    pub async fn listen(&self, listener: TcpListener) -> Result<(), String> {
        let acceptor = acceptor().map_err(|it| it.to_string())?;
        let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
        let mut guests = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(left) = guests.join_next() => match left {
                    Ok(Some(ended)) if self.once => return ended,
                    _ => continue,
                },
            };
            match (accepted, Arc::clone(&strangers).try_acquire_owned()) {
                (Ok((stream, peer)), Ok(place)) => {
                    let (door, acceptor) = (Arc::clone(&self.door), acceptor.clone());
                    guests.spawn(receive(door, acceptor, stream, peer.to_string(), place));
                }
                (Ok(_), Err(_)) => {}
                (Err(_), _) => sleep(ACCEPT_AGAIN).await,
            }
        }
    }

    /// Calls the coordinator at an address, `HOST:PORT`, until it is there, and again after each load.
    ///
    /// # Errors
    /// As for [`Agent::listen`].
    pub async fn call(&self, address: &str) -> Result<(), String> {
        self.seek(address, || dial(address)).await
    }

    /// Looks for a coordinator in a database until one is there, and again after each load.
    ///
    /// # Errors
    /// As for [`Agent::listen`].
    pub async fn look(&self, database: &Database) -> Result<(), String> {
        let find = async || {
            let line: Box<dyn Wire> = Box::new(database.claim(&self.door.name).await?);
            Ok(line)
        };
        self.seek(database.url(), find).await
    }

    async fn seek(
        &self,
        place: &str,
        find: impl AsyncFn() -> Result<Box<dyn Wire>, LinkError>,
    ) -> Result<(), String> {
        let Door { token, name, seat, say, .. } = &*self.door;
        let mut told = None;
        loop {
            let met = async { call(find().await?, token, Role::Agent, name).await };
            match met.await {
                Ok((reader, writer, _)) => {
                    told = None;
                    let seat = Arc::clone(seat).lock_owned().await;
                    let ended = work(&self.door, place, (reader, writer), seat).await;
                    if self.once {
                        return ended;
                    }
                }
                Err(error) => {
                    let reason = error.to_string();
                    if told.as_ref() != Some(&reason) {
                        say(Notice::Missed(place.to_owned(), reason.clone()));
                    }
                    told = Some(reason);
                }
            }
            sleep(CALL_AGAIN).await;
        }
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("name", &self.door.name).finish_non_exhaustive()
    }
}

/// Works for somebody who has called, if it is let in; says how that ended then.
async fn receive(
    door: Arc<Door>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: String,
    place: OwnedSemaphorePermit,
) -> Option<Result<(), String>> {
    let seat = |_: &str| {
        let taken = |_| "it works for another coordinator".to_owned();
        Arc::clone(&door.seat).try_lock_owned().map_err(taken)
    };
    let met = async {
        answer(over(stream)?, &acceptor, &door.token, Role::Agent, &door.name, seat).await
    };
    let met = met.await;
    drop(place);
    match met {
        Ok((reader, writer, seat)) => Some(work(&door, &peer, (reader, writer), seat).await),
        Err(error) => {
            (door.say)(Notice::TurnedAway(peer, error.to_string()));
            None
        }
    }
}

/// Works for a coordinator until it has gone, and tells of it.
async fn work(
    door: &Door,
    peer: &str,
    link: (Reader, Writer),
    seat: OwnedMutexGuard<()>,
) -> Result<(), String> {
    (door.say)(Notice::Serves(peer.to_owned()));
    let ended = serve(door, link, seat).await.map_err(|it| it.to_string());
    (door.say)(Notice::Free(ended.clone().err()));
    ended
}

/// How far the work for a coordinator has come.
enum Stage {
    Waiting,
    Preparing(oneshot::Receiver<Result<Prepared, String>>),
    Ready(Prepared),
    Starting(Prepared, Instant, Vec<Takeover>),
    Sending(Handle),
    Over,
}

/// What a lost agent cannot send any more: its share, from when, and on how many connections.
type Takeover = (Share, Moment, u32);

/// Something that a stage was waiting for.
enum Turn {
    Prepared(Result<Prepared, String>),
    Start,
}

impl Stage {
    async fn turn(&mut self) -> Turn {
        match self {
            Self::Preparing(it) => Turn::Prepared(
                it.await.unwrap_or_else(|_| Err("a bug of Evenkeel ended the preparation".into())),
            ),
            Self::Starting(_, at, _) => {
                sleep_until(*at).await;
                Turn::Start
            }
            _ => std::future::pending().await,
        }
    }
}

/// Works for one coordinator, until it has gone.
async fn serve(
    door: &Door,
    (mut reader, mut writer): (Reader, Writer),
    seat: OwnedMutexGuard<()>,
) -> Result<(), LinkError> {
    let clock = SystemClock::start();
    let (say, mut said) = unbounded_channel();
    let mut stage = Stage::Waiting;
    let mut alive = interval(ALIVE_EVERY);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let patience = reader.patience();
        let answer = tokio::select! {
            // What has come is heard first: who was held up itself takes nobody for gone.
            biased;
            heard = reader.next::<ToAgent>() => match heard {
                // Its work is done, and it leaves.
                Err(_) if matches!(stage, Stage::Over) => break,
                heard => obey(heard?, door, &mut stage, &clock)?,
            },
            turn = stage.turn() => advance(turn, &mut stage, &say),
            // The channel cannot close: a sender is held here.
            Some(message) = said.recv() => {
                if matches!(message, FromAgent::Ended(_)) {
                    stage = Stage::Over;
                }
                Some(message)
            }
            _ = alive.tick() => Some(FromAgent::Alive),
            () = sleep_until(patience) => {
                reader.is_there()?;
                None
            }
        };
        if let Some(answer) = answer {
            writer.say(&answer).await?;
        }
    }
    writer.close().await;
    drop(seat);
    Ok(())
}

/// Does what the coordinator says.
fn obey(
    message: ToAgent,
    door: &Door,
    stage: &mut Stage,
    clock: &SystemClock,
) -> Result<Option<FromAgent>, LinkError> {
    let now = clock.now();
    let wrong = || LinkError::Garbage("an order out of its turn".to_owned());
    *stage = match (message, std::mem::replace(stage, Stage::Over)) {
        (ToAgent::Order(order), Stage::Waiting) => match preparation(*order, door.look_up) {
            Ok(preparing) => Stage::Preparing(preparing),
            Err(reason) => return Ok(Some(FromAgent::Refused(reason))),
        },
        (ToAgent::Start { at, until }, Stage::Ready(prepared)) => {
            let pause = Moment::at(Duration::from_nanos(at)) - now;
            let prepared = until.into_iter().fold(prepared, Prepared::until);
            Stage::Starting(prepared, Instant::now() + pause.saturating_sub(TIMER_LATE), Vec::new())
        }
        (ToAgent::TakeOver { share, .. }, _) if share.number >= share.of => return Err(wrong()),
        (ToAgent::TakeOver { share, from, connections }, Stage::Starting(it, at, mut more)) => {
            more.push((share, from, connections));
            Stage::Starting(it, at, more)
        }
        (ToAgent::TakeOver { share, from, connections }, Stage::Sending(handle)) => {
            take_over(&handle, (share, from, connections));
            Stage::Sending(handle)
        }
        (ToAgent::Until(until), Stage::Sending(handle)) => {
            handle.allow(until);
            Stage::Sending(handle)
        }
        (ToAgent::Stop, Stage::Sending(handle)) => {
            handle.stop();
            Stage::Sending(handle)
        }
        (ToAgent::Stop | ToAgent::TakeOver { .. }, Stage::Over) => Stage::Over,
        (ToAgent::Stop, _) => return Ok(Some(FromAgent::Ended(None))),
        (ToAgent::Order(_) | ToAgent::Start { .. } | ToAgent::TakeOver { .. }, _) => {
            return Err(wrong());
        }
        (ToAgent::Clock, before) => {
            *stage = before;
            let nanos = u64::try_from(now.elapsed().as_nanos()).unwrap_or(u64::MAX);
            return Ok(Some(FromAgent::Clock(nanos)));
        }
        // What has not begun may begin.
        (ToAgent::Until(_) | ToAgent::Alive, before) => before,
    };
    Ok(None)
}

/// Takes the next step of its own accord.
fn advance(turn: Turn, stage: &mut Stage, say: &UnboundedSender<FromAgent>) -> Option<FromAgent> {
    let (next, answer) = match (turn, std::mem::replace(stage, Stage::Over)) {
        (Turn::Prepared(Ok(prepared)), _) => (Stage::Ready(prepared), FromAgent::Ready),
        (Turn::Prepared(Err(reason)), _) => (Stage::Over, FromAgent::Refused(reason)),
        (Turn::Start, Stage::Starting(prepared, _, more)) => {
            let say = say.clone();
            let said = move |it| {
                let message = match it {
                    Said::Started => FromAgent::Alive,
                    Said::Second(frame) => FromAgent::Second(Box::new(frame)),
                    Said::Ended { error } => FromAgent::Ended(error),
                };
                // Nobody listens any more when the coordinator has gone.
                drop(say.send(message));
            };
            match prepared.start(said) {
                Ok(handle) => {
                    more.into_iter().for_each(|it| take_over(&handle, it));
                    (Stage::Sending(handle), FromAgent::Alive)
                }
                Err(error) => (Stage::Over, FromAgent::Ended(Some(in_one_line(&error)))),
            }
        }
        (Turn::Start, before) => (before, FromAgent::Alive),
    };
    *stage = next;
    Some(answer)
}

fn take_over(handle: &Handle, (share, from, connections): Takeover) {
    handle.take_over(share, from, connections);
}

/// Prepares an order on a thread of its own: looking names up can take seconds.
fn preparation(
    order: Order,
    look_up: LookUp,
) -> Result<oneshot::Receiver<Result<Prepared, String>>, String> {
    if order.share.number >= order.share.of || order.share.of > u64::from(AGENTS_MAX) {
        return Err("its share is none of the whole".to_owned());
    }
    let (done, preparing) = oneshot::channel();
    let work = move || {
        // Nobody waits any more when the coordinator has gone.
        drop(done.send(prepare(order, look_up).map_err(|it| in_one_line(&it))));
    };
    let thread = std::thread::Builder::new().name("evenkeel-look-up".to_owned()).spawn(work);
    thread.map(|_| preparing).map_err(|it| it.to_string())
}
