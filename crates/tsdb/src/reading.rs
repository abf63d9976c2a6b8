//! Reading: what one series of a snapshot holds, brought together from segments and memory.
//!
//! Nearly always the parts of a series follow one another, and are read or added up as they lie. Where some share a
//! stretch of time, because samples came late, they are read, sorted and each moment is taken once.

use std::sync::atomic::Ordering;

use evenkeel_series::{Digest, Labels, Point, Samples, Series, SourceError, Span, Summed};

use crate::chunk::tail::Tail;
use crate::chunk::{Entry, Kind, Piece};
use crate::head::Live;
use crate::segment::Segment;
use crate::snapshot::View;

/// A series of a snapshot.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) labels: Labels,
    pub(crate) view: View<'a>,
}

/// Something that holds samples in order of time.
#[derive(Copy, Clone, Debug)]
enum Part<'a> {
    Chunk(Piece<'a>, Option<&'a Segment>),
    Tail(&'a Tail),
    Late(&'a Live),
}

/// A part, and the moments of its first and last sample.
#[derive(Copy, Clone, Debug)]
struct Stretch<'a> {
    from: i64,
    to: i64,
    part: Part<'a>,
}

impl<'a> Stretch<'a> {
    fn of(piece: Piece<'a>, segment: Option<&'a Segment>) -> Self {
        Self { from: piece.entry.from, to: piece.entry.to, part: Part::Chunk(piece, segment) }
    }

    fn is_of_histograms(&self) -> bool {
        match self.part {
            Part::Chunk(piece, _) => piece.entry.kind == Kind::Histograms,
            Part::Tail(tail) => matches!(tail, Tail::Histograms(_)),
            Part::Late(live) => !live.late.histograms.is_empty(),
        }
    }
}

/// Some neighbours share a stretch of time, or do not follow one another.
struct Tangled;

impl<'a> Reading<'a> {
    /// The parts that meet a span, in order of their first moments.
    fn stretches(&self, span: Span) -> Vec<Stretch<'a>> {
        let mut all: Vec<Stretch<'a>> = Vec::new();
        for (segment, row) in &self.view.rows {
            let Some(row) = segment.row(*row) else { continue };
            all.extend(segment.pieces(&row).map(|piece| Stretch::of(piece, Some(segment))));
        }
        if let Some(live) = self.view.live {
            all.extend(in_memory(live));
        }
        all.retain(|it| span.meets(it.from, it.to));
        all.sort_by_key(|it| it.from);
        all
    }

    fn read_one(
        &self,
        it: &Stretch<'_>,
        span: Span,
        into: &mut Samples,
    ) -> Result<(), SourceError> {
        match it.part {
            Part::Tail(tail) => tail.read(span, into),
            Part::Late(live) => live.read_late(span, into),
            Part::Chunk(piece, segment) => piece.read(span, into).map_err(|_| {
                let place = segment.map_or_else(
                    || "memory".to_owned(),
                    |segment| {
                        segment.suspect.store(true, Ordering::Relaxed);
                        segment.path.display().to_string()
                    },
                );
                SourceError(format!("a chunk of {} in {place} is damaged", self.labels))
            })?,
        }
        Ok(())
    }

    /// Appends the samples of parts that share a stretch of time, each moment once.
    fn read_tangled(
        &self,
        group: &[Stretch<'_>],
        span: Span,
        into: &mut Samples,
    ) -> Result<(), SourceError> {
        let mut samples = Samples::default();
        for it in group {
            self.read_one(it, span, &mut samples)?;
        }
        let Samples { mut points, mut histograms } = samples;
        points.sort_by_key(|point| point.at);
        points.dedup_by_key(|point| point.at);
        histograms.sort_by_key(|(at, _)| *at);
        histograms.dedup_by_key(|(at, _)| *at);
        into.points.append(&mut points);
        into.histograms.append(&mut histograms);
        Ok(())
    }

    /// Adds up what follows one another, without a look at what lies wholly in the span.
    fn walk(&self, span: Span, sum: &mut Sum) -> Result<Result<(), Tangled>, SourceError> {
        for (segment, row) in &self.view.rows {
            let Some(row) = segment.row(*row) else { continue };
            if !span.meets(row.from, row.to) {
                continue;
            }
            if row.tangled || !sum.follows(row.from, row.to) {
                return Ok(Err(Tangled));
            }
            if let Some(total) = row.total.filter(|_| span.covers(row.from, row.to)) {
                sum.add(&total);
                continue;
            }
            // Most entries lie wholly in the span, and nothing else of them is looked at.
            let mut at = row.data as usize;
            for entry in segment.entries(&row) {
                let (from, to) = Entry::ends(entry);
                let covered = if span.covers(from, to) { Entry::digest(entry) } else { None };
                if let Some(digest) = covered {
                    sum.add(&digest);
                } else if span.meets(from, to)
                    && let Some(piece) = segment.piece(entry, at)
                {
                    self.sum_one(&Stretch::of(piece, Some(segment)), span, sum)?;
                }
                at = at.saturating_add(Entry::length(entry) as usize);
            }
        }
        for it in self.view.live.into_iter().flat_map(in_memory) {
            if span.meets(it.from, it.to) {
                if !sum.follows(it.from, it.to) {
                    return Ok(Err(Tangled));
                }
                self.sum_one(&it, span, sum)?;
            }
        }
        Ok(Ok(()))
    }

    fn sum_one(&self, it: &Stretch<'_>, span: Span, sum: &mut Sum) -> Result<(), SourceError> {
        if !span.meets(it.from, it.to) {
            return Ok(());
        }
        if it.is_of_histograms() {
            sum.histograms = true;
            return Ok(());
        }
        if let Part::Chunk(piece, _) = it.part {
            if let Some(digest) = piece.entry.digest.filter(|_| span.covers(it.from, it.to)) {
                sum.add(&digest);
                return Ok(());
            }
            // A chunk that is damaged is found so when it is read.
            match piece.sum(span) {
                Summed::Unknown => {}
                Summed::Empty => return Ok(()),
                Summed::To(digest) => {
                    sum.add(&digest);
                    return Ok(());
                }
            }
        }
        let mut room = std::mem::take(&mut sum.room);
        room.clear();
        let read = self.read_one(it, span, &mut room);
        sum.add_all(&room.points);
        sum.room = room;
        read
    }

    /// Adds up after all parts are in order.
    fn walk_tangled(&self, span: Span, sum: &mut Sum) -> Result<(), SourceError> {
        for group in groups(&self.stretches(span)) {
            if let [one] = group {
                self.sum_one(one, span, sum)?;
                continue;
            }
            let mut samples = Samples::default();
            self.read_tangled(group, span, &mut samples)?;
            sum.histograms |= !samples.histograms.is_empty();
            sum.add_all(&samples.points);
        }
        Ok(())
    }
}

