//! Buckets: exact counts of times, put into the exponential buckets that Prometheus and OpenTelemetry share.
//!
//! With schema (scale) 8, each bucket ends at 2^(1/256) times its beginning, so that a time which is read
//! from a bucket is off by at most 0.27 %. The finest schema that both know is this one, and one fixed schema
//! lets the histograms of any two runs be added.
//!
//! Sources: Prometheus, <https://prometheus.io/docs/specs/native_histograms/>; OpenTelemetry,
//! <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>.

use evenkeel_model::Distribution;

/// How fine the buckets are: 2^8 of them between a time and its double.
pub(crate) const SCHEMA: i32 = 8;

/// Buckets between a time and its double.
const PER_DOUBLE: f64 = 256.0;

const MICROS: f64 = 1e6;

/// The index of the bucket of a time, which is the one that ends at 2^(index/256) seconds. As Prometheus
/// counts; OpenTelemetry calls the same bucket by the number before it.
pub(crate) fn index(micros: u64) -> i32 {
    let seconds = micros.max(1) as f64 / MICROS;
    let mut index = (seconds.log2() * PER_DOUBLE).ceil() as i32;
    // The logarithm may be off by its last digit, and the end of a bucket belongs to it.
    while seconds > end(index) {
        index += 1;
    }
    while seconds <= end(index - 1) {
        index -= 1;
    }
    index
}

/// Where a bucket ends, in seconds.
pub(crate) fn end(index: i32) -> f64 {
    (f64::from(index) / PER_DOUBLE).exp2()
}

/// Counts by bucket, ascending, without those that are empty.
pub(crate) fn buckets(times: &Distribution) -> Vec<(i32, u64)> {
    let mut buckets: Vec<(i32, u64)> = Vec::new();
    for &(micros, count) in times.micros.iter().filter(|(_, count)| *count > 0) {
        let index = index(micros);
        match buckets.last_mut() {
            Some((last, sum)) if *last == index => *sum += count,
            _ => buckets.push((index, count)),
        }
    }
    buckets
}

/// All times together, in seconds.
pub(crate) fn sum(times: &Distribution) -> f64 {
    times.micros.iter().map(|&(micros, count)| micros as f64 * count as f64).sum::<f64>() / MICROS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_of_a_bucket_belongs_to_it() {
        for (micros, at) in [(1_000_000, 0), (500_000, -256), (2_000_000, 256), (250_000, -512)] {
            assert_eq!((index(micros), index(micros + 1)), (at, at + 1), "{micros}");
        }
    }

    #[test]
    fn times_of_one_bucket_are_counted_together() {
        let times = Distribution { micros: vec![(0, 1), (1, 2), (1_000_001, 3), (1_000_002, 4)] };
        assert_eq!(buckets(&times), [(index(1), 3), (1, 7)]);
        assert!((sum(&times) - 7.000_013).abs() < 1e-9, "{}", sum(&times));
    }

    proptest! {
        #[test]
        fn a_time_lies_in_its_bucket_which_is_narrow(micros in 1..4_000_000_000u64) {
            let (seconds, at) = (micros as f64 / MICROS, index(micros));
            prop_assert!(end(at - 1) < seconds && seconds <= end(at));
            prop_assert!(end(at) / end(at - 1) < 1.002_72);
        }

        #[test]
        fn no_time_is_lost(mut micros in proptest::collection::btree_map(1..9_000_000_000u64, 0..9u64, 0..50)) {
            micros.retain(|_, count| *count > 0);
            let times = Distribution { micros: micros.into_iter().collect() };
            let found = buckets(&times);
            prop_assert_eq!(found.iter().map(|it| it.1).sum::<u64>(), times.count());
            prop_assert!(found.is_sorted_by(|a, b| a.0 < b.0));
        }
    }
}
