//! Stretch: the judged load in pieces, so that a later run can be told apart from chance.

use std::collections::BTreeMap;

use evenkeel_model::outcome::Sample;
use evenkeel_model::{Distribution, Frame};

use crate::run::Run;
use crate::tally::Tally;

/// The most pieces.
const MOST: usize = 120;
/// Times are kept to within this share: enough for ratios, and little to store.
const GRAIN: f64 = 0.01;

/// The judged load of a run in pieces of equal length; what does not fill one at the end is left out.
pub(crate) fn samples(run: &Run) -> Vec<Sample> {
    let mut judged = run.judged().filter(|it| it.planned > 0 || it.sent > 0);
    let count = judged.clone().count();
    let long = count.div_ceil(MOST).max(1);
    (0..count / long).map(|_| sample(long, judged.by_ref().take(long))).collect()
}

fn sample(long: usize, of: impl Iterator<Item = Frame>) -> Sample {
    let tally = Tally::of(of);
    Sample {
        seconds: long as u64,
        good: tally.good(),
        bad: tally.total() - tally.good(),
        response_micros: coarse(&tally.good_times().to_distribution()),
    }
}

/// The same counts in fewer buckets.
pub(crate) fn coarse(of: &Distribution) -> Distribution {
    let mut counts = BTreeMap::new();
    for (micros, count) in &of.micros {
        *counts.entry(bucket(*micros)).or_default() += count;
    }
    Distribution { micros: counts.into_iter().collect() }
}

/// The middle of the bucket that a time falls into.
fn bucket(micros: u64) -> u64 {
    let step = (1.0 + GRAIN).ln();
    let number = ((micros.max(1) as f64).ln() / step).round();
    (number * step).exp().round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{fragile, plan, play, run_of};

    #[test]
    fn a_bucket_is_within_its_grain_and_its_own_bucket() {
        for micros in (1..200).chain([999, 12_345, 1_234_567, 3_600_000_000]) {
            let found = bucket(micros);
            let most = micros as f64 * GRAIN * 0.51 + 0.5;
            assert!(found.abs_diff(micros) as f64 <= most, "{micros} {found}");
            assert_eq!(bucket(found), found);
        }
    }

    #[test]
    fn every_request_of_the_run_is_in_its_samples() {
        let run = run_of(&play(plan(), &fragile, |_| None));
        let samples = samples(&run);
        let (good, bad): (u64, u64) =
            samples.iter().fold((0, 0), |(g, b), it| (g + it.good, b + it.bad));
        assert_eq!((samples.len(), good, bad), (40, 3_840, 160));
        assert_eq!(samples.iter().map(|it| it.response_micros.count()).sum::<u64>(), good);
    }
}
