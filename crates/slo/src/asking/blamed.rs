//! Blamed: bad time told apart by whom it was of, for [attribution](crate::attribution).
//!
//! What is judged slice by slice has no bad events to count. So each bad slice is shared out among those who made it bad: by
//! their bad events in it, or in equal parts among those who broke the limit. One question a label does that for a whole
//! time, whatever the number of its slices: a subquery, with the slices as its steps. These end at multiples of their length,
//! so that the answers say how it is shared out, and not how much there is.

use std::time::Duration;

use evenkeel_model::document::Comparison;

use super::parts::ROWS_MAX;
use super::{Asking, Kind, text};
use crate::rules::{duration, promql};
use crate::sli::Side;

impl Asking {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is made of, each by its weight; nothing unless it is a composite.
    pub fn components(&self) -> &[(u32, Self)] {
        match &self.kind {
            Kind::Composite(parts) => parts,
            Kind::Events { .. } | Kind::Share { .. } | Kind::Figure { .. } => &[],
        }
    }

    /// Why no label can tell whose the bad was, where none can.
    pub fn unlabelled(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Events { .. } | Kind::Figure { each: Some(_), .. } => None,
            Kind::Share { .. } => Some("its query says a share, and not whose it is"),
            Kind::Figure { each: None, .. } => {
                Some("there was too little, and what did not come has no labels")
            }
            Kind::Composite(_) => Some("it is made of others, of which each has labels of its own"),
        }
    }

    /// What to ask for the figure of each series at the end of a slice; nothing where no figures are judged.
    pub fn figures(&self) -> Option<String> {
        let Kind::Figure { each: Some(each), .. } = &self.kind else { return None };
        let each = text::over(each, self.slice().unwrap_or_default());
        Some(format!("topk({ROWS_MAX}, \n{each}\n)"))
    }

    /// What to ask for how the bad slices of a time are shared out among the values of a label; nothing where no slices are
    /// judged whose series are known.
    pub fn bad_slices_by(&self, over: Duration, label: &str) -> Option<String> {
        let (slice, by) = (self.slice()?, format!("by ({})", promql::label(label)));
        let shares = match &self.kind {
            Kind::Events { side, selected, total, .. } => {
                let [one, every] = [selected, total].map(|it| it.apart(slice, &by));
                let bad = match side {
                    Side::Bad => one,
                    // Of a value that has no good events, all are bad.
                    Side::Good => format!("clamp_min({every} - ({one} or 0 * ({every})), 0)"),
                };
                let (all_bad, total) = (format!("sum({bad})"), total.over(slice));
                match self.slices?.target {
                    Some(target) => {
                        let most = promql::ratio(target.rest());
                        let is_bad = format!("{all_bad} / ({total} > 0) > {most}");
                        format!("({bad}) / on() group_left() {all_bad} and on() ({is_bad})")
                    }
                    None => format!("({bad}) / on() group_left() ({total} > 0)"),
                }
            }
            Kind::Figure { each: Some(each), limit, .. } => {
                let worst = if limit.comparison.wants_less() { "max" } else { "min" };
                let each = text::over(each, slice);
                let broken = match limit.comparison {
                    Comparison::Below => ">=",
                    Comparison::AtMost => ">",
                    Comparison::Above => "<=",
                    Comparison::AtLeast => "<",
                };
                let broken = format!("{worst} {by} (\n{each}\n) {broken} {}", limit.limit);
                format!("count {by} ({broken}) / on() group_left() count({broken})")
            }
            Kind::Figure { each: None, .. } | Kind::Share { .. } | Kind::Composite(_) => {
                return None;
            }
        };
        let (over, slice) = (duration(over), duration(slice));
        Some(format!("topk({ROWS_MAX}, sum_over_time((\n{shares}\n)[{over}:{slice}]))"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asking::tests;

    const DAY: Duration = Duration::from_hours(24);

    fn asking(more: &str) -> Asking {
        let other = "objective: 99%\nsli: {availability: {bad: bad, total: all}}";
        tests::asking(&[&format!("objective: 99%\n{more}"), other]).unwrap()
    }

    #[test]
    fn a_bad_slice_is_shared_out_by_the_bad_events_in_it() {
        let it = asking(
            "timeSlices: {length: 1m, target: 95%}\nsli: {availability: {bad: bad, total: all}}",
        );
        let bad = "sum by (zone) (increase(bad[1m]))";
        let expected = format!(
            "topk(1000, sum_over_time((\n({bad}) / on() group_left() sum({bad}) and on() (sum({bad}) / (sum(increase(all[1m])) > 0) > 0.05)\n)[1d:1m]))"
        );
        assert_eq!(it.bad_slices_by(DAY, "zone"), Some(expected));
        let it = asking("timeSlices: {length: 1m}\nsli: {availability: {good: ok, total: all}}");
        let every = "sum by (zone) (increase(all[1m]))";
        let bad =
            format!("clamp_min({every} - (sum by (zone) (increase(ok[1m])) or 0 * ({every})), 0)");
        let expected = format!(
            "topk(1000, sum_over_time((\n({bad}) / on() group_left() (sum(increase(all[1m])) > 0)\n)[1d:1m]))"
        );
        assert_eq!(it.bad_slices_by(DAY, "zone"), Some(expected));
        assert_eq!((it.unlabelled(), it.figures()), (None, None));
    }

    #[test]
    fn a_bad_slice_of_a_limit_is_shared_out_among_those_that_broke_it() {
        let it = asking("sli: {gauge: {query: free, value: '>= 0.1'}}");
        assert_eq!(it.figures().as_deref(), Some("topk(1000, \nfree\n)"));
        let broken = "min by (disk) (\nfree\n) < 0.1";
        let expected = format!(
            "topk(1000, sum_over_time((\ncount by (disk) ({broken}) / on() group_left() count({broken})\n)[1d:1m]))"
        );
        assert_eq!(it.bad_slices_by(DAY, "disk"), Some(expected));
        let it = asking("sli: {freshness: {timestamp: seen, by: [key], maxAge: 5m}}");
        let expected = "topk(1000, \ntime() - max by (key) (max_over_time(seen[1h]))\n)";
        assert_eq!(it.figures().as_deref(), Some(expected));
    }

    #[test]
    fn what_has_no_series_of_its_own_says_why() {
        for (sli, word) in [
            ("raw: {errorRatio: 'avg(x[$window])'}", "share"),
            ("throughput: {min: 5/s, total: all}", "too little"),
            ("composite: [{slo: a, weight: 2}]", "made of others"),
        ] {
            let it = asking(&format!("sli: {{{sli}}}"));
            assert!(it.unlabelled().is_some_and(|it| it.contains(word)), "{sli}");
            assert_eq!((it.figures(), it.bad_slices_by(DAY, "zone")), (None, None));
        }
        let it = asking("sli: {composite: [{slo: a, weight: 2}]}");
        let parts: Vec<_> =
            it.components().iter().map(|(weight, it)| (*weight, it.name())).collect();
        assert_eq!(parts, [(2, "a")]);
    }
}
