//! Requests of the kernel: what each becomes below, and which operation of a program it is.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use evenkeel_model::document::FileOperation;
use fuser::{
    BsdFileFlags, FileAttr, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{AtFlags, Timestamps};
use rustix::io::{Errno, Result};

use super::attributes::{device_of, errno, kind, time};
use super::below::{Below, Change, Make, Who};
use super::meddle::{Meddler, Verdict};

/// Nothing is remembered: others change the folder below, by files that they opened before.
const TTL: Duration = Duration::ZERO;
/// A number means one file for as long as the kernel knows it.
const GENERATION: Generation = Generation(0);
/// Every read and write is a request; else the kernel would answer some by itself.
const DIRECT: FopenFlags = FopenFlags::FOPEN_DIRECT_IO;

/// `SEEK_DATA` and `SEEK_HOLE` of lseek(2).
const SEEK_DATA: i32 = 3;
const SEEK_HOLE: i32 = 4;

/// From the kernel to the folder below, past whoever meddles.
pub(super) struct Passage {
    pub(super) below: Arc<Below>,
    pub(super) meddler: Arc<Meddler>,
}

/// An answer that can be an error.
trait Answer: Send + 'static {
    fn refuse(self, error: Errno);
}

macro_rules! answers {
    ($($reply:ty)*) => { $(
        impl Answer for $reply {
            fn refuse(self, error: Errno) {
                self.error(errno(error));
            }
        }
    )* };
}

answers!(ReplyAttr ReplyCreate ReplyData ReplyEmpty ReplyEntry ReplyOpen ReplyWrite);

fn empty(reply: ReplyEmpty, done: Result<()>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.refuse(error),
    }
}

fn entry(reply: ReplyEntry, done: Result<FileAttr>) {
    match done {
        Ok(it) => reply.entry(&TTL, &it, GENERATION),
        Err(error) => reply.refuse(error),
    }
}

fn attribute(reply: ReplyAttr, done: Result<FileAttr>) {
    match done {
        Ok(it) => reply.attr(&TTL, &it),
        Err(error) => reply.refuse(error),
    }
}

fn noted(reply: ReplyXattr, size: u32, done: Result<Vec<u8>>) {
    match done {
        Err(error) => reply.error(errno(error)),
        Ok(value) if size == 0 => reply.size(value.len() as u32),
        Ok(value) if value.len() > size as usize => reply.error(errno(Errno::RANGE)),
        Ok(value) => reply.data(&value),
    }
}

fn who(request: &Request) -> Who {
    Who { user: request.uid(), group: request.gid() }
}

impl Passage {
    /// Does it, now or later, or not at all.
    fn meet<R: Answer>(
        &self,
        operation: FileOperation,
        reply: R,
        act: impl FnOnce(&Below, R) + Send + 'static,
    ) {
        match self.meddler.judge(operation) {
            Verdict::Pass => act(&self.below, reply),
            Verdict::Fail(error) => reply.refuse(error),
            Verdict::Wait(delay) => {
                let below = self.below.clone();
                self.meddler.later(delay, Box::new(move || act(&below, reply)));
            }
        }
    }

    fn make(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        what: Make,
        reply: ReplyEntry,
    ) {
        let (who, name) = (who(request), name.to_owned());
        self.meet(FileOperation::Create, reply, move |below, reply| {
            entry(reply, below.make(who, parent.0, &name, &what));
        });
    }

    fn remove(&self, parent: INodeNo, name: &OsStr, flags: AtFlags, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.meet(FileOperation::Remove, reply, move |below, reply| {
            empty(reply, below.remove(parent.0, &name, flags));
        });
    }
}

impl Filesystem for Passage {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let wanted = [
            // Linux 6.6: files can be mapped and shared though nothing is kept.
            InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
            InitFlags::FUSE_PARALLEL_DIROPS,
            // Lists of rights are looked at, as they are below.
            InitFlags::FUSE_POSIX_ACL,
        ];
        for it in wanted {
            // A kernel that does not know it goes without.
            config.add_capabilities(it).unwrap_or_default();
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(reply, self.below.look_up(parent.0, name));
    }

