//! Listed: which segments a store has, in a file, so that one that somebody else has removed is missed.
//!
//! A segment is listed once it has its name, and no longer before it is removed: what is listed and not there was removed by
//! somebody else. One that is there and not listed is as good as any other.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::directory::{self, Scratch};
use crate::segment::{Flushes, Segment};

/// The name of the file.
const NAME: &str = "segments";

/// A segment, as it is listed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    flushes: Flushes,
    from: i64,
    to: i64,
    samples: u64,
}

/// A segment that somebody else has removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The file.
    pub path: PathBuf,
    /// How many samples it held.
    pub samples: u64,
    /// The moment of the first of them, in milliseconds since 1970, …
    pub from: i64,
    /// … and that of the last.
    pub to: i64,
}

impl Listed {
    fn of(segment: &Segment) -> Self {
        let (flushes, samples) = (segment.flushes, segment.samples());
        Self { flushes, from: segment.from(), to: segment.to(), samples }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let flushes = Flushes::of(words.next()?)?;
        let (from, to) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let samples = words.next()?.parse().ok()?;
        words.next().is_none().then_some(Self { flushes, from, to, samples })
    }

    /// It, when neither it nor what it was merged into is among the segments that there are.
    pub(crate) fn missing(self, directory: &Path, there: &[(Flushes, PathBuf)]) -> Option<Missing> {
        let Self { flushes, from, to, samples } = self;
        let is_there = there.iter().any(|it| it.0.hold(flushes));
        (!is_there).then(|| Missing { path: flushes.path(directory), samples, from, to })
    }
}

pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// What is listed: nothing where no list was written yet, and none where it is no list.
pub(crate) fn read(directory: &Path) -> io::Result<Option<Vec<Listed>>> {
    match std::fs::read(path(directory)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Some(Vec::new())),
        read => Ok(parse(&read?)),
    }
}

fn parse(text: &[u8]) -> Option<Vec<Listed>> {
    str::from_utf8(text).ok()?.lines().map(Listed::parse).collect()
}

/// The list of some segments.
pub(crate) fn of(segments: &[Arc<Segment>]) -> Vec<Listed> {
    segments.iter().map(|it| Listed::of(it)).collect()
}

/// Lists segments.
pub(crate) fn write(directory: &Path, all: &[Listed]) -> io::Result<()> {
    let mut text = String::new();
    for Listed { flushes: Flushes { first, last }, from, to, samples } in all {
        // A text takes whatever is written to it.
        writeln!(text, "{first:08}-{last:08} {from} {to} {samples}").unwrap_or_default();
    }
    let path = path(directory);
    let (scratch, mut file) = Scratch::create(path.with_extension(directory::NEW))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    scratch.publish(&path)
}
