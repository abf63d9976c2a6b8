//! Text of HTTP: which bytes may stand where, whatever the version.

/// Whether a name or a method may hold it (RFC 9110 §5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a path may hold it.
pub(super) const fn fits_path(byte: u8) -> bool {
    byte > b' ' && byte < 0x7f
}

/// Whether the value of a header may hold it.
pub(super) const fn fits_header(byte: u8) -> bool {
    (byte >= b' ' || byte == b'\t') && byte != 0x7f
}

/// What a path cannot have is written as its hexadecimal number.
pub(super) fn percent(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("%{byte:02X}").as_bytes());
}
