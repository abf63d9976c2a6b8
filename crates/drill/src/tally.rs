//! Tally: seconds of load added up, and the figures they give.
//!
//! Counts are added, percentiles are read off the sum; a percentile of percentiles is nobody's.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_model::document::Metric;
use evenkeel_model::outcome::{Figures, Times};
use evenkeel_model::{Answer, Frame, Series};
use evenkeel_stats::Histogram;
use evenkeel_units::{Moment, Ratio};

/// Some seconds of load, added up.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    planned: u64,
    sent: u64,
    missed: u64,
    answers: BTreeMap<Answer, u64>,
    good: Histogram,
    all: Histogram,
    /// Service times of requests answered right.
    service: Histogram,
    /// How long answers were asked for.
    time: Duration,
    /// Requests answered right in that time.
    timely: u64,
    peak: u64,
    /// When the load ends: later seconds bring answers, and are no time in which any was asked for.
    end: Option<Moment>,
}

impl Tally {
    /// The sum of `frames`.
    pub fn of(frames: impl IntoIterator<Item: Borrow<Frame>>) -> Self {
        Self::default().plus(frames)
    }

    /// An empty tally of a load that lasts for `length`. Answers that come later are counted, but are no part of
    /// its throughput: what a service still owes when the load ends, it did not keep up with.
    pub fn within(length: Duration) -> Self {
        Self { end: Some(Moment::at(length)), ..Self::default() }
    }

    /// With `frames` added.
    #[must_use]
    pub fn plus(mut self, frames: impl IntoIterator<Item: Borrow<Frame>>) -> Self {
        frames.into_iter().for_each(|frame| self.add(frame.borrow()));
        self
    }

    /// With one route of `frames` added. Arrivals that were never sent belong to no route.
    #[must_use]
    pub fn plus_route(self, frames: impl IntoIterator<Item: Borrow<Frame>>, route: usize) -> Self {
        self.plus_series(frames, |it| &it.series, route)
    }

    /// With one transaction of `frames` added.
    #[must_use]
    pub(crate) fn plus_transaction(
        self,
        frames: impl IntoIterator<Item: Borrow<Frame>>,
        transaction: usize,
    ) -> Self {
        self.plus_series(frames, |it| &it.transactions, transaction)
    }

    fn plus_series(
        mut self,
        frames: impl IntoIterator<Item: Borrow<Frame>>,
        of: impl Fn(&Frame) -> &[Series],
        number: usize,
    ) -> Self {
        for frame in frames {
            let frame = frame.borrow();
            self.add_series(frame, of(frame), number);
        }
        self
    }

    /// Adds one route of a second.
    pub(crate) fn add_route(&mut self, frame: &Frame, route: usize) {
        self.add_series(frame, &frame.series, route);
    }

    fn add_series(&mut self, frame: &Frame, all: &[Series], number: usize) {
        let good = all.iter().filter(|it| it.route == number).map(|it| self.answered(it)).sum();
        self.add_second(frame, good);
        self.planned = self.answers.values().sum();
        self.sent = self.planned;
    }

    /// Adds a second.
    pub fn add(&mut self, frame: &Frame) {
        self.planned += frame.planned;
        self.sent += frame.sent;
        self.missed += frame.missed;
        let good = frame.series.iter().map(|it| self.answered(it)).sum();
        self.add_second(frame, good);
    }

    /// Adds the time of a second, in which `good` requests were answered right.
    fn add_second(&mut self, frame: &Frame, good: u64) {
        const SECOND: Duration = Duration::from_secs(1);
        let asked = self.end.map_or(SECOND, |end| (end - frame.from()).min(SECOND));
        self.time += asked;
        self.timely += if asked.is_zero() { 0 } else { good };
        self.peak = self.peak.max(good);
    }

    /// For how long answers were asked for.
    pub(crate) const fn time(&self) -> Duration {
        self.time
    }

