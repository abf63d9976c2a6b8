//! Selecting: what selectors are worth at each step, and which samples a range holds.

use evenkeel_series::{Labels, Point, Samples, Series, Span, is_stale};

use super::{Evaluated, Evaluation, Row, Steps};
use crate::answer::{Line, Sample};
use crate::ast::{Edges, Expr, Kind, Selector};
use crate::position::Position;

impl<'a> Evaluation<'a> {
    /// The series of a selector that may have samples in a span.
    pub(super) fn series(
        &self,
        selector: &Selector,
        span: Span,
    ) -> Evaluated<Vec<Box<dyn Series + 'a>>> {
        let series = self.source.select(&selector.matchers, span)?;
        self.take_series(series.len())?;
        Ok(series)
    }

    /// The last sample within the lookback before each step.
    pub(super) fn selected(
        &self,
        selector: &Selector,
        at: Position,
        steps: Steps,
    ) -> Evaluated<Vec<Row>> {
        if selector.edges == Edges::Smoothed {
            return self.smoothed(selector, at, steps);
        }
        self.latest(selector, steps, |sample| sample.1)
    }

    /// As [`selected`](Self::selected), but the moments of the samples in seconds.
    pub(super) fn moments(&self, selector: &Selector, steps: Steps) -> Evaluated<Vec<Row>> {
        self.latest(selector, steps, |(at, _)| Sample::Float(at as f64 / 1000.0))
    }

    fn latest(
        &self,
        selector: &Selector,
        steps: Steps,
        value: impl Fn((i64, Sample)) -> Sample,
    ) -> Evaluated<Vec<Row>> {
        let seen = self.seen_from(&selector.when)?;
        let lookback = self.lookback();
        let span = Span { after: seen.at(steps.first) - lookback, until: seen.at(steps.last()) };
        let (mut rows, mut samples) = (Vec::new(), Samples::default());
        for series in self.series(selector, span)? {
            self.pulse()?;
            samples.clear();
            series.read(span, &mut samples)?;
            self.take_read(&samples)?;
            let mut cursor = Cursor::default();
            let cells: Vec<Option<Sample>> = steps
                .moments()
                .map(|moment| {
                    let until = seen.at(moment);
                    cursor.latest(&samples, Span { after: until - lookback, until }).map(&value)
                })
                .collect();
            if cells.iter().any(Option::is_some) {
                self.take_cells(&cells)?;
                rows.push(Row { labels: series.labels().clone(), nameless: false, cells });
            }
        }
        Ok(rows)
    }

    /// What a range vector holds at the first step.
    pub(super) fn stretches(&self, expr: &Expr, steps: Steps) -> Evaluated<Vec<Line>> {
        match &expr.kind {
            Kind::Range(range) => {
                let seen = self.seen_from(&range.selector.when)?;
                let until = seen.at(steps.first);
                let after = until - self.positive(&range.length, expr.at)?;
                if range.selector.edges != Edges::Plain {
                    return self.stretched(&range.selector, expr.at, Span { after, until });
                }
                let span = Span { after, until };
                let mut lines = Vec::new();
                for series in self.series(&range.selector, span)? {
                    self.pulse()?;
                    let mut samples = Samples::default();
                    self.read(&*series, span, &mut samples)?;
                    if !samples.is_empty() {
                        lines.push(Line { labels: series.labels().clone(), samples });
                    }
                }
                Ok(lines)
            }
            Kind::Subquery(subquery) => {
                let inner = self.steps_of(subquery, expr.at, steps)?;
                let Some(inner) = inner else { return Ok(Vec::new()) };
                let rows = self.vector(&subquery.of, inner)?;
                let mut rows = self.named(rows, expr.at)?;
                rows.sort_by(|one, other| one.labels.cmp(&other.labels));
                Ok(rows.into_iter().map(|row| row.into_line(inner)).collect())
            }
            _ => Err(self.wrong(expr.at, "no range vector", "add a range like [5m]")),
        }
    }

    /// The samples of a span, without stale markers.
    pub(super) fn read(
        &self,
        series: &dyn Series,
        span: Span,
        into: &mut Samples,
    ) -> Evaluated<()> {
        into.clear();
        series.read(span, into)?;
        self.take_read(into)?;
        into.points.retain(|point| !is_stale(point.value));
        Ok(())
    }
}

/// Goes through the samples of a series as time goes on.
#[derive(Default)]
pub(super) struct Cursor {
    points: usize,
    histograms: usize,
}

impl Cursor {
    /// The last sample of a span, unless it says that the series has ended. Spans must not go back.
    fn latest(&mut self, samples: &Samples, span: Span) -> Option<(i64, Sample)> {
        self.points = past(&samples.points, self.points, |it| it.at <= span.until);
        self.histograms = past(&samples.histograms, self.histograms, |it| it.0 <= span.until);
        let point = self.points.checked_sub(1).and_then(|at| samples.points.get(at));
        let histogram = self.histograms.checked_sub(1).and_then(|at| samples.histograms.get(at));
        let point = point.filter(|it| span.holds(it.at));
        let histogram = histogram.filter(|it| span.holds(it.0));
        match (point, histogram) {
            (Some(point), Some(histogram)) if histogram.0 > point.at => Some(of(histogram)),
            (Some(Point { at, value }), _) => {
                (!is_stale(*value)).then_some((*at, Sample::Float(*value)))
            }
            (None, Some(histogram)) => Some(of(histogram)),
            (None, None) => None,
        }
    }
}

fn of(histogram: &(i64, std::sync::Arc<evenkeel_series::Histogram>)) -> (i64, Sample) {
    (histogram.0, Sample::Histogram(histogram.1.clone()))
}

/// The first place from one on whose sample does not fit any more.
pub(super) fn past<T>(samples: &[T], from: usize, fits: impl Fn(&T) -> bool) -> usize {
    let rest = samples.get(from..).unwrap_or_default();
    // Most steps go on by a few samples, some by very many.
    let near = rest.iter().take(8).take_while(|it| fits(it)).count();
    from + if near < 8 { near } else { rest.partition_point(fits) }
}

/// Labels that a selector asks to be just so: those of a series that is absent.
pub(super) fn asked_for(expr: &Expr) -> Labels {
    let selector = match &expr.bare().kind {
        Kind::Selector(selector) => selector,
        Kind::Range(range) => &range.selector,
        _ => return Labels::default(),
    };
    let mut labels = Labels::default();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in selector.matchers.iter().filter(|it| it.name() != evenkeel_series::METRIC_NAME) {
        let is_first = !seen.contains(&matcher.name());
        let equal = matcher.operation() == evenkeel_series::Operation::Equal;
        labels = labels.with(matcher.name(), if equal && is_first { matcher.value() } else { "" });
        if equal {
            seen.push(matcher.name());
        }
    }
    labels
}
