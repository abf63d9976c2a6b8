//! Proportion: between which values the true share of something lies.
//!
//! One failure of ten may be chance, one hundred of a thousand is not. The score interval says so for small
//! counts too, where the usual `p ± z·√(p(1−p)/n)` claims certainty from a single event.
//! Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).

/// The score interval of a share.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Proportion {
    /// The least it may be.
    pub low: f64,
    /// The most it may be.
    pub high: f64,
}

/// Between which values the share lies that made `some` of `all` come out so; `z` is how many standard deviations wide
/// (1.96 for 95 %, two-sided). Without events it lies anywhere.
pub fn wilson(some: u64, all: u64, z: f64) -> Proportion {
    if all == 0 {
        return Proportion { low: 0.0, high: 1.0 };
    }
    let n = all as f64;
    let share = some.min(all) as f64 / n;
    let square = z * z / n;
    let middle = share + square / 2.0;
    let half = z * (share * (1.0 - share) / n + square / (4.0 * n)).sqrt();
    let bound = |it: f64| (it / (1.0 + square)).clamp(0.0, 1.0);
    Proportion { low: bound(middle - half), high: bound(middle + half) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_of_ten_lies_where_the_published_tables_say() {
        let it = wilson(1, 10, 1.96);
        assert!((it.low - 0.0179).abs() < 5e-5 && (it.high - 0.4042).abs() < 5e-5, "{it:?}");
    }

    #[test]
    fn without_events_nothing_is_known() {
        assert_eq!(wilson(0, 0, 1.96), Proportion { low: 0.0, high: 1.0 });
    }

    proptest! {
        #[test]
        fn the_share_itself_lies_between_and_more_events_know_better(some in 0u64..1000, more in 1u64..1000) {
            let all = some + more;
            let (few, many) = (wilson(some, all, 1.96), wilson(some * 10, all * 10, 1.96));
            let share = some as f64 / all as f64;
            prop_assert!(few.low <= share + 1e-12 && share <= few.high + 1e-12);
            prop_assert!(many.low + 1e-12 >= few.low && many.high <= few.high + 1e-12);
        }
    }
}
