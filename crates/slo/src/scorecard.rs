//! Scorecard: one number for how reliable a service is, and what it is made of.
//!
//! A dimension is scored by what it has spent of its own budget, not by a table that is the same for everybody: nothing
//! spent is 100, all of it is 80, and beyond it the score falls as the overspending grows (80 / spent): twice the budget is
//! 40. A dimension without data is left out, and the others grow to fill the whole; which those are is shown.
//!
//! | grade | from | meaning |
//! |---|---|---|
//! | A | 90 | at most half of the budgets spent |
//! | B | 80 | within the budgets |
//! | C | 70 | somewhat overspent |
//! | D | 60 | overspent by a third |
//! | F | 0 | promises do not hold |

use evenkeel_units::Ratio;

use crate::Share;
use crate::target::Better;

/// What a dimension's share is a share of. Shares of requests and of minutes do not add up, and may contradict each other
/// only if one is of the one and one of the other.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Requests or other events.
    Events,
    /// Time.
    Time,
    /// A limit that is used up in part, such as that of a time to repair.
    Limit,
}

/// One thing that reliability is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    /// What it is called.
    pub name: String,
    /// How much it weighs beside the others. Not negative.
    pub weight: f64,
    /// What its share is a share of.
    pub basis: Basis,
    /// Share of the budget, or of the limit, that is spent; `None` without data.
    pub spent: Option<Share>,
}

/// A dimension that was scored, or was not.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The dimension.
    pub dimension: Dimension,
    /// 0 to 100; `None` without data.
    pub score: Option<f64>,
    /// The share of the whole that it has after what is missing was left out.
    pub share: f64,
}

/// The card.
#[derive(Clone, Debug, PartialEq)]
pub struct Scorecard {
    /// The dimensions, those that are missing among them.
    pub dimensions: Vec<Scored>,
    /// 0 to 100; `None` when every dimension is missing.
    pub score: Option<f64>,
    /// A to F.
    pub grade: Option<&'static str>,
    /// The weight of the dimensions that there was data of, of all weight.
    pub known: f64,
}

/// 100 for nothing spent, 80 for all of it, 40 for twice as much.
pub fn of_spent(spent: f64) -> f64 {
    match spent <= 1.0 {
        true => 100.0 - 20.0 * spent.max(0.0),
        false => (80.0 / spent).max(0.0),
    }
}

/// A to F.
pub const fn grade(score: f64) -> &'static str {
    match score {
        90.0.. => "A",
        80.0.. => "B",
        70.0.. => "C",
        60.0.. => "D",
        _ => "F",
    }
}

/// Scores dimensions. Weights need not add up to one.
pub fn score(dimensions: Vec<Dimension>) -> Scorecard {
    let weight = |it: &Dimension| if it.weight.is_finite() { it.weight.max(0.0) } else { 0.0 };
    let all: f64 = dimensions.iter().map(weight).sum();
    let known: f64 = dimensions.iter().filter(|it| it.spent.is_some()).map(weight).sum();
    let scored = dimensions.into_iter().map(|dimension| {
        let score = dimension.spent.map(|it| of_spent(it.get()));
        let share = if score.is_some() && known > 0.0 { weight(&dimension) / known } else { 0.0 };
        Scored { dimension, score, share }
    });
    let dimensions: Vec<_> = scored.collect();
    let sum: f64 = dimensions.iter().filter_map(|it| Some(it.score? * it.share)).sum();
    let score = (known > 0.0).then_some(sum);
    let known = if all > 0.0 { known / all } else { 0.0 };
    Scorecard { dimensions, score, grade: score.map(grade), known }
}

/// Where a figure goes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Trend {
    /// It gets better: which way that is depends on the figure. Fewer errors are better, and so are shorter repairs.
    Improving,
    /// Neither.
    Stable,
    /// It gets worse.
    Degrading,
}

/// Where a figure goes from one period to the next; a change of less than a tenth is none. `None` unless both are numbers.
pub fn trend(before: f64, now: f64, better: Better) -> Option<Trend> {
    let change = match better {
        Better::More => now - before,
        Better::Less => before - now,
    };
    (before.is_finite() && now.is_finite()).then(|| match before.abs() * 0.1 {
        tenth if change > tenth => Trend::Improving,
        tenth if change < -tenth => Trend::Degrading,
        _ => Trend::Stable,
    })
}

