//! Tail: the chunk that still grows.
//!
//! It lies in memory for as long as it takes a series to fill it, so it is packed too: a step of time as its difference
//! from the step before, a value as its difference from the value before. Two or three bytes a sample of a counter.

use std::cell::RefCell;
use std::sync::Arc;

use evenkeel_series::{Histogram, Point, Span};

use super::{Chunk, SAMPLES, floats, histogram};
use crate::codec::wire::{Reader, put_signed, put_value, put_varint};

thread_local! {
    /// Room to work in.
    static POINTS: RefCell<Vec<Point>> = const { RefCell::new(Vec::new()) };
}

/// Floats that follow one another.
#[derive(Clone, Debug)]
pub(crate) struct Floats {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: u32,
    from: i64,
    last: Point,
    step: i64,
}

impl Floats {
    const fn none() -> Self {
        let last = Point { at: 0, value: 0.0 };
        Self { bytes: Vec::new(), count: 0, from: 0, last, step: 0 }
    }

    /// Begins with a point; the room stays, for the next will take about as much.
    fn begin(&mut self, point: Point) {
        self.bytes.clear();
        put_value(&mut self.bytes, 0.0, point.value);
        (self.count, self.from, self.last, self.step) = (1, point.at, point, 0);
    }

    fn seal(&self) -> Option<Chunk> {
        POINTS.with_borrow_mut(|points| {
            points.clear();
            points.extend(self.points());
            floats::seal(points)
        })
    }

    fn push(&mut self, point: Point) {
        let step = point.at.wrapping_sub(self.last.at);
        put_signed(&mut self.bytes, step.wrapping_sub(self.step));
        put_value(&mut self.bytes, self.last.value, point.value);
        self.step = step;
        self.last = point;
        self.count += 1;
    }

    /// Appends all of it, for a checkpoint.
    pub(crate) fn put(&self, into: &mut Vec<u8>) {
        put_varint(into, self.count.into());
        put_signed(into, self.from);
        put_varint(into, self.bytes.len() as u64);
        into.extend_from_slice(&self.bytes);
    }

    /// What [`put`](Self::put) wrote.
    pub(crate) fn get(reader: &mut Reader<'_>) -> Option<Self> {
        let count = u32::try_from(reader.varint()?).ok().filter(|it| *it as usize <= SAMPLES)?;
        let from = reader.signed()?;
        let length = reader.count()?;
        let bytes = reader.take(length)?.to_vec();
        let mut last = Point { at: from, value: 0.0 };
        let tail = Self { bytes, count, from, last, step: 0 };
        let (mut step, mut seen) = (0, 0);
        for point in tail.points() {
            step = point.at.wrapping_sub(last.at);
            last = point;
            seen += 1;
        }
        (seen == count && count > 0).then_some(Self { last, step, ..tail })
    }

    /// All points, in order of time.
    pub(crate) fn points(&self) -> impl Iterator<Item = Point> {
        let mut reader = Reader::new(&self.bytes);
        let (mut before, mut step) = (Point { at: self.from, value: 0.0 }, 0_i64);
        (0..self.count).map_while(move |at| {
            if at > 0 {
                step = step.wrapping_add(reader.signed()?);
            }
            let value = reader.value(before.value)?;
            before = Point { at: before.at.wrapping_add(step), value };
            Some(before)
        })
    }
}

/// Native histograms that follow one another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histograms {
    pub(crate) samples: Vec<(i64, Arc<Histogram>)>,
    /// What they take in memory, about.
    bytes: usize,
}

/// Above so many bytes a tail of histograms is sealed.
const HISTOGRAM_BYTES: usize = 32 << 10;

/// After so many samples a tail of histograms is sealed.
const HISTOGRAM_SAMPLES: usize = 120;

/// What still grows, of one kind; when the other comes, the one is sealed.
#[derive(Clone, Debug, Default)]
pub(crate) enum Tail {
    #[default]
    Empty,
    Floats(Floats),
    Histograms(Histograms),
}

