//! View: what every section looks at.

use std::borrow::Cow;
use std::time::Duration;

use evenkeel_slo::attribution::{Attribution, Cause, Kind, by_cause};
use evenkeel_slo::{Counts, Exhaustion, Interval, Unit, Window, burndown};
use evenkeel_units::Human;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

use super::Sheet;
use crate::chart::{Scale, Tick};
use crate::figure;

/// The most steps that a window is drawn in.
const STEPS: u32 = 720;
/// Steps of time that people count in, in minutes: those of a chart, and of the ticks of an axis within days.
const NICE: [u64; 13] = [1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880, 10_080];
/// The most things that are drawn as having happened: the last of them.
const EVENTS_MAX: usize = 24;
/// Causes that are named.
const NAMED_MAX: usize = 8;

/// An objective, ready to be drawn.
pub(super) struct View<'a> {
    pub(super) sheet: &'a Sheet,
    /// In front of every anchor, where several objectives share a page.
    pub(super) prefix: String,
    /// Whose clocks moments are shown by.
    pub(super) zone: TimeZone,
    /// The part of the window that has passed and is drawn: from where its history begins.
    pub(super) passed: Interval,
    /// The same, and what may still come of it: the axis of the burn-down.
    pub(super) reach: Interval,
    pub(super) steps: Vec<Step>,
    /// How long a step is.
    pub(super) step: Duration,
    /// What happened in the window, the first first: their places here are their numbers, less one.
    pub(super) events: Vec<&'a Cause>,
    /// Who burned the budget, by the numbers of events.
    pub(super) went: Attribution,
}

/// A part of the window.
pub(super) struct Step {
    pub(super) time: Interval,
    /// What was counted; `None` without data.
    pub(super) counts: Option<Counts>,
    /// What was left of the budget at its end.
    pub(super) left: Option<f64>,
}

impl<'a> View<'a> {
    pub(super) fn new(sheet: &'a Sheet, prefix: &str) -> Self {
        let account = &sheet.standing.account;
        let passed = sheet.history.bounds().common(sheet.objective.elapsed(sheet.at()));
        let slice = sheet.history.slice();
        let step = nice(slice.max(passed.length() / STEPS)).max(slice);
        let times: Vec<_> = pieces(passed, step);
        let lefts = burndown(account, &sheet.history, &times);
        let mut lefts = lefts.into_iter().map(|it| it.1);
        let of_time =
            |time| Step { time, counts: sheet.history.counts(time), left: lefts.next().flatten() };
        let steps = times.into_iter().map(of_time).collect();
        let mut events: Vec<_> = sheet.causes.iter().filter(|it| it.time.meets(passed)).collect();
        events.sort_by_key(|it| it.time.from);
        events.drain(..events.len().saturating_sub(EVENTS_MAX));
        // By their numbers, since several may have one name, such as a version that went out twice.
        let numbered =
            |(n, it): (usize, &&Cause)| Cause { name: (n + 1).to_string(), ..(*it).clone() };
        let numbered: Vec<_> = events.iter().enumerate().map(numbered).collect();
        Self {
            sheet,
            prefix: prefix.to_owned(),
            zone: zone(&sheet.objective.window),
            reach: reach(sheet, passed),
            went: by_cause(&sheet.history, passed, &numbered, NAMED_MAX),
            passed,
            steps,
            step,
            events,
        }
    }

    /// Whether anything was counted.
    pub(super) fn has_data(&self) -> bool {
        self.steps.iter().any(|it| it.counts.is_some())
    }

    /// An anchor of this objective on its page.
    pub(super) fn id(&self, of: &str) -> String {
        format!("{}{of}", self.prefix)
    }

