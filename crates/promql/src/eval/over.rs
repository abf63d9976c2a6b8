//! Functions over time: what each makes of a window.

use std::cmp::Ordering;
use std::sync::Arc;

use evenkeel_series::histogram::Reset;
use evenkeel_series::{Compensated, Digest, Histogram, Point, Span};

use super::rate::{Rate, counted};
use super::window::Window;
use super::{Evaluated, Evaluation};
use crate::answer::Sample;
use crate::ast::Edges;
use crate::note;

/// A function over windows, with the scalars it is given at each step.
pub(super) enum Over {
    Rate(Rate),
    /// `irate` and `idelta`.
    Instant {
        counter: bool,
    },
    Changes,
    Resets,
    Avg,
    Sum,
    Min,
    Max,
    Count,
    First,
    Last,
    Present,
    Quantile(Vec<f64>),
    Spread {
        root: bool,
    },
    Mad,
    Slope,
    Predicted(Vec<f64>),
    Smoothed {
        factor: Vec<f64>,
        trend: Vec<f64>,
    },
    MomentOfFirst,
    MomentOfLast,
    MomentOfMin,
    MomentOfMax,
}

impl Over {
    /// The function of a name; scalars are those it is given.
    pub(super) fn of(name: &str, mut scalars: Vec<Vec<f64>>) -> Option<Self> {
        let rate = |counter, per_second| Self::Rate(Rate { counter, per_second });
        Some(match name {
            "rate" => rate(true, true),
            "increase" => rate(true, false),
            "delta" => rate(false, false),
            "irate" => Self::Instant { counter: true },
            "idelta" => Self::Instant { counter: false },
            "changes" => Self::Changes,
            "resets" => Self::Resets,
            "avg_over_time" => Self::Avg,
            "sum_over_time" => Self::Sum,
            "min_over_time" => Self::Min,
            "max_over_time" => Self::Max,
            "count_over_time" => Self::Count,
            "first_over_time" => Self::First,
            "last_over_time" => Self::Last,
            "present_over_time" | "absent_over_time" => Self::Present,
            "quantile_over_time" => Self::Quantile(scalars.pop()?),
            "stddev_over_time" => Self::Spread { root: true },
            "stdvar_over_time" => Self::Spread { root: false },
            "mad_over_time" => Self::Mad,
            "deriv" => Self::Slope,
            "predict_linear" => Self::Predicted(scalars.pop()?),
            "double_exponential_smoothing" => {
                let trend = scalars.pop()?;
                Self::Smoothed { factor: scalars.pop()?, trend }
            }
            "ts_of_first_over_time" => Self::MomentOfFirst,
            "ts_of_last_over_time" => Self::MomentOfLast,
            "ts_of_min_over_time" => Self::MomentOfMin,
            "ts_of_max_over_time" => Self::MomentOfMax,
            _ => return None,
        })
    }

    /// First and last are like an offset: they give samples of the metric itself.
    pub(super) const fn keeps_name(&self) -> bool {
        matches!(self, Self::First | Self::Last)
    }

    pub(super) const fn wants_counter(&self) -> bool {
        matches!(self, Self::Rate(Rate { counter: true, .. }))
    }

