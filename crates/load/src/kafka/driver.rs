//! Driver: the thread that hands what is due to the producer, counts what comes, and says each second.

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::Frame;
use evenkeel_model::document::Pace;
use evenkeel_units::{Clock, Moment, SystemClock};
use rustix::thread::set_current_timer_slack;
use tokio::net::unix::pipe;
use tokio::sync::mpsc::{Receiver, channel};

use super::Basis;
use super::alarm::Alarm;
use super::consumer::{Consumer, Fetched, Shelves};
use super::fault::Fault;
use super::link::{Link, Opened};
use super::producer::{Produced, Producer};
use crate::engine::{DRAIN_MAX, Demand, Slice, Toll, tick};
use crate::hand::Wire;

/// Topics are waited for no longer than this before the load begins.
const OPENING_MAX: Duration = Duration::from_secs(15);

/// What has happened is waited with beyond this many.
const EVENTS_MAX: usize = 4096;

/// What tasks have come to.
pub(super) enum Event {
    /// A topic to produce to.
    Opened(usize, Opened),
    /// A request of records.
    Produced(Produced),
    /// A topic to follow.
    Follows(usize, Opened),
    /// Records that a topic has brought.
    Fetched(Fetched),
    /// A topic that cannot be followed at present.
    NotFetched(usize, Fault),
}

/// All that one worker owns.
pub(super) struct Driver {
    basis: Arc<Basis>,
    clock: SystemClock,
    wire: Arc<Wire>,
    shelves: Arc<Shelves>,
    demand: Demand,
    producer: Producer,
    consumer: Consumer,
    events: Receiver<Event>,
    /// What happened before the load began.
    early: Vec<Event>,
    /// Whether all that was to be produced has its outcome.
    produced: bool,
    /// Set by a stop: nothing is waited for beyond this.
    drain_until: Option<Moment>,
    toll: Toll,
}

impl Driver {
    pub(super) fn new(
        basis: Arc<Basis>,
        shelves: Arc<Shelves>,
        slice: Slice,
        wire: Arc<Wire>,
    ) -> Self {
        let link = Arc::new(Link::new(&basis));
        let (say, events) = channel(EVENTS_MAX);
        shelves.join(&basis, slice);
        Self {
            clock: SystemClock::start(),
            demand: Demand::new(&basis.agenda, slice, wire.until()),
            producer: Producer::new(&basis, &link, &shelves, slice.worker, &say),
            consumer: Consumer::new(&basis, &link, &shelves, slice, &say),
            basis,
            toll: Toll::new(&wire),
            wire,
            shelves,
            events,
            early: Vec::new(),
            produced: false,
            drain_until: None,
        }
    }

    /// Opens every topic before the load begins. One that cannot be opened now is tried again when it is needed.
    pub(super) async fn open(&mut self) {
        let opening = async {
            for _ in 0..self.producer.open() + self.consumer.open(Moment::START) {
                self.early.extend(self.events.recv().await);
            }
        };
        // What comes later is heard when the load is sent.
        tokio::time::timeout(OPENING_MAX, opening).await.unwrap_or_default();
    }

    /// Sends the load from beginning to end; its seconds count from when `clock` was started. Says how many
    /// records were still under way when it ended.
    pub(super) async fn run(
        mut self,
        clock: SystemClock,
        say: &mut dyn FnMut(Frame),
    ) -> io::Result<u64> {
        // Where it is not allowed we wake up to 50 µs later, which the lag will show.
        set_current_timer_slack(NonZeroU64::new(1)).unwrap_or_default();
        let alarm = Alarm::new()?;
        let bell = pipe::Receiver::from_owned_fd_unchecked(self.wire.bell().try_clone()?)?;
        self.clock = clock;
        self.demand.start(clock);
        for event in std::mem::take(&mut self.early) {
            self.on(event);
        }
        loop {
            if self.drain_until.is_none() {
                self.hear();
            }
            let now = self.clock.now();
            self.close_seconds(now, say);
            self.admit(|at| at <= now);
            self.give_up(now);
            self.dispatch(now);
            if self.is_finished(now) {
                break;
            }
            self.toll.note(now);
            let patience = self.patience();
            tokio::select! {
                biased;
                event = self.events.recv() => {
                    let mut next = event;
                    while let Some(event) = next {
                        self.on(event);
                        next = self.events.try_recv().ok();
                    }
                }
                rang = bell.readable(), if self.drain_until.is_none() => {
                    rang?;
                    // One that has rung is silent until it rings again.
                    bell.try_read(&mut [0; 8]).or_else(not_yet)?;
                }
                woke = alarm.after(patience) => woke?,
            }
        }
        self.consumer.look(&mut self.demand.recorder, self.clock.now(), true);
        if self.demand.has_begun() || self.producer.len() > 0 {
            self.say_second(say);
        }
        Ok(self.producer.len())
    }

