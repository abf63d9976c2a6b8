//! The folder below: each request of the kernel as calls on descriptors, so that no path leads back into the mount.
//!
//! This process is root, and rights have been looked at by the kernel already. What is made belongs to whoever asked.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use evenkeel_units::locked;
use fuser::FileAttr;
use rustix::fs::{
    self, AtFlags, CWD, Dir, FallocateFlags, FileType, Gid, Mode, OFlags, RenameFlags, SeekFrom,
    Stat, StatVfs, Timestamps, Uid, XattrFlags,
};
use rustix::io::{Errno, Result, pread, pwrite};

use super::attributes::attributes;
use super::tree::{Node, ROOT, Tree, path};

/// Opened to be named only.
const NAMED: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Who asks.
#[derive(Copy, Clone, Debug)]
pub(super) struct Who {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// What is opened.
#[derive(Debug)]
pub(super) enum Open {
    File(OwnedFd),
    /// A folder, and its names since it was last read from the beginning.
    Folder(OwnedFd, Mutex<Vec<Entry>>),
}

impl Open {
    fn fd(&self) -> &OwnedFd {
        match self {
            Self::File(fd) | Self::Folder(fd, _) => fd,
        }
    }
}

/// A name in a folder.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) kind: FileType,
    pub(super) name: OsString,
}

/// What is to be changed about a file.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) mode: Option<u32>,
    pub(super) user: Option<u32>,
    pub(super) group: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) times: Option<Timestamps>,
}

/// What can be made by a name.
#[derive(Clone, Debug)]
pub(super) enum Make {
    Folder { mode: u32 },
    Node { mode: u32, device: u64 },
    Link { to: CString },
}

#[derive(Debug)]
pub(super) struct Below {
    tree: Mutex<Tree>,
    open: Mutex<(BTreeMap<u64, Arc<Open>>, u64)>,
}

