//! Memory: a source that holds all it has in memory.
//!
//! What a drill measured, what a test says: a few thousand series of a few thousand samples. A store keeps more.

use std::collections::BTreeMap;

use crate::{
    Digest, Histogram, Labels, Matcher, Point, Samples, Series, Source, SourceError, Span, Summed,
};

use std::sync::Arc;

/// Series by name, each with its samples in order of time.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    series: BTreeMap<Labels, Samples>,
}

impl Memory {
    /// Without series.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a float, in the place of the sample that was at that moment.
    pub fn push(&mut self, labels: &Labels, point: Point) {
        let samples = self.samples(labels);
        remove(&mut samples.histograms, point.at, |it| it.0);
        let place = samples.points.partition_point(|it| it.at < point.at);
        match samples.points.get_mut(place) {
            Some(it) if it.at == point.at => *it = point,
            _ => samples.points.insert(place, point),
        }
    }

    /// Adds a histogram, in the place of the sample that was at that moment.
    pub fn push_histogram(&mut self, labels: &Labels, at: i64, histogram: Arc<Histogram>) {
        let samples = self.samples(labels);
        remove(&mut samples.points, at, |it| it.at);
        let place = samples.histograms.partition_point(|it| it.0 < at);
        match samples.histograms.get_mut(place) {
            Some(it) if it.0 == at => it.1 = histogram,
            _ => samples.histograms.insert(place, (at, histogram)),
        }
    }

    /// Every series, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&Labels, &Samples)> {
        self.series.iter()
    }

    fn samples(&mut self, labels: &Labels) -> &mut Samples {
        self.series.entry(labels.clone()).or_default()
    }
}

fn remove<T>(samples: &mut Vec<T>, at: i64, moment: impl Fn(&T) -> i64) {
    if let Ok(place) = samples.binary_search_by_key(&at, moment) {
        samples.remove(place);
    }
}

impl Source for Memory {
    fn select<'a>(
        &'a self,
        matchers: &[Matcher],
        span: Span,
    ) -> Result<Vec<Box<dyn Series + 'a>>, SourceError> {
        let meant = self.series.iter().filter(|(labels, samples)| {
            matchers.iter().all(|matcher| matcher.matches(labels))
                && !within(samples, span).is_none()
        });
        Ok(meant
            .map(|(labels, samples)| Box::new(One { labels, samples }) as Box<dyn Series>)
            .collect())
    }
}

struct One<'a> {
    labels: &'a Labels,
    samples: &'a Samples,
}

impl Series for One<'_> {
    fn labels(&self) -> &Labels {
        self.labels
    }

    fn read(&self, span: Span, into: &mut Samples) -> Result<(), SourceError> {
        let Slices { points, histograms } = within(self.samples, span);
        into.points.extend_from_slice(points);
        into.histograms.extend_from_slice(histograms);
        Ok(())
    }

    fn digest(&self, span: Span) -> Result<Summed, SourceError> {
        let Slices { points, histograms } = within(self.samples, span);
        if !histograms.is_empty() {
            return Ok(Summed::Unknown);
        }
        Ok(Digest::of_all(points.iter().copied()).map_or(Summed::Empty, Summed::To))
    }
}

struct Slices<'a> {
    points: &'a [Point],
    histograms: &'a [(i64, Arc<Histogram>)],
}

impl Slices<'_> {
    const fn is_none(&self) -> bool {
        self.points.is_empty() && self.histograms.is_empty()
    }
}

fn within(samples: &Samples, span: Span) -> Slices<'_> {
    fn cut<T>(all: &[T], span: Span, at: impl Fn(&T) -> i64) -> &[T] {
        let from = all.partition_point(|it| at(it) <= span.after);
        let to = all.partition_point(|it| at(it) <= span.until);
        all.get(from..to).unwrap_or_default()
    }
    Slices {
        points: cut(&samples.points, span, |it| it.at),
        histograms: cut(&samples.histograms, span, |it| it.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Operation;

    #[test]
    fn a_series_is_found_by_its_labels_and_read_within_a_span() {
        let mut memory = Memory::new();
        let (up, down) = (Labels::of([("job", "a")]), Labels::of([("job", "b")]));
        for at in [3, 1, 2] {
            memory.push(&up, Point { at, value: 1.0 });
            memory.push(&down, Point { at: at + 10, value: 1.0 });
        }
        let job = Matcher::new("job", Operation::Matches, ".").unwrap();
        let span = Span { after: 1, until: 3 };
        let found = memory.select(&[job], span).unwrap();
        let mut samples = Samples::default();
        found[0].read(span, &mut samples).unwrap();
        assert_eq!((found.len(), samples.points.len()), (1, 2));
    }

    #[test]
    fn a_moment_holds_one_sample() {
        let mut memory = Memory::new();
        let labels = Labels::default();
        memory.push(&labels, Point { at: 1, value: 1.0 });
        memory.push_histogram(&labels, 1, Arc::default());
        let (_, samples) = memory.iter().next().unwrap();
        assert!(samples.points.is_empty() && samples.histograms.len() == 1);
    }
}
