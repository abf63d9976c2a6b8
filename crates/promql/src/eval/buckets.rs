//! Quantiles and fractions of histograms, native and classic.
//!
//! A classic histogram is a series for each bucket, with the upper bound in label `le`, and counts that go up with it.

use std::collections::BTreeMap;

use evenkeel_series::Labels;
use evenkeel_series::histogram::Reading;

use super::{Evaluated, Evaluation, Row, Steps};
use crate::answer::Sample;
use crate::note::{Forced, of_metric, quantile_out_of_range};
use crate::position::Position;
use crate::text;

const BUCKET: &str = "le";

/// A difference between two counts that is nothing but rounding, relative to them.
const ROUNDING: f64 = 1e-12;

/// An upper bound, and how much is up to it.
#[derive(Copy, Clone, Debug, PartialEq)]
struct UpTo {
    bound: f64,
    count: f64,
}

/// The rows that are buckets of one classic histogram.
struct Classic {
    labels: Labels,
    nameless: bool,
    buckets: Vec<(f64, usize)>,
}

/// A quantile for each step, where it stands, and the label that says it, if there are several.
pub(super) type Wanted = (Vec<f64>, Position, Option<String>);

impl Evaluation<'_> {
    pub(super) fn histogram_quantile(
        &self,
        rows: &[Row],
        wanted: &[Wanted],
        at: Position,
        steps: Steps,
    ) -> Evaluated<Vec<Row>> {
        for (quantiles, quantile_at, _) in wanted {
            for q in quantiles.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
                self.warn(quantile_out_of_range(*q), *quantile_at);
            }
        }
        let mut result = Vec::new();
        for (quantiles, _, label) in wanted {
            let q = |step: usize| quantiles.get(step).copied().unwrap_or(f64::NAN);
            let of_native = |reading: Reading, metric: &str| {
                if reading.has_nan {
                    let what = if reading.value.is_nan() {
                        "result is NaN"
                    } else {
                        "result is skewed higher"
                    };
                    let of = of_metric(metric);
                    self.inform(
                        format!("input to histogram_quantile has NaN observations, {what}{of}"),
                        at,
                    );
                }
                reading.value
            };
            let made = self.of_histograms(
                rows,
                at,
                steps,
                |histogram, step, metric| of_native(histogram.quantile(q(step)), metric),
                |buckets, step, metric| {
                    let (value, forced) = quantile_of(q(step), buckets);
                    if let Some(forced) = forced {
                        let moment = steps.at(step);
                        let forced = Forced { first: moment, last: moment, ..forced };
                        self.notes.borrow_mut().forced(metric, at, forced);
                    }
                    value
                },
            )?;
            match label {
                None => result.extend(made),
                Some(label) => {
                    for row in made {
                        self.labelled(row, label, &q, steps, &mut result)?;
                    }
                }
            }
        }
        self.merged(result, at)
    }

    /// A row with a label that says the quantile, which may be another one at each step.
    fn labelled(
        &self,
        row: Row,
        label: &str,
        q: &dyn Fn(usize) -> f64,
        steps: Steps,
        into: &mut Vec<Row>,
    ) -> Evaluated<()> {
        let mut rows: BTreeMap<Labels, Row> = BTreeMap::new();
        for (step, cell) in row.cells.into_iter().enumerate().filter(|(_, cell)| cell.is_some()) {
            let labels = row.labels.with(label, &open_metrics(q(step)));
            let of_quantile = rows.entry(labels).or_insert_with_key(|labels| Row {
                labels: labels.clone(),
                nameless: true,
                cells: vec![None; steps.count],
            });
            if let Some(slot) = of_quantile.cells.get_mut(step) {
                *slot = cell;
            }
        }
        self.take_samples(rows.len() * steps.count)?;
        into.extend(rows.into_values());
        Ok(())
    }

    pub(super) fn histogram_fraction(
        &self,
        rows: &[Row],
        (lower, upper): &(Vec<f64>, Vec<f64>),
        at: Position,
        steps: Steps,
    ) -> Evaluated<Vec<Row>> {
        let bounds = |step: usize| {
            let of = |values: &[f64]| values.get(step).copied().unwrap_or(f64::NAN);
            (of(lower), of(upper))
        };
        self.of_histograms(
            rows,
            at,
            steps,
            |histogram, step, metric| {
                let (lower, upper) = bounds(step);
                let reading = histogram.fraction(lower, upper);
                if reading.has_nan {
                    let of = of_metric(metric);
                    self.inform(
                        format!(
                            "input to histogram_fraction has NaN observations, which are excluded from all fractions{of}"
                        ),
                        at,
                    );
                }
                reading.value
            },
            |buckets, step, _| {
                let (lower, upper) = bounds(step);
                fraction_of(lower, upper, buckets)
            },
        )
    }

    /// A value of each histogram at each step.
    fn of_histograms(
        &self,
        rows: &[Row],
        at: Position,
        steps: Steps,
        native: impl Fn(&evenkeel_series::Histogram, usize, &str) -> f64,
        classic: impl Fn(&mut Vec<UpTo>, usize, &str) -> f64,
    ) -> Evaluated<Vec<Row>> {
        let histograms = self.classic(rows, at);
        let by_labels: BTreeMap<&Labels, &Classic> =
            histograms.iter().map(|it| (&it.labels, it)).collect();
        let mut result = Vec::new();
        let mut both = vec![Vec::new(); histograms.len()];
        for row in rows.iter().filter(|row| row.cells.iter().flatten().any(is_native)) {
            self.take_samples(steps.count)?;
            let twin = by_labels.get(&row.labels);
            let metric = row.labels.metric();
            let cells = row.cells.iter().enumerate().map(|(step, cell)| {
                let Some(Sample::Histogram(histogram)) = cell else { return None };
                if twin.is_some_and(|twin| twin.is_there(rows, step)) {
                    let of = of_metric(metric);
                    self.warn(
                        format!("vector contains a mix of classic and native histograms{of}"),
                        at,
                    );
                    let place = histograms.iter().position(|it| it.labels == row.labels);
                    if let Some(both) = place.and_then(|place| both.get_mut(place)) {
                        both.push(step);
                    }
                    return None;
                }
                Some(Sample::Float(native(histogram, step, metric)))
            });
            let cells = cells.collect();
            result.push(Row { labels: row.labels.clone(), nameless: true, cells });
        }
        let mut buckets = Vec::new();
        for (histogram, both) in histograms.iter().zip(both) {
            self.pulse()?;
            self.take_samples(steps.count)?;
            let cells = (0..steps.count).map(|step| {
                buckets.clear();
                buckets.extend(histogram.at(rows, step));
                let missing = buckets.is_empty() || both.contains(&step);
                (!missing)
                    .then(|| Sample::Float(classic(&mut buckets, step, histogram.labels.metric())))
            });
            let cells = cells.collect();
            result.push(Row { labels: histogram.labels.clone(), nameless: true, cells });
        }
        result.retain(|row| !row.is_empty());
        Ok(result)
    }

    /// Rows that are buckets, by the histogram that they are of.
    fn classic(&self, rows: &[Row], at: Position) -> Vec<Classic> {
        let mut places: BTreeMap<Labels, usize> = BTreeMap::new();
        let mut histograms: Vec<Classic> = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            if !row.cells.iter().flatten().any(|sample| !is_native(sample)) {
                continue;
            }
            let written = row.labels.get(BUCKET);
            let Some(bound) = bound(written) else {
                let of = of_metric(row.labels.metric());
                self.warn(
                    format!(
                        "bucket label \"le\" is missing or has a malformed value of {written:?}{of}"
                    ),
                    at,
                );
                continue;
            };
            let labels = row.labels.filter(|label| label != BUCKET);
            let next = histograms.len();
            let histogram = *places.entry(labels.clone()).or_insert(next);
            if histogram == next {
                histograms.push(Classic { labels, nameless: row.nameless, buckets: Vec::new() });
            }
            if let Some(histogram) = histograms.get_mut(histogram) {
                histogram.nameless |= row.nameless;
                histogram.buckets.push((bound, place));
            }
        }
        for histogram in &mut histograms {
            histogram.buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        }
        histograms
    }
}

