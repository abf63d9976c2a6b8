//! Truth: the error ratio of a month by the events that there were, by exact rules, and by those of Sloth.
//!
//! A promise of 99.9 % on a service with a hundred times the traffic by day. Sloth takes the mean of the ratios of five
//! minutes, so that an hour of errors weighs as much at night as by day.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result};
use evenkeel_series::Memory;
use evenkeel_slo::burn::catalogue;
use evenkeel_slo::rules::{Group, Makes, Subject, compat, exact};

use crate::play::{Moments, World, evaluate, extend};
use crate::scenario::{END, MINUTE, Quirk, Scenario, Stretch};
use crate::shop::{self, BAD, TOTAL};

const DAYS: i64 = 30;
const TILE: i64 = 5 * MINUTE;

/// Months of day and night, and of bursts.
pub(crate) fn months() -> Vec<Scenario> {
    let of = |name: &str, day: &dyn Fn(i64) -> Vec<(i64, f64, f64)>| {
        let stretch = |(minutes, traffic, burn): (i64, f64, f64)| Stretch {
            length: minutes * MINUTE,
            every: MINUTE / 2,
            traffic,
            burn,
        };
        Scenario {
            name: name.to_owned(),
            stretches: (0..DAYS).flat_map(day).map(stretch).collect(),
            quirk: Quirk::None,
            moments: Moments { from: END, until: END, step: TILE },
            tolerance: 0.005,
        }
    };
    let (day, night) = (100.0, 1.0);
    vec![
        of("an hour of errors every night", &|_| {
            vec![(660, day, 0.0), (60, day, 0.0), (60, night, 100.0), (660, night, 0.0)]
        }),
        of("an hour of errors every day", &|_| {
            vec![(660, day, 0.0), (60, day, 100.0), (60, night, 0.0), (660, night, 0.0)]
        }),
        // At another minute each day, most of them across steps of records.
        of("a burst of 43 minutes, by day and by night", &|number| {
            let (before, rest) = (number * 37 % 600, 720 - 43 - number * 37 % 600);
            let burst = [(before, day, 0.2), (43, day, 400.0), (rest, day, 0.2)];
            let quiet = [(before, night, 0.0), (43, night, 900.0), (rest, night, 0.0)];
            burst.into_iter().chain(quiet).collect()
        }),
    ]
}

/// The same ratio, in three ways.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Ratios {
    pub(crate) truth: f64,
    exact: f64,
    pub(crate) sloth: f64,
}

impl Ratios {
    fn off(self, it: f64) -> f64 {
        it / self.truth - 1.0
    }

    /// Whether ours is within half a percent of the truth.
    pub(crate) fn judged(self) -> Result<(), String> {
        let off = self.off(self.exact);
        let right = off.abs() <= 0.005;
        right.then_some(()).ok_or_else(|| format!("exact rules are off by {:.3} %", off * 100.0))
    }
}

impl fmt::Display for Ratios {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |it: f64| format!("{:.4} % ({:+.2} %)", it * 100.0, self.off(it) * 100.0);
        write!(to, "{:>7.4} % {:>18} {:>18}", self.truth * 100.0, of(self.exact), of(self.sloth))
    }
}

/// What each says of a month.
pub(crate) fn ratios(month: &Scenario) -> Result<Ratios> {
    let mut subject = shop::subject(catalogue::workbook(Duration::from_hours(720)));
    subject.objective = "99.9%".parse()?;
    let budget = subject.objective.rest().get();
    let series = month.series(budget, &format!("{BAD} {TOTAL}"));
    let (all, bad) = month.counted(budget, END - month.length(), END);
    let of = |rules: fn(&Subject) -> Vec<Group>| period(&rules(&subject), month, &series);
    Ok(Ratios { truth: bad / all, exact: of(exact::rules)?, sloth: of(compat::rules)? })
}

/// What the record of 30 days says at the end, where everything else has been recorded in steps.
fn period(groups: &[Group], month: &Scenario, series: &Memory) -> Result<f64> {
    let mut world = World { measured: series, made: Memory::new() };
    let named = |window: &str| {
        let rules = groups.iter().flat_map(|it| &it.rules);
        let meant =
            rules.filter(|it| matches!(&it.makes, Makes::Record(name) if name.ends_with(window)));
        Group { name: window.to_owned(), interval: None, rules: meant.cloned().collect() }
    };
    let steps = Moments { from: END - month.length() + TILE, until: END, step: TILE };
    extend(&mut world, &[named("5m")], steps)?;
    extend(&mut world, &[named("30d")], month.moments)?;
    let rules = named("30d").rules;
    let rule =
        rules.iter().find(|it| it.labels.contains_key("sloth_window") && is_ratio(&it.makes));
    let made = evaluate(rule.context("no ratio of 30 days")?, &world, month.moments)?;
    let (_, points) = made.first().context("no value of 30 days")?;
    points.last().map(|it| it.value).context("no value at the end")
}

fn is_ratio(makes: &Makes) -> bool {
    matches!(makes, Makes::Record(name) if name.starts_with("slo:sli_error:ratio_rate"))
}
