//! Floats: chunks of them. The moments of all samples, the places of stale markers, the values of the others.
//!
//! A stale marker is a NaN and would spoil a chunk of whole numbers, so it is told apart.

use std::cell::RefCell;
use std::ops::Range;

use evenkeel_series::{Digest, Point, STALE, Span, Summed, is_stale};

use super::entry::{Entry, Kind};
use super::{Chunk, SAMPLES};
use crate::codec::wire::{Reader, put_varint};
use crate::codec::{column, pack};

/// Room to work in, kept by each thread: a query reads many chunks.
#[derive(Default)]
struct Room {
    moments: Vec<i64>,
    numbers: Vec<i64>,
    values: Vec<f64>,
    stale: Vec<usize>,
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

/// Seals points that are in order of time, as many chunks as they need.
pub(crate) fn seal_all(points: &[Point]) -> impl Iterator<Item = Chunk> {
    points.chunks(SAMPLES).filter_map(seal)
}

/// Seals some points that are in order of time; none when there are none.
pub(crate) fn seal(points: &[Point]) -> Option<Chunk> {
    let (first, last) = (points.first()?, points.last()?);
    let mut bytes = Vec::with_capacity(points.len() * 2);
    let mut stale = 0;
    ROOM.with_borrow_mut(|Room { moments, values, .. }| {
        moments.clear();
        values.clear();
        moments.extend(points.iter().map(|point| point.at.wrapping_sub(first.at)));
        values.extend(points.iter().map(|it| it.value).filter(|value| !is_stale(*value)));
        stale = points.len() - values.len();
        put_varint(&mut bytes, stale as u64);
        let mut next = 0;
        for (at, _) in points.iter().enumerate().filter(|(_, point)| is_stale(point.value)) {
            put_varint(&mut bytes, (at - next) as u64);
            next = at;
        }
        pack::encode(moments, &mut bytes);
        column::encode(values, &mut bytes);
    });
    let edges = [first, last].iter().any(|point| is_stale(point.value));
    let entry = Entry {
        kind: Kind::Floats,
        from: first.at,
        to: last.at,
        samples: points.len() as u32,
        length: bytes.len() as u32,
        check: crc32fast::hash(&bytes),
        digest: if edges { None } else { Digest::of_all(points.iter().copied()) },
    };
    Some(Chunk { entry, bytes: bytes.into() })
}

/// Appends the points of a span; none when the bytes are not those of a chunk.
pub(crate) fn decode(entry: &Entry, bytes: &[u8], span: Span, into: &mut Vec<Point>) -> Option<()> {
    ROOM.with_borrow_mut(|room| {
        let range = room.unpack(entry, bytes, span)?;
        if room.stale.is_empty() {
            into.extend(room.points(entry, range)?);
            return Some(());
        }
        let (mut stale, mut values) = (room.stale.iter().peekable(), room.values.iter());
        for (place, at) in room.moments.iter().enumerate().take(range.end) {
            let value = if stale.next_if_eq(&&place).is_some() { &STALE } else { values.next()? };
            if range.start <= place {
                into.push(Point { at: entry.from.wrapping_add(*at), value: *value });
            }
        }
        Some(())
    })
}

/// What the points of a span add up to, without handing them out: not of a chunk that holds stale markers.
pub(crate) fn sum(entry: &Entry, bytes: &[u8], span: Span) -> Summed {
    ROOM.with_borrow_mut(|room| {
        let range = room.unpack(entry, bytes, span).filter(|_| room.stale.is_empty());
        match range.and_then(|range| room.points(entry, range)) {
            None => Summed::Unknown,
            Some(points) => Digest::of_all(points).map_or(Summed::Empty, Summed::To),
        }
    })
}

impl Room {
    /// Unpacks a chunk up to the end of a span; says which samples are in it.
    fn unpack(&mut self, entry: &Entry, bytes: &[u8], span: Span) -> Option<Range<usize>> {
        let Self { moments, numbers, values, stale } = self;
        moments.clear();
        values.clear();
        stale.clear();
        let mut reader = Reader::new(bytes);
        let count = entry.samples as usize;
        let mut next = 0_usize;
        for _ in 0..reader.count()? {
            next = next.checked_add(usize::try_from(reader.varint()?).ok()?)?;
            stale.push(next);
        }
        pack::decode(&mut reader, count, count, moments)?;
        // Moments grow, so those of the span lie together.
        let after = |edge: i64| move |moment: &i64| entry.from.wrapping_add(*moment) <= edge;
        let begin = moments.partition_point(after(span.after));
        let end = moments.partition_point(after(span.until)).max(begin);
        // Whatever follows the span need not be unpacked.
        let count = count.checked_sub(stale.len())?;
        column::decode(&mut reader, count, end.min(count), numbers, values)?;
        Some(begin..end)
    }

    /// Samples of a chunk that is unpacked and holds no stale markers.
    fn points(&self, entry: &Entry, range: Range<usize>) -> Option<impl Iterator<Item = Point>> {
        let (moments, values) = (self.moments.get(range.clone())?, self.values.get(range)?);
        let from = entry.from;
        let point =
            move |(at, value): (&i64, &f64)| Point { at: from.wrapping_add(*at), value: *value };
        Some(moments.iter().zip(values).map(point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_series::Samples;
    use proptest::prelude::*;

    fn read(chunk: &Chunk, span: Span) -> Vec<(i64, u64)> {
        let mut samples = Samples::default();
        chunk.piece().read(span, &mut samples).unwrap();
        samples.points.iter().map(|it| (it.at, it.value.to_bits())).collect()
    }

    proptest! {
        #[test]
        fn a_chunk_gives_back_what_was_sealed(
            steps in prop::collection::vec((1i64..100, -5i32..20), 1..SAMPLES),
            after in -10i64..5_000, until in -10i64..5_000,
        ) {
            let (mut at, mut points) = (-100, Vec::new());
            for (step, value) in steps {
                at += step;
                points.push(Point { at, value: if value < -3 { STALE } else { value.into() } });
            }
            let chunk = seal(&points).unwrap();
            let span = Span { after, until };
            let expected: Vec<_> = points
                .iter()
                .filter(|point| span.holds(point.at))
                .map(|it| (it.at, it.value.to_bits()))
                .collect();
            prop_assert_eq!(read(&chunk, span), expected);
            prop_assert_eq!(read(&chunk, Span::ALL).len(), points.len());
            let within = points.iter().copied().filter(|point| span.holds(point.at));
            let within = Digest::of_all(within).map_or(Summed::Empty, Summed::To);
            let summed = sum(&chunk.entry, &chunk.bytes, span);
            prop_assert!(summed == within || summed == Summed::Unknown);
            if let Some(digest) = chunk.entry.digest {
                prop_assert_eq!(Some(digest), Digest::of_all(points));
            }
        }
    }

    #[test]
    fn a_chunk_with_another_byte_is_refused() {
        let points: Vec<Point> = (0..50).map(|at| Point { at, value: at as f64 }).collect();
        let mut chunk = seal(&points).unwrap();
        for at in 0..chunk.bytes.len() {
            chunk.bytes[at] ^= 0x10;
            assert!(chunk.piece().read(Span::ALL, &mut Samples::default()).is_err());
            chunk.bytes[at] ^= 0x10;
        }
        assert!(chunk.piece().read(Span::ALL, &mut Samples::default()).is_ok());
    }
}