/// Whether a share of good and a share of bad ones of the same basis cannot both be true: 99.95 % available and 0.8 % errors
/// are one of requests and one of minutes, or one of them is wrong. What rounding explains is no contradiction.
pub fn contradict(good: (Basis, Share), bad: (Basis, Share), rounding: Ratio) -> bool {
    let missing = good.1.plus(bad.1).minus(Share::ONE);
    let rounding = Share::from(rounding);
    good.0 == bad.0 && (missing > rounding || missing < Share::ZERO.minus(rounding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dimension(name: &str, weight: f64, spent: Option<Share>) -> Dimension {
        Dimension { name: name.to_owned(), weight, basis: Basis::Events, spent }
    }

    #[test]
    fn what_is_missing_is_left_out_and_shown() {
        let card = score(vec![
            dimension("availability", 0.4, Some(Share::of(1, 2))),
            dimension("latency", 0.4, None),
            dimension("recovery", 0.2, Some(Share::of(2, 1))),
        ]);
        assert!((card.score.unwrap() - (90.0 * 2.0 + 40.0) / 3.0).abs() < 1e-9);
        assert_eq!((card.grade, card.dimensions[1].score), (Some("C"), None));
        assert!((card.known - 0.6).abs() < 1e-9);
    }

    #[test]
    fn grades_are_those_of_the_scale() {
        let grades = [0.0, 0.5, 0.51, 1.0, 1.1, 1.3, 1.4].map(|spent| grade(of_spent(spent)));
        assert_eq!(grades, ["A", "A", "B", "B", "C", "D", "F"]);
    }

    #[test]
    fn fewer_errors_are_an_improvement() {
        assert_eq!(trend(1.0, 2.0, Better::Less), Some(Trend::Degrading));
        assert_eq!(trend(1.0, 2.0, Better::More), Some(Trend::Improving));
        assert_eq!(trend(1.0, 1.05, Better::More), Some(Trend::Stable));
        assert_eq!(trend(0.0, 0.0, Better::More), Some(Trend::Stable));
        assert_eq!(trend(f64::NAN, 1.0, Better::More), None);
    }

    #[test]
    fn what_cannot_both_be_true_is_found() {
        let (available, errors) = (Share::of(9_995, 10_000), Share::of(8, 1_000));
        let rounding = "0.01%".parse().unwrap();
        assert!(contradict((Basis::Events, available), (Basis::Events, errors), rounding));
        assert!(!contradict((Basis::Time, available), (Basis::Events, errors), rounding));
        let fits = Share::of(5, 10_000);
        assert!(!contradict((Basis::Events, available), (Basis::Events, fits), rounding));
    }

    #[test]
    fn nothing_known_is_no_score() {
        let card =
            score(vec![dimension("it", 1.0, None), dimension("odd", f64::NAN, Some(Share::ONE))]);
        assert_eq!((card.score, card.grade), (None, None));
        assert_eq!(score(vec![]).score, None);
    }

    #[test]
    fn a_broken_promise_of_everything_is_worth_nothing() {
        let card = score(vec![dimension("it", 1.0, Some(Share::of(1, 0)))]);
        assert_eq!(card.grade, Some("F"));
        assert!(card.score.unwrap().abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn spending_more_never_scores_more(a in 0.0f64..50.0, b in 0.0f64..50.0) {
            prop_assert!(of_spent(a.max(b)) <= of_spent(a.min(b)) + 1e-9);
            prop_assert!((0.0..=100.0).contains(&of_spent(a)));
        }

        #[test]
        fn a_score_lies_between_its_parts(parts in prop::collection::vec((0.01f64..5.0, 0u64..500), 1..8)) {
            let card = score(parts.iter().map(|&(weight, spent)| dimension("it", weight, Some(Share::of(spent, 100)))).collect());
            let scores: Vec<_> = card.dimensions.iter().filter_map(|it| it.score).collect();
            let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
            let high = scores.iter().copied().fold(0.0, f64::max);
            let score = card.score.unwrap();
            prop_assert!(low - 1e-9 <= score && score <= high + 1e-9);
        }
    }
}
