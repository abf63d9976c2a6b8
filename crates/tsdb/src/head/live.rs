//! Live: one series, its growing tail and what is not in a segment yet.

use std::sync::Arc;

use evenkeel_series::{Histogram, Labels, Point, Samples, Span};

use crate::chunk::tail::Tail;
use crate::chunk::{Chunk, SAMPLES, floats, histogram};

/// A series that lives.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    /// What it is called in segments: of no other series, ever.
    pub(crate) id: u64,
    pub(crate) labels: Labels,
    pub(crate) tail: Tail,
    /// Sealed, and in no segment yet.
    pub(crate) sealed: Vec<Arc<Chunk>>,
    /// What came after a later sample had come, by moment.
    pub(crate) late: Samples,
    /// The moment of the latest sample there ever was.
    pub(crate) last: Option<i64>,
    /// When something came last, by the store's clock.
    pub(crate) touched: Option<i64>,
    /// The number of the log's file in which something was written last, …
    pub(crate) logged: u64,
    /// … and the value that the next one is written as a difference from.
    pub(crate) base: f64,
}

/// What a series holds at a moment already.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    Float(f64),
    Histogram(Arc<Histogram>),
}

impl Taken {
    pub(crate) fn is(&self, value: f64) -> bool {
        matches!(self, Self::Float(it) if it.to_bits() == value.to_bits())
    }

    pub(crate) fn is_histogram(&self, other: &Histogram) -> bool {
        matches!(self, Self::Histogram(it) if histogram::same(it, other))
    }

    /// Of the samples of one moment.
    pub(crate) fn of(samples: &Samples) -> Option<Self> {
        let float = samples.points.first().map(|point| Self::Float(point.value));
        float.or_else(|| samples.histograms.first().map(|(_, it)| Self::Histogram(it.clone())))
    }
}

impl Live {
    pub(crate) const fn new(id: u64, labels: Labels) -> Self {
        Self {
            id,
            labels,
            tail: Tail::Empty,
            sealed: Vec::new(),
            late: Samples { points: Vec::new(), histograms: Vec::new() },
            last: None,
            touched: None,
            logged: 0,
            base: 0.0,
        }
    }

    /// Touches what the next sample changes.
    pub(crate) fn look(&self) -> usize {
        self.id as usize ^ self.logged as usize ^ self.tail.look()
    }

    /// Whether a moment lies after all others.
    pub(crate) fn is_next(&self, at: i64) -> bool {
        self.last.is_none_or(|last| at > last)
    }

    /// Takes a point of a moment that is not taken. Says by how many bytes what is sealed has grown.
    pub(crate) fn put(&mut self, point: Point) -> usize {
        if self.is_next(point.at) {
            self.last = Some(point.at);
            let sealed = self.tail.push(point);
            return self.keep(sealed);
        }
        let points = &mut self.late.points;
        points.insert(points.partition_point(|it| it.at < point.at), point);
        if points.len() < 2 * SAMPLES { 0 } else { self.seal_late() }
    }

    /// Takes a histogram of a moment that is not taken. Says by how many bytes what is sealed has grown.
    pub(crate) fn put_histogram(&mut self, at: i64, next: Arc<Histogram>) -> usize {
        if self.is_next(at) {
            self.last = Some(at);
            let sealed = self.tail.push_histogram(at, next);
            return self.keep(sealed);
        }
        let histograms = &mut self.late.histograms;
        histograms.insert(histograms.partition_point(|(it, _)| *it < at), (at, next));
        if histograms.len() < SAMPLES { 0 } else { self.seal_late() }
    }

    /// Seals the tail, though it could grow.
    pub(crate) fn seal_tail(&mut self) -> usize {
        let sealed = self.tail.seal();
        self.keep(sealed)
    }

    /// Seals what came late.
    pub(crate) fn seal_late(&mut self) -> usize {
        let late = std::mem::take(&mut self.late);
        let chunks = floats::seal_all(&late.points);
        chunks.chain(histogram::seal_all(&late.histograms)).map(|it| self.keep(Some(it))).sum()
    }

    fn keep(&mut self, sealed: Option<Chunk>) -> usize {
        let Some(chunk) = sealed else { return 0 };
        let bytes = chunk.bytes.len();
        self.sealed.push(Arc::new(chunk));
        bytes
    }

    /// What it holds at a moment, if that is in memory. A damaged chunk holds nothing.
    pub(crate) fn taken(&self, at: i64) -> Option<Taken> {
        let moment = Span { after: at.checked_sub(1)?, until: at };
        let mut samples = Samples::default();
        if self.tail.ends().is_some_and(|(from, to)| moment.meets(from, to)) {
            self.tail.read(moment, &mut samples);
        }
        self.read_late(moment, &mut samples);
        for chunk in &self.sealed {
            if samples.is_empty() && moment.meets(chunk.entry.from, chunk.entry.to) {
                chunk.piece().read(moment, &mut samples).ok()?;
            }
        }
        Taken::of(&samples)
    }

    /// Appends what came late in a span.
    pub(crate) fn read_late(&self, span: Span, into: &mut Samples) {
        let Samples { points, histograms } = &self.late;
        let begin = points.partition_point(|it| it.at <= span.after);
        let end = points.partition_point(|it| it.at <= span.until).max(begin);
        into.points.extend_from_slice(&points[begin..end]);
        into.histograms.extend(histograms.iter().filter(|(at, _)| span.holds(*at)).cloned());
    }

    /// The moments of the first and last sample that came late.
    pub(crate) fn late_ends(&self) -> Option<(i64, i64)> {
        let Samples { points, histograms } = &self.late;
        let moments = || {
            let points = [points.first(), points.last()].into_iter().flatten().map(|it| it.at);
            let others = [histograms.first(), histograms.last()].into_iter().flatten();
            points.chain(others.map(|(at, _)| *at))
        };
        Some((moments().min()?, moments().max()?))
    }

    /// Whether it may hold a sample of a span in memory.
    pub(crate) fn meets(&self, span: Span) -> bool {
        let ends = self.tail.ends().into_iter().chain(self.late_ends());
        let sealed = self.sealed.iter().map(|it| (it.entry.from, it.entry.to));
        ends.chain(sealed).any(|(from, to)| span.meets(from, to))
    }

    /// Whether nothing of it is in memory but its name.
    pub(crate) fn is_empty(&self) -> bool {
        self.tail.len() == 0 && self.sealed.is_empty() && self.late.is_empty()
    }

    /// How many samples are in memory.
    pub(crate) fn samples(&self) -> u64 {
        let sealed: u64 = self.sealed.iter().map(|it| u64::from(it.entry.samples)).sum();
        let late = self.late.points.len() + self.late.histograms.len();
        sealed + (self.tail.len() + late) as u64
    }
}
