//! Edges: ranges and selectors that take in samples beside them (experimental).
//!
//! `anchored` counts the last sample before a range as lying at its start. `smoothed` interpolates the values at both edges
//! between the samples around them.

use std::sync::Arc;

use evenkeel_series::histogram::{Incompatible, Reset};
use evenkeel_series::{Histogram, Point, Samples, Span};

use super::rate::Rate;
use super::window::Window;
use super::{Evaluated, Evaluation, Row, Steps};
use crate::answer::{Line, Sample};
use crate::ast::{Edges, Selector};
use crate::note;
use crate::position::Position;

/// Between two points. A counter that fell began again at zero.
fn between(one: Point, other: Point, at: i64, counter: bool) -> f64 {
    let from = if counter && other.value < one.value { 0.0 } else { one.value };
    from + (other.value - from) * (at - one.at) as f64 / (other.at - one.at) as f64
}

/// Which samples lie around a range: the one before its start or the first, and the one after its end or the last.
fn around<T>(
    all: &[T],
    span: Span,
    edges: Edges,
    at: impl Fn(&T) -> i64,
) -> Option<(usize, usize)> {
    let last = all.len().checked_sub(1)?;
    let first = all.partition_point(|it| at(it) <= span.after).min(last).saturating_sub(1);
    let end = match edges {
        Edges::Smoothed => all.partition_point(|it| at(it) < span.until).min(last),
        _ => last,
    };
    let begins_after = edges == Edges::Smoothed && at(all.get(first)?) > span.until;
    (at(all.get(end)?) > span.after && !begins_after).then_some((first, end))
}

