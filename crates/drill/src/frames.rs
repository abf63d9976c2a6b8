//! Frames: every second of a load, kept where it takes no memory.
//!
//! A load at full rate tells a thousand and more times apart in each second; a long one would fill the memory of the
//! machine that sends it. So seconds are kept packed, the latest in memory and those before them in a file that
//! nobody else sees and that ends with the process. Judges go through them as often as they like, one at a time.
//!
//! Nothing is lost: what no file takes stays in memory, and a file that cannot be read back is an error of
//! [`judge`](crate::judge), not a shorter run.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use evenkeel_model::Frame;
use evenkeel_units::Moment;

/// So many bytes of packed seconds are kept in memory before they go to the file.
const IN_MEMORY: usize = 256 * 1024;

/// The seconds of a load, in the order in which they were heard.
#[derive(Debug, Default)]
pub struct Frames {
    /// Where the file is made when it is needed; everything stays in memory without.
    folder: Option<PathBuf>,
    file: Option<File>,
    /// What is in the file.
    kept: Vec<Stretch>,
    /// What is not.
    latest: Stretch,
    packed: Vec<u8>,
    /// Why some of a run could not be read back.
    trouble: Arc<OnceLock<io::Error>>,
}

/// Seconds that lie together.
#[derive(Clone, Debug)]
struct Stretch {
    /// Packed bytes of them all.
    bytes: usize,
    seconds: RangeInclusive<u64>,
}

impl Default for Stretch {
    #[expect(clippy::reversed_empty_ranges, reason = "of no second yet")]
    fn default() -> Self {
        Self { bytes: 0, seconds: u64::MAX..=0 }
    }
}

/// Seconds of a load could not be read back.
#[derive(Debug, thiserror::Error)]
#[error("cannot read back the seconds of the run: {0}")]
pub struct Unreadable(String);

impl Frames {
    /// None yet; the file that they will need lies in `folder`, nameless.
    pub fn within(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()), ..Self::default() }
    }

    /// None yet, for others of the same run: kept in the same place, and in trouble together.
    pub(crate) fn alike(&self) -> Self {
        let trouble = Arc::clone(&self.trouble);
        Self { folder: self.folder.clone(), trouble, ..Self::default() }
    }

    /// Adds a second.
    pub fn push(&mut self, frame: &Frame) {
        self.packed =
            postcard::to_extend(frame, std::mem::take(&mut self.packed)).expect("memory takes all");
        let seconds = &self.latest.seconds;
        self.latest = Stretch {
            bytes: self.packed.len(),
            seconds: *seconds.start().min(&frame.second)..=*seconds.end().max(&frame.second),
        };
        if self.packed.len() >= IN_MEMORY && self.put_away().is_err() {
            // What the disk does not take stays here, with all that follows.
            self.folder = None;
        }
    }

    /// Moves what is in memory to the file.
    fn put_away(&mut self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(folder)?),
        };
        let end: usize = self.kept.iter().map(|it| it.bytes).sum();
        file.write_all_at(&self.packed, end as u64)?;
        self.packed.clear();
        self.kept.push(std::mem::take(&mut self.latest));
        Ok(())
    }

    /// All of them, in order.
    pub const fn iter(&self) -> Iter<'_> {
        self.about(0..=u64::MAX)
    }

    /// Those whose middle lies from one moment to before another.
    pub fn between(&self, from: Moment, to: Moment) -> impl Iterator<Item = Frame> + Clone {
        let seconds = from.elapsed().as_secs()..=to.elapsed().as_secs();
        self.about(seconds).filter(move |it| from <= it.middle() && it.middle() < to)
    }

    /// At least those of `seconds`: others are passed over where that costs nothing.
    const fn about(&self, seconds: RangeInclusive<u64>) -> Iter<'_> {
        Iter { frames: self, seconds, next: 0, from: 0, bytes: Cow::Borrowed(&[]), at: 0 }
    }

    /// When the last of them ends, after the start of the load.
    pub(crate) fn end(&self) -> Moment {
        let ends = self.kept.iter().chain([&self.latest]).filter(|it| it.bytes > 0);
        let last = ends.map(|it| it.seconds.end() + 1).max();
        Moment::at(Duration::from_secs(last.unwrap_or(0)))
    }

    /// Whether all of the run could be read back so far: a walk through seconds ends where they cannot.
    ///
    /// # Errors
    /// When they could not.
    pub fn check(&self) -> Result<(), Unreadable> {
        self.trouble.get().map_or(Ok(()), |it| Err(Unreadable(it.to_string())))
    }

    fn read(&self, from: usize, bytes: usize) -> io::Result<Vec<u8>> {
        let mut read = vec![0; bytes];
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.read_exact_at(&mut read, from as u64)?;
        Ok(read)
    }
}

