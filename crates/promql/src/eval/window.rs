//! Windows: the stretches of samples that functions like `rate` are given, step by step.
//!
//! Where a source keeps digests and few windows hold many samples, the function is worked out from digests. Else each
//! series is read once, and a window slides over its samples.

use std::sync::Arc;

use evenkeel_series::{Digest, Histogram, Labels, Point, Samples, Series, Span, Summed};

use super::over::Over;
use super::select::past;
use super::{Evaluated, Evaluation, FURTHEST, Row, Seen, Steps};
use crate::answer::Sample;
use crate::ast::{Edges, Expr, Kind, Subquery};
use crate::position::Position;

/// Samples that a function is given at one step.
pub(super) struct Window<'a> {
    pub(super) points: &'a [Point],
    pub(super) histograms: &'a [(i64, Arc<Histogram>)],
    /// The range, which edges may reach beyond.
    pub(super) span: Span,
    pub(super) edges: Edges,
    /// The moment of evaluation.
    pub(super) moment: i64,
    pub(super) labels: &'a Labels,
    /// Where the range stands in the query.
    pub(super) at: Position,
}

impl Window<'_> {
    pub(super) fn metric(&self) -> &str {
        self.labels.metric()
    }

    pub(super) fn seconds(&self) -> f64 {
        (self.span.until - self.span.after) as f64 / 1000.0
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.points.is_empty() && self.histograms.is_empty()
    }
}

/// Where windows lie.
#[derive(Copy, Clone)]
pub(super) struct Frame {
    seen: Seen,
    length: i64,
    edges: Edges,
    lookback: i64,
}

impl Frame {
    fn range(self, moment: i64) -> Span {
        let until = self.seen.at(moment);
        Span { after: until - self.length, until }
    }

    /// With what lies beside the range.
    fn held(self, range: Span) -> Span {
        let (before, after) = match self.edges {
            Edges::Plain => (0, 0),
            Edges::Anchored => (self.lookback, 0),
            Edges::Smoothed => (self.lookback, self.lookback),
        };
        Span { after: range.after - before, until: range.until + after }
    }

    fn all(self, steps: Steps) -> Span {
        let [first, last] = [steps.first, steps.last()].map(|at| self.held(self.range(at)));
        Span { after: first.after, until: last.until }
    }
}

/// How many samples are looked at to work out one window from digests, at a guess: two chunks at its edges.
const SAMPLES_A_DIGEST: u64 = 256;

impl<'a> Evaluation<'a> {
    /// The moments of a subquery, if it has any: multiples of its step.
    pub(super) fn steps_of(
        &self,
        subquery: &Subquery,
        at: Position,
        steps: Steps,
    ) -> Evaluated<Option<Steps>> {
        let length = self.positive(&subquery.length, at)?;
        let step = match &subquery.step {
            Some(step) => self.positive(step, at)?,
            None => self.options.subquery_step.clamp(1, FURTHEST),
        };
        let seen = self.seen_from(&subquery.when)?;
        let after = seen.at(steps.first) - length;
        let first = (after.div_euclid(step) + 1) * step;
        let until = seen.at(steps.last());
        if first > until {
            return Ok(None);
        }
        let count = usize::try_from((until - first) / step + 1).unwrap_or(usize::MAX);
        let most = self.options.limits.steps;
        if count as u64 > most {
            return Err(crate::EvalError::Limit {
                what: "steps of a subquery",
                limit: "steps",
                most,
            });
        }
        Ok(Some(Steps { first, step, count }))
    }

    /// A function over windows: of each series one row.
    pub(super) fn over(&self, over: &Over, expr: &Expr, steps: Steps) -> Evaluated<Vec<Row>> {
        match &expr.kind {
            Kind::Range(range) => {
                let selector = &range.selector;
                over.allows(selector.edges).map_err(|what| {
                    self.wrong(expr.at, what, "take `anchored` or `smoothed` away")
                })?;
                let frame = Frame {
                    seen: self.seen_from(&selector.when)?,
                    length: self.positive(&range.length, expr.at)?,
                    edges: selector.edges,
                    lookback: self.lookback(),
                };
                self.over_series(
                    over,
                    &self.series(selector, frame.all(steps))?,
                    frame,
                    expr.at,
                    steps,
                )
            }
            Kind::Subquery(subquery) => {
                let Some(inner) = self.steps_of(subquery, expr.at, steps)? else {
                    return Ok(Vec::new());
                };
                let frame = Frame {
                    seen: self.seen_from(&subquery.when)?,
                    length: self.positive(&subquery.length, expr.at)?,
                    edges: Edges::Plain,
                    lookback: self.lookback(),
                };
                self.over_rows(
                    over,
                    self.vector(&subquery.of, inner)?,
                    inner,
                    frame,
                    expr.at,
                    steps,
                )
            }
            _ => Err(self.wrong(expr.at, "no range vector", "add a range like [5m]")),
        }
    }