    /// Adds answers; says how many of them were good.
    fn answered(&mut self, series: &Series) -> u64 {
        let count = series.response_micros.count();
        *self.answers.entry(series.answer).or_default() += count;
        self.all.add(&series.response_micros);
        if series.answer.is_ok() {
            self.good.add(&series.response_micros);
            self.service.add(&series.service_micros);
            count
        } else {
            0
        }
    }

    /// Requests answered right.
    pub fn good(&self) -> u64 {
        self.answers.get(&Answer::Ok).copied().unwrap_or(0)
    }

    /// Requests that failed.
    pub fn failed(&self) -> u64 {
        self.answers.iter().filter(|(answer, _)| !answer.is_ok()).map(|(_, count)| count).sum()
    }

    /// Requests whose outcome is known, and arrivals that were never sent.
    pub fn total(&self) -> u64 {
        self.good() + self.failed() + self.missed
    }

    /// Arrivals that were due.
    pub const fn planned(&self) -> u64 {
        self.planned
    }

    /// Arrivals that were never sent.
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Requests that failed, by class.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        let failed = self.answers.iter().filter(|(answer, count)| !answer.is_ok() && **count > 0);
        failed.map(|(answer, count)| (answer.name().to_owned(), *count)).collect()
    }

    /// Response times of requests answered right.
    pub const fn good_times(&self) -> &Histogram {
        &self.good
    }

    /// The time within which the share `q` of all requests was answered right, by nearest rank. Requests
    /// that failed or were never sent come last: infinite when the rank falls among them.
    pub fn answered_within(&self, q: Ratio) -> Option<f64> {
        let total = self.total();
        // In whole numbers: 0.55 × 100 is 55, and not the 55.00000000000001 that would be rounded up to 56.
        let rank = (u128::from(total) * u128::from(q.billionths())).div_ceil(1_000_000_000).max(1);
        let (good, mut seen) = (self.good.to_distribution(), 0);
        let found = good.micros.iter().find(|(_, count)| {
            seen += u128::from(*count);
            seen >= rank
        });
        (total > 0).then(|| found.map_or(f64::INFINITY, |(micros, _)| *micros as f64 / 1e6))
    }

    /// A figure in its base unit; `None` without data, or when it is no figure of load.
    pub fn figure(&self, metric: Metric) -> Option<f64> {
        let share = |count: u64| (self.total() > 0).then(|| count as f64 / self.total() as f64);
        let seconds = |it: Option<Duration>| it.map(|it| it.as_secs_f64());
        match metric {
            Metric::ErrorRate => share(self.failed() + self.missed),
            Metric::Availability => share(self.good()),
            Metric::MeanResponseTime => seconds(self.all.mean()),
            Metric::MaxResponseTime => seconds(self.all.max()),
            Metric::Percentile(quantile) => self.answered_within(quantile.ratio()),
            Metric::Throughput => {
                (!self.time.is_zero()).then(|| self.timely as f64 / self.time.as_secs_f64())
            }
            Metric::RecoveryTime
            | Metric::DetectionTime
            | Metric::BreakdownUsers
            | Metric::BreakdownRate => None,
        }
    }

    /// Everything a report shows of it.
    pub fn figures(&self) -> Figures {
        let good = times(&self.good);
        Figures {
            planned: self.planned,
            sent: self.sent,
            good: self.good(),
            failed: self.failed(),
            missed: self.missed,
            errors: self.errors(),
            availability_ratio: self.figure(Metric::Availability),
            throughput_per_second: self.figure(Metric::Throughput).unwrap_or(0.0),
            peak_per_second: self.peak as f64,
            mean_seconds: good.mean_seconds,
            p50_seconds: good.p50_seconds,
            p90_seconds: good.p90_seconds,
            p95_seconds: good.p95_seconds,
            p99_seconds: good.p99_seconds,
            p999_seconds: good.p999_seconds,
            max_seconds: good.max_seconds,
            service: times(&self.service),
            all: times(&self.all),
        }
    }
}

