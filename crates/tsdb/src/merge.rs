//! Merge: several segments become one, and one that is damaged is written again without what is.
//!
//! Chunks are copied as they are. Only neighbours that share a stretch of time, because samples came late, or that are
//! small, because a series came and went, are read and sealed anew.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use evenkeel_series::{Samples, Span};

use crate::chunk::{Chunk, Kind, Piece, SAMPLES, floats, histogram};
use crate::directory;
use crate::error::WriteError;
use crate::options::milliseconds;
use crate::segment::{Flushes, Row, Segment, SegmentWriter};
use crate::store::Store;
use crate::tend::{Tended, remove_all};

/// A merged segment spans at most this part of the retention, so that old samples go in portions.
const PORTIONS: i64 = 8;

/// After so many bytes a merge lets go of what it has read, so that it takes no more memory than that.
const RELEASE_EVERY: u64 = 16 << 20;

impl Store {
    pub(crate) fn mend_and_merge(&self, now: i64, tended: &mut Tended) -> Result<(), WriteError> {
        let segments = self.lock().segments.clone();
        let suspects = segments.iter().filter(|it| it.suspect.load(Ordering::Relaxed));
        for suspect in suspects {
            let aside = directory::aside(&suspect.path);
            match std::fs::hard_link(&suspect.path, &aside) {
                Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(WriteError::at(&suspect.path)(cause));
                }
                _ => {}
            }
            let lost = self.merge(std::slice::from_ref(suspect), i64::MIN)?;
            tended.mended.push((aside, lost));
        }
        let segments = self.lock().segments.clone();
        if let Some(run) = self.due(&segments) {
            self.merge(run, self.horizon(now))?;
            tended.merged = run.len();
        }
        Ok(())
    }

    /// Looks at every chunk of every segment. One that is damaged makes the next [`tend`](Self::tend) write its
    /// segment again without it. Says how many segments have one.
    pub fn verify(&self) -> usize {
        let segments = self.lock().segments.clone();
        let damaged = segments.iter().filter(|segment| !segment.is_whole());
        damaged.map(|segment| segment.suspect.store(true, Ordering::Relaxed)).count()
    }

    /// Neighbours of about one size that should be one, the smallest first.
    fn due<'a>(&self, segments: &'a [Arc<Segment>]) -> Option<&'a [Arc<Segment>]> {
        let most = self.options.merge_at.max(2);
        let longest = self.options.retention.map_or(i64::MAX, milliseconds) / PORTIONS;
        let tier = |segment: &Arc<Segment>| {
            let units = segment.length() / (64 << 10) + 1;
            units.ilog(most as u64)
        };
        let highest = segments.iter().map(tier).max()?;
        let fits = |run: &&[Arc<Segment>]| {
            let bytes: u64 = run.iter().map(|it| it.length()).sum();
            let from = run.iter().map(|it| it.from()).min().unwrap_or(0);
            let to = run.iter().map(|it| it.to()).max().unwrap_or(0);
            bytes <= self.options.segment_bytes_max && to.saturating_sub(from) <= longest
        };
        (0..=highest).find_map(|wanted| {
            let small = |run: &&[Arc<Segment>]| run.iter().all(|it| tier(it) <= wanted);
            segments.windows(most).filter(small).find(fits)
        })
    }

    /// Makes one segment of neighbours, without what is older than the horizon. Says how many chunks were damaged.
    fn merge(&self, run: &[Arc<Segment>], horizon: i64) -> Result<u64, WriteError> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(0) };
        let flushes = Flushes { first: first.flushes.first, last: last.flushes.last };
        let mut lost = 0;
        let merged = self.write_as(flushes, |writer| fill(writer, run, horizon, &mut lost))?;
        let replaced = merged.is_some().then_some(flushes);
        {
            let mut state = self.lock();
            let others = state.segments.iter().filter(|it| !flushes.hold(it.flushes)).cloned();
            let mut segments: Vec<Arc<Segment>> = others.chain(merged.map(Arc::new)).collect();
            segments.sort_by_key(|segment| segment.flushes);
            state.segments = segments.into();
            state.counts.merges += 1;
            state.counts.lost_chunks += lost;
        }
        self.list_segments()?;
        let sources = run.iter().filter(|it| Some(it.flushes) != replaced);
        remove_all(sources.map(|segment| &*segment.path))?;
        Ok(lost)
    }
}

