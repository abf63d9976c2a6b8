//! Backlog: what a database has not got yet.
//!
//! ```text
//!   appended ─▶ waits in memory ──────────────▶ on its way ─▶ taken
//!                 │ full: the oldest                ▲
//!                 ▼                                 │
//!               parts: spans of time ──▶ read from the store
//! ```
//!
//! All samples are in the store, so those for which there is no room need not be kept twice: it is noted of which spans of time they
//! are, and they are read again when it is their turn. The same is how a backlog survives a restart: what is known is
//! where in the log begins what waits, since the log tells all of it again, and the spans of the rest.

use std::collections::{BTreeMap, VecDeque};

use evenkeel_tsdb::{Position, Sample};

/// So many samples wait in memory: some sixteen megabytes.
pub(super) const WAITING_MAX: usize = 500_000;
/// Samples that have to be read from the store are noted by spans of at most so many milliseconds.
const SLICE: i64 = 600_000;

/// A span of time in which samples of the store are to be sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The moment of the earliest, in milliseconds since 1970, …
    pub(super) first: i64,
    /// … and that of the latest.
    pub(super) last: i64,
    /// How many there are; 0 when nobody has counted them.
    pub(super) samples: u64,
}

impl Part {
    const fn of(at: i64) -> Self {
        Self { first: at, last: at, samples: 1 }
    }

    fn join(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.samples += other.samples;
    }
}

/// Parts, by the slice of time that they begin in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parts(BTreeMap<i64, Part>);

impl Parts {
    fn add(&mut self, part: Part) {
        let slice = part.first.div_euclid(SLICE);
        self.0.entry(slice).and_modify(|it| it.join(part)).or_insert(part);
    }

    fn samples(&self) -> u64 {
        self.0.values().map(|it| it.samples).sum()
    }
}

/// Samples that came together, as far as they wait.
#[derive(Copy, Clone, Debug)]
struct Stretch {
    /// How many samples had come up to its last.
    came: u64,
    /// Where in the log it ends.
    end: Position,
    /// The earliest moment in it.
    earliest: i64,
}

/// What a database has not got yet.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: VecDeque<Sample>,
    stretches: VecDeque<Stretch>,
    /// Samples that ever came, …
    came: u64,
    /// … and those of them that wait no longer.
    gone: u64,
    /// Everything up to here came, and waits no longer.
    begin: Position,
    parts: Parts,
    /// What is being sent.
    on_its_way: Parts,
}

/// A backlog as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Everything that lies behind it in the log is still to be sent, …
    pub(super) position: Position,
    /// … or, where the log is gone, everything from this moment on.
    pub(super) since: i64,
    /// What else is to be sent.
    pub(super) parts: Vec<Part>,
}

/// What is sent next.
#[derive(Debug)]
pub(super) enum Work {
    /// Samples that waited in memory.
    Samples(Vec<Sample>),
    /// Samples of the store.
    Part(Part),
}

impl Backlog {
    /// One that begins at a place of the log.
    pub(super) fn at(begin: Position, parts: impl IntoIterator<Item = Part>) -> Self {
        let mut it = Self { begin, ..Self::default() };
        parts.into_iter().for_each(|part| it.parts.add(part));
        it
    }

    /// Where in the log it begins.
    pub(super) const fn begin(&self) -> Position {
        self.begin
    }

