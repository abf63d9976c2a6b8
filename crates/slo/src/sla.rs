//! Agreement: what a customer gets back when a promise was not kept.
//!
//! ```text
//!   availability   [99.0 %, 99.9 %)   10 %        a band holds its lower edge and not its upper
//!                  [95.0 %, 99.0 %)   25 %
//!                  [ 0.0 %, 95.0 %)  100 %
//! ```
//!
//! What was measured is compared exactly, before anything is rounded: 99.8999999 % is below 99.9 %, however it is shown.
//! What an agreement excludes was taken out of the counts before (see [`exclusion`](crate::exclusion)).

use evenkeel_units::Ratio;

use crate::{Counts, Share};

/// Bands that an agreement may have.
pub const BANDS_MAX: usize = 64;

/// What is credited below an edge, down to the edge of the next band.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// The upper edge, which is not in it.
    pub below: Ratio,
    /// What is credited, as a share of the fee.
    pub credit: Ratio,
}

/// Why bands are no agreement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgreementError {
    /// There is nothing to agree on.
    #[error("an agreement needs a band at least, such as 10% below 99.9%")]
    NoBand,
    /// There is a limit.
    #[error("{0} bands are more than {BANDS_MAX}")]
    TooMany(usize),
    /// Nobody could tell which of the two counts.
    #[error("two bands begin below {0}")]
    Twice(Ratio),
    /// A worse service would cost less.
    #[error("below {below} the credit is {credit}, and less than in the band above it")]
    Shrinks {
        /// The edge.
        below: Ratio,
        /// The credit below it.
        credit: Ratio,
    },
}

/// What was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// From the lowest edge up.
    bands: Vec<Band>,
    cap: Ratio,
}

/// What an agreement comes to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Credit {
    /// What was measured.
    pub measured: Share,
    /// The lower edge of the band, which is in it.
    pub from: Ratio,
    /// The upper edge, which is not in it; `None` when the promise was kept.
    pub below: Option<Ratio>,
    /// What is credited, as a share of the fee.
    pub credit: Ratio,
    /// Whether the band says more, and the cap held it back.
    pub capped: bool,
}

impl Agreement {
    /// Bands in any order; nothing above `cap` is ever credited.
    pub fn new(mut bands: Vec<Band>, cap: Ratio) -> Result<Self, AgreementError> {
        if bands.len() > BANDS_MAX {
            return Err(AgreementError::TooMany(bands.len()));
        }
        bands.sort_by_key(|it| it.below);
        for (worse, better) in bands.iter().zip(bands.iter().skip(1)) {
            if worse.below == better.below {
                return Err(AgreementError::Twice(worse.below));
            }
            if worse.credit < better.credit {
                return Err(AgreementError::Shrinks { below: worse.below, credit: worse.credit });
            }
        }
        if bands.is_empty() { Err(AgreementError::NoBand) } else { Ok(Self { bands, cap }) }
    }

    /// The promise: the edge of the highest band.
    pub fn target(&self) -> Ratio {
        self.bands.last().map_or(Ratio::ONE, |it| it.below)
    }

    /// What is due for what was counted in a period; `None` without data.
    pub fn credit(&self, counts: Counts) -> Option<Credit> {
        (counts.total > 0).then(|| self.credit_for(Share::of(counts.good, counts.total)))
    }

    /// What is due for a share.
    pub fn credit_for(&self, measured: Share) -> Credit {
        let place = self.bands.partition_point(|it| measured >= it.below.into());
        let from = place
            .checked_sub(1)
            .and_then(|it| self.bands.get(it))
            .map_or(Ratio::ZERO, |it| it.below);
        let band = self.bands.get(place);
        let credit = band.map_or(Ratio::ZERO, |it| it.credit);
        Credit {
            measured,
            from,
            below: band.map(|it| it.below),
            credit: credit.min(self.cap),
            capped: credit > self.cap,
        }
    }
}

impl Credit {
    /// What is due of a fee in its smallest unit, such as cents; half a unit counts as one.
    pub fn of_fee(self, fee: u64) -> u64 {
        let due = u128::from(fee) * u128::from(self.credit.billionths());
        u64::try_from((due + 500_000_000) / 1_000_000_000).unwrap_or(fee)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ratio(text: &str) -> Ratio {
        text.parse().unwrap()
    }

    fn band(below: &str, credit: &str) -> Band {
        Band { below: ratio(below), credit: ratio(credit) }
    }

    fn agreement(cap: &str) -> Agreement {
        let bands = vec![band("99%", "25%"), band("99.9%", "10%"), band("95%", "100%")];
        Agreement::new(bands, ratio(cap)).unwrap()
    }

    fn due(good: u64, total: u64) -> String {
        agreement("100%").credit(Counts { good, total }).unwrap().credit.to_string()
    }

    #[test]
    fn an_edge_belongs_to_the_better_band() {
        assert_eq!(due(999, 1000), "0%");
        assert_eq!(due(998, 1000), "10%");
        assert_eq!(due(990, 1000), "10%");
        assert_eq!(due(989, 1000), "25%");
        assert_eq!(due(950, 1000), "25%");
        assert_eq!(due(949, 1000), "100%");
        assert_eq!(due(0, 1000), "100%");
    }

    #[test]
    fn nothing_is_rounded_before_it_is_compared() {
        assert_eq!(due(9_989_999_999, 10_000_000_000), "10%");
        assert_eq!(due(9_990_000_000, 10_000_000_000), "0%");
    }

    #[test]
    fn no_data_is_no_credit_and_no_kept_promise() {
        assert_eq!(agreement("100%").credit(Counts::default()), None);
    }

    #[test]
    fn a_cap_holds_the_credit_back_and_says_so() {
        let it = agreement("30%").credit_for(Share::of(1, 2));
        assert_eq!((it.credit, it.capped), (ratio("30%"), true));
        assert_eq!(it.of_fee(99_99), 30_00);
    }

    #[test]
    fn the_band_is_told() {
        let it = agreement("100%").credit_for(Share::of(995, 1000));
        assert_eq!((it.from, it.below), (ratio("99%"), Some(ratio("99.9%"))));
        let kept = agreement("100%").credit_for(Share::ONE);
        assert_eq!((kept.from, kept.below), (ratio("99.9%"), None));
    }

    #[test]
    fn bands_that_contradict_each_other_are_refused() {
        let refused = |bands| Agreement::new(bands, Ratio::ONE).unwrap_err();
        assert_eq!(refused(vec![]), AgreementError::NoBand);
        let twice = vec![band("99%", "10%"), band("99%", "20%")];
        assert_eq!(refused(twice), AgreementError::Twice(ratio("99%")));
        let shrinks = vec![band("99%", "10%"), band("95%", "5%")];
        assert!(matches!(refused(shrinks), AgreementError::Shrinks { .. }));
        assert_eq!(refused(vec![band("9%", "1%"); 65]), AgreementError::TooMany(65));
    }

    proptest! {
        #[test]
        fn worse_service_is_never_credited_less(good in 0u64..10_000, less in 0u64..10_000) {
            let credit = |good| agreement("100%").credit(Counts { good, total: 20_000 }).unwrap().credit;
            prop_assert!(credit(good.saturating_sub(less)) >= credit(good));
        }
    }
}
