//! Write request: Prometheus remote write 1.0.
//!
//! The body is unpacked into room that is kept, labels are slices of it, and samples go from the bytes into the batch:
//! nothing is made for a sample, and nothing for a series that the store knows.

use std::sync::Arc;

use evenkeel_series::histogram::{Reset, Run};
use evenkeel_series::{Histogram, METRIC_NAME, Point};

use super::wire::{Value, Wire};
use super::{Left, ReceiveError};
use crate::exposition::Kind;
use crate::intake::{Batch, Intake, Meaning};

/// No request is larger, unpacked.
const PLAIN_MAX: usize = 64 << 20;
/// What is made of one request, at most: a sample takes two bytes there, and a score of them here.
const SAMPLES_MAX: usize = 2_000_000;
/// So many metrics are explained by one request at most, …
const MEANINGS_MAX: usize = 100_000;
/// … and a series with more labels is none: no store takes it.
const LABELS_MAX: usize = 1_000;
/// After a request that was larger, the room is given back.
const KEPT_MAX: usize = 8 << 20;

/// What came of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Samples that were taken in, histograms among them.
    pub samples: usize,
    /// Exemplars, which are not kept.
    pub exemplars: usize,
    /// What was not.
    pub left: Left,
}

/// Takes requests in, one after the other, in room of its own.
#[derive(Debug)]
pub struct Receiver<S> {
    plain: Vec<u8>,
    batch: Batch<S>,
}

impl<S> Default for Receiver<S> {
    fn default() -> Self {
        Self { plain: Vec::new(), batch: Batch::default() }
    }
}

impl<S: Copy + Send + Sync + 'static> Receiver<S> {
    /// Takes in the body of a request, packed by Snappy as a block.
    ///
    /// # Errors
    /// When it is no such request; nothing of it was taken in then. When the store takes nothing in.
    pub fn write(
        &mut self,
        body: &[u8],
        store: &impl Intake<Series = S>,
    ) -> Result<Written, ReceiveError> {
        let length = snap::raw::decompress_len(body).map_err(|_| ReceiveError::Packed)?;
        if length > PLAIN_MAX {
            return Err(ReceiveError::TooLarge(PLAIN_MAX));
        }
        if self.plain.len() < length {
            self.plain.resize(length, 0);
        }
        let plain = self.plain.get_mut(..length).unwrap_or_default();
        let length =
            snap::raw::Decoder::new().decompress(body, plain).map_err(|_| ReceiveError::Packed)?;
        let plain = self.plain.get(..length).unwrap_or_default();
        // The second time, when the store has forgotten a series between its handle and its samples.
        let mut written = take(plain, &mut self.batch, store)?;
        if written.left.refused.forgotten > 0 {
            written = take(plain, &mut self.batch, store)?;
        }
        if self.plain.len() > KEPT_MAX {
            (self.plain, self.batch) = (Vec::new(), Batch::default());
        }
        Ok(written)
    }
}

fn take<S: Copy + Send + Sync + 'static>(
    plain: &[u8],
    batch: &mut Batch<S>,
    store: &impl Intake<Series = S>,
) -> Result<Written, ReceiveError> {
    batch.clear();
    let (mut left, mut exemplars) = (Left::default(), 0);
    let mut labels: Vec<(&str, &str)> = Vec::with_capacity(32);
    let mut meanings = Vec::new();
    let mut wire = Wire(plain);
    while let Some((number, value)) = wire.field()? {
        match number {
            1 => exemplars += series(value.message()?, &mut labels, batch, &mut left, store)?,
            3 => meanings.push(meaning(value.message()?)?),
            _ => {}
        }
        if batch.len() > SAMPLES_MAX || meanings.len() > MEANINGS_MAX {
            return Err(ReceiveError::TooMany(SAMPLES_MAX));
        }
    }
    let count = batch.len();
    left.refused = store.append(batch)?;
    meanings.iter().for_each(|(metric, meaning)| store.describe(metric, meaning));
    Ok(Written { samples: count - left.refused.total().min(count), exemplars, left })
}

