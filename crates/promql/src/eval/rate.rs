//! Rates: how much a counter grew, or a gauge changed, over a window.
//!
//! The samples seldom lie at the edges of the window, so what lies between them is extrapolated to its edges: all the way
//! if the next sample would be expected beyond the edge, else by half the usual distance between samples; and not below
//! zero for a counter. So does Prometheus, and so its figures are the same.

use std::sync::Arc;

use evenkeel_series::histogram::{Incompatible, Noted, Reset, Total};
use evenkeel_series::{Histogram, Span};

use super::Evaluation;
use super::over::in_order;
use super::window::Window;
use crate::answer::Sample;
use crate::ast::Edges;
use crate::note;

/// Which of `rate`, `increase` and `delta` it is.
#[derive(Copy, Clone, Debug)]
pub(super) struct Rate {
    pub(super) counter: bool,
    pub(super) per_second: bool,
}

/// How the samples lie in the window, in seconds.
#[derive(Copy, Clone, Debug)]
pub(super) struct Counted {
    to_start: f64,
    to_end: f64,
    sampled: f64,
    between: f64,
    window: f64,
}

/// How samples lie in a window; nothing when there are fewer than two.
pub(super) fn counted(first: i64, last: i64, count: u64, window: Span) -> Option<Counted> {
    let seconds = |from: i64, to: i64| (to - from) as f64 / 1000.0;
    let sampled = seconds(first, last);
    (count > 1).then(|| Counted {
        to_start: seconds(window.after, first),
        to_end: seconds(last, window.until),
        sampled,
        between: sampled / (count - 1) as f64,
        window: seconds(window.after, window.until),
    })
}

impl Rate {
    /// By what the growth between the samples is multiplied.
    pub(super) fn factor(self, counted: &Counted, grown: f64, first: f64) -> f64 {
        let Counted { mut to_start, mut to_end, sampled, between, window } = *counted;
        let far = between * 1.1;
        if to_start >= far {
            to_start = between / 2.0;
        }
        if self.counter && grown > 0.0 && first >= 0.0 {
            to_start = to_start.min(sampled * (first / grown));
        }
        if to_end >= far {
            to_end = between / 2.0;
        }
        let factor = if sampled > 0.0 { (sampled + to_start + to_end) / sampled } else { 1.0 };
        if self.per_second { factor / window } else { factor }
    }
}