fn fill(
    writer: &mut SegmentWriter,
    run: &[Arc<Segment>],
    horizon: i64,
    lost: &mut u64,
) -> io::Result<()> {
    // Of each segment its next row, if there is one; rows are by id.
    let mut next: Vec<(u32, Option<Row>)> = run.iter().map(|it| (0, it.row(0))).collect();
    let mut released = 0;
    while let Some(id) = next.iter().filter_map(|(_, row)| Some(row.as_ref()?.id)).min() {
        let mut pieces: Vec<Piece<'_>> = Vec::new();
        let mut name = None;
        for ((at, place), segment) in next.iter_mut().zip(run) {
            let Some(row) = place.take_if(|row| row.id == id) else { continue };
            pieces.extend(segment.pieces(&row).filter(|piece| piece.entry.to >= horizon));
            name = Some((segment, row));
            *at += 1;
            *place = segment.row(*at);
        }
        let Some((segment, row)) = name else { continue };
        pieces.sort_by_key(|piece| piece.entry.from);
        let suspicious = run.iter().any(|it| it.suspect.load(Ordering::Relaxed));
        if suspicious {
            let before = pieces.len();
            pieces.retain(|it| crc32fast::hash(it.bytes) == it.entry.check);
            *lost += (before - pieces.len()) as u64;
        }
        let renewed: Vec<Renewed<'_>> = runs(&pieces).map(|run| renew(run, lost)).collect();
        let mut pieces: Vec<Piece<'_>> = renewed.iter().flat_map(Renewed::pieces).collect();
        pieces.sort_by_key(|piece| piece.entry.from);
        writer.add(id, segment.pairs(&row), &pieces)?;
        if writer.data() - released > RELEASE_EVERY {
            released = writer.data();
            run.iter().try_for_each(|segment| segment.release())?;
        }
    }
    Ok(())
}

/// A chunk as it was, or what became of several.
enum Renewed<'a> {
    Same(Piece<'a>),
    New(Vec<Chunk>),
}

impl Renewed<'_> {
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let (same, new) = match self {
            Self::Same(piece) => (Some(*piece), &[][..]),
            Self::New(chunks) => (None, &chunks[..]),
        };
        same.into_iter().chain(new.iter().map(Chunk::piece))
    }
}

/// Neighbours that are to be read together.
fn runs<'p, 'a>(mut sorted: &'p [Piece<'a>]) -> impl Iterator<Item = &'p [Piece<'a>]> {
    let is_small =
        |it: &Piece<'_>| it.entry.kind == Kind::Floats && (it.entry.samples as usize) < SAMPLES / 2;
    std::iter::from_fn(move || {
        let first = sorted.first()?;
        let (mut end, mut small, mut count) = (first.entry.to, is_small(first), 1);
        while let Some(next) = sorted.get(count) {
            if next.entry.from > end && !(small && is_small(next)) {
                break;
            }
            end = end.max(next.entry.to);
            small = is_small(next);
            count += 1;
        }
        let (run, rest) = sorted.split_at(count);
        sorted = rest;
        Some(run)
    })
}

fn renew<'a>(run: &[Piece<'a>], lost: &mut u64) -> Renewed<'a> {
    if let [same] = run {
        return Renewed::Same(*same);
    }
    let mut samples = Samples::default();
    for piece in run {
        if piece.read(Span::ALL, &mut samples).is_err() {
            *lost += 1;
        }
    }
    let Samples { mut points, mut histograms } = samples;
    points.sort_by_key(|point| point.at);
    points.dedup_by_key(|point| point.at);
    histograms.sort_by_key(|(at, _)| *at);
    histograms.dedup_by_key(|(at, _)| *at);
    Renewed::New(floats::seal_all(&points).chain(histogram::seal_all(&histograms)).collect())
}
