//! Backtest: what alerts would have said of a time that is over.
//!
//! A history of counts is played through rules as if it happened now, slice by slice. With the incidents of that time,
//! each page is one that was due, or one that woke somebody for nothing:
//!
//! ```text
//!   precision = pages that meet an incident / pages
//!   recall    = incidents that were paged for / incidents
//!   detection = first page − beginning of the incident
//!   reset     = end of the last page − end of the incident
//! ```
//!
//! Nothing fires before the history begins, and windows that reach back beyond it hold only what there is.

use std::time::Duration;

use evenkeel_units::{Human, Ratio};
use jiff::Timestamp;

use crate::burn::alert::Change;
use crate::burn::board::Board;
use crate::burn::{Rule, Severity, catalogue, factor};
use crate::interval::{Interval, Intervals, before, between};
use crate::{History, Share};

/// A month, as a rate of pages is per month.
const MONTH: Duration = Duration::from_hours(30 * 24);

/// Pages that one replay keeps.
pub const FIRINGS_MAX: usize = 100_000;

/// An alert fired.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Of which rule, by its place.
    pub rule: usize,
    /// How severe.
    pub severity: Severity,
    /// From when to when; to the end of the history if it did not resolve.
    pub time: Interval,
    /// Whether a faster rule fired at the time, so that nobody was told.
    pub inhibited: bool,
}

/// Everything that fired, in order of time.
pub fn replay(objective: Ratio, rules: &[Rule], history: &History) -> Vec<Firing> {
    let mut board = Board::new(objective, rules.iter().cloned());
    let mut open: Vec<Option<usize>> = vec![None; rules.len()];
    let mut all: Vec<Firing> = Vec::new();
    let end = history.bounds().to;
    for (slice, _) in history.slices() {
        let now = slice.to;
        let window = |length| history.counts(Interval::new(before(now, length), now));
        for notice in board.on(now, window) {
            let Some((rule, open)) = rules.get(notice.rule).zip(open.get_mut(notice.rule)) else {
                continue;
            };
            match notice.change {
                Change::Fired if all.len() < FIRINGS_MAX => {
                    *open = Some(all.len());
                    all.push(Firing {
                        rule: notice.rule,
                        severity: rule.severity,
                        time: Interval::new(now, end),
                        inhibited: notice.inhibited_by.is_some(),
                    });
                }
                Change::Fired => {}
                Change::Resolved => {
                    if let Some(it) = open.take().and_then(|it| all.get_mut(it)) {
                        it.time.to = now;
                    }
                }
            }
        }
    }
    all
}

/// How well alerts of a severity told of incidents.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Pages: firings of at least the severity that nobody else's made superfluous.
    pub pages: usize,
    /// Pages in 30 days.
    pub pages_per_month: f64,
    /// Pages that met an incident.
    pub pages_due: usize,
    /// Incidents.
    pub incidents: usize,
    /// Incidents that were paged for.
    pub detected: usize,
    /// How long each of those took to be told of, in the order of the incidents.
    pub detection: Vec<Duration>,
    /// How much longer than the incident the alert fired.
    pub reset: Vec<Duration>,
}

impl Report {
    /// Share of the pages that were due; `None` without pages.
    pub fn precision(&self) -> Option<Share> {
        (self.pages > 0).then(|| Share::of(self.pages_due as u64, self.pages as u64))
    }

    /// Share of the incidents that were told of; `None` without incidents.
    pub fn recall(&self) -> Option<Share> {
        (self.incidents > 0).then(|| Share::of(self.detected as u64, self.incidents as u64))
    }

    /// The longest time until an incident was told of.
    pub fn slowest(&self) -> Option<Duration> {
        self.detection.iter().copied().max()
    }
}

/// Judges firings of at least `severity` by the incidents of the time. One belongs to an incident if it fired during it, or
/// no longer than `grace` after.
pub fn judge(
    firings: &[Firing],
    severity: Severity,
    incidents: &Intervals,
    grace: Duration,
    observed: Interval,
) -> Report {
    let told: Vec<_> = firings
        .iter()
        .filter(|it| it.severity >= severity && !it.inhibited)
        .map(|it| it.time)
        .collect();
    let of = |incident: Interval| {
        let reach = Interval::lasting(incident.from, incident.length().saturating_add(grace));
        move |page: &&Interval| page.meets(reach)
    };
    let due = told.iter().filter(|page| incidents.iter().any(|it| of(*it)(page))).count();
    let incidents = incidents.within(observed);
    let mut report = Report {
        pages: told.len(),
        pages_per_month: told.len() as f64 * MONTH.as_secs_f64()
            / observed.length().as_secs_f64().max(1.0),
        pages_due: due,
        incidents: incidents.pieces(),
        detected: 0,
        detection: Vec::new(),
        reset: Vec::new(),
    };
    for incident in &incidents {
        let pages: Vec<_> = told.iter().filter(of(*incident)).collect();
        let (first, last): (Option<Timestamp>, Option<Timestamp>) =
            (pages.iter().map(|it| it.from).min(), pages.iter().map(|it| it.to).max());
        if let (Some(first), Some(last)) = (first, last) {
            report.detected += 1;
            report.detection.push(between(incident.from, first));
            report.reset.push(between(incident.to, last));
        }
    }
    report
}