    pub(super) fn allows(&self, edges: Edges) -> Result<(), &'static str> {
        match (edges, self) {
            (Edges::Plain, _)
            | (_, Self::Rate(_))
            | (Edges::Anchored, Self::Resets | Self::Changes) => Ok(()),
            (Edges::Anchored, _) => Err(
                "anchored modifier can only be used with: changes, delta, increase, rate, resets",
            ),
            (Edges::Smoothed, _) => {
                Err("smoothed modifier can only be used with: delta, increase, rate")
            }
        }
    }

    /// What a subquery says of resets is not true any more: it leaves out samples, or repeats them.
    pub(super) fn forget_reset(histogram: &mut Arc<Histogram>) {
        if matches!(histogram.reset, Reset::Yes | Reset::No) {
            *histogram = Arc::new(Histogram::clone(histogram).with_reset(Reset::Unknown));
        }
    }

    pub(super) const fn is_of_digests(&self) -> bool {
        matches!(
            self,
            Self::Rate(_)
                | Self::Avg
                | Self::Sum
                | Self::Min
                | Self::Max
                | Self::Count
                | Self::First
                | Self::Last
                | Self::Present
                | Self::MomentOfFirst
                | Self::MomentOfLast
        )
    }

    /// What it is worth where a digest says all; nothing if the samples must be read.
    #[expect(clippy::option_option, reason = "no answer is another thing than no value")]
    pub(super) fn of_digest(&self, digest: &Digest, range: Span) -> Option<Option<f64>> {
        Some(match self {
            // What grew beyond all numbers, and came back: only first and last tell.
            Self::Rate(rate) if rate.counter && !digest.increase.is_finite() => return None,
            Self::Rate(rate) => {
                let grown = match rate.counter {
                    true => digest.increase,
                    false => digest.last.value - digest.first.value,
                };
                let counted = counted(digest.first.at, digest.last.at, digest.count, range);
                counted.map(|it| grown * rate.factor(&it, grown, digest.first.value))
            }
            // The mean of what is beyond all numbers is another sum.
            Self::Avg if digest.sum.is_infinite() => return None,
            Self::Avg => Some(digest.total() / digest.count as f64),
            Self::Sum => Some(digest.total()),
            Self::Min => Some(digest.min),
            Self::Max => Some(digest.max),
            Self::Count => Some(digest.count as f64),
            Self::First => Some(digest.first.value),
            Self::Last => Some(digest.last.value),
            Self::Present => Some(1.0),
            Self::MomentOfFirst => Some(digest.first.at as f64 / 1000.0),
            Self::MomentOfLast => Some(digest.last.at as f64 / 1000.0),
            _ => return None,
        })
    }
}