impl Tail {
    /// Takes the next point; gives back what was sealed by it.
    pub(crate) fn push(&mut self, point: Point) -> Option<Chunk> {
        match self {
            Self::Floats(floats) if (floats.count as usize) < SAMPLES => {
                floats.push(point);
                None
            }
            Self::Floats(floats) => {
                let sealed = floats.seal();
                floats.begin(point);
                sealed
            }
            _ => {
                let sealed = self.seal();
                let mut floats = Floats::none();
                floats.begin(point);
                *self = Self::Floats(floats);
                sealed
            }
        }
    }

    /// Takes the next histogram; gives back what was sealed by it.
    pub(crate) fn push_histogram(&mut self, at: i64, next: Arc<Histogram>) -> Option<Chunk> {
        let fits = matches!(self, Self::Histograms(tail) if tail.bytes < HISTOGRAM_BYTES
            && tail.samples.len() < HISTOGRAM_SAMPLES
            && tail.samples.last().is_some_and(|(_, last)| histogram::alike(last, &next)));
        let sealed = if fits { None } else { self.seal() };
        if let Self::Empty = self {
            *self = Self::Histograms(Histograms::default());
        }
        if let Self::Histograms(tail) = self {
            tail.bytes += histogram::weight(&next);
            tail.samples.push((at, next));
        }
        sealed
    }

    /// Seals what there is, and begins anew.
    pub(crate) fn seal(&mut self) -> Option<Chunk> {
        match std::mem::take(self) {
            Self::Empty => None,
            Self::Floats(tail) => tail.seal(),
            Self::Histograms(tail) => histogram::seal(&tail.samples),
        }
    }

    /// Touches where the next sample goes.
    pub(crate) fn look(&self) -> usize {
        match self {
            Self::Floats(tail) => tail.bytes.last().copied().unwrap_or(0).into(),
            Self::Empty | Self::Histograms(_) => 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Floats(tail) => tail.count as usize,
            Self::Histograms(tail) => tail.samples.len(),
        }
    }

    /// The moments of its first and last sample.
    pub(crate) fn ends(&self) -> Option<(i64, i64)> {
        match self {
            Self::Empty => None,
            Self::Floats(tail) => Some((tail.from, tail.last.at)),
            Self::Histograms(tail) => Some((tail.samples.first()?.0, tail.samples.last()?.0)),
        }
    }

    /// Appends the samples of a span.
    pub(crate) fn read(&self, span: Span, into: &mut evenkeel_series::Samples) {
        match self {
            Self::Empty => {}
            Self::Floats(tail) => into.points.extend(
                tail.points()
                    .skip_while(|point| point.at <= span.after)
                    .take_while(|point| point.at <= span.until),
            ),
            Self::Histograms(tail) => into
                .histograms
                .extend(tail.samples.iter().filter(|(at, _)| span.holds(*at)).cloned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_series::Samples;

    #[test]
    fn a_tail_is_read_as_it_grew_and_seals_itself_when_it_is_full() {
        let mut tail = Tail::default();
        let point = |at: i64| Point { at: at * 15_000 + at % 3, value: (at * at) as f64 };
        for at in 0..240 {
            assert!(tail.push(point(at)).is_none());
        }
        let mut samples = Samples::default();
        tail.read(Span { after: point(4).at, until: point(6).at }, &mut samples);
        assert_eq!(samples.points, [point(5), point(6)]);
        let sealed = tail.push(point(240)).unwrap();
        assert_eq!((sealed.entry.samples, sealed.entry.to), (240, point(239).at));
        assert_eq!(tail.len(), 1);
    }

    #[test]
    fn a_tail_of_the_other_kind_is_sealed() {
        let mut tail = Tail::default();
        assert!(tail.push(Point { at: 1, value: 1.0 }).is_none());
        let floats = tail.push_histogram(2, Arc::default()).unwrap();
        assert_eq!(floats.entry.samples, 1);
        let histograms = tail.push(Point { at: 3, value: 1.0 }).unwrap();
        assert_eq!((histograms.entry.from, histograms.entry.to), (2, 2));
    }
}
