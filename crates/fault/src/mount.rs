//! Mounts of ours: telling them from all others, and taking them away.
//!
//! A mount of ours has a kind that nobody else uses, and a source that names the fault. Only such a mount is ever taken
//! away, and only while nothing else is mounted over it.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};

/// What mounts of ours are called beside `fuse.`.
pub(crate) const SUBTYPE: &str = "evenkeel";
/// Their kind, as the kernel tells it.
const KIND: &str = "fuse.evenkeel";

/// A mount in our namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub(crate) at: PathBuf,
    /// The kind of file system.
    pub(crate) kind: String,
    /// What is mounted.
    pub(crate) source: String,
}

impl Mount {
    /// Whether a fault made it.
    pub(crate) fn is_ours(&self) -> bool {
        self.kind == KIND
    }

    /// `proc_pid_mountinfo(5)`: fields in a row, some optional ones, a dash, and three more.
    fn parse(line: &str) -> Option<Self> {
        let (head, tail) = line.split_once(" - ")?;
        let at = PathBuf::from(OsString::from_vec(unescaped(head.split(' ').nth(4)?)));
        let mut tail = tail.split(' ');
        let kind = tail.next()?.to_owned();
        let source = String::from_utf8(unescaped(tail.next()?)).ok()?;
        Some(Self { at, kind, source })
    }
}

/// Every mount, those that lie over others after them.
pub(crate) fn mounts() -> io::Result<Vec<Mount>> {
    let text = std::fs::read_to_string("/proc/self/mountinfo")?;
    Ok(text.lines().filter_map(Mount::parse).collect())
}

/// Whether this mount of ours is there.
pub(crate) fn is_there(at: &Path, source: &str) -> io::Result<bool> {
    Ok(mounts()?.iter().any(|it| it.is_ours() && it.at == at && it.source == source))
}

/// Takes a mount of ours away from its place; what is open in it stays so. `false`: it was not there.
pub(crate) fn detach(at: &Path, source: &str) -> io::Result<bool> {
    let mounts = mounts()?;
    let mut here = mounts.iter().filter(|it| it.at == at);
    let Some(top) = here.next_back() else { return Ok(false) };
    let ours = |it: &Mount| it.is_ours() && it.source == source;
    if !ours(top) {
        return match here.any(ours) {
            true => Err(io::Error::other("something else is mounted over it")),
            false => Ok(false),
        };
    }
    unmount(at, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?;
    Ok(true)
}

/// A source that names a fault by its mark.
pub(crate) fn source(mark: &str) -> String {
    let plain = |it: char| if it.is_ascii_alphanumeric() || "._/-".contains(it) { it } else { '-' };
    format!("evenkeel:{}", mark.chars().map(plain).collect::<String>())
}

/// Blanks and the like stand there as three octal digits.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut rest, mut plain) = (text.as_bytes(), Vec::new());
    while let [byte, after @ ..] = rest {
        let digits = after.get(..3).filter(|_| *byte == b'\\');
        let code = digits.and_then(|it| u8::from_str_radix(std::str::from_utf8(it).ok()?, 8).ok());
        plain.push(code.unwrap_or(*byte));
        rest = after.get(if code.is_some() { 3 } else { 0 }..).unwrap_or_default();
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_ours_is_told_by_its_kind_and_source() {
        let line = r"41 23 0:38 / /srv/a\040b rw,nosuid shared:7 - fuse.evenkeel evenkeel:run/0 rw";
        let mount = Mount::parse(line).unwrap();
        assert_eq!(
            (mount.at.to_str(), mount.source.as_str()),
            (Some("/srv/a b"), "evenkeel:run/0")
        );
        assert!(mount.is_ours());
        let other = Mount::parse("23 1 254:0 / / rw - ext4 /dev/root rw").unwrap();
        assert!(!other.is_ours() && Mount::parse("23 1 254:0 /").is_none());
    }

    #[test]
    fn what_is_not_mounted_is_not_taken_away() {
        assert!(!detach(Path::new("/"), "evenkeel:nobody").unwrap());
        assert!(!detach(Path::new("/no/such/place"), "evenkeel:nobody").unwrap());
    }
}