impl Evaluation<'_> {
    pub(super) fn rate_to_edges(rate: Rate, window: &Window<'_>) -> Option<f64> {
        let (points, span) = (window.points, window.span);
        let (mut first, mut last) = around(points, span, window.edges, |it| it.at)?;
        let (left, right) = at_edges(points, first, last, span, window.edges, rate.counter)?;
        let mut grown = right - left;
        if rate.counter {
            if points.get(first)?.at <= span.after {
                first += 1;
            }
            if points.get(last)?.at < span.until {
                last += 1;
            }
            let mut before = left;
            let inner = points.get(first..last).unwrap_or_default().iter().map(|it| it.value);
            for value in inner.chain([right]) {
                if value < before {
                    grown += before;
                }
                before = value;
            }
        }
        Some(if rate.per_second { grown / window.seconds() } else { grown })
    }

    pub(super) fn histogram_rate_to_edges(
        &self,
        rate: Rate,
        window: &Window<'_>,
    ) -> Option<Sample> {
        let (all, span) = (window.histograms, window.span);
        let (first, last) = around(all, span, window.edges, |it| it.0)?;
        let used = all.get(first..=last)?;
        let custom = used.first()?.1.is_custom();
        if used.iter().any(|(_, it)| it.is_custom() != custom) {
            return self.unlike(window);
        }
        if rate.counter && used.iter().any(|(_, it)| it.reset == Reset::Gauge) {
            self.warn(note::no_counter(window.metric()), window.at);
        }
        let smoothed = window.edges == Edges::Smoothed;
        let edge = |at: usize, next: usize, moment: i64, beyond: bool| {
            let (one, other) = (all.get(at)?, all.get(next)?);
            match smoothed && beyond {
                true => self.histogram_between(one, other, moment, rate.counter, window),
                false => None,
            }
        };
        let left = match edge(first, first + 1, span.after, all.get(first)?.0 < span.after) {
            Some(left) => left,
            None => Histogram::clone(&all.get(first)?.1),
        };
        let right = match last
            .checked_sub(1)
            .and_then(|before| edge(before, last, span.until, all.get(last)?.0 > span.until))
        {
            Some(right) => right,
            None => Histogram::clone(&all.get(last)?.1),
        };
        if !rate.counter && (left.reset != Reset::Gauge || right.reset != Reset::Gauge) {
            self.warn(note::no_gauge(window.metric()), window.at);
        }
        let mut total = evenkeel_series::histogram::Total::of(&right);
        self.noted(total.subtract(&left), "subtraction", window)?;
        if rate.counter {
            let mut next = first + 1;
            let mut before = left;
            // A reset between the first two is in what was interpolated between them already.
            if smoothed
                && all.get(first)?.0 < span.after
                && let Some((_, second)) = all.get(next)
                && second.is_reset_after(&all.get(first)?.1)
            {
                before = Histogram::clone(second);
                next += 1;
            }
            if next <= last {
                for (_, histogram) in all.get(next..last).unwrap_or_default() {
                    if histogram.is_reset_after(&before) {
                        self.noted(total.add(&before), "addition", window)?;
                    }
                    before = Histogram::clone(histogram);
                }
                if right.is_reset_after(&before) {
                    self.noted(total.add(&before), "addition", window)?;
                }
            }
        }
        let grown = total.finish();
        let grown = if rate.per_second { grown.divided(window.seconds()) } else { grown };
        Some(Sample::Histogram(Arc::new(grown.with_reset(Reset::Gauge))))
    }

    fn histogram_between(
        &self,
        one: &(i64, Arc<Histogram>),
        other: &(i64, Arc<Histogram>),
        at: i64,
        counter: bool,
        window: &Window<'_>,
    ) -> Option<Histogram> {
        let mixed = |done: Result<(Histogram, bool), Incompatible>| match done {
            Ok((histogram, reconciled)) => {
                if reconciled {
                    self.inform(note::reconciled("subtraction"), window.at);
                    self.inform(note::reconciled("addition"), window.at);
                }
                Some(histogram)
            }
            Err(Incompatible) => self.unlike(window),
        };
        mixed(interpolated(one, other, at, counter))
    }

    /// The samples from the last one before the range on, if there are any in it.
    pub(super) fn anchored<'w>(window: &'w Window<'_>) -> Option<Window<'w>> {
        let (mut points, mut histograms) = (window.points, window.histograms);
        if window.edges == Edges::Anchored {
            let after = window.span.after;
            let point = points.partition_point(|it| it.at <= after);
            let histogram = histograms.partition_point(|it| it.0 <= after);
            if point == points.len() && histogram == histograms.len() {
                return None;
            }
            let point_at = point.checked_sub(1).and_then(|it| points.get(it)).map(|it| it.at);
            let histogram_at =
                histogram.checked_sub(1).and_then(|it| histograms.get(it)).map(|it| it.0);
            let is_point = point_at.is_some() && point_at >= histogram_at;
            let is_histogram = histogram_at.is_some() && !is_point;
            points = points.get(point - usize::from(is_point)..).unwrap_or_default();
            histograms =
                histograms.get(histogram - usize::from(is_histogram)..).unwrap_or_default();
        }
        Some(Window { points, histograms, ..*window })
    }

    /// Values of a selector interpolated between the samples around each step.
    pub(super) fn smoothed(
        &self,
        selector: &Selector,
        at: Position,
        steps: Steps,
    ) -> Evaluated<Vec<Row>> {
        let seen = self.seen_from(&selector.when)?;
        let lookback = self.lookback();
        let all = Span {
            after: seen.at(steps.first) - lookback,
            until: seen.at(steps.last()) + lookback,
        };
        let (mut rows, mut samples) = (Vec::new(), Samples::default());
        for series in self.series(selector, all)? {
            self.pulse()?;
            self.read(&*series, all, &mut samples)?;
            let cells: Vec<Option<Sample>> = steps
                .moments()
                .map(|moment| {
                    let moment = seen.at(moment);
                    let span = Span { after: moment - lookback, until: moment + lookback };
                    self.smoothed_at(&samples, span, moment, series.labels(), at)
                })
                .collect();
            if cells.iter().any(Option::is_some) {
                self.take_cells(&cells)?;
                rows.push(Row { labels: series.labels().clone(), nameless: false, cells });
            }
        }
        Ok(rows)
    }

    fn smoothed_at(
        &self,
        samples: &Samples,
        span: Span,
        moment: i64,
        labels: &evenkeel_series::Labels,
        at: Position,
    ) -> Option<Sample> {
        fn cut<T>(all: &[T], span: Span, at: impl Fn(&T) -> i64) -> &[T] {
            let from = all.partition_point(|it| at(it) <= span.after);
            let to = all.partition_point(|it| at(it) <= span.until);
            all.get(from..to).unwrap_or_default()
        }
        let points = cut(&samples.points, span, |it| it.at);
        let histograms = cut(&samples.histograms, span, |it| it.0);
        let window =
            Window { points, histograms, span, edges: Edges::Smoothed, moment, labels, at };
        if !points.is_empty() && !histograms.is_empty() {
            self.warn(note::mixed(window.metric()), at);
            return None;
        }
        if histograms.is_empty() {
            let place = points.partition_point(|it| it.at < moment);
            let next = points.get(place);
            if let Some(next) = next.filter(|it| it.at == moment) {
                return Some(Sample::Float(next.value));
            }
            let before = points.get(place.checked_sub(1)?)?;
            return Some(Sample::Float(match next {
                Some(next) => between(*before, *next, moment, false),
                None => before.value,
            }));
        }
        let place = histograms.partition_point(|it| it.0 < moment);
        let next = histograms.get(place);
        if let Some((_, histogram)) = next.filter(|it| it.0 == moment) {
            return Some(Sample::Histogram(histogram.clone()));
        }
        let before = histograms.get(place.checked_sub(1)?)?;
        let histogram = match next {
            Some(next) if next.1.is_custom() != before.1.is_custom() => {
                return self.unlike(&window);
            }
            Some(next) => {
                let counter = before.1.reset != Reset::Gauge || next.1.reset != Reset::Gauge;
                self.histogram_between(before, next, moment, counter, &window)?
            }
            None => Histogram::clone(&before.1).with_reset(Reset::Unknown),
        };
        Some(Sample::Histogram(Arc::new(histogram)))
    }

    /// What a range with edges holds, with values at its edges.
    pub(super) fn stretched(
        &self,
        selector: &Selector,
        at: Position,
        span: Span,
    ) -> Evaluated<Vec<Line>> {
        let lookback = self.lookback();
        let until =
            if selector.edges == Edges::Smoothed { span.until + lookback } else { span.until };
        let all = Span { after: span.after - lookback, until };
        let mut lines = Vec::new();
        for series in self.series(selector, all)? {
            let mut samples = Samples::default();
            self.read(&*series, all, &mut samples)?;
            if !samples.histograms.is_empty() {
                return Err(self.wrong(
                    at,
                    "histograms in a range with edges",
                    "put rate() around it",
                ));
            }
            let points = &samples.points;
            let found = around(points, span, selector.edges, |it| it.at);
            let Some((first, last)) = found else { continue };
            let edges = at_edges(points, first, last, span, selector.edges, false);
            let Some((left, right)) = edges else { continue };
            let inner = points.iter().filter(|it| it.at > span.after && it.at < span.until);
            let points = std::iter::once(Point { at: span.after, value: left })
                .chain(inner.copied())
                .chain([Point { at: span.until, value: right }])
                .collect();
            let samples = Samples { points, histograms: Vec::new() };
            lines.push(Line { labels: series.labels().clone(), samples });
        }
        Ok(lines)
    }
}