impl Series for Reading<'_> {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn read(&self, span: Span, into: &mut Samples) -> Result<(), SourceError> {
        for group in groups(&self.stretches(span)) {
            match group {
                [one] => self.read_one(one, span, into)?,
                _ => self.read_tangled(group, span, into)?,
            }
        }
        Ok(())
    }

    fn digest(&self, span: Span) -> Result<Summed, SourceError> {
        let mut sum = Sum::default();
        if self.walk(span, &mut sum)?.is_err() {
            sum = Sum::default();
            self.walk_tangled(span, &mut sum)?;
        }
        Ok(match sum.digest {
            _ if sum.histograms => Summed::Unknown,
            Some(digest) => Summed::To(digest),
            None => Summed::Empty,
        })
    }
}

/// What is added up.
#[derive(Debug, Default)]
struct Sum {
    digest: Option<Digest>,
    /// There are histograms, which nothing is said of.
    histograms: bool,
    /// The moment of the last sample so far.
    last: Option<i64>,
    room: Samples,
}

impl Sum {
    fn add(&mut self, next: &Digest) {
        match &mut self.digest {
            Some(digest) => digest.append(next),
            None => self.digest = Some(*next),
        }
    }

    fn add_all(&mut self, points: &[Point]) {
        if let Some(next) = Digest::of_all(points.iter().copied()) {
            self.add(&next);
        }
    }

    fn follows(&mut self, from: i64, to: i64) -> bool {
        let follows = self.last.is_none_or(|last| last < from);
        self.last = Some(to);
        follows
    }
}

/// What of a series is in memory.
fn in_memory(live: &Live) -> impl Iterator<Item = Stretch<'_>> {
    let sealed = live.sealed.iter().map(|chunk| Stretch::of(chunk.piece(), None));
    let stretch = |part| move |(from, to)| Stretch { from, to, part };
    let tail = live.tail.ends().map(stretch(Part::Tail(&live.tail)));
    sealed.chain(tail).chain(live.late_ends().map(stretch(Part::Late(live))))
}

/// Neighbours that share a stretch of time, together.
fn groups<'s, 'a>(mut sorted: &'s [Stretch<'a>]) -> impl Iterator<Item = &'s [Stretch<'a>]> {
    std::iter::from_fn(move || {
        let mut end = sorted.first()?.to;
        let mut count = 1;
        while let Some(next) = sorted.get(count).filter(|next| next.from <= end) {
            end = end.max(next.to);
            count += 1;
        }
        let (group, rest) = sorted.split_at(count);
        sorted = rest;
        Some(group)
    })
}
