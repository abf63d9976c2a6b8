//! Explain: how a number came to be.
//!
//! A number that nobody can check is one that nobody believes. So each comes as a tree: its value, the formula, what went
//! into it, each with where that came from, and what to know before believing it, such as that a third of the window has no
//! data. Who shows it decides how: [`Display`](std::fmt::Display) is a plain one.

use std::fmt;

use evenkeel_units::Human;
use serde::Serialize;

use crate::account::{Account, Exhaustion, Status, Thresholds, Unit};
use crate::attribution::Attribution;
use crate::exclusion::Ledger;
use crate::history::Coverage;
use crate::interval::Interval;
use crate::share::{decimal, percent};
use crate::{Counts, Share};

/// A number and how it came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// What it is called.
    pub name: String,
    /// What it is, as people write it.
    pub value: String,
    /// How it is computed from the inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formula: Option<&'static str>,
    /// What went into it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Self>,
    /// What to know before believing it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Explained {
    /// A number that is given, and not computed.
    pub fn given(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into(), ..Self::default() }
    }

    /// A number that is computed.
    pub fn computed(
        name: &str,
        value: impl Into<String>,
        formula: &'static str,
        inputs: Vec<Self>,
    ) -> Self {
        Self { formula: Some(formula), inputs, ..Self::given(name, value) }
    }

    /// The same, with something to know about it.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The number of a name in the tree.
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.inputs.iter().find_map(|it| it.find(name))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = depth * 2;
        write!(f, "{:indent$}{}: {}", "", self.name, self.value)?;
        if let Some(formula) = self.formula {
            write!(f, "  = {formula}")?;
        }
        writeln!(f)?;
        for note in &self.notes {
            writeln!(f, "{:indent$}  ({note})", "")?;
        }
        self.inputs.iter().try_for_each(|it| it.write(f, depth + 1))
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

/// Explains what is left of a budget, and when it will be spent at `burn`, the rate of a recent stretch.
pub fn account(
    of: &Account,
    thresholds: Thresholds,
    burn: Option<(Share, Interval)>,
    coverage: Coverage,
    ledger: Option<&Ledger<'_>>,
) -> Explained {
    let left = of.left();
    let shown = |it: Option<Share>| it.map_or_else(|| "no data".to_owned(), percent);
    let mut inputs = vec![spent(of, coverage, ledger)];
    inputs.extend(burn.and_then(|(burn, over)| exhaustion(of, burn, over)));
    let status = of.status(thresholds);
    let name = match status {
        Status::NoData => "nothing was counted",
        _ => status.name(),
    };
    Explained::computed("budget left", shown(left), "1 − budget spent", inputs).with_note(format!(
        "{name}: a warning at {} or less, critical at {} or less, exhausted at 0%",
        thresholds.warning, thresholds.critical
    ))
}

fn spent(of: &Account, coverage: Coverage, ledger: Option<&Ledger<'_>>) -> Explained {
    let shown = |it: Option<Share>, show: fn(Share) -> String| {
        it.map_or_else(|| "no data".to_owned(), show)
    };
    let mean = Explained::computed(
        "mean burn rate",
        shown(of.mean_burn(), |it| decimal(it.get())),
        "(bad / total) / (1 − objective)",
        vec![
            counted("bad", of.budget.counts.bad(), of.unit),
            counted("total", of.budget.counts.total, of.unit),
            Explained::given("objective", of.budget.objective.to_string()),
        ],
    );
    let bounds = Explained::given("window", format!("{} to {}", of.bounds.from, of.bounds.to));
    let passed = match of.unit {
        Unit::Events => Explained::given("elapsed", Human(of.elapsed()).to_string()),
        Unit::Time => counted("measured", of.budget.counts.total, of.unit),
    };
    let formula = match of.unit {
        Unit::Events => "mean burn rate × elapsed / window",
        Unit::Time => "mean burn rate × measured / window",
    };
    let mut it = Explained::computed(
        "budget spent",
        shown(of.spent(), percent),
        formula,
        vec![mean, passed, bounds],
    );
    it.notes.push(present(coverage));
    for entry in ledger.iter().flat_map(|it| &it.entries) {
        it.notes.push(excluded(entry));
    }
    it
}

fn counted(name: &str, count: u64, unit: Unit) -> Explained {
    let value = match unit {
        Unit::Events => count.to_string(),
        Unit::Time => Human(std::time::Duration::from_millis(count)).to_string(),
    };
    Explained::given(name, value)
}

fn exhaustion(of: &Account, burn: Share, over: Interval) -> Option<Explained> {
    let value = match of.exhaustion(burn)? {
        Exhaustion::Already => "already".to_owned(),
        Exhaustion::Never => "never".to_owned(),
        Exhaustion::NotInWindow => "not before the window ends".to_owned(),
        Exhaustion::After { lasts, at } => format!("in {}, at {at:.0}", Human(lasts)),
    };
    let rate = Explained::given("burn rate", decimal(burn.get())).with_note(format!(
        "measured over {}, from {}",
        Human(over.length()),
        over.from
    ));
    Some(Explained::computed(
        "exhausted",
        value,
        "after budget left × window / burn rate",
        vec![rate],
    ))
}

