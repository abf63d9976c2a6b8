//! Intake: a sample is looked at, written to the log and put into its series.

use std::sync::Arc;

use evenkeel_series::{Point, Samples, Span};

use crate::batch::{Sample, Value, is_well_formed};
use crate::chunk::histogram;
use crate::codec::wire::put_value;
use crate::error::Rejection;
use crate::head::{Live, Taken};
use crate::log::Log;
use crate::record::{self, Place};
use crate::segment::Segment;

/// How old or new a sample may be.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Bounds {
    /// How far behind the latest of its series.
    pub(crate) late: i64,
    /// Nothing may be older.
    pub(crate) horizon: i64,
    /// Nothing may be newer.
    pub(crate) newest: i64,
}

/// A batch that is being taken in.
#[derive(Debug)]
pub(crate) struct Intake<'a> {
    log: &'a mut Log,
    segments: &'a [Arc<Segment>],
    now: Option<i64>,
    bounds: Bounds,
    place: Place,
    /// By how much what is sealed has grown.
    pub(crate) sealed_bytes: usize,
}

impl<'a> Intake<'a> {
    /// Begins a record of the log, which is still to be closed or abandoned.
    pub(crate) fn begin(
        log: &'a mut Log,
        segments: &'a [Arc<Segment>],
        now: Option<i64>,
        bounds: Bounds,
    ) -> Self {
        let place = record::begin_samples(log.frame());
        Self { log, segments, now, bounds, place, sealed_bytes: 0 }
    }

    /// Takes one sample in; false if the very same is there.
    pub(crate) fn put(
        &mut self,
        live: Option<&mut Live>,
        Sample { series, at, value }: &Sample,
    ) -> Result<bool, Rejection> {
        let live = live.ok_or(Rejection::Forgotten)?;
        let at = *at;
        if at < self.bounds.horizon {
            return Err(Rejection::TooOld);
        }
        if at > self.bounds.newest {
            return Err(Rejection::TooNew);
        }
        if let Value::Histogram(it) = value
            && !is_well_formed(it)
        {
            return Err(Rejection::Malformed);
        }
        if !live.is_next(at)
            && let Some(taken) = self.taken(live, at)?
        {
            let same = match value {
                Value::Float(value) => taken.is(*value),
                Value::Histogram(it) => taken.is_histogram(it),
            };
            return if same { Ok(false) } else { Err(Rejection::Conflict) };
        }
        if self.log.is_full() {
            self.log.close();
            self.place = record::begin_samples(self.log.frame());
        }
        live.touched = self.now;
        let number = self.log.number;
        let into = self.log.record();
        self.sealed_bytes += match value {
            Value::Float(value) => {
                if live.logged != number {
                    (live.logged, live.base) = (number, 0.0);
                }
                self.place.put(into, series.slot, at, false);
                put_value(into, live.base, *value);
                live.base = *value;
                live.put(Point { at, value: *value })
            }
            Value::Histogram(it) => {
                self.place.put(into, series.slot, at, true);
                histogram::put(into, it);
                live.put_histogram(at, it.clone())
            }
        };
        Ok(true)
    }

    /// What a series holds at a moment that is not its next.
    fn taken(&self, live: &Live, at: i64) -> Result<Option<Taken>, Rejection> {
        if live.last.is_some_and(|last| last.saturating_sub(at) > self.bounds.late) {
            return Err(Rejection::OutOfOrder);
        }
        Ok(live.taken(at).or_else(|| taken_in(self.segments, live.id, at)))
    }
}

fn taken_in(segments: &[Arc<Segment>], id: u64, at: i64) -> Option<Taken> {
    let moment = Span { after: at.checked_sub(1)?, until: at };
    let near = segments.iter().filter(|it| moment.meets(it.from(), it.to()));
    for segment in near {
        let Some(row) = segment.row_of(id).and_then(|row| segment.row(row)) else { continue };
        for piece in segment.pieces(&row) {
            let mut samples = Samples::default();
            if moment.meets(piece.entry.from, piece.entry.to)
                && piece.read(moment, &mut samples).is_ok()
                && let Some(taken) = Taken::of(&samples)
            {
                return Some(taken);
            }
        }
    }
    None
}