/// Takes the samples of a series into the batch, and says how many exemplars were among them.
fn series<'a, S: Copy + Send + Sync + 'static>(
    message: &'a [u8],
    labels: &mut Vec<(&'a str, &'a str)>,
    batch: &mut Batch<S>,
    left: &mut Left,
    store: &impl Intake<Series = S>,
) -> Result<usize, ReceiveError> {
    labels.clear();
    // Labels come first from everybody, but need not.
    let mut wire = Wire(message);
    let (mut samples, mut exemplars) = (0, 0);
    while let Some((number, value)) = wire.field()? {
        match number {
            1 if labels.len() == LABELS_MAX => {
                left.invalid(|| format!("a series with more than {LABELS_MAX} labels"));
                return Ok(0);
            }
            1 => labels.push(label(value.message()?)?),
            2 | 4 => samples += 1,
            3 => exemplars += 1,
            _ => {}
        }
    }
    if samples == 0 {
        return Ok(exemplars);
    }
    if samples > SAMPLES_MAX {
        return Err(ReceiveError::TooMany(SAMPLES_MAX));
    }
    if !labels.is_sorted_by(|one, other| one.0 < other.0) {
        labels.sort_unstable();
    }
    labels.retain(|it| !it.1.is_empty());
    let is_twice = labels.windows(2).any(|it| matches!(it, [one, other] if one.0 == other.0));
    let has_name = labels.iter().any(|it| it.0 == METRIC_NAME);
    if is_twice || !has_name || labels.first().is_some_and(|it| it.0.is_empty()) {
        left.invalid(|| format!("invalid labels {labels:?}"));
        return Ok(exemplars);
    }
    let handle = match store.series(labels) {
        Ok(handle) => handle,
        Err(error) => {
            left.invalid(|| error.to_string());
            return Ok(exemplars);
        }
    };
    let mut wire = Wire(message);
    while let Some((number, value)) = wire.field()? {
        match number {
            2 => batch.points.push((handle, sample(value.message()?)?)),
            4 => match histogram(value.message()?)? {
                Some((at, histogram)) => batch.histograms.push((handle, at, Arc::new(histogram))),
                None => left.invalid(|| format!("a histogram of {labels:?} contradicts itself")),
            },
            _ => {}
        }
    }
    Ok(exemplars)
}

#[inline]
fn label(message: &[u8]) -> Result<(&str, &str), ReceiveError> {
    let (mut name, mut text) = ("", "");
    let mut wire = Wire(message);
    while let Some((number, value)) = wire.field()? {
        match number {
            1 => name = value.text()?,
            2 => text = value.text()?,
            _ => {}
        }
    }
    Ok((name, text))
}

#[inline]
fn sample(message: &[u8]) -> Result<Point, ReceiveError> {
    let mut point = Point { at: 0, value: 0.0 };
    let mut wire = Wire(message);
    while let Some((number, value)) = wire.field()? {
        match number {
            1 => point.value = value.double()?,
            2 => point.at = value.int64()?,
            _ => {}
        }
    }
    Ok(point)
}

fn meaning(message: &[u8]) -> Result<(&str, Meaning), ReceiveError> {
    let (mut metric, mut meaning) = ("", Meaning::default());
    let mut wire = Wire(message);
    while let Some((number, value)) = wire.field()? {
        match number {
            1 => meaning.kind = kind(value),
            2 => metric = value.text()?,
            4 => value.text()?.clone_into(&mut meaning.help),
            5 => value.text()?.clone_into(&mut meaning.unit),
            _ => {}
        }
    }
    Ok((metric, meaning))
}

const fn kind(value: Value<'_>) -> Kind {
    match value {
        Value::Varint(1) => Kind::Counter,
        Value::Varint(2) => Kind::Gauge,
        Value::Varint(3) => Kind::Histogram,
        Value::Varint(4) => Kind::GaugeHistogram,
        Value::Varint(5) => Kind::Summary,
        Value::Varint(6) => Kind::Info,
        Value::Varint(7) => Kind::StateSet,
        _ => Kind::Unknown,
    }
}

