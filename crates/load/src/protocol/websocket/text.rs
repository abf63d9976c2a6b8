//! Text: whether bytes that come in pieces are UTF-8.

use super::Malformed;

/// What is known of the bytes so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    /// The beginning of a character that was cut by the end of a piece.
    cut: [u8; 4],
    length: usize,
}

impl Text {
    /// Looks at the next piece.
    pub(super) fn next(&mut self, mut piece: &[u8]) -> Result<(), Malformed> {
        while self.length > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            // A character has four bytes at most, and one that is not whole is shorter.
            self.cut[self.length] = byte;
            self.length += 1;
            match std::str::from_utf8(&self.cut[..self.length]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(Malformed),
            }
        }
        let Err(error) = std::str::from_utf8(piece) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(Malformed);
        }
        let cut = &piece[error.valid_up_to()..];
        self.cut[..cut.len()].copy_from_slice(cut);
        self.length = cut.len();
        Ok(())
    }

    /// The text ends here.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        match std::mem::take(&mut self.length) {
            0 => Ok(()),
            _ => Err(Malformed),
        }
    }
}
