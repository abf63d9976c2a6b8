//! Consumer: topics that are followed in the background, and which records of ours have not come yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_model::Answer;
use evenkeel_units::{Clock, Moment, SystemClock};
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{OffsetAt, PartitionClient};
use rskafka::record::{Record, RecordAndOffset};
use tokio::sync::mpsc::Sender;

use super::driver::Event;
use super::fault::Fault;
use super::link::{Link, Opened};
use super::stamp::{HEADER, Stamp};
use super::{Basis, Route};
use crate::answer::Headers;
use crate::engine::Slice;
use crate::recorder::Recorder;

/// How long a broker may wait for a record before it says that there is none.
const WAIT: Duration = Duration::from_millis(500);

/// One answer brings at most so much, save a single batch that is larger.
const FETCH_BYTES_MAX: i32 = 1024 * 1024;

/// After a failure, the next try comes this much later.
const PAUSE: Duration = Duration::from_millis(100);

/// A broker that has nothing and says so sooner than this was not waiting.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A broker that does not wait is asked at most this often.
const IDLE: Duration = Duration::from_millis(1);

/// How often a topic that cannot be followed is an outcome.
const FAILURE_EVERY: Duration = Duration::from_secs(1);

/// How often records that have not come are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What all workers of a process know about records that were acknowledged and have to come.
#[derive(Default)]
pub(super) struct Shelves(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// By topic and place of the partition: only those that this process fetches.
    shelves: BTreeMap<(String, usize), Shelf>,
    /// Which topics are followed, and by which of how many workers this process is.
    followed: Vec<String>,
    ours: Option<(Slice, u32)>,
    /// How many workers still produce.
    producing: usize,
}

/// One partition.
#[derive(Default)]
struct Shelf {
    /// Everything from the first of these up to the second has been fetched.
    fetched: Option<(i64, i64)>,
    /// Acknowledged and not fetched: when each was due and sent, by its offset.
    missing: BTreeMap<i64, (Moment, Moment)>,
}

impl Shelves {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker begins.
    pub(super) fn join(&self, basis: &Basis, slice: Slice) {
        let mut known = self.known();
        known.producing += 1;
        known.ours = Some((slice, basis.workers));
        if known.followed.is_empty() {
            let consumed = basis.routes.iter().filter(|it| !it.produces());
            known.followed = consumed.map(|it| it.topic().to_owned()).collect();
        }
    }

    /// A worker produces nothing any more.
    pub(super) fn leave(&self) {
        self.known().producing -= 1;
    }

    /// A broker has a record.
    pub(super) fn acknowledged(
        &self,
        topic: &str,
        place: usize,
        offset: i64,
        due: Moment,
        sent: Moment,
    ) {
        let known = &mut *self.known();
        let Some((slice, workers)) = known.ours else { return };
        let workers = u64::from(workers);
        let of_this_process = place as u64 % slice.workers / workers == slice.worker / workers;
        if !of_this_process || known.followed.iter().all(|it| it != topic) {
            return;
        }
        let shelf = known.shelves.entry((topic.to_owned(), place)).or_default();
        if shelf.fetched.is_none_or(|(from, to)| offset < from || to <= offset) {
            shelf.missing.insert(offset, (due, sent));
        }
    }
}

/// The topics that one worker follows.
pub(super) struct Consumer {
    basis: Arc<Basis>,
    link: Arc<Link>,
    shelves: Arc<Shelves>,
    slice: Slice,
    events: Sender<Event>,
    topics: Vec<Followed>,
    next_look: Moment,
}

struct Followed {
    route: u32,
    name: String,
    /// Whether the test produces to it.
    is_produced: bool,
    state: State,
    /// No failure is an outcome before this.
    failure_after: Moment,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum State {
    /// Not asked for before this.
    Closed(Moment),
    Busy,
}

/// What a partition has brought.
pub(super) struct Fetched {
    topic: usize,
    place: usize,
    records: Vec<RecordAndOffset>,
    at: Moment,
}

impl Consumer {
    pub(super) fn new(
        basis: &Arc<Basis>,
        link: &Arc<Link>,
        shelves: &Arc<Shelves>,
        slice: Slice,
        events: &Sender<Event>,
    ) -> Self {
        let is_produced =
            |name: &str| basis.routes.iter().any(|it| it.produces() && it.topic() == name);
        let mut topics: Vec<Followed> = Vec::new();
        for (route, it) in basis.routes.iter().enumerate().filter(|(_, it)| !it.produces()) {
            topics.push(Followed {
                route: route as u32,
                name: it.topic().to_owned(),
                is_produced: is_produced(it.topic()),
                state: State::Closed(Moment::START),
                failure_after: Moment::START,
            });
        }
        Self {
            basis: Arc::clone(basis),
            link: Arc::clone(link),
            shelves: Arc::clone(shelves),
            slice,
            events: events.clone(),
            topics,
            next_look: Moment::START,
        }
    }