/// How much of a window there was data of: `12d of 30d present`.
pub fn present(coverage: Coverage) -> String {
    format!("{} of {} present", Human(coverage.present), Human(coverage.of))
}

fn excluded(entry: &crate::exclusion::Entry<'_>) -> String {
    let Counts { total, .. } = entry.counts.unwrap_or_default();
    let bad = entry.counts.unwrap_or_default().bad();
    let late = if entry.after_the_fact { ", after the fact" } else { "" };
    format!(
        "excluded {} by {}{late}: {} took out {bad} bad of {total}: {}",
        entry.name,
        entry.who,
        Human(entry.time.length()),
        entry.why
    )
}

/// Explains who burned a budget whose counts are of `unit`.
pub fn attribution(of: &Attribution, by: &str, unit: Unit) -> Explained {
    let part = |name: &str, bad: u64, share: Share| {
        let Explained { value, .. } = counted(name, bad, unit);
        Explained::given(name, format!("{value} ({})", percent(share)))
    };
    let culprit = |it: &crate::attribution::Culprit| part(&it.name, it.counts.bad(), it.share);
    let mut parts: Vec<_> = of.culprits.iter().map(culprit).collect();
    if of.rest > 0 {
        parts.push(part("none of these", of.rest, Share::of(of.rest, of.total.bad())));
    }
    let mut it = counted("bad", of.total.bad(), unit);
    it.inputs = parts;
    it.with_note(format!("by {by}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use crate::attribution::by_label;
    use crate::exclusion::{Exclusion, When, ledger};
    use crate::history::History;
    use jiff::Timestamp;
    use std::time::Duration;

    const DAY: Duration = Duration::from_hours(24);

    fn fifth() -> Account {
        let now: Timestamp = "2026-05-20T00:00:00Z".parse().unwrap();
        let window = Window::Rolling(30 * DAY);
        let counts = Counts { good: 9_992, total: 10_000 };
        Account::of("99.9%".parse().unwrap(), &window, Unit::Events, counts, now)
    }

    fn explained(ledger: Option<&Ledger<'_>>) -> Explained {
        let it = fifth();
        let hour = Interval::new(it.at.checked_sub(Duration::from_hours(1)).unwrap(), it.at);
        let coverage = Coverage { present: 12 * DAY, of: 30 * DAY };
        account(&it, Thresholds::default(), Some((Share::of(6, 1), hour)), coverage, ledger)
    }

    #[test]
    fn every_number_has_its_formula_its_inputs_and_what_to_know() {
        let expected = "\
budget left: 20 %  = 1 − budget spent
  (CRITICAL: a warning at 50% or less, critical at 25% or less, exhausted at 0%)
  budget spent: 80 %  = mean burn rate × elapsed / window
    (12d of 30d present)
    mean burn rate: 0.8  = (bad / total) / (1 − objective)
      bad: 8
      total: 10000
      objective: 99.9%
    elapsed: 30d
    window: 2026-04-20T00:00:00Z to 2026-05-20T00:00:00Z
  exhausted: in 1d, at 2026-05-21T00:00:00Z  = after budget left × window / burn rate
    burn rate: 6
      (measured over 1h, from 2026-05-19T23:00:00Z)
";
        assert_eq!(explained(None).to_string(), expected);
    }

    #[test]
    fn what_was_excluded_is_told_with_who_and_why() {
        let it = fifth();
        let from = it.bounds.from;
        let slices = vec![Some(Counts::with_bad(3, 10)); 4];
        let history = History::new(from, DAY, slices).unwrap();
        let all = [Exclusion {
            name: "move".to_owned(),
            who: "ada".to_owned(),
            why: "new data centre".to_owned(),
            entered: it.at,
            when: When::Once(Interval::lasting(from, DAY)),
        }];
        let book = ledger(&all, it.bounds, &history);
        let spent = explained(Some(&book));
        let note = &spent.find("budget spent").unwrap().notes[1];
        assert_eq!(
            note,
            "excluded move by ada, after the fact: 1d took out 3 bad of 10: new data centre"
        );
    }

    #[test]
    fn who_burned_it_adds_up() {
        let values =
            [("a", 6), ("b", 1)].map(|(it, bad)| (it.to_owned(), Counts::with_bad(bad, 10)));
        let it = attribution(&by_label(Counts::with_bad(8, 100), values, 1), "route", Unit::Events);
        assert_eq!(
            it.to_string(),
            "bad: 8\n  (by route)\n  a: 6 (75 %)\n  none of these: 2 (25 %)\n"
        );
        let minutes = by_label(Counts::with_bad(120_000, 600_000), [], 1);
        let it = attribution(&minutes, "zone", Unit::Time);
        assert_eq!(it.to_string(), "bad: 2m\n  (by zone)\n  none of these: 2m (100 %)\n");
    }

    #[test]
    fn no_data_is_said_in_words() {
        let empty = Account {
            budget: crate::Budget { counts: Counts::default(), ..fifth().budget },
            ..fifth()
        };
        let coverage = Coverage { present: Duration::ZERO, of: 30 * DAY };
        let it = account(&empty, Thresholds::default(), None, coverage, None);
        assert_eq!((it.value.as_str(), it.inputs[0].value.as_str()), ("no data", "no data"));
        assert!(it.notes[0].starts_with("nothing was counted"));
    }
}
