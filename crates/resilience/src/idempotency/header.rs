//! Header: the key of a request of HTTP.

/// Longer keys are refused: a UUID has 36 characters.
const LENGTH_MAX: usize = 255;

/// Reads the value of the header `Idempotency-Key`: a string as the draft writes it, `"8e03978e"`, or without the quotes, as most clients
/// do and [`retry::Key`](crate::retry::Key) does. It has 1 to 255 visible ASCII characters, no quotes and no backslashes among them.
///
/// ```
/// use evenkeel_resilience::idempotency::{KeyError, key};
///
/// assert_eq!(key("\"8e03978e\""), Ok("8e03978e"));
/// assert_eq!(key(" 8e03978e "), Ok("8e03978e"));
/// assert_eq!(key("\"\""), Err(KeyError::Empty));
/// ```
///
/// # Errors
/// What is wrong with it; to be answered with 400.
pub fn key(header: &str) -> Result<&str, KeyError> {
    let header = header.trim_ascii();
    let inside = header.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let key = inside.unwrap_or(header);
    if key.is_empty() {
        return Err(KeyError::Empty);
    }
    if key.len() > LENGTH_MAX {
        return Err(KeyError::TooLong { length: key.len() });
    }
    match key.bytes().position(|it| !it.is_ascii_graphic() || matches!(it, b'"' | b'\\')) {
        Some(at) => Err(KeyError::Character { at }),
        None => Ok(key),
    }
}

/// Why the value of a header is no key.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is nothing.
    #[error(
        "the idempotency key is empty: send one that was made for this request, such as a UUID"
    )]
    Empty,
    /// There is too much.
    #[error("the idempotency key has {length} characters: send at most {LENGTH_MAX}")]
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// There is what does not belong there.
    #[error(
        "byte {at} of the idempotency key is not a visible ASCII character, or is a quote or a backslash"
    )]
    Character {
        /// The byte, from 0.
        at: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_told() {
        assert_eq!(key(""), Err(KeyError::Empty));
        assert_eq!(key("\""), Err(KeyError::Character { at: 0 }));
        assert_eq!(key("a b"), Err(KeyError::Character { at: 1 }));
        assert_eq!(key("\"a\\\"b\""), Err(KeyError::Character { at: 1 }));
        assert_eq!(key("schlüssel"), Err(KeyError::Character { at: 4 }));
        assert_eq!(key(&"a".repeat(256)), Err(KeyError::TooLong { length: 256 }));
        assert_eq!(key(&"a".repeat(255)).map(str::len), Ok(255));
    }
}