/// A native histogram, of whole numbers or of floats; `None` when its buckets contradict one another.
fn histogram(message: &[u8]) -> Result<Option<(i64, Histogram)>, ReceiveError> {
    let (mut at, mut it) = (0, Histogram::default());
    let (mut positive, mut negative) = (Vec::new(), Vec::new());
    let mut wire = Wire(message);
    while let Some((number, value)) = wire.field()? {
        match (number, value) {
            (1, Value::Varint(count)) => it.count = count as f64,
            (2, value) => it.count = value.double()?,
            (3, value) => it.sum = value.double()?,
            (4, value) => it.schema = value.sint32()?,
            (5, value) => it.zero_threshold = value.double()?,
            (6, Value::Varint(count)) => it.zero_count = count as f64,
            (7, value) => it.zero_count = value.double()?,
            (8, value) => it.negative_runs.push(run(value.message()?)?),
            (9, value) => value.sint64s(&mut negative)?,
            (10, value) => value.doubles(&mut it.negative)?,
            (11, value) => it.positive_runs.push(run(value.message()?)?),
            (12, value) => value.sint64s(&mut positive)?,
            (13, value) => value.doubles(&mut it.positive)?,
            (14, Value::Varint(hint)) => {
                it.reset = match hint {
                    1 => Reset::Yes,
                    2 => Reset::No,
                    3 => Reset::Gauge,
                    _ => Reset::Unknown,
                }
            }
            (15, value) => at = value.int64()?,
            (16, value) => value.doubles(&mut it.bounds)?,
            _ => {}
        }
    }
    let is_good = grow(&positive, &mut it.positive) && grow(&negative, &mut it.negative);
    let fits = |runs: &[Run], counts: &[f64]| {
        let said: u64 = runs.iter().map(|it| u64::from(it.length)).sum();
        said == counts.len() as u64
    };
    let is_good =
        is_good && fits(&it.positive_runs, &it.positive) && fits(&it.negative_runs, &it.negative);
    Ok(is_good.then_some((at, it)))
}

/// Counts from the difference of each to the one before; whether none is negative.
fn grow(deltas: &[i64], counts: &mut Vec<f64>) -> bool {
    let mut count = 0_i64;
    deltas.iter().all(|delta| {
        let next = count.checked_add(*delta).filter(|it| *it >= 0);
        if let Some(next) = next {
            count = next;
            counts.push(next as f64);
        }
        next.is_some()
    })
}

