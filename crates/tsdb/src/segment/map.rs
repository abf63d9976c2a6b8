//! Map: a file in the address space, read only.

use std::fs::File;
use std::io;
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

/// The bytes of a file as they were when it was mapped.
#[derive(Debug)]
pub(crate) struct Map {
    /// Dangling when the file is empty.
    begin: NonNull<u8>,
    length: usize,
}

impl Map {
    /// Maps a file, which nobody may change: a segment is written under another name and never again after it got its
    /// own, in a directory that one process holds. A file that is removed stays until the last map of it is gone.
    #[expect(unsafe_code, reason = "a map is made of a pointer that only the system can vouch for")]
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        if length == 0 {
            return Ok(Self { begin: NonNull::dangling(), length });
        }
        // SAFETY: the address is the system's to choose, so that no memory of ours is replaced.
        let begin = unsafe {
            mmap(std::ptr::null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0)?
        };
        let begin = NonNull::new(begin.cast()).ok_or_else(|| io::Error::other("mapped nowhere"))?;
        Ok(Self { begin, length })
    }

    /// Lets go of what of the file is in this process' memory; it is read again when it is asked for.
    #[expect(unsafe_code, reason = "advice is about addresses")]
    pub(crate) fn release(&self) -> io::Result<()> {
        if self.length == 0 {
            return Ok(());
        }
        // SAFETY: exactly what was mapped. The pages are those of a file that nobody writes, so whoever looks at them
        // afterwards finds the same bytes.
        unsafe { madvise(self.begin.as_ptr().cast(), self.length, Advice::LinuxDontNeed)? };
        Ok(())
    }

    #[expect(unsafe_code, reason = "the bytes lie behind a pointer")]
    pub(crate) const fn bytes(&self) -> &[u8] {
        // SAFETY: the system mapped so many readable bytes there, and unmaps them when this is dropped; no slice
        // outlives the borrow. The file does not change (see `of`), so neither do they.
        unsafe { std::slice::from_raw_parts(self.begin.as_ptr(), self.length) }
    }
}

impl Drop for Map {
    #[expect(unsafe_code, reason = "what the system mapped is given back to it")]
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: exactly what was mapped, and no slice of it is left, for each borrows this.
            let unmapped = unsafe { munmap(self.begin.as_ptr().cast(), self.length) };
            debug_assert!(unmapped.is_ok(), "a map is given back once");
        }
    }
}

// SAFETY: the bytes are only ever read, by whatever thread.
#[expect(unsafe_code, reason = "a pointer to bytes that nobody writes may go anywhere")]
unsafe impl Send for Map {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer to bytes that nobody writes may be shared")]
unsafe impl Sync for Map {}