impl Evaluation<'_> {
    pub(super) fn rate(&self, rate: Rate, window: &Window<'_>) -> Option<Sample> {
        let (points, histograms) = (window.points, window.histograms);
        if !points.is_empty() && !histograms.is_empty() {
            self.warn(note::mixed(window.metric()), window.at);
            return None;
        }
        if window.edges != Edges::Plain {
            return match histograms.is_empty() {
                true => Self::rate_to_edges(rate, window).map(Sample::Float),
                false => self.histogram_rate_to_edges(rate, window),
            };
        }
        if let ([first, .., last], []) = (points, histograms) {
            let counted = counted(first.at, last.at, points.len() as u64, window.span)?;
            let mut grown = last.value - first.value;
            if rate.counter {
                for pair in points.windows(2) {
                    if let [before, after] = pair
                        && after.value < before.value
                    {
                        grown += before.value;
                    }
                }
            }
            return Some(Sample::Float(grown * rate.factor(&counted, grown, first.value)));
        }
        let [(first_at, first), .., (last_at, _)] = histograms else { return None };
        let counted = counted(*first_at, *last_at, histograms.len() as u64, window.span)?;
        let grown = self.grown(rate, window)?;
        let factor = rate.factor(&counted, grown.count, first.count);
        Some(Sample::Histogram(Arc::new(grown.scaled(factor))))
    }

    /// How much a histogram grew from the first to the last of a window.
    fn grown(&self, rate: Rate, window: &Window<'_>) -> Option<Histogram> {
        let all = window.histograms;
        let [(_, first), (_, second), ..] = all else { return None };
        let (_, last) = all.last()?;
        if rate.counter {
            if all.iter().any(|(_, it)| it.reset == Reset::Gauge) {
                self.warn(note::no_counter(window.metric()), window.at);
            }
        } else if first.reset != Reset::Gauge || last.reset != Reset::Gauge {
            self.warn(note::no_gauge(window.metric()), window.at);
        }
        // What was before a reset right after the first is of no interest, nor is the make of its buckets.
        let mut before = first.clone();
        if rate.counter && second.is_reset_after(first) {
            let empty = Histogram {
                schema: second.schema,
                bounds: second.bounds.clone(),
                ..Histogram::default()
            };
            before = Arc::new(empty);
        }
        let between = all.get(1..).unwrap_or_default();
        if rate.counter && between.iter().any(|(_, it)| it.is_custom() != before.is_custom()) {
            return self.unlike(window);
        }
        let mut total = Total::of(last);
        if rate.counter {
            let coarsest = between.iter().map(|(_, it)| it.schema).min().unwrap_or(last.schema);
            total.coarsen(coarsest.min(before.schema));
        }
        self.noted(total.subtract(&before), "subtraction", window)?;
        if rate.counter {
            for (_, after) in between {
                if after.is_reset_after(&before) {
                    self.noted(total.add(&before), "addition", window)?;
                }
                before = after.clone();
            }
        }
        Some(total.finish().with_reset(Reset::Gauge))
    }

    /// What the last two samples say.
    pub(super) fn instant_rate(&self, counter: bool, window: &Window<'_>) -> Option<Sample> {
        let near = Window {
            points: window.points.get(window.points.len().saturating_sub(2)..).unwrap_or_default(),
            histograms: window
                .histograms
                .get(window.histograms.len().saturating_sub(2)..)
                .unwrap_or_default(),
            ..*window
        };
        let all = in_order(&near);
        let [.., (before_at, before), (at, after)] = all.as_slice() else { return None };
        let seconds = (at - before_at) as f64 / 1000.0;
        match (before, after) {
            (Sample::Float(before), Sample::Float(after)) => {
                let grown = if counter && after < before { *after } else { after - before };
                Some(Sample::Float(if counter { grown / seconds } else { grown }))
            }
            (Sample::Histogram(before), Sample::Histogram(after)) => {
                let is_gauge = |it: &Histogram| it.reset == Reset::Gauge;
                if counter && (is_gauge(before) || is_gauge(after)) {
                    self.warn(note::no_counter(window.metric()), window.at);
                }
                let both_gauges = is_gauge(before) && is_gauge(after);
                if !counter && !both_gauges {
                    self.warn(note::no_gauge(window.metric()), window.at);
                }
                let mut total = Total::of(after);
                if !counter || !after.is_reset_after(before) {
                    self.noted(total.subtract(before), "subtraction", window)?;
                }
                let grown = total.finish().with_reset(Reset::Gauge);
                let grown = if counter { grown.divided(seconds) } else { grown };
                Some(Sample::Histogram(Arc::new(grown)))
            }
            _ => {
                self.warn(note::mixed(window.metric()), window.at);
                None
            }
        }
    }

    /// Says what is worth knowing about an addition; nothing is returned if it cannot be done.
    pub(super) fn noted(
        &self,
        done: Result<Noted, Incompatible>,
        during: &str,
        window: &Window<'_>,
    ) -> Option<()> {
        match done {
            Ok(noted) => {
                // That resets collide is of no interest where they are looked at one by one.
                if noted.bounds_reconciled {
                    self.inform(note::reconciled(during), window.at);
                }
                Some(())
            }
            Err(Incompatible) => self.unlike(window),
        }
    }

    pub(super) fn unlike<T>(&self, window: &Window<'_>) -> Option<T> {
        self.warn(note::mixed_buckets(window.metric()), window.at);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(first: i64, last: i64, count: u64, grown: f64, value: f64) -> f64 {
        let rate = Rate { counter: true, per_second: false };
        let window = Span { after: 0, until: 100_000 };
        rate.factor(&counted(first, last, count, window).unwrap(), grown, value)
    }

    #[test]
    fn near_edges_are_reached_and_far_ones_by_half() {
        assert!((factor(10_000, 90_000, 9, 8.0, 100.0) - 100.0 / 80.0).abs() < 1e-12);
        assert!((factor(40_000, 90_000, 6, 5.0, 100.0) - 65.0 / 50.0).abs() < 1e-12);
    }

    #[test]
    fn a_counter_is_not_extrapolated_below_zero() {
        assert!((factor(10_000, 90_000, 9, 8.0, 0.0) - 90.0 / 80.0).abs() < 1e-12);
    }

    /// Prometheus 2 asks first where the counter would have been zero and then whether that is near, and so goes back to it
    /// from up to 1.1 intervals. Debian's 2.42 says 144,088.333 of these samples.
    #[test]
    fn a_counter_that_begins_amid_the_window_goes_back_half_an_interval_as_in_prometheus_3() {
        // The last day of three, 100 each minute from 100 on.
        let day = 86_400_000;
        let window = Span { after: 0, until: 3 * day };
        let counted = counted(2 * day + 7_000, 3 * day - 53_000, 1_440, window).unwrap();
        let rate = Rate { counter: true, per_second: false };
        let grown = 143_900.0;
        let increase = grown * rate.factor(&counted, grown, 100.0);
        assert!((increase - 144_038.333_333).abs() < 1e-3, "{increase}");
    }

    #[test]
    fn one_sample_says_nothing() {
        assert!(counted(1, 1, 1, Span { after: 0, until: 2 }).is_none());
    }
}