const fn is_native(sample: &Sample) -> bool {
    matches!(sample, Sample::Histogram(_))
}

impl Classic {
    fn at<'r>(&self, rows: &'r [Row], step: usize) -> impl Iterator<Item = UpTo> + use<'_, 'r> {
        self.buckets.iter().filter_map(move |(bound, place)| {
            match rows.get(*place)?.cells.get(step)? {
                Some(Sample::Float(count)) => Some(UpTo { bound: *bound, count: *count }),
                _ => None,
            }
        })
    }

    fn is_there(&self, rows: &[Row], step: usize) -> bool {
        self.at(rows, step).next().is_some()
    }
}

/// An upper bound as it is written.
fn bound(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let looks_like_one = unsigned.starts_with(|it: char| it.is_ascii_digit() || it == '.')
        || unsigned.eq_ignore_ascii_case("inf")
        || unsigned.eq_ignore_ascii_case("infinity");
    if looks_like_one { text.parse().ok() } else { None }
}

/// One bucket for each bound, each with at least as much as the one before; whether a count had to be raised for that.
fn mended(buckets: &mut Vec<UpTo>) -> Option<Forced> {
    buckets.dedup_by(|next, kept| {
        let same = next.bound <= kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    let mut forced: Option<Forced> = None;
    let mut before = buckets.first()?.count;
    for bucket in buckets.iter_mut().skip(1) {
        let UpTo { bound, count } = *bucket;
        if is_rounding(before, count) {
            bucket.count = before;
        } else if count < before {
            bucket.count = before;
            let difference = before - count;
            let forced = forced.get_or_insert(Forced {
                lowest: bound,
                highest: bound,
                most: difference,
                first: 0,
                last: 0,
                samples: 1,
            });
            forced.lowest = forced.lowest.min(bound);
            forced.highest = forced.highest.max(bound);
            forced.most = forced.most.max(difference);
        } else {
            before = count;
        }
    }
    forced
}

fn is_rounding(one: f64, other: f64) -> bool {
    let difference = (one - other).abs();
    difference <= 0.0 || difference < ROUNDING * (one.abs() + other.abs()).min(f64::MAX)
}

/// The value below which a share `q` lies, interpolated within its bucket.
fn quantile_of(q: f64, buckets: &mut Vec<UpTo>) -> (f64, Option<Forced>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if !(0.0..=1.0).contains(&q) {
        return (if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY }, None);
    }
    let is_whole = buckets.last().is_some_and(|it| it.bound.is_infinite() && it.bound > 0.0);
    if !is_whole {
        return (f64::NAN, None);
    }
    let forced = mended(buckets);
    let [below @ .., last] = buckets.as_slice() else { return (f64::NAN, forced) };
    let Some(highest) = below.last() else { return (f64::NAN, forced) };
    if last.count.abs() <= 0.0 {
        return (f64::NAN, forced);
    }
    let rank = q * last.count;
    let place = below.partition_point(|it| it.count < rank || it.count.is_nan() || rank.is_nan());
    let value = match (below.get(place), place.checked_sub(1).and_then(|it| below.get(it))) {
        (None, _) => highest.bound,
        (Some(first), None) if first.bound <= 0.0 => first.bound,
        (Some(bucket), before) => {
            let (start, less) = before.map_or((0.0, 0.0), |it| (it.bound, it.count));
            start + (bucket.bound - start) * ((rank - less) / (bucket.count - less))
        }
    };
    (value, forced)
}

/// Which share lies between two values.
fn fraction_of(lower: f64, upper: f64, buckets: &mut Vec<UpTo>) -> f64 {
    let is_whole = buckets.last().is_some_and(|it| it.bound.is_infinite() && it.bound > 0.0);
    if !is_whole {
        return f64::NAN;
    }
    buckets.dedup_by(|next, kept| {
        let same = next.bound <= kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
    let total = buckets.last().map_or(0.0, |it| it.count);
    if total.abs() <= 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let below = |value: f64| {
        rank_of(value, buckets).map_or(total, |rank| if rank > total { total } else { rank })
    };
    (below(upper) - below(lower)) / total
}

fn rank_of(value: f64, buckets: &[UpTo]) -> Option<f64> {
    let mut rank = 0.0;
    // Positive buckets begin at zero.
    let mut start = if buckets.first()?.bound > 0.0 { 0.0 } else { f64::NEG_INFINITY };
    for UpTo { bound, count } in buckets {
        if start >= value {
            return Some(rank);
        }
        if *bound > value {
            if start.is_infinite() {
                return Some(*count);
            }
            return Some(rank + (count - rank) * (value - start) / (bound - start));
        }
        (rank, start) = (*count, *bound);
    }
    None
}

/// A float that is told from an integer.
fn open_metrics(value: f64) -> String {
    let text = text::general(value);
    let is_integer = text.bytes().all(|it| it.is_ascii_digit() || it == b'-');
    if is_integer { format!("{text}.0") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(of: &[(f64, f64)]) -> Vec<UpTo> {
        of.iter().map(|(bound, count)| UpTo { bound: *bound, count: *count }).collect()
    }

    #[test]
    fn a_quantile_is_interpolated_within_its_bucket() {
        let mut all = buckets(&[(1.0, 1.0), (3.0, 3.0), (f64::INFINITY, 4.0)]);
        assert_eq!(quantile_of(0.5, &mut all).0.to_bits(), 2.0_f64.to_bits());
        assert_eq!(quantile_of(1.0, &mut all).0.to_bits(), 3.0_f64.to_bits());
        assert!(quantile_of(0.5, &mut buckets(&[(1.0, 1.0)])).0.is_nan());
    }

    #[test]
    fn counts_that_fall_are_raised_and_that_is_said() {
        let mut all = buckets(&[(1.0, 5.0), (2.0, 4.0), (f64::INFINITY, 6.0)]);
        let forced = mended(&mut all).unwrap();
        assert_eq!((forced.lowest, forced.most), (2.0, 1.0));
        let mut nearly = buckets(&[(1.0, 5.0), (2.0, 5.0 - 1e-14), (f64::INFINITY, 6.0)]);
        assert_eq!(mended(&mut nearly), None);
    }

    #[test]
    fn bounds_are_read_as_they_are_written() {
        assert_eq!(
            (bound("+Inf"), bound("0.5"), bound("1e3")),
            (Some(f64::INFINITY), Some(0.5), Some(1e3))
        );
        assert_eq!((bound(""), bound("NaN"), bound("a")), (None, None, None));
    }
}
