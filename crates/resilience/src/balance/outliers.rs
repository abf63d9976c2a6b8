//! Outliers: who does so much worse than the others, or so badly, that it is put aside.

use super::policy::{FailureShare, Outliers, SuccessRate};
use super::view::Reason;

/// Calls that ended, by how.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

impl Calls {
    /// Those since then.
    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            succeeded: self.succeeded.saturating_sub(before.succeeded),
            failed: self.failed.saturating_sub(before.failed),
        }
    }

    const fn total(self) -> u64 {
        self.succeeded.saturating_add(self.failed)
    }

    /// The share that succeeded, 0 to 1.
    fn rate(self) -> f64 {
        self.succeeded as f64 / self.total() as f64
    }
}

/// Which of the endpoints, by the calls of an interval, are put aside, the worst first, as there may be place for one only.
pub(super) fn judge(policy: &Outliers, ended: &[Calls]) -> Vec<(usize, Reason)> {
    let mut found = Vec::new();
    if let Some(it) = policy.success_rate {
        found.extend(by_success_rate(it, ended));
    }
    if let Some(it) = policy.failure_share {
        found.extend(by_failure_share(it, ended));
    }
    found.sort_by(|(one, _), (other, _)| ended[*one].rate().total_cmp(&ended[*other].rate()));
    found
}

/// Those of which enough is known, if they are enough.
fn known(ended: &[Calls], min_calls: u32, min_endpoints: u32) -> Vec<(usize, Calls)> {
    let enough = |it: &Calls| it.total() >= u64::from(min_calls.max(1));
    let known: Vec<_> = ended.iter().copied().enumerate().filter(|(_, it)| enough(it)).collect();
    if known.len() < min_endpoints as usize { Vec::new() } else { known }
}

fn by_success_rate(policy: SuccessRate, ended: &[Calls]) -> Vec<(usize, Reason)> {
    let known = known(ended, policy.min_calls, policy.min_endpoints);
    let count = known.len().max(1) as f64;
    let mean = known.iter().map(|(_, it)| it.rate()).sum::<f64>() / count;
    let variance = known.iter().map(|(_, it)| (it.rate() - mean).powi(2)).sum::<f64>() / count;
    let least = mean - policy.deviations * variance.sqrt();
    let is_chance = |it: Calls| it.failed as f64 <= by_chance(it.total() as f64, 1.0 - mean);
    let billionths = (mean * 1e9).round() as u32;
    known
        .into_iter()
        .filter(|(_, it)| it.rate() < least && !is_chance(*it))
        .map(|(index, Calls { succeeded, failed })| {
            (index, Reason::SuccessRate { succeeded, failed, mean_billionths: billionths })
        })
        .collect()
}

/// How many calls may fail by chance where each does with this probability: three standard deviations more than are expected, and three
/// where next to none is. Where all are well, one failure is many standard deviations, and says nothing.
fn by_chance(calls: f64, probability: f64) -> f64 {
    let expected = calls * probability;
    expected + 3.0 * (expected * (1.0 - probability)).max(0.0).sqrt() + 3.0
}

fn by_failure_share(policy: FailureShare, ended: &[Calls]) -> Vec<(usize, Reason)> {
    known(ended, policy.min_calls, policy.min_endpoints)
        .into_iter()
        .filter(|(_, it)| {
            u128::from(it.failed) * 1_000_000_000
                >= u128::from(it.total()) * u128::from(policy.share.billionths())
        })
        .map(|(index, Calls { succeeded, failed })| {
            (index, Reason::FailureShare { succeeded, failed })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use evenkeel_units::Ratio;

    use super::*;

    fn calls(of: &[(u64, u64)]) -> Vec<Calls> {
        of.iter()
            .map(|(succeeded, failed)| Calls { succeeded: *succeeded, failed: *failed })
            .collect()
    }

    fn judged(policy: &Outliers, of: &[(u64, u64)]) -> Vec<usize> {
        judge(policy, &calls(of)).into_iter().map(|(index, _)| index).collect()
    }

    #[test]
    fn the_one_that_is_much_worse_than_the_others_is_found() {
        let policy = Outliers::default();
        let well = (990, 10);
        assert_eq!(judged(&policy, &[well, well, (700, 300), well, well]), [2]);
        // All alike, however badly.
        assert_eq!(judged(&policy, &[(1, 99); 5]), [0usize; 0]);
    }

    #[test]
    fn what_chance_does_ejects_nobody() {
        let policy = Outliers::default();
        let well = (1_000, 0);
        assert_eq!(judged(&policy, &[(999, 1), well, well, well, well, well]), [0usize; 0]);
        assert_eq!(judged(&policy, &[(970, 30), well, well, well, well, well]), [0]);
        // A service that fails one call in twenty, wherever it is made: half an hour of intervals of ten endpoints.
        let chance = evenkeel_units::Seed(3).choices("calls");
        let mut call = 0;
        let mut ends = || {
            call += 1;
            chance.below(call, 20) == 0
        };
        let interval = |_| {
            let failed = [(); 10].map(|()| (0..200).filter(|_| ends()).count() as u64);
            judged(&policy, &failed.map(|it| (200 - it, it))).len()
        };
        let ejected: usize = (0..180).map(interval).sum();
        assert!(ejected <= 5, "{ejected} of 1,800");
    }

    #[test]
    fn too_few_calls_or_endpoints_say_nothing() {
        let policy = Outliers::default();
        let well = (990, 10);
        assert_eq!(judged(&policy, &[well, well, (0, 99), well, well, well]), [0usize; 0]);
        assert_eq!(judged(&policy, &[well, well, (0, 1_000), well]), [0usize; 0]);
    }

    #[test]
    fn a_share_of_failures_needs_no_others_that_are_better() {
        let share = FailureShare { min_endpoints: 1, ..FailureShare::default() };
        let policy =
            Outliers { success_rate: None, failure_share: Some(share), ..Outliers::default() };
        assert_eq!(judged(&policy, &[(15, 85), (16, 84), (0, 100), (0, 49)]), [2, 0]);
        let all =
            Outliers { failure_share: Some(FailureShare { share: Ratio::ONE, ..share }), ..policy };
        assert_eq!(judged(&all, &[(1, 99), (0, 100)]), [1]);
    }
}
