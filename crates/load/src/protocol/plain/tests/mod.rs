//! Bytes as they stand, over what keeps their order and over what keeps their bounds.

mod datagram;
mod stream;