impl Evaluation<'_> {
    /// What a function makes of a window that is not empty, at a step.
    pub(super) fn apply(
        &self,
        over: &Over,
        window: &Window<'_>,
        step: usize,
    ) -> Evaluated<Option<Sample>> {
        let at = |scalars: &[f64]| scalars.get(step).copied().unwrap_or(f64::NAN);
        let value = match over {
            Over::Rate(rate) => return Ok(self.rate(*rate, window)),
            Over::Instant { counter } => return Ok(self.instant_rate(*counter, window)),
            Over::Avg => return Ok(self.avg_over_time(window)),
            Over::Sum => return Ok(self.sum_over_time(window)),
            Over::First | Over::Last => return Ok(one_end(window, matches!(over, Over::First))),
            Over::Changes => Self::anchored(window).map(|it| changes(&it)),
            Over::Resets => Self::anchored(window).map(|it| resets(&it)),
            Over::Count => Some((window.points.len() + window.histograms.len()) as f64),
            Over::Present => Some(1.0),
            Over::MomentOfFirst => moments_of(window).min().map(|at| at as f64 / 1000.0),
            Over::MomentOfLast => moments_of(window).max().map(|at| at as f64 / 1000.0),
            Over::Slope => self
                .regressed(window, |points| line(points, points.first().map_or(0, |it| it.at)).0),
            Over::Predicted(ahead) => self.regressed(window, |points| {
                let (slope, now) = line(points, window.moment);
                slope * at(ahead) + now
            }),
            Over::Smoothed { factor, trend } => {
                let (factor, trend) = (at(factor), at(trend));
                for (value, what) in [(factor, "smoothing"), (trend, "trend")] {
                    if !(value > 0.0 && value < 1.0) {
                        let what = format!("a {what} factor of {value}");
                        return Err(self.wrong(window.at, what, "give one between 0 and 1"));
                    }
                }
                self.regressed(window, |points| smoothed(points, factor, trend))
            }
            _ => return Ok(self.of_floats(over, window, step)),
        };
        Ok(value.map(Sample::Float))
    }

    /// Functions that look at floats only, and say so.
    fn of_floats(&self, over: &Over, window: &Window<'_>, step: usize) -> Option<Sample> {
        let points = window.points;
        if points.is_empty() {
            return None;
        }
        if !window.histograms.is_empty() {
            self.inform(note::ignored_in_range(window.metric()), window.at);
        }
        let values = || points.iter().map(|point| point.value).collect::<Vec<f64>>();
        let value = match over {
            Over::Min => extreme(points, |it, best| it < best).value,
            Over::Max => extreme(points, |it, best| it > best).value,
            Over::MomentOfMin => extreme(points, |it, best| it <= best).at as f64 / 1000.0,
            Over::MomentOfMax => extreme(points, |it, best| it >= best).at as f64 / 1000.0,
            Over::Quantile(q) => {
                let q = q.get(step).copied().unwrap_or(f64::NAN);
                if !(0.0..=1.0).contains(&q) {
                    self.warn(note::quantile_out_of_range(q), window.at);
                }
                quantile(q, &mut values())
            }
            Over::Mad if points.iter().any(|point| point.value.is_nan()) => f64::NAN,
            Over::Mad => {
                let mut values = values();
                let median = quantile(0.5, &mut values);
                values.iter_mut().for_each(|value| *value = (*value - median).abs());
                quantile(0.5, &mut values)
            }
            Over::Spread { root } => {
                let variance = variance(points);
                if *root { variance.sqrt() } else { variance }
            }
            _ => return None,
        };
        Some(Sample::Float(value))
    }

    /// Functions that need two floats.
    fn regressed(&self, window: &Window<'_>, value: impl FnOnce(&[Point]) -> f64) -> Option<f64> {
        if !window.points.is_empty() && !window.histograms.is_empty() {
            self.inform(note::ignored_in_range(window.metric()), window.at);
        }
        (window.points.len() > 1).then(|| value(window.points))
    }
}

fn moments_of<'a>(window: &'a Window<'_>) -> impl Iterator<Item = i64> + 'a {
    let points = window.points.iter().map(|it| it.at);
    points.chain(window.histograms.iter().map(|it| it.0))
}

/// The first or the last sample.
fn one_end(window: &Window<'_>, first: bool) -> Option<Sample> {
    let (point, histogram) = match first {
        true => (window.points.first(), window.histograms.first()),
        false => (window.points.last(), window.histograms.last()),
    };
    match (point, histogram) {
        (Some(point), Some((at, _))) if (point.at < *at) == first => {
            Some(Sample::Float(point.value))
        }
        (_, Some((_, histogram))) => Some(Sample::Histogram(histogram.clone())),
        (Some(point), None) => Some(Sample::Float(point.value)),
        (None, None) => None,
    }
}

/// Samples of both kinds in order of time.
pub(super) fn in_order(window: &Window<'_>) -> Vec<(i64, Sample)> {
    let points = window.points.iter().map(|it| (it.at, Sample::Float(it.value)));
    let histograms = window.histograms.iter().map(|it| (it.0, Sample::Histogram(it.1.clone())));
    let mut all: Vec<_> = points.chain(histograms).collect();
    all.sort_by_key(|(at, _)| *at);
    all
}

fn changes(window: &Window<'_>) -> f64 {
    let differ = |one: f64, other: f64| {
        let same = equal(one, other) || (one.is_nan() && other.is_nan());
        !same
    };
    if window.histograms.is_empty() {
        let pairs = window.points.windows(2);
        return pairs
            .filter(|it| matches!(it, [one, other] if differ(one.value, other.value)))
            .count() as f64;
    }
    let all = in_order(window);
    let changed = |pair: &&[(i64, Sample)]| match pair {
        [(_, Sample::Float(one)), (_, Sample::Float(other))] => differ(*one, *other),
        [(_, Sample::Histogram(one)), (_, Sample::Histogram(other))] => !one.is_alike(other),
        _ => true,
    };
    all.windows(2).filter(changed).count() as f64
}