    /// Has samples wait, which end at a place of the log. When there is no room, the oldest are to be read from the store.
    pub(super) fn put<'a>(&mut self, samples: impl Iterator<Item = &'a Sample>, end: Position) {
        let (before, mut earliest) = (self.came, i64::MAX);
        for sample in samples {
            if self.waiting.len() >= WAITING_MAX
                && let Some(oldest) = self.waiting.pop_front()
            {
                self.parts.add(Part::of(oldest.at));
                self.gone += 1;
            }
            earliest = earliest.min(sample.at);
            self.waiting.push_back(sample.clone());
            self.came += 1;
        }
        if self.came > before {
            self.stretches.push_back(Stretch { came: self.came, end, earliest });
        }
        self.settle();
    }

    /// A sample is to be read from the store, because its series is no longer in memory.
    pub(super) fn put_by(&mut self, at: i64) {
        self.parts.add(Part::of(at));
    }

    /// Whether as much waits in memory as fits into a request, or something is to be read from the store.
    pub(super) fn is_ready(&self, most: usize) -> bool {
        self.waiting.len() >= most || !self.parts.0.is_empty()
    }

    /// Whether nothing is left to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.parts.0.is_empty()
    }

    /// What is sent next: what is to be read from the store, since it came before what waits, then `most` of that.
    pub(super) fn take(&mut self, most: usize) -> Option<Work> {
        if let Some((_, part)) = self.parts.0.pop_first() {
            self.on_its_way.add(part);
            return Some(Work::Part(part));
        }
        let many = self.waiting.len().min(most);
        if many == 0 {
            return None;
        }
        let samples: Vec<_> = self.waiting.drain(..many).collect();
        samples.iter().for_each(|it| self.on_its_way.add(Part::of(it.at)));
        self.gone += many as u64;
        self.settle();
        Some(Work::Samples(samples))
    }

    /// What was on its way has arrived, or is lost.
    pub(super) fn arrived(&mut self) {
        self.on_its_way = Parts::default();
    }

    /// What was on its way has not arrived: it is read from the store when it is its turn again.
    pub(super) fn returned(&mut self) {
        let parts = std::mem::take(&mut self.on_its_way);
        parts.0.into_values().for_each(|it| self.parts.add(it));
    }

    /// Has nothing wait in memory, so that nothing depends on the log.
    pub(super) fn put_all_by(&mut self) {
        self.returned();
        for sample in self.waiting.drain(..) {
            self.parts.add(Part::of(sample.at));
            self.gone += 1;
        }
        self.settle();
    }

    /// How many samples are left to be sent.
    pub(super) fn samples(&self) -> u64 {
        self.waiting.len() as u64 + self.parts.samples() + self.on_its_way.samples()
    }

    /// As it is written down while the log ends at `end`, and nobody knows of anything later than `since` that is not in it.
    pub(super) fn left(&self, end: Position, since: i64) -> Left {
        let earliest = self.stretches.iter().map(|it| it.earliest).min();
        let mut parts = self.parts.clone();
        self.on_its_way.0.values().for_each(|it| parts.add(*it));
        Left {
            position: if self.waiting.is_empty() { end.max(self.begin) } else { self.begin },
            since: earliest.map_or(since, |it| it.min(since)),
            parts: parts.0.into_values().collect(),
        }
    }

    fn settle(&mut self) {
        while let Some(it) = self.stretches.pop_front_if(|it| it.came <= self.gone) {
            self.begin = it.end;
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_series::Labels;
    use evenkeel_tsdb::{Options, SeriesRef, Store, Value};

    use super::*;

    fn series() -> SeriesRef {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        store.intern(&Labels::of([("__name__", "up")])).unwrap()
    }

    fn put(to: &mut Backlog, series: SeriesRef, moments: impl IntoIterator<Item = i64>, end: u64) {
        let sample = |at| Sample { series, at, value: Value::Float(1.0) };
        let samples: Vec<_> = moments.into_iter().map(sample).collect();
        to.put(samples.iter(), place(end));
    }

    const fn place(bytes: u64) -> Position {
        Position { log: 1, bytes }
    }

    const fn part(first: i64, last: i64, samples: u64) -> Part {
        Part { first, last, samples }
    }

    #[test]
    fn for_what_there_is_no_room_the_store_is_read() {
        let up = series();
        let mut backlog = Backlog::at(place(0), []);
        put(&mut backlog, up, (0..).take(WAITING_MAX), 10);
        put(&mut backlog, up, [700_000, 5], 20);
        assert!(backlog.is_ready(usize::MAX));
        assert_eq!(backlog.samples(), WAITING_MAX as u64 + 2);
        assert_eq!(backlog.left(place(99), 0).position, place(0), "most of the first batch waits");
        let Some(Work::Part(first)) = backlog.take(9) else { panic!() };
        assert_eq!(first, part(0, 1, 2));
        backlog.arrived();
        let Some(Work::Samples(samples)) = backlog.take(usize::MAX) else { panic!() };
        assert_eq!((samples.len(), samples[0].at), (WAITING_MAX, 2));
        backlog.arrived();
        assert!(backlog.is_empty() && backlog.samples() == 0);
        assert_eq!(
            backlog.left(place(99), 7),
            Left { position: place(99), since: 7, parts: vec![] }
        );
    }

    #[test]
    fn what_is_left_is_the_log_behind_a_place_and_what_is_on_its_way() {
        let up = series();
        let mut backlog = Backlog::at(place(0), [part(-5, 10, 3)]);
        put(&mut backlog, up, [50, 40], 10);
        put(&mut backlog, up, [30, 60], 20);
        backlog.put_by(12);
        assert!(matches!(backlog.take(9), Some(Work::Part(it)) if it == part(-5, 10, 3)));
        backlog.arrived();
        assert!(matches!(backlog.take(9), Some(Work::Part(it)) if it == part(12, 12, 1)));
        backlog.arrived();
        let Some(Work::Samples(samples)) = backlog.take(3) else { panic!() };
        assert_eq!(samples.len(), 3);
        let left = Left { position: place(10), since: 30, parts: vec![part(30, 50, 3)] };
        assert_eq!(backlog.left(place(99), 77), left);
        backlog.put_all_by();
        let all = Left { position: place(99), since: 77, parts: vec![part(30, 60, 4)] };
        assert_eq!(backlog.left(place(99), 77), all);
    }
}