/// A set of rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// What it is called.
    pub name: String,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// Whether slower alerts are silent while a faster one fires.
    pub inhibits: bool,
}

/// Sets of rules, each with its report, the best first: one that told of more incidents, then one that woke fewer for
/// nothing, then one that told sooner, then one that paged less.
pub fn rank(
    objective: Ratio,
    candidates: Vec<Candidate>,
    severity: Severity,
    history: &History,
    incidents: &Intervals,
    grace: Duration,
) -> Vec<(Candidate, Report)> {
    let report = |of: &Candidate| {
        let mut firings = replay(objective, &of.rules, history);
        firings.iter_mut().for_each(|it| it.inhibited &= of.inhibits);
        judge(&firings, severity, incidents, grace, history.bounds())
    };
    let reported = |it: Candidate| {
        let report = report(&it);
        (it, report)
    };
    let mut all: Vec<_> = candidates.into_iter().map(reported).collect();
    let total =
        |it: &Report| it.detection.iter().fold(Duration::ZERO, |sum, it| sum.saturating_add(*it));
    all.sort_by(|(_, a), (_, b)| {
        let in_vain = |it: &Report| it.pages - it.pages_due.min(it.pages);
        (b.detected.cmp(&a.detected))
            .then_with(|| in_vain(a).cmp(&in_vain(b)))
            .then_with(|| total(a).cmp(&total(b)))
            .then_with(|| a.pages.cmp(&b.pages))
    });
    all
}

