//! What is known of a file, in the words of the kernel's two sides.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo, TimeOrNow};
use rustix::fs::{Stat, Timespec, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

/// How a request fails.
pub(super) fn errno(error: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(error.raw_os_error())
}

pub(super) fn attributes(number: u64, stat: &Stat) -> FileAttr {
    FileAttr {
        ino: INodeNo(number),
        size: stat.st_size.unsigned_abs(),
        blocks: stat.st_blocks.unsigned_abs(),
        atime: moment(stat.st_atime, stat.st_atime_nsec as u32),
        mtime: moment(stat.st_mtime, stat.st_mtime_nsec as u32),
        ctime: moment(stat.st_ctime, stat.st_ctime_nsec as u32),
        crtime: UNIX_EPOCH,
        kind: kind(rustix::fs::FileType::from_raw_mode(stat.st_mode)),
        perm: (stat.st_mode & 0o7777) as u16,
        nlink: stat.st_nlink as u32,
        uid: stat.st_uid,
        gid: stat.st_gid,
        // Devices have no numbers here: the mount lets none be opened.
        rdev: device(stat.st_rdev),
        blksize: stat.st_blksize as u32,
        flags: 0,
    }
}

pub(super) const fn kind(of: rustix::fs::FileType) -> FileType {
    use rustix::fs::FileType as Its;
    match of {
        Its::Directory => FileType::Directory,
        Its::Symlink => FileType::Symlink,
        Its::Fifo => FileType::NamedPipe,
        Its::Socket => FileType::Socket,
        Its::CharacterDevice => FileType::CharDevice,
        Its::BlockDevice => FileType::BlockDevice,
        _ => FileType::RegularFile,
    }
}

/// As the kernel packs a device into 32 bits: 12 for the major number, 20 for the minor one.
fn device(of: u64) -> u32 {
    let (major, minor) = (rustix::fs::major(of), rustix::fs::minor(of));
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// The way back.
pub(super) fn device_of(packed: u32) -> u64 {
    rustix::fs::makedev((packed & 0xfff00) >> 8, (packed & 0xff) | ((packed >> 12) & 0xfff00))
}

fn moment(seconds: i64, nanoseconds: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let whole =
        if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    let part = Duration::from_nanos(nanoseconds.into());
    whole.and_then(|it| it.checked_add(part)).unwrap_or(UNIX_EPOCH)
}

/// A time that is to be set; what is not given stays.
pub(super) fn time(of: Option<TimeOrNow>) -> Timespec {
    let special = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    match of {
        None => special(UTIME_OMIT),
        Some(TimeOrNow::Now) => special(UTIME_NOW),
        Some(TimeOrNow::SpecificTime(it)) => match it.duration_since(UNIX_EPOCH) {
            Ok(after) => Timespec {
                tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: after.subsec_nanos().into(),
            },
            Err(before) => {
                let before = before.duration();
                let (seconds, part) = (before.as_secs(), i64::from(before.subsec_nanos()));
                let whole = -i64::try_from(seconds).unwrap_or(i64::MAX);
                match part {
                    0 => Timespec { tv_sec: whole, tv_nsec: 0 },
                    part => Timespec { tv_sec: whole - 1, tv_nsec: 1_000_000_000 - part },
                }
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_and_device_numbers_survive_the_way_there_and_back() {
        for (seconds, part) in [(0, 0), (7, 5), (-7, 0), (-7, 999_999_999)] {
            let back = time(Some(TimeOrNow::SpecificTime(moment(seconds, part))));
            assert_eq!((back.tv_sec, back.tv_nsec), (seconds, i64::from(part)));
        }
        for (major, minor) in [(1, 3), (254, 0x12345), (0xfff, 0xfffff)] {
            let number = rustix::fs::makedev(major, minor);
            assert_eq!(device_of(device(number)), number);
        }
    }
}
