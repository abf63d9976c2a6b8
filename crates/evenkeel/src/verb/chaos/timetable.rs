//! Timetable: which experiment is due, which times were missed, and when the next one comes.
//!
//! The moment is an argument, so a year of a schedule is tested in a millisecond. Experiments that are due at one time
//! are due one after the other. A time that comes while something runs is missed: whoever asked for 14:00 did not ask for
//! 14:20, and two experiments at a time could not be told apart.

use evenkeel_model::document::Schedule;
use jiff::{SignedDuration, Timestamp};

/// How late something may begin: later than this the time is missed, as on a host that slept.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// How many times of one experiment are looked at; a clock that has jumped must not keep us.
const LOOKED_AT: usize = 10_000;

/// Experiments with their times.
#[derive(Clone, Debug)]
pub(super) struct Timetable {
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    name: String,
    schedule: Schedule,
    next: Option<Timestamp>,
}

/// What is to be done about a time that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The experiment is run.
    Due(String),
    /// It is not: this time, or these times, were missed.
    Missed {
        /// Name of the experiment.
        name: String,
        /// The first of the times.
        first: Timestamp,
        /// How many.
        times: usize,
    },
}

impl Timetable {
    /// Experiments in the order in which those of one time are run; their times count from `now`.
    pub(super) fn new(rows: Vec<(String, Schedule)>, now: Timestamp) -> Self {
        let row = |(name, schedule): (String, Schedule)| {
            let next = schedule.next(now);
            Row { name, schedule, next }
        };
        Self { rows: rows.into_iter().map(row).collect() }
    }

    /// The next time, for people and by itself.
    pub(super) fn next(&self) -> Option<(Timestamp, String)> {
        let coming = self.rows.iter().filter_map(|it| Some((it.next?, it)));
        let (at, row) = coming.min_by_key(|(at, _)| *at)?;
        Some((at, format!("{} at {}", row.name, row.schedule.shown(at))))
    }

    /// Every experiment with its next times, for people.
    pub(super) fn lines(&self, count: usize) -> Vec<String> {
        let line = |it: &Row| {
            let times = std::iter::successors(it.next, |at| it.schedule.next(*at)).take(count);
            let times: Vec<_> = times.map(|at| it.schedule.shown(at)).collect();
            format!("{}  {}: {}", it.name, it.schedule, times.join(", "))
        };
        self.rows.iter().map(line).collect()
    }

    /// What is due, in the order of its times, and what was missed.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Turn> {
        self.come(now, Some(LATE))
    }

    /// Whatever has come while something ran was missed.
    pub(super) fn passed(&mut self, now: Timestamp) -> Vec<Turn> {
        self.come(now, None)
    }

    fn come(&mut self, now: Timestamp, late: Option<SignedDuration>) -> Vec<Turn> {
        let mut turns: Vec<(Timestamp, Turn)> = Vec::new();
        for row in &mut self.rows {
            let Some(first) = row.next.filter(|it| *it <= now) else { continue };
            let since = std::iter::once(first).chain(row.schedule.times(first));
            let came: Vec<_> = since.take_while(|it| *it <= now).take(LOOKED_AT).collect();
            let last = came.last().copied().unwrap_or(first);
            row.next = match came.len() < LOOKED_AT {
                true => row.schedule.next(last),
                false => row.schedule.next(now),
            };
            let is_due = late.is_some_and(|late| now.duration_since(last) <= late);
            let times = came.len() - usize::from(is_due);
            let name = row.name.clone();
            if times > 0 {
                turns.push((first, Turn::Missed { name: name.clone(), first, times }));
            }
            if is_due {
                turns.push((last, Turn::Due(name)));
            }
        }
        turns.sort_by_key(|(at, _)| *at);
        turns.into_iter().map(|(_, turn)| turn).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-03-10T{time}Z").parse().unwrap()
    }

    fn table(rows: &[(&str, &str)], now: &str) -> Timetable {
        let row = |(name, text): &(&str, &str)| ((*name).into(), Schedule::parse(text).unwrap());
        Timetable::new(rows.iter().map(row).collect(), at(now))
    }

    fn due(name: &str) -> Turn {
        Turn::Due(name.to_owned())
    }

    fn missed(name: &str, first: &str, times: usize) -> Turn {
        Turn::Missed { name: name.to_owned(), first: at(first), times }
    }

    #[test]
    fn nothing_is_due_before_its_time_and_each_time_once() {
        let mut table = table(&[("a", "0 14 * * *")], "13:00:00");
        assert_eq!(table.next().unwrap().0, at("14:00:00"));
        assert_eq!(table.due(at("13:59:59")), []);
        assert_eq!(table.due(at("14:00:00")), [due("a")]);
        assert_eq!(table.due(at("14:00:01")), []);
        assert_eq!(table.next().unwrap().1, "a at Wed 2026-03-11 14:00 UTC");
    }

    #[test]
    fn of_two_at_one_time_each_has_its_turn_and_what_comes_meanwhile_is_missed() {
        let rows = [("a", "0 14 * * *"), ("b", "0 14 * * *"), ("c", "5 14 * * *")];
        let mut table = table(&rows, "13:00:00");
        assert_eq!(table.due(at("14:00:00")), [due("a"), due("b")]);
        // Both took twenty minutes together.
        assert_eq!(table.passed(at("14:20:00")), [missed("c", "14:05:00", 1)]);
        assert_eq!(table.due(at("14:20:00")), []);
    }

    #[test]
    fn an_interval_keeps_its_beat_however_long_a_run_takes() {
        let mut table = table(&[("a", "@every 10m")], "13:00:00");
        assert_eq!(table.due(at("13:10:01")), [due("a")]);
        assert_eq!(table.passed(at("13:34:00")), [missed("a", "13:20:00", 2)]);
        assert_eq!(table.next().unwrap().0, at("13:40:00"));
    }

    #[test]
    fn a_host_that_slept_has_missed_its_times_and_runs_only_what_is_due_now() {
        let rows = [("a", "0 * * * *"), ("b", "30 10 * * *")];
        let mut table = table(&rows, "09:30:00");
        let turns = table.due(at("14:00:20"));
        assert_eq!(turns, [missed("a", "10:00:00", 4), missed("b", "10:30:00", 1), due("a")]);
    }

    #[test]
    fn a_clock_that_jumps_ahead_by_years_costs_a_moment() {
        let mut table = table(&[("a", "@every 1s")], "00:00:00");
        let later: Timestamp = "2056-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(table.due(later), [missed("a", "00:00:01", LOOKED_AT)]);
        assert!(table.next().unwrap().0 > later);
    }
}
