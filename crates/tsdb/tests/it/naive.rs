//! Naive: a store that keeps every sample in a map, to compare with.

use std::collections::BTreeMap;

use evenkeel_series::{Digest, Labels, Matcher, Point, Samples, Source as _, Span, Summed};
use evenkeel_tsdb::{Rejection, Snapshot};

/// Every sample, by labels and moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Naive {
    pub(crate) series: BTreeMap<Labels, BTreeMap<i64, f64>>,
}

/// What is to become of a sample.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Accepted,
    Duplicate,
    Rejected(Rejection),
}

impl Naive {
    pub(crate) fn append(&mut self, labels: &Labels, at: i64, value: f64, late: i64) -> Fate {
        let series = self.series.entry(labels.clone()).or_default();
        if let Some((last, _)) = series.last_key_value()
            && last - at > late
        {
            return Fate::Rejected(Rejection::OutOfOrder);
        }
        match series.get(&at) {
            Some(there) if there.to_bits() == value.to_bits() => Fate::Duplicate,
            Some(_) => Fate::Rejected(Rejection::Conflict),
            None => {
                series.insert(at, value);
                Fate::Accepted
            }
        }
    }

    fn points(&self, labels: &Labels, span: Span) -> Vec<Point> {
        let all = self.series[labels].iter().map(|(at, value)| Point { at: *at, value: *value });
        all.filter(|point| span.holds(point.at)).collect()
    }

    /// Panics unless a snapshot says the same of a span.
    pub(crate) fn check(&self, snapshot: &Snapshot, matchers: &[Matcher], span: Span) {
        let found = snapshot.select(matchers, span).unwrap();
        let names: Vec<&Labels> = found.iter().map(|series| series.labels()).collect();
        assert!(names.is_sorted());
        let meant = self.series.keys().filter(|it| matchers.iter().all(|m| m.matches(it)));
        for labels in meant.clone().filter(|it| !self.points(it, span).is_empty()) {
            assert!(names.contains(&labels), "{labels} is missing");
        }
        assert!(names.iter().all(|it| meant.clone().any(|labels| labels == *it)), "{names:?}");
        for series in found {
            let expected = self.points(series.labels(), span);
            let mut samples = Samples::default();
            series.read(span, &mut samples).unwrap();
            let (points, wanted) = (bits(&samples.points), bits(&expected));
            let differ = points.iter().zip(&wanted).position(|(one, other)| one != other);
            let (counts, labels) = ((points.len(), wanted.len()), series.labels());
            assert!(points == wanted, "{labels} {span:?}: {counts:?}, from {differ:?} on");
            let summed = match Digest::of_all(expected) {
                Some(digest) => Summed::To(digest),
                None => Summed::Empty,
            };
            let digest = series.digest(span).unwrap();
            assert_eq!(digest, summed, "{} {span:?}", series.labels());
        }
    }
}

fn bits(points: &[Point]) -> Vec<(i64, u64)> {
    points.iter().map(|it| (it.at, it.value.to_bits())).collect()
}