impl Below {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let fd = fs::open(folder, NAMED | OFlags::DIRECTORY, Mode::empty())?;
        let stat = fs::fstat(&fd)?;
        Ok(Self { tree: Mutex::new(Tree::new(fd, &stat)), open: Mutex::default() })
    }

    /// How many files are open in it; folders do not count.
    pub(super) fn open_files(&self) -> usize {
        locked(&self.open).0.values().filter(|it| matches!(***it, Open::File(_))).count()
    }

    fn node(&self, number: u64) -> Result<Arc<Node>> {
        locked(&self.tree).get(number).ok_or(Errno::STALE)
    }

    fn entered(&self, fd: OwnedFd) -> Result<FileAttr> {
        let stat = fs::fstat(&fd)?;
        let number = locked(&self.tree).enter(fd, &stat);
        Ok(attributes(number, &stat))
    }

    fn opened(&self, it: Open) -> u64 {
        let mut open = locked(&self.open);
        open.1 += 1;
        let handle = open.1;
        open.0.insert(handle, Arc::new(it));
        handle
    }

    fn handle(&self, handle: u64) -> Result<Arc<Open>> {
        locked(&self.open).0.get(&handle).cloned().ok_or(Errno::BADF)
    }

    pub(super) fn close(&self, handle: u64) {
        let closed = locked(&self.open).0.remove(&handle);
        // Not under the lock: the last one may take its time.
        drop(closed);
    }

    pub(super) fn look_up(&self, parent: u64, name: &OsStr) -> Result<FileAttr> {
        let folder = self.node(parent)?;
        self.entered(fs::openat(&folder.fd, name, NAMED, Mode::empty())?)
    }

    pub(super) fn forget(&self, number: u64, lookups: u64) {
        locked(&self.tree).forget(number, lookups);
    }

    pub(super) fn attributes(&self, number: u64) -> Result<FileAttr> {
        Ok(attributes(number, &fs::fstat(&self.node(number)?.fd)?))
    }

    pub(super) fn change(&self, number: u64, handle: Option<u64>, it: &Change) -> Result<FileAttr> {
        let node = self.node(number)?;
        if it.user.is_some() || it.group.is_some() {
            let (user, group) = (it.user.map(Uid::from_raw), it.group.map(Gid::from_raw));
            fs::chownat(&node.fd, "", user, group, AtFlags::EMPTY_PATH)?;
        }
        // After the owner: giving a file away takes its special bits.
        if let Some(mode) = it.mode {
            fs::chmod(node.path(), Mode::from_raw_mode(mode & 0o7777))?;
        }
        if let Some(size) = it.size {
            match handle.and_then(|it| self.handle(it).ok()).as_deref() {
                Some(Open::File(file)) => fs::ftruncate(file, size)?,
                _ => fs::ftruncate(reopened(&node, OFlags::WRONLY)?, size)?,
            }
        }
        if let Some(times) = &it.times {
            fs::utimensat(CWD, node.path(), times, AtFlags::empty())?;
        }
        self.attributes(number)
    }

    pub(super) fn read_link(&self, number: u64) -> Result<CString> {
        fs::readlinkat(&self.node(number)?.fd, "", Vec::new())
    }

    pub(super) fn make(
        &self,
        who: Who,
        parent: u64,
        name: &OsStr,
        what: &Make,
    ) -> Result<FileAttr> {
        let folder = self.node(parent)?;
        match what {
            Make::Folder { mode } => fs::mkdirat(&folder.fd, name, permissions(*mode))?,
            Make::Link { to } => fs::symlinkat(to, &folder.fd, name)?,
            Make::Node { mode, device } => {
                let kind = FileType::from_raw_mode(*mode);
                fs::mknodat(&folder.fd, name, kind, permissions(*mode), *device)?;
            }
        }
        let made = fs::openat(&folder.fd, name, NAMED, Mode::empty())?;
        give(who, &folder, &made)?;
        self.entered(made)
    }

    /// Opens a file by its name, which makes it when it is not there.
    pub(super) fn create(
        &self,
        who: Who,
        parent: u64,
        name: &OsStr,
        mode: u32,
        flags: i32,
    ) -> Result<(FileAttr, u64)> {
        let folder = self.node(parent)?;
        let (asked, mode) = (flagged(flags), permissions(mode));
        let new = asked | OFlags::CREATE | OFlags::EXCL;
        let file = match fs::openat(&folder.fd, name, kept(new), mode) {
            Ok(file) => {
                give(who, &folder, &file)?;
                file
            }
            // Somebody else, who came by the folder itself, was faster.
            Err(Errno::EXIST) if !asked.contains(OFlags::EXCL) => {
                let there = asked.difference(OFlags::CREATE);
                fs::openat(&folder.fd, name, kept(there), Mode::empty())?
            }
            Err(error) => return Err(error),
        };
        let named = fs::open(path(&file), OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let attributes = self.entered(named)?;
        Ok((attributes, self.opened(Open::File(file))))
    }

    pub(super) fn remove(&self, parent: u64, name: &OsStr, flags: AtFlags) -> Result<()> {
        fs::unlinkat(&self.node(parent)?.fd, name, flags)
    }

    pub(super) fn rename(&self, from: (u64, &OsStr), to: (u64, &OsStr), flags: u32) -> Result<()> {
        let (source, target) = (self.node(from.0)?, self.node(to.0)?);
        let flags = RenameFlags::from_bits_retain(flags);
        fs::renameat_with(&source.fd, from.1, &target.fd, to.1, flags)
    }

    pub(super) fn link(&self, number: u64, parent: u64, name: &OsStr) -> Result<FileAttr> {
        let (node, folder) = (self.node(number)?, self.node(parent)?);
        fs::linkat(&node.fd, "", &folder.fd, name, AtFlags::EMPTY_PATH)?;
        self.look_up(parent, name)
    }

    pub(super) fn open_file(&self, number: u64, flags: i32) -> Result<u64> {
        let asked = flagged(flags).difference(OFlags::CREATE | OFlags::EXCL);
        let file = reopened(&*self.node(number)?, asked)?;
        Ok(self.opened(Open::File(file)))
    }

    pub(super) fn read(&self, handle: u64, offset: u64, size: u32) -> Result<Vec<u8>> {
        let open = self.handle(handle)?;
        let mut bytes = vec![0; size as usize];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|it| !it.is_empty()) {
            match pread(open.fd(), rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    pub(super) fn write(&self, handle: u64, offset: u64, bytes: &[u8]) -> Result<u32> {
        let open = self.handle(handle)?;
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|it| !it.is_empty()) {
            match pwrite(open.fd(), rest, offset + written as u64) {
                Ok(0) => break,
                Ok(some) => written += some,
                Err(Errno::INTR) => {}
                Err(_) if written > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written as u32)
    }

    pub(super) fn sync(&self, handle: u64, data_only: bool) -> Result<()> {
        let open = self.handle(handle)?;
        if data_only { fs::fdatasync(open.fd()) } else { fs::fsync(open.fd()) }
    }

    pub(super) fn reserve(&self, handle: u64, offset: u64, length: u64, mode: i32) -> Result<()> {
        let mode = FallocateFlags::from_bits_retain(mode.cast_unsigned());
        fs::fallocate(self.handle(handle)?.fd(), mode, offset, length)
    }

    /// Where the next data or the next hole begins.
    pub(super) fn seek(&self, handle: u64, offset: u64, data: bool) -> Result<u64> {
        let to = if data { SeekFrom::Data(offset) } else { SeekFrom::Hole(offset) };
        fs::seek(self.handle(handle)?.fd(), to)
    }

    pub(super) fn open_folder(&self, number: u64) -> Result<u64> {
        let node = self.node(number)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::openat(&node.fd, ".", flags, Mode::empty())?;
        Ok(self.opened(Open::Folder(fd, Mutex::default())))
    }

    /// Names from this place on, each with its place. A folder that is read from the beginning is read anew.
    pub(super) fn list(
        &self,
        handle: u64,
        from: u64,
        each: impl FnMut(u64, &Entry) -> bool,
    ) -> Result<()> {
        let open = self.handle(handle)?;
        let Open::Folder(fd, entries) = &*open else { return Err(Errno::NOTDIR) };
        let mut entries = locked(entries);
        if from == 0 {
            *entries = names(fd)?;
        }
        let mut each = each;
        for (place, entry) in (1..).zip(entries.iter()).skip(from as usize) {
            if each(place, entry) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn room(&self, number: u64) -> Result<StatVfs> {
        fs::fstatvfs(&self.node(number)?.fd)
    }

    pub(super) fn note(&self, number: u64, name: &OsStr, value: &[u8], flags: i32) -> Result<()> {
        let flags = XattrFlags::from_bits_retain(flags.cast_unsigned());
        fs::setxattr(self.node(number)?.path(), name, value, flags)
    }

    /// The value of a note of that name, or without one the names of all.
    pub(super) fn notes(&self, number: u64, name: Option<&OsStr>) -> Result<Vec<u8>> {
        let path = self.node(number)?.path();
        // XATTR_SIZE_MAX and XATTR_LIST_MAX of limits.h.
        let mut bytes = vec![0; 65_536];
        let length = match name {
            Some(name) => fs::getxattr(path, name, bytes.as_mut_slice())?,
            None => fs::listxattr(path, bytes.as_mut_slice())?,
        };
        bytes.truncate(length);
        Ok(bytes)
    }

    pub(super) fn unnote(&self, number: u64, name: &OsStr) -> Result<()> {
        fs::removexattr(self.node(number)?.path(), name)
    }
}

/// Through its own entry in /proc, which leads to the file and nowhere else.
fn reopened(node: &Node, flags: OFlags) -> Result<OwnedFd> {
    fs::open(node.path(), kept(flags).difference(OFlags::NOFOLLOW), Mode::empty())
}

fn names(fd: &OwnedFd) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    // A place of its own in the folder, which begins at the beginning.
    for entry in Dir::read_from(fd)? {
        let entry = entry?;
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        // Never the number of the mount's own root.
        let number = entry.ino().max(ROOT);
        entries.push(Entry { number, kind: entry.file_type(), name });
    }
    Ok(entries)
}

/// What was just made belongs to whoever asked; its group is the folder's where the folder says so.
fn give(who: Who, folder: &Node, made: &OwnedFd) -> Result<()> {
    let (above, before): (Stat, Stat) = (fs::fstat(&folder.fd)?, fs::fstat(made)?);
    let group = (above.st_mode & 0o2000 == 0).then(|| Gid::from_raw(who.group));
    fs::chownat(made, "", Some(Uid::from_raw(who.user)), group, AtFlags::EMPTY_PATH)?;
    let special = before.st_mode & 0o6000 != 0;
    let is_link = FileType::from_raw_mode(before.st_mode) == FileType::Symlink;
    if special && !is_link {
        fs::chmod(path(made), permissions(before.st_mode))?;
    }
    Ok(())
}

fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & 0o7777)
}

fn flagged(flags: i32) -> OFlags {
    OFlags::from_bits_retain(flags.cast_unsigned())
}

/// Flags that mean the same below: our buffers are not aligned for O_DIRECT.
fn kept(flags: OFlags) -> OFlags {
    flags.difference(OFlags::DIRECT) | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
