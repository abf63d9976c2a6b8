//! Comparing: whether what came out is what was expected.

use std::cmp::Ordering;
use std::sync::Arc;

use evenkeel_series::{Histogram, Labels};

use super::script::{Expected, Said};
use super::sequence::Item;
use crate::answer::{Answer, Element, Line, Sample, Value};

/// How far floats may lie apart, relative to their sum.
const TOLERANCE: f64 = 1e-6;

/// Whether two floats are as good as equal: NaN is as good as NaN.
pub(super) fn almost(one: f64, other: f64) -> bool {
    if one.is_nan() || other.is_nan() {
        return one.is_nan() && other.is_nan();
    }
    if one.partial_cmp(&other) == Some(Ordering::Equal) {
        return true;
    }
    let (sum, difference) = (one.abs() + other.abs(), (one - other).abs());
    if one.abs() <= 0.0 || other.abs() <= 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

fn alike(expected: &Item, found: Option<&Sample>) -> bool {
    match (expected, found) {
        (Item::None, None) => true,
        (Item::Float(expected), Some(Sample::Float(found))) => almost(*expected, *found),
        (Item::Histogram(expected, says), Some(Sample::Histogram(found))) => {
            same_histogram(expected, found, *says)
        }
        _ => false,
    }
}

fn same_histogram(expected: &Histogram, found: &Histogram, says_reset: bool) -> bool {
    let (expected, found) = (expected.compact(), found.compact());
    let all_almost = |one: &[f64], other: &[f64]| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| almost(*one, *other))
    };
    let numbers = |it: &Histogram| [it.count, it.sum, it.zero_count];
    expected.schema == found.schema
        && all_almost(&numbers(&expected), &numbers(&found))
        && expected.zero_threshold.to_bits() == found.zero_threshold.to_bits()
        && expected.bounds.iter().eq(&found.bounds)
        && expected.positive_runs == found.positive_runs
        && expected.negative_runs == found.negative_runs
        && all_almost(&expected.positive, &found.positive)
        && all_almost(&expected.negative, &found.negative)
        && (!says_reset || expected.reset == found.reset)
}

fn shown(sample: &Sample) -> String {
    match sample {
        Sample::Float(value) => value.to_string(),
        Sample::Histogram(histogram) => format!(
            "{} schema {} {:?}",
            crate::text::histogram(histogram),
            histogram.schema,
            histogram.reset
        ),
    }
}

fn shown_item(item: &Item) -> String {
    match item {
        Item::None => "_".to_owned(),
        Item::Float(value) => value.to_string(),
        Item::Histogram(histogram, _) => shown(&Sample::Histogram(Arc::clone(histogram))),
    }
}

/// What is wrong with the notes of an answer.
pub(super) fn notes(expected: &Expected, answer: &Answer) -> Result<(), String> {
    let sides = [
        ("warning", &expected.warnings, expected.no_warnings, &answer.warnings),
        ("info", &expected.infos, expected.no_infos, &answer.infos),
    ];
    for (what, wanted, none, said) in sides {
        if none && !said.is_empty() {
            return Err(format!("no {what} was expected, and there is {said:?}"));
        }
        if wanted.is_empty() {
            continue;
        }
        let met = |wanted: &Said| said.iter().any(|said| wanted.is_met_by(said));
        if let Some(missing) = wanted.iter().find(|wanted| !met(wanted)) {
            return Err(format!("{missing:?} was expected as {what}, and there is {said:?}"));
        }
        let known = |said: &String| wanted.iter().any(|wanted| wanted.is_met_by(said));
        if let Some(unknown) = said.iter().find(|said| !known(said)) {
            return Err(format!("{what} {unknown:?} was not expected"));
        }
    }
    Ok(())
}

/// What is wrong with a value.
pub(super) fn value(expected: &Expected, found: &Value, moments: &[i64]) -> Result<(), String> {
    match found {
        Value::Text(found) => match &expected.text {
            Some(wanted) if wanted == found => Ok(()),
            wanted => Err(format!("{wanted:?} was expected, and there is {found:?}")),
        },
        Value::Scalar(found) => match expected.scalar {
            Some(wanted) if almost(wanted, *found) => Ok(()),
            wanted => Err(format!("scalar {wanted:?} was expected, and there is {found}")),
        },
        Value::Vector(found) => vector(expected, found),
        Value::Matrix(found) => matrix(expected, found, moments),
    }
}

fn vector(expected: &Expected, found: &[Element]) -> Result<(), String> {
    if expected.scalar.is_some() {
        return Err("a scalar was expected, and there is a vector".to_owned());
    }
    for (place, element) in found.iter().enumerate() {
        let wanted = expected.series.iter().position(|(labels, _)| *labels == element.labels);
        let Some(wanted) = wanted else {
            return Err(format!(
                "{:?} {} was not expected",
                element.labels,
                shown(&element.sample)
            ));
        };
        if expected.ordered && wanted != place {
            return Err(format!(
                "{:?} was expected at place {wanted}, and is at {place}",
                element.labels
            ));
        }
        let item =
            expected.series.get(wanted).and_then(|(_, items)| items.first()).unwrap_or(&Item::None);
        if !alike(item, Some(&element.sample)) {
            let (item, sample) = (shown_item(item), shown(&element.sample));
            return Err(format!("{:?} {item} was expected, and there is {sample}", element.labels));
        }
    }
    missing(expected, |labels| found.iter().any(|element| element.labels == *labels))
}

fn matrix(expected: &Expected, found: &[Line], moments: &[i64]) -> Result<(), String> {
    if expected.scalar.is_some() || expected.ordered {
        return Err("no matrix was expected".to_owned());
    }
    if !found.is_sorted_by(|one, other| one.labels <= other.labels) {
        return Err("a matrix that is not in order of its labels".to_owned());
    }
    for line in found {
        let wanted = expected.series.iter().find(|(labels, _)| *labels == line.labels);
        let Some((_, wanted)) = wanted else {
            return Err(format!("{:?} was not expected", line.labels));
        };
        let mut points = line
            .samples
            .points
            .iter()
            .map(|it| (it.at, Sample::Float(it.value)))
            .collect::<Vec<_>>();
        points.extend(
            line.samples.histograms.iter().map(|it| (it.0, Sample::Histogram(it.1.clone()))),
        );
        for (place, item) in wanted.iter().enumerate() {
            let at = moments.get(place).copied();
            let sample = points.iter().find(|(moment, _)| Some(*moment) == at).map(|it| &it.1);
            if !alike(item, sample) {
                let (item, sample) =
                    (shown_item(item), sample.map_or_else(|| "nothing".to_owned(), shown));
                return Err(format!(
                    "{:?} {item} was expected at {at:?}, and there is {sample}",
                    line.labels
                ));
            }
        }
        let expected = wanted.iter().filter(|item| !matches!(item, Item::None)).count();
        if expected != points.len() {
            return Err(format!(
                "{:?} {expected} samples were expected, and there are {points:?}",
                line.labels
            ));
        }
    }
    missing(expected, |labels| found.iter().any(|line| line.labels == *labels))
}

fn missing(expected: &Expected, there: impl Fn(&Labels) -> bool) -> Result<(), String> {
    match expected.series.iter().find(|(labels, _)| !there(labels)) {
        Some((labels, items)) => {
            let items: Vec<String> = items.iter().map(shown_item).collect();
            Err(format!("{labels:?} {items:?} was expected, and is not there"))
        }
        None => Ok(()),
    }
}
