//! Aggregations: many series made into one of each group.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_series::{Compensated, Labels, METRIC_NAME};

use super::mean::{Combined, Mean};
use super::over::quantile;
use super::row::says_what_it_is;
use super::{Evaluated, Evaluation, Row, Steps, literal};
use crate::answer::Sample;
use crate::ast::{Aggregate, Aggregation};
use crate::note;
use crate::position::Position;
use crate::text;

/// Series that are aggregated together.
pub(super) struct Group {
    pub(super) labels: Labels,
    /// Their places, in order.
    pub(super) rows: Vec<usize>,
}

/// Series in groups, in order of their first.
pub(super) fn groups(rows: &[Row], labels: &[String], without: bool) -> Vec<Group> {
    let mut wanted: Vec<&str> = labels.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() && !without {
        let all = Group { labels: Labels::default(), rows: (0..rows.len()).collect() };
        return if rows.is_empty() { Vec::new() } else { vec![all] };
    }
    let goes = |label: &str| label == METRIC_NAME || wanted.binary_search(&label).is_ok();
    let mut groups: Vec<Group> = Vec::new();
    let mut put = |place: &mut Option<usize>, at: usize, labels: &dyn Fn() -> Labels| {
        let place = *place.get_or_insert_with(|| {
            groups.push(Group { labels: labels(), rows: Vec::new() });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.rows.push(at);
        }
    };
    if without {
        let mut places: BTreeMap<Vec<(&str, &str)>, Option<usize>> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            let key =
                row.labels.iter().filter(|it| !goes(&it.name)).map(|it| (&*it.name, &*it.value));
            let place = places.entry(key.collect()).or_default();
            put(place, at, &|| row.labels.filter(|label| !goes(label)));
        }
    } else {
        let mut places: BTreeMap<Vec<&str>, Option<usize>> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            let key = wanted.iter().map(|label| row.labels.get(label)).collect();
            let place = places.entry(key).or_default();
            put(place, at, &|| row.labels.filter(|label| wanted.binary_search(&label).is_ok()));
        }
    }
    groups
}

/// What floats are folded into.
trait Fold: Copy {
    fn of(value: f64) -> Self;
    fn add(&mut self, value: f64);
    fn value(self) -> f64;
}

impl Fold for Compensated {
    fn of(value: f64) -> Self {
        Self::of(value)
    }

    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }

    fn value(self) -> f64 {
        self.sum + self.lost
    }
}

impl Fold for Mean {
    fn of(value: f64) -> Self {
        let mut mean = Self::default();
        mean.add(value);
        mean
    }

    fn add(&mut self, value: f64) {
        Self::add(self, value);
    }

    fn value(self) -> f64 {
        Self::value(self)
    }
}

/// What a group adds up to so far.
enum Sum<F> {
    Nothing,
    Floats(F),
    Histograms(Box<Combined>),
    /// Floats and histograms.
    Mixed,
    /// Histograms that cannot be added.
    Unlike,
}

/// What a group is spread over so far, by Welford's method.
#[derive(Copy, Clone, Default)]
struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

type Cells = Vec<Option<Sample>>;