    /// The name of a chart of this objective.
    pub(super) fn plot(&self, of: &str) -> Cow<'static, str> {
        Cow::Owned(format!("plot-{}", self.id(of)))
    }

    /// What is left of the budget; `None` without data.
    pub(super) fn left(&self) -> Option<f64> {
        self.sheet.standing.account.left().map(evenkeel_slo::Share::get)
    }

    /// Seconds from the beginning of the window.
    pub(super) fn seconds(&self, at: Timestamp) -> f64 {
        at.duration_since(self.passed.from).as_secs_f64()
    }

    /// An axis of time.
    pub(super) fn axis(&self, of: Interval) -> Scale {
        Scale::linear(self.seconds(of.from), self.seconds(of.to))
    }

    /// A moment as it is shown beside others.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        self.written(at, if self.passed.length() < DAYS { "%H:%M" } else { "%-d %b %H:%M" })
    }

    /// A day, or a time of one in a window of less than days.
    pub(super) fn day(&self, at: Timestamp) -> String {
        self.written(at, if self.reach.length() < DAYS { "%-d %b %H:%M" } else { "%-d %b" })
    }

    /// A moment in a sentence.
    pub(super) fn moment_with_day(&self, at: Timestamp) -> String {
        self.written(at, "%-d %b %H:%M")
    }

    /// A moment with everything.
    pub(super) fn in_full(&self, at: Timestamp) -> String {
        self.written(at, "%-d %b %Y %H:%M %Z")
    }

    pub(super) fn here(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone())
    }

    fn written(&self, at: Timestamp, how: &str) -> String {
        // A pattern of ours; should it be none after all, the moment speaks for itself.
        jiff::fmt::strtime::format(how, &self.here(at)).unwrap_or_else(|_| at.to_string())
    }

    /// Ticks of an axis of time, about `wanted` of them.
    pub(super) fn ticks(&self, of: Interval, wanted: u32) -> Vec<Tick> {
        let axis = self.axis(of);
        let raw = of.length() / wanted.max(1);
        let (every, label) = match NICE.iter().map(|it| minutes(*it)).find(|it| *it >= raw) {
            Some(it) if it < minutes(1_440) => (it, "%H:%M"),
            _ => {
                let days = raw.as_secs().div_ceil(86_400);
                let days = [1, 2, 4, 7, 14, 28, 91].into_iter().find(|it| *it >= days);
                (minutes(days.unwrap_or(182) * 1_440), "%-d %b")
            }
        };
        let Ok(midnight) = self.here(of.from).start_of_day() else { return Vec::new() };
        let days = every.as_secs() / 86_400;
        let next = |at: &Zoned| match days {
            0 => at.checked_add(every),
            days => at.checked_add(i64::try_from(days).unwrap_or(1).days()),
        };
        let moments = std::iter::successors(Some(midnight), |it| next(it).ok());
        moments
            .map(|it| it.timestamp())
            .skip_while(|it| *it < of.from)
            .take_while(|it| *it <= of.to)
            .take(wanted as usize * 3 + 8)
            .map(|it| {
                let at_midnight = label == "%H:%M" && self.written(it, "%H:%M") == "00:00";
                let label = if at_midnight { "%-d %b" } else { label };
                Tick { at: axis.at(self.seconds(it)), label: self.written(it, label) }
            })
            .collect()
    }

    /// So many events, or so much time.
    pub(super) fn amount(&self, counted: u64) -> String {
        match self.sheet.standing.account.unit {
            Unit::Events => figure::count(counted),
            Unit::Time => figure::rough(Duration::from_millis(counted)),
        }
    }

    /// What is counted, as a plural.
    pub(super) const fn events_word(&self) -> &'static str {
        match self.sheet.standing.account.unit {
            Unit::Events => "events",
            Unit::Time => "time",
        }
    }

    /// Such as `in steps of 1h`.
    pub(super) fn pace(&self) -> String {
        format!("in steps of {}", Human(self.step))
    }

    /// What an event is called where only its name stands: with its kind, unless its name says it.
    pub(super) fn called(it: &Cause) -> String {
        let kind = it.kind.name();
        match it.name.to_lowercase().contains(kind) {
            true => it.name.clone(),
            false => format!("{kind} {}", it.name),
        }
    }
}

/// A time from which on days are counted rather than hours.
pub(super) const DAYS: Duration = Duration::from_hours(50);

/// Kinds of events, as classes of a tone.
pub(super) const fn class(of: Kind) -> &'static str {
    match of {
        Kind::Deploy => "acc",
        Kind::Incident => "bad",
        Kind::Drill => "drill",
    }
}

fn zone(of: &Window) -> TimeZone {
    match of {
        Window::Rolling(_) => TimeZone::UTC,
        Window::Calendar(it) => it.zone.clone(),
    }
}

/// The axis of the burn-down: of a calendar window all of it; of one that rolls, as far as it takes to see the budget run
/// dry, but no more than a quarter of the window.
fn reach(sheet: &Sheet, passed: Interval) -> Interval {
    let account = &sheet.standing.account;
    if !account.rolling {
        return account.bounds;
    }
    let length = passed.length();
    let room = length / 12;
    let to_come = match sheet.standing.exhaustion {
        Some(Exhaustion::After { lasts, .. }) if lasts <= length => {
            (lasts + room).clamp(room, length / 4)
        }
        _ => room,
    };
    Interval::new(passed.from, Interval::lasting(passed.to, to_come).to)
}

/// The least time of those that people count in which is not shorter.
fn nice(raw: Duration) -> Duration {
    NICE.iter().map(|it| minutes(*it)).find(|it| *it >= raw).unwrap_or(raw)
}

const fn minutes(many: u64) -> Duration {
    Duration::from_secs(many * 60)
}

/// An interval in pieces of a length; the last may be shorter.
pub(super) fn pieces(of: Interval, length: Duration) -> Vec<Interval> {
    let from = std::iter::successors(Some(of.from), |it| Some(Interval::lasting(*it, length).to));
    from.take_while(|it| *it < of.to && !length.is_zero())
        .map(|it| Interval::lasting(it, length).common(of))
        .collect()
}
