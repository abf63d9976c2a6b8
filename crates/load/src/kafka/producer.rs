//! Producer: records on their way to the brokers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::Answer;
use evenkeel_units::{Clock, Moment, SystemClock};
use rskafka::chrono::DateTime;
use rskafka::client::partition::{Compression, PartitionClient};
use rskafka::record::Record;
use tokio::sync::mpsc::Sender;

use super::consumer::Shelves;
use super::driver::Event;
use super::fault::Fault;
use super::link::{Link, Opened};
use super::stamp::{HEADER, Stamp};
use super::{Basis, partition};
use crate::answer::Headers;
use crate::call::What;
use crate::engine::{Demand, Request};
use crate::template::{NoValues, Template};

/// Requests under way for one partition: as many as Kafka's own producer allows.
const REQUESTS_MAX: usize = 5;

/// One request holds at most so much, save a single record that is larger.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// And at most so many records.
const BATCH_RECORDS_MAX: usize = 10_000;

/// While no broker can be reached, a topic or a partition is asked for at most once in this time.
const PAUSE: Duration = Duration::from_millis(20);

/// Timeouts are noticed at most this late.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// All records under way from one worker.
pub(super) struct Producer {
    basis: Arc<Basis>,
    link: Arc<Link>,
    shelves: Arc<Shelves>,
    events: Sender<Event>,
    topics: Vec<Topic>,
    /// By number, which is never used again.
    entries: BTreeMap<u64, Entry>,
    /// How many there may be.
    room: usize,
    next: u64,
    /// No record is given up before this.
    next_deadline: Option<Moment>,
}

/// A record under way.
struct Entry {
    request: Request,
    /// Until it is written into a request.
    text: Option<(Option<Vec<u8>>, Vec<u8>)>,
    sent: Moment,
}

struct Topic {
    name: String,
    state: State,
    /// Records that came before its partitions were known.
    waiting: Vec<u64>,
    /// Whose turn it is to get a record without a key.
    turn: usize,
}

enum State {
    /// Not asked for before this.
    Closed(Moment),
    Opening,
    Open(Vec<Line>),
}

/// The records of one partition.
struct Line {
    client: Arc<PartitionClient>,
    queue: VecDeque<u64>,
    under_way: usize,
    /// Nothing is sent before this.
    after: Moment,
}

/// What a request has come to.
pub(super) struct Produced {
    topic: usize,
    place: usize,
    records: Vec<u64>,
    at: Moment,
    result: Result<Vec<i64>, Fault>,
}

impl Producer {
    pub(super) fn new(
        basis: &Arc<Basis>,
        link: &Arc<Link>,
        shelves: &Arc<Shelves>,
        worker: u64,
        events: &Sender<Event>,
    ) -> Self {
        let mut topics: Vec<Topic> = Vec::new();
        for route in basis.routes.iter().filter(|it| it.produces()) {
            if topics.iter().all(|it| it.name != route.topic()) {
                topics.push(Topic {
                    name: route.topic().to_owned(),
                    state: State::Closed(Moment::START),
                    waiting: Vec::new(),
                    turn: worker as usize,
                });
            }
        }
        Self {
            room: basis.under_way,
            basis: Arc::clone(basis),
            link: Arc::clone(link),
            shelves: Arc::clone(shelves),
            events: events.clone(),
            topics,
            entries: BTreeMap::new(),
            next: 0,
            next_deadline: None,
        }
    }