impl Evaluation<'_> {
    pub(super) fn aggregated(
        &self,
        at: Position,
        it: &Aggregation,
        steps: Steps,
    ) -> Evaluated<Vec<Row>> {
        let parameter = match (&it.parameter, it.operation) {
            (Some(parameter), operation) if operation != Aggregate::CountValues => {
                Some((self.scalar(parameter, steps)?, parameter.at))
            }
            _ => None,
        };
        let rows = self.vector(&it.of, steps)?;
        if it.operation == Aggregate::CountValues {
            return self.count_values(at, it, &rows, steps);
        }
        let groups = groups(&rows, &it.labels, it.without);
        if let Aggregate::Topk | Aggregate::Bottomk | Aggregate::Limitk | Aggregate::LimitRatio =
            it.operation
        {
            let (parameter, parameter_at) = parameter.unwrap_or_default();
            return self.chosen(at, it.operation, rows, &groups, &parameter, parameter_at);
        }
        let q = match parameter {
            Some((q, q_at)) => {
                for q in q.iter().filter(|q| !(0.0..=1.0).contains(*q)) {
                    self.warn(note::quantile_out_of_range(*q), q_at);
                }
                q
            }
            None => Vec::new(),
        };
        let mut result = Vec::with_capacity(groups.len());
        for Group { labels, rows: places } in groups {
            self.pulse()?;
            let of_group: Vec<&Row> = places.iter().filter_map(|at| rows.get(*at)).collect();
            let cells = self.of_group(it, &of_group, &q, steps);
            let nameless = of_group.iter().any(|row| row.nameless)
                && labels.iter().any(|label| says_what_it_is(&label.name));
            let row = Row { labels, nameless, cells };
            if !row.is_empty() {
                self.take_cells(&row.cells)?;
                result.push(row);
            }
        }
        Ok(result)
    }

    fn of_group(&self, it: &Aggregation, rows: &[&Row], q: &[f64], steps: Steps) -> Cells {
        match it.operation {
            Aggregate::Sum => self.summed::<Compensated>(it, rows, steps),
            Aggregate::Avg => self.summed::<Mean>(it, rows, steps),
            Aggregate::Min => self.floats(it, rows, steps, |best, value| {
                if best > value || best.is_nan() { value } else { best }
            }),
            Aggregate::Max => self.floats(it, rows, steps, |best, value| {
                if best < value || best.is_nan() { value } else { best }
            }),
            Aggregate::Stddev | Aggregate::Stdvar => self.spread(it, rows, steps),
            Aggregate::Quantile => self.quantiles(it, rows, q),
            _ => counts(it.operation, rows, steps),
        }
    }

    fn summed<F: Fold>(&self, it: &Aggregation, rows: &[&Row], steps: Steps) -> Cells {
        let mut sums: Vec<Sum<F>> = (0..steps.count).map(|_| Sum::Nothing).collect();
        for row in rows {
            for (sum, cell) in sums.iter_mut().zip(&row.cells) {
                let Some(sample) = cell else { continue };
                match (&mut *sum, sample) {
                    (Sum::Mixed | Sum::Unlike, _) => {}
                    (Sum::Floats(floats), Sample::Float(value)) => floats.add(*value),
                    (Sum::Nothing, Sample::Float(value)) => *sum = Sum::Floats(F::of(*value)),
                    (Sum::Nothing, Sample::Histogram(histogram)) => {
                        let first = Combined::of(histogram, it.operation == Aggregate::Avg);
                        *sum = Sum::Histograms(Box::new(first));
                    }
                    (Sum::Histograms(combined), Sample::Histogram(histogram)) => {
                        if combined.add(histogram).is_err() {
                            self.warn(note::mixed_buckets(row.labels.metric()), it.of.at);
                            *sum = Sum::Unlike;
                        }
                    }
                    (Sum::Floats(_), Sample::Histogram(_))
                    | (Sum::Histograms(_), Sample::Float(_)) => {
                        *sum = Sum::Mixed;
                    }
                }
            }
        }
        let value = |sum| match sum {
            Sum::Nothing | Sum::Unlike => None,
            Sum::Floats(floats) => Some(Sample::Float(Fold::value(floats))),
            Sum::Mixed => {
                self.warn("encountered a mix of histograms and floats for aggregation", it.of.at);
                None
            }
            Sum::Histograms(combined) => {
                if combined.resets_collide() {
                    self.warn(note::resets_collide("aggregation"), it.of.at);
                }
                if combined.is_reconciled() {
                    self.inform(note::reconciled("aggregation"), it.of.at);
                }
                Some(Sample::Histogram(Arc::new(combined.value())))
            }
        };
        sums.into_iter().map(value).collect()
    }

    /// What folds floats one by one; histograms are ignored.
    fn floats(
        &self,
        it: &Aggregation,
        rows: &[&Row],
        steps: Steps,
        fold: impl Fn(f64, f64) -> f64,
    ) -> Cells {
        let mut cells: Vec<Option<f64>> = vec![None; steps.count];
        for row in rows {
            for (so_far, cell) in cells.iter_mut().zip(&row.cells) {
                match cell {
                    Some(Sample::Float(value)) => {
                        *so_far = Some(so_far.map_or(*value, |so_far| fold(so_far, *value)));
                    }
                    Some(Sample::Histogram(_)) => self.ignored(it),
                    None => {}
                }
            }
        }
        cells.into_iter().map(|cell| cell.map(Sample::Float)).collect()
    }

    fn spread(&self, it: &Aggregation, rows: &[&Row], steps: Steps) -> Cells {
        let mut spreads = vec![Spread::default(); steps.count];
        for row in rows {
            for (spread, cell) in spreads.iter_mut().zip(&row.cells) {
                match cell {
                    Some(Sample::Float(value)) => spread.add(*value),
                    Some(Sample::Histogram(_)) => self.ignored(it),
                    None => {}
                }
            }
        }
        let value = |spread: Spread| {
            let variance = spread.squares / spread.count;
            let value = if it.operation == Aggregate::Stddev { variance.sqrt() } else { variance };
            (spread.count > 0.0).then_some(Sample::Float(value))
        };
        spreads.into_iter().map(value).collect()
    }

    fn quantiles(&self, it: &Aggregation, rows: &[&Row], q: &[f64]) -> Cells {
        let mut values = Vec::with_capacity(rows.len());
        let mut cells = Vec::with_capacity(q.len());
        for (step, q) in q.iter().enumerate() {
            values.clear();
            for row in rows {
                match row.cells.get(step) {
                    Some(Some(Sample::Float(value))) => values.push(*value),
                    Some(Some(Sample::Histogram(_))) => self.ignored(it),
                    _ => {}
                }
            }
            cells.push((!values.is_empty()).then(|| Sample::Float(quantile(*q, &mut values))));
        }
        cells
    }

    fn ignored(&self, it: &Aggregation) {
        self.inform(format!("ignored histogram in {} aggregation", it.operation.name()), it.of.at);
    }

    fn count_values(
        &self,
        at: Position,
        it: &Aggregation,
        rows: &[Row],
        steps: Steps,
    ) -> Evaluated<Vec<Row>> {
        let label = literal(it.parameter.as_ref());
        if label.is_empty() {
            return Err(self.wrong(at, "invalid label name \"\"", "give the label a name"));
        }
        let stays = |name: &str| {
            if it.without {
                name != METRIC_NAME && !it.labels.iter().any(|label| label == name)
            } else {
                name == label || it.labels.iter().any(|label| label == name)
            }
        };
        let mut counted: BTreeMap<Labels, Vec<Option<f64>>> = BTreeMap::new();
        for row in rows {
            self.pulse()?;
            for (step, sample) in row.cells.iter().enumerate() {
                let value = match sample {
                    Some(Sample::Float(value)) => text::plain(*value),
                    Some(Sample::Histogram(histogram)) => text::histogram(histogram),
                    None => continue,
                };
                let labels = row.labels.with(label, &value).filter(stays);
                if !counted.contains_key(&labels) {
                    self.take_samples(steps.count)?;
                }
                let cells = counted.entry(labels).or_insert_with(|| vec![None; steps.count]);
                if let Some(cell) = cells.get_mut(step) {
                    *cell.get_or_insert(0.0) += 1.0;
                }
            }
        }
        let row = |(labels, cells): (Labels, Vec<Option<f64>>)| Row {
            labels,
            nameless: false,
            cells: cells.into_iter().map(|cell| cell.map(Sample::Float)).collect(),
        };
        Ok(counted.into_iter().map(row).collect())
    }
}

impl Spread {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        if self.count < 2.0 && !value.is_finite() {
            self.squares = f64::NAN;
        }
        let difference = value - self.mean;
        self.mean += difference / self.count;
        self.squares += difference * (value - self.mean);
    }
}

/// `count`, and `group`, which is 1 wherever something is.
fn counts(operation: Aggregate, rows: &[&Row], steps: Steps) -> Cells {
    let mut counts = vec![0_u32; steps.count];
    for row in rows {
        for (count, cell) in counts.iter_mut().zip(&row.cells) {
            *count += u32::from(cell.is_some());
        }
    }
    let value = |count: u32| {
        let value = if operation == Aggregate::Group { 1.0 } else { f64::from(count) };
        (count > 0).then_some(Sample::Float(value))
    };
    counts.into_iter().map(value).collect()
}
