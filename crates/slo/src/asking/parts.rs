//! Parts: the events of an objective told apart by a label, for [attribution](crate::attribution).
//!
//! Which labels there are, the series say: one question a side finds them. A query that adds up everything by itself leaves
//! none to tell events apart by.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evenkeel_series::Labels;

use super::{Asking, Kind, Sum};
use crate::Counts;
use crate::rules::promql;
use crate::sli::Side;

/// Series that are looked at for their labels, and values of a label that are told apart.
pub const ROWS_MAX: usize = 1_000;

/// Rows of an answer: what a query is worth for each series.
pub type Rows = Vec<(Labels, f64)>;

impl Asking {
    /// What to ask for the busiest series of a time, of one side and of all; nothing where no events are asked for.
    pub fn busiest(&self, over: Duration) -> Option<[String; 2]> {
        self.sides(|it| it.apart(over, "without (le)"))
    }

    /// What to ask for the events of a time by the values of a label, of one side and of all; nothing where no events are
    /// counted.
    pub fn by_label(&self, over: Duration, label: &str) -> Option<[String; 2]> {
        let label = promql::label(label);
        self.sides(|it| it.apart(over, &format!("by ({label})"))).filter(|_| self.slices.is_none())
    }

    fn sides(&self, query: impl Fn(&Sum) -> String) -> Option<[String; 2]> {
        let Kind::Events { selected, total, .. } = &self.kind else { return None };
        let top = |it| format!("topk({ROWS_MAX}, {})", query(it));
        Some([selected, total].map(top))
    }

    /// The counts of each value of a label, as the answers to [`by_label`](Self::by_label) say. Where only one side has the
    /// label, the other is not known by it: then all events of a value are those of the side that has it.
    pub fn parted(&self, label: &str, [selected, total]: [&Rows; 2]) -> BTreeMap<String, Counts> {
        let Kind::Events { side, .. } = &self.kind else { return BTreeMap::new() };
        let has_it = |rows: &Rows| rows.iter().any(|(labels, _)| !labels.get(label).is_empty());
        let by_value = |rows: &Rows| {
            let mut all: BTreeMap<String, f64> = BTreeMap::new();
            for (labels, count) in rows.iter().filter(|it| it.1 > 0.0 && it.1.is_finite()) {
                *all.entry(labels.get(label).to_owned()).or_default() += count;
            }
            all
        };
        let (one, all) = (by_value(selected), by_value(total));
        let whole = |it: f64| it.round() as u64;
        match (side, has_it(total)) {
            // Good events by themselves say nothing of who failed.
            (Side::Good, false) => BTreeMap::new(),
            (Side::Good, true) => all
                .into_iter()
                .map(|(value, total)| {
                    let good = one.get(&value).copied().unwrap_or_default().min(total);
                    (value, Counts::with_bad(whole(total - good), whole(total)))
                })
                .collect(),
            (Side::Bad, is_known) => one
                .into_iter()
                .map(|(value, bad)| {
                    let total = all.get(&value).copied().filter(|_| is_known).unwrap_or(bad);
                    (value, Counts::with_bad(whole(bad), whole(total.max(bad))))
                })
                .collect(),
        }
    }
}

