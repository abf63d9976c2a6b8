//! Cells: the buckets of one sign, as pairs of index and count, which is what arithmetic wants.

use super::{CUSTOM, Run};
use crate::compensated::Compensated;

/// One bucket.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) index: i32,
    pub(super) count: Compensated,
}

/// In order of index, each index once.
pub(super) type Cells = Vec<Cell>;

/// The upper bound of a bucket. What lies outside of custom bounds is infinite.
pub(super) fn bound(schema: i32, bounds: &[f64], index: i32) -> f64 {
    if schema == CUSTOM {
        return match usize::try_from(index) {
            Ok(index) => bounds.get(index).copied().unwrap_or(f64::INFINITY),
            Err(_) => f64::NEG_INFINITY,
        };
    }
    let exponent = f64::from(index) * f64::from(-schema).exp2();
    // The greatest number there is would be left out by the last bucket otherwise, which is not the one of infinity.
    if exponent > 1023.0 && exponent <= 1024.0 && exponent.fract().abs() < f64::EPSILON {
        f64::MAX
    } else {
        exponent.exp2()
    }
}

/// The buckets that runs describe. A run without counts ends the list, as do counts without a run.
pub(super) fn cells<'a>(
    runs: &'a [Run],
    counts: &'a [f64],
) -> impl Iterator<Item = (i32, f64)> + 'a {
    let mut next = 0_i32;
    let indices = runs.iter().flat_map(move |run| {
        let first = next.saturating_add(run.offset);
        next = first.saturating_add_unsigned(run.length);
        first..next
    });
    indices.zip(counts.iter().copied())
}

/// Those of them that are not empty, as runs.
pub(super) fn runs(cells: &[Cell]) -> (Vec<Run>, Vec<f64>) {
    let (mut runs, mut counts): (Vec<Run>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next = 0;
    for Cell { index, count } in cells {
        let count = count.total();
        if count.abs() <= 0.0 {
            continue;
        }
        match runs.last_mut() {
            Some(run) if *index == next => run.length += 1,
            _ => runs.push(Run { offset: index.saturating_sub(next), length: 1 }),
        }
        next = index.saturating_add(1);
        counts.push(count);
    }
    (runs, counts)
}

/// Adds what is in other buckets, times a factor, each at the index that `place` says; which must not fall.
pub(super) fn add(
    cells: &mut Cells,
    others: impl Iterator<Item = (i32, f64)>,
    place: impl Fn(i32) -> i32,
    factor: f64,
) {
    let mut at = 0;
    for (index, count) in others {
        let index = place(index);
        while cells.get(at).is_some_and(|cell| cell.index < index) {
            at += 1;
        }
        match cells.get_mut(at) {
            Some(cell) if cell.index == index => cell.count.add(factor * count),
            _ => cells.insert(at, Cell { index, count: Compensated::of(factor * count) }),
        }
    }
}

/// Moves each bucket to the index that `place` says, which must not fall, and makes one of those that meet.
pub(super) fn merge(cells: &mut Cells, place: impl Fn(i32) -> i32) {
    for cell in cells.iter_mut() {
        cell.index = place(cell.index);
    }
    cells.dedup_by(|next, kept| {
        let same = next.index == kept.index;
        if same {
            kept.count.add(next.count.sum);
            kept.count.add(next.count.lost);
        }
        same
    });
}

/// Where a bucket goes when the schema is made coarser.
pub(super) const fn coarser(index: i32, from: i32, to: i32) -> i32 {
    if from <= to {
        return index;
    }
    let steps = from.saturating_sub(to);
    if steps >= 31 {
        return if index > 0 { 1 } else { 0 };
    }
    (index.saturating_sub(1) >> steps) + 1
}

/// Where a custom bucket goes when only some of the bounds remain.
pub(super) fn among(index: i32, bounds: &[f64], remaining: &[f64]) -> i32 {
    let bound = usize::try_from(index).ok().and_then(|index| bounds.get(index));
    let place = bound.map_or(remaining.len(), |bound| remaining.partition_point(|it| it < bound));
    i32::try_from(place).unwrap_or(i32::MAX)
}

/// The bounds that are in both.
pub(super) fn shared(one: &[f64], other: &[f64]) -> Vec<f64> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut both = Vec::new();
    while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
        if a < b {
            one.next();
        } else if b < a {
            other.next();
        } else {
            both.push(**a);
            one.next();
            other.next();
        }
    }
    both
}