/// The values at both edges.
fn at_edges(
    points: &[Point],
    first: usize,
    last: usize,
    span: Span,
    edges: Edges,
    counter: bool,
) -> Option<(f64, f64)> {
    let (one, end) = (points.get(first)?, points.get(last)?);
    let smoothed = edges == Edges::Smoothed;
    let left = match points.get(first + 1) {
        Some(next) if smoothed && one.at < span.after => between(*one, *next, span.after, counter),
        _ => one.value,
    };
    let before = last.checked_sub(1).and_then(|it| points.get(it));
    let right = match before {
        Some(before) if smoothed && end.at > span.until => {
            between(*before, *end, span.until, counter)
        }
        _ => end.value,
    };
    Some((left, right))
}

/// Between two histograms, and whether their bounds had to be reconciled.
fn interpolated(
    (one_at, one): &(i64, Arc<Histogram>),
    (other_at, other): &(i64, Arc<Histogram>),
    at: i64,
    counter: bool,
) -> Result<(Histogram, bool), Incompatible> {
    if at == *one_at {
        return Ok((Histogram::clone(one), false));
    }
    if at == *other_at {
        return Ok((Histogram::clone(other), false));
    }
    let share = (at - one_at) as f64 / (other_at - one_at) as f64;
    if counter && other.is_reset_after(one) {
        return Ok((other.scaled(share), false));
    }
    let (grown, subtracted) = other.minus(one)?;
    let (sum, added) = grown.scaled(share).plus(one)?;
    Ok((sum, subtracted.and(added).bounds_reconciled))
}
