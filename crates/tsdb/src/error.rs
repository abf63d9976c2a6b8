//! Errors: why a store could not be opened, or did not take what it was given.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by another process: stop that one, or choose another directory", .0.display())]
    InUse(PathBuf),
    /// There is none.
    #[error("{} holds no store", .0.display())]
    NoStore(PathBuf),
    /// It changes faster than it can be read.
    #[error("{} changes faster than it can be read: try again, or ask the server that writes it", .0.display())]
    Restless(PathBuf),
    /// It was written by a newer version.
    #[error("{} has format {found}, and this version reads up to {known}: use the version that wrote it", path.display())]
    Newer {
        /// The file that says so.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The newest that is read.
        known: u32,
    },
    /// The system said no.
    #[error("{}: {cause}", path.display())]
    Io {
        /// What was read or written.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

impl OpenError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { path: path.to_owned(), cause }
    }
}

/// Why a store could not write.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// The log could not be written. What is in memory stays; nothing is taken in until a flush has brought it to disk,
    /// which every [`tend`](crate::Store::tend) tries again. What was being appended may be in memory: to append it again
    /// does no harm.
    #[error("cannot write to {}, nothing is taken in until it can be: {cause}", path.display())]
    Log {
        /// The log's file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Arc<io::Error>,
    },
    /// A file could not be written or removed; what was there before is untouched.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Arc<io::Error>,
    },
}

impl WriteError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::File { path: path.to_owned(), cause: Arc::new(cause) }
    }
}

/// Why a series was not taken in.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has no label at all.
    #[error("a series needs at least one label")]
    Nameless,
    /// Its labels are not sorted by name, or two have one name.
    #[error("the labels are not sorted, or one stands twice")]
    Unsorted,
    /// It has too many labels.
    #[error("{count} labels, and {most} are allowed")]
    TooManyLabels {
        /// How many.
        count: usize,
        /// [`Limits::labels`](crate::Limits::labels).
        most: usize,
    },
    /// A label's name or value is too long.
    #[error("a label of {bytes} bytes, and {most} are allowed")]
    TooLong {
        /// How long.
        bytes: usize,
        /// [`Limits::name_bytes`](crate::Limits::name_bytes) or [`Limits::value_bytes`](crate::Limits::value_bytes).
        most: usize,
    },
    /// There are too many series.
    #[error("there are {most} series already, which is the limit")]
    TooManySeries {
        /// [`Limits::series`](crate::Limits::series).
        most: usize,
    },
}

/// Why a sample was not taken in.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Rejection {
    /// Its series has left the memory: ask for it again.
    #[error("the series has left the memory")]
    Forgotten,
    /// It lies further behind the latest of its series than [`Options::late`](crate::Options::late).
    #[error("the sample lies too far behind the latest of its series")]
    OutOfOrder,
    /// It is older than what is kept, [`Options::retention`](crate::Options::retention).
    #[error("the sample is older than what is kept")]
    TooOld,
    /// It lies further ahead of the clock than [`Options::ahead`](crate::Options::ahead).
    #[error("the sample lies in the future")]
    TooNew,
    /// Its series has another value at the same moment.
    #[error("there is another value at the same moment")]
    Conflict,
    /// Its histogram contradicts itself, or has too many buckets.
    #[error("the buckets of the histogram are not those it says it has")]
    Malformed,
}

impl Rejection {
    /// In one word, for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forgotten => "forgotten",
            Self::OutOfOrder => "out_of_order",
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
            Self::Conflict => "conflict",
            Self::Malformed => "malformed",
        }
    }
}