    /// How many records are under way.
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < self.room
    }

    /// So many connections more may be used.
    pub(super) fn grow(&mut self, by: usize) {
        self.room = self.room.saturating_add(by.saturating_mul(self.basis.streams));
    }

    /// Opens every topic; says how many there are.
    pub(super) fn open(&mut self) -> usize {
        (0..self.topics.len()).for_each(|it| self.open_topic(it));
        self.topics.len()
    }

    fn open_topic(&mut self, topic: usize) {
        let it = &mut self.topics[topic];
        it.state = State::Opening;
        let (link, events, name) = (Arc::clone(&self.link), self.events.clone(), it.name.clone());
        tokio::spawn(async move {
            let opened = link.open(&name, |_| true, false).await;
            // Where nobody hears it any more, the load has ended.
            events.send(Event::Opened(topic, opened)).await.unwrap_or_default();
        });
    }

    /// A topic has been opened, or cannot be.
    pub(super) fn opened(
        &mut self,
        topic: usize,
        opened: Opened,
        demand: &mut Demand,
        now: Moment,
    ) {
        let it = &mut self.topics[topic];
        let waiting = std::mem::take(&mut it.waiting);
        match opened {
            Ok(all) if !all.is_empty() => {
                demand.recorder.frame.connected += all.len() as u64;
                let line = |client| Line {
                    client,
                    queue: VecDeque::new(),
                    under_way: 0,
                    after: Moment::START,
                };
                it.state = State::Open(all.into_iter().map(|it| line(it.client)).collect());
                waiting.into_iter().for_each(|it| self.queue(topic, it));
            }
            opened => {
                it.state = State::Closed(now + PAUSE);
                let fault = opened.err().unwrap_or(super::fault::NO_TOPIC);
                waiting.into_iter().for_each(|it| self.outcome(it, fault, demand, now));
            }
        }
    }

    /// Takes a record that counts as sent.
    pub(super) fn send(&mut self, request: Request, demand: &Demand, now: Moment) {
        let basis = Arc::clone(&self.basis);
        let What::Produce { topic, key, value } = &basis.routes[request.route as usize].what else {
            unreachable!("topics are consumed in the background")
        };
        let write = |template: &Template| {
            let mut text = Vec::new();
            match request.visit {
                None => template.render(&NoValues, &mut text),
                Some(visit) => template.render(&demand.values(visit), &mut text),
            }
            text
        };
        let text = Some((key.as_ref().map(write), write(value)));
        let number = self.next;
        self.next += 1;
        self.entries.insert(number, Entry { request, text, sent: now });
        let deadline = request.due + basis.timeout;
        self.next_deadline = Some(self.next_deadline.map_or(deadline, |it| it.min(deadline)));
        let Some(topic) = self.topics.iter().position(|it| it.name == *topic) else {
            unreachable!("every topic was listed")
        };
        self.queue(topic, number);
    }

    /// Puts a record before its partition.
    fn queue(&mut self, topic: usize, number: u64) {
        let Some(entry) = self.entries.get(&number) else { return };
        let it = &mut self.topics[topic];
        let State::Open(lines) = &mut it.state else {
            it.waiting.push(number);
            return;
        };
        let place = match &entry.text {
            Some((Some(key), _)) => partition::of(key, lines.len()),
            _ => {
                it.turn = it.turn.wrapping_add(1);
                it.turn % lines.len()
            }
        };
        lines[place].queue.push_back(number);
    }

    /// Lets go what can go.
    pub(super) fn flush(&mut self, clock: SystemClock, demand: &mut Demand, now: Moment) {
        for topic in 0..self.topics.len() {
            let it = &self.topics[topic];
            match &it.state {
                State::Closed(until) if now >= *until && !it.waiting.is_empty() => {
                    self.open_topic(topic);
                }
                State::Closed(_) | State::Opening => {}
                State::Open(lines) => {
                    for place in 0..lines.len() {
                        while let Some(records) = self.batch(topic, place, now) {
                            self.spawn(topic, place, records, clock, demand, now);
                        }
                    }
                }
            }
        }
    }

    /// The records of the next request to a partition, when it may have one.
    fn batch(&mut self, topic: usize, place: usize, now: Moment) -> Option<Vec<u64>> {
        let State::Open(lines) = &mut self.topics[topic].state else { return None };
        let line = &mut lines[place];
        if line.under_way >= REQUESTS_MAX || now < line.after {
            return None;
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(number) = line.queue.front() {
            // Some may have been given up meanwhile.
            if let Some(Entry { text: Some((key, value)), .. }) = self.entries.get(number) {
                bytes += key.as_ref().map_or(0, Vec::len) + value.len();
                let is_full = bytes > BATCH_BYTES_MAX || batch.len() >= BATCH_RECORDS_MAX;
                if is_full && !batch.is_empty() {
                    break;
                }
                batch.push(*number);
            }
            line.queue.pop_front();
        }
        line.under_way += usize::from(!batch.is_empty());
        (!batch.is_empty()).then_some(batch)
    }

    fn spawn(
        &mut self,
        topic: usize,
        place: usize,
        records: Vec<u64>,
        clock: SystemClock,
        demand: &mut Demand,
        now: Moment,
    ) {
        let State::Open(lines) = &self.topics[topic].state else { return };
        let client = Arc::clone(&lines[place].client);
        let Basis { load, process, .. } = *self.basis;
        let wall = clock.wall();
        let timestamp = DateTime::from_timestamp_millis(wall.as_millisecond()).unwrap_or_default();
        let (mut batch, mut last) = (Vec::with_capacity(records.len()), now);
        for number in &records {
            let Some(entry) = self.entries.get_mut(number) else { continue };
            let due = entry.request.due;
            let due_wall = wall.as_microsecond() - (now - due).as_micros() as i64;
            entry.sent = now;
            let stamp = Stamp { load, process, due, sent: now, due_wall };
            let Some((key, value)) = entry.text.take() else { continue };
            let headers = BTreeMap::from([(HEADER.to_owned(), stamp.write())]);
            let record = Record { key, value: Some(value), headers, timestamp };
            demand.recorder.frame.bytes_sent += record.approximate_size() as u64;
            batch.push(record);
            last = last.max(due + self.basis.timeout);
        }
        let events = self.events.clone();
        tokio::spawn(async move {
            let request = client.produce(batch, Compression::NoCompression);
            let result = match tokio::time::timeout(last - now, request).await {
                Ok(result) => result.map_err(|it| Fault::from(&it)),
                Err(_) => Err(Fault::Lost(Answer::Timeout)),
            };
            let produced = Produced { topic, place, records, at: clock.now(), result };
            events.send(Event::Produced(produced)).await.unwrap_or_default();
        });
    }

    /// A request has come to an end.
    pub(super) fn produced(&mut self, produced: Produced, demand: &mut Demand) {
        let Produced { topic, place, records, at, result } = produced;
        let it = &mut self.topics[topic];
        if let State::Open(lines) = &mut it.state {
            lines[place].under_way -= 1;
            if let Err(Fault::Lost(Answer::Connect)) = result {
                lines[place].after = at + PAUSE;
            }
        }
        match result {
            Err(fault) => records.into_iter().for_each(|it| self.outcome(it, fault, demand, at)),
            Ok(offsets) => {
                for (number, offset) in records.into_iter().zip(offsets) {
                    if let Some(entry) = self.entries.get(&number) {
                        let name = &self.topics[topic].name;
                        self.shelves.acknowledged(
                            name,
                            place,
                            offset,
                            entry.request.due,
                            entry.sent,
                        );
                        self.outcome(number, Fault::Code(0), demand, at);
                    }
                }
            }
        }
    }

    /// Gives up what has been under way for too long.
    pub(super) fn expire(&mut self, demand: &mut Demand, now: Moment) {
        if self.next_deadline.is_none_or(|it| now < it) {
            return;
        }
        let timeout = self.basis.timeout;
        let late = self.entries.iter().filter(|(_, it)| now >= it.request.due + timeout);
        let late: Vec<_> = late.map(|(number, _)| *number).collect();
        for number in late {
            self.outcome(number, Fault::Lost(Answer::Timeout), demand, now);
        }
        let next = self.entries.values().map(|it| it.request.due + timeout).min();
        self.next_deadline = next.map(|it| it.max(now + LOOK_EVERY));
    }

    fn outcome(&mut self, number: u64, fault: Fault, demand: &mut Demand, now: Moment) {
        let Some(entry) = self.entries.remove(&number) else { return };
        let judge = &self.basis.routes[entry.request.route as usize].judge;
        let answer = match fault {
            Fault::Code(code) => judge.judge(Some(code), &Headers::default(), b""),
            Fault::Lost(answer) => answer,
        };
        let service = entry.text.is_none().then_some(now - entry.sent);
        demand.outcome(&entry.request, answer, service, now);
    }

    /// When there is something to do though no broker says so.
    pub(super) fn next_event(&self) -> Option<Moment> {
        let pauses = self.topics.iter().filter_map(|it| match &it.state {
            State::Closed(until) => (!it.waiting.is_empty()).then_some(*until),
            State::Opening => None,
            State::Open(lines) => {
                let paused =
                    lines.iter().filter(|it| !it.queue.is_empty() && it.under_way < REQUESTS_MAX);
                paused.map(|it| it.after).min()
            }
        });
        pauses.chain(self.next_deadline).min()
    }
}