/// The labels that tell series apart, at most `most`: those with more than one value, those with the fewest first.
pub fn telling(rows: &[&Rows], most: usize) -> Vec<String> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for rows in rows {
        for label in rows.iter().flat_map(|(labels, _)| labels.iter()) {
            values.entry(&label.name).or_default();
        }
    }
    for rows in rows {
        for (name, values) in &mut values {
            // A series without a label has its own value of it, unless none of its side has it.
            let is_there = |it: &&str| !it.is_empty();
            let all: BTreeSet<_> = rows.iter().map(|(labels, _)| labels.get(name)).collect();
            if all.iter().any(is_there) {
                values.extend(all);
            }
        }
    }
    let mut names: Vec<_> = values
        .into_iter()
        .filter(|(name, values)| !name.starts_with("__") && values.len() > 1)
        .map(|(name, values)| (values.len(), name))
        .collect();
    names.sort_unstable();
    names.into_iter().take(most).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asking::tests;

    fn asking(sli: &str) -> Asking {
        tests::asking(&[&format!("objective: 99%\nsli: {{{sli}}}")]).unwrap()
    }

    const HOUR: Duration = Duration::from_hours(1);

    fn rows(all: &[(&[(&str, &str)], f64)]) -> Rows {
        all.iter().map(|(labels, value)| (Labels::of(labels.iter().copied()), *value)).collect()
    }

    #[test]
    fn counters_are_told_apart_by_a_label_and_what_adds_up_by_itself_is_not() {
        let it = asking("availability: {bad: 'bad{a=\"b\"}', total: 'sum(rate(all[$window]))'}");
        let [bad, total] = it.by_label(HOUR, "zone").unwrap();
        assert_eq!(bad, "topk(1000, sum by (zone) (increase(bad{a=\"b\"}[1h])))");
        assert_eq!(total, "topk(1000, sum by (zone) (\nsum(rate(all[1h]))\n) * 3600)");
        let [bad, _] = it.busiest(HOUR).unwrap();
        assert_eq!(bad, "topk(1000, sum without (le) (increase(bad{a=\"b\"}[1h])))");
        assert_eq!(asking("gauge: {query: x, value: '> 1'}").busiest(HOUR), None);
    }

    #[test]
    fn a_label_of_any_letters_is_put_in_quotes() {
        let it = asking("availability: {bad: bad, total: all}");
        let [bad, _] = it.by_label(HOUR, "http.route").unwrap();
        assert_eq!(bad, "topk(1000, sum by (\"http.route\") (increase(bad[1h])))");
        assert!(evenkeel_promql::Query::parse(&bad).is_ok());
    }

    #[test]
    fn labels_that_tell_series_apart_are_found_the_simplest_first() {
        let all = rows(&[
            (&[("job", "shop"), ("zone", "a"), ("pod", "1")], 5.0),
            (&[("job", "shop"), ("zone", "b"), ("pod", "2")], 4.0),
            (&[("job", "shop"), ("zone", "b"), ("pod", "3")], 3.0),
        ]);
        let bad = rows(&[(&[("job", "shop"), ("zone", "b"), ("pod", "3"), ("code", "500")], 1.0)]);
        assert_eq!(telling(&[&bad, &all], 9), ["zone", "pod"]);
        assert_eq!(telling(&[&bad, &all], 1), ["zone"]);
    }

    #[test]
    fn what_is_not_good_is_bad_of_each_value() {
        let it = asking("availability: {good: ok, total: all}");
        let (one, all) = (
            rows(&[(&[("zone", "a")], 9.6), (&[("zone", "b")], 1.0)]),
            rows(&[(&[("zone", "a")], 9.7), (&[("zone", "b")], 5.2), (&[("zone", "c")], 2.0)]),
        );
        let parts = it.parted("zone", [&one, &all]);
        let parts: Vec<_> =
            parts.iter().map(|(name, it)| (name.as_str(), it.bad(), it.total)).collect();
        assert_eq!(parts, [("a", 0, 10), ("b", 4, 5), ("c", 2, 2)]);
        assert!(it.parted("zone", [&one, &rows(&[(&[], 20.0)])]).is_empty());
    }

    #[test]
    fn a_label_that_only_the_bad_have_tells_them_apart() {
        let it = asking("availability: {bad: bad, total: all}");
        let bad = rows(&[(&[("code", "500")], 3.0), (&[("code", "503")], 1.0)]);
        let parts = it.parted("code", [&bad, &rows(&[(&[], 100.0)])]);
        assert_eq!(parts["500"], Counts::with_bad(3, 3));
        assert_eq!(parts.len(), 2);
    }
}