/// Sets of rules worth trying for a window: those that people use, and faster and slower pages. Rules that look further back
/// than the window, or that hold although the budget lasts, are left out.
pub fn candidates(window: Duration) -> Vec<Candidate> {
    let fits = |it: &Rule| it.long < window && it.factor >= Share::ONE;
    let set = |name: &str, rules| Candidate { name: name.to_owned(), rules, inhibits: true };
    let mut all = vec![
        set("workbook", catalogue::workbook(window)),
        set("with a ticket a day", catalogue::sloth(window)),
        set("1h, 6h, 24h", catalogue::hour_to_day(window)),
    ];
    for it in &mut all {
        it.rules.retain(fits);
    }
    let hour = Duration::from_hours(1);
    for (percent, long) in [(1, hour / 2), (2, hour / 2), (1, hour), (5, hour), (5, 2 * hour)] {
        let share = Ratio::percent(percent);
        let page = catalogue::custom("fast", Severity::Page, long, factor(share, window, long));
        if fits(&page) {
            let slower = catalogue::workbook(window).into_iter().skip(1);
            let name = format!("workbook, with {share} in {}", Human(long));
            all.push(set(&name, [page].into_iter().chain(slower).collect()));
        }
    }
    all.retain(|it| !it.rules.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counts;

    const MINUTE: Duration = Duration::from_mins(1);
    const DAY: Duration = Duration::from_hours(24);

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn three_nines() -> Ratio {
        "99.9%".parse().unwrap()
    }

    /// Ten days of a hundred requests a minute; `bad` of them fail in a minute.
    fn ten_days(bad: impl Fn(usize) -> u64) -> History {
        let slices = (0..14_400).map(|it| Some(Counts::with_bad(bad(it), 100))).collect();
        History::new(at(0), MINUTE, slices).unwrap()
    }

    fn outage(minute: usize) -> u64 {
        if (5_000..5_060).contains(&minute) { 100 } else { 0 }
    }

    fn incident() -> Intervals {
        [Interval::new(at(5_000), at(5_060))].into_iter().collect()
    }

    fn workbook() -> Vec<Rule> {
        catalogue::workbook(30 * DAY)
    }

    fn set(name: &str, rules: Vec<Rule>) -> Candidate {
        Candidate { name: name.to_owned(), rules, inhibits: true }
    }

    #[test]
    fn an_outage_is_told_of_within_minutes_and_over_soon_after() {
        let history = ten_days(outage);
        let firings = replay(three_nines(), &workbook(), &history);
        let report = judge(&firings, Severity::Page, &incident(), MINUTE, history.bounds());
        assert_eq!((report.pages, report.incidents, report.detected), (1, 1, 1));
        assert_eq!((report.precision(), report.recall()), (Some(Share::ONE), Some(Share::ONE)));
        assert!(report.slowest().unwrap() <= 2 * MINUTE, "{report:?}");
        assert!(report.reset[0] <= 5 * MINUTE, "{report:?}");
        assert!((report.pages_per_month - 3.0).abs() < 1e-9);
    }

    #[test]
    fn pages_without_an_incident_cost_precision_and_silence_costs_recall() {
        let history = ten_days(|it| if (2_000..2_060).contains(&it) { 100 } else { 0 });
        let firings = replay(three_nines(), &workbook(), &history);
        let report = judge(&firings, Severity::Page, &incident(), MINUTE, history.bounds());
        assert_eq!((report.precision(), report.recall()), (Some(Share::ZERO), Some(Share::ZERO)));
        let quiet = judge(&[], Severity::Page, &Intervals::EMPTY, MINUTE, history.bounds());
        assert_eq!((quiet.precision(), quiet.recall()), (None, None));
    }

    #[test]
    fn what_still_fires_at_the_end_fires_until_the_end() {
        let history = ten_days(|it| if it >= 14_000 { 100 } else { 0 });
        let firings = replay(three_nines(), &workbook(), &history);
        assert_eq!(firings[0].time.to, history.bounds().to);
    }

    #[test]
    fn the_better_set_comes_first() {
        // One outage, and one bad minute a day that matters to nobody.
        let history = ten_days(|it| outage(it).max(if it % 1440 == 700 { 80 } else { 0 }));
        let nervous = vec![Rule {
            low_traffic: None,
            ..Rule::new("1m", Severity::Page, 2 * MINUTE, None, Share::of(10, 1))
        }];
        let candidates =
            vec![set("nervous", nervous), set("deaf", Vec::new()), set("workbook", workbook())];
        let ranked = rank(three_nines(), candidates, Severity::Page, &history, &incident(), MINUTE);
        let names: Vec<_> = ranked.iter().map(|(it, _)| it.name.as_str()).collect();
        assert_eq!(names, ["workbook", "nervous", "deaf"]);
    }

    #[test]
    fn who_wants_to_hear_of_everything_is_paged_by_slower_alerts_too() {
        let history = ten_days(outage);
        let all = Candidate { inhibits: false, ..set("all", workbook()) };
        let candidates = vec![all, set("fastest", workbook())];
        let ranked = rank(three_nines(), candidates, Severity::Page, &history, &incident(), MINUTE);
        let pages: Vec<_> = ranked.iter().map(|(it, of)| (it.name.as_str(), of.pages)).collect();
        assert_eq!(pages, [("fastest", 1), ("all", 2)]);
    }

    #[test]
    fn windows_are_suggested_that_tell_of_what_others_miss() {
        // Six minutes at a twentieth: 2 % in an hour of the budget of ten days are not spent, 1 % in half an hour are.
        let history = ten_days(|it| if (5_000..5_006).contains(&it) { 45 } else { 0 });
        let brief = [Interval::new(at(5_000), at(5_006))].into_iter().collect();
        let ranked =
            rank(three_nines(), candidates(10 * DAY), Severity::Page, &history, &brief, MINUTE);
        assert_eq!(ranked[0].1.detected, 1);
        assert!(ranked.len() == 8 && ranked[0].1.detection <= ranked[1].1.detection, "{ranked:?}");
    }

    #[test]
    fn no_set_looks_further_back_than_the_window_or_tells_while_the_budget_lasts() {
        for window in [MINUTE, DAY] {
            let fits = |it: &Rule| it.long < window && it.factor >= Share::ONE;
            assert!(candidates(window).iter().flat_map(|it| &it.rules).all(fits));
        }
        let names = |window| candidates(window).into_iter().map(|it| it.name).collect::<Vec<_>>();
        assert_eq!(names(MINUTE), ["workbook"]);
    }

    #[test]
    fn a_gap_pages_nobody() {
        let slices = (0..3_000).map(|it| (it < 1_000).then(|| Counts::with_bad(0, 100))).collect();
        let history = History::new(at(0), MINUTE, slices).unwrap();
        assert_eq!(replay(three_nines(), &workbook(), &history), []);
    }
}