fn resets(window: &Window<'_>) -> f64 {
    if window.histograms.is_empty() {
        let pairs = window.points.windows(2);
        return pairs.filter(|it| matches!(it, [one, other] if other.value < one.value)).count()
            as f64;
    }
    let all = in_order(window);
    let began_again = |pair: &&[(i64, Sample)]| match pair {
        [(_, Sample::Float(one)), (_, Sample::Float(other))] => other < one,
        [(_, Sample::Histogram(one)), (_, Sample::Histogram(other))] => other.is_reset_after(one),
        _ => true,
    };
    all.windows(2).filter(began_again).count() as f64
}

/// The point that is better than all before it; a number is better than none.
fn extreme(points: &[Point], better: impl Fn(f64, f64) -> bool) -> Point {
    let mut best = Point { at: 0, value: f64::NAN };
    for (place, point) in points.iter().enumerate() {
        if place == 0 || better(point.value, best.value) || best.value.is_nan() {
            best = *point;
        }
    }
    best
}

/// The value below which a share `q` lies, interpolated between neighbours. What is no number counts as the least.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|one, other| {
        other.is_nan().cmp(&one.is_nan()).then(one.total_cmp(other))
    });
    let rank = q * (values.len() - 1) as f64;
    let below = rank.floor() as usize;
    let weight = rank - rank.floor();
    let value = |at: usize| values.get(at.min(values.len() - 1)).copied().unwrap_or(f64::NAN);
    value(below) * (1.0 - weight) + value(below + 1) * weight
}

/// By Welford's method, with compensated sums.
fn variance(points: &[Point]) -> f64 {
    let (mut mean, mut squares) = (Compensated::default(), Compensated::default());
    for (before, point) in points.iter().enumerate() {
        let difference = point.value - (mean.sum + mean.lost);
        mean.add(difference / (before + 1) as f64);
        squares.add(difference * (point.value - (mean.sum + mean.lost)));
    }
    (squares.sum + squares.lost) / points.len() as f64
}

/// As IEEE 754 has it: NaN is equal to nothing.
fn equal(one: f64, other: f64) -> bool {
    one.partial_cmp(&other) == Some(Ordering::Equal)
}

/// The straight line nearest to the points: its slope a second, and its value at a moment.
fn line(points: &[Point], moment: i64) -> (f64, f64) {
    let first = points.first().map_or(f64::NAN, |it| it.value);
    if points.iter().all(|it| equal(it.value, first)) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let [mut x, mut y, mut xy, mut xx] = [Compensated::default(); 4];
    for point in points {
        let seconds = (point.at - moment) as f64 / 1000.0;
        x.add(seconds);
        y.add(point.value);
        xy.add(seconds * point.value);
        xx.add(seconds * seconds);
    }
    let [x, y, xy, xx] = [x, y, xy, xx].map(|it| it.sum + it.lost);
    let count = points.len() as f64;
    let slope = (xy - x * y / count) / (xx - x * x / count);
    (slope, y / count - slope * x / count)
}

/// Double exponential smoothing: each value weighs less than the next, and so does each change.
fn smoothed(points: &[Point], factor: f64, trend: f64) -> f64 {
    let mut values = points.iter().map(|point| point.value);
    let (Some(first), Some(second)) = (values.next(), values.next()) else { return f64::NAN };
    let (mut before, mut level, mut slope) = (0.0, first, second - first);
    for (at, value) in std::iter::once(second).chain(values).enumerate() {
        if at > 0 {
            slope = trend * (level - before) + (1.0 - trend) * slope;
        }
        let next = factor * value + (1.0 - factor) * (level + slope);
        (before, level) = (level, next);
    }
    level
}