    /// Opens what is not open; says how many topics that are.
    pub(super) fn open(&mut self, now: Moment) -> usize {
        let mut count = 0;
        for (topic, it) in self.topics.iter_mut().enumerate() {
            let State::Closed(until) = it.state else { continue };
            if now < until {
                continue;
            }
            it.state = State::Busy;
            count += 1;
            let (link, events, name) =
                (Arc::clone(&self.link), self.events.clone(), it.name.clone());
            let Slice { worker, workers } = self.slice;
            tokio::spawn(async move {
                let is_ours = move |place| place as u64 % workers == worker;
                let opened = link.open(&name, is_ours, true).await;
                events.send(Event::Follows(topic, opened)).await.unwrap_or_default();
            });
        }
        count
    }

    /// A topic has been opened, or cannot be.
    pub(super) fn opened(
        &mut self,
        topic: usize,
        opened: Opened,
        clock: SystemClock,
        recorder: &mut Recorder,
        now: Moment,
    ) {
        let it = &mut self.topics[topic];
        let all = match opened {
            Ok(all) => all,
            Err(fault) => {
                it.state = State::Closed(now + PAUSE);
                self.failed(topic, fault, recorder, now);
                return;
            }
        };
        recorder.frame.connected += all.len() as u64;
        for partition in all {
            let mut known = self.shelves.known();
            let shelf = known.shelves.entry((it.name.clone(), partition.place)).or_default();
            // What was acknowledged before is fetched as well.
            let first = shelf.missing.keys().next().copied();
            let from = first.map_or(partition.end, |it| it.min(partition.end));
            shelf.fetched = Some((from, from));
            let follow = Follow {
                client: partition.client,
                topic,
                place: partition.place,
                offset: from,
                timeout: self.basis.timeout,
                clock,
                events: self.events.clone(),
            };
            tokio::spawn(follow.run());
        }
    }

    /// Counts what a partition has brought.
    pub(super) fn fetched(&self, fetched: Fetched, clock: SystemClock, recorder: &mut Recorder) {
        let Fetched { topic, place, records, at } = fetched;
        let it = &self.topics[topic];
        let wall = clock.wall().as_microsecond() - (clock.now() - at).as_micros() as i64;
        let since = |micros: i64| {
            Duration::from_micros(u64::try_from(wall.saturating_sub(micros)).unwrap_or(0))
        };
        let mut known = self.shelves.known();
        let shelf = known.shelves.entry((it.name.clone(), place)).or_default();
        for RecordAndOffset { record, offset } in records {
            recorder.frame.bytes_received += record.approximate_size() as u64;
            let was_missing = shelf.missing.remove(&offset).is_some();
            if let Some((_, to)) = &mut shelf.fetched {
                *to = offset + 1;
            }
            let stamp = record.headers.get(HEADER).and_then(|it| Stamp::read(it));
            let stamp = stamp.filter(|stamp| !it.is_produced || stamp.load == self.basis.load);
            let (response, service, lag) = match stamp {
                Some(stamp) if stamp.process == self.basis.process => {
                    let response = at - stamp.due;
                    // One that comes too late has been given up already, unless it was still missing.
                    if response >= self.basis.timeout && !was_missing {
                        continue;
                    }
                    (response, at - stamp.sent, stamp.sent - stamp.due)
                }
                Some(stamp) => {
                    let lag = stamp.sent - stamp.due;
                    let response = since(stamp.due_wall);
                    (response, response.saturating_sub(lag), lag)
                }
                None if it.is_produced => continue,
                None => {
                    let response = since(record.timestamp.timestamp_micros());
                    (response, response, Duration::ZERO)
                }
            };
            let answer = match response >= self.basis.timeout {
                true => Answer::Timeout,
                false => judge(&self.basis.routes[it.route as usize], &record),
            };
            recorder.planned();
            recorder.sent(lag);
            recorder.outcome(it.route, answer, response, Some(service));
        }
    }

    /// A topic cannot be followed at present.
    pub(super) fn failed(
        &mut self,
        topic: usize,
        fault: Fault,
        recorder: &mut Recorder,
        now: Moment,
    ) {
        let it = &mut self.topics[topic];
        if now < it.failure_after {
            return;
        }
        it.failure_after = now + FAILURE_EVERY;
        let answer = match fault {
            Fault::Code(_) => Answer::Status,
            Fault::Lost(answer) => answer,
        };
        recorder.planned();
        recorder.sent(Duration::ZERO);
        recorder.outcome(it.route, answer, Duration::ZERO, None);
    }

