//! Checkpoint: the living series as they were when a file of the log began, so that older files are not needed.
//!
//! It is written from a snapshot, while others write on, and holds of each series its name and its growing tail:
//! what was sealed lies in a segment. That it has its name says that this segment counts too.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chunk::histogram;
use crate::chunk::tail::{Floats, Tail};
use crate::codec::wire::{Reader, put_signed, put_varint};
use crate::directory::{self, Scratch};
use crate::frames::{self, Format};
use crate::head::pairs_of;
use crate::metadata::Metadata;
use crate::record::{self, Record};
use crate::snapshot::Snapshot;

pub(crate) const FORMAT: Format = Format { magic: *b"evk-head", version: 1 };

/// The ending of a checkpoint's name.
pub(crate) const ENDING: &str = "head";

const TAIL: u8 = 16;
const END: u8 = 17;

/// Something that a checkpoint says.
pub(crate) enum Said<'a> {
    Series {
        slot: u32,
        id: u64,
        pairs: Vec<(&'a str, &'a str)>,
    },
    Metadata {
        family: &'a str,
        metadata: Metadata,
    },
    /// What the series of the slot last had, and its tail.
    Tail {
        slot: u32,
        last: Option<i64>,
        tail: Tail,
    },
    /// Nothing follows. The next id that nothing has had.
    End {
        next_id: u64,
    },
}

/// The path of the checkpoint of a number.
pub(crate) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.{ENDING}"))
}

/// Writes what a snapshot has in memory, brings it to disk and gives it its name.
pub(crate) fn write(
    directory: &Path,
    number: u64,
    snapshot: &Snapshot,
    next_id: u64,
) -> io::Result<()> {
    let path = path(directory, number);
    let (scratch, file) = Scratch::create(path.with_extension(directory::NEW))?;
    fill(file, snapshot, next_id)?;
    scratch.publish(&path)
}

fn fill(file: File, snapshot: &Snapshot, next_id: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 18, file);
    file.write_all(&FORMAT.header())?;
    let mut room = Vec::new();
    let mut frame = |put: &dyn Fn(&mut Vec<u8>)| {
        room.clear();
        let begin = frames::begin(&mut room);
        put(&mut room);
        frames::close(&mut room, begin);
        file.write_all(&room)
    };
    for (family, metadata) in &*snapshot.metadata {
        frame(&|into| record::put_metadata(into, family, metadata))?;
    }
    for (slot, live) in snapshot.pages.iter() {
        frame(&|into| record::put_series(into, slot, live.id, pairs_of(&live.labels)))?;
        frame(&|into| put_tail(into, slot, live.last, &live.tail))?;
    }
    frame(&|into| {
        into.push(END);
        put_varint(into, next_id);
    })?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn put_tail(into: &mut Vec<u8>, slot: u32, last: Option<i64>, tail: &Tail) {
    into.push(TAIL);
    put_varint(into, slot.into());
    put_varint(into, u64::from(last.is_some()));
    put_signed(into, last.unwrap_or(0));
    match tail {
        Tail::Empty => into.push(0),
        Tail::Floats(floats) => {
            into.push(1);
            floats.put(into);
        }
        Tail::Histograms(histograms) => {
            into.push(2);
            put_varint(into, histograms.samples.len() as u64);
            for (at, it) in &histograms.samples {
                put_signed(into, *at);
                histogram::put(into, it);
            }
        }
    }
}

/// Reads one record of a checkpoint.
pub(crate) fn get(payload: &[u8]) -> Option<Said<'_>> {
    let mut reader = Reader::new(payload);
    match reader.byte()? {
        TAIL => {
            let slot = u32::try_from(reader.varint()?).ok()?;
            let has_last = reader.varint()? == 1;
            let last = reader.signed()?;
            let tail = get_tail(&mut reader)?;
            Some(Said::Tail { slot, last: has_last.then_some(last), tail })
        }
        END => Some(Said::End { next_id: reader.varint()? }),
        _ => match record::get(payload)? {
            Record::Series { slot, id, pairs } => Some(Said::Series { slot, id, pairs }),
            Record::Metadata { family, metadata } => Some(Said::Metadata { family, metadata }),
            Record::Samples(_) => None,
        },
    }
}

fn get_tail(reader: &mut Reader<'_>) -> Option<Tail> {
    let mut tail = Tail::Empty;
    match reader.byte()? {
        0 => {}
        1 => tail = Tail::Floats(Floats::get(reader)?),
        2 => {
            for _ in 0..reader.count()? {
                let at = reader.signed()?;
                let it = Arc::new(histogram::get(reader)?);
                // It was not full when it was written, so it is not now.
                if tail.push_histogram(at, it).is_some() {
                    return None;
                }
            }
        }
        _ => return None,
    }
    Some(tail)
}
