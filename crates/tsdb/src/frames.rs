//! Frames: records in a file, each with its length and its CRC-32, after a header that says what the file is.
//!
//! Whoever reads takes every whole frame, up to the first that is not.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader};
use std::path::Path;

use crate::codec::wire::Reader;
use crate::error::OpenError;

/// What a file of frames is.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Format {
    pub(crate) magic: [u8; 8],
    /// The newest that is read, and the one that is written.
    pub(crate) version: u32,
}

/// How long a header is.
pub(crate) const HEADER: usize = 12;
const FRAME: usize = 8;

impl Format {
    pub(crate) fn header(self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&self.magic);
        header[8..].copy_from_slice(&self.version.to_le_bytes());
        header
    }
}

/// Begins a frame; what is appended until [`close`] is its record.
pub(crate) fn begin(into: &mut Vec<u8>) -> usize {
    into.extend_from_slice(&[0; FRAME]);
    into.len()
}

/// Ends the frame whose record begins at a place.
pub(crate) fn close(into: &mut [u8], begin: usize) {
    let (before, record) = into.split_at_mut(begin);
    if let Some(frame) = before.last_chunk_mut::<FRAME>() {
        frame[..4].copy_from_slice(&(record.len() as u32).to_le_bytes());
        frame[4..].copy_from_slice(&crc32fast::hash(record).to_le_bytes());
    }
}

/// Takes a frame back.
pub(crate) fn abandon(into: &mut Vec<u8>, begin: usize) {
    into.truncate(begin - FRAME);
}

/// How far a file could be read.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes of whole frames, the header among them.
    pub(crate) whole: u64,
    /// Bytes of the file.
    pub(crate) all: u64,
    /// What follows is no frame that was cut off: there are other bytes than were written.
    pub(crate) damaged: bool,
}

impl Extent {
    /// Whether there is no whole frame.
    pub(crate) const fn is_empty(self) -> bool {
        self.whole <= HEADER as u64
    }
}

/// Reads every whole frame: `visit` is given its record, and where it ends. One that it does not understand ends the file, like
/// a torn one.
pub(crate) fn read(
    path: &Path,
    format: Format,
    mut visit: impl FnMut(&[u8], u64) -> Option<()>,
) -> Result<Extent, OpenError> {
    let fail = OpenError::at;
    let file = File::open(path).map_err(fail(path))?;
    let all = file.metadata().map_err(fail(path))?.len();
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut extent = Extent { whole: 0, all, damaged: false };
    let mut header = [0; HEADER];
    if all < HEADER as u64 {
        return Ok(extent);
    }
    if !filled(&mut file, &mut header).map_err(fail(path))? {
        return Ok(extent);
    }
    let found = header.last_chunk().map_or(0, |it| u32::from_le_bytes(*it));
    if !header.starts_with(&format.magic) || found == 0 {
        return Ok(Extent { damaged: header != [0; HEADER], ..extent });
    }
    if found > format.version {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: format.version });
    }
    extent.whole = HEADER as u64;
    let mut record = Vec::new();
    while all - extent.whole > FRAME as u64 {
        let mut frame = [0; FRAME];
        if !filled(&mut file, &mut frame).map_err(fail(path))? {
            break;
        }
        let mut fields = Reader::new(&frame);
        let (Some(length), Some(check)) = (fields.u32(), fields.u32()) else { break };
        let end = extent.whole + FRAME as u64 + u64::from(length);
        // Zeros are what a file may end with when the power failed.
        if length == 0 || end > all {
            break;
        }
        record.resize(length as usize, 0);
        if !filled(&mut file, &mut record).map_err(fail(path))? {
            break;
        }
        if crc32fast::hash(&record) != check || visit(&record, end).is_none() {
            extent.damaged = true;
            break;
        }
        extent.whole = end;
    }
    Ok(extent)
}

/// Reads so many bytes; false where they are not there, because whoever writes the file has cut it off meanwhile.
fn filled(file: &mut impl io::Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

/// Cuts a file off after its whole frames; one that holds none is removed.
pub(crate) fn cut(path: &Path, extent: Extent) -> io::Result<()> {
    if extent.is_empty() {
        return std::fs::remove_file(path);
    }
    if extent.whole == extent.all {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(extent.whole)?;
    file.sync_data()
}
