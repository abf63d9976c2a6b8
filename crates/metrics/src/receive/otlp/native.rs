//! Native: exponential buckets of OpenTelemetry as native histograms.
//!
//! Both have bounds that grow by `2^(2^-scale)`. Bucket `i` there goes from bound `i`, here from bound `i − 1`. Finer
//! buckets than those of schema 8 are added up until they are not; coarser ones than those of −4 there are none here.

use evenkeel_series::Histogram;
use evenkeel_series::histogram::Run;

use super::message::{Buckets, ExponentialPoint};

/// The finest schema.
const FINEST: i32 = 8;
/// The coarsest.
const COARSEST: i32 = -4;
/// Where zero ends when the sender does not say it, as Prometheus takes it.
const ZERO_THRESHOLD: f64 = 1e-128;

/// A histogram; `None` when its buckets are too wide, or far away.
pub(super) fn histogram(point: &ExponentialPoint) -> Option<Histogram> {
    let (schema, coarser) = match point.scale {
        scale if scale < COARSEST => return None,
        scale if scale > FINEST => (FINEST, scale.saturating_sub(FINEST).min(31)),
        scale => (scale, 0),
    };
    let (positive_runs, positive) = buckets(point.positive.as_ref(), coarser)?;
    let (negative_runs, negative) = buckets(point.negative.as_ref(), coarser)?;
    let zero_threshold =
        if point.zero_threshold > 0.0 { point.zero_threshold } else { ZERO_THRESHOLD };
    Some(Histogram {
        schema,
        zero_threshold,
        zero_count: point.zero_count as f64,
        count: point.count as f64,
        sum: point.sum.unwrap_or_default(),
        positive_runs,
        positive,
        negative_runs,
        negative,
        ..Histogram::default()
    })
}

/// Runs of buckets that are not empty, and what is in each.
fn buckets(buckets: Option<&Buckets>, coarser: i32) -> Option<(Vec<Run>, Vec<f64>)> {
    let (mut runs, mut counts): (Vec<Run>, Vec<f64>) = (Vec::new(), Vec::new());
    let Some(Buckets { offset, counts: given }) = buckets else { return Some((runs, counts)) };
    // The end of the last run, and the bucket that was last written.
    let (mut end, mut last) = (0_i64, None);
    for (at, count) in given.iter().enumerate().filter(|(_, count)| **count > 0) {
        let index = ((i64::from(*offset) + i64::try_from(at).ok()?) >> coarser) + 1;
        if last == Some(index) {
            *counts.last_mut()? += *count as f64;
            continue;
        }
        match runs.last_mut() {
            Some(run) if index == end => run.length += 1,
            _ => runs.push(Run { offset: i32::try_from(index - end).ok()?, length: 1 }),
        }
        counts.push(*count as f64);
        (end, last) = (index + 1, Some(index));
    }
    Some((runs, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(offset: i32, counts: &[u64], coarser: i32) -> (Vec<(i32, u32)>, Vec<f64>) {
        let given = Buckets { offset, counts: counts.to_vec() };
        let (runs, counts) = buckets(Some(&given), coarser).unwrap();
        (runs.iter().map(|it| (it.offset, it.length)).collect(), counts)
    }

    #[test]
    fn buckets_are_one_further_and_empty_ones_are_passed_over() {
        assert_eq!(of(-3, &[1, 2, 0, 0, 5], 0), (vec![(-2, 2), (2, 1)], vec![1.0, 2.0, 5.0]));
        assert_eq!(of(7, &[0, 0], 0), (vec![], vec![]));
    }

    #[test]
    fn buckets_that_are_too_fine_are_added_up() {
        // Buckets 2 and 3 there are bucket 1 of the next scale; −1 is −1.
        assert_eq!(of(2, &[1, 2, 4], 1), (vec![(2, 2)], vec![3.0, 4.0]));
        assert_eq!(of(-1, &[1, 2, 4], 1), (vec![(0, 2)], vec![1.0, 6.0]));
    }

    #[test]
    fn buckets_far_away_or_too_wide_are_refused() {
        let far = ExponentialPoint {
            positive: Some(Buckets { offset: i32::MAX, counts: vec![1] }),
            ..ExponentialPoint::default()
        };
        assert_eq!(histogram(&far), None);
        assert_eq!(histogram(&ExponentialPoint { scale: -5, ..ExponentialPoint::default() }), None);
        let fine = ExponentialPoint { scale: i32::MAX, ..ExponentialPoint::default() };
        assert_eq!(histogram(&fine).unwrap().schema, 8);
    }
}