fn run(message: &[u8]) -> Result<Run, ReceiveError> {
    let mut run = Run { offset: 0, length: 0 };
    let mut wire = Wire(message);
    while let Some((number, value)) = wire.field()? {
        match (number, value) {
            (1, value) => run.offset = value.sint32()?,
            (2, Value::Varint(length)) => {
                run.length = u32::try_from(length).map_err(|_| ReceiveError::Message)?;
            }
            _ => {}
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::intake::memory::Memory;
    use crate::remote_write::message::{
        BucketSpan, Label, MetricMetadata, NativeHistogram, Sample, TimeSeries, WriteRequest,
    };

    fn packed(request: &WriteRequest) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(&request.encode_to_vec()).unwrap()
    }

    fn series(labels: &[(&str, &str)], samples: &[(f64, i64)]) -> TimeSeries {
        let label = |it: &(&str, &str)| Label { name: it.0.to_owned(), value: it.1.to_owned() };
        let sample = |it: &(f64, i64)| Sample { value: it.0, timestamp: it.1 };
        TimeSeries {
            labels: labels.iter().map(label).collect(),
            samples: samples.iter().map(sample).collect(),
            histograms: Vec::new(),
        }
    }

    fn write(store: &Memory, timeseries: Vec<TimeSeries>) -> Written {
        let request = WriteRequest { timeseries, metadata: Vec::new() };
        Receiver::default().write(&packed(&request), store).unwrap()
    }

    #[test]
    fn samples_are_taken_in_under_their_labels_however_these_are_sorted() {
        let store = Memory::default();
        let written = write(
            &store,
            vec![
                series(&[(METRIC_NAME, "up"), ("job", "a")], &[(1.0, 5), (0.0, 6)]),
                series(&[("job", "b"), ("zone", ""), (METRIC_NAME, "up")], &[(2.5, -7)]),
                series(&[(METRIC_NAME, "idle")], &[]),
            ],
        );
        assert_eq!(written, Written { samples: 3, ..Written::default() });
        assert_eq!(
            store.all(),
            ["up{job=\"a\"} 1 @5", "up{job=\"a\"} 0 @6", "up{job=\"b\"} 2.5 @-7"]
        );
    }

    #[test]
    fn what_is_refused_does_not_keep_the_rest_out() {
        let store = Memory::default();
        let written = write(
            &store,
            vec![
                series(&[(METRIC_NAME, "a")], &[(1.0, 5), (1.0, 4), (2.0, 5), (3.0, 6)]),
                series(&[("job", "nameless")], &[(1.0, 1)]),
                series(&[(METRIC_NAME, "b"), ("x", "1"), ("x", "2")], &[(1.0, 1)]),
                series(&[(METRIC_NAME, "c")], &[(1.0, 1)]),
            ],
        );
        assert_eq!(written.samples, 3);
        assert_eq!(
            written.left.to_string(),
            "out of order sample (1); duplicate sample for timestamp (1); \
             invalid labels [(\"job\", \"nameless\")] (2)"
        );
        assert_eq!(store.all(), ["a 1 @5", "a 3 @6", "c 1 @1"]);
    }

    #[test]
    fn native_histograms_and_what_metrics_mean_are_taken_in() {
        let store = Memory::default();
        let span = |offset, length| BucketSpan { offset, length };
        let native = NativeHistogram {
            count: 11,
            sum: 2.5,
            schema: 3,
            zero_threshold: 0.25,
            zero_count: Some(1),
            positive_spans: vec![span(-2, 2), span(7, 1)],
            positive_deltas: vec![4, 2, -6],
            timestamp: 9,
        };
        let mut with = series(&[(METRIC_NAME, "h")], &[]);
        with.histograms =
            vec![native.clone(), NativeHistogram { positive_deltas: vec![-1], ..native }];
        let metadata = vec![MetricMetadata {
            kind: 3,
            metric_family_name: "h".to_owned(),
            help: "Times.".to_owned(),
            unit: "seconds".to_owned(),
        }];
        let request = WriteRequest { timeseries: vec![with], metadata };
        let written = Receiver::default().write(&packed(&request), &store).unwrap();
        assert_eq!((written.samples, written.left.invalid), (1, 1));
        let (name, at, histogram) = store.histograms().pop().unwrap();
        assert_eq!((&*name, at, histogram.schema), ("h", 9, 3));
        assert_eq!(histogram.positive, [4.0, 6.0, 0.0]);
        assert_eq!(
            histogram.positive_runs,
            [Run { offset: -2, length: 2 }, Run { offset: 7, length: 1 }]
        );
        assert_eq!(store.told()[0].1.unit, "seconds");
    }

    #[test]
    fn what_is_no_request_is_refused_as_a_whole() {
        let store = Memory::default();
        let write = |body: &[u8]| Receiver::default().write(body, &store).unwrap_err();
        assert_eq!(write(b"\xff"), ReceiveError::Packed);
        let packed = |it: &[u8]| snap::raw::Encoder::new().compress_vec(it).unwrap();
        assert_eq!(write(&packed(b"\x0a\x05\x0a")), ReceiveError::Message);
        assert_eq!(write(&[255, 255, 255, 127]), ReceiveError::TooLarge(PLAIN_MAX));
        assert_eq!(store.all(), [""; 0]);
    }

    #[test]
    fn a_small_body_that_says_too_much_is_refused() {
        let (store, mut receiver) = (Memory::default(), Receiver::default());
        let packed = |it: &[u8]| snap::raw::Encoder::new().compress_vec(it).unwrap();
        let mut write = |plain: Vec<u8>| receiver.write(&packed(&plain), &store);
        let mut one = series(&[("__name__", "a")], &[]).encode_to_vec();
        one.extend(b"\x12\x00".repeat(SAMPLES_MAX + 1));
        let mut samples = vec![0x0a];
        prost::encoding::encode_varint(one.len() as u64, &mut samples);
        samples.extend(one);
        assert_eq!(write(samples), Err(ReceiveError::TooMany(SAMPLES_MAX)));
        assert!(write(b"\x1a\x00".repeat(MEANINGS_MAX + 1)).is_err());
        let pairs: Vec<_> = (0..=LABELS_MAX).map(|it| (format!("n{it}"), "v")).collect();
        let pairs: Vec<_> = pairs.iter().map(|it| (&*it.0, it.1)).collect();
        let many = WriteRequest {
            timeseries: vec![
                series(&pairs, &[(1.0, 5)]),
                series(&[("__name__", "b")], &[(2.0, 5)]),
            ],
            metadata: Vec::new(),
        };
        let written = write(many.encode_to_vec()).unwrap();
        assert_eq!((written.samples, written.left.invalid), (1, 1));
        assert_eq!(store.all(), ["b 2 @5"]);
    }

    proptest! {
        #[test]
        fn noise_is_taken_in_or_refused_but_never_a_panic(
            noise in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..20], 0..80)
        ) {
            let body = snap::raw::Encoder::new().compress_vec(&noise).unwrap();
            for body in [&body, &noise] {
                drop(Receiver::default().write(body, &Memory::default()));
            }
        }
    }
}
