//! Histogram: chunks of native histograms.
//!
//! All of a chunk have the same buckets, so what they have in common is said once, and every number that changes, the
//! count, the sum and each bucket, is a [column](crate::codec::column) of its own: a bucket grows by much the same
//! from one to the next, as a counter does.

use std::sync::Arc;

use evenkeel_series::histogram::{Reset, Run};
use evenkeel_series::{Histogram, Span};

use super::Chunk;
use super::entry::{Entry, Kind};
use crate::codec::wire::{Reader, put_signed, put_value, put_varint};
use crate::codec::{column, pack};

/// A layout with more runs or buckets than this is refused when it comes, so none is read.
pub(crate) const BUCKETS_MAX: usize = 1 << 16;

/// Whether two histograms have the same buckets, so that they fit one chunk.
pub(crate) fn alike(one: &Histogram, other: &Histogram) -> bool {
    one.schema == other.schema
        && one.zero_threshold.to_bits() == other.zero_threshold.to_bits()
        && one.positive_runs == other.positive_runs
        && one.negative_runs == other.negative_runs
        && one.positive.len() == other.positive.len()
        && one.negative.len() == other.negative.len()
        && one.bounds.len() == other.bounds.len()
        && one.bounds.iter().zip(&other.bounds).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// What a histogram takes in memory, about.
pub(crate) fn weight(histogram: &Histogram) -> usize {
    let runs = histogram.positive_runs.len() + histogram.negative_runs.len();
    let counts = histogram.positive.len() + histogram.negative.len() + histogram.bounds.len();
    size_of::<Histogram>() + 8 * (runs + counts)
}

/// Whether two histograms say the very same.
pub(crate) fn same(one: &Histogram, other: &Histogram) -> bool {
    let bits = |it: &Histogram| columns(it).map(f64::to_bits).collect::<Vec<_>>();
    alike(one, other) && one.reset == other.reset && bits(one) == bits(other)
}

fn columns(it: &Histogram) -> impl Iterator<Item = f64> {
    [it.count, it.zero_count, it.sum]
        .into_iter()
        .chain(it.positive.iter().copied())
        .chain(it.negative.iter().copied())
}

/// Seals histograms that are in order of time, all of one layout; none when there are none.
pub(crate) fn seal(samples: &[(i64, Arc<Histogram>)]) -> Option<Chunk> {
    let ((from, first), (to, _)) = (samples.first()?, samples.last()?);
    let mut bytes = Vec::new();
    put_layout(&mut bytes, first);
    let moments: Vec<i64> = samples.iter().map(|(at, _)| at.wrapping_sub(*from)).collect();
    pack::encode(&moments, &mut bytes);
    let resets: Vec<i64> = samples.iter().map(|(_, it)| reset_code(it.reset)).collect();
    pack::encode(&resets, &mut bytes);
    let rows: Vec<Vec<f64>> = samples.iter().map(|(_, it)| columns(it).collect()).collect();
    let mut values = Vec::with_capacity(rows.len());
    for at in 0..rows.first().map_or(0, Vec::len) {
        values.clear();
        values.extend(rows.iter().filter_map(|row| row.get(at)));
        column::encode(&values, &mut bytes);
    }
    let entry = Entry {
        kind: Kind::Histograms,
        from: *from,
        to: *to,
        samples: samples.len() as u32,
        length: bytes.len() as u32,
        check: crc32fast::hash(&bytes),
        digest: None,
    };
    Some(Chunk { entry, bytes: bytes.into() })
}

/// Seals histograms that are in order of time, as many chunks as their layouts and their size need.
pub(crate) fn seal_all(samples: &[(i64, Arc<Histogram>)]) -> Vec<Chunk> {
    samples
        .chunk_by(|(_, one), (_, other)| alike(one, other))
        .flat_map(|alike| alike.chunks(super::SAMPLES / 2))
        .filter_map(seal)
        .collect()
}

/// Appends the histograms of a span; none when the bytes are not those of a chunk.
pub(crate) fn decode(
    entry: &Entry,
    bytes: &[u8],
    span: Span,
    into: &mut Vec<(i64, Arc<Histogram>)>,
) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let layout = layout(&mut reader)?;
    let count = entry.samples as usize;
    let (mut moments, mut resets, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    pack::decode(&mut reader, count, count, &mut moments)?;
    pack::decode(&mut reader, count, count, &mut resets)?;
    let width = 3 + layout.positive.len() + layout.negative.len();
    let mut values = Vec::new();
    for _ in 0..width {
        column::decode(&mut reader, count, count, &mut numbers, &mut values)?;
    }
    for (row, (moment, reset)) in moments.iter().zip(resets).enumerate() {
        let at = entry.from.wrapping_add(*moment);
        if span.holds(at) {
            let mut column = values.iter().skip(row).step_by(count).copied();
            let mut it = layout.clone();
            (it.count, it.zero_count, it.sum) = (column.next()?, column.next()?, column.next()?);
            it.reset = reset_of(reset)?;
            for bucket in it.positive.iter_mut().chain(&mut it.negative) {
                *bucket = column.next()?;
            }
            into.push((at, Arc::new(it)));
        }
    }
    Some(())
}

/// Appends one histogram by itself, for the log.
pub(crate) fn put(into: &mut Vec<u8>, histogram: &Histogram) {
    put_layout(into, histogram);
    put_signed(into, reset_code(histogram.reset));
    let mut before = 0.0;
    for value in columns(histogram) {
        put_value(into, before, value);
        before = value;
    }
}

/// What [`put`] wrote.
pub(crate) fn get(reader: &mut Reader<'_>) -> Option<Histogram> {
    let mut it = layout(reader)?;
    it.reset = reset_of(reader.signed()?)?;
    let Histogram { count, zero_count, sum, positive, negative, .. } = &mut it;
    let mut before = 0.0;
    for place in [count, zero_count, sum].into_iter().chain(positive).chain(negative) {
        *place = reader.value(before)?;
        before = *place;
    }
    Some(it)
}

fn put_layout(into: &mut Vec<u8>, it: &Histogram) {
    put_signed(into, it.schema.into());
    into.extend_from_slice(&it.zero_threshold.to_le_bytes());
    for (runs, counts) in [(&it.positive_runs, &it.positive), (&it.negative_runs, &it.negative)] {
        put_varint(into, runs.len() as u64);
        for Run { offset, length } in runs {
            put_signed(into, (*offset).into());
            put_varint(into, (*length).into());
        }
        put_varint(into, counts.len() as u64);
    }
    put_varint(into, it.bounds.len() as u64);
    for bound in &it.bounds {
        into.extend_from_slice(&bound.to_le_bytes());
    }
}

/// A histogram with empty buckets.
fn layout(reader: &mut Reader<'_>) -> Option<Histogram> {
    let schema = i32::try_from(reader.signed()?).ok()?;
    let zero_threshold = reader.f64()?;
    let (positive_runs, positive) = side(reader)?;
    let (negative_runs, negative) = side(reader)?;
    let bounds = (0..reader.count()?).map(|_| reader.f64()).collect::<Option<_>>()?;
    Some(Histogram {
        schema,
        zero_threshold,
        positive_runs,
        positive,
        negative_runs,
        negative,
        bounds,
        ..Histogram::default()
    })
}

fn side(reader: &mut Reader<'_>) -> Option<(Vec<Run>, Vec<f64>)> {
    let mut runs = Vec::new();
    for _ in 0..reader.count()? {
        let offset = i32::try_from(reader.signed()?).ok()?;
        runs.push(Run { offset, length: u32::try_from(reader.varint()?).ok()? });
    }
    let counts = usize::try_from(reader.varint()?).ok().filter(|it| *it <= BUCKETS_MAX)?;
    Some((runs, vec![0.0; counts]))
}

const fn reset_code(reset: Reset) -> i64 {
    match reset {
        Reset::Unknown => 0,
        Reset::Yes => 1,
        Reset::No => 2,
        Reset::Gauge => 3,
    }
}

const fn reset_of(code: i64) -> Option<Reset> {
    match code {
        0 => Some(Reset::Unknown),
        1 => Some(Reset::Yes),
        2 => Some(Reset::No),
        3 => Some(Reset::Gauge),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_series::{STALE, Samples, is_stale};

    fn histogram(at: u32) -> Arc<Histogram> {
        let at = f64::from(at);
        Arc::new(Histogram {
            schema: 3,
            zero_threshold: 1e-128,
            zero_count: at,
            count: 10.0 * at,
            sum: 0.25 * at,
            positive_runs: vec![Run { offset: -2, length: 2 }, Run { offset: 3, length: 1 }],
            positive: vec![at, 2.0 * at, 3.0 * at],
            negative_runs: vec![Run { offset: 0, length: 1 }],
            negative: vec![3.0 * at],
            reset: Reset::No,
            ..Histogram::default()
        })
    }

    #[test]
    fn a_chunk_gives_back_what_was_sealed() {
        let samples: Vec<_> = (0..100).map(|at| (i64::from(at) * 15_000, histogram(at))).collect();
        let chunk = seal(&samples).unwrap();
        let mut read = Samples::default();
        chunk.piece().read(Span { after: 0, until: 30_000 }, &mut read).unwrap();
        assert_eq!(read.histograms, samples[1..3]);
        assert!(chunk.bytes.len() < 100 * 8, "{}", chunk.bytes.len());
    }

    #[test]
    fn another_layout_is_another_chunk() {
        let wider = Arc::new(Histogram { schema: 2, ..Histogram::clone(&histogram(3)) });
        let samples = [(1, histogram(1)), (2, histogram(2)), (3, wider.clone()), (4, wider)];
        let counts: Vec<u32> = seal_all(&samples).iter().map(|it| it.entry.samples).collect();
        assert_eq!(counts, [2, 2]);
    }

    #[test]
    fn the_log_keeps_custom_bounds_and_stale_markers() {
        let custom = Histogram {
            schema: evenkeel_series::histogram::CUSTOM,
            bounds: vec![0.1, 0.5, 1.0],
            positive_runs: vec![Run { offset: 0, length: 1 }],
            positive: vec![2.0],
            sum: STALE,
            ..Histogram::default()
        };
        let mut bytes = Vec::new();
        put(&mut bytes, &custom);
        let read = get(&mut Reader::new(&bytes)).unwrap();
        assert!(same(&read, &custom) && is_stale(read.sum));
        for cut in 0..bytes.len() {
            assert!(get(&mut Reader::new(&bytes[..cut])).is_none());
        }
    }
}
