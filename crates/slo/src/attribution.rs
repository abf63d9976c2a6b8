//! Attribution: who burned the budget.
//!
//! Bad events, or bad time, are told apart by a label (route, zone, customer), by what a composite is made of, or by what went on
//! when they happened: a deploy, an incident, a drill. The parts and what belongs to none of them add up to all bad events, so that nobody is blamed twice.

use serde::{Deserialize, Serialize};

use crate::interval::Interval;
use crate::{Counts, History, Share};

/// What may have caused bad events.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A change went out.
    Deploy,
    /// Something was known to be broken.
    Incident,
    /// Something was broken on purpose.
    Drill,
}

impl Kind {
    /// The words for them.
    pub const NAMES: [(&'static str, Self); 3] =
        [("deploy", Self::Deploy), ("incident", Self::Incident), ("drill", Self::Drill)];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Incident => "incident",
            Self::Drill => "drill",
        }
    }
}

/// Something that went on for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// What kind of thing.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// When. Of a deploy: until it could no longer be to blame.
    pub time: Interval,
}

/// A part of the bad events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// What it is called.
    pub name: String,
    /// Its events.
    pub counts: Counts,
    /// Its share of all bad events.
    pub share: Share,
}

/// By what bad events are told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// A label of the series.
    Label(String),
    /// What a composite is made of.
    Component,
    /// What went on when they happened.
    Cause,
}

impl By {
    /// As it is said after "by".
    pub fn name(&self) -> &str {
        match self {
            Self::Label(it) => it,
            Self::Component => "component",
            Self::Cause => "what went on",
        }
    }
}

/// All bad events, told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribution {
    /// All events.
    pub total: Counts,
    /// The parts, the worst first; those without bad events are not among them.
    pub culprits: Vec<Culprit>,
    /// Bad events that belong to none of these.
    pub rest: u64,
}

impl Attribution {
    fn of(total: Counts, parts: impl IntoIterator<Item = (String, Counts)>, most: usize) -> Self {
        let culprit = |(name, counts): (String, Counts)| Culprit {
            name,
            counts,
            share: Share::of(counts.bad(), total.bad()),
        };
        let mut culprits: Vec<_> =
            parts.into_iter().filter(|(_, it)| it.bad() > 0).map(culprit).collect();
        culprits
            .sort_by(|a, b| b.counts.bad().cmp(&a.counts.bad()).then_with(|| a.name.cmp(&b.name)));
        culprits.truncate(most);
        let told = culprits.iter().fold(0u64, |sum, it| sum.saturating_add(it.counts.bad()));
        Self { total, culprits, rest: total.bad().saturating_sub(told) }
    }
}

/// By the values of a label: the counts of each, which add up to `total` or to less. The `most` worst are named.
pub fn by_label(
    total: Counts,
    values: impl IntoIterator<Item = (String, Counts)>,
    most: usize,
) -> Attribution {
    Attribution::of(total, values, most)
}

/// By weights, by which everything bad is shared out to the last bit. The `most` heaviest are named.
pub fn by_weight(
    total: Counts,
    weights: impl IntoIterator<Item = (String, f64)>,
    most: usize,
) -> Attribution {
    let weights: Vec<_> = weights.into_iter().filter(|it| it.1 > 0.0 && it.1.is_finite()).collect();
    let whole: f64 = weights.iter().map(|it| it.1).sum();
    let (mut weight, mut told) = (0.0, 0);
    let part = |(name, own): (String, f64)| {
        weight += own;
        // Of what is told up to here, so that what is rounded off goes to the next.
        let until = (total.bad() as f64 * (weight / whole)).round() as u64;
        let bad = until.saturating_sub(told);
        told += bad;
        (name, Counts::with_bad(bad, bad))
    };
    Attribution::of(total, weights.into_iter().map(part), most)
}

/// By what went on. Where several things did, the one that began last is taken: what changed last is the likeliest cause.
pub fn by_cause(history: &History, bounds: Interval, causes: &[Cause], most: usize) -> Attribution {
    let mut order: Vec<_> = causes.iter().enumerate().collect();
    order.sort_by_key(|(_, it)| std::cmp::Reverse(it.time.from));
    let mut parts = vec![Counts::default(); causes.len()];
    for (slice, counts) in history.slices() {
        let Some(counts) = counts.filter(|it| it.bad() > 0 && bounds.holds(slice.from)) else {
            continue;
        };
        let cause = order.iter().find(|(_, it)| it.time.meets(slice));
        if let Some(part) = cause.and_then(|(place, _)| parts.get_mut(*place)) {
            *part += counts;
        }
    }
    let names = causes.iter().map(|it| format!("{} {}", it.kind.name(), it.name));
    Attribution::of(history.counts(bounds).unwrap_or_default(), names.zip(parts), most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn cause(name: &str, from: i64, to: i64) -> Cause {
        Cause { kind: Kind::Deploy, name: name.to_owned(), time: Interval::new(at(from), at(to)) }
    }

    fn told(it: &Attribution) -> Vec<(&str, u64)> {
        it.culprits.iter().map(|it| (it.name.as_str(), it.counts.bad())).collect()
    }

    #[test]
    fn the_worst_come_first_and_the_rest_is_told() {
        let values = [("a", 1), ("b", 7), ("c", 0), ("d", 2)];
        let values = values.map(|(name, bad)| (name.to_owned(), Counts::with_bad(bad, 100)));
        let it = by_label(Counts::with_bad(12, 400), values, 2);
        assert_eq!((told(&it), it.rest), (vec![("b", 7), ("d", 2)], 3));
        assert_eq!(it.culprits[0].share, Share::of(7, 12));
    }

    #[test]
    fn what_began_last_is_taken_and_nothing_twice() {
        let slices = (0..10).map(|_| Some(Counts::with_bad(1, 10))).collect();
        let history = History::new(at(0), Duration::from_mins(1), slices).unwrap();
        let causes = [cause("it", 0, 6), cause("later", 4, 8)];
        let it = by_cause(&history, Interval::new(at(0), at(10)), &causes, 9);
        assert_eq!((told(&it), it.rest), (vec![("deploy it", 4), ("deploy later", 4)], 2));
    }

    #[test]
    fn what_is_shared_out_by_weight_is_all_there_is() {
        let weights = [("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 0.0), ("e", f64::NAN)];
        let weights = weights.map(|(name, weight)| (name.to_owned(), weight));
        let it = by_weight(Counts::with_bad(100, 400), weights, 9);
        let parts: Vec<_> = it.culprits.iter().map(|it| it.counts.bad()).collect();
        assert_eq!((parts, it.rest), (vec![34, 33, 33], 0));
        assert_eq!(by_weight(Counts::with_bad(5, 9), [], 9).rest, 5);
    }

    proptest! {
        #[test]
        fn parts_and_rest_are_all_bad_events(
            spans in prop::collection::vec((0i64..40, 1i64..20), 0..6), bad in prop::collection::vec(0u64..5, 40)
        ) {
            let slices = bad.iter().map(|bad| Some(Counts::with_bad(*bad, 10))).collect();
            let history = History::new(at(0), Duration::from_mins(1), slices).unwrap();
            let causes: Vec<_> = spans.iter().map(|&(from, length)| cause("it", from, from + length)).collect();
            let it = by_cause(&history, Interval::new(at(0), at(40)), &causes, 3);
            let sum: u64 = it.culprits.iter().map(|it| it.counts.bad()).sum();
            prop_assert_eq!(sum + it.rest, bad.iter().sum::<u64>());
        }
    }
}