impl<'a> IntoIterator for &'a Frames {
    type Item = Frame;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Goes through seconds.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    frames: &'a Frames,
    seconds: RangeInclusive<u64>,
    /// The stretch after the present one, and where in the file it lies.
    next: usize,
    from: usize,
    /// The present one, and how far it has been gone through.
    bytes: Cow<'a, [u8]>,
    at: usize,
}

impl Iter<'_> {
    /// Turns to the next stretch; says whether there is one.
    fn turn(&mut self) -> io::Result<bool> {
        let (kept, latest) = (&self.frames.kept, &self.frames.latest);
        let asked = |it: &Stretch| {
            it.seconds.start() <= self.seconds.end() && self.seconds.start() <= it.seconds.end()
        };
        while let Some(stretch) = kept.get(self.next) {
            let from = self.from;
            self.next += 1;
            self.from += stretch.bytes;
            if asked(stretch) {
                (self.bytes, self.at) = (self.frames.read(from, stretch.bytes)?.into(), 0);
                return Ok(true);
            }
        }
        let is_last = self.next == kept.len() && latest.bytes > 0 && asked(latest);
        let last: &[u8] = if is_last { &self.frames.packed } else { &[] };
        (self.bytes, self.at) = (last.into(), 0);
        self.next = kept.len() + 1;
        Ok(is_last)
    }

    fn take(&mut self) -> io::Result<Option<Frame>> {
        if self.at == self.bytes.len() && !self.turn()? {
            return Ok(None);
        }
        let left = &self.bytes[self.at..];
        let (frame, rest) = postcard::take_from_bytes(left).map_err(io::Error::other)?;
        self.at = self.bytes.len() - rest.len();
        Ok(Some(frame))
    }
}

impl Iterator for Iter<'_> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        self.take().unwrap_or_else(|error| {
            // The first trouble tells most; whoever judges asks for it.
            drop(self.frames.trouble.set(error));
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_model::Distribution;

    /// A second with so many times in it that a few hundred fill the memory there is for them.
    fn wide(second: u64) -> Frame {
        let micros = (0..1000).map(|it| (it * 7 + second, it % 5 + 1)).collect();
        Frame { second, lag_micros: Distribution { micros }, ..Frame::default() }
    }

    fn filled(mut frames: Frames) -> Frames {
        (0..300).for_each(|it| frames.push(&wide(it)));
        frames
    }

    #[test]
    fn what_went_to_the_file_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let frames = filled(Frames::within(folder.path()));
        assert!(frames.kept.len() > 1 && !frames.packed.is_empty());
        assert!(frames.packed.len() < IN_MEMORY);
        assert!(frames.iter().eq((0..300).map(wide)));
        frames.check().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it has no name");
    }

    #[test]
    fn seconds_are_found_without_reading_all() {
        let folder = tempfile::tempdir().unwrap();
        let frames = filled(Frames::within(folder.path()));
        let at = |second| Moment::at(Duration::from_secs(second));
        for (from, to) in [(0, 1), (150, 152), (290, 500), (300, 400)] {
            let found = frames.between(at(from), at(to)).map(|it| it.second);
            assert!(found.eq(from..to.min(300).max(from)), "{from} to {to}");
            assert!(frames.about(from..=to - 1).count() < 200, "{from} to {to}");
        }
        assert_eq!(frames.end(), at(300));
    }

    #[test]
    fn what_no_file_takes_stays_in_memory() {
        for frames in [Frames::default(), Frames::within(Path::new("/proc/1"))] {
            let frames = filled(frames);
            assert!(frames.iter().eq((0..300).map(wide)));
            frames.check().unwrap();
        }
    }

    #[test]
    fn a_full_disk_loses_no_second() {
        let mut frames = Frames::within(Path::new("/"));
        frames.file = Some(File::options().read(true).write(true).open("/dev/full").unwrap());
        let frames = filled(frames);
        assert!(frames.iter().eq((0..300).map(wide)));
    }

    #[test]
    fn a_file_that_cannot_be_read_back_is_no_shorter_run() {
        let folder = tempfile::tempdir().unwrap();
        let frames = filled(Frames::within(folder.path()));
        frames.file.as_ref().unwrap().set_len(10).unwrap();
        assert_eq!(frames.iter().count(), 0);
        let error = frames.check().unwrap_err().to_string();
        assert!(error.starts_with("cannot read back the seconds of the run: "), "{error}");
    }
}