    /// Does what the owner wants.
    fn hear(&mut self) {
        self.demand.allow(self.wire.until());
        while let Some(more) = self.wire.more() {
            let connections = self.demand.join(more);
            self.producer.grow(connections);
        }
        if self.wire.stopped() {
            self.stop();
        }
    }

    fn on(&mut self, event: Event) {
        let now = self.clock.now();
        let recorder = &mut self.demand.recorder;
        match event {
            Event::Opened(topic, opened) => {
                self.producer.opened(topic, opened, &mut self.demand, now);
            }
            Event::Produced(produced) => self.producer.produced(produced, &mut self.demand),
            Event::Follows(topic, opened) => {
                self.consumer.opened(topic, opened, self.clock, recorder, now);
            }
            Event::Fetched(fetched) => self.consumer.fetched(fetched, self.clock, recorder),
            Event::NotFetched(topic, fault) => self.consumer.failed(topic, fault, recorder, now),
        }
    }

    /// Says every second that is over by `now`, each with all that was due in it.
    fn close_seconds(&mut self, now: Moment, say: &mut dyn FnMut(Frame)) {
        while now >= self.demand.boundary() {
            let boundary = self.demand.boundary();
            self.admit(|at| at < boundary);
            self.say_second(say);
        }
    }

    /// Says the present second.
    fn say_second(&mut self, say: &mut dyn FnMut(Frame)) {
        let cpu = self.toll.of_second();
        say(self.demand.close(self.producer.len(), cpu));
    }

    fn admit(&mut self, is_due: impl Fn(Moment) -> bool) {
        if !self.produced {
            self.demand.admit(is_due);
        }
    }

    /// Gives up what has lasted too long.
    fn give_up(&mut self, now: Moment) {
        self.demand.expire(now);
        self.producer.expire(&mut self.demand, now);
        self.consumer.look(&mut self.demand.recorder, now, false);
    }

    /// Sends what waits, as far as there is room.
    fn dispatch(&mut self, now: Moment) {
        while self.producer.has_room()
            && self.demand.front(now).is_some()
            && let Some(request) = self.demand.take(now)
        {
            self.producer.send(request, &self.demand, now);
        }
        self.producer.flush(self.clock, &mut self.demand, now);
        self.consumer.open(now);
    }

    fn stop(&mut self) {
        let now = self.clock.now();
        self.demand.stop(now);
        self.drain_until = Some(now + self.basis.timeout.min(DRAIN_MAX));
    }

    fn is_finished(&mut self, now: Moment) -> bool {
        if !self.produced && self.demand.is_over(now) && self.producer.len() == 0 {
            self.produced = true;
            self.shelves.leave();
        }
        let over = self.produced && self.consumer.is_over();
        over || self.drain_until.is_some_and(|it| now >= it)
    }

    /// How long to sleep, when no broker has anything to say.
    fn patience(&self) -> Duration {
        let now = self.clock.now();
        let more = [self.producer.next_event(), self.consumer.next_event(), self.drain_until];
        let due = match self.produced {
            true => self.demand.boundary(),
            false => self.demand.next_event(now),
        };
        let next = more.into_iter().flatten().fold(due, Moment::min);
        match self.basis.pace {
            Pace::Precise => next - now,
            Pace::Spin => Duration::ZERO,
            Pace::Coarse => tick(next) - now,
        }
    }
}

/// What would have to be waited for is no error.
fn not_yet(error: io::Error) -> io::Result<usize> {
    if error.kind() == io::ErrorKind::WouldBlock { Ok(0) } else { Err(error) }
}
