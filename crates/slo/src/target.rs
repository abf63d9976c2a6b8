//! Target: which promise a baseline supports.
//!
//! A promise is made about bad days, not about good ones: what is taken is the worse tail of the baseline, with a margin on
//! the side of the errors. The 95th percentile of availability is the best twentieth of all days, and 1.1 times it is more
//! than all requests.
//!
//! Without a single error, the baseline supports no promise of everything: the true share of errors may be three in as many
//! events as there were (the rule of three: Hanley and Lippman-Hand, "If Nothing Goes Wrong, Is Everything All Right?",
//! JAMA 249, 1983).

use evenkeel_model::document::Figure;
use evenkeel_units::Ratio;

use crate::{Counts, Share};

/// Which way a figure is better.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Better {
    /// Throughput.
    More,
    /// Latency, age of data.
    Less,
}

impl Better {
    /// Which way a figure is better that has to keep a limit.
    pub const fn of(figure: &Figure) -> Self {
        match figure {
            Figure::Throughput { .. } => Self::More,
            Figure::Freshness { .. } => Self::Less,
            Figure::Gauge { limit, .. } => match limit.comparison.wants_less() {
                true => Self::Less,
                false => Self::More,
            },
        }
    }
}

/// How careful to be.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Care {
    /// This share of the baseline keeps the promise: 95 % leaves one day in twenty that does not.
    pub kept: Ratio,
    /// What is allowed on top of what that takes: 20 % is a budget of 1.2 times the errors.
    pub margin: Ratio,
}

impl Default for Care {
    /// Nineteen of twenty days, and a fifth on top.
    fn default() -> Self {
        Self { kept: Ratio::percent(95), margin: Ratio::percent(20) }
    }
}

/// A promise that a baseline supports.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The objective: below one.
    pub objective: Ratio,
    /// The same, rounded down to what people write: a budget of 1, 2 or 5 and zeros.
    pub round: Ratio,
    /// The share of bad events that it comes from, before the margin.
    pub bad: Share,
    /// Whether there were too few errors to tell, so that it comes from the number of events alone.
    pub by_rule_of_three: bool,
}

/// The objective that a baseline supports, given as counts of its days (or of other stretches as long as each other).
/// `None` without events.
pub fn objective(baseline: &[Counts], care: Care) -> Option<Target> {
    let mut bad: Vec<_> =
        baseline.iter().filter(|it| it.total > 0).map(|it| Share::of(it.bad(), it.total)).collect();
    bad.sort_unstable();
    let worst = *bad.get(place(bad.len(), care.kept)?)?;
    let events: Counts = baseline.iter().copied().sum();
    let three = Share::of(3, events.total).min(Share::ONE);
    let by_rule_of_three = worst < three;
    let bad = worst.max(three);
    let more = Share::ONE.plus(care.margin.into());
    // A billionth at least: a promise of everything has no budget.
    let budget = bad.times(more).get().clamp(1e-9, 1.0);
    let objective = Ratio::new(1.0 - budget).unwrap_or_default().min(Ratio::new(1.0 - 1e-9)?);
    Some(Target { objective, round: rounded(objective), bad, by_rule_of_three })
}

/// The limit on a figure that a baseline supports: a quantile of its worse tail, and the margin beyond. `None` without
/// finite values.
pub fn limit(baseline: &[f64], better: Better, care: Care) -> Option<f64> {
    let mut values: Vec<_> = baseline.iter().copied().filter(|it| it.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let (value, margin) = match better {
        Better::Less => (values.get(place(values.len(), care.kept)?)?, care.margin.get()),
        Better::More => {
            let place = values.len() - 1 - place(values.len(), care.kept)?;
            (values.get(place)?, -care.margin.get())
        }
    };
    Some(value + value.abs() * margin)
}

/// The place of a quantile by nearest rank, in what is sorted.
fn place(values: usize, quantile: Ratio) -> Option<usize> {
    let rank = (values as u128 * u128::from(quantile.billionths())).div_ceil(1_000_000_000);
    usize::try_from(rank).ok()?.max(1).checked_sub(1).filter(|_| values > 0)
}

/// The next objective down whose budget is 1, 2 or 5 and zeros: 99.87 % is 99.8 %.
fn rounded(objective: Ratio) -> Ratio {
    let budget = objective.rest().billionths();
    let steps = (0..9).flat_map(|power| [1, 2, 5].map(|it| it * 10_u32.pow(power)));
    let up = steps.filter(|it| *it >= budget).min().unwrap_or(1_000_000_000);
    Ratio::new(f64::from(up) / 1e9).unwrap_or(Ratio::ONE).rest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ratio(text: &str) -> Ratio {
        text.parse().unwrap()
    }

    #[test]
    fn it_is_the_worse_tail_with_a_margin_on_the_side_of_errors() {
        let mut days = vec![Counts::with_bad(100, 1_000_000); 19];
        days.push(Counts::with_bad(90_000, 1_000_000));
        let it = objective(&days, Care::default()).unwrap();
        // One day in twenty is worse; a hundred in a million and a fifth more.
        assert_eq!((it.objective, it.round), (ratio("99.988%"), ratio("99.98%")));
        days.push(Counts::with_bad(90_000, 1_000_000));
        let it = objective(&days, Care::default()).unwrap();
        assert_eq!((it.objective, it.round), (ratio("89.2%"), ratio("80%")));
    }

    #[test]
    fn without_errors_the_number_of_events_is_what_can_be_said() {
        let it = objective(&[Counts::with_bad(0, 1_000); 30], Care::default()).unwrap();
        assert!(it.by_rule_of_three && it.bad == Share::of(1, 10_000));
        assert_eq!((it.objective, it.round), (ratio("99.988%"), ratio("99.98%")));
    }

    #[test]
    fn no_data_supports_nothing() {
        assert_eq!(objective(&[], Care::default()), None);
        assert_eq!(objective(&[Counts::default(); 3], Care::default()), None);
        assert_eq!(limit(&[f64::NAN], Better::Less, Care::default()), None);
    }

    #[test]
    fn each_kind_of_figure_has_its_own_better_way() {
        let gauge = |text| Figure::Gauge {
            query: "x".to_owned(),
            limit: evenkeel_model::document::Limit::parse(text).unwrap(),
        };
        assert_eq!(Better::of(&gauge("<= 5")), Better::Less);
        assert_eq!(Better::of(&gauge("> 5")), Better::More);
    }

    #[test]
    fn limits_go_beyond_the_worse_tail() {
        let values: Vec<_> = (1..=100).map(f64::from).collect();
        let slow = limit(&values, Better::Less, Care::default()).unwrap();
        let busy = limit(&values, Better::More, Care::default()).unwrap();
        assert!((slow - 114.0).abs() < 1e-9 && (busy - 4.8).abs() < 1e-9, "{slow} {busy}");
    }

    proptest! {
        #[test]
        fn a_promise_is_below_one_and_the_baseline_keeps_it_most_days(
            days in prop::collection::vec((0u64..1_000, 1u64..100_000), 1..40)
        ) {
            let days: Vec<_> = days.iter().map(|&(bad, good)| Counts { good, total: good + bad }).collect();
            let care = Care::default();
            let it = objective(&days, care).unwrap();
            prop_assert!(it.objective < Ratio::ONE && it.round <= it.objective);
            let kept = days.iter().filter(|day| crate::Budget { objective: it.objective, counts: **day }.kept() == Some(true));
            prop_assert!(kept.count() >= care.kept.floor_of(days.len()));
        }
    }
}