    fn forget(&self, _: &Request, ino: INodeNo, nlookup: u64) {
        self.below.forget(ino.0, nlookup);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        attribute(reply, self.below.attributes(ino.0));
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        fh: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let times = (atime.is_some() || mtime.is_some())
            .then(|| Timestamps { last_access: time(atime), last_modification: time(mtime) });
        let change = Change { mode, user: uid, group: gid, size, times };
        let handle = fh.map(|it| it.0);
        if size.is_none() {
            return attribute(reply, self.below.change(ino.0, handle, &change));
        }
        self.meet(FileOperation::Write, reply, move |below, reply| {
            attribute(reply, below.change(ino.0, handle, &change));
        });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.below.read_link(ino.0) {
            Ok(to) => reply.data(to.as_bytes()),
            Err(error) => reply.refuse(error),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        self.make(request, parent, name, Make::Node { mode, device: device_of(rdev) }, reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        self.make(request, parent, name, Make::Folder { mode }, reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        match CString::new(target.as_os_str().as_bytes()) {
            Ok(to) => self.make(request, parent, name, Make::Link { to }, reply),
            Err(_) => reply.refuse(Errno::INVAL),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.remove(parent, name, AtFlags::empty(), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.remove(parent, name, AtFlags::REMOVEDIR, reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (name, newname) = (name.to_owned(), newname.to_owned());
        self.meet(FileOperation::Rename, reply, move |below, reply| {
            let (from, to) = ((parent.0, name.as_os_str()), (newparent.0, newname.as_os_str()));
            empty(reply, below.rename(from, to, flags.bits()));
        });
    }

    fn link(
        &self,
        _: &Request,
        ino: INodeNo,
        newparent: INodeNo,
        newname: &OsStr,
        reply: ReplyEntry,
    ) {
        let name = newname.to_owned();
        self.meet(FileOperation::Create, reply, move |below, reply| {
            entry(reply, below.link(ino.0, newparent.0, &name));
        });
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.meet(FileOperation::Open, reply, move |below, reply| {
            match below.open_file(ino.0, flags.0) {
                Ok(handle) => reply.opened(FileHandle(handle), DIRECT),
                Err(error) => reply.refuse(error),
            }
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let (who, name) = (who(request), name.to_owned());
        self.meet(FileOperation::Create, reply, move |below, reply| {
            match below.create(who, parent.0, &name, mode, flags) {
                Ok((it, handle)) => {
                    reply.created(&TTL, &it, GENERATION, FileHandle(handle), DIRECT);
                }
                Err(error) => reply.refuse(error),
            }
        });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.meet(FileOperation::Read, reply, move |below, reply| {
            match below.read(fh.0, offset, size) {
                Ok(bytes) => reply.data(&bytes),
                Err(error) => reply.refuse(error),
            }
        });
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let bytes = data.to_owned();
        self.meet(FileOperation::Write, reply, move |below, reply| {
            match below.write(fh.0, offset, &bytes) {
                Ok(written) => reply.written(written),
                Err(error) => reply.refuse(error),
            }
        });
    }

    /// A close of one of a file's descriptors: nothing is held back here that could be written now.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.refuse(Errno::NOSYS);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.below.close(fh.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, fh: FileHandle, datasync: bool, reply: ReplyEmpty) {
        self.meet(FileOperation::Fsync, reply, move |below, reply| {
            empty(reply, below.sync(fh.0, datasync));
        });
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.meet(FileOperation::List, reply, move |below, reply| match below.open_folder(ino.0) {
            Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
            Err(error) => reply.refuse(error),
        });
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let done = self.below.list(fh.0, offset, |place, it| {
            reply.add(INodeNo(it.number), place, kind(it.kind), &it.name)
        });
        match done {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.below.close(fh.0);
        reply.ok();
    }

    fn fsyncdir(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        datasync: bool,
        reply: ReplyEmpty,
    ) {
        self.fsync(request, ino, fh, datasync, reply);
    }

    fn statfs(&self, _: &Request, ino: INodeNo, reply: ReplyStatfs) {
        match self.below.room(ino.0) {
            Ok(it) => reply.statfs(
                it.f_blocks,
                it.f_bfree,
                it.f_bavail,
                it.f_files,
                it.f_ffree,
                it.f_bsize as u32,
                it.f_namemax as u32,
                it.f_frsize as u32,
            ),
            Err(error) => reply.error(errno(error)),
        }
    }

    fn setxattr(
        &self,
        _: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        empty(reply, self.below.note(ino.0, name, value, flags));
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        noted(reply, size, self.below.notes(ino.0, Some(name)));
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        noted(reply, size, self.below.notes(ino.0, None));
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(reply, self.below.unnote(ino.0, name));
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.meet(FileOperation::Write, reply, move |below, reply| {
            empty(reply, below.reserve(fh.0, offset, length, mode));
        });
    }

    fn lseek(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let found = match (whence, u64::try_from(offset)) {
            (SEEK_DATA | SEEK_HOLE, Ok(offset)) => {
                self.below.seek(fh.0, offset, whence == SEEK_DATA)
            }
            _ => Err(Errno::INVAL),
        };
        match found.map(i64::try_from) {
            Ok(Ok(offset)) => reply.offset(offset),
            Ok(Err(_)) => reply.error(errno(Errno::OVERFLOW)),
            Err(error) => reply.error(errno(error)),
        }
    }
}
