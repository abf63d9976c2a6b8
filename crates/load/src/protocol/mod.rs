//! Protocols: how a request becomes bytes, and bytes become an answer.
//!
//! One protocol, one module. Each is a machine without input or output: it is fed the bytes of one
//! connection in whatever pieces they arrive, and says what they mean. So it runs the same under the
//! reactor, in a property test that splits the bytes at every place, and in a fuzzer.

pub(crate) mod http1;
