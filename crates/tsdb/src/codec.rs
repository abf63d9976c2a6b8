//! Codec: how numbers lie in bytes, in the log, in chunks and in segments.
//!
//! ```text
//! wire    varints, texts, and a reader that never reads past the end
//! pack    whole numbers, packed into as few bits each as most of them need
//! bits    single bits, for what is packed no better way
//! column  floats: whole numbers and decimals packed, the rest by XOR
//! ```

pub(crate) mod bits;
pub(crate) mod column;
pub(crate) mod pack;
pub(crate) mod wire;