/// Times by percentile.
pub(crate) fn times(of: &Histogram) -> Times {
    let seconds = |it: Option<Duration>| it.map(|it| it.as_secs_f64());
    let at = |q| seconds(of.quantile(q));
    Times {
        mean_seconds: seconds(of.mean()),
        p50_seconds: at(0.5),
        p90_seconds: at(0.9),
        p95_seconds: at(0.95),
        p99_seconds: at(0.99),
        p999_seconds: at(0.999),
        max_seconds: seconds(of.max()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use evenkeel_model::Distribution;

    /// A second in which requests of the first route took `good_ms`, and `failed` others did not.
    pub(crate) fn frame(second: u64, good_ms: &[u64], failed: u64) -> Frame {
        let mut good = Histogram::default();
        good_ms.iter().for_each(|it| good.record(Duration::from_millis(*it)));
        let mut all = vec![series(Answer::Ok, good.to_distribution())];
        if failed > 0 {
            let answer = Answer::Status;
            all.push(series(answer, Distribution { micros: vec![(1_000, failed)] }));
        }
        let planned = good_ms.len() as u64 + failed;
        Frame { second, planned, sent: planned, series: all, ..Frame::default() }
    }

    /// Answers of the first route, sent when they were due.
    pub(crate) fn series(answer: Answer, times: Distribution) -> Series {
        Series { route: 0, answer, response_micros: times.clone(), service_micros: times }
    }

    #[test]
    fn failures_are_the_slowest_answers_of_a_percentile() {
        let tally = Tally::of([&frame(0, &[10; 98], 2)]);
        assert!(tally.answered_within(Ratio::percent(98)).unwrap() < 0.011);
        assert!(tally.answered_within(Ratio::percent(99)).unwrap().is_infinite());
    }

    #[test]
    fn a_rank_is_counted_in_whole_requests() {
        let times: Vec<_> = (1..=100).collect();
        let tally = Tally::of([&frame(0, &times, 0)]);
        assert!(tally.answered_within(Ratio::percent(55)).unwrap() < 0.0556);
    }

    #[test]
    fn what_is_answered_after_the_end_of_the_load_is_no_part_of_its_throughput() {
        let frames = [frame(0, &[1; 90], 0), frame(1, &[1; 110], 0), frame(2, &[900; 10], 0)];
        let tally = Tally::within(Duration::from_secs(2)).plus(&frames);
        assert_eq!((tally.good(), tally.figure(Metric::Throughput)), (210, Some(100.0)));
    }

    #[test]
    fn a_load_that_ends_within_a_second_is_measured_by_the_time_it_took() {
        let tally = Tally::within(Duration::from_millis(1_500))
            .plus([frame(0, &[1; 100], 0), frame(1, &[1; 50], 0)]);
        assert_eq!(tally.figure(Metric::Throughput), Some(100.0));
    }

    #[test]
    fn no_request_is_no_figure() {
        let tally = Tally::default();
        assert_eq!(tally.figure(Metric::ErrorRate), None);
        assert_eq!(tally.figures().p99_seconds, None);
    }

    #[test]
    fn times_of_right_answers_of_all_and_of_service_are_told_apart() {
        let mut second = frame(0, &[10; 90], 0);
        second.series[0].service_micros = Distribution { micros: vec![(2_000, 90)] };
        let late = Distribution { micros: vec![(1_000_000, 10)] };
        second.series.push(series(Answer::Timeout, late));
        let figures = Tally::of([&second]).figures();
        let near = |it: Option<f64>, wanted: f64| (it.unwrap() / wanted - 1.0).abs() < 0.001;
        assert!(near(figures.p95_seconds, 0.01) && near(figures.service.p95_seconds, 0.002));
        assert!(near(figures.all.p95_seconds, 1.0) && near(figures.all.p50_seconds, 0.01));
    }

    #[test]
    fn missed_arrivals_are_errors() {
        let missed = Frame { missed: 50, planned: 100, ..frame(0, &[1; 50], 0) };
        assert_eq!(Tally::of([&missed]).figure(Metric::ErrorRate), Some(0.5));
    }
}
