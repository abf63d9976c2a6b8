//! Messages in a body: each has five bytes before it, whether it is compressed and how long it is.

use super::status::{INTERNAL, RESOURCE_EXHAUSTED};

/// The bytes before a message.
pub(super) const PREFIX_BYTES: usize = 5;
/// The largest message that is looked at; other clients take no larger ones either, unless told to.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// The messages of one answer.
#[derive(Debug, Default)]
pub(super) struct Messages {
    prefix: [u8; PREFIX_BYTES],
    /// How many bytes of the prefix are there.
    begun: usize,
    /// How many bytes of the message are to come.
    left: usize,
    count: u64,
    /// What is kept, with prefixes, and how much of it was taken.
    kept: Vec<u8>,
    taken: usize,
    /// Whether any was taken.
    told: bool,
}

impl Messages {
    pub(super) fn clear(&mut self) {
        (self.begun, self.left, self.count, self.taken) = (0, 0, 0, 0);
        self.told = false;
        self.kept.clear();
        self.kept.shrink_to(64 * 1024);
    }

    /// How many are whole.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Whether the body may end here.
    pub(super) const fn are_whole(&self) -> bool {
        self.begun == 0
    }

    /// Whether one was taken before.
    pub(super) const fn was_taken(&self) -> bool {
        self.told
    }

    /// Takes in a piece of the body.
    ///
    /// # Errors
    /// The status that the call ends with.
    pub(super) fn on_data(&mut self, mut data: &[u8], keeps: bool) -> Result<(), u16> {
        if keeps {
            self.kept.drain(..std::mem::take(&mut self.taken));
            self.kept.extend_from_slice(data);
        }
        while !data.is_empty() {
            if self.begun < PREFIX_BYTES {
                let (taken, rest) = data.split_at(data.len().min(PREFIX_BYTES - self.begun));
                self.prefix[self.begun..][..taken.len()].copy_from_slice(taken);
                self.begun += taken.len();
                data = rest;
                if self.begun < PREFIX_BYTES {
                    return Ok(());
                }
                let [compressed, length @ ..] = self.prefix;
                // We have agreed to no compression (gRPC, `compression.md`).
                if compressed != 0 {
                    return Err(INTERNAL);
                }
                self.left = u32::from_be_bytes(length) as usize;
                if keeps && self.left > MESSAGE_BYTES_MAX {
                    return Err(RESOURCE_EXHAUSTED);
                }
            }
            let taken = data.len().min(self.left);
            data = &data[taken..];
            self.left -= taken;
            if self.left == 0 {
                self.begun = 0;
                self.count += 1;
            }
        }
        Ok(())
    }

    /// The next whole message of those that were kept.
    pub(super) fn take(&mut self) -> Option<&[u8]> {
        let rest = &self.kept[self.taken..];
        let (prefix, rest) = rest.split_first_chunk::<PREFIX_BYTES>()?;
        let [_, length @ ..] = *prefix;
        let message = rest.get(..u32::from_be_bytes(length) as usize)?;
        self.told = true;
        self.taken += PREFIX_BYTES + message.len();
        Some(message)
    }
}
