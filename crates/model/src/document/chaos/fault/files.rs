//! What is done to files, and how it fails.

use std::fmt;

use evenkeel_units::Bytes;
use serde::{Deserialize, Serialize};

/// What a program does to files.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOperation {
    /// A file that is there is opened.
    Open,
    /// A file, folder or link is made.
    Create,
    /// Bytes are read.
    Read,
    /// Bytes are written, room is reserved, or a file is cut.
    Write,
    /// What was written has to be on the disk.
    Fsync,
    /// Something gets another name.
    Rename,
    /// Something is removed.
    Remove,
    /// A folder is opened to be listed.
    List,
}

impl FileOperation {
    /// As documents have them, in the order of the manual.
    pub const NAMES: [(&str, Self); 8] = [
        ("open", Self::Open),
        ("create", Self::Create),
        ("read", Self::Read),
        ("write", Self::Write),
        ("fsync", Self::Fsync),
        ("rename", Self::Rename),
        ("remove", Self::Remove),
        ("list", Self::List),
    ];

    /// Those that are met when a document names none.
    pub const USUAL: [Self; 3] = [Self::Read, Self::Write, Self::Fsync];
}

impl fmt::Display for FileOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES.iter().find(|it| it.1 == *self).map_or("", |it| it.0))
    }
}

/// The error that an operation on a file fails with, as errno(3) names it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileError {
    /// `EIO`: the disk is broken.
    Io,
    /// `ENOSPC`: the disk is full.
    NoSpace,
    /// `EDQUOT`: the user's share of it is used up.
    Quota,
    /// `EROFS`: it was mounted read-only, as ext4 does to itself after an error.
    ReadOnly,
    /// `EACCES`: nobody gave the right to.
    Denied,
    /// `ESTALE`: a file server has forgotten the file.
    Stale,
}

impl FileError {
    /// As documents have them, in the order of the manual.
    pub const NAMES: [(&str, Self); 6] = [
        ("EIO", Self::Io),
        ("ENOSPC", Self::NoSpace),
        ("EDQUOT", Self::Quota),
        ("EROFS", Self::ReadOnly),
        ("EACCES", Self::Denied),
        ("ESTALE", Self::Stale),
    ];
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES.iter().find(|it| it.1 == *self).map_or("", |it| it.0))
    }
}

/// How fast a disk is, at most; what is not given is not limited.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoLimits {
    /// Bytes read, each second.
    pub read_rate: Option<Bytes>,
    /// Bytes written, each second.
    pub write_rate: Option<Bytes>,
    /// Reads, each second.
    pub read_operations: Option<u64>,
    /// Writes, each second.
    pub write_operations: Option<u64>,
}

impl fmt::Display for IoLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |it: Option<Bytes>, what: &str| it.map(|it| format!("{what} {it}/s"));
        let number = |it: Option<u64>, what: &str| it.map(|it| format!("{it} {what}/s"));
        let parts = [
            rate(self.read_rate, "read"),
            rate(self.write_rate, "write"),
            number(self.read_operations, "reads"),
            number(self.write_operations, "writes"),
        ];
        f.write_str(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}