    /// Gives up records that have not come in time; with `all`, every one that has not come.
    pub(super) fn look(&mut self, recorder: &mut Recorder, now: Moment, all: bool) {
        if now < self.next_look && !all {
            return;
        }
        self.next_look = now + LOOK_EVERY;
        let Slice { worker, workers } = self.slice;
        let timeout = self.basis.timeout;
        let mut known = self.shelves.known();
        for ((name, place), shelf) in &mut known.shelves {
            if *place as u64 % workers != worker {
                continue;
            }
            let gone = shelf.missing.extract_if(.., |_, (due, _)| all || now >= *due + timeout);
            for (_, (due, sent)) in gone {
                for it in self.topics.iter().filter(|it| it.name == *name) {
                    recorder.planned();
                    recorder.sent(sent - due);
                    recorder.outcome(it.route, Answer::Timeout, now - due, Some(now - sent));
                }
            }
        }
    }

    /// Whether nothing has to come any more.
    pub(super) fn is_over(&self) -> bool {
        let Slice { worker, workers } = self.slice;
        let known = self.shelves.known();
        let mut ours =
            known.shelves.iter().filter(|((_, place), _)| *place as u64 % workers == worker);
        self.topics.iter().all(|it| !it.is_produced)
            || (known.producing == 0 && ours.all(|(_, it)| it.missing.is_empty()))
    }

    /// When there is something to do though no broker says so.
    pub(super) fn next_event(&self) -> Option<Moment> {
        let closed = self.topics.iter().filter_map(|it| match it.state {
            State::Closed(until) => Some(until),
            State::Busy => None,
        });
        let look = self.topics.iter().any(|it| it.is_produced).then_some(self.next_look);
        closed.chain(look).min()
    }
}

fn judge(route: &Route, record: &Record) -> Answer {
    let mut headers = Headers::default();
    if route.wants_headers {
        record.headers.iter().for_each(|(name, value)| headers.push(name.as_bytes(), value));
    }
    route.judge.judge(Some(0), &headers, record.value.as_deref().unwrap_or_default())
}

/// One partition that is followed.
struct Follow {
    client: Arc<PartitionClient>,
    topic: usize,
    place: usize,
    offset: i64,
    timeout: Duration,
    clock: SystemClock,
    events: Sender<Event>,
}

impl Follow {
    async fn run(mut self) {
        loop {
            let event = match self.fetch().await {
                Ok(records) if records.is_empty() => continue,
                Ok(records) => {
                    let (topic, place) = (self.topic, self.place);
                    Event::Fetched(Fetched { topic, place, records, at: self.clock.now() })
                }
                Err(fault) => {
                    tokio::time::sleep(PAUSE).await;
                    Event::NotFetched(self.topic, fault)
                }
            };
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    async fn fetch(&mut self) -> Result<Vec<RecordAndOffset>, Fault> {
        let began = self.clock.now();
        let asked =
            self.client.fetch_records(self.offset, 1..FETCH_BYTES_MAX, WAIT.as_millis() as i32);
        let Ok(fetched) = tokio::time::timeout(WAIT + self.timeout, asked).await else {
            return Err(Fault::Lost(Answer::Timeout));
        };
        match fetched {
            Ok((records, end)) => {
                let at_once = self.clock.now() - began < AT_ONCE;
                match records.last() {
                    Some(last) => self.offset = last.offset + 1,
                    // A mark of a transaction: a place in the partition without a record.
                    None if at_once && self.offset < end => self.offset += 1,
                    None if at_once => tokio::time::sleep(IDLE).await,
                    None => {}
                }
                Ok(records)
            }
            Err(Error::ServerError { protocol_error: ProtocolError::OffsetOutOfRange, .. }) => {
                // Deleted meanwhile, or never there: what there is is gone on with.
                let first = self.client.get_offset(OffsetAt::Earliest).await;
                let first = first.map_err(|it| Fault::from(&it))?;
                self.offset = match first > self.offset {
                    true => first,
                    false => {
                        let end = self.client.get_offset(OffsetAt::Latest).await;
                        end.map_err(|it| Fault::from(&it))?
                    }
                };
                Err(Fault::Code(1))
            }
            Err(error) => Err(Fault::from(&error)),
        }
    }
}

#[cfg(test)]
mod tests;
