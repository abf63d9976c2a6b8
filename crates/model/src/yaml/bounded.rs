//! Reading no more than we are ready to read.

use std::io::Read;

use super::{MAX_BYTES, Source};
use crate::Diagnostic;
use crate::decode::{Code, codes};

/// Reads all of what was `opened` as the file `name`, or refuses it after [`MAX_BYTES`] and one.
///
/// # Errors
/// When it is larger, or could not be opened, or cannot be read.
#[expect(clippy::result_large_err, reason = "made once a file, and only to be shown")]
pub fn read_bounded(name: &str, opened: std::io::Result<impl Read>) -> Result<Vec<u8>, Diagnostic> {
    let refuse = |code: Code, message: String, help: &str| {
        Source::new(name, String::new()).diagnostic(code, super::Place::default(), message, help)
    };
    let mut bytes = Vec::new();
    match opened.and_then(|it| it.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)) {
        Err(error) => Err(refuse(
            codes::UNREADABLE,
            format!("cannot be read: {error}"),
            "Check that the file is there and that you may read it.",
        )),
        Ok(count) if count > MAX_BYTES => Err(refuse(
            codes::TOO_LARGE,
            format!("larger than {} MiB", MAX_BYTES >> 20),
            "Split the documents over several files.",
        )),
        Ok(_) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives spaces for ever, and counts them.
    struct Endless(usize);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer.fill(b' ');
            self.0 += buffer.len();
            Ok(buffer.len())
        }
    }

    #[test]
    fn a_huge_file_is_refused_without_reading_all_of_it() {
        let mut endless = Endless(0);
        let refusal = read_bounded("huge.yaml", Ok(&mut endless)).unwrap_err();
        assert_eq!(refusal.code, codes::TOO_LARGE.name());
        assert!(endless.0 <= MAX_BYTES + (1 << 20), "read {} bytes", endless.0);
    }

    #[test]
    fn a_file_of_the_largest_size_is_read() {
        assert_eq!(
            read_bounded("full.yaml", Ok(Endless(0).take(MAX_BYTES as u64))).unwrap().len(),
            MAX_BYTES
        );
    }
}
