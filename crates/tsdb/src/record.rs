//! Record: what the log and a checkpoint say, one after the other.
//!
//! ```text
//! series    slot, id and labels: the slot is this series from here on
//! samples   some samples, taken in together
//! metadata  what a family of metrics is
//! ```
//!
//! A sample is its slot and its moment, as differences from the sample before, and its value as a difference from the
//! value of its series before in the same file. So a file is read from its begin, and a counter takes three bytes.

use std::sync::Arc;

use evenkeel_series::Histogram;

use crate::chunk::histogram;
use crate::codec::wire::{Reader, put_signed, put_text, put_varint, unzigzag, zigzag};
use crate::metadata::{Metadata, MetricKind};

const SERIES: u8 = 1;
const SAMPLES: u8 = 2;
const METADATA: u8 = 3;

/// A record that is read.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    Series { slot: u32, id: u64, pairs: Vec<(&'a str, &'a str)> },
    Samples(Tokens<'a>),
    Metadata { family: &'a str, metadata: Metadata },
}

pub(crate) fn put_series<'a>(
    into: &mut Vec<u8>,
    slot: u32,
    id: u64,
    pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) {
    into.push(SERIES);
    put_varint(into, slot.into());
    put_varint(into, id);
    put_pairs(into, pairs);
}

pub(crate) fn put_pairs<'a>(
    into: &mut Vec<u8>,
    pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) {
    put_varint(into, pairs.clone().count() as u64);
    for (name, value) in pairs {
        put_text(into, name);
        put_text(into, value);
    }
}

pub(crate) fn get_pairs<'a>(reader: &mut Reader<'a>) -> Option<Vec<(&'a str, &'a str)>> {
    let count = reader.count()?;
    (0..count).map(|_| Some((reader.text()?, reader.text()?))).collect()
}

pub(crate) fn put_metadata(into: &mut Vec<u8>, family: &str, metadata: &Metadata) {
    into.push(METADATA);
    for text in [family, metadata.kind.name(), &metadata.help, &metadata.unit] {
        put_text(into, text);
    }
}

/// Reads one record.
pub(crate) fn get(payload: &[u8]) -> Option<Record<'_>> {
    let mut reader = Reader::new(payload);
    match reader.byte()? {
        SERIES => {
            let slot = u32::try_from(reader.varint()?).ok()?;
            let id = reader.varint()?;
            Some(Record::Series { slot, id, pairs: get_pairs(&mut reader)? })
        }
        SAMPLES => Some(Record::Samples(Tokens { reader, place: Place::default() })),
        METADATA => {
            let family = reader.text()?;
            let kind = MetricKind::of(reader.text()?);
            let (help, unit) = (reader.text()?.to_owned(), reader.text()?.to_owned());
            Some(Record::Metadata { family, metadata: Metadata { kind, help, unit } })
        }
        _ => None,
    }
}

/// Where the sample before was.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Place {
    next: u32,
    at: i64,
}

/// Begins a record of samples.
pub(crate) fn begin_samples(into: &mut Vec<u8>) -> Place {
    into.push(SAMPLES);
    Place::default()
}

const OTHER_MOMENT: u64 = 1;
const HISTOGRAM: u64 = 2;

impl Place {
    /// Writes where and when; the value follows.
    pub(crate) fn put(&mut self, into: &mut Vec<u8>, slot: u32, at: i64, is_histogram: bool) {
        let mut token = zigzag(i64::from(slot) - i64::from(self.next)) << 2;
        if is_histogram {
            token |= HISTOGRAM;
        }
        if at == self.at {
            put_varint(into, token);
        } else {
            put_varint(into, token | OTHER_MOMENT);
            put_signed(into, at.wrapping_sub(self.at));
        }
        *self = Self { next: slot.wrapping_add(1), at };
    }
}

/// The samples of a record.
#[derive(Debug)]
pub(crate) struct Tokens<'a> {
    reader: Reader<'a>,
    place: Place,
}

/// What a token stands for, before its value is known.
pub(crate) enum Logged {
    Float(u32, i64),
    Histogram(u32, i64, Arc<Histogram>),
}

impl Tokens<'_> {
    /// The next; none at the end, and an error when it is none. The value of a float is still to be
    /// [read](Self::value).
    pub(crate) fn next(&mut self) -> Option<Result<Logged, ()>> {
        (!self.reader.is_empty()).then(|| self.token().ok_or(()))
    }

    fn token(&mut self) -> Option<Logged> {
        let token = self.reader.varint()?;
        let step = unzigzag(token >> 2);
        let slot = u32::try_from(i64::from(self.place.next).checked_add(step)?).ok()?;
        let mut at = self.place.at;
        if token & OTHER_MOMENT != 0 {
            at = at.wrapping_add(self.reader.signed()?);
        }
        self.place = Place { next: slot.wrapping_add(1), at };
        if token & HISTOGRAM == 0 {
            return Some(Logged::Float(slot, at));
        }
        Some(Logged::Histogram(slot, at, Arc::new(histogram::get(&mut self.reader)?)))
    }

    /// The value of the float, after the one before of its series.
    pub(crate) fn value(&mut self, before: f64) -> Option<f64> {
        self.reader.value(before)
    }
}