    fn over_series(
        &self,
        over: &Over,
        all: &[Box<dyn Series + 'a>],
        frame: Frame,
        at: Position,
        steps: Steps,
    ) -> Evaluated<Vec<Row>> {
        let mut rows = Vec::with_capacity(all.len());
        let mut samples = Samples::default();
        for series in all {
            self.pulse()?;
            let labels = series.labels();
            let cells = match self.digested(over, &**series, frame, steps)? {
                Some(cells) => cells,
                None => {
                    self.read(&**series, frame.all(steps), &mut samples)?;
                    self.slid(over, &samples, labels, frame, at, steps)?
                }
            };
            if cells.iter().any(Option::is_some) {
                self.take_cells(&cells)?;
                if over.wants_counter() {
                    self.doubt_counter(labels, &cells, at);
                }
                let nameless = !over.keeps_name();
                rows.push(Row { labels: labels.clone(), nameless, cells });
            }
        }
        Ok(rows)
    }

    fn over_rows(
        &self,
        over: &Over,
        inner_rows: Vec<Row>,
        inner: Steps,
        frame: Frame,
        at: Position,
        steps: Steps,
    ) -> Evaluated<Vec<Row>> {
        let mut rows = Vec::with_capacity(inner_rows.len());
        for row in inner_rows {
            self.pulse()?;
            let was_nameless = row.nameless;
            let line = row.into_line(inner);
            let mut samples = line.samples;
            for (_, histogram) in &mut samples.histograms {
                Over::forget_reset(histogram);
            }
            let cells = self.slid(over, &samples, &line.labels, frame, at, steps)?;
            if cells.iter().any(Option::is_some) {
                self.take_cells(&cells)?;
                if over.wants_counter() {
                    self.doubt_counter(&line.labels, &cells, at);
                }
                let nameless = was_nameless || !over.keeps_name();
                rows.push(Row { labels: line.labels, nameless, cells });
            }
        }
        Ok(rows)
    }

    fn slid(
        &self,
        over: &Over,
        samples: &Samples,
        labels: &Labels,
        frame: Frame,
        at: Position,
        steps: Steps,
    ) -> Evaluated<Vec<Option<Sample>>> {
        let (mut points, mut histograms) = ((0, 0), (0, 0));
        let mut cells = Vec::with_capacity(steps.count);
        let mut looked_at = 0;
        for (step, moment) in steps.moments().enumerate() {
            let span = frame.range(moment);
            let held = frame.held(span);
            points = slide(&samples.points, points, held, |it| it.at);
            histograms = slide(&samples.histograms, histograms, held, |it| it.0);
            let window = Window {
                points: samples.points.get(points.0..points.1).unwrap_or_default(),
                histograms: samples.histograms.get(histograms.0..histograms.1).unwrap_or_default(),
                span,
                edges: frame.edges,
                moment,
                labels,
                at,
            };
            looked_at += window.points.len() + window.histograms.len();
            if looked_at > 1 << 16 {
                self.take_samples(std::mem::take(&mut looked_at))?;
                self.pulse()?;
            }
            cells.push(if window.is_empty() { None } else { self.apply(over, &window, step)? });
        }
        self.take_samples(looked_at)?;
        Ok(cells)
    }

    /// The function worked out from digests, if that is possible and costs less than reading.
    fn digested(
        &self,
        over: &Over,
        series: &dyn Series,
        frame: Frame,
        steps: Steps,
    ) -> Evaluated<Option<Vec<Option<Sample>>>> {
        if frame.edges != Edges::Plain || !over.is_of_digests() {
            return Ok(None);
        }
        let last = frame.range(steps.last());
        let of_last = match series.digest(last)? {
            Summed::Unknown => return Ok(None),
            Summed::Empty => None,
            Summed::To(digest) => Some(digest),
        };
        let Some(last_cell) = of_digest(over, of_last.as_ref(), last) else { return Ok(None) };
        if steps.count == 1 {
            self.take_samples(1)?;
            return Ok(Some(vec![last_cell]));
        }
        let all = frame.all(steps);
        let density = of_last.map_or(0, |digest| digest.count) as f64 / frame.length as f64;
        let to_read = density * (all.until - all.after) as f64;
        if to_read < (steps.count as u64 * SAMPLES_A_DIGEST) as f64 {
            return Ok(None);
        }
        let mut cells = Vec::with_capacity(steps.count);
        for moment in steps.moments().take(steps.count - 1) {
            let range = frame.range(moment);
            let digest = match series.digest(range)? {
                Summed::Unknown => return Ok(None),
                Summed::Empty => None,
                Summed::To(digest) => Some(digest),
            };
            let Some(cell) = of_digest(over, digest.as_ref(), range) else { return Ok(None) };
            cells.push(cell);
        }
        cells.push(last_cell);
        Ok(Some(cells))
    }

    /// Says so when what is counted does not look like a counter.
    fn doubt_counter(&self, labels: &Labels, cells: &[Option<Sample>], at: Position) {
        let metric = labels.metric();
        let counts = ["_total", "_sum", "_count", "_bucket"].iter().any(|it| metric.ends_with(it));
        let has_floats = || cells.iter().any(|cell| matches!(cell, Some(Sample::Float(_))));
        if !metric.is_empty() && !counts && has_floats() {
            let what = format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {metric:?}"
            );
            self.inform(what, at);
        }
    }
}

fn slide<T>(
    samples: &[T],
    (from, to): (usize, usize),
    span: Span,
    at: impl Fn(&T) -> i64 + Copy,
) -> (usize, usize) {
    let from = past(samples, from, |it| at(it) <= span.after);
    (from, past(samples, to.max(from), |it| at(it) <= span.until))
}

/// What a digest is worth to a function; nothing if the samples have to be read after all.
#[expect(clippy::option_option, reason = "no answer is another thing than no value")]
fn of_digest(over: &Over, digest: Option<&Digest>, range: Span) -> Option<Option<Sample>> {
    let Some(digest) = digest else { return Some(None) };
    over.of_digest(digest, range).map(|value| value.map(Sample::Float))
}
