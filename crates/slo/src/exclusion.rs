//! Exclusions: time that does not count, and the book that is kept of it.
//!
//! Maintenance that was announced, an outage of somebody else's: it is taken out of the counts, and the budget is what the
//! rest says. So that nobody takes out a bad day in silence, each exclusion says who entered it, why and when, and the
//! ledger says what each took out. Two that overlap take nothing out twice: the first in the list takes it.

pub mod recurrence;
mod rule;

use std::time::Duration;

use jiff::Timestamp;

use crate::interval::{Interval, Intervals};
use crate::{Counts, History};

pub use recurrence::{Recurrence, RecurrenceError};

/// When something is excluded.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Once.
    Once(Interval),
    /// Again and again.
    Recurring(Recurrence),
}

/// Time that does not count.
#[derive(Clone, Debug, PartialEq)]
pub struct Exclusion {
    /// What it is called.
    pub name: String,
    /// Who entered it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When it was entered: one entered after the fact is told from one that was announced.
    pub entered: Timestamp,
    /// When it is.
    pub when: When,
}

impl Exclusion {
    /// What it excludes of a time.
    pub fn within(&self, bounds: Interval) -> Intervals {
        match &self.when {
            When::Once(it) => Intervals::from_iter([*it]).within(bounds),
            When::Recurring(it) => it.within(bounds),
        }
    }
}

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Which exclusion, by name.
    pub name: &'a str,
    /// Who entered it.
    pub who: &'a str,
    /// Why.
    pub why: &'a str,
    /// When it was entered.
    pub entered: Timestamp,
    /// What it took out that none before it did.
    pub time: Intervals,
    /// What was counted in that time; `None` without data.
    pub counts: Option<Counts>,
    /// Whether it was entered after the first of that time.
    pub after_the_fact: bool,
}

/// What exclusions took out of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger<'a> {
    /// The lines, in the order of the exclusions; those that took out nothing are not among them.
    pub entries: Vec<Entry<'a>>,
    /// All that was taken out.
    pub time: Intervals,
    /// What the rest says.
    pub history: History,
}

impl Ledger<'_> {
    /// How long what was taken out is.
    pub fn length(&self) -> Duration {
        self.time.length()
    }
}

/// What exclusions take out of a window, with the counts of what is left.
pub fn ledger<'a>(exclusions: &'a [Exclusion], bounds: Interval, history: &History) -> Ledger<'a> {
    let mut taken = Intervals::EMPTY;
    let mut left = history.clone();
    let mut entries = Vec::new();
    for it in exclusions {
        let asked = it.within(bounds);
        let time: Intervals = asked.into_iter().flat_map(|it| taken.outside(it)).collect();
        let Some(first) = time.iter().next() else { continue };
        let after = left.without(&time);
        entries.push(Entry {
            name: &it.name,
            who: &it.who,
            why: &it.why,
            entered: it.entered,
            counts: difference(&left, &after, bounds),
            after_the_fact: it.entered > first.from,
            time: time.clone(),
        });
        taken = taken.with(&time);
        left = after;
    }
    Ledger { entries, time: taken, history: left }
}

fn difference(before: &History, after: &History, bounds: Interval) -> Option<Counts> {
    let all = before.counts(bounds)?;
    let gone = before.coverage(bounds).present > after.coverage(bounds).present;
    gone.then(|| all.without(after.counts(bounds).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn span(from: i64, to: i64) -> Interval {
        Interval::new(at(from), at(to))
    }

    fn exclusion(name: &str, from: i64, to: i64) -> Exclusion {
        Exclusion {
            name: name.to_owned(),
            who: "ada".to_owned(),
            why: "a new disk".to_owned(),
            entered: at(5),
            when: When::Once(span(from, to)),
        }
    }

    fn history(minutes: usize) -> History {
        let bad = |it: usize| Some(Counts::with_bad(it as u64 % 3, 10));
        History::new(at(0), MINUTE, (0..minutes).map(bad).collect()).unwrap()
    }

    #[test]
    fn what_overlaps_is_taken_out_once_and_by_the_first() {
        let all = [exclusion("first", 2, 4), exclusion("second", 3, 6), exclusion("third", 3, 4)];
        let before = history(10);
        let it = ledger(&all, span(0, 10), &before);
        let taken: Vec<_> = it.entries.iter().map(|it| (it.name, it.time.length())).collect();
        assert_eq!(taken, [("first", 2 * MINUTE), ("second", 2 * MINUTE)]);
        assert_eq!(it.entries[0].counts, Some(Counts::with_bad(2, 20)));
        assert_eq!(it.history.counts(span(0, 10)).unwrap().total, 60);
    }

    #[test]
    fn what_was_entered_after_the_fact_is_told() {
        let all = [exclusion("late", 2, 4), exclusion("announced", 7, 8)];
        let it = ledger(&all, span(0, 10), &history(10));
        let late: Vec<_> = it.entries.iter().map(|it| it.after_the_fact).collect();
        assert_eq!(late, [true, false]);
    }

    #[test]
    fn what_lies_outside_of_the_window_takes_out_nothing() {
        assert!(ledger(&[exclusion("it", 20, 30)], span(0, 10), &history(40)).entries.is_empty());
    }

    #[test]
    fn time_without_data_can_be_excluded_and_counts_nothing() {
        let it = exclusion("it", 20, 30);
        let all = [it];
        let book = ledger(&all, span(0, 40), &history(10));
        assert_eq!((book.entries[0].counts, book.length()), (None, 10 * MINUTE));
    }

    proptest! {
        #[test]
        fn what_is_left_and_what_was_taken_out_are_all_there_was(
            spans in prop::collection::vec((0i64..50, 0i64..20), 0..6)
        ) {
            let all: Vec<_> =
                spans.iter().map(|&(from, length)| exclusion("it", from, from + length)).collect();
            let (before, bounds) = (history(60), span(0, 60));
            let it = ledger(&all, bounds, &before);
            let mut sum = it.history.counts(bounds).unwrap_or_default();
            sum += it.entries.iter().filter_map(|it| it.counts).sum();
            prop_assert_eq!(Some(sum), before.counts(bounds));
        }
    }
}
